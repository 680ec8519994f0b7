"""How the questions of a campaign's quizzes do: never per person."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select

from portal import db
from portal.campaigns.models import Assignment
from portal.courses import services as courses
from portal.courses.course import Question, Quiz
from portal.courses.models import CourseVersion
from portal.reports import item_analysis, tallies
from portal.reports.item_analysis import ENOUGH, FEWEST, MISLEADS_BELOW, Sums
from portal.reports.tallies import Given


@dataclass(frozen=True)
class OptionLine:
    """One option: how many chose it the first time (None: not shown), and who they are."""

    text: str
    is_right: bool
    chosen: int | None
    by_kind: dict[str, int]


@dataclass(frozen=True)
class Line:
    """One question; `answered` below FEWEST means that nothing of it is shown."""

    section: str
    step: str
    version_id: UUID
    text: str
    answered: int
    right: int
    discrimination: float | None
    options: tuple[OptionLine, ...]
    others: int
    warnings: tuple[str, ...]

    @property
    def is_shown(self) -> bool:
        """Whether enough people have answered."""
        return self.answered >= FEWEST

    @property
    def percent(self) -> int | None:
        """Share that is right the first time; None where few are right, or wrong: not shown."""
        few = (self.right, self.answered - self.right)
        if not self.answered or any(0 < number < FEWEST for number in few):
            return None
        return self.right * 100 // self.answered


def analyse(campaign_id: UUID) -> tuple[list[Line], datetime | None]:
    """Every question of the course that people had, in its order, from first attempts alone.

    And when the answers were counted: None where that is now.
    """
    given, counted_at = tallies.get_answers(campaign_id)
    answers: dict[str, list[Given]] = {}
    for each in given:
        answers.setdefault(each.question, []).append(each)
    lines, seen = [], set()
    for version_id in _versions(campaign_id):
        course = courses.get_course(version_id)
        for section in course.sections:
            for step in section.steps:
                if isinstance(step, Quiz):
                    for question in step.questions:
                        if question.id not in seen:
                            seen.add(question.id)
                            lines.append(
                                _line(
                                    (section.title, step.key, version_id),
                                    question,
                                    answers.get(question.id, []),
                                )
                            )
    return lines, counted_at


def _line(place: tuple[str, str, UUID], question: Question, given: Sequence[Given]) -> Line:
    section, step, version_id = place
    sums, chosen = _sums(given), _chosen(given)
    counts = {
        str(at): sum(chosen.get(at, Counter()).values()) for at in range(len(question.options))
    }
    shown, others = item_analysis.hide_few(counts)
    is_clear = sums.n >= ENOUGH and FEWEST <= sums.x <= sums.n - FEWEST
    strength = item_analysis.discrimination(sums) if is_clear else None
    options = tuple(
        OptionLine(
            text=option.text,
            is_right=option.correct,
            # Where some are hidden, nobody's choice is hidden too: else it tells which they are.
            chosen=shown.get(str(at), None if others else 0),
            by_kind=_kinds(chosen.get(at, Counter())) if str(at) in shown else {},
        )
        for at, option in enumerate(question.options)
    )
    warnings = _warnings(question, sums, counts, strength) if sums.n >= FEWEST else ()
    return Line(
        section=section,
        step=step,
        version_id=version_id,
        text=question.text,
        answered=sums.n,
        right=sums.x,
        discrimination=strength,
        options=options,
        others=others,
        warnings=warnings,
    )


def _kinds(counts: Counter[str]) -> dict[str, int]:
    """Who chose an option; nothing where a group is so small that a person could be found."""
    shown, others = item_analysis.hide_few(counts)
    return {} if others else shown


def _warnings(
    question: Question, sums: Sums, counts: dict[str, int], strength: float | None
) -> tuple[str, ...]:
    found = []
    if sums.x * 2 < sums.n:
        found.append(_("Fewer than half are right the first time."))
    best = max(counts[str(at)] for at in question.correct)
    wrong = [counts[str(at)] for at, each in enumerate(question.options) if not each.correct]
    if not question.multiple and wrong and max(wrong) > best:
        found.append(_("A wrong answer draws more people than the right one."))
    if strength is not None and strength < MISLEADS_BELOW:
        found.append(_("People who know the rest are often wrong here: it may mislead."))
    return tuple(found)


def _sums(given: Sequence[Given]) -> Sums:
    return Sums(
        n=sum(each.people for each in given),
        x=sum(each.people * each.right for each in given),
        y=sum(each.people * each.others for each in given),
        xy=sum(each.people * each.right * each.others for each in given),
        yy=sum(each.people * each.others**2 for each in given),
    )


def _chosen(given: Sequence[Given]) -> dict[int, Counter[str]]:
    """Option -> kind of employment -> how many chose it."""
    found: dict[int, Counter[str]] = {}
    for each in given:
        for at in each.chosen:
            found.setdefault(at, Counter())[each.kind] += each.people
    return found


def _versions(campaign_id: UUID) -> list[UUID]:
    """The versions that people had, newest first."""
    return list(
        db.session.scalars(
            select(CourseVersion.id)
            .where(
                CourseVersion.id.in_(
                    select(Assignment.course_version_id).where(
                        Assignment.campaign_id == campaign_id
                    )
                )
            )
            .order_by(CourseVersion.number.desc())
        )
    )
