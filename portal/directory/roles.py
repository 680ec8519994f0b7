"""Roles: from the directory's groups, and granted here with a reason and an end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import String, cast, func, select
from sqlalchemy.orm import joinedload

from portal import db
from portal.audit import services as audit
from portal.config import Role
from portal.errors import NotFound, Refused
from portal.jobs import Job
from portal.people.door import Door, current_door
from portal.people.models import Person, RoleGrant
from portal.people.registering import granted_roles, set_roles
from portal.people.services import Identity

LONGEST_DAYS = 366
GIVEN = tuple(role for role in Role if role is not Role.LEARNER)


@dataclass(frozen=True)
class Holder:
    """Somebody who may do more than learn: each role, and why they have it."""

    person: Person
    by_group: list[tuple[str, str]]  # role, group
    grants: list[RoleGrant]


def may_give(by: Identity) -> Sequence[Role]:
    """The roles that somebody gives and ends here: administrators all, HR that of sponsors."""
    return GIVEN if Role.ADMIN in by.roles else (Role.SPONSOR,)


def may_last_until(day: date) -> bool:
    """Whether a role may be given up to this day."""
    return 0 <= (day - db.today()).days <= LONGEST_DAYS


def list_holders(door: Door, roles: Sequence[Role] = GIVEN) -> list[Holder]:
    """Everybody with one of these roles, by name."""
    more = select(Person.id).where(
        Person.left_on.is_(None), cast(Person.roles, String) != '["learner"]'
    )
    people = db.session.scalars(  # few of many: found first, then sorted
        select(Person)
        .where(Person.id.in_(more.correlate(None)))
        .order_by(Person.sort_name, Person.id)
    ).all()
    grants: dict[UUID, list[RoleGrant]] = {}
    for grant in db.session.scalars(
        select(RoleGrant)
        .where(RoleGrant.ended_at.is_(None), RoleGrant.role.in_(roles))
        .options(joinedload(RoleGrant.maker))
        .order_by(RoleGrant.until)
    ):
        grants.setdefault(grant.person_id, []).append(grant)
    return [
        Holder(
            person,
            sorted(
                (door.roles[group].value, group)
                for group in person.groups
                if door.roles.get(group) in roles
            ),
            grants.get(person.id, []),
        )
        for person in people
        if set(roles) & set(person.roles)
    ]


def list_ended(roles: Sequence[Role] = GIVEN) -> Sequence[RoleGrant]:
    """Grants of these roles that ended, the latest first."""
    return db.session.scalars(
        select(RoleGrant)
        .where(RoleGrant.ended_at.is_not(None), RoleGrant.role.in_(roles))
        .options(joinedload(RoleGrant.person), joinedload(RoleGrant.maker))
        .order_by(RoleGrant.ended_at.desc())
        .limit(50)
    ).all()


def grant(username: str, role: Role, *, until: date, reason: str, by: Identity) -> RoleGrant:
    """Give a role up to and including a day.

    Refuses unknown names, oneself, odd days, a role that is not theirs to give, and a sponsor who
    is not employed by the City.
    """
    if role not in may_give(by):
        raise Refused(_("Ask an administrator for this role."))
    person = db.session.scalar(
        select(Person).where(
            func.lower(Person.username) == username.strip().lower(), Person.left_on.is_(None)
        )
    )
    if person is None:
        raise Refused(_("Nobody who works here has this username."))
    if person.id == by.id:
        raise Refused(_("You cannot give a role to yourself. Ask another administrator."))
    if role is Role.SPONSOR and person.kind != "employee":
        raise Refused(_("Only an employee of the City can be a sponsor."))
    if not may_last_until(until):
        raise Refused(_("Choose a last day from today to a year from now."))
    made = RoleGrant(
        person_id=person.id, role=role.value, reason=reason, until=until, made_by=by.id
    )
    db.session.add(made)
    db.session.flush()
    _settle(person)
    audit.record(
        "role.granted",
        subject=made.id,
        actor=by.id,
        person=str(person.id),
        role=role.value,
        until=until.isoformat(),
        reason=reason,
    )
    return made


def end_grant(grant_id: UUID, *, by: Identity | None) -> None:
    """End a grant. Raises NotFound for one that is not in force, or not theirs to end."""
    found = db.session.get(
        RoleGrant,
        grant_id,
        options=[joinedload(RoleGrant.person)],
        with_for_update={"of": RoleGrant},
    )
    if found is None or found.ended_at is not None or (by and found.role not in may_give(by)):
        raise NotFound
    found.ended_at = db.utc_now()
    db.session.flush()
    _settle(found.person)
    audit.record(
        "role.ended",
        subject=found.id,
        actor=by.id if by else None,
        person=str(found.person_id),
        role=found.role,
    )


def _settle(person: Person) -> None:
    """Bring the roles in line with groups and grants."""
    door = current_door()
    by_group = {door.roles[each].value for each in person.groups if each in door.roles}
    set_roles(person, sorted({Role.LEARNER.value, *by_group, *granted_roles(person.id)}))


def _due(limit: int) -> list[str]:
    with db.reading() as session:
        found = session.scalars(
            select(RoleGrant.id)
            .where(RoleGrant.ended_at.is_(None), RoleGrant.until < db.today())
            .limit(limit)
        )
        return [str(one) for one in found]


def _do(grant_id: str) -> None:
    with db.transaction():
        end_grant(UUID(grant_id), by=None)


EXPIRE = Job("expire", _due, _do, every=10)
"""Grants whose last day is over."""
