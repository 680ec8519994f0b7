"""One conversation with one LDAP server: what is asked, and what the answers mean."""

import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ldap3 import BASE, NONE, SAFE_SYNC, SIMPLE, SUBTREE, Connection, Server
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from portal.people.directory import (
    AccountClosed,
    Entry,
    Misbehaving,
    WrongCredentials,
)
from portal.people.ldap_answers import PASSWORD_POLICY, classify, outcome
from portal.people.ldap_values import (
    domain_of,
    entry_of,
    id_filter,
    text,
)

if TYPE_CHECKING:
    from portal.people.ldap import LdapDirectory

NOTHING = "1.1"  # as the attribute asked for: no attributes (RFC 4511, 4.5.1.8)
# Active Directory leaves distribution lists out of tokenGroups: they can't stand for a role.
SECURITY_GROUP = "(&(objectClass=group)(groupType:1.2.840.113556.1.4.803:=2147483648))"
IDLE_SECONDS = 60  # a firewall may forget a connection that is idle for longer, without a word


class Line:
    """One conversation with one server: a service connection, kept, and one user bind."""

    def __init__(self, directory: "LdapDirectory", url: str, over_at: float) -> None:
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

    def certificate(self) -> dict[str, Any]:
        """The server's certificate as Python's ssl tells it; the service account is bound then."""
        found: dict[str, Any] = self._service().socket.getpeercert()
        return found

    def people_below(self, base: str) -> list[Entry]:
        """Everyone under one base. Raises Misbehaving where the answer is cut short."""
        pages = self._pages(base, self._settings.user_filter, self._wanted_attributes())
        return [entry_of(row, self._settings, self._directory.attributes) for row in pages]

    def lockout(self) -> int | None:
        """After how many wrong passwords the directory locks, by its strictest policy.

        0 means never; None that the directory does not tell.
        """
        if self._settings.kind == "ad":
            rows = self._raw("(objectClass=domainDNS)", ["lockoutThreshold"], self._top())
            name = "lockoutThreshold"
        else:
            wanted, name = "(objectClass=pwdPolicy)", "pwdMaxFailure"
            rows = self._raw(wanted, [name], self._top(), scope=SUBTREE)
        found = [text(row["raw_attributes"], name) for row in rows]
        limits = [int(each) for each in found if each.isdigit()]
        return min(filter(None, limits), default=0) if limits else None

    def _top(self) -> str:
        """The directory's own name: the dc= parts of a base."""
        base = self._settings.user_bases[0]
        parts = [part for part in base.split(",") if part.strip().lower().startswith("dc=")]
        return ",".join(parts) or base

    def by_login(self, name: str) -> list[Entry]:
        """The entries with this login name; more than one is as bad as none."""
        value = escape_filter_chars(name)
        either = "".join(f"({attr}={value})" for attr in self._settings.login_attrs)
        return self._search(f"(&{self._settings.user_filter}(|{either}))", limit=2)

    def by_id(self, entry_id: str) -> Entry | None:
        """The entry with this id."""
        wanted = f"({self._settings.id_attr}={id_filter(self._settings.kind, entry_id)})"
        found = self._search(f"(&{self._settings.user_filter}{wanted})", limit=2)
        return found[0] if len(found) == 1 else None

    def by_ids(self, entry_ids: Sequence[str]) -> list[Entry]:
        """The entries with these ids."""
        id_attr, kind = self._settings.id_attr, self._settings.kind
        either = "".join(f"({id_attr}={id_filter(kind, each)})" for each in entry_ids)
        return self._search(f"(&{self._settings.user_filter}(|{either}))", limit=0)

    def complete(self, found: Entry) -> Entry:
        """The entry with what other entries say: groups, and the sponsor's name."""
        sponsor = ""
        if found.kind == "contractor" and found.manager_dn:
            rows = self._raw("(objectClass=*)", [self._attribute("full_name")], found.manager_dn)
            sponsor = text(rows[0]["raw_attributes"], self._attribute("full_name")) if rows else ""
        required = self._settings.required_group
        groups = self.groups_of(found.dn)
        if required and required not in groups:
            raise AccountClosed("not-in-group")
        return replace(found, sponsor=sponsor, groups=groups)

    def people(self) -> list[Entry]:
        """Everyone under all bases. Raises Misbehaving where an answer is cut short."""
        return [each for base in self._settings.user_bases for each in self.people_below(base)]

    def members(self) -> dict[str, set[str]]:
        """Name of each wanted group -> lower-case DNs of its members, nested ones too."""
        return {name: self.members_of(dn) for dn, name in self._directory.groups(self).items()}

    def members_of(self, dn: str) -> set[str]:
        """Lower-case DNs of the members of a group, nested ones too."""
        below = self._ad_members if self._settings.kind == "ad" else self._members_below
        return below(dn, set())

    def group_dn(self, name: str) -> str:
        """The DN of a group given by DN or by name. Raises Misbehaving if there is no such."""
        kind = SECURITY_GROUP if self._settings.kind == "ad" else "(objectClass=*)"
        if "=" in name:
            rows = self._raw(kind, [NOTHING], name)
        else:
            wanted = f"(&{kind}(cn={escape_filter_chars(name)}))"
            rows = self._raw(wanted, [NOTHING], self._settings.group_base, scope=SUBTREE)
        if len(rows) != 1:
            what = "security group" if self._settings.kind == "ad" else "entry"
            raise Misbehaving(f"the group {name!r} does not resolve to one {what}")
        return str(rows[0]["dn"])

    def bind_as(self, found: Entry, password: str) -> None:
        """Check the password by a bind on a fresh connection.

        Raises WrongCredentials, MustChangePassword, AccountClosed.
        """
        user = self._open(found.dn, password.encode(), [(PASSWORD_POLICY, False, None)])
        try:
            classify(user, found)
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
        try:
            password = Path(self._settings.bind_password_file).read_bytes().strip()
        except OSError as fault:
            raise Misbehaving(f"the service account's password: {fault.strerror}") from None
        if not password or not self._settings.bind_dn:
            raise Misbehaving("the service account has no name or no password")
        opened = self._open(self._settings.bind_dn, password, None)
        if opened.result["result"] != 0 or not opened.bound:
            _hang_up(opened)
            raise Misbehaving(f"{self._url} refused the service account: {outcome(opened)}")
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
        connection = _Connection(
            server,
            user=dn,
            password=password,
            authentication=SIMPLE,
            client_strategy=SAFE_SYNC,
            auto_referrals=False,
            return_empty_attributes=False,
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
            entry_of(row, self._settings, self._directory.attributes)
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

    def groups_of(self, dn: str) -> frozenset[str]:
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
        if not mine:  # everybody has a primary group: the service account may not read this
            raise Misbehaving(f"{self._url} does not tell the groups of {dn}")
        return frozenset(name for group, name in wanted.items() if self._sid(group) in mine)

    def _sid(self, group: str) -> bytes:
        """A group's security id. Raises Misbehaving if it is not where it was any more."""
        rows = self._raw("(objectClass=*)", ["objectSid"], group)
        sids = rows[0]["raw_attributes"].get("objectSid") if rows else None
        if not sids:
            self._directory.forget_groups()  # moved perhaps: the next question looks for it again
            raise Misbehaving(f"the group {group!r} is gone or may not be read")
        return bytes(sids[0])

    def _ad_members(self, dn: str, seen: set[str]) -> set[str]:
        """Lower-case DNs of the people in a group, nested and primary ones too.

        People are asked for their groups: `member` names nobody whose primary group it is, and
        comes in ranges where it is long.
        """
        seen.add(dn.lower())
        rid = int.from_bytes(self._sid(dn)[-4:], "little")
        inside = f"(memberOf={escape_filter_chars(dn)})"
        wanted = f"(&{self._settings.user_filter}(|{inside}(primaryGroupID={rid})))"
        found = {
            row["dn"].lower()
            for base in self._settings.user_bases
            for row in self._pages(base, wanted, [NOTHING])
        }
        for row in list(self._pages(domain_of(dn), f"(&{SECURITY_GROUP}{inside})", [NOTHING])):
            if row["dn"].lower() not in seen:
                found |= self._ad_members(row["dn"], seen)
        return found

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
        own |= {self._settings.login_attrs[0], "cn", "sn", "pwdAccountLockedTime"}
        own |= {"userAccountControl", "accountExpires"}
        return sorted(own)


class _Connection(Connection):  # type: ignore[misc]
    """A connection of one thread: ldap3's copies of each answer take half of a long reading."""

    def _prepare_return_value(self, status: bool, response: bool = False) -> tuple[Any, ...]:
        return status, self.result, self.response if response else None, self.request


def _hang_up(connection: Connection | None) -> None:
    if connection is not None:
        with suppress(LDAPException, OSError, AttributeError):
            connection.strategy.close()
