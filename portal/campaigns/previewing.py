"""Who would get a duty, who would not, and why: before a launch and after."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, and_, case, func, literal, not_, or_, select, true
from sqlalchemy.orm import aliased

from portal import db
from portal.campaigns import audience, giving
from portal.campaigns.models import Assignment, Campaign, Kind
from portal.people.models import Person
from portal.people.registering import sort_name

PER_PAGE = 50
_Duty = aliased(Assignment)  # the one in this campaign; rules ask for others


class Group(StrEnum):
    """How a person stands to a campaign."""

    IN = "in"  # has the duty, or gets it
    LEFT_OUT = "left-out"  # in the audience, and still without a duty
    OUT = "out"  # not in the audience


@dataclass(frozen=True)
class Line:
    """One person of a preview; `why` is empty for who gets the duty."""

    id: UUID
    full_name: str
    department: str
    why: str


@dataclass(frozen=True)
class Counts:
    """How many people each group has, and why people were left out."""

    given: int  # who has the duty by now
    inside: int
    exempt: int
    signed_lately: int
    same_duty: int
    outside: int

    @property
    def left_out(self) -> int:
        """In the audience, and without a duty."""
        return self.exempt + self.signed_lately + self.same_duty


def count(campaign: Campaign) -> tuple[Counts, list[tuple[str, int]]]:
    """How many people get the duty and how many do not, and those who do by department.

    One look at the duties, in the department where they were given, and one at everybody else.
    """
    departments = Counter(
        dict(
            db.session.execute(
                select(Assignment.department, func.count())
                .where(Assignment.campaign_id == campaign.id)
                .group_by(Assignment.department)
            ).all()
        )
    )
    given = departments.total()
    totals = Counter({"in": given})
    others = (
        select(_why_none(campaign).label("why"), Person.department)
        .where(_has_none(campaign), Person.left_on.is_(None))
        .subquery()
    )
    for why, department, number in db.session.execute(
        select(others.c.why, others.c.department, func.count()).group_by(
            others.c.why, others.c.department
        )
    ):
        totals[why] += number
        if why == "in":
            departments[department] += number
    counts = Counts(given, *(totals[key] for key in ("in", "exempt", "signed", "same", "out")))
    return counts, sorted(departments.items())


def list_people(
    campaign: Campaign, group: Group, *, counts: Counts, name: str, page: int
) -> list[Line]:
    """A page of one group by name; pages count from 1. One row more means a next page."""
    by_name = (Person.sort_name, Person.id)
    if group is Group.IN and counts.given == counts.inside:  # all have it: the duties say who
        key, listed = Assignment.sort_name, (Assignment.sort_name, Assignment.id)
        found = select(Assignment.person_id).where(Assignment.campaign_id == campaign.id)
    else:
        key, listed = Person.sort_name, by_name
        found = select(Person.id).where(_is_in(campaign, group))
    for part in sort_name(name, "").replace(",", " ").split():
        found = found.where(key.contains(part, autoescape=True))
    found = found.order_by(*listed).offset((page - 1) * PER_PAGE).limit(PER_PAGE + 1)
    theirs = db.session.scalars(found).all()  # by themselves: then both databases find them soon
    rows = db.session.execute(
        _asked(campaign, Person).where(Person.id.in_(theirs)).order_by(*by_name)
    )
    return [_line(campaign, person, key) for person, key in rows]


def each_person(campaign: Campaign) -> Iterator[tuple[Person, str]]:
    """Everybody with the reason why they have no duty, empty for who has; memory stays small."""
    rows = db.session.execute(
        _asked(campaign, Person)
        .order_by(Person.sort_name, Person.id)
        .execution_options(yield_per=500)
    )
    for person, key in rows:
        yield person, _line(campaign, person, key).why


def _asked(campaign: Campaign, *columns: Any) -> Select[*tuple[Any, ...]]:
    """Everybody who works here, with how they stand to the campaign."""
    mine = and_(_Duty.person_id == Person.id, _Duty.campaign_id == campaign.id)
    return (
        select(*columns, _why(campaign).label("why"))
        .select_from(Person)
        .outerjoin(_Duty, mine)
        .where(Person.left_on.is_(None) | _Duty.id.is_not(None))
    )


def _has_none(campaign: Campaign) -> ColumnElement[bool]:
    """Who has no duty in it. SQLite would ask for each person; so it passes through two indexes."""
    if campaign.launched_at is None:
        return true()
    if db.session.get_bind().dialect.name != "sqlite":
        return not_(giving.has_duty(campaign.id))
    owe = select(Assignment.person_id).where(Assignment.campaign_id == campaign.id)
    return Person.id.in_(select(aliased(Person).id).except_(owe))


def _why(campaign: Campaign) -> ColumnElement[str]:
    return case((_Duty.id.is_not(None), "in"), else_=_why_none(campaign))


def _why_none(campaign: Campaign) -> ColumnElement[str]:
    """Of who has no duty: "in" for who gets it, else why not."""
    return case(
        (not_(giving.in_audience(campaign)), "out"),
        (giving.exempt(campaign.id), "exempt"),
        (giving.signed_lately(campaign), "signed"),
        (giving.has_same_duty(campaign), "same"),
        else_=literal("in"),
    )


def _is_in(campaign: Campaign, group: Group) -> ColumnElement[bool]:
    why, works_here = _why_none(campaign), Person.left_on.is_(None)
    if group is Group.IN:
        gets_it = and_(works_here, why == "in")
        return or_(giving.has_duty(campaign.id), gets_it) if campaign.launched_at else gets_it
    is_other = why == "out" if group is Group.OUT else why.not_in(["in", "out"])
    return and_(_has_none(campaign), works_here, is_other)


def _line(campaign: Campaign, person: Person, key: str) -> Line:
    rule = audience.read(campaign.audience)
    reasons: dict[str, Any] = {
        "in": "",
        "exempt": _("An exemption takes them out."),
        "signed": _("They signed this course not long ago."),
        "same": _("They have the same duty from another campaign."),
    }
    why = reasons.get(key)
    if why is None:
        missing = audience.why_not(rule, person)
        if not missing and campaign.kind is Kind.UPDATE:
            missing = _("they signed no earlier version, or this text already")
        why = _("Not in the audience: %(why)s.", why=missing)
    return Line(person.id, person.full_name, person.department, why)
