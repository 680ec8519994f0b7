"""Walks a person through a course: what is done, what comes next, and the quiz."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from random import SystemRandom
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import bindparam, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import selectinload

from portal import db
from portal.audit import services as audit
from portal.campaigns import services as campaigns
from portal.campaigns.models import Kind, Status
from portal.campaigns.services import Duty
from portal.courses import comparing
from portal.courses import services as courses
from portal.courses.comparing import Difference
from portal.courses.course import AboutYou, Course, Outcome, Page, Quiz, Scenario, Scene, Section
from portal.courses.course import Step as CourseStep
from portal.errors import NotFound, Refused
from portal.learning import scoring
from portal.learning.models import Answer, Attempt, StepDone
from portal.people.services import Identity


@dataclass(frozen=True)
class Progress:
    """One person's way through one course, as it stands."""

    duty: Duty
    person: Identity
    course: Course
    done: dict[str, dict[str, Any]]  # finished steps, with the latest answer ({} where none)
    open_scenes: dict[str, str]  # scenario -> the scene that comes next
    choices: dict[tuple[str, str], int]  # (scenario, scene) -> what was chosen last
    attempts: Sequence[Attempt]
    signed_course: Course | None = None  # what they signed the last time, where they have

    @cached_property
    def audiences(self) -> frozenset[str]:
        """The groups whose steps this person sees, with what the scope questions found."""
        scope = {answer["outcome"] for answer in self.done.values() if "outcome" in answer}
        return self.person.audiences | {self.person.kind} | scope

    @cached_property
    def walk(self) -> tuple[tuple[Section, CourseStep], ...]:
        """The person's steps in order, each with its section.

        In an update, of a person who signed before, only what is new or changed.
        """
        steps = self.course.walk(self.audiences)
        if self.duty.kind is not Kind.UPDATE or self.signed_course is None:
            return steps
        changed = comparing.changed_steps(self.signed_course, self.course)
        return tuple((section, step) for section, step in steps if step.key in changed)

    @cached_property
    def difference(self) -> Difference | None:
        """What changed since the person last signed; None for who signs for the first time."""
        return comparing.compare(self.signed_course, self.course) if self.signed_course else None

    @cached_property
    def next(self) -> CourseStep | None:
        """The first step that is not done; None when it is time to sign."""
        return next((step for _section, step in self.walk if step.key not in self.done), None)

    @property
    def total(self) -> int:
        """How many steps there are, signing included."""
        return len(self.walk) + 1

    def number(self, key: str) -> int:
        """The step's place, from 1. Raises NotFound for a step this person does not have."""
        for number, (_section, step) in enumerate(self.walk, start=1):
            if step.key == key:
                return number
        raise NotFound

    @property
    def at(self) -> int:
        """The place of the next step, from 1; signing is the last."""
        return self.number(self.next.key) if self.next else self.total

    @property
    def minutes_left(self) -> int:
        """Minutes that the rest should take, at least 1."""
        left = self.total - self.at + 1
        return max(1, round(self.course.minutes * left / self.total))

    def get_step(self, key: str) -> tuple[Section, CourseStep]:
        """The step and its section. Raises NotFound for a step this person does not have."""
        return self.walk[self.number(key) - 1]

    def after(self, key: str) -> CourseStep | None:
        """The step that follows, None after the last."""
        place = self.number(key)
        return self.walk[place][1] if place < len(self.walk) else None

    def before(self, key: str) -> CourseStep | None:
        """The step before this one, None before the first."""
        place = self.number(key) - 2
        return self.walk[place][1] if place >= 0 else None

    def is_open(self, key: str) -> bool:
        """Whether the person may see the step: it is done, or next."""
        return key in self.done or (self.next is not None and self.next.key == key)

    @property
    def declared(self) -> list[tuple[AboutYou, Outcome]]:
        """What the person said about themself, with what it means."""
        return [
            (step, step.get_outcome(self.done[step.key]["outcome"]))
            for _section, step in self.walk
            if isinstance(step, AboutYou) and step.key in self.done
        ]

    @property
    def passed(self) -> list[tuple[Section, Quiz, Attempt]]:
        """The attempt that passed, for each quiz that is passed."""
        return [
            (section, step, attempt)
            for section, step in self.walk
            if isinstance(step, Quiz)
            for attempt in self.attempts_at(step)
            if attempt.passed
        ]

    def attempts_at(self, quiz: Quiz) -> list[Attempt]:
        """The person's attempts at one quiz, oldest first."""
        return [attempt for attempt in self.attempts if attempt.section == quiz.key]

    def scene_of(self, scenario: Scenario) -> Scene:
        """The scene where the person is in a scenario."""
        waiting = scenario.find_scene(self.open_scenes.get(scenario.key, ""))
        return waiting or scenario.scenes[0]


