"""The demonstration's campaigns, and a plausible start, so that HR's pages look like a city's."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal import db
from portal.attestations import services as attestations
from portal.audit import services as audit
from portal.campaigns import services as campaigns
from portal.campaigns.models import Assignment, Campaign, Status
from portal.campaigns.services import Plan
from portal.config import Settings
from portal.courses.course import AboutYou, Quiz, Scenario
from portal.learning import scoring
from portal.learning import services as learning
from portal.learning.models import Answer, Attempt, StepDone
from portal.people.demo_people import CAST
from portal.people.models import Person
from portal.people.services import Identity, identify

METHOD = "demonstration data: made by a program, signed by nobody"
COMMENT = "The page on outside work is not clear about my evening job. I would like to talk first."


def open_campaigns(today: date) -> list[Campaign]:
    """Open the annual campaign and the onboarding; a second time only adds who has joined."""
    plans = [
        Plan(
            key=f"annual-{today.year}",
            title=f"Annual attestation {today.year}",
            kind="annual",
            course="annual-attestation",
            audience="employee",
            opens_on=today - timedelta(days=20),
            due_on=today + timedelta(days=40),
        ),
        Plan(
            key="contractor-onboarding",
            title="Contractor onboarding",
            kind="onboarding",
            course="contractor-onboarding",
            audience="contractor",
            opens_on=today - timedelta(days=60),
            due_days=14,
        ),
    ]
    opened = db.session.scalars(select(Campaign)).all()
    kinds = {campaign.kind for campaign in opened}
    fresh = []
    for plan in plans:
        if plan.kind not in kinds:
            with db.pretend(datetime.combine(plan.opens_on, time(15), tzinfo=UTC)):
                fresh.append(campaigns.open_campaign(plan))
    return [*opened, *fresh]


def seed(settings: Settings) -> int:
    """Let the generated people have begun; the cast starts fresh. Returns how many signed.

    Does nothing where anybody has begun already.
    """
    if db.session.scalar(select(Assignment.id).where(Assignment.status != Status.NOT_STARTED)):
        return 0
    cast = {member.username for member in CAST}
    signed = 0
    rows = db.session.execute(
        select(Assignment, Person)
        .join(Person, Person.id == Assignment.person_id)
        .where(Person.username.not_in(cast))
    ).all()
    for assignment, person in sorted(rows, key=lambda row: _moment_of(*row)):
        with db.pretend(_moment_of(assignment, person)):
            signed += _go_through(assignment, person, settings)
    return signed


def _go_through(assignment: Assignment, person: Person, settings: Settings) -> bool:
    """Let one person sign, begin, refuse or do nothing; whether they signed."""
    chance = lot(person.username)
    if chance < pace(person.department):
        walk(assignment.id, identify(person))
        attestations.sign(
            assignment.id,
            person=identify(person),
            typed_name=person.full_name,
            settings=settings,
            method=METHOD,
        )
        return True
    if chance < pace(person.department) + 0.15:
        walk(assignment.id, identify(person), part=chance * 0.9)
    elif chance > 0.985:
        attestations.refuse(assignment.id, person=identify(person), comment=COMMENT)
    return False


def _moment_of(assignment: Assignment, person: Person) -> datetime:
    """When it happens: in the weeks since the campaign began, most soon after."""
    return assignment.assigned_at + timedelta(days=19 * lot(person.full_name) ** 2)


def pace(department: str) -> float:
    """The share of a department that has signed: each has its own, so that the chart says much."""
    return 0.35 + 0.5 * Random(department).random()  # noqa: S311 - the same city every time


def lot(username: str) -> float:
    """A person's place between 0, signs first, and 1."""
    return Random(username).random()  # noqa: S311 - the same city every time


def walk(assignment_id: UUID, person: Identity, *, part: float = 1.0) -> None:
    """Do this part of the steps, with right answers, in one go."""
    chance = Random(person.username)  # noqa: S311 - the same city every time
    progress = learning.get_progress(assignment_id, person=person)
    while (step := progress.next) and progress.at <= part * len(progress.walk):
        answer: dict[str, Any] | None = None
        if isinstance(step, Scenario):
            scene = step.scenes[0]
            choice = scene.choices.index(scene.better)
            answer = {"scene": scene.id, "choice": choice, "leads_to": None}
        elif isinstance(step, AboutYou):
            given = {question.id: question.options[0].id for question in step.questions}
            answer = {"answers": given, "outcome": step.outcome(given).id, "comment": ""}
        if isinstance(step, Quiz):
            _pass(assignment_id, step, progress.audiences, chance)
        else:
            db.session.add(StepDone(assignment_id=assignment_id, step=step.key, answer=answer))
        progress = replace(progress, done=progress.done | {step.key: answer or {}})
    if progress.done:
        status = Status.IN_PROGRESS if progress.next else Status.READY
        campaigns.set_status(assignment_id, status)
    db.session.flush()


def _pass(assignment_id: UUID, quiz: Quiz, audiences: frozenset[str], chance: Random) -> None:
    drawn = scoring.draw(quiz, seen=(), audiences=audiences, chance=chance)
    attempt = Attempt(
        assignment_id=assignment_id,
        section=quiz.key,
        number=1,
        questions=[[key, order] for key, order in drawn],
        submitted_at=db.utc_now(),
        right=len(drawn),
        passed=True,
        answers=[
            Answer(question=key, chosen=sorted(quiz.get_question(key).correct), right=True)
            for key, _order in drawn
        ],
    )
    db.session.add(attempt)
    db.session.flush()
    audit.record(
        "attempt.submitted",
        subject=attempt.id,
        actor=None,
        section=attempt.section,
        number=1,
        right=len(drawn),
        out_of=len(drawn),
        passed=True,
    )
