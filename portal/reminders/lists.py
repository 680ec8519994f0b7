"""The lists for managers: who of their people is late, and who has no email to be reminded by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, select, update
from sqlalchemy.orm import aliased

from portal import db
from portal.campaigns.models import Assignment, Campaign
from portal.mail import services as mail
from portal.people.models import Person
from portal.reminders import schedule
from portal.reminders.models import Reminder
from portal.reminders.owed import LIST, LOOK, REMINDER, any_of, is_owed, is_running, was_told


@dataclass(frozen=True)
class Late:
    """One duty on a manager's list."""

    full_name: str
    title: str
    due_on: date
    has_mail: bool


def next_managers(today: date) -> Sequence[Person]:
    """Managers who have something for their list and did not get it today."""
    with db.reading() as session:
        chosen = select(Person.manager_id).where(
            Person.id.in_(_listed(today).with_only_columns(Assignment.person_id)),
            Person.manager_id.is_not(None),
        )
        return session.scalars(
            select(Person)
            .where(
                Person.id.in_(chosen),
                mail.has_address(Person.email),
                ~was_told(Person.id, today, LIST),
            )
            .order_by(Person.id)
            .limit(LOOK)
        ).all()


def list_managers_without_mail() -> Sequence[Person]:
    """Managers whose people owe something, and whom no list can be mailed to; by name."""
    people = aliased(Person)
    owing = exists().where(
        people.manager_id == Person.id,
        Assignment.person_id == people.id,
        Campaign.id == Assignment.campaign_id,
        *is_running(),
        *is_owed(),
    )
    found = select(Person.id).where(
        ~mail.has_address(Person.email), Person.left_on.is_(None), owing
    )
    return db.session.scalars(  # few of many: found first, then sorted
        select(Person).where(Person.id.in_(found.correlate(None))).order_by(Person.sort_name)
    ).all()


def tell(managers: Sequence[Person], today: date) -> None:
    """One list per manager: who is late by so much, and who has no email to be reminded by."""
    settings = db.settings()
    people = aliased(Person)
    found: dict[UUID, list[Any]] = {}
    for row in db.session.execute(
        _listed(today)
        .join(people, people.id == Assignment.person_id)
        .add_columns(people.manager_id, people.full_name, people.email, people.sort_name)
        .where(people.manager_id.in_([manager.id for manager in managers]))
        .order_by(people.sort_name, Assignment.due_on)
    ):
        found.setdefault(row.manager_id, []).append(row)
    for manager in managers:
        rows = found.get(manager.id, [])
        late = [
            Late(row.full_name, row.title, row.due_on, mail.is_address(row.email)) for row in rows
        ]
        db.session.add(
            Reminder(
                person_id=manager.id,
                on=today,
                kind=LIST,
                assignments=[str(row.id) for row in rows],
                by_mail=True,
            )
        )
        if rows:
            mail.queue_mail(
                "team-list",
                to=manager.id,
                address=manager.email,
                key=f"list:{manager.id}:{today}",
                language=settings.language_for(manager.language),
                full_name=manager.full_name,
                people=late,
                link=f"{settings.base_url}/team/",
            )
    told = [row.id for rows in found.values() for row in rows if row.due_on < today]
    db.session.execute(
        update(Assignment)
        .where(Assignment.id.in_(told), Assignment.escalated_on.is_(None))
        .values(escalated_on=today)
    )


def _listed(today: date) -> Select[*tuple[Any, ...]]:
    """Duties for managers' lists: late enough and not told, or reminded today without a mail."""
    late = [
        (Assignment.campaign_id == campaign_id)
        & (Assignment.due_on <= today - schedule.DAY * int(plan["escalate_after"]))
        for campaign_id, plan in db.session.execute(
            select(Campaign.id, Campaign.reminders).where(*is_running())
        )
        if plan.get("escalate_after")
    ]
    without_mail = exists().where(
        Reminder.person_id == Assignment.person_id,
        Reminder.on == today,
        Reminder.kind == REMINDER,
        Reminder.by_mail.is_(False),
    )
    told = any_of([each & Assignment.escalated_on.is_(None) for each in late])
    return (
        select(Assignment.person_id, Assignment.id, Campaign.title, Assignment.due_on)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .where(*is_owed(), told | without_mail)
    )
