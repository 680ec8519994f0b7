"""Contracts: another last day, an end, and a word to the sponsor before it."""

from datetime import date, timedelta
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal import db
from portal.audit import services as audit
from portal.contractors.invitations import end_links
from portal.contractors.services import LONGEST_DAYS, refuse_directory, refuse_ended
from portal.errors import Refused
from portal.jobs import Job
from portal.mail import services as mail
from portal.mail.models import Mail
from portal.people.models import LocalAccount, Person
from portal.people.registering import come_back, leave, note_change
from portal.people.services import Identity

WARN_DAYS = 14  # before a contract ends, its sponsor is told


def extend(person: Person, *, ends_on: date, by: Identity) -> None:
    """Another last day. Refuses days that are over, and people whom the directory knows."""
    refuse_directory(person)
    today = db.today()
    if not today <= ends_on <= today + timedelta(days=LONGEST_DAYS):
        raise Refused(_("Choose a day from today to three years from now."))
    before = person.ends_on.isoformat() if person.ends_on else ""
    person.ends_on = ends_on
    if person.left_on is not None:
        come_back(person)
    note_change(person.id, "contract", before, ends_on.isoformat())
    db.session.flush()
    audit.record(
        "contract.changed", subject=person.id, actor=by.id, before=before, after=ends_on.isoformat()
    )


def end_contract(person: Person, *, by: Identity) -> None:
    """End it now: the account is closed, sessions and links end, records stay."""
    refuse_directory(person)
    refuse_ended(person)
    end_links(person.id)
    leave(person, by=by.id)


def _ended() -> Select[UUID]:
    return (
        select(Person.id)
        .join(LocalAccount, LocalAccount.person_id == Person.id)
        .where(Person.left_on.is_(None), Person.ends_on < db.today())
    )


def _due_ends(limit: int) -> list[str]:
    with db.reading() as session:
        return [str(one) for one in session.scalars(_ended().limit(limit))]


def _end(person_id: str) -> None:
    with db.transaction() as session:
        if session.scalar(_ended().where(Person.id == UUID(person_id))):
            end_links(UUID(person_id))
            leave(session.get_one(Person, UUID(person_id)))


ENDINGS = Job("endings", _due_ends, _end, every=10)
"""Accounts whose contract is over."""


def _ending_soon(session: Session) -> dict[str, Person]:
    """Cause of the mail -> contractor whose sponsor is to be told."""
    today = db.today()
    people = session.scalars(
        select(Person)
        .join(LocalAccount, LocalAccount.person_id == Person.id)
        .where(
            Person.left_on.is_(None),
            Person.ends_on >= today,
            Person.ends_on <= today + timedelta(days=WARN_DAYS),
            Person.sponsor_id.is_not(None),
        )
    ).all()
    wanted = {f"contract-ends:{each.id}:{each.ends_on}": each for each in people}
    told = set(session.scalars(select(Mail.key).where(Mail.key.in_(wanted))))
    return {key: each for key, each in wanted.items() if key not in told}


def _due_warnings(limit: int) -> list[str]:
    with db.reading() as session:
        return list(_ending_soon(session))[:limit]


def _warn(key: str) -> None:
    with db.transaction() as session:
        person = _ending_soon(session).get(key)
        if person is None or person.sponsor_id is None:
            return
        sponsor = session.get_one(Person, person.sponsor_id)
        if sponsor.left_on is not None or not mail.is_address(sponsor.email):
            return  # the list of contractors says it
        mail.queue_mail(
            "contract-ends",
            to=sponsor.id,
            address=sponsor.email,
            key=key,
            language=db.settings().language_for(sponsor.language),
            full_name=sponsor.full_name,
            contractor=person.full_name,
            ends_on=person.ends_on,
            page=f"{db.settings().base_url}/contractors/{person.id}",
        )


WARNINGS = Job("contract-warnings", _due_warnings, _warn, every=60)
"""Sponsors whose contractor's contract ends soon."""
