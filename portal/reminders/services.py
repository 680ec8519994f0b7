"""Reminds people of what is due, and tells managers who is late.

One message per person and day, however many duties; none to who has finished in the meantime, is
released or on leave; none on weekends and holidays. Who has no work email, or an address that is
none, is on their manager's list instead. Mail is queued in the transaction that notes the reminder.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, insert, select, update

from portal import db, jobs
from portal.campaigns.models import Assignment, Campaign
from portal.campaigns.schedule import is_business_day
from portal.jobs import Job
from portal.mail import services as mail
from portal.people.models import Person
from portal.reminders import lists, schedule
from portal.reminders.models import Reminder, ReminderRun
from portal.reminders.owed import LIST, LOOK, NUDGE, REMINDER, any_of, is_owed, is_running, was_told

BATCH = 100  # people in one transaction: on SQLite nobody else can write meanwhile
BEGINS = time(7)  # in the morning, City time


@dataclass(frozen=True)
class Due:
    """One duty as a message names it."""

    id: UUID
    title: str
    due_on: date
    link: str
    is_overdue: bool


def remind(today: date) -> ReminderRun:
    """Send the reminders and lists of one day; a second time changes nothing.

    Works in transactions of its own, a batch of people in each, so that others can write in
    between and a run that was cut goes on where it was.
    """
    with db.reading() as session:
        done = session.get(ReminderRun, today)
        last_run = session.scalar(select(func.max(ReminderRun.day)).where(ReminderRun.day < today))
        due_dates = _due_dates(today, schedule.open_window(today, last_run))
    if done is not None:
        return done
    ids = _who_owes(due_dates, today)
    for at in range(0, len(ids), LOOK):
        people = _read(ids[at : at + LOOK])
        for begin in range(0, len(people), BATCH):
            with db.transaction():
                _remind(people[begin : begin + BATCH], due_dates, today)
        jobs.renew(REMIND.name, today.isoformat())
    teams = lists.teams_to_tell(today)
    for at in range(0, len(teams), BATCH):
        with db.transaction():
            lists.tell(dict(teams[at : at + BATCH]), today)
        jobs.renew(REMIND.name, today.isoformat())
    with db.transaction() as session:
        run = ReminderRun(day=today, **_count(today))
        session.add(run)
    return run


def nudge(person: Person, *, by: UUID, today: date) -> bool:
    """A manager reminds one person of what they owe; once a day, whoever asks.

    Returns False when they were nudged today already, owe nothing or have no work email.
    """
    duties = _duties(Assignment.person_id == person.id)
    if not duties or not mail.is_address(person.email) or _has_reminder(person.id, today, NUDGE):
        return False
    db.session.add(
        Reminder(
            person_id=person.id,
            on=today,
            kind=NUDGE,
            assignments=[str(each.id) for each in duties],
            by_mail=True,
            by_id=by,
        )
    )
    db.session.flush()
    mail.queue_mail(NUDGE, **_words(NUDGE, person, duties, today))
    return True


def list_runs(limit: int | None = 30) -> Sequence[ReminderRun]:
    """The last days that were looked through, newest first."""
    return db.session.scalars(
        select(ReminderRun).order_by(ReminderRun.day.desc()).limit(limit)
    ).all()


def find_given_up() -> date | None:
    """The day whose reminders were given up, and for which no later day has made up."""
    last_run = db.session.scalar(select(func.max(ReminderRun.day))) or date.min
    parked = [each.item for each in jobs.list_parked() if each.job == REMIND.name]
    day = max(map(date.fromisoformat, parked), default=last_run)
    return day if day > last_run else None


def count_due(today: date) -> int:
    """How many people a run on this day would still remind."""
    last_run = db.session.scalar(select(func.max(ReminderRun.day)).where(ReminderRun.day < today))
    due_dates = _due_dates(today, schedule.open_window(today, last_run))
    query = _open_duties(due_dates, today).with_only_columns(Assignment.person_id).distinct()
    return db.session.scalars(select(func.count()).select_from(query.subquery())).one()


def _due_dates(today: date, window: list[date]) -> list[tuple[UUID, date, int]]:
    """(campaign, due date, most reminders) of what is to be reminded of."""
    plans: dict[UUID, dict[str, Any]] = dict(
        db.session.execute(select(Campaign.id, Campaign.reminders).where(*is_running())).all()
    )
    rows = db.session.execute(
        select(Assignment.campaign_id, Assignment.due_on)
        .where(Assignment.campaign_id.in_(plans), *is_owed())
        .distinct()
    )
    return [
        (campaign_id, due_on, plans[campaign_id].get("at_most", 8))
        for campaign_id, due_on in rows
        if schedule.is_time(due_on, plans[campaign_id], window)
    ]


def _open_duties(
    due_dates: Iterable[tuple[UUID, date, int]], today: date
) -> Select[*tuple[Any, ...]]:
    """Duties to remind of, of people who were not reminded today."""
    which = [
        (Assignment.campaign_id == campaign)
        & (Assignment.due_on == due_on)
        & (Assignment.reminded < most)
        for campaign, due_on, most in due_dates
    ]
    return (
        select(Assignment.person_id, Assignment.id, Campaign.title, Assignment.due_on)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .where(any_of(which), *is_owed(), ~was_told(Assignment.person_id, today, REMINDER))
    )


def _who_owes(due_dates: list[tuple[UUID, date, int]], today: date) -> Sequence[UUID]:
    """All of them at once, by their ids alone: a look for some takes as long as one for all."""
    if not due_dates:
        return []
    owes = _open_duties(due_dates, today).with_only_columns(Assignment.person_id)
    with db.reading() as session:
        return session.scalars(owes.distinct().order_by(Assignment.person_id)).all()


def _read(ids: Sequence[UUID]) -> Sequence[Person]:
    """Those of them who work here: the duties of who has left are ended a moment later."""
    here = select(Person).where(Person.id.in_(ids), Person.left_on.is_(None))
    with db.reading() as session:
        return session.scalars(here.order_by(Person.id)).all()


def _remind(people: Sequence[Person], due_dates: list[tuple[UUID, date, int]], today: date) -> None:
    """Note and queue one batch; who finished since the batch was read gets nothing."""
    ids = [person.id for person in people]
    found: dict[UUID, list[Row[*tuple[Any, ...]]]] = {}
    for row in db.session.execute(
        _open_duties(due_dates, today).where(Assignment.person_id.in_(ids))
    ):
        found.setdefault(row.person_id, []).append(row)
    rows, named, mails = [], [], []
    for person in people:
        duties = [_due(row, today) for row in found.get(person.id, ())]
        if not duties:
            continue
        in_order = sorted(duties, key=lambda each: each.due_on)
        written = mail.write_among_many(REMINDER, **_words(REMINDER, person, in_order, today))
        if written is not None:
            mails.append(written)
        named += [duty.id for duty in duties]
        rows.append(
            {
                "person_id": person.id,
                "on": today,
                "kind": REMINDER,
                "assignments": [str(duty.id) for duty in duties],
                "by_mail": written is not None,
            }
        )
    mail.queue_mails(mails)
    if rows:
        db.session.execute(insert(Reminder), rows)
        db.session.execute(
            update(Assignment)
            .where(Assignment.id.in_(named))
            .values(reminded=Assignment.reminded + 1)
        )


def _words(name: str, person: Person, duties: Sequence[Due], today: date) -> dict[str, Any]:
    first = duties[0]
    return {
        "to": person.id,
        "address": person.email,
        "key": f"{name}:{person.id}:{today}",
        "language": db.settings().language_for(person.language),
        "event": None if first.is_overdue else _event(first),
        "full_name": person.full_name,
        "duties": duties,
        "first": first,
    }


def _event(duty: Due) -> dict[str, str]:
    return {
        "uid": str(duty.id),
        "title": duty.title,
        "due_on": duty.due_on.isoformat(),
        "link": duty.link,
    }


def _duties(where: ColumnElement[bool]) -> list[Due]:
    rows = db.session.execute(
        select(Assignment.person_id, Assignment.id, Campaign.title, Assignment.due_on)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .where(where, *is_owed(), *is_running())
        .order_by(Assignment.due_on)
    )
    return [_due(row, db.today()) for row in rows]


def _due(row: Row[*tuple[Any, ...]], today: date) -> Due:
    link = f"{db.settings().base_url}/learning/{row.id}/"
    return Due(row.id, row.title, row.due_on, link, row.due_on < today)


def _has_reminder(person_id: UUID, today: date, kind: str) -> bool:
    return bool(db.session.scalar(select(was_told(person_id, today, kind))))


def _count(today: date) -> dict[str, int]:
    counted = db.session.execute(
        select(
            func.count().filter(Reminder.kind == REMINDER),
            func.count().filter(Reminder.kind == REMINDER, Reminder.by_mail.is_(False)),
            func.count().filter(Reminder.kind == LIST),
        ).where(Reminder.on == today)
    ).one()
    return dict(zip(("reminded", "without_mail", "lists"), counted, strict=True))


def _what_is_due(_limit: int) -> list[str]:
    """Today, from seven in the morning of a business day, until it was looked through."""
    settings = db.settings()
    now = db.utc_now().astimezone(settings.zone)
    if now.time() < BEGINS or not is_business_day(now.date(), settings.holidays):
        return []
    with db.reading() as session:
        return [] if session.get(ReminderRun, now.date()) else [now.date().isoformat()]


def _do(day: str) -> None:
    remind(date.fromisoformat(day))


REMIND = Job("remind", _what_is_due, _do, every=5)
"""The reminders of each business day."""
