"""Draws and marks quizzes (pure)."""

from collections.abc import Collection, Iterable, Set
from fractions import Fraction
from random import Random

from portal.courses.course import Question, Quiz, Scene

Drawn = list[tuple[str, list[int]]]
"""The questions of one attempt: id, and its option indexes in the order shown."""


def draw(quiz: Quiz, *, seen: Collection[str], audiences: Set[str], chance: Random) -> Drawn:
    """Draw questions for one attempt, those not seen before first, with options shuffled."""
    pool = [q for q in quiz.questions if not q.only_for or q.only_for & audiences]
    chance.shuffle(pool)
    pool.sort(key=lambda question: question.id in seen)
    drawn = pool[: quiz.rules.draw]
    chance.shuffle(drawn)
    return [(q.id, chance.sample(range(len(q.options)), len(q.options))) for q in drawn]


def order_of_choices(scene: Scene, *, seed: str) -> list[int]:
    """Indexes of the choices in an order of one's own, the same each time one comes back."""
    chance = Random(f"{seed}{scene.id}")  # noqa: S311 - fairness, not secrecy
    return chance.sample(range(len(scene.choices)), len(scene.choices))


def is_right(question: Question, chosen: Iterable[int]) -> bool:
    """Whether exactly the right options were chosen."""
    return frozenset(chosen) == question.correct


def passes(right: int, *, out_of: int, pass_mark: int) -> bool:
    """Whether this share reaches the pass mark (percent), without rounding anyone up or down."""
    return out_of > 0 and Fraction(right, out_of) >= Fraction(pass_mark, 100)


def needed(out_of: int, pass_mark: int) -> int:
    """How many right answers the pass mark asks for."""
    return -(-out_of * pass_mark // 100)
