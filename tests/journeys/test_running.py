"""`make run`: one command, ended cleanly, and data that stays."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.request import urlopen

from tests import servers
from tests.conftest import ROOT


def processes_of(folder: Path) -> dict[int, str]:
    """All processes that work on this data folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes()
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"PORTAL_DATA_DIR={folder}\0".encode() in environment:
            found[int(path.name)] = command
    return found


def start(folder: Path, port: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "portal.running"],
        cwd=ROOT,
        env={
            **os.environ,
            "PORT": str(port),
            "PORTAL_DATA_DIR": str(folder),
            "PYTHONWARNINGS": "ignore",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    for line in process.stdout or ():
        said += line
        if "Ctrl-C ends everything" in line:
            assert f"http://127.0.0.1:{port}" in said
            assert "avery.chen" in said
            return process
    raise AssertionError(said)


def count_people(folder: Path) -> int:
    with sqlite3.connect(folder / "portal.sqlite3") as database:
        return int(database.execute("SELECT count(*) FROM people").fetchone()[0])


def test_it_starts_keeps_its_data_and_ends_without_leaving_anything_behind():
    folder, port = Path(tempfile.mkdtemp(prefix="portal-run-")), servers.free_port()
    first = start(folder, port)
    people = count_people(folder)
    worker = next(pid for pid, command in processes_of(folder).items() if "portal work" in command)

    os.kill(worker, signal.SIGKILL)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "The worker ended by itself" in said
    assert processes_of(folder) == {}

    second = start(folder, port)
    assert urlopen(f"http://127.0.0.1:{port}/healthz").status == 200
    assert count_people(folder) == people
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=60)

    assert second.returncode == 0
    assert processes_of(folder) == {}
