"""When a duty is due (pure)."""

from datetime import date, timedelta


def due_on(
    *, opens_on: date, fixed: date | None, days: int | None, started_on: date | None
) -> date:
    """The due date of one person's duty.

    An annual campaign has a fixed date. An onboarding is due `days` calendar days after the
    person's start, or after the campaign opened for who was here before it.
    """
    if fixed is not None:
        return fixed
    start = max(opens_on, started_on) if started_on else opens_on
    return start + timedelta(days=days or 0)
