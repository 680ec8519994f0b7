"""HR's word on who is in scope: of one person, or of a whole firm or group (facts 17 to 19)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select
from sqlalchemy.orm import joinedload

from portal import db
from portal.audit import services as audit
from portal.campaigns.models import Assignment, Status
from portal.contractors.models import ScopeDecision
from portal.courses import services as courses
from portal.courses.course import SCOPE, AboutYou
from portal.errors import NotFound, Refused
from portal.learning.models import StepDone, is_latest
from portal.people.models import Person
from portal.people.services import Identity

IN, OUT, UNDECIDED = SCOPE[0], SCOPE[1], SCOPE[2]


@dataclass(frozen=True)
class Case:
    """Somebody whose answers do not settle it."""

    person: Person
    answers: list[tuple[str, str]]  # question and answer, in the words of the course
    comment: str


def list_cases(*which: ColumnElement[bool]) -> list[Case]:
    """Who waits for HR's word, by name, of all or of `which`; the latest answer counts."""
    rows = db.session.execute(
        select(Person, Assignment.course_version_id, StepDone.step, StepDone.answer)
        .join(Assignment, Assignment.person_id == Person.id)
        .join(StepDone, StepDone.assignment_id == Assignment.id)
        .where(
            Person.kind == "contractor",
            Person.scope == "",
            Person.left_on.is_(None),
            Assignment.status != Status.WAIVED,
            StepDone.outcome == UNDECIDED,
            is_latest(),
            *which,
        )
        .order_by(Person.sort_name, Person.id)
    )
    cases = {
        person.id: Case(
            person, _in_words(version_id, step, answer["answers"]), answer.get("comment", "")
        )
        for person, version_id, step, answer in rows
    }
    return list(cases.values())


def find_case(person_id: UUID) -> Case | None:
    """What a person answered, while they wait for HR's word."""
    return next(iter(list_cases(Person.id == person_id)), None)


def _in_words(version_id: UUID, key: str, answers: dict[str, str]) -> list[tuple[str, str]]:
    steps = courses.get_course(version_id).steps()
    step = next(each for each in steps if isinstance(each, AboutYou) and each.key == key)
    return [
        (question.text, option.text)
        for question in step.questions
        for option in question.options
        if answers.get(question.id) == option.id
    ]


def list_decisions() -> Sequence[ScopeDecision]:
    """What was decided, newest first."""
    return db.session.scalars(
        select(ScopeDecision)
        .options(joinedload(ScopeDecision.by), joinedload(ScopeDecision.person))
        .order_by(ScopeDecision.at.desc())
        .limit(200)
    ).all()


def list_firms() -> list[tuple[str, int]]:
    """Firms and groups of those who work here, with how many people each has."""
    rows = db.session.execute(
        select(Person.firm, func.count())
        .where(Person.firm != "", Person.left_on.is_(None), Person.kind == "contractor")
        .group_by(Person.firm)
        .order_by(Person.firm)
    )
    return [(row[0], row[1]) for row in rows]


def find_decision(person_id: UUID) -> ScopeDecision | None:
    """What counts for a person: the latest word on them, else on their firm."""
    return db.session.scalar(_WHAT_COUNTS, {"person": person_id})


_FIRM = select(Person.firm).where(Person.id == bindparam("person")).scalar_subquery()
_OF_FIRM = and_(ScopeDecision.firm != "", ScopeDecision.firm == _FIRM)
# Asked at each signature: made once, it costs half.
_WHAT_COUNTS = (
    select(ScopeDecision)
    .where(or_(ScopeDecision.person_id == bindparam("person"), _OF_FIRM))
    .order_by(ScopeDecision.person_id.is_(None), ScopeDecision.at.desc())
    .limit(1)
    .options(joinedload(ScopeDecision.by))
)


def decide(
    *, person_id: UUID | None, firm: str, outcome: str, reason: str, by: Identity
) -> ScopeDecision:
    """Keep HR's word on a person, or on everybody of a firm or group; it counts at once.

    Raises NotFound for a person who is no contractor; refuses a firm that nobody belongs to.
    """
    if outcome not in {IN, OUT}:
        raise Refused(_("Choose in scope or not in scope."))
    if person_id is not None:
        people = [_get_contractor(person_id)]
    else:
        own = select(ScopeDecision.person_id).where(ScopeDecision.person_id.is_not(None))
        people = list(
            db.session.scalars(
                select(Person).where(
                    Person.firm == firm, Person.kind == "contractor", Person.id.not_in(own)
                )
            )
        )
        if not firm or not db.session.scalar(select(Person.id).where(Person.firm == firm).limit(1)):
            raise Refused(_("Nobody belongs to this firm or group."))
    made = ScopeDecision(
        person_id=person_id,
        firm="" if person_id else firm,
        outcome=outcome,
        reason=reason,
        by_id=by.id,
    )
    db.session.add(made)
    for person in people:
        apply(person, outcome)
    db.session.flush()
    audit.record("scope.decided", subject=made.id, actor=by.id, outcome=outcome, people=len(people))
    return made


def apply(person: Person, outcome: str) -> None:
    """Let the outcome count for what the person has to read."""
    person.scope = outcome
    person.audiences = sorted({*person.audiences} - {IN, OUT} | {outcome})


def inherit(person: Person) -> None:
    """Give somebody new what was decided on their firm."""
    found = find_decision(person.id)
    if found is not None:
        apply(person, found.outcome)


def for_record(person_id: UUID) -> dict[str, Any]:
    """The decision as a part of the person's record; nothing where there was none."""
    found = find_decision(person_id)
    if found is None:
        return {}
    return {
        "scope_decision": {
            "about": found.firm,
            "outcome": found.outcome,
            "reason": found.reason,
            "by": found.by.full_name,
            "at": found.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    }


def _get_contractor(person_id: UUID) -> Person:
    person = db.session.get(Person, person_id)
    if person is None or person.kind != "contractor":
        raise NotFound
    return person
