"""What people declared about themselves: HR's list, of one campaign."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from portal import db
from portal.campaigns.models import Assignment
from portal.courses import services as courses
from portal.courses.course import SCOPE, AboutYou
from portal.learning.models import StepDone
from portal.people.models import Person

PER_PAGE = 50


@dataclass(frozen=True)
class Line:
    """One person's latest answer to one set of questions about themself."""

    person_id: UUID
    full_name: str
    department: str
    step: str
    outcome: str
    comment: str
    at: datetime


def list_lines(campaign_id: UUID, *, everything: bool, page: int) -> list[Line]:
    """A page by name; without `everything` only what HR may have to act on. One more: a next."""
    query = _answers(campaign_id, everything).offset((page - 1) * PER_PAGE).limit(PER_PAGE + 1)
    return [_line(row) for row in db.session.execute(query)]


def each_line(campaign_id: UUID) -> Iterator[Line]:
    """All answers by name; memory stays small."""
    query = _answers(campaign_id, True).execution_options(yield_per=500)
    for row in db.session.execute(query):
        yield _line(row)


def _answers(campaign_id: UUID, everything: bool) -> Select[Any]:
    mine = select(Assignment.id).where(Assignment.campaign_id == campaign_id)
    outcome = StepDone.answer["outcome"].as_string()
    asked = _asked(campaign_id)
    latest = (
        select(func.max(StepDone.id))
        .where(StepDone.assignment_id.in_(mine), StepDone.step.in_({step.key for step in asked}))
        .group_by(StepDone.assignment_id, StepDone.step)
    )
    query = (
        select(
            Person.id,
            Person.full_name,
            Assignment.department,
            Assignment.course_version_id,
            StepDone.step,
            StepDone.answer,
            StepDone.at,
        )
        .join(Assignment, Assignment.id == StepDone.assignment_id)
        .join(Person, Person.id == Assignment.person_id)
        .where(StepDone.id.in_(latest))
        .order_by(Person.sort_name, Person.id, StepDone.id)
    )
    return query if everything else query.where(outcome.not_in(_settled(asked)))


def _asked(campaign_id: UUID) -> list[AboutYou]:
    """What the courses of the campaign ask people about themselves."""
    versions = db.session.scalars(
        select(Assignment.course_version_id).where(Assignment.campaign_id == campaign_id).distinct()
    )
    return [
        step
        for version_id in versions
        for step in courses.get_course(version_id).steps()
        if isinstance(step, AboutYou)
    ]


def _settled(asked: Iterable[AboutYou]) -> set[str]:
    """Outcomes that ask nothing of HR by the course's own words, or are decided under scope."""
    return {*SCOPE} | {
        outcome.id for step in asked for outcome in step.outcomes if outcome.is_settled
    }


def _line(row: Row[Any]) -> Line:
    title, outcome = row.step, str(row.answer["outcome"])
    for each in courses.get_course(row.course_version_id).steps():
        if each.key == row.step and isinstance(each, AboutYou):
            title = each.title
            outcome = next((one.title for one in each.outcomes if one.id == outcome), outcome)
    comment = row.answer.get("comment", "")
    return Line(row.id, row.full_name, row.department, title, outcome, comment, row.at)
