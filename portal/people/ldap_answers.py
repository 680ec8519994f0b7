"""What a directory's answer to a person's bind means; the table is tested against real servers."""

import re
from collections.abc import Mapping
from typing import Any

from ldap3 import Connection

from portal.people.directory import (
    AccountClosed,
    Entry,
    Misbehaving,
    MustChangePassword,
    WrongCredentials,
)

PASSWORD_POLICY = "1.3.6.1.4.1.42.2.27.8.5.1"  # noqa: S105 - a control's OID
# draft-behera-ldap-password-policy 6.2: passwordExpired, accountLocked, changeAfterReset
EXPIRED, LOCKED, MUST_CHANGE = 0, 1, 2
CLOSED = {"533": "disabled", "701": "expired", "530": "hours", "531": "workstation"}
CHANGE_FIRST = {"532": "password-expired", "773": "must-change"}
_SUBCODE = re.compile(r"data ([0-9a-f]{3}),")


def classify(connection: Connection, found: Entry) -> None:
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
    if code == 49 and found.is_closed and not subcode:  # a sub-code knows better: wrong password
        raise AccountClosed("disabled")
    if code == 49:
        locked = (subcode and subcode[1] == "775") or _policy_error(result) == LOCKED
        raise WrongCredentials("locked" if locked else "password")
    raise Misbehaving(f"a bind was answered with {outcome(connection)}")


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


def outcome(connection: Connection) -> str:
    """Number and name of the result, for the log."""
    return f"{connection.result['result']} {connection.result['description']}"
