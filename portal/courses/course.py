"""A course as plain, frozen values: what `content` parses, `learning` walks and pages show.

Everything named `html` is sanitized and safe to put on a page.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cached_property

SCOPE = ("in_scope", "out_of_scope", "hr_decides")
"""What the scope questions may find (facts 17-19); each is an audience of the same course."""

AUDIENCES = frozenset({"employee", "contractor", "manager", "custodian", *SCOPE})
"""The groups that a step or a question can be limited to."""


class Verdict(StrEnum):
    """What a choice in a scenario amounts to; the words on the page are in the templates."""

    FINE = "fine"
    THINK = "think"
    DONT = "dont"


@dataclass(frozen=True)
class Rule:
    """The rule that an answer rests on, and the step (and heading there) that explains it."""

    text: str
    step: str
    anchor: str = ""


@dataclass(frozen=True)
class Page:
    """A guidance page. `headings` are (anchor, text) of its second-level headings."""

    key: str
    title: str
    minutes: int
    only_for: frozenset[str]
    html: str
    headings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Choice:
    """One thing a sensible colleague might do, and what happens then."""

    text: str
    verdict: Verdict
    next_html: str
    leads_to: str | None = None


@dataclass(frozen=True)
class Scene:
    """One moment of a scenario, with its choices in the order the author wrote them."""

    id: str
    html: str
    question: str
    choices: tuple[Choice, ...]

    @property
    def better(self) -> Choice:
        """The choice shown as "A better choice"."""
        return next(choice for choice in self.choices if choice.verdict is Verdict.FINE)


@dataclass(frozen=True)
class Scenario:
    """A situation with choices and consequences; not marked."""

    key: str
    title: str
    only_for: frozenset[str]
    scenes: tuple[Scene, ...]
    rule: Rule

    def find_scene(self, scene_id: str) -> Scene | None:
        """The scene with this id, if there is one."""
        return next((scene for scene in self.scenes if scene.id == scene_id), None)


@dataclass(frozen=True)
class SelfOption:
    """One answer about oneself."""

    id: str
    text: str
    hint: str = ""


@dataclass(frozen=True)
class SelfQuestion:
    """One question about the person: no right and wrong."""

    id: str
    text: str
    hint: str
    options: tuple[SelfOption, ...]


@dataclass(frozen=True)
class Outcome:
    """What the answers mean. `when` maps a question's id to the answers that fit."""

    id: str
    when: dict[str, frozenset[str]]
    title: str
    html: str
    reason: str
    is_settled: bool = False  # HR has nothing to do about it

    def fits(self, answers: dict[str, str]) -> bool:
        """Whether these answers lead here."""
        return all(answers.get(question) in fitting for question, fitting in self.when.items())


@dataclass(frozen=True)
class AboutYou:
    """Questions about the person whose answers are kept in the record.

    `records` is "scope" (facts 17-19) or "conflict-of-interest".
    """

    key: str
    title: str
    only_for: frozenset[str]
    records: str
    intro_html: str
    questions: tuple[SelfQuestion, ...]
    comment: str
    outcomes: tuple[Outcome, ...]

    def outcome(self, answers: dict[str, str]) -> Outcome:
        """The first outcome that fits; the last fits always."""
        return next(outcome for outcome in self.outcomes if outcome.fits(answers))

    def get_outcome(self, outcome_id: str) -> Outcome:
        """The outcome with this id. Raises StopIteration where the course has none such."""
        return next(outcome for outcome in self.outcomes if outcome.id == outcome_id)


@dataclass(frozen=True)
class Option:
    """What may be chosen for a question, with feedback for who chose it."""

    text: str
    correct: bool
    feedback_html: str


@dataclass(frozen=True)
class Question:
    """One question of the pool. `multiple`: two or more options are right, all must be chosen."""

    id: str
    text: str
    multiple: bool
    only_for: frozenset[str]
    options: tuple[Option, ...]
    rule: Rule

    @property
    def correct(self) -> frozenset[int]:
        """Indexes of the right options."""
        return frozenset(i for i, option in enumerate(self.options) if option.correct)


@dataclass(frozen=True)
class QuizRules:
    """How many questions are drawn, what share is needed (percent), how often, how soon again."""

    draw: int = 5
    pass_mark: int = 80
    attempts: int = 5
    delay: timedelta = timedelta(0)


@dataclass(frozen=True)
class Quiz:
    """The short quiz at the end of a section."""

    key: str
    title: str
    only_for: frozenset[str]
    questions: tuple[Question, ...]
    rules: QuizRules

    def get_question(self, question_id: str) -> Question:
        """The question with this id. Raises StopIteration where the quiz has none such."""
        return next(question for question in self.questions if question.id == question_id)


Step = Page | Scenario | AboutYou | Quiz


@dataclass(frozen=True)
class Section:
    """One part of a course. `scenarios`: how many of them each person gets; None for all."""

    key: str
    title: str
    steps: tuple[Step, ...]
    scenarios: int | None = None

    @property
    def written(self) -> int:
        """How many scenarios there are to draw from."""
        return sum(isinstance(step, Scenario) for step in self.steps)


@dataclass(frozen=True)
class Change:
    """One line of "What changed since you last signed", in the author's words."""

    topic: str
    before: str
    now: str


Walk = tuple[tuple[Section, Step], ...]
Pools = tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, eq=False)
class Course:
    """One version of a course, whole."""

    key: str
    title: str
    language: str
    minutes: int
    summary: str
    statement: str
    consent: str
    notice_html: str
    policy_title: str
    policy_html: str
    sections: tuple[Section, ...]
    content_hash: str
    changes: tuple[Change, ...] = ()  # since the version before
    repeats_whole: bool = False  # who signed before reads unchanged pages again
    _walks: dict[frozenset[str], Walk] = field(default_factory=dict, compare=False, repr=False)
    _pools: dict[frozenset[str], Pools] = field(default_factory=dict, compare=False, repr=False)

    def walk(self, audiences: Set[str]) -> Walk:
        """The steps that these audiences see, in order, each with its section."""
        wanted = frozenset(audiences)
        if wanted not in self._walks:
            self._walks[wanted] = tuple(
                (section, step)
                for section in self.sections
                for step in section.steps
                if not step.only_for or step.only_for & wanted
            )
        return self._walks[wanted]

    def pools(self, audiences: Set[str]) -> Pools:
        """For each section that draws scenarios: how many, and of which, by their keys."""
        wanted = frozenset(audiences)
        if wanted not in self._pools:
            found: dict[str, tuple[int, list[str]]] = {}
            for section, step in self.walk(wanted):
                if section.scenarios and isinstance(step, Scenario):
                    found.setdefault(section.key, (section.scenarios, []))[1].append(step.key)
            self._pools[wanted] = tuple((number, tuple(keys)) for number, keys in found.values())
        return self._pools[wanted]

    @cached_property
    def asks_scope(self) -> bool:
        """Whether somebody is asked here if the policy is for them."""
        return any(isinstance(s, AboutYou) and s.records == "scope" for s in self.steps())

    def steps(self) -> Iterator[Step]:
        """All steps, whoever sees them."""
        for section in self.sections:
            yield from section.steps
