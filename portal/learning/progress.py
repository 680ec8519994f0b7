"""How far a person is in a course: what is done, and what comes next."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    CompoundSelect,
    Row,
    bindparam,
    literal_column,
    null,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import selectinload

from portal import db
from portal.campaigns import services as campaigns
from portal.campaigns.models import Kind, Status
from portal.campaigns.services import Duty
from portal.courses import comparing
from portal.courses import services as courses
from portal.courses.comparing import Difference
from portal.courses.course import (
    SCOPE,
    AboutYou,
    Course,
    Outcome,
    Page,
    Quiz,
    Scenario,
    Scene,
    Section,
    Walk,
)
from portal.courses.course import Step as CourseStep
from portal.errors import NotFound
from portal.learning import scoring
from portal.learning.models import Attempt, StepDone
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
    signed_course: Course | None = None  # what they signed last before this, where they have
    # Steps done for earlier signatures of this course -> the duty in which they were last
    earlier: Mapping[str, Duty] = field(default_factory=dict)

    @cached_property
    def attempts(self) -> Sequence[Attempt]:
        """The person's attempts at all quizzes; asked only where a page is about them."""
        return db.session.scalars(_ATTEMPTS, {"assignment": self.duty.id}).all()

    @cached_property
    def audiences(self) -> frozenset[str]:
        """The groups whose steps this person sees, with what the scope questions found.

        HR's word on the person's scope counts over their own answers.
        """
        said = {answer["outcome"] for answer in self.done.values() if "outcome" in answer}
        if said & set(SCOPE) and self.person.audiences & set(SCOPE):
            said -= set(SCOPE)
        return self.person.audiences | {self.person.kind} | said

    @cached_property
    def walk(self) -> Walk:
        """The person's steps in the author's order, each with its section.

        Pages that they read for an earlier signature and that are as they were then are left out,
        and in an update all that did not change since. Of the scenarios of a section they get as
        many as it says. What is done in this duty stays, whatever else is so.
        """
        return self._walk(self.audiences)

    def _walk(self, audiences: frozenset[str]) -> Walk:
        steps = self.course.walk(audiences)
        if self.earlier or self._is_update:
            steps = tuple(each for each in steps if self._asks(each[1]))
        begun, seed = self.done.keys() | self.open_scenes.keys(), str(self.person.id)
        left_out: set[str] = set()
        for number, keys in self.course.pools(audiences):
            pool = keys
            if self._is_update:
                pool = tuple(step.key for _section, step in steps if step.key in keys)
            ours = frozenset(pool)
            left_out |= ours - scoring.draw_scenarios(
                pool,
                number,
                seed=seed,
                begun=ours.intersection(begun),
                met=ours.intersection(self.earlier),
            )
        return tuple(each for each in steps if each[1].key not in left_out) if left_out else steps

    @property
    def _is_update(self) -> bool:
        return self.duty.kind is Kind.UPDATE and self.signed_course is not None

    def _asks(self, step: CourseStep) -> bool:
        """Whether something is asked of the person here, or was in this duty."""
        if step.key in self.done or step.key in self.open_scenes:
            return True
        if self._is_update:
            return self._is_new(step)
        return not isinstance(step, Page) or self.course.repeats_whole or not self._knows(step)

    def _knows(self, step: CourseStep) -> bool:
        """Whether the person did the step for an earlier signature, and it is as it was then."""
        then = self.earlier.get(step.key)
        if then is None:
            return False
        signed = courses.get_course(then.course_version_id)
        return step.key not in comparing.changed_steps(signed, self.course)

    def _is_new(self, step: CourseStep) -> bool:
        """Whether the step is not as it was when the person signed, or is theirs only since then.

        Whoever signed on paper signed the same words, under the whole policy: that counts as much.
        Their scope is asked where it decides which of the changes are for them.
        """
        changed = comparing.changed_steps(self.signed_course or self.course, self.course)
        if isinstance(step, AboutYou) and step.records == "scope":
            limited = {each.key for each in self.course.steps() if each.only_for & set(SCOPE)}
            return bool(changed & (limited | {step.key}))
        is_limited = bool(step.only_for) and not isinstance(step, Scenario)
        return step.key in changed or (is_limited and not self._knows(step))

    @cached_property
    def spared(self) -> dict[str, tuple[Section, Page]]:
        """The pages that are not asked again, by their keys; who likes may read them."""
        if not (self.earlier or self._is_update):
            return {}
        asked = {step.key for _section, step in self.walk}
        return {
            step.key: (section, step)
            for section, step in self.course.walk(self.audiences)
            if isinstance(step, Page) and step.key not in asked
        }

    @property
    def read_before(self) -> list[tuple[Page, Duty]]:
        """Those of them that the person has read, with the signed duty in which they last did."""
        return [
            (page, self.earlier[page.key])
            for _section, page in self.spared.values()
            if self._knows(page)
        ]

    def find_title(self, key: str) -> str | None:
        """The title of a step that the person can open; None for another."""
        if key in self.spared:
            return self.spared[key][1].title
        return next((step.title for _section, step in self.walk if step.key == key), None)

    @cached_property
    def difference(self) -> Difference | None:
        """What changed since the person last signed; None for who signs for the first time."""
        return comparing.compare(self.signed_course, self.course) if self.signed_course else None

    @cached_property
    def next(self) -> CourseStep | None:
        """The first step that is not done; None when it is time to sign."""
        return next((step for _section, step in self.walk if step.key not in self.done), None)

    @cached_property
    def total(self) -> int:
        """How many steps there are, signing included."""
        return len(self._longest) + 1

    @cached_property
    def _longest(self) -> Walk:
        """The walk that is counted."""
        same = self._counted == self.audiences
        return self.walk if same else self._walk(self._counted)

    @cached_property
    def _counted(self) -> frozenset[str]:
        """Whose steps are counted: the longest way, until the scope questions say which it is.

        A way that turns out shorter than it was said to be disappoints nobody.
        """
        if not self.course.asks_scope or self.audiences & set(SCOPE):
            return self.audiences
        if not any(isinstance(s, AboutYou) and s.records == "scope" for _, s in self.walk):
            return self.audiences
        return max((self.audiences | {found} for found in SCOPE), key=self._length)

    def _length(self, audiences: frozenset[str]) -> int:
        return len(self._walk(audiences))

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
        """Minutes that the rest should take, at least 1: its part of a first walk, with signing."""
        left = scoring.effort(each for each in self._longest if each[1].key not in self.done)
        whole = _whole_effort(self.duty.course_version_id, self._counted)
        return max(1, round(self.course.minutes * (left + 1) / (whole + 1)))

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


