"""The demonstration's own LDAP server: TLS, on loopback only, with every account state.

It lets the whole portal run on a machine where no directory is installed. It knows bind, unbind,
search with the common filters and paging, StartTLS and who-am-I, and nothing that writes.
"""

import re
import secrets
import socket
import socketserver
import ssl
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from portal.people.demo_people import BASE, CONTRACTORS, GROUPS, PASSWORD, PEOPLE, SERVICE, Member
from portal.people.ldap_values import PERMANENTLY_LOCKED

PAGED = "1.2.840.113556.1.4.319"
START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - a control's OID
DISABLED = "80090308: LdapErr: DSID-0C090449, comment: AcceptSecurityContext error, data 533, v4563"
LONGEST_MESSAGE = 1 << 20

Attributes = dict[str, list[str]]


class DemoDirectory:
    """The entries, and answers to the requests that a portal makes."""

    def __init__(self, members: Iterable[Member], service_password: str) -> None:
        self._service_password = service_password
        self._members = {member.dn.lower(): member for member in members}
        self._entries = dict(_entries(self._members.values()))

    def bind(self, dn: str, password: str) -> tuple[int, str, bytes | None]:
        """Result code, message, and the value of the password policy control, if any."""
        if dn.lower() == SERVICE:
            known = self._service_password.encode()
            return (0 if secrets.compare_digest(password.encode(), known) else 49), "", None
        member = self._members.get(dn.lower())
        if member is None or password != PASSWORD:
            return 49, "", None
        if member.state == "disabled":
            return 49, DISABLED, None
        if member.state == "must-change":
            return 0, "", b"\x30\x03\x81\x01\x02"
        return 0, "", None

    def search(
        self, base: str, scope: int, fits: Callable[[Attributes], bool]
    ) -> Iterator[tuple[str, Attributes]]:
        """The entries below a base that fit. Raises LookupError for a base there is not."""
        base = base.lower()
        if base not in self._entries:
            raise LookupError(base)
        for dn, (name, attributes) in self._entries.items():
            within = dn == base or (scope > 0 and dn.endswith(f",{base}"))
            near = scope != 1 or dn.partition(",")[2] == base
            if within and near and fits(attributes):
                yield name, attributes


def _entries(members: Iterable[Member]) -> Iterator[tuple[str, tuple[str, Attributes]]]:
    by_name = {member.username: member for member in members}
    groups: dict[str, list[str]] = {}
    for folder in (BASE, PEOPLE, CONTRACTORS, GROUPS):
        yield folder.lower(), (folder, {"objectclass": ["organizationalUnit"]})
    for member in by_name.values():
        for group in member.groups:
            groups.setdefault(group, []).append(member.dn)
        attributes = {
            "objectclass": ["person", "inetOrgPerson"],
            "entryuuid": [member.id],
            "uid": [member.username],
            "cn": [member.full_name],
            "givenname": [member.given],
            "sn": [member.family],
            "title": [member.title],
            "departmentnumber": [member.department],
            "employeetype": [member.kind],
            "hiredate": [member.started_on.isoformat()],
            "l": [member.location],
            "unionscope": [member.union_scope],
        }
        if member.mail:
            attributes["mail"] = [member.mail]
        if member.manager:
            attributes["manager"] = [by_name[member.manager].dn]
        if member.state == "disabled":
            attributes["pwdaccountlockedtime"] = [PERMANENTLY_LOCKED]
        if member.ends_on:
            attributes["contractend"] = [member.ends_on.isoformat()]
        yield member.dn.lower(), (member.dn, attributes)
    for group, dns in groups.items():
        dn = f"cn={group},{GROUPS}"
        yield dn.lower(), (dn, {"objectclass": ["groupOfNames"], "cn": [group], "member": dns})


# BER, as little of it as LDAP needs (X.690; RFC 4511, 5.1): a tag, a length, and the rest.

BIND, UNBIND, SEARCH, EXTENDED, ABANDON = 0x60, 0x42, 0x63, 0x77, 0x50
BIND_DONE, ENTRY, SEARCH_DONE, EXTENDED_DONE = 0x61, 0x64, 0x65, 0x78
INTEGER, OCTETS, ENUMERATED, SEQUENCE, SET, CONTROLS = 0x02, 0x04, 0x0A, 0x30, 0x31, 0xA0


