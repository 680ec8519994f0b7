"""Says of each thing that a directory needs whether it is so, and what to do where it is not."""

import re
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from flask_babel import gettext as _
from ldap3.core.exceptions import LDAPException, LDAPInvalidDnError, LDAPInvalidFilterError

from portal import db
from portal.directory.sync_plan import is_excluded
from portal.mail import services as mail
from portal.people import local
from portal.people.directory import AccountClosed, Entry, Misbehaving, Unreachable
from portal.people.door import Door
from portal.people.ldap import LdapDirectory
from portal.people.ldap_line import Line
from portal.people.registering import facts_of, roles_of

SECONDS = 60
_TLS_FAULT = re.compile(r"certificate verify failed: [^()]+(?=\.? \()")
SOON = 30  # days before a certificate ends
HALF = 50  # per cent of people: an attribute that fewer have is worth a look
MISTAKES = (Misbehaving, LDAPInvalidDnError, LDAPInvalidFilterError)  # in our settings, mostly
FIELDS = (
    "full_name",
    "family_name",
    "email",
    "department",
    "job_title",
    "manager_dn",
    "started_on",
)


@dataclass(frozen=True)
class Check:
    """One line. `state` is good, look or bad; `remedy` says what to do about the latter two."""

    state: str
    what: str
    said: str
    remedy: str = ""


def check(door: Door) -> Iterator[Check]:
    """Look at everything, from the name of the server to how full the attributes are."""
    directory = door.directory
    if not isinstance(directory, LdapDirectory) or not door.ldap.urls:
        yield Check("bad", "URLS", _("No directory is set."), _("Set PORTAL_LDAP_URLS."))
        return
    answering = ""
    for url in door.ldap.urls:
        found = list(_check_server(directory, url))
        yield from found
        if found[-1].state != "bad":
            answering = answering or url
    if not answering:
        return
    line = Line(directory, answering, time.monotonic() + SECONDS)
    try:
        people: list[Entry] = []
        for base in door.ldap.user_bases:
            yield _check_base(line, base, people)
        yield from _check_people(door, people)
        yield from _check_groups(directory, line, people)
        yield _check_lockout(door, line)
    except (LDAPException, OSError, Misbehaving) as fault:
        yield Check("bad", answering, str(fault), _("See the server’s own log at this time."))
    finally:
        line.close()


def trace(door: Door, username: str) -> Iterator[Check]:
    """Follow a sign-in as far as it goes without a password."""
    directory = door.directory
    if local.is_ours(username):
        yield Check("look", username, _("This name belongs to an account of the portal itself."))
        return
    if not isinstance(directory, LdapDirectory):
        return
    try:
        found = directory.ask(lambda line: line.by_login(username.strip()))
        if len(found) != 1:
            many = (
                _("No entry has this name.") if not found else _("Several entries have this name.")
            )
            remedy = _("One is needed: look at LOGIN_ATTRS, USER_BASES and USER_FILTER.")
            yield Check("bad", username, many, remedy)
            return
        yield Check("good", "DN", found[0].dn)
        yield Check("good", "ID", found[0].id)
        entry = directory.ask(lambda line: line.complete(found[0]))
    except AccountClosed:
        yield Check(
            "bad",
            username,
            _("Not in the required group."),
            _("Look at PORTAL_LDAP_REQUIRED_GROUP."),
        )
        return
    except (Unreachable, Misbehaving) as fault:
        yield Check("bad", username, str(fault), _("See what the check of the directory says."))
        return
    yield from _say_entry(door, entry)


def _say_entry(door: Door, entry: Entry) -> Iterator[Check]:
    if entry.is_closed:
        yield Check("bad", _("Account"), _("closed"), _("The directory’s own tools open it."))
    elif is_excluded(entry, door.excluded):
        yield Check(
            "look", _("Account"), _("taken for no person"), _("Look at PORTAL_LDAP_EXCLUDE.")
        )
    else:
        yield Check("good", _("Account"), _("open"))
    facts = facts_of(door, entry)
    for name in ("full_name", "email", "department", "kind", "audiences", "groups"):
        value = facts[name]
        text = ", ".join(value) if isinstance(value, list) else str(value)
        fine = text or name == "groups"  # most people are in none of those that count
        yield Check("good" if fine else "look", name, text or _("none"))
    yield Check("good", _("Roles"), ", ".join(roles_of(door, entry)))


def _check_server(directory: LdapDirectory, url: str) -> Iterator[Check]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (636 if parts.scheme == "ldaps" else 389)
    try:
        addresses = sorted({str(each[4][0]) for each in socket.getaddrinfo(host, port)})
    except OSError:
        yield Check(
            "bad",
            f"{url} DNS",
            _("The name does not resolve."),
            _("Check PORTAL_LDAP_URLS and DNS."),
        )
        return
    yield Check("good", f"{url} DNS", ", ".join(addresses))
    try:
        begun = time.monotonic()
        socket.create_connection((host, port), timeout=directory.settings.connect_timeout).close()
    except OSError as fault:
        yield Check(
            "bad",
            f"{url} TCP",
            str(fault),
            _("Is the server running, and does a firewall let this machine through?"),
        )
        return
    yield Check("good", f"{url} TCP", _("%(ms)s ms", ms=round(1000 * (time.monotonic() - begun))))
    line = Line(directory, url, time.monotonic() + SECONDS)
    line.close()  # a connection that is kept was let in earlier, and may be gone
    try:
        yield from _check_tls(url, line.certificate())
    except Misbehaving as fault:
        yield Check(
            "bad",
            f"{url} bind",
            str(fault),
            _("Check BIND_DN, BIND_PASSWORD_FILE, and that the server offers TLS."),
        )
    except (LDAPException, OSError) as fault:
        remedy = _("Check CA_FILE, and that the certificate names this host, not an address.")
        if "expired" in str(fault):
            remedy = _("Renew the server’s certificate.")
        why = _TLS_FAULT.search(str(fault))  # ldap3 wraps it in more than once
        yield Check("bad", f"{url} TLS", why[0].replace("\\", "") if why else str(fault), remedy)
    else:
        yield Check("good", f"{url} bind", _("The service account is let in."))
    finally:
        line.close()


