"""The links with which somebody who was invited chooses a password, once."""

import base64
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from hmac import new as hmac
from uuid import UUID, uuid4

from flask_babel import gettext as _
from sqlalchemy import delete, select, update
from sqlalchemy.orm import joinedload

from portal import db
from portal.audit import services as audit
from portal.config import Settings
from portal.contractors.models import Invitation
from portal.contractors.services import refuse_directory, refuse_ended
from portal.errors import Refused
from portal.mail import services as mail
from portal.people import local
from portal.people.models import Person, Session
from portal.people.services import Identity, digest

LINK_LASTS = timedelta(days=14)
MOST_TRIES = 10


def send_link(person: Person, *, by: Identity) -> None:
    """Mail a new link; older ones end. Refuses who has no address, whose contract is over,
    and whom the directory knows."""
    if not mail.is_address(person.email):
        raise Refused(_("There is no email address. Print a letter instead."))
    invitation, _token = _new_link(person, by_mail=True, by=by)
    mail.queue_mail(
        "invitation",
        to=person.id,
        address=person.email,
        key=f"invitation:{invitation.id}",
        language=db.settings().language_for(person.language),
        secret=f"invitation:{invitation.id}",
        full_name=person.full_name,
        username=person.username,
        sponsor=person.sponsor,
        until=db.local_day(invitation.expires_at),
    )


def print_link(person: Person, *, by: Identity) -> Invitation:
    """A new link for a letter; older ones end."""
    return _new_link(person, by_mail=False, by=by)[0]


def find_letter(invitation_id: str, *, to: Person) -> tuple[Invitation, str] | None:
    """A person's link with its address, for who has just made it; None once it is not good."""
    token = _token(UUID(invitation_id), db.settings())
    invitation = find_invitation(token)
    if invitation is None or invitation.person_id != to.id:
        return None
    return invitation, _address(token)


def _new_link(person: Person, *, by_mail: bool, by: Identity) -> tuple[Invitation, str]:
    refuse_directory(person)
    refuse_ended(person)
    end_links(person.id)
    invitation = Invitation(
        id=uuid4(),
        person_id=person.id,
        by_mail=by_mail,
        made_by=by.id,
        expires_at=db.utc_now() + LINK_LASTS,
    )
    token = _token(invitation.id, db.settings())
    invitation.token_hash = digest(token)
    db.session.add(invitation)
    db.session.flush()
    audit.record("invitation.made", subject=invitation.id, actor=by.id, person=str(person.id))
    return invitation, token


def _token(invitation_id: UUID, settings: Settings) -> str:
    """The secret of a link: made again when the mail is sent, so that no table holds it."""
    secret = hmac(settings.secret_key, b"invitation" + invitation_id.bytes, sha256).digest()
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


def _address(token: str) -> str:
    return f"{db.settings().base_url}/contractors/welcome/{token}"


def link_for_mail(invitation_id: str) -> str:
    """What takes the place of the link's mark when the mail is sent."""
    return _address(_token(UUID(invitation_id), db.settings()))


mail.LINKS["invitation"] = link_for_mail


def end_links(person_id: UUID, *, by: Identity | None = None) -> int:
    """End the person's links that nobody used; returns how many."""
    ended = db.session.execute(
        update(Invitation)
        .where(
            Invitation.person_id == person_id,
            Invitation.used_at.is_(None),
            Invitation.revoked_at.is_(None),
        )
        .values(revoked_at=db.utc_now())
    ).rowcount  # type: ignore[attr-defined]
    if ended and by is not None:
        audit.record("invitation.revoked", subject=person_id, actor=by.id)
    return int(ended)


def find_invitation(token: str) -> Invitation | None:
    """The link's invitation while it may be used: once, not for ever, ten tries."""
    return db.session.scalar(
        select(Invitation)
        .join(Person, Person.id == Invitation.person_id)
        .where(
            Invitation.token_hash == digest(token),
            Invitation.used_at.is_(None),
            Invitation.revoked_at.is_(None),
            Invitation.expires_at > db.utc_now(),
            Invitation.tries < MOST_TRIES,
            Person.left_on.is_(None),
            Person.ends_on >= db.today(),
        )
        .options(joinedload(Invitation.person))
    )


def count_try(token: str) -> None:
    """Count a try with this link, whatever becomes of the request."""
    with db.transaction() as session:
        session.execute(
            update(Invitation)
            .where(Invitation.token_hash == digest(token))
            .values(tries=Invitation.tries + 1)
        )


def accept(token: str, password: str) -> Person:
    """Choose the password that the link is for; the link and older sessions end.

    Refuses a link that is not good any more, and a password that is guessed at once.
    """
    invitation = find_invitation(token)
    if invitation is None:
        raise Refused(_("This link is not good any more. Ask for a new one."))
    with db.session.begin_nested():
        taken = db.session.execute(
            update(Invitation)
            .where(Invitation.id == invitation.id, Invitation.used_at.is_(None))
            .values(used_at=db.utc_now())
        )
        if not taken.rowcount:  # type: ignore[attr-defined]
            raise Refused(_("This link is not good any more. Ask for a new one."))
        local.choose_password(invitation.person_id, password)
    local.end_second_step(invitation.person_id, by=invitation.person_id)
    db.session.execute(delete(Session).where(Session.person_id == invitation.person_id))
    audit.record(
        "invitation.used",
        subject=invitation.id,
        actor=invitation.person_id,
        by_mail=invitation.by_mail,
    )
    return invitation.person


def list_invitations(person_id: UUID) -> Sequence[Invitation]:
    """The person's links, newest first."""
    return db.session.scalars(
        select(Invitation)
        .where(Invitation.person_id == person_id)
        .order_by(Invitation.made_at.desc())
    ).all()
