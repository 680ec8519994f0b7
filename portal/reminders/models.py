"""Who was reminded of what, and which days were looked through. Rows are only ever added."""

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, utc_now


class Reminder(Base):
    """One person, one day: what they were reminded of, however many duties they have."""

    __tablename__ = "reminders"
    __table_args__ = (UniqueConstraint("person_id", "on", "kind"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    on: Mapped[date]
    kind: Mapped[str] = mapped_column(String(20))  # reminder | nudge | list, of a manager
    assignments: Mapped[list[Any]] = mapped_column(JSON)  # ids of the duties
    by_mail: Mapped[bool]  # False: no work email, so it is on the manager's list
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))  # who nudged
    at: Mapped[datetime] = mapped_column(default=utc_now)


class ReminderRun(Base):
    """A day on which everyone was looked through."""

    __tablename__ = "reminder_runs"

    day: Mapped[date] = mapped_column(primary_key=True)
    reminded: Mapped[int]  # people
    without_mail: Mapped[int]  # of them, on a manager's list
    lists: Mapped[int]  # managers
    finished_at: Mapped[datetime] = mapped_column(default=utc_now)
