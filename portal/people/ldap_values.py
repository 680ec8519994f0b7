"""LDAP's values as ours, converted without the server's schema (pure)."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from ldap3.utils.conv import escape_filter_chars

from portal.config import LdapSettings
from portal.people.directory import Entry, Misbehaving

_UNION_SCOPES = {"in": "in", "true": "in", "out": "out", "false": "out"}
PERMANENTLY_LOCKED = "000001010000Z"
ACCOUNT_DISABLED = 0x2  # userAccountControl


def entry_of(
    row: Mapping[str, Any], settings: LdapSettings, attributes: Mapping[str, str]
) -> Entry:
    """One answer as an Entry; `attributes` maps our fields to the directory's.

    Raises Misbehaving for an entry without an id, and where Active Directory doesn't say whether
    an account is closed: leavers would seem to be back.
    """
    values = row["raw_attributes"]

    def said(name: str) -> str:
        return text(values, attributes.get(name, "1.1"))

    control = text(values, "userAccountControl")
    expires = moment(text(values, "accountExpires"))
    ids = values_of(values, settings.id_attr)
    if not ids:  # all such people would be one and the same
        raise Misbehaving(f"{row['dn']} has no {settings.id_attr}")
    if settings.kind == "ad" and not control:
        raise Misbehaving(f"the service account may not read userAccountControl of {row['dn']}")
    return Entry(
        id=id_text(settings.kind, ids),
        dn=str(row["dn"]),
        username=text(values, settings.login_attrs[0]),
        full_name=said("full_name") or text(values, "cn"),
        family_name=text(values, "sn"),
        email=said("email"),
        language=said("language")[:2].lower(),
        department=said("department"),
        job_title=said("job_title"),
        location=said("location"),
        union_scope=_UNION_SCOPES.get(said("union_scope").casefold(), ""),
        kind="contractor" if said("kind").casefold() == "contractor" else "employee",
        manager_dn=said("manager"),
        started_on=day(said("started_on")),
        ends_on=day(said("ends_on")),
        is_closed=text(values, "pwdAccountLockedTime") == PERMANENTLY_LOCKED
        or bool(control and int(control) & ACCOUNT_DISABLED)
        or bool(expires and expires <= datetime.now(UTC)),
    )


def text(values: Mapping[str, list[bytes]], attribute: str) -> str:
    """The first value as text."""
    found = values_of(values, attribute)
    return found[0].decode("utf-8", "replace").strip() if found else ""


def values_of(values: Mapping[str, list[bytes]], attribute: str) -> list[bytes]:
    """All values; attribute names are compared without case."""
    for name, found in values.items():
        if name.lower() == attribute.lower():
            return found
    return []


def domain_of(dn: str) -> str:
    """The DN of the Active Directory domain that an entry is in."""
    found = re.search(r"(?:^|,)(DC=[^,]+(,DC=[^,]+)*)$", dn, re.IGNORECASE)
    return found[1] if found else dn


def moment(filetime: str) -> datetime | None:
    """Active Directory's time: 100 ns since 1601. 0 and what no calendar holds mean never."""
    try:
        ticks = int(filetime)
        moment = datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)
    except (ValueError, OverflowError):
        return None
    return moment if ticks > 0 else None


def day(text: str) -> date | None:
    """A date written 2026-01-30, or as LDAP's generalized time 20260130…, or accountExpires."""
    if text.isdecimal() and len(text) > len("20260130000000"):
        # Accounts expire at midnight, local time, after their last day. Twelve hours earlier it
        # is that day in UTC too, whatever the zone.
        expires = moment(text)
        return (expires - timedelta(hours=12)).date() if expires else None
    digits = text.replace("-", "")[:8]
    try:
        return date.fromisoformat(digits)
    except ValueError:
        return None


def id_text(kind: str, values: list[bytes]) -> str:
    """The id as we keep it; Active Directory's is a GUID with its first half turned round."""
    raw = values[0]
    return str(UUID(bytes_le=raw)) if kind == "ad" and len(raw) == 16 else raw.decode()


def id_filter(kind: str, entry_id: str) -> str:
    """The id as a filter asks for it."""
    with suppress(ValueError):  # an id from elsewhere finds nobody
        if kind == "ad":
            return "".join(f"\\{byte:02x}" for byte in UUID(entry_id).bytes_le)
    return str(escape_filter_chars(entry_id))
