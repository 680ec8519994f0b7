from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.config import Settings
from portal.documents import dates

CITY = Settings().zone


def test_a_day_is_written_out():
    assert dates.day(date(2026, 1, 30), "en") == "January 30, 2026"


@pytest.mark.parametrize(
    ("moment", "read"),
    [
        (datetime(2026, 1, 14, 16, 42, tzinfo=UTC), "January 14, 2026, 9:42 a.m. MST"),
        (datetime(2026, 7, 14, 16, 42, tzinfo=UTC), "July 14, 2026, 10:42 a.m. MDT"),
        (datetime(2026, 1, 14, 5, 0, tzinfo=UTC), "January 13, 2026, 10:00 p.m. MST"),
    ],
)
def test_a_time_is_that_of_the_citys_clocks(moment, read):
    assert dates.moment(moment, "en", CITY).replace("\u202f", " ").replace("\xa0", " ") == read


def test_the_zones_rules_are_those_of_the_pinned_package_on_every_machine():
    """Since late 2026 the City keeps its summer hour; older machines do not know it."""
    winter = datetime(2026, 12, 1, tzinfo=ZoneInfo("America/Edmonton"))

    assert winter.utcoffset() == timedelta(hours=-6)


def test_another_language_is_written_as_canada_does():
    assert dates.day(date(2026, 1, 30), "fr") == "30 janvier 2026"
