"""The city directory, read and asked through ldap3: who may sign in, and who people are.

The rules here are paid for by measurements: every answer is checked by its result code, TLS is
verified and has no off switch, passwords go as UTF-8 bytes, connections are never shared by
threads, and one deadline stands over everything that a sign-in does.
"""

import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from ldap3 import BASE, NONE, SAFE_SYNC, SIMPLE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException
from ldap3.core.tls import check_hostname
from ldap3.utils.conv import escape_filter_chars

from portal.config import LdapSettings

T = TypeVar("T")

PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - a control's OID
# draft-behera-ldap-password-policy 6.2: passwordExpired, accountLocked, changeAfterReset
EXPIRED, LOCKED, MUST_CHANGE = 0, 1, 2
NOTHING = "1.1"  # as the attribute asked for: no attributes (RFC 4511, 4.5.1.8)
PERMANENTLY_LOCKED = "000001010000Z"
ACCOUNT_DISABLED = 0x2  # userAccountControl
IDLE_SECONDS = 60  # a firewall may forget a connection that is idle for longer, without a word
LONGEST_NAME = 256
LONGEST_PASSWORD = 1024
CLOSED = {"533": "disabled", "701": "expired", "530": "hours", "531": "workstation"}
CHANGE_FIRST = {"532": "password-expired", "773": "must-change"}
_SUBCODE = re.compile(r"data ([0-9a-f]{3}),")


class WrongCredentials(Exception):
    """No such name, or not this password. The reason is for the log, never for the page."""


class MustChangePassword(Exception):
    """The password is right and has to be changed first."""


class AccountClosed(Exception):
    """The account exists and may not sign in."""


class Unreachable(Exception):
    """No directory server gave an answer in time; the message says where and why."""


class Misbehaving(Exception):
    """A server answered with a fault: an alert for its operators."""


@dataclass(frozen=True)
class Entry:
    """One person as the directory has them. `id` survives renames and moves."""

    id: str
    dn: str
    username: str
    full_name: str
    family_name: str = ""
    email: str = ""
    department: str = ""
    job_title: str = ""
    kind: str = "employee"
    manager_dn: str = ""
    sponsor: str = ""
    started_on: date | None = None
    ends_on: date | None = None
    is_closed: bool = False
    is_manager: bool = False
    groups: frozenset[str] = field(default_factory=frozenset)  # as our settings name them


class Directory(Protocol):
    """What the portal asks of a directory."""

    def authenticate(self, username: str, password: str) -> Entry:
        """Who signs in with this name and password.

        Raises WrongCredentials, MustChangePassword, AccountClosed, Unreachable or Misbehaving.
        """

    def confirm(self, entry_id: str, password: str) -> None:
        """Check the password of a person known by id. Raises as `authenticate`."""

    def find(self, entry_id: str) -> Entry | None:
        """The person with this id, None if they are gone. Raises Unreachable, Misbehaving."""

    def everyone(self) -> Iterator[Entry]:
        """All people, page by page. Raises Misbehaving where an answer is not complete."""


