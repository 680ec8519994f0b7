"""One migrated database for the session, copied for each test; servers started once."""

import contextvars
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from werkzeug.test import TestResponse

from portal import db
from portal.app import create_app
from portal.config import Settings
from portal.migrations import upgrade
from portal.people import services as people
from portal.people.models import Person
from tests import leaks, servers
from tests.leaks import pytest_configure, pytest_runtest_makereport

__all__ = ["pytest_configure", "pytest_runtest_makereport"]
ROOT = Path(__file__).parent.parent

SERVERS = {"each_app", "postgres", "slapd", "browser", "portal_server", "mailbox"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make check` leaves out what needs a server, a browser or another program."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())) or "journeys" in str(item.path):
            item.add_marker(pytest.mark.server)


class Browser(FlaskClient):
    """A test client whose every request has a context of its own, as in a real server."""

    def open(self, *args: object, **kwargs: object) -> TestResponse:
        kwargs.setdefault("buffered", True)  # a stream is read within its context
        answer = contextvars.Context().run(super().open, *args, **kwargs)
        if answer.status_code >= 400 and answer.mimetype.startswith("text/"):
            leaks.look_at(f"the page {answer.status}", answer.text)
        return answer


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database without rows."""
    path = tmp_path_factory.mktemp("template") / "empty.sqlite3"
    engine = db.make_engine(f"sqlite:///{path}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Demo settings with a data folder of their own."""
    return Settings(data_dir=tmp_path / "var", content_dir=ROOT / "content")


@pytest.fixture
def app(settings: Settings, empty_database: Path) -> Iterator[Flask]:
    """The portal on its own copy of the empty database, inside an app context."""
    settings.data_dir.mkdir(exist_ok=True)
    shutil.copy(empty_database, settings.data_dir / "portal.sqlite3")
    yield from _running(settings)


@pytest.fixture
def postgres_app(tmp_path: Path, postgres_url: str) -> Iterator[Flask]:
    """The portal on PostgreSQL."""
    (tmp_path / "var").mkdir()
    settings = Settings(
        data_dir=tmp_path / "var", content_dir=ROOT / "content", database_url=postgres_url
    )
    yield from _running(settings)


@pytest.fixture(params=["sqlite", "postgresql"])
def each_app(request: pytest.FixtureRequest) -> Flask:
    """The portal on each database in turn."""
    app: Flask = request.getfixturevalue("app" if request.param == "sqlite" else "postgres_app")
    return app


def _running(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    app.config.update(TESTING=True, WTF_CSRF_ENABLED=False, SERVER_NAME=None)
    app.test_client_class = Browser
    with app.app_context():
        yield app
        db.finish(keep=False)
    app.extensions["engine"].dispose()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser in which nobody is signed in."""
    return app.test_client()


@pytest.fixture
def sign_in(app: Flask) -> Callable[[Person], FlaskClient]:
    """Gives a browser in which this person has a real session."""

    def enter(person: Person) -> FlaskClient:
        db.finish(keep=True)
        with db.transaction():
            token = people.open_session(person)
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
    name = f"t{os.urandom(6).hex()}"
    servers.create_database(postgres_template, name, template="empty")
    return f"{postgres_template}/{name}"


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
