"""Your tasks, and the steps of a course one by one."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal import db
from portal.campaigns import services as campaigns
from portal.campaigns.models import Status
from portal.campaigns.services import Duty
from portal.config import Role
from portal.courses.course import AboutYou, Page, Quiz, Scenario, Section
from portal.documents.calendar import due_date_event
from portal.learning import forms, scoring, services
from portal.learning.services import Progress
from portal.people.services import Identity
from portal.web import hands_out_file, requires

bp = Blueprint("learning", __name__)


@bp.get("/")
@requires(Role.LEARNER)
def tasks() -> ResponseReturnValue:
    """Your tasks: the next one, what else there is to do, and what is done."""
    today = db.today()
    progress = services.list_tasks(_person(), today=today)
    to_do = [each for each in progress if each.duty.is_open]
    return render_template(
        "learning/tasks.html",
        to_do=to_do,
        done=[each for each in progress if not each.duty.is_open],
        today=today,
    )


@bp.get("/<uuid:assignment_id>/")
@requires(Role.LEARNER)
def resume(assignment_id: UUID) -> ResponseReturnValue:
    """Go to the exact step where the person is."""
    progress = services.get_progress(assignment_id, person=_person())
    if progress.difference is not None and progress.duty.status is Status.NOT_STARTED:
        return redirect(url_for(".changes", assignment_id=assignment_id))
    return redirect(_next_address(progress))


@bp.get("/<uuid:assignment_id>/changes")
@requires(Role.LEARNER)
def changes(assignment_id: UUID) -> ResponseReturnValue:
    """What changed since the person last signed, before they begin."""
    progress = services.get_progress(assignment_id, person=_person())
    if progress.difference is None:
        return redirect(_next_address(progress))
    return render_template(
        "learning/changes.html",
        progress=progress,
        difference=progress.difference,
        go_on=_next_address(progress),
    )


@bp.get("/<uuid:assignment_id>/due-date.ics")
@requires(Role.LEARNER)
@hands_out_file
def due_date(assignment_id: UUID) -> ResponseReturnValue:
    """The due date for the person's calendar (RFC 5545)."""
    duty = campaigns.get_duty(assignment_id, person=_person())
    link = url_for(".resume", assignment_id=duty.id, _external=True)
    return Response(
        due_date_event(duty, link=link, now=db.utc_now()),
        mimetype="text/calendar",
        headers={"Content-Disposition": "attachment; filename=due-date.ics"},
    )


@bp.route("/<uuid:assignment_id>/<section>/<slug>", methods=["GET", "POST"])
@requires(Role.LEARNER)
def step(assignment_id: UUID, section: str, slug: str) -> ResponseReturnValue:
    """Show one step; on POST, keep what the person did there."""
    progress = services.get_progress(assignment_id, person=_person())
    key = f"{section}/{slug}"
    if key in progress.spared:
        return _read_again(progress, *progress.spared[key])
    part, item = progress.get_step(key)
    if not progress.is_open(item.key):
        return redirect(_next_address(progress))
    answer = _STEPS[type(item)](progress, item)
    if not isinstance(answer, dict):
        return answer
    return render_template(
        "learning/step.html",
        kind=_TEMPLATES[type(item)],
        is_asked=True,
        progress=progress,
        section=part,
        step=item,
        **{"back": _back_address(progress, item.key)} | answer,
    )


@bp.get("/<uuid:assignment_id>/<section>/<slug>/result")
@requires(Role.LEARNER)
def result(assignment_id: UUID, section: str, slug: str) -> ResponseReturnValue:
    """What follows from the last answer: the story, the rule, and where to go on."""
    progress = services.get_progress(assignment_id, person=_person())
    part, item = progress.get_step(f"{section}/{slug}")
    shown = _RESULTS[type(item)](progress, item) if type(item) in _RESULTS else None
    if shown is None:
        return redirect(_address(progress.duty, item.key))
    return render_template(
        "learning/result.html",
        kind=_TEMPLATES[type(item)],
        progress=progress,
        section=part,
        step=item,
        **shown,
    )


def _read_again(progress: Progress, part: Section, page: Page) -> ResponseReturnValue:
    """A page that is not asked again, for who wants to read it; nothing is noted."""
    if request.method == "POST":  # it was asked when the form was shown
        return redirect(_next_address(progress))
    return render_template(
        "learning/step.html",
        kind="page",
        is_asked=False,
        progress=progress,
        section=part,
        step=page,
        back=url_for(".resume", assignment_id=progress.duty.id),
    )


def _page(progress: Progress, page: Page) -> dict[str, Any] | ResponseReturnValue:
    if request.method == "POST":
        services.read(progress, page)
        return redirect(_after_address(progress, page.key))
    return {}


def _scenario(progress: Progress, scenario: Scenario) -> dict[str, Any] | ResponseReturnValue:
    asked = request.form.get("scene") or request.args.get("scene")
    scene = scenario.find_scene(asked or "") or progress.scene_of(scenario)
    order = scoring.order_of_choices(scene, seed=f"{progress.duty.id}{scenario.key}")
    form = forms.SceneForm(scene, order, data={"scene": scene.id})
    if form.validate_on_submit():
        services.decide(progress, scenario, scene, int(form.choice.data))
        return redirect(_result_address(progress, scenario.key, scene=scene.id))
    return {"form": form, "scene": scene}


def _about_you(progress: Progress, step: AboutYou) -> dict[str, Any] | ResponseReturnValue:
    form = forms.about_you_form(step, progress.done.get(step.key))
    if form.validate_on_submit():
        answers = {question.id: form[question.id].data for question in step.questions}
        comment = form["comment"].data if step.comment else ""
        services.declare(progress, step, answers, comment=comment or "")
        return redirect(_result_address(progress, step.key))
    return {"form": form}


