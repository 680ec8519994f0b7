from datetime import UTC, date, datetime, timedelta

import pytest

from portal import db, jobs
from portal.campaigns import deciding, leaves
from portal.campaigns.audience import Audience, Fact, Part
from portal.campaigns.models import Decision, Status
from portal.people.services import identify
from tests.campaigns.test_deciding import log_of
from tests.factories import make_assignment, make_hr

DAY = date(2026, 12, 1)
LONG_AGO = datetime(2026, 10, 1, 18, tzinfo=UTC)


@pytest.fixture
def harper(each_app):
    return identify(make_hr())


@pytest.fixture
def on(clock):
    def set_to(day):
        clock(datetime(day.year, day.month, day.day, 18, tzinfo=UTC))

    set_to(DAY)
    return set_to


@pytest.fixture
def away(harper):
    """Note a leave: first day away and first day back, counted from the first of December."""

    def note(duty, begins, ends, *, day=DAY):
        return leaves.begin_leave(
            duty.person_id,
            begins_on=day + timedelta(days=begins),
            ends_on=None if ends is None else day + timedelta(days=ends),
            reason="Away",
            by=harper,
        )

    return note


def settle():
    db.finish(keep=True)
    jobs.run_once(deciding.EXEMPT)
    jobs.run_once(leaves.SETTLE)
    jobs.run_once(leaves.GIVE_BACK)
    db.session.expire_all()


def moves_of(duty):
    return [
        (each.due_after - each.due_before).days
        for each in deciding.list_decisions([duty.id])
        if each.decision is Decision.RESUMED
    ]


def test_a_leave_that_is_planned_for_later_counts_only_when_it_was(on, away):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    away(duty, 0, 10)
    away(duty, 90, 120)
    settle()

    on(DAY + timedelta(days=10))
    settle()
    assert duty.due_on == DAY + timedelta(days=30)

    on(DAY + timedelta(days=120))
    settle()
    assert duty.due_on == DAY + timedelta(days=60)


def test_leaves_that_overlap_after_a_correction_count_each_day_once(on, away, harper):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    first = away(duty, 0, 5)
    away(duty, 5, 12)
    leaves.end_leave(first, ends_on=DAY + timedelta(days=9), by=harper)
    settle()

    on(DAY + timedelta(days=12))
    settle()

    assert duty.due_on == DAY + timedelta(days=32)


@pytest.mark.parametrize("noticed", [11, 20])
@pytest.mark.parametrize("back", [4, 14])
def test_a_first_day_back_that_is_corrected_counts_no_day_twice(on, away, harper, noticed, back):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    leave = away(duty, 0, 10)
    settle()
    on(DAY + timedelta(days=10))
    settle()

    on(DAY + timedelta(days=noticed))
    leaves.end_leave(leave, ends_on=DAY + timedelta(days=back), by=harper)
    settle()
    on(DAY + timedelta(days=21))
    settle()

    assert duty.paused_on is None
    assert duty.due_on == DAY + timedelta(days=20 + back)
    assert moves_of(duty) == [10, back - 10]


def test_a_leave_that_is_noted_when_it_is_over_gives_its_days_back_at_once(on, away):
    duty = make_assignment(due_on=DAY + timedelta(days=5), assigned_at=LONG_AGO)

    away(duty, -20, 0)

    assert duty.due_on == DAY + timedelta(days=25)


def test_a_leave_during_which_no_worker_ran_gives_its_days_back(on, away):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    away(duty, 2, 4)

    on(DAY + timedelta(days=5))
    settle()

    assert duty.due_on == DAY + timedelta(days=22)
    assert leaves.SETTLE.due(10) == leaves.GIVE_BACK.due(10) == []


def test_a_leave_over_the_due_date_leaves_as_many_days_as_there_were(on, away):
    duty = make_assignment(due_on=DAY + timedelta(days=7))
    away(duty, 5, 25)
    on(DAY + timedelta(days=25))
    settle()

    assert duty.due_on == DAY + timedelta(days=27)


@pytest.mark.parametrize("how", ["by name", "by a rule"])
def test_days_of_leave_during_a_release_are_given_back_when_it_ends(on, away, harper, how):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    if how == "by name":
        deciding.release(duty, reason="x", until=None, by=harper)
    else:
        everyone = Audience((Part({Fact.KIND: ("employee",)}),))
        rule = deciding.exempt(duty.campaign, everyone, reason="x", by=harper)
        settle()
    away(duty, 2, 7)
    on(DAY + timedelta(days=10))
    settle()

    on(DAY + timedelta(days=11))
    if how == "by name":
        deciding.take_back(duty, reason="x", by=harper)
    else:
        deciding.end_exemption(rule, by=harper)
    settle()

    assert duty.due_on == DAY + timedelta(days=25)


def test_a_leap_day_on_leave_is_a_day(on, away):
    february = date(2028, 2, 28)
    on(february)
    duty = make_assignment(due_on=date(2028, 3, 31), assigned_at=LONG_AGO)
    away(duty, 0, 2, day=february)
    on(date(2028, 3, 1))
    settle()

    assert duty.due_on == date(2028, 4, 2)


def test_a_leave_that_was_over_before_the_duty_came_moves_nothing(on, away):
    duty = make_assignment(due_on=DAY + timedelta(days=10))

    away(duty, -30, -10)
    settle()

    assert duty.due_on == DAY + timedelta(days=10)
    assert moves_of(duty) == []


def test_what_is_settled_stays_as_it_is(on, away):
    duty = make_assignment(due_on=DAY + timedelta(days=20), assigned_at=LONG_AGO)
    away(duty, -10, -5)

    for _ in range(3):
        leaves.settle(duty.id, today=DAY)

    assert duty.due_on == DAY + timedelta(days=25)
    assert moves_of(duty) == [5]


@pytest.mark.parametrize("back", [3, 9])
def test_who_left_while_on_leave_is_not_looked_at_again(on, away, back):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    away(duty, 0, 5)
    settle()
    duty.person.left_on = DAY + timedelta(days=1)
    on(DAY + timedelta(days=1))
    settle()

    on(DAY + timedelta(days=back))
    settle()

    assert leaves.SETTLE.due(10) == leaves.GIVE_BACK.due(10) == []


def test_who_leaves_after_a_campaign_closed_keeps_its_duty_as_it_was(on, away):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    away(duty, 1, 5)
    duty.campaign.closed_at = db.utc_now()
    duty.person.left_on = DAY + timedelta(days=2)

    on(DAY + timedelta(days=5))
    settle()

    assert duty.status is Status.NOT_STARTED


def test_a_correction_of_the_first_day_back_is_in_the_log_with_what_it_was(on, away, harper):
    duty = make_assignment(due_on=DAY + timedelta(days=20))
    leave = away(duty, 0, 10)
    settle()
    leaves.end_leave(leave, ends_on=DAY + timedelta(days=14), by=harper)

    assert log_of("leave.ended") == [
        {
            "person": str(duty.person_id),
            "before": {"ends_on": "2026-12-11"},
            "after": {"ends_on": "2026-12-15"},
        }
    ]
    assert log_of("duty.decided")[0]["after"] == {"paused_on": "2026-12-01"}