class LdapDirectory:
    """A directory behind LDAP: OpenLDAP and its like, or Active Directory."""

    def __init__(self, settings: LdapSettings, *, wanted_groups: Iterable[str] = ()) -> None:
        self.settings = settings
        self.wanted_groups = tuple(wanted_groups)
        self.attributes = dict(pair.split("=", 1) for pair in settings.attr_map)
        self.kept = threading.local()
        self._groups: dict[str, str] | None = None
        self._cooling: dict[str, float] = {}

    def tls(self, host: str) -> Tls:
        """Verified TLS for a host; there is no other kind."""
        return _Tls(
            validate=ssl.CERT_REQUIRED,
            ca_certs_file=self.settings.ca_file or None,
            sni=host,
        )

    def authenticate(self, username: str, password: str) -> Entry:
        """As in Directory; the table of outcomes is tested against real servers."""
        name = _checked(username, password)

        def ask(line: "_Line") -> Entry:
            found = line.by_login(name)
            if len(found) != 1:
                line.bind_nobody(password)
                raise WrongCredentials("no-entry" if not found else "several-entries")
            line.bind_as(found[0], password)
            return line.complete(found[0])

        return self._ask(ask)

    def confirm(self, entry_id: str, password: str) -> None:
        """As in Directory: one search and one bind."""
        _checked("someone", password)

        def ask(line: "_Line") -> None:
            found = line.by_id(entry_id)
            if found is None:
                raise WrongCredentials("gone")
            line.bind_as(found, password)

        self._ask(ask)

    def find(self, entry_id: str) -> Entry | None:
        """As in Directory."""

        def ask(line: "_Line") -> Entry | None:
            found = line.by_id(entry_id)
            return line.complete(found) if found else None

        return self._ask(ask)

    def everyone(self) -> Iterator[Entry]:
        """As in Directory: every base must end with result 0, or nothing counts."""
        people, members = self._ask(lambda line: (line.people(), line.members()), seconds=300)
        managers = {person.manager_dn.lower() for person in people if person.kind != "contractor"}
        names = {person.dn.lower(): person.full_name for person in people}
        for person in people:
            dn = person.dn.lower()
            yield replace(
                person,
                is_manager=dn in managers,
                sponsor=names.get(person.manager_dn.lower(), "")
                if person.kind == "contractor"
                else "",
                groups=frozenset(group for group, dns in members.items() if dn in dns),
            )

    def _ask(self, question: "Callable[[_Line], T]", *, seconds: int = 0) -> T:
        """Put the question to the first server that answers, all within one deadline.

        A server that fails is left alone for a while. A kept connection that the server has
        hung up is opened again first.
        """
        over_at = time.monotonic() + (seconds or self.settings.deadline)
        faults = []
        for url in self._order():
            for _again in range(2):
                line = _Line(self, url, over_at)
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

    def groups(self, line: "_Line") -> dict[str, str]:
        """DN of each wanted group -> its name in our settings.

        Raises Misbehaving for a group that does not resolve: a typing mistake must not quietly
        take a role from everybody.
        """
        if self._groups is None:
            self._groups = {line.group_dn(name).lower(): name for name in self.wanted_groups}
        return self._groups


class _Tls(Tls):  # type: ignore[misc]
    """TLS whose socket is known during the handshake, so that the deadline can end it."""

    def wrap_socket(self, connection: Connection, do_handshake: bool = False) -> None:
        """As in ldap3, which hides the socket until the handshake is done."""
        super().wrap_socket(connection)
        connection.socket.do_handshake()
        check_hostname(connection.socket, connection.server.host, self.valid_names)


