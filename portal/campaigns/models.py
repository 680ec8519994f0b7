"""Campaigns and the duties they give to people."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import Enum, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.courses.models import CourseVersion
from portal.db import Base, utc_now
from portal.people.models import Person


class Status(StrEnum):
    """Where an assignment stands. "Overdue" is not one: it follows from the due date."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    READY = "ready"  # all steps done, not signed
    SIGNED = "signed"
    REFUSED = "refused"  # said that they do not agree; may still sign


def _values(statuses: type[Status]) -> list[str]:
    """The database holds the values, not the names."""
    return [status.value for status in statuses]


class Campaign(Base):
    """One drive: a course version, an audience, dates."""

    __tablename__ = "campaigns"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    key: Mapped[str] = mapped_column(String(100), unique=True)  # what commands call it
    title: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))  # annual | onboarding
    course_version_id: Mapped[UUID] = mapped_column(ForeignKey("course_versions.id"))
    audience: Mapped[str] = mapped_column(String(20))  # employee | contractor
    opens_on: Mapped[date]
    due_on: Mapped[date | None]  # annual
    due_days: Mapped[int | None]  # onboarding: days after the person's start
    closed_at: Mapped[datetime | None]

    course_version: Mapped[CourseVersion] = relationship()


class Assignment(Base):
    """One person's duty in one campaign."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("campaign_id", "person_id"),
        Index(None, "campaign_id", "department", "status"),
        Index(None, "campaign_id", "status", "due_on"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    department: Mapped[str] = mapped_column(String(200))  # when assigned: movers keep their figure
    due_on: Mapped[date]
    status: Mapped[Status] = mapped_column(
        Enum(Status, native_enum=False, length=20, values_callable=_values),
        default=Status.NOT_STARTED,
    )
    assigned_at: Mapped[datetime] = mapped_column(default=utc_now)
    signed_at: Mapped[datetime | None]

    campaign: Mapped[Campaign] = relationship()
    person: Mapped[Person] = relationship()
