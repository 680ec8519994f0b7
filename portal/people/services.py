"""Signs people in and out, and keeps what the directory says about them."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask_babel import get_locale
from flask_babel import gettext as _
from flask_login import UserMixin
from sqlalchemy import bindparam, delete, insert, select, update

from portal import db
from portal.audit import services as audit
from portal.config import Role
from portal.documents import dates
from portal.errors import NotFound
from portal.people import local
from portal.people.directory import (
    AccountClosed,
    Directory,
    Misbehaving,
    MustChangePassword,
    Unreachable,
    WrongCredentials,
)
from portal.people.door import Door
from portal.people.limits import SignInRefused, forget, knock
from portal.people.models import Person, Session
from portal.people.registering import register

log = logging.getLogger(__name__)

TOUCH_AFTER = timedelta(minutes=1)
KIOSK_TOUCH_AFTER = timedelta(seconds=10)
CONFIRMED_FOR = timedelta(minutes=10)
CHECK_AFTER = timedelta(hours=1)


class DirectoryUnavailable(Exception):
    """The directory gave no usable answer; `reference` stands on the page and in the log."""

    def __init__(self, reference: str) -> None:
        super().__init__(reference)
        self.reference = reference


class SecondStepNeeded(Exception):
    """The password was right, and the account asks for a code, too."""

    def __init__(self, person_id: UUID) -> None:
        super().__init__("second step")
        self.person_id = person_id


@dataclass(frozen=True)
class Identity(UserMixin):  # type: ignore[misc]
    """Who is signed in, as plain values."""

    id: UUID
    directory_id: str
    full_name: str
    username: str
    email: str
    department: str
    job_title: str
    kind: str
    location: str
    union_scope: str
    started_on: date | None
    roles: frozenset[Role]
    audiences: frozenset[str]
    groups: frozenset[str]
    language: str = ""  # as the directory says; empty: not known
    is_kiosk: bool = False  # signed in at a shared device
    way: str = "password"  # or sso
    confirmed_at: datetime | None = None  # when single sign-on last said it is still them
    token: str = field(default="", repr=False)

    def get_id(self) -> str:
        """What Flask-Login keeps in the cookie: the session's token, not the person's id."""
        return self.token


def sign_in(
    door: Door, username: str, password: str, *, address: str, kiosk: UUID | None = None
) -> Identity:
    """Check name and password with the directory and open a session.

    At a shared device, `kiosk`, whoever was there before is signed out.

    Raises SignInRefused, after too many tries too, DirectoryUnavailable, and SecondStepNeeded.
    Works in transactions of its own: no lock is held while the directory answers.
    """
    if local.is_ours(username):
        person_id = _ask(door, username, address, lambda: local.check(username, password))
        with db.reading():
            if local.has_second_step(person_id):
                raise SecondStepNeeded(person_id)
        return enter(person_id, kiosk=kiosk)
    found: Identity = _ask(
        door,
        username,
        address,
        lambda: door.directory.authenticate(username, password),
        then=lambda entry: _enter(register(door, entry), kiosk=kiosk),
    )
    return found


def second_step(
    door: Door, person_id: UUID, code: str, *, address: str, kiosk: UUID | None = None
) -> Identity:
    """Finish a sign-in whose password was right with a code. Raises SignInRefused."""
    _ask(door, str(person_id), address, lambda: local.check_code(person_id, code, key=door.key))
    return enter(person_id, kiosk=kiosk)


def enter(person_id: UUID, *, kiosk: UUID | None = None, way: str = "password") -> Identity:
    """Open a session for who has shown who they are."""
    with db.joined_transaction() as session:
        return _enter(session.get_one(Person, person_id), kiosk=kiosk, way=way)


def _enter(person: Person, *, kiosk: UUID | None = None, way: str = "password") -> Identity:
    token = open_session(person, kiosk=kiosk, way=way)
    audit.record("person.signed_in", subject=person.id, actor=person.id)
    if local.keeps(person.directory_id) and local.is_break_glass(person.id):
        log.critical("the break-glass account %s was used", person.username)
        audit.record("person.break_glass_used", subject=person.id, actor=person.id)
    return identify(person, token=token)


def confirm_password(door: Door, person: Identity, password: str, *, address: str) -> None:
    """Check the password of who is signed in, once more. Raises as `sign_in`."""
    ask: Callable[[], Any]
    if local.is_ours(person.username):
        ask = partial(local.check, person.username, password)
    else:
        ask = partial(door.directory.confirm, person.directory_id, password)
    _ask(door, person.username, address, ask, wrong=_("The password is wrong. Type it again."))


def open_session(person: Person, *, kiosk: UUID | None = None, way: str = "password") -> str:
    """A new session; returns its token, of which only the SHA-256 is kept."""
    token = secrets.token_urlsafe(32)
    if kiosk is not None:
        db.session.execute(delete(Session).where(Session.kiosk_id == kiosk))
    row = {"token_hash": digest(token), "person_id": person.id, "kiosk_id": kiosk, "way": way}
    db.session.connection().execute(insert(Session), row)
    return token


def note_confirmed(token: str) -> None:
    """Note that single sign-on has just said, of this session, that it is still the person."""
    with db.transaction() as session:
        session.execute(
            update(Session)
            .where(Session.token_hash == digest(token))
            .values(confirmed_at=db.utc_now())
        )


def is_confirmed(person: Identity) -> bool:
    """Whether single sign-on confirmed the person within CONFIRMED_FOR."""
    at = person.confirmed_at
    return at is not None and at > db.utc_now() - CONFIRMED_FOR


def use_confirmation(person: Identity) -> bool:
    """Whether single sign-on confirmed the person within CONFIRMED_FOR; it counts once."""
    taken = db.session.execute(
        update(Session)
        .where(
            Session.token_hash == digest(person.token),
            Session.confirmed_at > db.utc_now() - CONFIRMED_FOR,
        )
        .values(confirmed_at=None)
    )
    return bool(taken.rowcount)  # type: ignore[attr-defined]


def find_session(door: Door, token: str) -> Identity | None:
    """Who holds this token, None if the session is over or was ended.

    Once a minute it notes that the person is there; once an hour it asks the directory whether
    they still may be. When the directory is not there, the session lives on.
    """
    now = db.utc_now()
    rows = db.look(_HOLDER, digest=digest(token))
    if not rows:
        return None
    *values, created_at, last_seen_at, checked_at, kiosk_id, way, confirmed = rows[0]
    person = _identity(
        values, token, is_kiosk=kiosk_id is not None, way=way, confirmed_at=confirmed
    )
    idle = door.kiosk_minutes if kiosk_id else door.idle_minutes
    if now - last_seen_at > timedelta(minutes=idle):
        return None
    if now - created_at > timedelta(hours=door.session_hours):
        return None
    if now - checked_at > CHECK_AFTER and not _may_stay(door, person.directory_id, token):
        return None
    if now - last_seen_at > (KIOSK_TOUCH_AFTER if kiosk_id else TOUCH_AFTER):
        touch(token)
    return person


def touch(token: str) -> None:
    """Note that the person is there."""
    with db.transaction() as session:
        session.execute(
            update(Session)
            .where(Session.token_hash == digest(token))
            .values(last_seen_at=db.utc_now())
        )


def sign_out(person: Identity) -> None:
    """End this session; its token is worth nothing from now on."""
    db.session.execute(delete(Session).where(Session.token_hash == digest(person.token)))
    audit.record("person.signed_out", subject=person.id, actor=person.id)


def end_other_sessions(person: Identity) -> None:
    """End all sessions of the person but this one."""
    db.session.execute(
        delete(Session).where(
            Session.person_id == person.id, Session.token_hash != digest(person.token)
        )
    )


def get_person(person_id: UUID) -> Person:
    """One person. Raises NotFound."""
    person = db.session.get(Person, person_id)
    if person is None:
        raise NotFound
    return person


def identify(person: Person, *, token: str = "") -> Identity:
    """A person as plain values."""
    return _identity([getattr(person, column.key) for column in _IDENTITY], token)


_IDENTITY = (
    Person.id,
    Person.directory_id,
    Person.full_name,
    Person.username,
    Person.email,
    Person.department,
    Person.job_title,
    Person.kind,
    Person.location,
    Person.union_scope,
    Person.started_on,
    Person.roles,
    Person.audiences,
    Person.groups,
    Person.language,
)

# Asked on every page: made once, and without the ORM, it costs a third.
_HOLDER = (
    select(
        *_IDENTITY,
        Session.created_at,
        Session.last_seen_at,
        Session.checked_at,
        Session.kiosk_id,
        Session.way,
        Session.confirmed_at,
    )
    .join(Session, Session.person_id == Person.id)
    .where(Session.token_hash == bindparam("digest"))
)


def _identity(values: list[Any], token: str, **session: Any) -> Identity:
    *plain, roles, audiences, groups, language = values
    return Identity(
        *plain,
        frozenset(map(Role, roles)),
        frozenset(audiences),
        frozenset(groups),
        language,
        token=token,
        **session,
    )


def _ask(
    door: Door,
    username: str,
    address: str,
    ask: Callable[[], Any],
    *,
    then: Callable[[Any], Any] | None = None,
    wrong: str = "",
) -> Any:
    """Knock, counted beforehand so that no number of processes lets more through.

    What comes of a good answer is written by `then`, in one transaction. `wrong` says what is wrong
    to whom we know already.
    """
    subject = door.subject("name", username.strip().casefold())
    tries = knock(door, subject, door.subject("address", address))
    try:
        answer = ask()
    except WrongCredentials as fault:
        _note_failure(subject, str(fault))
        if str(fault) == "code":
            words = _("This code is wrong or used. Codes change every 30 seconds.")
            raise SignInRefused(words) from None
        help_url = door.help_url if str(fault) == "locked" else ""
        raise SignInRefused(wrong or _("The name or password is wrong."), help_url) from None
    except MustChangePassword as fault:
        _note_failure(subject, str(fault))
        message = _("Your password must be changed before you can sign in here.")
        raise SignInRefused(message, door.help_url) from None
    except local.ContractEnded as fault:
        _note_failure(subject, str(fault))
        raise SignInRefused(_contract_ended(fault)) from None
    except AccountClosed as fault:
        _note_failure(subject, str(fault))
        raise SignInRefused(_("This account can’t sign in. Contact IT.")) from None
    except (Unreachable, Misbehaving) as fault:
        reference = secrets.token_hex(4)
        log.error("directory %s: %s", reference, fault)
        forget(tries)
        raise DirectoryUnavailable(reference) from None
    with db.transaction(hasty=then is None):
        forget(tries, subject)
        return then(answer) if then else answer


def _contract_ended(fault: local.ContractEnded) -> str:
    day = dates.day(fault.on, str(get_locale()))
    if not fault.sponsor:
        return str(_("Your contract ended on %(day)s. Ask HR.", day=day))
    return str(
        _(
            "Your contract ended on %(day)s. Ask %(sponsor)s, your sponsor at the City.",
            day=day,
            sponsor=fault.sponsor,
        )
    )


def _note_failure(subject: bytes, reason: str) -> None:
    with db.transaction():
        audit.record("person.sign_in_failed", subject=subject.hex()[:32], actor=None, reason=reason)


def _may_stay(door: Door, directory_id: str, token: str) -> bool:
    """Whether the directory still knows the person; their facts are brought up to date."""
    if local.keeps(directory_id):  # nothing to ask: leaving ends the session
        return True
    directory: Directory = door.directory
    try:
        entry = directory.find(directory_id)
    except AccountClosed:
        entry = None
    except (Unreachable, Misbehaving) as fault:
        log.warning("account not checked: %s", fault)
        return True
    with db.transaction() as session:
        if entry is None or entry.is_closed:
            session.execute(delete(Session).where(Session.token_hash == digest(token)))
            return False
        register(door, entry)
        session.execute(
            update(Session)
            .where(Session.token_hash == digest(token))
            .values(checked_at=db.utc_now())
        )
        return session.get(Session, digest(token)) is not None


def digest(token: str) -> bytes:
    """What is kept of a token."""
    return sha256(token.encode()).digest()