class _Line:
    """One conversation with one server: a service connection, kept, and one user bind."""

    def __init__(self, directory: LdapDirectory, url: str, over_at: float) -> None:
        self._directory = directory
        self._settings = directory.settings
        self._url = url
        self._over_at = over_at
        self._services: dict[str, tuple[Connection, float]]
        self._services = directory.kept.__dict__.setdefault("services", {})
        self._opened: list[Connection] = []
        self._reused = False

    @property
    def connections(self) -> list[Connection]:
        """What is open now, or being opened."""
        kept = self._services.get(self._url)
        return [kept[0], *self._opened] if kept else self._opened

    def hung_up(self, fault: Exception) -> bool:
        """Whether only the kept connection is gone: nothing is known against the server then."""
        return self._reused and not self._opened and not isinstance(fault, TimeoutError)

    def close(self) -> None:
        """Drop everything; the next question starts anew."""
        for connection in self.connections:
            _hang_up(connection)
        self._services.pop(self._url, None)

    def close_user(self) -> None:
        """End the connection on which the person was bound; the service's is kept."""
        kept = self._services.get(self._url)
        for connection in self._opened:
            if kept is None or connection is not kept[0]:
                _hang_up(connection)

    def by_login(self, name: str) -> list[Entry]:
        """The entries with this login name; more than one is as bad as none."""
        value = escape_filter_chars(name)
        either = "".join(f"({attr}={value})" for attr in self._settings.login_attrs)
        return self._search(f"(&{self._settings.user_filter}(|{either}))", limit=2)

    def by_id(self, entry_id: str) -> Entry | None:
        """The entry with this id."""
        wanted = f"({self._settings.id_attr}={_id_filter(self._settings.kind, entry_id)})"
        found = self._search(f"(&{self._settings.user_filter}{wanted})", limit=2)
        return found[0] if len(found) == 1 else None

    def complete(self, found: Entry) -> Entry:
        """The entry with what other entries say: groups, reports, the sponsor's name."""
        sponsor = ""
        if found.kind == "contractor" and found.manager_dn:
            rows = self._raw("(objectClass=*)", [self._attribute("full_name")], found.manager_dn)
            sponsor = _text(rows[0]["raw_attributes"], self._attribute("full_name")) if rows else ""
        required = self._settings.required_group
        groups = self._groups_of(found.dn)
        if required and required not in groups:
            raise AccountClosed("not-in-group")
        return replace(
            found, is_manager=self._has_reports(found.dn), sponsor=sponsor, groups=groups
        )

    def _has_reports(self, dn: str) -> bool:
        """Whether an employee names this person as manager; contractors name a sponsor there."""
        manager, kind = self._attribute("manager"), self._attribute("kind")
        if manager == NOTHING:
            return False
        employee = "" if kind == NOTHING else f"(!({kind}=contractor))"
        wanted = f"(&{self._settings.user_filter}({manager}={escape_filter_chars(dn)}){employee})"
        return any(
            self._raw(wanted, [NOTHING], base, scope=SUBTREE, limit=1)
            for base in self._settings.user_bases
        )

    def people(self) -> list[Entry]:
        """Everyone under all bases. Raises Misbehaving where an answer is cut short."""
        return [
            self._entry(row)
            for base in self._settings.user_bases
            for row in self._pages(base, self._settings.user_filter, self._wanted_attributes())
        ]

    def members(self) -> dict[str, set[str]]:
        """Name of each wanted group -> lower-case DNs of its members, nested ones too."""
        found: dict[str, set[str]] = {}
        for dn, name in self._directory.groups(self).items():
            found[name] = self._members_below(dn, set())
        return found

    def group_dn(self, name: str) -> str:
        """The DN of a group given by DN or by name. Raises Misbehaving if there is no such."""
        if "=" in name:
            rows = self._raw("(objectClass=*)", [NOTHING], name)
        else:
            wanted = f"(cn={escape_filter_chars(name)})"
            rows = self._raw(wanted, [NOTHING], self._settings.group_base, scope=SUBTREE)
        if len(rows) != 1:
            raise Misbehaving(f"the group {name!r} does not resolve to one entry")
        return str(rows[0]["dn"])

    def bind_as(self, found: Entry, password: str) -> None:
        """Check the password by a bind on a fresh connection.

        Raises WrongCredentials, MustChangePassword, AccountClosed.
        """
        user = self._open(found.dn, password.encode(), [(PASSWORD_POLICY, False, None)])
        try:
            _classify(user, found)
        finally:
            self.close_user()

    def bind_nobody(self, password: str) -> None:
        """Take as long over an unknown name as over a known one."""
        nobody = f"cn=nobody,{self._settings.user_bases[0]}"
        self._open(nobody, password.encode(), [(PASSWORD_POLICY, False, None)])
        self.close_user()

    def _service(self) -> Connection:
        """The service connection of this thread and server, bound once and kept."""
        kept, used_at = self._services.get(self._url, (None, 0.0))
        if kept is not None and time.monotonic() - used_at <= IDLE_SECONDS:
            self._reused = self._reused or kept not in self._opened
            self._services[self._url] = (kept, time.monotonic())
            return kept
        _hang_up(kept)
        password = Path(self._settings.bind_password_file).read_bytes().strip()
        opened = self._open(self._settings.bind_dn, password, None)
        if opened.result["result"] != 0 or not opened.bound:
            _hang_up(opened)
            raise Misbehaving(f"{self._url} refused the service account: {_code(opened)}")
        self._services[self._url] = (opened, time.monotonic())
        return opened

    def _open(self, dn: str, password: bytes, controls: list[Any] | None) -> Connection:
        """A new connection, encrypted before anything else, with one simple bind done."""
        if not dn or not password:
            raise WrongCredentials("blank")
        if time.monotonic() >= self._over_at:
            raise TimeoutError("the deadline is over")
        parts = urlsplit(self._url)
        server = Server(
            parts.hostname,
            port=parts.port or (636 if parts.scheme == "ldaps" else 389),
            use_ssl=parts.scheme == "ldaps",
            tls=self._directory.tls(parts.hostname or ""),
            get_info=NONE,
            connect_timeout=self._settings.connect_timeout,
        )
        connection = Connection(
            server,
            user=dn,
            password=password,
            authentication=SIMPLE,
            client_strategy=SAFE_SYNC,
            auto_referrals=False,
            receive_timeout=self._settings.read_timeout,
        )
        self._opened.append(connection)
        try:
            connection.open()
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if parts.scheme != "ldaps" and not connection.start_tls():
                raise Misbehaving(f"{self._url} refuses StartTLS")
            connection.bind(controls=controls)
        except BaseException:
            _hang_up(connection)
            raise
        return connection

    def _search(self, wanted: str, *, limit: int) -> list[Entry]:
        """People by a filter, over all bases."""
        return [
            self._entry(row)
            for base in self._settings.user_bases
            for row in self._raw(
                wanted, self._wanted_attributes(), base, scope=SUBTREE, limit=limit
            )
        ]

    def _raw(
        self,
        wanted: str,
        attributes: list[str],
        base: str = "",
        *,
        scope: str = BASE,
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        """Entries by a filter. Referrals are never followed; other faults raise Misbehaving."""
        if not base:
            base, scope = self._settings.user_bases[0], SUBTREE
        _ok, result, response, _request = self._service().search(
            base, wanted, search_scope=scope, attributes=attributes, size_limit=limit
        )
        if result["result"] == 32:  # noSuchObject
            return []
        if result["result"] not in {0, 4}:  # 4: more than `limit`, which is an answer too
            raise Misbehaving(f"{self._url} answered {result['description']} to a search")
        return [row for row in response if row["type"] == "searchResEntry"]

    def _pages(self, base: str, wanted: str, attributes: list[str]) -> Iterator[dict[str, Any]]:
        """All entries, page by page; the last page must end with result 0."""
        cookie: bytes | None = None
        while True:
            _ok, result, response, _request = self._service().search(
                base,
                wanted,
                search_scope=SUBTREE,
                attributes=attributes,
                paged_size=self._settings.page_size,
                paged_cookie=cookie,
            )
            if result["result"] != 0:
                raise Misbehaving(f"{self._url} cut {base} short: {result['description']}")
            yield from (row for row in response if row["type"] == "searchResEntry")
            control = result.get("controls", {}).get("1.2.840.113556.1.4.319")
            cookie = control["value"]["cookie"] if control else None
            if not cookie:
                return

    def _groups_of(self, dn: str) -> frozenset[str]:
        """Which of the wanted groups the person is in, directly or through other groups."""
        wanted = self._directory.groups(self)
        if not wanted:
            return frozenset()
        if self._settings.kind == "ad":
            return self._token_groups(dn, wanted)
        seen: set[str] = set()
        waiting = [dn]
        while waiting:
            member = escape_filter_chars(waiting.pop())
            either = f"(|(member={member})(uniqueMember={member}))"
            base = self._settings.group_base
            for row in self._raw(either, [NOTHING], base, scope=SUBTREE):
                if row["dn"].lower() not in seen:
                    seen.add(row["dn"].lower())
                    waiting.append(row["dn"])
        return frozenset(name for group, name in wanted.items() if group in seen)

    def _token_groups(self, dn: str, wanted: Mapping[str, str]) -> frozenset[str]:
        """Active Directory's own answer: it includes nested groups and the primary one."""
        rows = self._raw("(objectClass=*)", ["tokenGroups"], dn)
        mine = set(rows[0]["raw_attributes"].get("tokenGroups", ())) if rows else set()
        return frozenset(
            name
            for group, name in wanted.items()
            for row in self._raw("(objectClass=*)", ["objectSid"], group)
            if mine & set(row["raw_attributes"].get("objectSid", ()))
        )

    def _members_below(self, dn: str, seen: set[str]) -> set[str]:
        """Lower-case DNs of all that is in a group, with a guard against loops."""
        for row in self._raw("(objectClass=*)", ["member", "uniqueMember"], dn):
            values = row["raw_attributes"]
            for raw in [*values.get("member", ()), *values.get("uniqueMember", ())]:
                member = raw.decode()
                if member.lower() not in seen:
                    seen.add(member.lower())
                    if member.lower().startswith("cn="):
                        self._members_below(member, seen)
        return seen

    def _attribute(self, name: str) -> str:
        return self._directory.attributes.get(name, NOTHING)

    def _wanted_attributes(self) -> list[str]:
        own = {*self._directory.attributes.values(), self._settings.id_attr}
        own |= {self._settings.login_attrs[0], "sn", "pwdAccountLockedTime", "userAccountControl"}
        return sorted(own)

    def _entry(self, row: Mapping[str, Any]) -> Entry:
        """One answer as an Entry; values are converted here, without the server's schema."""
        values = row["raw_attributes"]

        def text(name: str) -> str:
            return _text(values, self._attribute(name))

        control = _text(values, "userAccountControl")
        return Entry(
            id=_id_text(self._settings.kind, values.get(self._settings.id_attr) or [b""]),
            dn=str(row["dn"]),
            username=_text(values, self._settings.login_attrs[0]),
            full_name=text("full_name"),
            family_name=_text(values, "sn"),
            email=text("email"),
            department=text("department"),
            job_title=text("job_title"),
            kind="contractor" if text("kind").casefold() == "contractor" else "employee",
            manager_dn=text("manager"),
            started_on=_day(text("started_on")),
            ends_on=_day(text("ends_on")),
            is_closed=_text(values, "pwdAccountLockedTime") == PERMANENTLY_LOCKED
            or bool(control and int(control) & ACCOUNT_DISABLED),
        )


@contextmanager
def _cut_off(line: _Line, over_at: float) -> Iterator[None]:
    """Close the line's sockets at the deadline: a dripping server never times out by itself."""

    def cut() -> None:
        for connection in list(line.connections):
            with suppress(OSError, TypeError):  # not open yet, or not any more
                # SSLSocket's own shutdown would first take TLS away from the other thread.
                socket.socket.shutdown(connection.socket, socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, over_at - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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


def _classify(connection: Connection, found: Entry) -> None:
    """What the answer to a person's bind means."""
    result = connection.result
    code, text = result["result"], str(result.get("message") or "")
    subcode = _SUBCODE.search(text)
    if code == 0 and connection.bound:
        if _policy_error(result) == MUST_CHANGE:
            raise MustChangePassword("must-change")
        if found.is_closed:
            raise AccountClosed("disabled")
        return
    if subcode and subcode[1] in CLOSED:
        raise AccountClosed(CLOSED[subcode[1]])
    if subcode and subcode[1] in CHANGE_FIRST:
        raise MustChangePassword(CHANGE_FIRST[subcode[1]])
    if code == 49 and _policy_error(result) == EXPIRED:
        raise MustChangePassword("password-expired")
    if code == 49 and found.is_closed:
        raise AccountClosed("disabled")
    if code == 49:
        locked = (subcode and subcode[1] == "775") or _policy_error(result) == LOCKED
        raise WrongCredentials("locked" if locked else "password")
    raise Misbehaving(f"a bind was answered with {_code(connection)}")


def _policy_error(result: Mapping[str, Any]) -> int | None:
    """The error in the password policy control: PasswordPolicyResponseValue, tag [1]."""
    control = (result.get("controls") or {}).get(PASSWORD_POLICY)
    value = (control or {}).get("value") or b""
    if len(value) < 3 or value[0] != 0x30:
        return None
    rest = value[2:]
    while len(rest) >= 3:
        tag, length = rest[0], rest[1]
        if tag == 0x81:
            return int(rest[2])
        rest = rest[2 + length :]
    return None


def _code(connection: Connection) -> str:
    return f"{connection.result['result']} {connection.result['description']}"


def _hang_up(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(LDAPException, OSError, AttributeError):
            connection.strategy.close()


def _text(values: Mapping[str, list[bytes]], attribute: str) -> str:
    """The first value as text; attribute names are compared without case."""
    for name, found in values.items():
        if name.lower() == attribute.lower() and found:
            return found[0].decode("utf-8", "replace").strip()
    return ""


def _day(text: str) -> date | None:
    """A date written 2026-01-30, or as LDAP's generalized time 20260130…"""
    digits = text.replace("-", "")[:8]
    try:
        return date.fromisoformat(digits)
    except ValueError:
        return None


def _id_text(kind: str, values: list[bytes]) -> str:
    raw = values[0]
    return str(UUID(bytes_le=raw)) if kind == "ad" and len(raw) == 16 else raw.decode()


def _id_filter(kind: str, entry_id: str) -> str:
    if kind == "ad":
        return "".join(f"\\{byte:02x}" for byte in UUID(entry_id).bytes_le)
    return str(escape_filter_chars(entry_id))
