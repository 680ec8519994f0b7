"""Accounts of people whom the directory does not know: a password of their own, a second step.

Their usernames begin with a mark of ours, so that a name alone tells which door asks, and a name
that nobody has takes as long as one that somebody has.
"""

import base64
import secrets
import string
from datetime import date, timedelta
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from cryptography.fernet import Fernet
from flask_babel import gettext as _
from sqlalchemy import select, update
from sqlalchemy.orm import aliased

from portal import db
from portal.audit import services as audit
from portal.config import Role
from portal.errors import Refused
from portal.people.directory import LONGEST_PASSWORD, AccountClosed, WrongCredentials
from portal.people.models import LocalAccount, Person
from portal.people.registering import sort_name

MARK = "c-"  # how such a username begins
ID_PREFIX = "local-"  # and how such a person's directory_id does
SHORTEST = 12  # letters of a password; there are no rules on which (NIST SP 800-63B, 3.1.1.2)
GUESSED = 1  # zxcvbn's score up to which a password is one that everybody tries first
STEP_SECONDS = 30  # of a code (RFC 6238)
BREAK_GLASS_DAYS = 1

_hasher = PasswordHasher()  # Argon2id with the parameters of RFC 9106


class ContractEnded(AccountClosed):
    """The password is right, and the contract is over. `sponsor` is empty where nobody is left."""

    def __init__(self, on: date, sponsor: str) -> None:
        super().__init__("ended")
        self.on = on
        self.sponsor = sponsor


def is_ours(username: str) -> bool:
    """Whether a person with this username has, or would have, a password here."""
    return username.strip().casefold().startswith(MARK)


def keeps(directory_id: str) -> bool:
    """Whether the portal keeps this person's account itself, and not the directory."""
    return directory_id.startswith(ID_PREFIX)


def create(person: Person, name: str) -> LocalAccount:
    """An account without a password yet, under a free username made of the name."""
    folded = sort_name(name, "")
    plain = "".join(each for each in folded if (each.isascii() and each.isalnum()) or each in " -")
    base = MARK + (".".join(plain.split())[:60] or "guest")
    taken = set(
        db.session.scalars(
            select(LocalAccount.username).where(LocalAccount.username.startswith(base))
        )
    )
    username = next(
        each
        for number in range(len(taken) + 1)
        if (each := f"{base}{number + 1 if number else ''}") not in taken
    )
    account = LocalAccount(person_id=person.id, username=username)
    person.username = username
    db.session.add(account)
    db.session.flush()
    return account


def choose_password(person_id: UUID, password: str) -> None:
    """Set the password. Refuses one that is short, or that is guessed at once."""
    if refusal := why_not(password, person=db.session.get_one(Person, person_id)):
        raise Refused(refusal)
    account = db.session.get_one(LocalAccount, person_id, with_for_update=True)
    account.password_hash, account.changed_at = _hasher.hash(password), db.utc_now()
    db.session.flush()
    audit.record("person.password_chosen", subject=person_id, actor=person_id)


def why_not(password: str, *, person: Person) -> str:
    """Why a password will not do, in words; empty if it will."""
    from zxcvbn import zxcvbn  # its word lists take 30 ms and 10 MB

    if len(password) < SHORTEST:
        return str(_("Use at least %(least)s characters. A few words will do.", least=SHORTEST))
    if len(password) > LONGEST_PASSWORD or "\0" in password:
        return str(_("This password is too long."))
    names = person.full_name.split()
    known = [person.full_name, *names, "".join(names), person.username, person.firm]
    known += ["portal", "attestation", db.settings().organization]
    if zxcvbn(password[:72], user_inputs=[each for each in known if each])["score"] <= GUESSED:
        return str(
            _("This password is common, or close to one. Choose words that nobody would guess.")
        )
    return ""


def check(username: str, password: str) -> UUID:
    """Whose account this is. Raises WrongCredentials, and for one that is over AccountClosed.

    A name that nobody has takes as long as any other.
    """
    if not password or len(password) > LONGEST_PASSWORD:
        raise WrongCredentials("blank")
    sponsor = aliased(Person)
    with db.reading() as session:
        row = session.execute(
            select(
                LocalAccount.password_hash,
                LocalAccount.is_break_glass,
                Person.id,
                Person.left_on,
                Person.ends_on,
                sponsor.full_name.label("sponsor"),
            )
            .join(Person, Person.id == LocalAccount.person_id)
            .outerjoin(sponsor, (sponsor.id == Person.sponsor_id) & sponsor.left_on.is_(None))
            .where(LocalAccount.username == username.strip().casefold())
        ).first()
    try:
        _hasher.verify((row.password_hash if row else "") or _nobodys(), password)
    except (VerificationError, InvalidHashError):
        raise WrongCredentials("no-entry" if row is None else "password") from None
    if row is None or not row.password_hash:
        raise WrongCredentials("no-entry")
    last_days = [day for day in (row.left_on, row.ends_on) if day is not None]
    if row.left_on is not None or min(last_days, default=db.today()) < db.today():
        if row.is_break_glass:
            raise AccountClosed("ended")
        raise ContractEnded(min(last_days), row.sponsor or "")
    person_id: UUID = row.id
    return person_id


