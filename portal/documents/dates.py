"""Dates and times as people read them, the same on pages and on paper."""

from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time


@lru_cache(maxsize=32)
def canadian(language: str) -> Locale:
    """The language as Canada writes it, else the language itself."""
    try:
        return Locale.parse(f"{language.replace('-', '_').partition('_')[0]}_CA")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(language, sep="-")


@lru_cache(maxsize=4096)
def day(value: date, language: str) -> str:
    """January 14, 2026."""
    return format_date(value, "long", locale=canadian(language))


def moment(value: datetime, language: str, zone: ZoneInfo) -> str:
    """January 14, 2026, 9:42 a.m. MST. The value must have a zone."""
    local = value.astimezone(zone)
    time = format_time(local, "short", tzinfo=zone, locale=canadian(language))
    return f"{day(local.date(), language)}, {time} {local.tzname()}"
