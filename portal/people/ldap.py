"""The city directory behind LDAP, through ldap3: servers in order, and one deadline over all.

The rules here are paid for by measurements: every answer is checked by its result code, TLS is
verified and has no off switch, passwords go as UTF-8 bytes, connections are never shared by
threads, and one deadline stands over everything that a sign-in does.
"""

import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from ldap3 import Connection, Tls
from ldap3.core.exceptions import LDAPException

from portal.config import LdapSettings
from portal.people.deadlines import DEADLINES
from portal.people.directory import (
    LONGEST_NAME,
    LONGEST_PASSWORD,
    Entry,
    Unreachable,
    WrongCredentials,
)
from portal.people.ldap_line import Line

T = TypeVar("T")

ASKED_AT_ONCE = 50  # ids in one filter
LINES = 2  # conversations at once: a web process has four threads, and some must go on reading
LINE_SECONDS = 2  # how long one waits for a line
GROUPS_SECONDS = 600  # how long a role group is taken to be where it was


class LdapDirectory:
    """A directory behind LDAP: OpenLDAP and its like, or Active Directory."""

    def __init__(self, settings: LdapSettings, *, wanted_groups: Iterable[str] = ()) -> None:
        self.settings = settings
        self.wanted_groups = tuple(wanted_groups)
        self.attributes = dict(pair.split("=", 1) for pair in settings.attr_map)
        self.kept = threading.local()
        self._groups: tuple[float, dict[str, str]] = (-math.inf, {})
        self._cooling: dict[str, float] = {}
        self._lines = threading.BoundedSemaphore(LINES)

    def tls(self, host: str) -> Tls:
        """Verified TLS for a host; there is no other kind."""
        return _Tls(self.settings.ca_file, host)

    def authenticate(self, username: str, password: str) -> Entry:
        """As in Directory; the table of outcomes is tested against real servers."""
        name = _checked(username, password)

        def ask(line: Line) -> Entry:
            found = line.by_login(name)
            if len(found) != 1:
                line.bind_nobody(password)
                raise WrongCredentials("no-entry" if not found else "several-entries")
            line.bind_as(found[0], password)
            return line.complete(found[0])

        return self.ask(ask)

    def confirm(self, entry_id: str, password: str) -> None:
        """As in Directory: one search and one bind."""
        _checked("someone", password)

        def ask(line: Line) -> None:
            found = line.by_id(entry_id)
            if found is None:
                raise WrongCredentials("gone")
            line.bind_as(found, password)

        self.ask(ask)

    def find(self, entry_id: str) -> Entry | None:
        """As in Directory."""

        def ask(line: Line) -> Entry | None:
            found = line.by_id(entry_id)
            return line.complete(found) if found else None

        return self.ask(ask)

    def still_open(self, entry_ids: Sequence[str]) -> dict[str, bool]:
        """As in Directory, a search for each `ASKED_AT_ONCE` of them."""

        def ask(line: Line) -> dict[str, bool]:
            found = {}
            for start in range(0, len(entry_ids), ASKED_AT_ONCE):
                for entry in line.by_ids(entry_ids[start : start + ASKED_AT_ONCE]):
                    found[entry.id] = not entry.is_closed
            return found

        return self.ask(ask)

    def everyone(self) -> Iterator[Entry]:
        """As in Directory: every base must end with result 0, or nothing counts."""
        people, members = self.ask(lambda line: (line.people(), line.members()), seconds=300)
        managers = {person.manager_dn.lower() for person in people if person.kind != "contractor"}
        known = {person.dn.lower(): person for person in people}
        for person in people:
            dn = person.dn.lower()
            above = known.get(person.manager_dn.lower())
            yield replace(
                person,
                is_manager=dn in managers,
                manager_id=above.id if above else "",
                sponsor=above.full_name if above and person.kind == "contractor" else "",
                groups=frozenset(group for group, dns in members.items() if dn in dns),
            )

    def ask(self, question: Callable[[Line], T], *, seconds: int = 0) -> T:
        """Put the question to the first server that answers, all within one deadline.

        While a directory hangs, only `LINES` threads hang with it; others get Unreachable.
        """
        if not self._lines.acquire(timeout=LINE_SECONDS):
            raise Unreachable("all lines are busy")
        try:
            return self._ask(question, seconds)
        finally:
            self._lines.release()

    def _ask(self, question: Callable[[Line], T], seconds: int) -> T:
        """A server that fails is left alone for a while. A kept connection that the server has
        hung up is opened again first."""
        over_at = time.monotonic() + (seconds or self.settings.deadline)
        faults = []
        for url in self._order():
            for _again in range(2):
                line = Line(self, url, over_at)
                try:
                    with _cut_off(line, over_at):
                        answer = question(line)
                except (LDAPException, OSError) as fault:
                    hung_up = line.hung_up(fault)
                    line.close()
                    faults.append(f"{url}: {type(fault).__name__}")
                    if hung_up and time.monotonic() < over_at:
                        continue
                    self._cooling[url] = time.monotonic() + self.settings.cooldown
                except BaseException:
                    line.close_user()
                    raise
                else:
                    self._cooling.pop(url, None)
                    return answer
                break
            if time.monotonic() >= over_at:
                break
        raise Unreachable("; ".join(faults))

    def _order(self) -> list[str]:
        """The servers, those that failed lately last: when all are cooling, all are tried."""
        now = time.monotonic()
        return sorted(self.settings.urls, key=lambda url: self._cooling.get(url, 0) > now)

    def groups(self, line: Line) -> dict[str, str]:
        """DN of each wanted group -> its name in our settings.

        Raises Misbehaving for a group that does not resolve: a typing mistake must not quietly
        take a role from everybody.
        """
        resolved_at, found = self._groups
        if time.monotonic() - resolved_at > GROUPS_SECONDS:
            found = {line.group_dn(name).lower(): name for name in self.wanted_groups}
            self._groups = time.monotonic(), found
        return found

    def forget_groups(self) -> None:
        """Resolve the wanted groups anew at the next question."""
        self._groups = -math.inf, {}


