"""What answers tell of a question (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt

FEWEST = 5
"""Fewer people are never shown: one could be picked out."""

ENOUGH = 30
"""From so many people on a discrimination says something."""

MISLEADS_BELOW = 0.1


@dataclass(frozen=True)
class Sums:
    """Over first attempts: people, right answers, and the sums that a correlation needs.

    x is 1 for a right answer, y the number of right answers to the other questions.
    """

    n: int
    x: int
    y: int
    xy: int
    yy: int


def discrimination(sums: Sums) -> float | None:
    """Corrected item-total correlation, -1 to 1; None where all answered alike.

    Whether those who know the rest answer this one right (Crocker and Algina, Introduction to
    Classical and Modern Test Theory, 1986, ch. 14). The item itself is not part of the total.
    """
    n, x = sums.n, sums.x
    spread_x = n * x - x * x
    spread_y = n * sums.yy - sums.y * sums.y
    if spread_x <= 0 or spread_y <= 0:
        return None
    return (n * sums.xy - x * sums.y) / sqrt(spread_x * spread_y)


def hide_few(counts: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """What may be shown of these counts: those of FEWEST or more, and all others together.

    What is hidden cannot be found by subtraction: when the others together are fewer than FEWEST,
    the smallest of the shown joins them.
    """
    shown = {key: number for key, number in counts.items() if number >= FEWEST}
    others = sum(number for number in counts.values() if number < FEWEST)
    while 0 < others < FEWEST and shown:
        smallest = min(shown, key=lambda key: shown[key])
        others += shown.pop(smallest)
    return shown, others