def get_progress(assignment_id: UUID, *, person: Identity) -> Progress:
    """How far this person is in one of their assignments. Raises NotFound for others'."""
    return _progress([campaigns.get_duty(assignment_id, person=person)], person)[0]


def list_progress(person: Identity) -> list[Progress]:
    """All the person's duties with how far they are, open ones first."""
    return _progress(campaigns.list_duties(person), person)


def read(progress: Progress, page: Page) -> None:
    """Note that the person has read a page; a second time changes nothing."""
    if page.key not in progress.done and _may_write(progress, page.key):
        _finish(progress, page.key, None)


def decide(progress: Progress, scenario: Scenario, scene: Scene, choice: int) -> None:
    """Note what the person would do in a scene. Refuses a choice the scene does not have."""
    if not 0 <= choice < len(scene.choices):
        raise Refused(_("Choose one of the answers on the page."))
    if not _may_write(progress, scenario.key):
        raise Refused(_("You have signed: your answers stay as they are."))
    leads_to = scene.choices[choice].leads_to
    _finish(
        progress,
        scenario.key,
        {"scene": scene.id, "choice": choice, "leads_to": leads_to},
        finished=leads_to is None,
    )


def declare(
    progress: Progress, step: AboutYou, answers: dict[str, str], *, comment: str
) -> Outcome:
    """Keep what the person says about themself, and say what follows from it."""
    if not _may_write(progress, step.key):
        raise Refused(_("You have signed: your answers stay as they are."))
    outcome = step.outcome(answers)
    _finish(
        progress,
        step.key,
        {"answers": answers, "outcome": outcome.id, "comment": comment.strip()},
    )
    audit.record(
        "answer.declared",
        subject=progress.duty.id,
        actor=progress.person.id,
        records=step.records,
        outcome=outcome.id,
    )
    return outcome


