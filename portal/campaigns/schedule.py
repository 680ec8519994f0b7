"""When a duty is due, and which days count (pure)."""

from collections.abc import Container
from datetime import date, timedelta

SATURDAY = 5
GRACE = timedelta(days=14)


def due_on(
    *,
    opens_on: date,
    fixed: date | None,
    days: int | None,
    started_on: date | None,
    holidays: Container[date] | None = None,
    joined_on: date | None = None,
) -> date:
    """The due date of one person's duty.

    An annual campaign has a fixed date; who gets the duty after the launch, on `joined_on`, has
    GRACE at least. An onboarding is due `days` days after the person's
    start, or after the campaign opened for who was here before it: calendar days, or business
    days where `holidays` are given.
    """
    if fixed is not None:
        return max(fixed, joined_on + GRACE) if joined_on else fixed
    start = max(opens_on, started_on) if started_on else opens_on
    if holidays is None:
        return start + timedelta(days=days or 0)
    return add_business_days(start, days or 0, holidays)


def add_business_days(start: date, days: int, holidays: Container[date]) -> date:
    """The day that many business days after `start`."""
    day = start
    while days > 0:
        day += timedelta(days=1)
        days -= is_business_day(day, holidays)
    return day


def is_business_day(day: date, holidays: Container[date]) -> bool:
    """Neither a weekend nor a holiday of the City."""
    return day.weekday() < SATURDAY and day not in holidays


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or its last: a year before February 29 is February 28."""
    count = day.year * 12 + day.month - 1 - months
    year, month = divmod(count, 12)
    for last in range(day.day, 0, -1):
        try:
            return date(year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")
