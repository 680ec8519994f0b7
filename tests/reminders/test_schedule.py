from datetime import date, timedelta

import pytest

from portal.reminders import schedule

PLAN = {"before": [14, 7, 1], "after_every": 7}
FRIDAY, MONDAY = date(2026, 12, 4), date(2026, 12, 7)


def days_of(due_on, plan, first, last):
    """The days on which a run that comes every day would remind."""
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [day for day in days if schedule.is_time(due_on, plan, [day])]


def test_before_and_after_the_due_date():
    days = days_of(date(2026, 12, 15), PLAN, date(2026, 11, 20), date(2026, 12, 31))

    assert days == [
        date(2026, 12, 1),
        date(2026, 12, 8),
        date(2026, 12, 14),
        date(2026, 12, 22),
        date(2026, 12, 29),
    ]


def test_on_the_due_date_itself_nobody_is_reminded():
    assert not schedule.is_time(FRIDAY, PLAN, [FRIDAY])


def test_what_falls_on_a_weekend_goes_out_on_monday():
    due_on = date(2026, 12, 6) + timedelta(days=7)  # a reminder on Sunday

    window = schedule.open_window(MONDAY, last_run=FRIDAY)

    assert schedule.is_time(due_on, PLAN, window)
    assert not schedule.is_time(due_on, PLAN, [MONDAY])


def test_the_first_run_looks_at_its_own_day_only():
    assert schedule.open_window(MONDAY, last_run=None) == [MONDAY]


def test_after_a_long_standstill_a_run_looks_back_a_month_at_most():
    window = schedule.open_window(MONDAY, last_run=date(2025, 1, 1))

    assert len(window) == schedule.FURTHEST + 1


@pytest.mark.parametrize("plan", [{}, {"before": [], "after_every": None}])
def test_without_a_plan_nobody_is_reminded(plan):
    assert days_of(FRIDAY, plan, date(2026, 1, 1), date(2026, 12, 31)) == []


def test_a_leap_day_is_a_day_as_any_other():
    assert days_of(date(2028, 3, 1), {"before": [1]}, date(2028, 2, 1), date(2028, 3, 31)) == [
        date(2028, 2, 29)
    ]
