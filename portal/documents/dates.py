"""Dates, times, sizes and languages as people read them, the same on pages and on paper."""

from datetime import date, datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.units import format_unit

_SIZES = (("digital-megabyte", 1_000_000), ("digital-kilobyte", 1_000))


@lru_cache(maxsize=32)
def canadian(language: str) -> Locale:
    """The language as Canada writes it, else the language itself."""
    try:
        return Locale.parse(f"{language.replace('-', '_').partition('_')[0]}_CA")
    except (UnknownLocaleError, ValueError):
        return Locale.parse(language, sep="-")


def language_name(language: str, reader: str) -> str:
    """What a language is called in the language of the reader: fr, en -> French."""
    return Locale.parse(language, sep="-").get_display_name(reader) or language


def size(value: int, language: str) -> str:
    """How large a file is: 553 bytes, 12 kB, 3.4 MB."""
    unit, each = next(((unit, each) for unit, each in _SIZES if value >= each), ("digital-byte", 1))
    length: Literal["long", "short"] = "long" if each == 1 else "short"
    return format_unit(
        round(value / each, 1), unit, length, format="#,##0.#", locale=canadian(language)
    )


@lru_cache(maxsize=4096)
def day(value: date, language: str) -> str:
    """January 14, 2026."""
    return format_date(value, "long", locale=canadian(language))


def moment(value: datetime, language: str, zone: ZoneInfo) -> str:
    """January 14, 2026, 9:42 a.m. MST. The value must have a zone."""
    local = value.astimezone(zone)
    time = format_time(local, "short", tzinfo=zone, locale=canadian(language))
    return f"{day(local.date(), language)}, {time} {local.tzname()}"
