"""`make run`: the whole demonstration in one terminal.

Prepares the data, starts the demo directory, the web server and the worker, waits until they
answer, says where, and ends all of them together.
"""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from portal.config import ROOT, Misconfigured, Settings
from portal.people import demo_directory, demo_keys, demo_people

START_SECONDS = 60
STOP_SECONDS = 30
ASK_AGAIN_SECONDS = 0.5
PR_SET_PDEATHSIG = 1
WORKERS = 2
THREADS = 4

Children = dict[str, subprocess.Popen[bytes]]


class Stopped(Exception):
    """A child ended by itself; the message says which."""


class Told(Exception):
    """Somebody asked us to end."""


def main() -> int:
    """Run until Ctrl-C or SIGTERM; returns the exit code."""
    environment = _environment(os.environ)
    try:
        settings = _settings(environment)
    except Misconfigured as refusal:
        for problem in refusal.problems:
            print(f"The portal does not start. {problem}", file=sys.stderr)
        return 2
    # A signal only leaves word: an exception out of nowhere can get lost in what it interrupts.
    # Said for SIGINT too, which is ignored in what a script starts in the background.
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    children: Children = {}
    try:
        demo_keys.prepare(settings.data_dir)
        assert settings.secret_key  # made now: several processes at once would make several
        children["demo directory"] = _start(environment, *_part("directory"))
        children["web server"] = _start(environment, "granian", *_granian(environment))
        children["preparation"] = _start(environment, *_part("prepare"))
        while children["preparation"].poll() is None:
            _look(children, told)
            told.wait(0.02)
        _look(children, told)
        del children["preparation"]
        children["worker"] = _start(environment, "flask", "portal", "work")
        _wait_until_ready(environment["PORT"], children, told)
        _announce(settings)
        while True:
            _look(children, told)
            told.wait(0.5)
    except Told:
        print("\nStopping.", flush=True)
        return 0
    except Stopped as fault:
        print(f"The {fault} ended by itself: see above. Stopping.", file=sys.stderr)
        return 1
    finally:
        _stop(children)


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of all children: one port, one data folder, one directory."""
    port = given.get("PORT") or "8000"
    return {
        "PORTAL_BASE_URL": f"http://127.0.0.1:{port}",
        "PORTAL_DEMO_DIRECTORY_PORT": str(_free_port()),
        **given,
        "PORT": port,
        "FLASK_APP": "wsgi",
        "PYTHONUNBUFFERED": "1",
    }


def _settings(environment: Mapping[str, str]) -> Settings:
    """The settings of a demonstration. Raises Misconfigured where one cannot be run."""
    settings = Settings.from_env(environment)
    if not settings.is_demo:
        raise Misconfigured(["PORTAL_ENV: this command is the demonstration; see README."])
    port = environment["PORT"]
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(port)))
    except (ValueError, OverflowError):
        raise Misconfigured([f"PORT: {port!r} is not a port."]) from None
    except OSError as fault:
        words = f"PORT: {port} cannot be used ({fault.strerror}). Choose another: PORT=8001"
        raise Misconfigured([words]) from None
    return settings


def _granian(environment: Mapping[str, str]) -> list[str]:
    return [
        "wsgi:app",
        "--interface=wsgi",
        "--host=127.0.0.1",
        f"--port={environment['PORT']}",
        f"--workers={WORKERS}",
        f"--blocking-threads={THREADS}",
        "--respawn-failed-workers",
        "--log-level=warning",
    ]


def _part(name: str) -> tuple[str, ...]:
    return "python", "-m", "portal.running", name


def prepare() -> int:
    """Database, courses, people, campaigns, a plausible start; a second time adds what is new.

    A process of its own, beside those of the portal: they start at the same time.
    """
    from portal import db, demo
    from portal.app import create_app
    from portal.courses import content
    from portal.courses import services as courses
    from portal.directory import syncing
    from portal.errors import Refused
    from portal.migrations import upgrade
    from portal.people.door import current_door

    settings = Settings.from_env()
    app = create_app(settings)
    upgrade(app.extensions["engine"])
    with app.app_context():
        for key in content.list_keys(settings.content_dir):
            try:
                with db.transaction():
                    courses.publish(settings.content_dir, key)
            except content.ContentInvalid as fault:
                print(f"{key} is not published.\n{fault}", file=sys.stderr)
                return 1
        _wait_for_port(settings.demo_directory_port)
        with suppress(Refused):  # one that was cut short before: the worker ends it
            syncing.run_now(current_door())
        with db.transaction():
            demo.open_campaigns(datetime.now(UTC).astimezone(settings.zone).date())
        with db.transaction():
            demo.seed(settings)
    return 0


def serve_directory() -> int:
    """The demonstration's directory: a process that loads nothing else of the portal."""
    settings = Settings.from_env()
    demo_directory.serve(settings.data_dir, settings.demo_directory_port)
    return 0


def _start(environment: Mapping[str, str], program: str, *words: str) -> subprocess.Popen[bytes]:
    """Start one of our programs; the kernel ends it with us, whatever happens."""
    libc = ctypes.CDLL(None)
    return subprocess.Popen(  # noqa: S603 - our own words
        [Path(sys.executable).parent / program, *words],
        env=dict(environment),
        cwd=ROOT,
        start_new_session=True,  # Ctrl-C reaches us alone, and we end them in order
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM),  # noqa: PLW1509
    )


def _wait_for_port(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise Stopped("demo directory")


def _wait_until_ready(port: str, children: Children, told: threading.Event) -> None:
    until = time.monotonic() + START_SECONDS
    answer: object = None
    while time.monotonic() < until:
        _look(children, told)
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except HTTPError as fault:
            answer = json.loads(fault.read())
        except (URLError, OSError):
            answer = "no answer"
        told.wait(0.05)
    print(f"Not ready after {START_SECONDS} s: {answer}", file=sys.stderr)
    raise Stopped("web server")


def _announce(settings: Settings) -> None:
    width = max(len(member.username) for member in demo_people.CAST)
    print(f"\n  {settings.name}, {settings.organization}\n  {settings.base_url}\n")
    print(f"  Sign in with the password {demo_people.PASSWORD} as")
    for member in demo_people.CAST:
        print(f"    {member.username:<{width}}  {member.plays}")
    print("\n  Ctrl-C ends everything; the data stays.", flush=True)


def _look(children: Children, told: threading.Event) -> None:
    """Raise Told when we shall end, or Stopped when a child has ended that should not."""
    if told.is_set():
        raise Told
    for name, child in children.items():
        code = child.poll()
        if code is not None and (code or name != "preparation"):
            raise Stopped(name)


def _stop(children: Children) -> None:
    """Ask all to finish, the web first; then insist.

    We ask again and again: a web worker that is still loading the portal does not hear it.
    """
    for name in ("web server", "worker", "preparation", "demo directory"):
        if name in children and not _finishes(children[name]):
            _signal(children[name], signal.SIGKILL)
            children[name].wait()


def _finishes(child: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + STOP_SECONDS
    while time.monotonic() < until:
        _signal(child, signal.SIGTERM)
        try:
            child.wait(ASK_AGAIN_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return True
    return False


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if child.poll() is None:
        os.killpg(child.pid, number)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    parts = {"prepare": prepare, "directory": serve_directory}
    sys.exit(parts[sys.argv[1]]() if sys.argv[1:] else main())
