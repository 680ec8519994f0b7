"""How a campaign went over time, and how its parts stand."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Integer, and_, cast, func, select

from portal import db
from portal.campaigns.models import DISCHARGED, Assignment, Campaign
from portal.people.models import Person
from portal.reports import histories, queries
from portal.reports.histories import Series, crooked, day_of
from portal.reports.queries import NOBODY, Count

MOST_MANAGERS = 50
MOST_DAYS = 800
QUARTER = 15 * 60  # seconds, of which each day of a zone has whole ones
SUNDAY = 6


@dataclass(frozen=True)
class Day:
    """How a campaign stood at the end of a day."""

    day: date
    people: int
    not_started: int
    in_progress: int
    signed: int
    waived: int
    refused: int
    overdue: int


@dataclass(frozen=True)
class Figures:
    """How a campaign went day by day, and how its parts stand: kinds and managers by their keys."""

    days: list[Day]
    departments: list[Count]
    kinds: list[Count]
    managers: list[Count]  # those with most that is open

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        plain = {name: [astuple(each) for each in listed] for name, listed in vars(self).items()}
        return plain | {"days": [(day.isoformat(), *rest) for day, *rest in plain["days"]]}

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        """From what `to_json` made."""
        days = [Day(date.fromisoformat(day), *rest) for day, *rest in kept["days"]]
        parts = ("departments", "kinds", "managers")
        return cls(days, *([Count(*values) for values in kept[part]] for part in parts))


@dataclass(frozen=True)
class Curve:
    """The picture: points of each line in a box of 950 by 300, and where the dates are."""

    lines: dict[str, str]  # name -> "x,y x,y …"
    due_x: float | None
    today_x: float
    top: int  # what the height stands for


def over_time(campaign: Campaign, *, today: date) -> list[Day]:
    """Each day of the City from the first to today, or to the end; of a long one the last of them.

    What is overdue is counted by the due dates of today.
    """
    series = histories.changes(campaign.id)
    mine = Assignment.campaign_id == campaign.id
    _begin(mine, series)
    late = _end(mine, series)
    if not series["people"]:
        return []
    end = today if campaign.closed_at is None else day_of(campaign.closed_at)
    last = min(today, max(end, *(on for events in series.values() for on in events)))
    days, day = [], max(min(series["people"]), last - timedelta(days=MOST_DAYS))
    sums = Counter(
        {
            name: sum(number for on, number in events.items() if on < day)
            for name, events in series.items()
        }
    )
    while day <= last:
        for name, events in series.items():
            sums[name] += events.get(day, 0)
        overdue = sum(
            number
            for (due_on, signed_on), number in late.items()
            if due_on < day and (signed_on is None or signed_on > day)
        )
        days.append(Day(day=day, overdue=overdue, **{name: sums[name] for name in series}))
        day += timedelta(days=1)
    return days


def draw(days: Sequence[Day], *, due_on: date | None, names: Iterable[str]) -> Curve:
    """The lines of these numbers, as points of an SVG polyline."""
    first, last = days[0].day, days[-1].day
    end = max(last, due_on) if due_on else last
    span = max(1, (end - first).days)
    top = max(1, *(day.people for day in days))

    def x(day: date) -> float:
        return round(50 + 880 * (day - first).days / span, 1)

    lines = {
        name: " ".join(
            f"{x(day.day)},{round(280 - 260 * getattr(day, name) / top, 1)}" for day in days
        )
        for name in names
        if any(getattr(day, name) for day in days)
    }
    inside = due_on is not None and first <= due_on
    return Curve(lines, x(due_on) if inside and due_on else None, x(last), top)


def by_week(days: Sequence[Day]) -> list[Day]:
    """The last day of each week, and the last of all: what the table shows."""
    return [day for day in days if day.day.weekday() == SUNDAY or day is days[-1]]


def count(campaign: Campaign, *, today: date) -> Figures:
    """All figures of a campaign, as of now."""
    kinds, managers = _count_by_person(campaign.id)
    departments = queries.count_by_department(campaign.id)
    return Figures(over_time(campaign, today=today), departments, kinds, managers[:MOST_MANAGERS])


def count_by_kind(campaign_id: UUID) -> list[Count]:
    """How employees and contract employees stand."""
    return name_kinds(_count_by_person(campaign_id)[0])


def count_by_manager(campaign_id: UUID) -> list[Count]:
    """How the reports of each manager stand: those with most that is open first."""
    return name_managers(_count_by_person(campaign_id)[1])


def name_kinds(counts: Iterable[Count]) -> list[Count]:
    """The same in the words of this page's language."""
    words = {"employee": _("Employees"), "contractor": _("Contract employees")}
    return [replace(each, name=words.get(each.key, each.key)) for each in counts]


