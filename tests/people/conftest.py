"""The two real directories of the tests: OpenLDAP, and the demonstration's own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flask import Flask

from portal.config import LdapSettings, Role
from portal.people import demo_keys, demo_people
from portal.people.demo_directory import DemoDirectory, DemoServer
from portal.people.directory import Entry
from portal.people.door import Door
from portal.people.ldap import LdapDirectory
from tests.fakes import FakeDirectory

ADA = Entry(
    id="11111111-1111-4111-8111-111111111111",
    dn="uid=ada.lovelace,ou=people,dc=city",
    username="ada.lovelace",
    full_name="Ada Lovelace",
    family_name="Lovelace",
    email="ada@city.example",
    department="Transit",
    job_title="Analyst",
)
GROUPS = ("portal-hr", "portal-authors", "portal-admins", "portal-custodians")


@dataclass
class Demo:
    """A running demo directory. `binds` holds the passwords that it was sent."""

    server: DemoServer
    settings: LdapSettings
    binds: list[str]

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server.server_address[1])

    def directory(self, *ports: int, **settings: object) -> LdapDirectory:
        """A client of this server, or of others on these ports in this order."""
        if ports:
            settings["urls"] = tuple(f"ldaps://localhost:{port}" for port in ports)
        return LdapDirectory(replace(self.settings, **settings), wanted_groups=GROUPS)


class NotingDirectory(DemoDirectory):
    """The demo's entries, and a note of every password that comes in."""

    def __init__(self, password: str) -> None:
        super().__init__(demo_people.everybody(), password)
        self.binds: list[str] = []

    def bind(self, dn: str, password: str) -> tuple[int, str, bytes | None]:
        self.binds.append(password)
        return super().bind(dn, password)


@contextmanager
def running_demo(folder: Path, *, ldaps: bool = True, port: int = 0) -> Iterator[Demo]:
    """The demo directory on a port of its own."""
    demo_keys.prepare(folder)
    entries = NotingDirectory((folder / "demo-directory-password").read_text())
    with DemoServer(("127.0.0.1", port), entries, folder, ldaps=ldaps) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        port = server.server_address[1]
        settings = LdapSettings(
            urls=(f"{'ldaps' if ldaps else 'ldap'}://localhost:{port}",),
            ca_file=str(folder / "demo-directory-ca.pem"),
            bind_dn=demo_people.SERVICE,
            bind_password_file=str(folder / "demo-directory-password"),
            user_bases=(demo_people.PEOPLE, demo_people.CONTRACTORS),
            group_base=demo_people.GROUPS,
            connect_timeout=1,
            read_timeout=1,
            deadline=4,
        )
        yield Demo(server, settings, entries.binds)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo directory that works, for all tests."""
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture(scope="session", params=["demo", "slapd"])
def ldap_settings(request: pytest.FixtureRequest) -> LdapSettings:
    """How to reach each of the two directories."""
    settings: LdapSettings = request.getfixturevalue(request.param).settings
    return settings


@pytest.fixture(scope="session")
def directory(ldap_settings: LdapSettings) -> LdapDirectory:
    """A client of each of the two directories."""
    return LdapDirectory(ldap_settings, wanted_groups=GROUPS)


@pytest.fixture
def fake() -> FakeDirectory:
    """A directory that knows Ada."""
    directory = FakeDirectory()
    directory.put(ADA)
    return directory


@pytest.fixture
def door(app: Flask, fake: FakeDirectory) -> Door:
    """The app's door, with the fake directory behind it."""
    door = Door(
        directory=fake,
        roles={"portal-hr": Role.HR, "portal-authors": Role.AUTHOR},
        custodian_group="portal-custodians",
        help_url="/people/cannot-sign-in",
        tries=3,
        tries_address=5,
        idle_minutes=60,
        session_hours=12,
        kiosk_minutes=3,
        ldap=LdapSettings(exclude=("svc-*",)),
        key=b"k" * 32,
    )
    app.extensions["door"] = door
    return door