def _check_tls(url: str, certificate: dict[str, str]) -> Iterator[Check]:
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    days = (ends - db.utc_now()).days
    remedy = _("Renew the server’s certificate.") if days < SOON else ""
    said = _("The certificate is good for %(days)s days more.", days=days)
    yield Check("look" if remedy else "good", f"{url} TLS", said, remedy)


def _check_base(line: Line, base: str, people: list[Entry]) -> Check:
    """Read everybody below a base into `people`."""
    try:
        below = line.people_below(base)
    except MISTAKES as fault:
        remedy = _(
            "Check USER_BASES, USER_FILTER and ID_ATTR, and that the server lets the service "
            "account read everybody, without a size limit."
        )
        if "userAccountControl" in str(fault):
            remedy = _ad_rights()
        return Check("bad", base, str(fault), remedy)
    people += below
    if not below:
        return Check("bad", base, _("Nobody is here."), _("Check USER_BASES and USER_FILTER."))
    return Check("good", base, _("%(count)s people, read to the last page.", count=len(below)))


def _ad_rights() -> str:
    """What lets an account read userAccountControl, memberOf and tokenGroups."""
    return str(_("Add the service account to the group “Pre-Windows 2000 Compatible Access”."))


def _check_people(door: Door, people: list[Entry]) -> Iterator[Check]:
    if not people:
        return
    twice = sum(1 for count in Counter(entry.id for entry in people).values() if count > 1)
    if twice:
        yield Check(
            "bad",
            "ID_ATTR",
            _("%(twice)s ids come twice.", twice=twice),
            _(
                "Choose an attribute that each person has once, entryUUID or objectGUID, and "
                "USER_BASES that do not overlap."
            ),
        )
    else:
        yield Check("good", "ID_ATTR", _("Each person has an id of their own."))
    for name in FIELDS:
        full = 100 * sum(1 for entry in people if getattr(entry, name)) // len(people)
        remedy = _("Look at this field in ATTR_MAP.") if full < HALF else ""
        said = _("%(full)s%% of people have it.", full=full)
        yield Check("look" if remedy else "good", name.removesuffix("_dn"), said, remedy)
    unmailable = [e.username for e in people if e.email and not mail.is_address(e.email)]
    if unmailable:
        yield Check(
            "look",
            _("Email addresses that are none"),
            ", ".join(unmailable[:20]),
            _("Correct them in the directory: until then these people count as without email."),
        )
    closed = sum(1 for entry in people if entry.is_closed)
    filtered = [entry.username for entry in people if is_excluded(entry, door.excluded)]
    yield Check("good", _("Closed accounts"), str(closed))
    yield Check("good", _("Taken for no person"), ", ".join(filtered[:20]) or "0")
    ours = [entry.username for entry in people if local.is_ours(entry.username)]
    if ours:
        yield Check(
            "bad",
            _("Usernames"),
            ", ".join(ours[:20]),
            _(
                "Names that begin with %(mark)s are the portal’s own; these cannot sign in.",
                mark=local.MARK,
            ),
        )


def _check_groups(directory: LdapDirectory, line: Line, people: list[Entry]) -> Iterator[Check]:
    """Each group, who is in it, and whether a person's own groups may be read."""
    known = {person.dn.lower() for person in people}
    asks_on = bool(people) and directory.settings.kind == "ad"
    for name in directory.wanted_groups:
        try:
            dn = line.group_dn(name)
            count = len(known & line.members_of(dn))
        except MISTAKES as fault:
            yield Check(
                "bad", name, str(fault), _("Write the group’s whole DN, or correct GROUP_BASE.")
            )
            asks_on = False
            continue
        said = _("%(dn)s, people in it: %(count)s", dn=dn, count=count)
        remedy = _("Add people, or let the service account read who is in it.")
        yield Check("good" if count else "look", name, said, "" if count else remedy)
    if asks_on:
        try:
            line.groups_of(people[0].dn)
        except Misbehaving as fault:
            yield Check("bad", "tokenGroups", str(fault), _ad_rights())


def _check_lockout(door: Door, line: Line) -> Check:
    try:
        locks = line.lockout()
    except Misbehaving:
        locks = None
    if locks is None:
        return Check(
            "look",
            _("Lock-out"),
            _("The directory does not say after how many wrong passwords it locks."),
            _("Keep PORTAL_SIGN_IN_TRIES (%(tries)s) below that number.", tries=door.tries),
        )
    if 0 < locks <= door.tries:
        return Check(
            "bad",
            _("Lock-out"),
            _(
                "The directory locks after %(locks)s, the portal lets %(tries)s through.",
                locks=locks,
                tries=door.tries,
            ),
            _(
                "Set PORTAL_SIGN_IN_TRIES below %(locks)s: else strangers can lock people out.",
                locks=locks,
            ),
        )
    return Check("good", _("Lock-out"), _("Never") if locks == 0 else str(locks))