class _Tls(Tls):  # type: ignore[misc]
    """TLS whose socket is known during the handshake, so that the deadline can end it."""

    def __init__(self, ca_file: str, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED, sni=host)
        self._ca_file = ca_file

    def wrap_socket(self, connection: Connection, do_handshake: bool = False) -> None:
        """As in ldap3, which hides the socket until the handshake is done."""
        changed = Path(self._ca_file).stat().st_mtime_ns if self._ca_file else 0
        connection.socket = _context(self._ca_file, changed).wrap_socket(
            connection.socket, do_handshake_on_connect=False, server_hostname=self.sni
        )
        connection.socket.do_handshake()


@lru_cache(maxsize=4)
def _context(ca_file: str, _changed: int) -> ssl.SSLContext:
    """Trust in one authority and the host's name; read once, and again when the file changes."""
    return ssl.create_default_context(cafile=ca_file or None)


@contextmanager
def _cut_off(line: Line, over_at: float) -> Iterator[None]:
    """Close the line's sockets at the deadline: a dripping server never times out by itself."""

    def cut() -> None:
        for connection in list(line.connections):
            with suppress(OSError, TypeError):  # not open yet, or not any more
                # SSLSocket's own shutdown would first take TLS away from the other thread.
                socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)

    with DEADLINES.over_at(over_at, cut):
        yield


def _checked(username: str, password: str) -> str:
    """The tidy login name. Raises WrongCredentials before anything goes over the network."""
    name = username.strip()
    if not name or not password:
        raise WrongCredentials("blank")
    if "\0" in name or "\0" in password:
        raise WrongCredentials("nul")
    if len(name) > LONGEST_NAME or len(password) > LONGEST_PASSWORD:
        raise WrongCredentials("too-long")
    return name
