"""kill -9 at random instants while people sign: nothing that was confirmed is lost or doubled."""

import http.client
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from sqlalchemy import select

from portal import db, demo
from portal.app import create_app
from portal.attestations.models import Attestation, Evidence
from portal.audit.checkpoints import load_signer, verify_log
from portal.campaigns.models import Assignment, Campaign
from portal.config import Settings
from portal.courses import services as courses
from portal.directory import syncing
from portal.migrations import upgrade
from portal.people import demo_directory, demo_keys, demo_people
from portal.people.door import current_door
from portal.people.models import Person
from portal.people.services import identify
from portal.reports.verifying import compare_facts
from tests import servers
from tests.conftest import ROOT

KILLS = 50
SIGNERS = 3
MOST_BETWEEN = 18
"""So many requests lie between two kills at most; a signature takes about six."""

PROGRAMS = Path(sys.executable).parent


class Processes:
    """Web and worker as children, to be killed and started again."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self._environment = environment
        self._commands = {
            "web": [
                PROGRAMS / "granian",
                "wsgi:app",
                "--interface=wsgi",
                "--host=127.0.0.1",
                f"--port={port}",
                "--workers=1",
                "--blocking-threads=4",
                "--log-level=critical",
            ],
            "worker": [PROGRAMS / "flask", "portal", "work"],
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self._running[name] = subprocess.Popen(
            self._commands[name],
            cwd=ROOT,
            env=self._environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, name: str) -> None:
        """End it and all its children at once, without a word."""
        with suppress(ProcessLookupError):
            os.killpg(self._running[name].pid, signal.SIGKILL)
        self._running[name].wait()

    def stop(self) -> None:
        for name in list(self._running):
            self.kill(name)


class Signer:
    """One person at a browser, who tries until the page says that they have signed."""

    asked = 0
    """How many requests all signers together have begun."""

    def __init__(self, url: str, username: str, name: str, assignment: str) -> None:
        self._host = urlsplit(url).netloc
        self._cookie = ""
        self._username, self._name = username, name
        self._path = f"/attestations/{assignment}/sign"

    def sign(self, stop: threading.Event) -> str | None:
        """The receipt number that the page showed; None when stopped before."""
        while not stop.is_set():
            try:
                if number := self._try():
                    return number
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
        return None

    def _try(self) -> str | None:
        page = self._get(self._path)
        if "You have signed" not in page and 'id="typed_name"' not in page:
            self._post(
                "/people/sign-in",
                page,
                username=self._username,
                password=demo_people.PASSWORD,
            )
            page = self._get(self._path)
        if 'id="typed_name"' in page:
            page = self._post(
                self._path,
                page,
                agrees="y",
                typed_name=self._name,
                password=demo_people.PASSWORD,
            )
        if "You have signed" not in page:
            return None
        found = re.search(r"MH-\d{4}-\w{4}-\w{4}-\w{2}", page)
        return found[0] if found else None

    def _get(self, path: str) -> str:
        return self._ask("GET", path)

    def _post(self, path: str, page: str, **fields: str) -> str:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        given = fields | {"csrf_token": token[1] if token else ""}
        return self._ask("POST", path, urlencode(given))

    def _ask(self, method: str, path: str, body: str | None = None) -> str:
        for _hop in range(6):
            connection = http.client.HTTPConnection(self._host, timeout=15)
            headers = {"Cookie": self._cookie}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            Signer.asked += 1
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            for cookie in answer.headers.get_all("Set-Cookie") or []:
                self._cookie = cookie.partition(";")[0]
            connection.close()
            if answer.status not in {301, 302, 303}:
                return text
            method, path, body = "GET", answer.headers["Location"], None
        return ""


@pytest.mark.server
def test_what_a_person_was_told_is_signed_survives_fifty_kills(tmp_path):
    port = servers.free_port()
    settings = Settings(
        data_dir=tmp_path,
        base_url=f"http://127.0.0.1:{port}",
        demo_directory_port=servers.free_port(),
        sign_in_tries_address=10_000,
        sign_in_tries=10_000,
    )
    environment = {
        **os.environ,
        "FLASK_APP": "wsgi",
        "PYTHONWARNINGS": "ignore",
        "PORTAL_DATA_DIR": str(tmp_path),
        "PORTAL_BASE_URL": settings.base_url,
        "PORTAL_DEMO_DIRECTORY_PORT": str(settings.demo_directory_port),
        "PORTAL_SIGN_IN_TRIES": "10000",
        "PORTAL_SIGN_IN_TRIES_ADDRESS": "10000",
    }
    app = create_app(settings)
    upgrade(app.extensions["engine"])
    demo_keys.prepare(tmp_path)
    password = (tmp_path / "demo-directory-password").read_text()
    directory = demo_directory.DemoServer(
        ("127.0.0.1", settings.demo_directory_port),
        demo_directory.DemoDirectory(demo_people.everybody(), password),
        tmp_path,
    )
    threading.Thread(target=directory.serve_forever, daemon=True).start()
    waiting = _make_ready(app)
    processes = Processes(environment, port)
    told: dict[str, str] = {}
    over = threading.Event()
    threads = [
        threading.Thread(target=_sign_all, args=(settings.base_url, waiting, told, over))
        for _ in range(SIGNERS)
    ]
    try:
        processes.start("web")
        processes.start("worker")
        servers.wait_for_port(port)
        for thread in threads:
            thread.start()
        _kill_at_random(processes, port)
        over.set()
        for thread in threads:
            thread.join()
        _wait_for_evidence(app)
    finally:
        over.set()
        processes.stop()
        directory.shutdown()
        directory.server_close()

    with app.app_context(), db.reading() as session:
        kept = {
            str(assignment): number
            for assignment, number in session.execute(
                select(Attestation.assignment_id, Attestation.number)
            )
        }
        assert len(told) > SIGNERS, "hardly anybody came to sign"
        assert {key: kept.get(key) for key in told} == told
        sealed = set(session.scalars(select(Evidence.attestation_id)))
        assert sealed == set(session.scalars(select(Attestation.id)))
        assert verify_log(load_signer(settings).verifier_key) == []
        assert [line for line in compare_facts() if "attempt" not in line] == []
    app.extensions["engine"].dispose()


def _make_ready(app) -> list[tuple[str, str, str]]:
    """Everyone in the city has done all steps: username, name and assignment of each."""
    with app.app_context():
        with db.transaction():
            courses.publish(ROOT / "tests" / "content", "small-course")
        syncing.run_now(current_door())
        with db.transaction() as session:
            from tests.factories import make_campaign

            make_campaign()
            rows = session.execute(
                select(Assignment, Person)
                .join(Person, Person.id == Assignment.person_id)
                .join(Campaign, Campaign.id == Assignment.campaign_id)
            ).all()
            ready = []
            for assignment, person in rows:
                if person.username in {"riley.okafor", "drew.former"}:
                    continue
                demo.walk(assignment.id, identify(person))
                ready.append((person.username, person.full_name, str(assignment.id)))
    return ready


def _sign_all(
    url: str,
    waiting: list[tuple[str, str, str]],
    told: dict[str, str],
    over: threading.Event,
) -> None:
    while waiting and not over.is_set():
        username, name, assignment = waiting.pop()
        number = Signer(url, username, name, assignment).sign(over)
        if number:
            told[assignment] = number


def _kill_at_random(processes: Processes, port: int) -> None:
    """Fifty times, somewhere in the next requests: however busy the machine is, people sign."""
    chance = random.Random()
    for kill in range(KILLS):
        last = Signer.asked + chance.randint(0, MOST_BETWEEN)
        until = time.monotonic() + 20
        while Signer.asked < last and time.monotonic() < until:
            time.sleep(chance.uniform(0.0, 0.05))
        name = "worker" if kill % 3 == 2 else "web"
        processes.kill(name)
        processes.start(name)
        if name == "web":
            servers.wait_for_port(port)


def _wait_for_evidence(app, seconds: float = 90) -> None:
    def count(what: Callable[[], object]) -> int:
        with app.app_context(), db.reading() as session:
            return len(session.scalars(select(what)).all())

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if count(Evidence.attestation_id) == count(Attestation.id):
            return
        time.sleep(0.3)
    raise AssertionError("the worker did not finish")
