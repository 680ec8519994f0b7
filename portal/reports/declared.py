"""What people declared about themselves: HR's list, of one campaign."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, select

from portal import db
from portal.campaigns.models import Assignment
from portal.courses import services as courses
from portal.courses.course import SCOPE, AboutYou
from portal.learning.models import StepDone, is_latest
from portal.people.models import Person

PER_PAGE = 50
_HAS_SAID = StepDone.outcome.is_not(None)


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


def list_lines(campaign_id: UUID, *, everything: bool, page: int) -> tuple[list[Line], bool]:
    """What the people of a page said, by name, and whether it is the last page.

    Without `everything` only what HR may have to act on.
    """
    said = _HAS_SAID if everything else _asks_something(campaign_id)
    theirs = select(StepDone.assignment_id).where(said)
    here = StepDone.assignment_id == Assignment.id
    # Many are met in the index by name; few are found by what they said, and then sorted.
    has_met: ColumnElement[bool] = theirs.where(here).correlate(Assignment).exists()
    is_found: ColumnElement[bool] = Assignment.id.in_(theirs)
    duties = db.session.scalars(
        select(Assignment.id)
        .where(Assignment.campaign_id == campaign_id, has_met if everything else is_found)
        .order_by(Assignment.sort_name, Assignment.id)
        .offset((page - 1) * PER_PAGE)
        .limit(PER_PAGE + 1)
    ).all()
    rows = db.session.execute(_answers(said, Assignment.id.in_(duties[:PER_PAGE])))
    return [_line(row) for row in rows], len(duties) <= PER_PAGE


def each_line(campaign_id: UUID) -> Iterator[Line]:
    """All answers by name; memory stays small."""
    query = _answers(_HAS_SAID, Assignment.campaign_id == campaign_id)
    for row in db.session.execute(query.execution_options(yield_per=500)):
        yield _line(row)


def _answers(said: ColumnElement[bool], whose: ColumnElement[bool]) -> Select[Any]:
    return (
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
        .where(said, whose, is_latest())
        .order_by(Assignment.sort_name, Assignment.id, StepDone.id)
    )


def _asks_something(campaign_id: UUID) -> ColumnElement[bool]:
    """What HR may have to act on, as the courses of the campaign say."""
    return and_(StepDone.outcome.in_(_unsettled(_asked(campaign_id))), is_latest())


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


def _unsettled(asked: Iterable[AboutYou]) -> set[str]:
    """Outcomes that may ask something of HR: not settled by the course, nor decided under scope."""
    outcomes = [outcome for step in asked for outcome in step.outcomes]
    settled = {outcome.id for outcome in outcomes if outcome.is_settled}
    return {outcome.id for outcome in outcomes} - settled - {*SCOPE}


def _line(row: Row[Any]) -> Line:
    title, outcome = row.step, str(row.answer["outcome"])
    for each in courses.get_course(row.course_version_id).steps():
        if each.key == row.step and isinstance(each, AboutYou):
            title = each.title
            outcome = next((one.title for one in each.outcomes if one.id == outcome), outcome)
    comment = row.answer.get("comment", "")
    return Line(row.id, row.full_name, row.department, title, outcome, comment, row.at)
