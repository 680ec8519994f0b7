"""On which days a duty is reminded of (pure)."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

DAY = timedelta(days=1)
FURTHEST = 30  # days that a run makes up for, after a long standstill


def open_window(today: date, last_run: date | None) -> list[date]:
    """The days that a run on `today` answers for: all since the last run.

    So that a reminder that falls on a weekend or a holiday goes out on the next business day.
    """
    first = last_run + DAY if last_run else today
    first = max(first, today - timedelta(days=FURTHEST))
    return [first + DAY * number for number in range((today - first).days + 1)]


def is_time(due_on: date, plan: Mapping[str, Any], window: list[date]) -> bool:
    """Whether a duty with this due date is reminded of on one of the days.

    `plan` is the campaign's: days `before` the due date, and `after_every` so many days after it.
    """
    every = plan.get("after_every")
    for day in window:
        left = (due_on - day).days
        if left > 0 and left in plan.get("before", ()):
            return True
        if every and left < 0 and -left % every == 0:
            return True
    return False
