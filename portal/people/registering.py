"""Keeps what the directory says of one person: a joiner, a mover, or one who is back."""

import unicodedata
from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select
from sqlalchemy.orm import aliased

from portal import db
from portal.audit import services as audit
from portal.config import Role
from portal.mail import services as mail
from portal.people.directory import Entry
from portal.people.door import Door
from portal.people.models import Person, PersonChange, RoleGrant, Session

SEEN_AFTER = timedelta(hours=1)
HISTORY = ("department", "manager_id", "kind")
"""Facts whose changes are kept with their dates."""


def register(door: Door, entry: Entry) -> Person:
    """Keep what the directory says of somebody who may sign in, by the directory's id.

    A change of roles ends the sessions that were opened with the old ones. Who had left is back.
    """
    known = db.session.execute(_KNOWN, {"id": entry.id}).one_or_none()
    person: Person | None
    person, is_above, vouches = tuple(known) if known else (None, False, False)
    granted = granted_roles(person.id) if person else []
    if entry.is_manager is None:
        entry = replace(entry, is_manager=is_above)
    if person is None:
        person = Person(directory_id=entry.id, **facts_of(door, entry))
        db.session.add(person)
        db.session.flush()
        note_change(person.id, "joined")
    else:
        for name, value in facts_of(door, entry, scope=person.scope, vouches=vouches).items():
            before = getattr(person, name)
            if before != value:
                setattr(person, name, value)
                if name in {"department", "kind"}:
                    note_change(person.id, name, before, value)
    if person.missed:
        person.missed = 0
    if db.utc_now() - person.seen_at > SEEN_AFTER:
        person.seen_at = db.utc_now()
    if person.left_on is not None:
        come_back(person)
    set_roles(person, roles_of(door, entry, granted))
    db.session.flush()
    return person


# With whether they lead somebody who works here, and whether they vouch for somebody.
_BELOW = aliased(Person)
_KNOWN = select(
    Person,
    *(
        select(_BELOW.id).where(above == Person.id, _BELOW.left_on.is_(None)).exists()
        for above in (_BELOW.manager_id, _BELOW.sponsor_id)
    ),
).where(Person.directory_id == bindparam("id"))


def roles_of(door: Door, entry: Entry, granted: Collection[str] = ()) -> list[str]:
    """The roles that groups and grants give."""
    by_group = (door.roles[group] for group in entry.groups if group in door.roles)
    return sorted({Role.LEARNER.value, *(role.value for role in by_group), *granted})


def granted_roles(person_id: UUID) -> list[str]:
    """The roles that grants in force give to a person."""
    asked = {"person": person_id, "today": db.today()}
    return list(db.session.scalars(_GRANTED, asked))


def in_force(today: Any) -> Any:
    """Whether a `RoleGrant` counts on that day."""
    return RoleGrant.ended_at.is_(None) & (RoleGrant.until >= today)


_GRANTED = select(RoleGrant.role).where(
    RoleGrant.person_id == bindparam("person"), in_force(bindparam("today"))
)


def set_roles(person: Person, roles: list[str]) -> None:
    """Set the roles; a change is logged, and ends the sessions opened with the old ones."""
    if person.roles == roles:
        return
    before = [str(role) for role in person.roles or [Role.LEARNER]]
    person.roles = roles
    db.session.flush()
    if before != roles:
        db.session.execute(delete(Session).where(Session.person_id == person.id))
        audit.record(
            "person.roles_changed", subject=person.id, actor=None, before=before, after=roles
        )


def leave(person: Person, *, by: UUID | None = None, sync_id: UUID | None = None) -> None:
    """Note that somebody works here no more: sessions end at once, records stay.

    Open duties end with the reason "left" (portal.campaigns.leaves).
    """
    person.left_on = db.today()
    db.session.execute(delete(Session).where(Session.person_id == person.id))
    note_change(person.id, "left", sync_id=sync_id)
    db.session.flush()
    audit.record("person.left", subject=person.id, actor=by)


def come_back(person: Person, *, sync_id: UUID | None = None) -> None:
    """Note that somebody works here again: the same person, with all their history."""
    before = person.left_on
    person.left_on, person.missed = None, 0
    note_change(person.id, "returned", before=before.isoformat() if before else "", sync_id=sync_id)
    db.session.flush()
    audit.record("person.returned", subject=person.id, actor=None)


def note_change(
    person_id: UUID, what: str, before: str = "", after: str = "", *, sync_id: UUID | None = None
) -> None:
    """One line of a person's history."""
    db.session.add(
        PersonChange(person_id=person_id, what=what, before=before, after=after, sync_id=sync_id)
    )


def facts_of(door: Door, entry: Entry, *, scope: str = "", vouches: bool = False) -> dict[str, Any]:
    """What a person's row holds of the entry.

    `scope` is what HR decided about them, `vouches` whether they are somebody's sponsor.
    """
    audiences = {entry.kind}
    if entry.is_manager:
        audiences.add("manager")
    if door.custodian_group and door.custodian_group in entry.groups:
        audiences.add("custodian")
    if scope:
        audiences.add(scope)
    if vouches:
        audiences.add("sponsor")
    return {
        "username": entry.username[:200],
        "full_name": entry.full_name[:200],
        "family_name": entry.family_name[:200],
        "sort_name": sort_name(entry.full_name, entry.family_name),
        "email": entry.email if mail.is_address(entry.email) else "",
        "language": entry.language,
        "department": entry.department[:200],
        "job_title": entry.job_title[:200],
        "location": entry.location[:200],
        "union_scope": entry.union_scope,
        "groups": sorted(entry.groups),
        "kind": entry.kind,
        "sponsor": entry.sponsor[:200],
        "started_on": entry.started_on,
        "ends_on": entry.ends_on,
        "audiences": sorted(audiences),
    }


def sort_name(full_name: str, family_name: str) -> str:
    """ "Chen, Avery" without case and accents: the order of lists, and what filters look in."""
    given = full_name.removesuffix(family_name).strip()
    name = f"{family_name}, {given}" if family_name and given else full_name
    folded = unicodedata.normalize("NFKD", name.casefold().replace("ł", "l").replace("ø", "o"))
    return "".join(char for char in folded if not unicodedata.combining(char))[:200]