def name_managers(counts: Sequence[Count]) -> list[Count]:
    """The same with the managers' names of today."""
    known = select(Person.id, Person.full_name).where(
        Person.id.in_([UUID(each.key) for each in counts if each.key != NOBODY])
    )
    names = {str(key): name for key, name in db.session.execute(known)}
    names[NOBODY] = _("No manager known")
    named = [replace(each, name=names[each.key]) for each in counts]
    return sorted(named, key=lambda each: (each.signed - each.total, each.name))


def _count_by_person(campaign_id: UUID) -> tuple[list[Count], list[Count]]:
    """Kinds, and managers, those with most that is open first, by key: one look at the people."""
    facts = (Assignment.kind, Person.manager_id, Assignment.status)
    rows = db.session.execute(
        select(*facts, func.count())
        .join(Person, Person.id == Assignment.person_id)
        .where(Assignment.campaign_id == campaign_id)
        .group_by(*facts)
    ).all()
    kinds = _counts((kind, status, n) for kind, _manager, status, n in rows)
    managers = _counts((str(key or NOBODY), status, n) for _kind, key, status, n in rows)
    return kinds, sorted(managers, key=lambda each: each.signed - each.total)


def _counts(rows: Iterable[tuple[str, str, int]]) -> list[Count]:
    found: dict[str, Counter[str]] = {}
    for key, status, number in rows:
        found.setdefault(key, Counter())[status] += number
    return [queries.count_of(key, counts) for key, counts in sorted(found.items())]


def _begin(mine: ColumnElement[bool], series: Series) -> None:
    """Days on which duties were given, and on which they were begun; one look at both."""
    quarters = _quarter(Assignment.assigned_at), _quarter(Assignment.started_at)
    for assigned_at, started_at, number in db.session.execute(
        select(*quarters, func.count())
        .where(mine, Assignment.id.not_in(crooked()))
        .group_by(*quarters)
    ):
        series["people"][_day(assigned_at)] += number
        series["not_started"][_day(assigned_at)] += number
        if started_at is not None:
            series["not_started"][_day(started_at)] -= number
            series["in_progress"][_day(started_at)] += number


def _end(mine: ColumnElement[bool], series: Series) -> Counter[tuple[date, date | None]]:
    """Days of signatures; and what may be late, by due date and day of the signature, if any.

    Who is released or on leave is not late.
    """
    facts = (
        _quarter(Assignment.signed_at).label("signed"),
        Assignment.started_at.is_not(None).label("begun"),
        Assignment.id.in_(crooked()).label("crooked"),
        Assignment.due_on,
        and_(
            Assignment.paused_on.is_(None),
            Assignment.signed_at.is_not(None) | Assignment.status.not_in(DISCHARGED),
        ).label("counts"),
    )
    each = select(*facts).where(mine).subquery()  # named, so that both databases group by them
    late: Counter[tuple[date, date | None]] = Counter()
    query = select(each, func.count()).group_by(*each.c)
    for at, begun, is_crooked, due_on, counts, number in db.session.execute(query):
        day = None if at is None else _day(at)
        if day is not None and not is_crooked:
            series["signed"][day] += number
            series["in_progress" if begun else "not_started"][day] -= number
        if counts:
            late[due_on, day] += number
    return late


def _quarter(column: Any) -> ColumnElement[int]:
    """The quarter of an hour of a time, counted from 1970."""
    if db.session.get_bind().dialect.name == "postgresql":
        return cast(func.floor(func.extract("epoch", column) / QUARTER), Integer)
    seconds = func.unixepoch(func.substr(column, 1, 19), type_=Integer)  # it would round
    return seconds // QUARTER


def _day(quarter: int) -> date:
    return day_of(datetime.fromtimestamp(quarter * QUARTER, UTC))
