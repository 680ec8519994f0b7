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
from portal.attestations.models import Refusal
from portal.campaigns.models import DISCHARGED, Assignment, Campaign, Decision, DutyDecision
from portal.people.models import Person
from portal.reports import queries
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
    signed: int
    in_progress: int
    overdue: int
    waived: int
    refused: int

    @property
    def not_started(self) -> int:
        """Neither begun nor discharged nor refused."""
        return max(0, self.people - self.signed - self.in_progress - self.waived - self.refused)


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
    """Each day of the City from the first to today, or to the end."""
    mine = Assignment.campaign_id == campaign.id
    given, started = _beginnings(mine)
    if not given:
        return []
    signed, ended, late = _ends(mine)
    refused, agreed = _refusals(mine)
    waived = _decisions(campaign.id)
    first, last = min(given), min(today, max(today, *signed or [today]))
    days, day = [], max(first, last - timedelta(days=MOST_DAYS))
    sums: Counter[str] = Counter()
    series: dict[str, Counter[date]] = {
        "people": given,
        "signed": signed,
        "started": started,
        "ended": ended,
        "refused": refused,
        "agreed": agreed,
        "waived": waived,
    }
    for name, events in series.items():
        sums[name] = sum(number for on, number in events.items() if on < day)
    while day <= last:
        for name, events in series.items():
            sums[name] += events.get(day, 0)
        days.append(
            Day(
                day=day,
                people=sums["people"],
                signed=sums["signed"],
                in_progress=max(0, sums["started"] - sums["ended"]),
                overdue=sum(
                    number
                    for (due_on, signed_on), number in late.items()
                    if due_on < day and (signed_on is None or signed_on > day)
                ),
                waived=sums["waived"],
                refused=sums["refused"] - sums["agreed"],
            )
        )
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
    return Figures(over_time(campaign, today=today), departments, kinds, managers)


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
    """Kinds, and the managers with most that is open, without names: one look at the people."""
    facts = (Assignment.kind, Person.manager_id, Assignment.status)
    rows = db.session.execute(
        select(*facts, func.count())
        .join(Person, Person.id == Assignment.person_id)
        .where(Assignment.campaign_id == campaign_id)
        .group_by(*facts)
    ).all()
    kinds = _counts((kind, status, n) for kind, _manager, status, n in rows)
    managers = _counts((str(key or NOBODY), status, n) for _kind, key, status, n in rows)
    return kinds, sorted(managers, key=lambda each: each.signed - each.total)[:MOST_MANAGERS]


def _counts(rows: Iterable[tuple[str, str, int]]) -> list[Count]:
    found: dict[str, Counter[str]] = {}
    for key, status, number in rows:
        found.setdefault(key, Counter())[status] += number
    return [queries.count_of(key, counts) for key, counts in sorted(found.items())]


def _refusals(mine: ColumnElement[bool]) -> tuple[Counter[date], Counter[date]]:
    """Days of first refusals, and days on which those who had refused signed after all."""
    first = (
        select(Refusal.assignment_id, func.min(Refusal.at).label("at"))
        .group_by(Refusal.assignment_id)
        .subquery()
    )
    refused: Counter[date] = Counter()
    agreed: Counter[date] = Counter()
    for at, signed_at in db.session.execute(
        select(first.c.at, Assignment.signed_at)
        .join(Assignment, Assignment.id == first.c.assignment_id)
        .where(mine)
    ):
        refused[_day(at)] += 1
        if signed_at is not None:
            agreed[max(_day(at), _day(signed_at))] += 1
    return refused, agreed


def _decisions(campaign_id: UUID) -> Counter[date]:
    """Releases count up, their ends down. There are few: each is asked for its campaign."""
    campaign = select(Assignment.campaign_id).where(Assignment.id == DutyDecision.assignment_id)
    found: Counter[date] = Counter()
    signs = {Decision.WAIVED: 1, Decision.EXEMPTED: 1, Decision.LEFT: 1, Decision.RETURNED: -1}
    quarter = _quarter(DutyDecision.at)
    for decision, at, number in db.session.execute(
        select(DutyDecision.decision, quarter, func.count())
        .where(campaign.scalar_subquery() == campaign_id, DutyDecision.decision.in_(signs))
        .group_by(DutyDecision.decision, quarter)
    ):
        found[_day_of(at)] += signs[decision] * number
    return found


def _beginnings(mine: ColumnElement[bool]) -> tuple[Counter[date], Counter[date]]:
    """Days on which duties were given, and on which they were begun; one look at both."""
    quarters = _quarter(Assignment.assigned_at), _quarter(Assignment.started_at)
    given: Counter[date] = Counter()
    started: Counter[date] = Counter()
    for assigned_at, started_at, number in db.session.execute(
        select(*quarters, func.count()).where(mine).group_by(*quarters)
    ):
        given[_day_of(assigned_at)] += number
        if started_at is not None:
            started[_day_of(started_at)] += number
    return given, started


def _ends(
    mine: ColumnElement[bool],
) -> tuple[Counter[date], Counter[date], Counter[tuple[date, date | None]]]:
    """Days of signatures, those of duties that were begun, and what may be late; one look.

    May be late: by due date and day of the signature, if any, without who is released or on leave.
    """
    facts = (
        _quarter(Assignment.signed_at).label("signed"),
        Assignment.started_at.is_not(None).label("begun"),
        Assignment.due_on,
        and_(
            Assignment.paused_on.is_(None),
            Assignment.signed_at.is_not(None) | Assignment.status.not_in(DISCHARGED),
        ).label("counts"),
    )
    each = select(*facts).where(mine).subquery()  # named, so that both databases group by them
    signed: Counter[date] = Counter()
    ended: Counter[date] = Counter()
    late: Counter[tuple[date, date | None]] = Counter()
    query = select(each, func.count()).group_by(*each.c)
    for at, begun, due_on, counts, number in db.session.execute(query):
        day = None if at is None else _day_of(at)
        if day is not None:
            signed[day] += number
            ended[day] += number if begun else 0
        if counts:
            late[due_on, day] += number
    return signed, ended, late


def _quarter(column: Any) -> ColumnElement[int]:
    """The quarter of an hour of a time, counted from 1970."""
    if db.session.get_bind().dialect.name == "postgresql":
        return cast(func.floor(func.extract("epoch", column) / QUARTER), Integer)
    seconds = func.unixepoch(func.substr(column, 1, 19), type_=Integer)  # it would round
    return seconds // QUARTER


def _day_of(quarter: int) -> date:
    return _day(datetime.fromtimestamp(quarter * QUARTER, UTC))


def _day(moment: datetime) -> date:
    return moment.astimezone(db.settings().zone).date()
