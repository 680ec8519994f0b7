"""The due date as a calendar file."""

from datetime import date, datetime, timedelta
from typing import Protocol
from uuid import UUID

from flask_babel import gettext as _
from icalendar import Alarm, Calendar, Event


class Dated(Protocol):
    """What has a title and a due date."""

    @property
    def id(self) -> UUID:
        """Of the assignment."""

    @property
    def title(self) -> str:
        """Of the campaign."""

    @property
    def due_on(self) -> date:
        """The last day to sign."""


def due_date_event(duty: Dated, *, link: str, now: datetime) -> bytes:
    """An all-day event on the due date with an alarm a week before (RFC 5545)."""
    event = Event()
    event.add("uid", f"{duty.id}@attestation-portal")
    event.add("dtstamp", now)
    event.add("dtstart", duty.due_on)
    event.add("dtend", duty.due_on + timedelta(days=1))
    event.add("summary", _("Due: %(title)s", title=duty.title))
    event.add("description", link)
    event.add("url", link)
    event.add("transp", "TRANSPARENT")
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", _("Due in a week: %(title)s", title=duty.title))
    alarm.add("trigger", timedelta(days=-7))
    event.add_component(alarm)
    calendar = Calendar()
    calendar.add("prodid", "-//attestation-portal//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