def _quiz(progress: Progress, quiz: Quiz) -> dict[str, Any] | ResponseReturnValue:
    attempts = progress.attempts_at(quiz)
    attempt = attempts[-1] if attempts else None
    if attempt is None or attempt.submitted_at:
        if request.method == "POST":
            services.start_attempt(progress, quiz)
            return redirect(_address(progress.duty, quiz.key))
        if attempt is not None:
            return redirect(_result_address(progress, quiz.key))
        needed = scoring.needed(quiz.rules.draw, quiz.rules.pass_mark)
        return {"question": None, "needed": needed}
    order: dict[str, list[int]] = dict(attempt.questions)
    asked = request.form.get("question", "")
    if asked in {given.question for given in attempt.answers}:
        return redirect(_result_address(progress, quiz.key, question=asked))
    left = [key for key in order if key not in {given.question for given in attempt.answers}]
    key = asked if asked in order else left[0]
    question = quiz.get_question(key)
    form = forms.answer_form(question, order[key])
    if form.validate_on_submit():
        services.answer(progress, quiz, key, form.options)
        return redirect(_result_address(progress, quiz.key, question=key))
    return {
        "form": form,
        "question": question,
        "number": list(order).index(key) + 1,
        "out_of": len(order),
        "back": _before_question(progress, quiz, list(order), key),
    }


def _scenario_result(progress: Progress, scenario: Scenario) -> dict[str, Any] | None:
    scene = scenario.find_scene(request.args.get("scene", ""))
    chosen = progress.choices.get((scenario.key, scene.id)) if scene else None
    if scene is None or chosen is None:
        return None
    choice = scene.choices[chosen]
    go_on = _after_address(progress, scenario.key)
    if choice.leads_to:
        go_on = _address(progress.duty, scenario.key, scene=choice.leads_to)
    back = _address(progress.duty, scenario.key, scene=scene.id)
    return {"scene": scene, "choice": choice, "go_on": go_on, "back": back}


def _about_you_result(progress: Progress, step: AboutYou) -> dict[str, Any] | None:
    given = progress.done.get(step.key)
    if given is None:
        return None
    return {
        "outcome": step.get_outcome(given["outcome"]),
        "back": _address(progress.duty, step.key),
        "go_on": _after_address(progress, step.key),
    }


def _quiz_result(progress: Progress, quiz: Quiz) -> dict[str, Any] | None:
    attempts = progress.attempts_at(quiz)
    if not attempts:
        return None
    attempt = attempts[-1]
    order = [question for question, _ in attempt.questions]
    given = {answer.question: answer for answer in attempt.answers}
    asked = request.args.get("question")
    if asked in given:
        return {
            "question": quiz.get_question(asked),
            "answer": given[asked],
            "number": order.index(asked) + 1,
            "out_of": len(order),
            "left": len(order) - len(given),
            "back": _before_question(progress, quiz, order, asked),
            "go_on": _address(progress.duty, quiz.key),
        }
    if not attempt.submitted_at:
        return None
    return {
        "question": None,
        "attempt": attempt,
        "needed": scoring.needed(len(order), quiz.rules.pass_mark),
        "wrong": [quiz.get_question(key) for key in order if not given[key].right],
        "back": _result_address(progress, quiz.key, question=order[-1]),
        "cannot_retry": services.why_not_start(progress, quiz, now=db.utc_now()),
        "go_on": _after_address(progress, quiz.key),
    }


_STEPS: dict[type, Callable[[Progress, Any], dict[str, Any] | ResponseReturnValue]] = {
    Page: _page,
    Scenario: _scenario,
    AboutYou: _about_you,
    Quiz: _quiz,
}
_RESULTS: dict[type, Callable[[Progress, Any], dict[str, Any] | None]] = {
    Scenario: _scenario_result,
    AboutYou: _about_you_result,
    Quiz: _quiz_result,
}
_TEMPLATES = {Page: "page", Scenario: "scenario", AboutYou: "about_you", Quiz: "quiz"}


def _address(duty: Duty, key: str, *, scene: str | None = None) -> str:
    section, _, slug = key.partition("/")
    return url_for(".step", assignment_id=duty.id, section=section, slug=slug, scene=scene)


def _result_address(
    progress: Progress, key: str, *, scene: str | None = None, question: str | None = None
) -> str:
    section, _, slug = key.partition("/")
    return url_for(
        ".result",
        assignment_id=progress.duty.id,
        section=section,
        slug=slug,
        scene=scene,
        question=question,
    )


def _person() -> Identity:
    """Who is signed in, as they are: `current_user` asks who that is at every word."""
    return cast(Identity, current_user._get_current_object())


def _next_address(progress: Progress) -> str:
    if progress.next:
        return _address(progress.duty, progress.next.key)
    return _sign_address(progress)


def _after_address(progress: Progress, key: str) -> str:
    following = progress.after(key)
    return _address(progress.duty, following.key) if following else _sign_address(progress)


def _back_address(progress: Progress, key: str) -> str:
    previous = progress.before(key)
    return _address(progress.duty, previous.key) if previous else url_for(".tasks")


def _before_question(progress: Progress, quiz: Quiz, order: list[str], key: str) -> str:
    """The result of the question before; what is answered stays answered."""
    at = order.index(key)
    if not at:
        return _back_address(progress, quiz.key)
    return _result_address(progress, quiz.key, question=order[at - 1])


def _sign_address(progress: Progress) -> str:
    return url_for("attestations.sign", assignment_id=progress.duty.id)
