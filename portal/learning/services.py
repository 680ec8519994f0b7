"""What a person does in a course: reads, decides, answers, and takes the quiz."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.audit import services as audit
from portal.campaigns import services as campaigns
from portal.campaigns.models import Status
from portal.courses.course import AboutYou, Outcome, Page, Quiz, Scenario, Scene
from portal.errors import Refused
from portal.learning import scoring
from portal.learning.models import Answer, Attempt, StepDone
from portal.learning.progress import Progress, get_progress, list_progress, list_tasks

__all__ = ["Progress", "get_progress", "list_progress", "list_tasks"]  # the way in for other slices


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
    status = campaigns.lock_duty(progress.duty.id)  # another tab may have signed since the look
    if status is Status.WAIVED:
        raise Refused(_("HR has released you from this. There is nothing to do."))
    return status is not Status.SIGNED


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