def _parts(data: bytes) -> list[tuple[int, bytes]]:
    """The (tag, value) pairs in `data`. Raises ValueError for what is no BER."""
    found, place = [], 0
    while place < len(data):
        tag, length, place = data[place], data[place + 1], place + 2
        if length & 0x80:
            more = length & 0x7F
            length = int.from_bytes(data[place : place + more], "big")
            place += more
        if place + length > len(data):
            raise ValueError("cut short")
        found.append((tag, data[place : place + length]))
        place += length
    return found


def _ber(tag: int, *parts: bytes) -> bytes:
    value = b"".join(parts)
    if len(value) < 0x80:
        return bytes([tag, len(value)]) + value
    length = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def _number(value: int, tag: int = INTEGER) -> bytes:
    return _ber(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _octets(text: str | bytes) -> bytes:
    return _ber(OCTETS, text.encode() if isinstance(text, str) else text)


def _filter(tag: int, value: bytes) -> Callable[[Attributes], bool]:
    """A filter (RFC 4511, 4.5.1.7) as a test of one entry; values are compared without case."""
    if tag in {0xA0, 0xA1}:  # and, or
        tests = [_filter(*part) for part in _parts(value)]
        join = all if tag == 0xA0 else any
        return lambda entry: join(test(entry) for test in tests)
    if tag == 0xA2:  # not
        inner = _filter(*_parts(value)[0])
        return lambda entry: not inner(entry)
    if tag == 0x87:  # present
        present = _folded(value)
        return lambda entry: present in entry
    if tag not in {0xA3, 0xA4, 0xA5, 0xA6, 0xA8}:
        return lambda _entry: False
    (_tag, name), (_tag, rest) = _parts(value)
    tests_one = _substrings(rest) if tag == 0xA4 else _comparison(tag, _folded(rest))
    return lambda entry: any(tests_one(each.casefold()) for each in entry.get(_folded(name), ()))


def _folded(value: bytes) -> str:
    return value.decode("utf-8", "replace").casefold()


def _comparison(tag: int, wanted: str) -> Callable[[str], bool]:
    if tag == 0xA5:
        return lambda value: value >= wanted
    if tag == 0xA6:
        return lambda value: value <= wanted
    return lambda value: value == wanted


def _substrings(rest: bytes) -> Callable[[str], bool]:
    """initial 0x80, any 0x81, final 0x82."""
    pieces = {0x80: "^", 0x81: ".*", 0x82: ".*"}
    pattern = "".join(pieces[tag] + re.escape(_folded(value)) for tag, value in _parts(rest))
    end = "$" if _parts(rest)[-1][0] == 0x82 else ""
    return lambda value: re.search(pattern + end, value, re.DOTALL) is not None


class _Conversation(socketserver.BaseRequestHandler):
    """One client, request by request."""

    server: "DemoServer"

    def handle(self) -> None:
        """Answer until the client goes."""
        self.request.settimeout(300)
        self._who = ""
        try:
            if self.server.ldaps:
                self.request = self.server.context.wrap_socket(self.request, server_side=True)
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (data := self._read()) is not None:
                (_tag, number), (kind, body), *controls = _parts(data)
                self._controls = dict(_controls(controls))
                self._number = int.from_bytes(number, "big")
                if kind == BIND:
                    self._bind(body)
                elif kind == SEARCH:
                    self._search(body)
                elif kind == EXTENDED:
                    self._extended(_parts(body)[0][1].decode())
                elif kind != ABANDON:
                    return
        except (OSError, ValueError, LookupError, RecursionError):
            return  # gone, or no LDAP: nothing to say to either

    def _read(self) -> bytes | None:
        """What is inside the next message, None when the client has gone."""
        head = self._exactly(2)
        if head is None:
            return None
        length = head[1]
        if length & 0x80:
            length = int.from_bytes(self._exactly(length & 0x7F) or b"", "big")
        if length > LONGEST_MESSAGE:
            raise ValueError("too long")
        return self._exactly(length)

    def _exactly(self, wanted: int) -> bytes | None:
        data = b""
        while len(data) < wanted:
            piece = self.request.recv(wanted - len(data))
            if not piece:
                return None
            data += piece
        return data

    def _send(self, kind: int, *body: bytes, control: tuple[str, bytes] | None = None) -> None:
        tail = b""
        if control:
            tail = _ber(CONTROLS, _ber(SEQUENCE, _octets(control[0]), _octets(control[1])))
        self.request.sendall(_ber(SEQUENCE, _number(self._number), _ber(kind, *body), tail))

    def _result(
        self, kind: int, code: int, text: str = "", control: tuple[str, bytes] | None = None
    ) -> None:
        self._send(kind, _number(code, ENUMERATED), _octets(""), _octets(text), control=control)

    def _bind(self, body: bytes) -> None:
        _version, (_tag, name), (choice, value) = _parts(body)
        dn, password = name.decode("utf-8", "replace"), value.decode("utf-8", "replace")
        if choice != 0x80:
            self._result(BIND_DONE, 7, "simple binds only")
        elif not dn or not password:
            self._result(BIND_DONE, 53, "no anonymous binds")
        elif not isinstance(self.request, ssl.SSLSocket):
            self._result(BIND_DONE, 13, "TLS first")
        else:
            code, text, policy = self.server.directory.bind(dn, password)
            self._who = dn if code == 0 else ""
            self._result(BIND_DONE, code, text, (PASSWORD_POLICY, policy) if policy else None)

    def _search(self, body: bytes) -> None:
        if not self._who:
            self._result(SEARCH_DONE, 50, "bind first")
            return
        base, scope, _deref, limit, _seconds, _types, wanted, names = _parts(body)
        try:
            found = list(
                self.server.directory.search(base[1].decode(), scope[1][0], _filter(*wanted))
            )
        except LookupError:
            self._result(SEARCH_DONE, 32)
            return
        most, code, control = int.from_bytes(limit[1], "big"), 0, None
        if PAGED in self._controls:
            (_tag, size), (_tag, cookie) = _parts(_parts(self._controls[PAGED])[0][1])
            start = int(cookie or b"0")
            stop = start + int.from_bytes(size, "big")
            after = str(stop) if stop < len(found) else ""
            control = (PAGED, _ber(SEQUENCE, _number(0), _octets(after)))
            found = found[start:stop]
        elif most and len(found) > most:
            found, code = found[:most], 4
        asked = {_folded(name) for _tag, name in _parts(names[1])}
        for dn, attributes in found:
            self._entry(dn, attributes, asked)
        self._result(SEARCH_DONE, code, control=control)

    def _entry(self, dn: str, attributes: Attributes, asked: set[str]) -> None:
        shown = [
            _ber(SEQUENCE, _octets(name), _ber(SET, *(_octets(value) for value in values)))
            for name, values in attributes.items()
            if not asked or "*" in asked or name in asked
        ]
        self._send(ENTRY, _octets(dn), _ber(SEQUENCE, *shown))

    def _extended(self, name: str) -> None:
        if name == START_TLS and not isinstance(self.request, ssl.SSLSocket):
            self._result(EXTENDED_DONE, 0)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        elif name == WHO_AM_I:
            who = _ber(0x8B, f"dn:{self._who}".encode() if self._who else b"")
            self._send(EXTENDED_DONE, _number(0, ENUMERATED), _octets(""), _octets(""), who)
        else:
            self._result(EXTENDED_DONE, 2, "not known here")


def _controls(parts: list[tuple[int, bytes]]) -> Iterator[tuple[str, bytes]]:
    """OID and value of each control of a request."""
    for tag, value in parts:
        if tag == CONTROLS:
            for _sequence, control in _parts(value):
                pieces = _parts(control)
                yield pieces[0][1].decode(), pieces[-1][1] if len(pieces) > 1 else b""


class DemoServer(socketserver.ThreadingTCPServer):
    """The listening server. Refuses any address but loopback with ValueError."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        directory: DemoDirectory,
        folder: Path,
        *,
        ldaps: bool = True,
    ) -> None:
        if not ip_address(address[0]).is_loopback:
            raise ValueError("The demo directory listens on loopback only.")
        self.directory = directory
        self.ldaps = ldaps
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "demo-directory.pem")
        super().__init__(address, _Conversation)


def serve(folder: Path, port: int) -> None:
    """Run the demo directory of a data folder in the foreground, until the process ends."""
    from portal.people.demo_people import everybody

    password = (folder / "demo-directory-password").read_text()
    with DemoServer(("127.0.0.1", port), DemoDirectory(everybody(), password), folder) as server:
        print(f"Demonstration directory, not for real people: ldaps://localhost:{port}", flush=True)
        server.serve_forever()
