from datetime import date

from portal.campaigns.schedule import due_on


def test_an_annual_duty_is_due_on_the_day_of_the_campaign():
    assert due_on(
        opens_on=date(2026, 11, 1), fixed=date(2027, 1, 29), days=None, started_on=date(2020, 1, 1)
    ) == date(2027, 1, 29)


def test_an_onboarding_is_due_some_days_after_the_start():
    assert due_on(
        opens_on=date(2026, 1, 1), fixed=None, days=14, started_on=date(2026, 11, 16)
    ) == date(2026, 11, 30)


def test_who_was_here_before_the_campaign_has_the_days_from_its_opening():
    assert due_on(
        opens_on=date(2026, 11, 1), fixed=None, days=14, started_on=date(2024, 5, 1)
    ) == date(2026, 11, 15)


def test_leap_day_counts_as_a_day():
    assert due_on(
        opens_on=date(2028, 1, 1), fixed=None, days=14, started_on=date(2028, 2, 20)
    ) == date(2028, 3, 5)


def test_without_a_start_the_opening_counts():
    assert due_on(opens_on=date(2026, 11, 1), fixed=None, days=7, started_on=None) == date(
        2026, 11, 8
    )


def test_who_joins_late_in_an_annual_campaign_has_two_weeks_at_least():
    def joins(on):
        return due_on(
            opens_on=date(2026, 11, 1),
            fixed=date(2027, 1, 29),
            days=None,
            started_on=None,
            joined_on=on,
        )

    assert joins(date(2026, 12, 1)) == date(2027, 1, 29)
    assert joins(date(2027, 1, 20)) == date(2027, 2, 3)
    assert joins(date(2027, 3, 1)) == date(2027, 3, 15)