def why_not_start(progress: Progress, quiz: Quiz, *, now: datetime) -> str:
    """Why no further attempt can start now, in words for the person; empty if one can."""
    attempts = progress.attempts_at(quiz)
    why = ""
    if any(attempt.passed for attempt in attempts):
        why = _("You have passed these questions.")
    elif len(attempts) >= quiz.rules.attempts:
        why = _(
            "You have used all %(tries)s tries. Call HR: they go through it with you.",
            tries=quiz.rules.attempts,
        )
    elif attempts and attempts[-1].submitted_at:
        left = attempts[-1].submitted_at + quiz.rules.delay - now
        if left > timedelta(0):
            why = ngettext(
                "You can try again in %(num)s minute.",
                "You can try again in %(num)s minutes.",
                -(-left // timedelta(minutes=1)),
            )
    return why


def start_attempt(progress: Progress, quiz: Quiz) -> None:
    """Draw the questions of a new attempt; one that is open goes on instead.

    Refuses when the quiz is passed, the tries are used up or the delay is not over.
    """
    attempts = progress.attempts_at(quiz)
    if attempts and not attempts[-1].submitted_at:
        return
    if not _may_write(progress, quiz.key):
        raise Refused(_("You have signed: your answers stay as they are."))
    if refusal := why_not_start(progress, quiz, now=db.utc_now()):
        raise Refused(refusal)
    drawn = scoring.draw(
        quiz,
        seen={question for attempt in attempts for question, _order in attempt.questions},
        audiences=progress.audiences,
        chance=SystemRandom(),
    )
    try:
        with db.session.begin_nested():
            db.session.add(
                Attempt(
                    assignment_id=progress.duty.id,
                    section=quiz.key,
                    number=len(attempts) + 1,
                    questions=[[question, order] for question, order in drawn],
                )
            )
    except IntegrityError:
        return  # another tab was faster: its attempt is the one that is open
    _note_status(progress, Status.IN_PROGRESS)


def answer(progress: Progress, quiz: Quiz, question_id: str, chosen: Sequence[int]) -> None:
    """Keep the answer to one question; the first answer stands. The last one marks the attempt.

    Refuses a question that is not part of the open attempt, and options it does not have.
    """
    attempts = progress.attempts_at(quiz)
    attempt = attempts[-1] if attempts else None
    if attempt is None or question_id not in {question for question, _order in attempt.questions}:
        raise Refused(_("This question belongs to another try. Open the questions again."))
    db.session.refresh(attempt, with_for_update=True)  # so that one of two tabs is the last
    answered = {given.question: given.right for given in attempt.answers}
    if question_id in answered or attempt.submitted_at:
        return
    question = quiz.get_question(question_id)
    if not chosen or not set(chosen) <= set(range(len(question.options))):
        raise Refused(_("Choose one of the answers on the page."))
    right = scoring.is_right(question, chosen)
    try:
        with db.session.begin_nested():
            db.session.add(
                Answer(
                    attempt_id=attempt.id,
                    question=question_id,
                    chosen=sorted(set(chosen)),
                    right=right,
                )
            )
    except IntegrityError:
        return  # another tab was faster, and its answer stands
    answered[question_id] = right
    if len(answered) == len(attempt.questions):
        _submit(progress, quiz, attempt, right=sum(answered.values()))


def _submit(progress: Progress, quiz: Quiz, attempt: Attempt, *, right: int) -> None:
    out_of = len(attempt.questions)
    attempt.right = right
    attempt.passed = scoring.passes(right, out_of=out_of, pass_mark=quiz.rules.pass_mark)
    attempt.submitted_at = db.utc_now()
    db.session.flush()
    audit.record(
        "attempt.submitted",
        subject=attempt.id,
        actor=progress.person.id,
        section=attempt.section,
        number=attempt.number,
        right=right,
        out_of=out_of,
        passed=attempt.passed,
    )
    if attempt.passed:
        _note_finished(progress, quiz.key, {})


def _may_write(progress: Progress, key: str) -> bool:
    """Whether an answer may still be kept. Refuses steps that the person has not reached."""
    if not progress.is_open(key):
        raise Refused(_("Finish the steps before this one first."))
    if progress.duty.status is Status.WAIVED:
        raise Refused(_("HR has released you from this. There is nothing to do."))
    return progress.duty.status is not Status.SIGNED


def _finish(
    progress: Progress, key: str, answer: dict[str, Any] | None, *, finished: bool = True
) -> None:
    db.session.add(
        StepDone(assignment_id=progress.duty.id, step=key, answer=answer, finished=finished)
    )
    db.session.flush()
    if finished:
        _note_finished(progress, key, answer or {})
    else:
        _note_status(progress, Status.IN_PROGRESS)


def _note_finished(progress: Progress, key: str, answer: dict[str, Any]) -> None:
    ahead = replace(progress, done=progress.done | {key: answer})
    _note_status(progress, Status.READY if ahead.next is None else Status.IN_PROGRESS)


def _note_status(progress: Progress, status: Status) -> None:
    """A refusal stays in the figures until the person signs."""
    if progress.duty.status not in {status, Status.REFUSED, Status.SIGNED}:
        campaigns.set_status(progress.duty.id, status)


# Asked on every page: made once.
_STEPS = (
    select(StepDone.assignment_id, StepDone.step, StepDone.answer, StepDone.finished)
    .where(StepDone.assignment_id.in_(bindparam("assignments", expanding=True)))
    .order_by(StepDone.id)
)
_ATTEMPTS = (
    select(Attempt)
    .where(Attempt.assignment_id.in_(bindparam("assignments", expanding=True)))
    .order_by(Attempt.section, Attempt.number)
    .options(selectinload(Attempt.answers))
)


def _progress(duties: list[Duty], person: Identity) -> list[Progress]:
    """Two or three statements, however many duties there are."""
    ids = [duty.id for duty in duties]
    done: dict[UUID, dict[str, dict[str, Any]]] = {each: {} for each in ids}
    scenes: dict[UUID, dict[str, str]] = {each: {} for each in ids}
    choices: dict[UUID, dict[tuple[str, str], int]] = {each: {} for each in ids}
    rows = db.session.connection().execute(_STEPS, {"assignments": ids})
    for assignment_id, key, given, finished in rows:
        if finished:
            done[assignment_id][key] = given or {}
        if given and "scene" in given:
            scenes[assignment_id][key] = given["leads_to"] or ""
            choices[assignment_id][key, given["scene"]] = given["choice"]
    attempts = db.session.scalars(_ATTEMPTS, {"assignments": ids}).all()
    for attempt in attempts:
        if attempt.passed:
            done[attempt.assignment_id][attempt.section] = {}
    return [
        Progress(
            duty=duty,
            person=person,
            course=courses.get_course(duty.course_version_id),
            signed_course=courses.get_course(duty.since_version_id)
            if duty.since_version_id
            else None,
            done=done[duty.id],
            open_scenes=scenes[duty.id],
            choices=choices[duty.id],
            attempts=[each for each in attempts if each.assignment_id == duty.id],
        )
        for duty in duties
    ]
