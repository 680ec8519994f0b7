"""Draws scenarios and quizzes, marks answers, and weighs steps (pure)."""

from collections import Counter
from collections.abc import Collection, Iterable, Set
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from random import Random

from portal.courses.course import Question, Quiz, Scenario, Scene, Section, Step

QUESTION, SCENARIO = 0.8, 1.3
"""What they take, counted in pages: so it is in our own courses."""

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


@lru_cache(maxsize=2**14)
def draw_scenarios(
    pool: tuple[str, ...], number: int, *, seed: str, begun: frozenset[str], met: frozenset[str]
) -> frozenset[str]:
    """Which of these scenarios, by key, a person gets; the same each time one comes back.

    All that are begun stay; then come those not met before, in an order of one's own, which a
    scenario more or less in the course leaves as it is.
    """

    def order(key: str) -> tuple[bool, bool, bytes]:
        return key not in begun, key in met, sha256(f"{seed}{key}".encode()).digest()

    return frozenset(sorted(pool, key=order)[: max(number, len(begun.intersection(pool)))])


def effort(walk: Iterable[tuple[Section, Step]]) -> float:
    """What these steps take, counted in pages; of scenarios, as many count as are drawn."""
    scenarios: Counter[str] = Counter()
    pages = 0.0
    for section, step in walk:
        if isinstance(step, Quiz):
            pages += QUESTION * step.rules.draw
        elif isinstance(step, Scenario):
            scenarios[section.key] += 1
            is_drawn = not section.scenarios or scenarios[section.key] <= section.scenarios
            pages += SCENARIO if is_drawn else 0
        else:
            pages += 1
    return pages


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
