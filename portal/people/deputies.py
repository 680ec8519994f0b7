"""Who stands in for whom on a day: as long as both work here."""

from collections.abc import Collection
from datetime import date
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

from portal import db
from portal.people.models import Delegation, Person


def standing_in(today: date) -> Select[Delegation]:
    """The delegations that count on a day."""
    manager, deputy = aliased(Person), aliased(Person)
    return (
        select(Delegation)
        .join(manager, manager.id == Delegation.manager_id)
        .join(deputy, deputy.id == Delegation.deputy_id)
        .where(
            Delegation.until >= today,
            Delegation.ended_at.is_(None),
            manager.left_on.is_(None),
            deputy.left_on.is_(None),
        )
    )


def deputies_of(managers: Collection[UUID], *, today: date) -> dict[UUID, list[Person]]:
    """Manager -> who stands in for them."""
    found: dict[UUID, list[Person]] = {}
    delegations = standing_in(today).where(Delegation.manager_id.in_(managers))
    rows = db.session.execute(
        delegations.join(Person, Person.id == Delegation.deputy_id)
        .with_only_columns(Delegation.manager_id, Person)
        .order_by(Person.id)
    )
    for manager_id, person in rows:
        found.setdefault(manager_id, []).append(person)
    return found
