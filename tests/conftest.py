"""One portal for the session, with a fresh data folder for each test; servers started once."""

import contextvars
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from portal import db
from portal.app import create_app
from portal.config import Settings
from portal.documents import seal
from portal.migrations import upgrade
from portal.people import services as people
from portal.people.models import Person
from tests import leaks, servers
from tests.leaks import pytest_runtest_makereport
from tests.workers import pytest_xdist_make_scheduler

__all__ = ["pytest_runtest_makereport", "pytest_xdist_make_scheduler"]
ROOT = Path(__file__).parent.parent

MEMORY, ROOM = Path("/dev/shm"), 4 << 30

SERVERS = {"each_app", "postgres", "slapd", "browser", "portal_server", "mailbox"}


def pytest_configure() -> None:
    """Listen for leaks, and keep the tests' data in memory, where there is room.

    A test waits for a disk as long as it works: each commit is written through. Nothing here is to
    outlive the machine.
    """
    leaks.listen()
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        tempfile.tempdir = str(MEMORY)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make check` leaves out what needs a server, a browser or another program.

    That comes first, since it takes long: the quick tests fill up the end.
    """
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())) or "journeys" in str(item.path):
            item.add_marker(pytest.mark.server)
    items.sort(key=lambda item: item.get_closest_marker("server") is None)


class Browser(FlaskClient):
    """A test client whose every request has a context of its own, as in a real server."""

    def open(self, *args: object, **kwargs: object) -> TestResponse:
        kwargs.setdefault("buffered", True)  # a stream is read within its context
        answer = contextvars.Context().run(super().open, *args, **kwargs)
        if answer.status_code >= 400 and answer.mimetype.startswith("text/"):
            leaks.look_at(f"the page {answer.status}", answer.text)
        return answer


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a migrated SQLite database without rows, and a seal."""
    folder = tmp_path_factory.mktemp("template")
    engine = db.make_engine(f"sqlite:///{folder / 'portal.sqlite3'}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    seal.load(Settings(data_dir=folder))
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of every test in turn: with one place, one portal serves them all."""
    return tmp_path_factory.mktemp("home") / "var"


@pytest.fixture
def settings(home: Path, empty_home: Path) -> Settings:
    """Demo settings with a fresh data folder."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(empty_home, home)
    return Settings(data_dir=home, content_dir=ROOT / "content")


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The portal on its own copy of the empty database, inside an app context."""
    yield from _running(settings)


@pytest.fixture
def postgres_app(settings: Settings, postgres_url: str) -> Iterator[Flask]:
    """The portal on PostgreSQL."""
    yield from _running(replace(settings, database_url=postgres_url))


@pytest.fixture(params=["sqlite", "postgresql"])
def each_app(request: pytest.FixtureRequest) -> Flask:
    """The portal on each database in turn."""
    app: Flask = request.getfixturevalue("app" if request.param == "sqlite" else "postgres_app")
    return app


@lru_cache(maxsize=4)
def _portal(settings: Settings) -> Flask:
    """The portal for these settings, kept: its routes, pages and SQL are compiled once."""
    app = create_app(settings)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False, SERVER_NAME=None)
    app.test_client_class = Browser
    return app


def _running(settings: Settings) -> Iterator[Flask]:
    """The portal for one test; what the test puts into it is taken out afterwards."""
    app = _portal(settings)
    config, extensions = dict(app.config), dict(app.extensions)
    with app.app_context():
        yield app
        db.finish(keep=False)
    app.extensions["engine"].dispose()
    app.config.clear()
    app.config.update(config)
    app.extensions.clear()
    app.extensions.update(extensions)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser in which nobody is signed in."""
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask) -> Callable[..., FlaskClient]:
    """Gives a browser in which this person has a real session; `kiosk`: at that shared device."""

    def enter(person: Person, kiosk: UUID | None = None) -> FlaskClient:
        db.finish(keep=True)
        with db.transaction():
            token = people.open_session(person, kiosk=kiosk)
        browser = app.test_client()
        with browser.session_transaction() as session:
            session["_user_id"] = token
        return browser

    return enter


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    """Sets the portal's time."""

    def set_to(moment: datetime) -> None:
        monkeypatch.setattr(db, "_now", lambda: moment.astimezone(UTC))

    return set_to


@pytest.fixture
def count_statements(app: Flask) -> Callable[[], object]:
    """Counts the SQL statements that a block sends; BEGIN and COMMIT are none."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_c: object, _k: object, statement: str, *_: object) -> None:
            if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE", "PRAGMA")):
                seen.append(statement)

        engine = app.extensions["engine"]
        event.listen(engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(engine, "before_cursor_execute", note)

    return counting


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A throw-away PostgreSQL; gives the URL of its server, without a database."""
    with servers.postgres() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """A migrated database from which each test gets a copy."""
    servers.create_database(postgres, "empty")
    engine = db.make_engine(f"{postgres}/empty")
    upgrade(engine)
    engine.dispose()
    return postgres


@pytest.fixture
def postgres_url(postgres_template: str) -> str:
    """A copy of the migrated database for one test."""
    servers.create_database(postgres_template, "portal", template="empty")
    return f"{postgres_template}/portal"


@pytest.fixture(scope="session")
def slapd() -> Iterator[servers.Slapd]:
    """A throw-away OpenLDAP with the demonstration's people."""
    with servers.slapd() as server:
        yield server


@pytest.fixture
def mailbox() -> Iterator[servers.Mailbox]:
    """A mail server that offers STARTTLS, with what it took."""
    with servers.smtp() as server:
        yield server