def is_break_glass(person_id: UUID) -> bool:
    """Whether this account was made for an emergency."""
    return bool(
        db.session.scalar(
            select(LocalAccount.is_break_glass).where(LocalAccount.person_id == person_id)
        )
    )


def has_second_step(person_id: UUID) -> bool:
    """Whether a code is asked after the password."""
    account = db.session.get(LocalAccount, person_id)
    return account is not None and account.totp_since is not None


def begin_second_step(person_id: UUID, *, key: bytes, issuer: str) -> tuple[str, str]:
    """A new secret that waits for its first code: its text, and the address for the QR code."""
    secret = pyotp.random_base32()
    account = db.session.get_one(LocalAccount, person_id, with_for_update=True)
    account.totp_secret, account.totp_since = _box(key).encrypt(secret.encode()).decode(), None
    account.totp_used = 0
    db.session.flush()
    return secret, pyotp.TOTP(secret, name=account.username, issuer=issuer).provisioning_uri()


def waiting_secret(person_id: UUID, *, key: bytes, issuer: str) -> tuple[str, str] | None:
    """The secret that waits for its first code, if there is one."""
    account = db.session.get(LocalAccount, person_id)
    if account is None or not account.totp_secret or account.totp_since is not None:
        return None
    secret = _box(key).decrypt(account.totp_secret.encode()).decode()
    return secret, pyotp.TOTP(secret, name=account.username, issuer=issuer).provisioning_uri()


def confirm_second_step(person_id: UUID, code: str, *, key: bytes) -> None:
    """Turn the second step on with its first code. Refuses a wrong one."""
    try:
        check_code(person_id, code, key=key)
    except WrongCredentials:
        raise Refused(_("This code is wrong. Codes change every 30 seconds.")) from None
    account = db.session.get_one(LocalAccount, person_id)
    account.totp_since = db.utc_now()
    db.session.flush()
    audit.record("person.second_step_set", subject=person_id, actor=person_id, on=True)


def end_second_step(person_id: UUID, *, by: UUID) -> None:
    """Ask for no code any more."""
    account = db.session.get_one(LocalAccount, person_id, with_for_update=True)
    account.totp_secret, account.totp_since = "", None
    db.session.flush()
    audit.record("person.second_step_set", subject=person_id, actor=by, on=False)


def check_code(person_id: UUID, code: str, *, key: bytes) -> None:
    """Check a code of the second step; each counts once. Raises WrongCredentials."""
    with db.joined_transaction() as session:
        account = session.get(LocalAccount, person_id)
        if account is None or not account.totp_secret:
            raise WrongCredentials("code")
        totp = pyotp.TOTP(_box(key).decrypt(account.totp_secret.encode()).decode())
        digits = "".join(each for each in code if each in string.digits)
        now = int(db.utc_now().timestamp()) // STEP_SECONDS
        for step in (now, now - 1, now + 1):  # clocks differ
            if secrets.compare_digest(totp.generate_otp(step), digits):
                taken = session.execute(
                    update(LocalAccount)
                    .where(LocalAccount.person_id == person_id, LocalAccount.totp_used < step)
                    .values(totp_used=step)
                )
                if taken.rowcount:  # type: ignore[attr-defined]
                    return
    raise WrongCredentials("code")


def break_glass(name: str, *, reason: str) -> tuple[str, str]:
    """An administrator for an emergency, for a day; returns username and password, shown once."""
    person = Person(
        directory_id=f"{ID_PREFIX}break-glass-{secrets.token_hex(8)}",
        username="",
        full_name=name,
        sort_name=name.casefold(),
        kind="emergency",
        roles=[Role.ADMIN.value, Role.LEARNER.value],
        audiences=[],
        started_on=db.today(),
        ends_on=db.today() + timedelta(days=BREAK_GLASS_DAYS),
    )
    db.session.add(person)
    db.session.flush()
    account = create(person, f"break glass {secrets.token_hex(2)}")
    password = "-".join(secrets.token_hex(3) for _each in range(4))
    account.password_hash, account.is_break_glass = _hasher.hash(password), True
    db.session.flush()
    audit.record(
        "person.break_glass_made",
        subject=person.id,
        actor=None,
        reason=reason,
        until=person.ends_on.isoformat() if person.ends_on else "",
    )
    return account.username, password


@lru_cache(maxsize=1)
def _nobodys() -> str:
    """A hash that no password fits, so that an unknown name takes as long as a known one."""
    return _hasher.hash(secrets.token_urlsafe(16))


def _box(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(sha256(b"second step" + key).digest()))
