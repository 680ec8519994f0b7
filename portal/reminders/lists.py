"""The lists for managers: who of their people is late, and who has no email to be reminded by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Select, exists, func, select, update
from sqlalchemy.orm import aliased

from portal import db
from portal.campaigns.models import Assignment, Campaign
from portal.mail import services as mail
from portal.people.deputies import deputies_of
from portal.people.models import Person
from portal.reminders import schedule
from portal.reminders.models import Reminder
from portal.reminders.owed import LIST, REMINDER, any_of, is_owed, is_running


@dataclass(frozen=True)
class Late:
    """One duty on a manager's list."""

    full_name: str
    title: str
    due_on: date
    has_mail: bool


def teams_to_tell(today: date) -> list[tuple[UUID, list[UUID]]]:
    """Who has something for their list and did not get it today, each with the managers it is of.

    A manager who works here gets their own; else it is on that of the next above who does.
    """
    teams: dict[UUID, list[UUID]] = {}
    with db.reading() as session:
        people = _listed(today).with_only_columns(Assignment.person_id)
        lists_today = (Reminder.on == today, Reminder.kind == LIST)
        told = set(session.scalars(select(Reminder.person_id).where(*lists_today)))
        gone = _gone()
        for manager_id in session.scalars(_leads().where(Person.id.in_(people))):
            head = _head(manager_id, gone)
            if manager_id is not None and head is not None and head not in told:
                teams.setdefault(head, []).append(manager_id)
    return sorted(teams.items())


def list_managers_without_mail() -> Sequence[Person]:
    """Managers whose people owe something, and whom no list can be mailed to; by name."""
    leads = select(Person.id, Person.email).where(Person.id.in_(_leads()), Person.left_on.is_(None))
    heads: dict[UUID, UUID | None] = {
        each: each for each, email in db.session.execute(leads) if not mail.is_address(email)
    }
    gone = _gone()
    heads |= {each: head for each in gone if (head := _head(each, gone)) in heads}
    people = aliased(Person)
    owing = exists().where(
        people.manager_id == Person.id,
        people.left_on.is_(None),
        Assignment.person_id == people.id,
        Campaign.id == Assignment.campaign_id,
        *is_running(),
        *is_owed(),
    )
    owe = db.session.scalars(select(Person.id).where(Person.id.in_(heads), owing))
    found = {heads[each] for each in owe}
    return db.session.scalars(
        select(Person).where(Person.id.in_(found)).order_by(Person.sort_name)
    ).all()


def unreached(today: date) -> Select[UUID]:
    """Duties that no list names: late or without email, and nobody above the person works here."""
    gone = _gone()
    nobody = [each for each in gone if _head(each, gone) is None]
    return (
        select(Assignment.id)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .join(Person, Person.id == Assignment.person_id)
        .where(
            *is_running(),
            *is_owed(),
            Person.left_on.is_(None),
            Person.manager_id.is_(None) | Person.manager_id.in_(nobody),
            (Assignment.due_on < today) | ~mail.has_address(Person.email),
        )
    )


def count_unreached(today: date) -> int:
    """How many people these are."""
    people = unreached(today).with_only_columns(Assignment.person_id).distinct()
    return db.session.scalars(select(func.count()).select_from(people.subquery())).one()


def tell(teams: Mapping[UUID, Sequence[UUID]], today: date) -> None:
    """One list each, also to who stands in: who is late by so much, and who has no email."""
    settings = db.settings()
    head_of = {manager_id: head for head, managers in teams.items() for manager_id in managers}
    found: dict[UUID, list[Any]] = {}
    for row in db.session.execute(
        _listed(today)
        .join(Person, Person.id == Assignment.person_id)
        .add_columns(Person.manager_id, Person.full_name, Person.email)
        .where(Person.manager_id.in_(head_of), Person.left_on.is_(None))
        .order_by(Person.sort_name, Assignment.due_on)
    ):
        found.setdefault(head_of[row.manager_id], []).append(row)
    deputies = deputies_of(found, today=today)
    told: list[UUID] = []
    mails: list[dict[str, Any]] = []
    for head in db.session.scalars(select(Person).where(Person.id.in_(found))).all():
        rows = found[head.id]
        late = [
            Late(row.full_name, row.title, row.due_on, mail.is_address(row.email)) for row in rows
        ]
        written = [
            mail.write_among_many(
                "team-list",
                to=reader.id,
                address=reader.email,
                key=f"list:{head.id}:{today}:{reader.id}",
                language=settings.language_for(reader.language),
                full_name=reader.full_name,
                manager="" if reader is head else head.full_name,
                people=late,
                link=f"{settings.base_url}/team/",
            )
            for reader in (head, *deputies.get(head.id, ()))
        ]
        if any(written):
            mails += filter(None, written)
            told += [row.id for row in rows if row.due_on < today]
            db.session.add(
                Reminder(
                    person_id=head.id,
                    on=today,
                    kind=LIST,
                    assignments=[str(row.id) for row in rows],
                    by_mail=True,
                )
            )
    mail.queue_mails(mails)
    db.session.execute(
        update(Assignment)
        .where(Assignment.id.in_(told), Assignment.escalated_on.is_(None))
        .values(escalated_on=today)
    )


def _leads() -> Select[UUID | None]:
    return select(Person.manager_id).where(Person.manager_id.is_not(None)).distinct()


def _gone() -> dict[UUID, UUID | None]:
    """Managers who have left, each with who is above them: few of many."""
    left = select(Person.id, Person.manager_id).where(
        Person.left_on.is_not(None), Person.id.in_(_leads())
    )
    return {row.id: row.manager_id for row in db.session.execute(left)}


def _head(manager_id: UUID | None, gone: Mapping[UUID, UUID | None]) -> UUID | None:
    """Who gets the list of a manager's people: the first who works here, from them upward.

    None where there is nobody; a loop in the directory ends here.
    """
    seen: set[UUID] = set()
    while manager_id is not None and manager_id in gone and manager_id not in seen:
        seen.add(manager_id)
        manager_id = gone[manager_id]
    return None if manager_id in seen else manager_id


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
