"""Who would get a duty, who would not, and why: before a launch and after."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, case, func, literal, not_, or_, select

from portal import db
from portal.campaigns import audience, giving
from portal.campaigns.models import Campaign, Kind
from portal.people.models import Person
from portal.people.services import sort_name

PER_PAGE = 50


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

    inside: int
    exempt: int
    signed_lately: int
    same_duty: int
    outside: int

    @property
    def left_out(self) -> int:
        """In the audience, and without a duty."""
        return self.exempt + self.signed_lately + self.same_duty


def count(campaign: Campaign) -> Counts:
    """How many people get the duty, and how many do not, in one look at the directory's people."""
    asked = select(_why(campaign).label("why")).select_from(Person).subquery()
    rows: dict[str, int] = dict(
        db.session.execute(select(asked.c.why, func.count()).group_by(asked.c.why)).all()
    )
    return Counts(*(rows.get(key, 0) for key in ("in", "exempt", "signed", "same", "out")))


def list_people(campaign: Campaign, group: Group, *, name: str, page: int) -> list[Line]:
    """A page of one group by name; pages count from 1. One row more means a next page."""
    why = _why(campaign)
    query = select(Person, why).where(_is_in(group, why))
    for part in sort_name(name, "").replace(",", " ").split():
        query = query.where(Person.sort_name.contains(part, autoescape=True))
    rows = db.session.execute(
        query.order_by(Person.sort_name, Person.id)
        .offset((page - 1) * PER_PAGE)
        .limit(PER_PAGE + 1)
    )
    return [_line(campaign, person, key) for person, key in rows]


def each_person(campaign: Campaign) -> Iterator[tuple[Person, str]]:
    """Everybody with the reason why they have no duty, empty for who has; memory stays small."""
    rows = db.session.execute(
        select(Person, _why(campaign))
        .order_by(Person.sort_name, Person.id)
        .execution_options(yield_per=500)
    )
    for person, key in rows:
        yield person, _line(campaign, person, key).why


def list_departments(campaign: Campaign) -> Sequence[tuple[str, int]]:
    """How many people of each department get the duty, by name."""
    why = _why(campaign)
    rows = db.session.execute(
        select(Person.department, func.count())
        .where(why == "in")
        .group_by(Person.department)
        .order_by(Person.department)
    )
    return [(row[0], row[1]) for row in rows]


def _why(campaign: Campaign) -> ColumnElement[str]:
    return case(
        (giving.has_duty(campaign.id), "in"),
        (not_(giving.in_audience(campaign)), "out"),
        (giving.exempt(campaign.id), "exempt"),
        (giving.signed_lately(campaign), "signed"),
        (giving.has_same_duty(campaign), "same"),
        else_=literal("in"),
    )


def _is_in(group: Group, why: ColumnElement[str]) -> ColumnElement[bool]:
    if group is Group.LEFT_OUT:
        return and_(why != "in", why != "out")
    return or_(why == group.value)


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
            missing = _("they signed no earlier version, or this one already")
        why = _("Not in the audience: %(why)s.", why=missing)
    return Line(person.id, person.full_name, person.department, why)
