"""Whom a message can be about, as parts of a question to the database."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, exists, false, or_

from portal.campaigns.models import DISCHARGED, Assignment, Campaign
from portal.reminders.models import Reminder

REMINDER, NUDGE, LIST = "reminder", "nudge", "list"
LOOK = 1000  # people who are looked up at once


def is_running() -> tuple[ColumnElement[bool], ...]:
    """Of a campaign: launched and not closed."""
    return (Campaign.launched_at.is_not(None), Campaign.closed_at.is_(None))


def is_owed() -> tuple[ColumnElement[bool], ...]:
    """Of a duty: neither discharged nor on leave."""
    return (Assignment.status.not_in(DISCHARGED), Assignment.paused_on.is_(None))


def was_told(person_id: Any, today: date, kind: str) -> ColumnElement[bool]:
    """Whether the person got this kind of message on the day."""
    return exists().where(
        Reminder.person_id == person_id, Reminder.on == today, Reminder.kind == kind
    )


def any_of(which: Sequence[ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether one of them holds; none of none."""
    return or_(false(), *which)