@lru_cache(maxsize=1024)
def _whole_effort(version_id: UUID, audiences: frozenset[str]) -> float:
    return scoring.effort(courses.get_course(version_id).walk(audiences))


def get_progress(assignment_id: UUID, *, person: Identity) -> Progress:
    """How far this person is in one of their assignments. Raises NotFound for others'."""
    duties = campaigns.list_duties(person)
    duty = next((each for each in duties if each.id == assignment_id), None)
    if duty is None:
        raise NotFound
    return _progress([duty, *_signed_before(duty, duties)], person)[0]


def list_tasks(person: Identity, *, today: date) -> list[Progress]:
    """As `list_progress`, after the person was given what they should have by now."""
    return _progress(campaigns.assign_open(person, today=today), person)


def list_progress(person: Identity) -> list[Progress]:
    """All the person's duties with how far they are, open ones first."""
    return _progress(campaigns.list_duties(person), person)


def _done(of: Callable[[Any], ColumnElement[bool]]) -> CompoundSelect[Any]:
    """What is done of some assignments. A quiz that is passed is done like any other step."""
    return union_all(
        select(
            StepDone.assignment_id,
            StepDone.step,
            StepDone.answer,
            StepDone.finished,
            StepDone.id.label("place"),
        ).where(of(StepDone.assignment_id)),
        select(
            Attempt.assignment_id,
            Attempt.section,
            type_coerce(null(), JSON),
            Attempt.passed,
            literal_column("0"),
        ).where(of(Attempt.assignment_id), Attempt.passed.is_(True)),
    ).order_by("place")


# Asked on every page: made once. A list as a parameter costs each time, and most have one duty.
_DONE_OF_ONE = _done(lambda column: column == bindparam("assignment"))
_DONE_OF_MANY = _done(lambda column: column.in_(bindparam("assignments", expanding=True)))
_ATTEMPTS = (
    select(Attempt)
    .where(Attempt.assignment_id == bindparam("assignment"))
    .order_by(Attempt.section, Attempt.number)
    .options(selectinload(Attempt.answers))
)


def _progress(duties: list[Duty], person: Identity) -> list[Progress]:
    """One statement, however many duties there are; none where nothing was begun."""
    ids = [duty.id for duty in duties]
    done: dict[UUID, dict[str, dict[str, Any]]] = {each: {} for each in ids}
    scenes: dict[UUID, dict[str, str]] = {each: {} for each in ids}
    choices: dict[UUID, dict[tuple[str, str], int]] = {each: {} for each in ids}
    begun = [duty.id for duty in duties if duty.status is not Status.NOT_STARTED]
    rows: Iterable[Row[*tuple[Any, ...]]] = ()
    if len(begun) == 1:
        rows = db.connection().execute(_DONE_OF_ONE, {"assignment": begun[0]})
    elif begun:
        rows = db.connection().execute(_DONE_OF_MANY, {"assignments": begun})
    for assignment_id, key, given, finished, _place in rows:
        if finished:
            done[assignment_id][key] = given or {}
        if given and "scene" in given:
            scenes[assignment_id][key] = given["leads_to"] or ""
            choices[assignment_id][key, given["scene"]] = given["choice"]
    found = []
    for duty in duties:
        signed = _signed_before(duty, duties)
        found.append(
            Progress(
                duty=duty,
                person=person,
                course=courses.get_course(duty.course_version_id),
                signed_course=courses.get_course(signed[-1].course_version_id) if signed else None,
                done=done[duty.id],
                open_scenes=scenes[duty.id],
                choices=choices[duty.id],
                earlier={step: each for each in signed for step in done[each.id]},
            )
        )
    return found


def _signed_before(duty: Duty, duties: list[Duty]) -> list[Duty]:
    """The duties of the same course that the person signed before this one, oldest first.

    Asked anew and not kept: of two that wait, either may be signed first. Two signatures may bear
    one second.
    """
    signed = [
        (each.signed_at, courses.get_number(each.course_version_id), each)
        for each in duties
        if each.signed_at
        and each.id != duty.id
        and (duty.signed_at is None or each.signed_at < duty.signed_at)
        and _key(each) == _key(duty)
    ]
    signed.sort(key=itemgetter(0, 1))
    return [each for _at, _number, each in signed]


def _key(duty: Duty) -> str:
    return courses.get_course(duty.course_version_id).key
