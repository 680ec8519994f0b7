"""What `make run` refuses, and that it ends when it is told to, whoever started it."""

import os
import shlex
import signal
import socket
import subprocess
import sys

import pytest

from portal import running
from portal.config import Misconfigured, Settings
from tests import servers
from tests.conftest import ROOT


def environment(tmp_path, **given):
    return running._environment({"PORTAL_DATA_DIR": str(tmp_path), **given})


def refusal(given):
    with pytest.raises(Misconfigured) as refused:
        running._settings(given)
    (line,) = refused.value.problems
    return line


def test_a_port_that_somebody_has_is_refused_with_what_to_do(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        line = refusal(environment(tmp_path, PORT=port))

    assert (
        line == f"PORT: {port} cannot be used (Address already in use). Choose another: PORT=8001"
    )


@pytest.mark.parametrize("port", ["http", "70000", "-1"])
def test_what_is_not_a_port_is_refused(tmp_path, port):
    assert refusal(environment(tmp_path, PORT=port)) == f"PORT: {port!r} is not a port."


def test_an_empty_port_is_the_default_one(tmp_path):
    assert environment(tmp_path, PORT="")["PORT"] == "8000"


def test_the_demonstration_never_runs_on_the_settings_of_production(tmp_path, monkeypatch):
    real = Settings(data_dir=tmp_path, env="production")
    monkeypatch.setattr(Settings, "from_env", lambda _environment: real)

    assert refusal(environment(tmp_path)).startswith("PORTAL_ENV: this command is the demo")


def test_a_refusal_is_one_line_and_an_exit_code(tmp_path, monkeypatch, capsys):
    for name, value in environment(tmp_path, PORT="http").items():
        monkeypatch.setenv(name, value)

    assert running.main() == 2
    assert capsys.readouterr().err == "The portal does not start. PORT: 'http' is not a port.\n"


@pytest.mark.server
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_all_its_children_although_a_script_had_it_ignore_ctrl_c(tmp_path, number):
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' INT; exec {shlex.quote(sys.executable)} -m portal.running"],
        cwd=ROOT,
        env={
            **os.environ,
            "PORT": str(servers.free_port()),
            "PORTAL_DATA_DIR": str(tmp_path),
            "PYTHONWARNINGS": "ignore",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert "Demonstration directory" in process.stdout.readline()  # in the middle of its start

    process.send_signal(number)
    # Sooner than by force; ends when no child holds the pipe any more.
    said, _ = process.communicate(timeout=running.STOP_SECONDS - 3)

    assert process.returncode == 0
    assert said.splitlines()[-1] == "Stopping."
