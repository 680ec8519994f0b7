"""Campaigns, the duties they give to people, and what HR decides about them."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    JSON,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.courses.models import CourseVersion
from portal.db import Base, utc_now
from portal.people.models import Person


class Kind(StrEnum):
    """What a campaign is: its dates follow from it."""

    ANNUAL = "annual"  # everyone by one date
    ONBOARDING = "onboarding"  # a number of days after each person's start
    UPDATE = "update"  # what changed in a policy, for who signed before


class Status(StrEnum):
    """Where an assignment stands. "Overdue" is not one: it follows from the due date."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    READY = "ready"  # all steps done, not signed
    SIGNED = "signed"
    REFUSED = "refused"  # said that they do not agree; may still sign
    WAIVED = "waived"  # released; nothing is asked


STATUS_WORDS = {
    Status.NOT_STARTED.value: _l("Not started"),
    Status.IN_PROGRESS.value: _l("In progress"),
    Status.READY.value: _l("Ready to sign"),
    Status.SIGNED.value: _l("Signed"),
    Status.REFUSED.value: _l("Does not agree"),
    Status.WAIVED.value: _l("Released"),
}

DISCHARGED = (Status.SIGNED, Status.WAIVED)
"""Nothing is due any more."""


class Decision(StrEnum):
    """What HR decided about one duty."""

    WAIVED = "waived"  # one person's release
    EXEMPTED = "exempted"  # released by a rule for a group
    RETURNED = "returned"  # a release ended: the duty is back
    EXTENDED = "extended"  # a new due date
    LEFT = "left"  # the person does not work here any more
    PAUSED = "paused"  # a leave of absence began: the clock stands
    RESUMED = "resumed"  # it ended: the days are given back


def _values(members: type[StrEnum]) -> list[str]:
    """The database holds the values, not the names."""
    return [member.value for member in members]


def _word(members: type[StrEnum]) -> Enum:
    return Enum(members, native_enum=False, length=20, values_callable=_values)


class Campaign(Base):
    """One drive: a course version, an audience, dates. A draft until it is launched."""

    __tablename__ = "campaigns"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    key: Mapped[str] = mapped_column(String(100), unique=True)  # what commands call it
    title: Mapped[str] = mapped_column(String(200))
    kind: Mapped[Kind] = mapped_column(_word(Kind))
    course_version_id: Mapped[UUID] = mapped_column(ForeignKey("course_versions.id"))
    audience: Mapped[list[Any]] = mapped_column(JSON)  # portal.campaigns.audience
    opens_on: Mapped[date]
    due_on: Mapped[date | None]  # annual, update
    due_days: Mapped[int | None]  # onboarding: days after the person's start
    business_days: Mapped[bool] = mapped_column(default=False)  # what `due_days` counts
    min_interval: Mapped[int | None]  # months; who signed within them has nothing to do
    # {"before": [14, 7, 1], "after_every": 7, "at_most": 8, "escalate_after": 10}: days
    reminders: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    launched_at: Mapped[datetime | None]
    filled_at: Mapped[datetime | None]  # everyone in the audience had their duty
    closed_at: Mapped[datetime | None]
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)
    changed_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))  # None: a command

    course_version: Mapped[CourseVersion] = relationship()
    changer: Mapped[Person | None] = relationship()

    @property
    def is_open(self) -> bool:
        """Whether it gives duties: launched and not closed."""
        return self.launched_at is not None and self.closed_at is None


_NARROWED = ("person_id", "kind", "department", "status", "due_on", "paused_on", "signed_at")
_OF_TEAM = ("status", "due_on", "paused_on", "signed_at", "sort_name", "id")


class Assignment(Base):
    """One person's duty in one campaign."""

    __tablename__ = "assignments"
    __table_args__ = (
        UniqueConstraint("campaign_id", "person_id"),
        # What lists are ordered by stands here too: the database keeps it as the person has it.
        ForeignKeyConstraint(
            ["person_id", "sort_name"], ["people.id", "people.sort_name"], onupdate="CASCADE"
        ),
        Index(None, "campaign_id", "department", "status"),
        Index(None, "campaign_id", "status", "due_on", "paused_on"),
        # A list by name is read in this one alone, whatever it is narrowed to.
        Index("ix_assignments_by_name", "campaign_id", "sort_name", "id", *_NARROWED),
        Index("ix_assignments_by_person", "campaign_id", "person_id", *_OF_TEAM),
        Index(None, "waived_until"),
        Index(None, "paused_on"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    person_id: Mapped[UUID] = mapped_column(index=True)
    sort_name: Mapped[str] = mapped_column(String(200))  # the person's
    course_version_id: Mapped[UUID] = mapped_column(ForeignKey("course_versions.id"))
    # What they had signed of this course when it was given. What they walk follows from today's.
    since_version_id: Mapped[UUID | None] = mapped_column(ForeignKey("course_versions.id"))
    # Kind of employment and department when assigned: movers keep their figure.
    kind: Mapped[str] = mapped_column(String(20))
    department: Mapped[str] = mapped_column(String(200))
    due_on: Mapped[date]
    status: Mapped[Status] = mapped_column(_word(Status), default=Status.NOT_STARTED)
    paused_on: Mapped[date | None]  # on leave since: not overdue, not reminded
    waived_until: Mapped[date | None]  # the last day of a release that ends
    assigned_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None]
    signed_at: Mapped[datetime | None]
    reminded: Mapped[int] = mapped_column(default=0)  # how many reminders named it
    escalated_on: Mapped[date | None]  # when the manager's list named it

    campaign: Mapped[Campaign] = relationship()
    person: Mapped[Person] = relationship(
        primaryjoin=lambda: Assignment.person_id == Person.id, foreign_keys=person_id
    )
    course_version: Mapped[CourseVersion] = relationship(foreign_keys=course_version_id)


class DutyDecision(Base):
    """One decision about one duty: who, why, until when. Rows are only ever added."""

    __tablename__ = "duty_decisions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), index=True)
    decision: Mapped[Decision] = mapped_column(_word(Decision))
    reason: Mapped[str] = mapped_column(Text)
    until: Mapped[date | None]  # of a release: the last day
    status_before: Mapped[Status | None] = mapped_column(_word(Status))
    due_before: Mapped[date | None]
    due_after: Mapped[date | None]
    exemption_id: Mapped[UUID | None] = mapped_column(ForeignKey("exemptions.id"))
    by_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))  # None: the portal
    at: Mapped[datetime] = mapped_column(default=utc_now)

    by: Mapped[Person | None] = relationship()


class Exemption(Base):
    """A rule that takes a group out of a campaign."""

    __tablename__ = "exemptions"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), index=True)
    audience: Mapped[list[Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(Text)
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    carried_out_at: Mapped[datetime | None]  # all duties are as the rule, or its end, says

    by: Mapped[Person] = relationship(foreign_keys=by_id)


class Leave(Base):
    """A person's leave of absence: the clock of all their duties stands."""

    __tablename__ = "leaves"
    __table_args__ = (Index(None, "person_id", "begins_on"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    begins_on: Mapped[date]
    ends_on: Mapped[date | None]  # first day back; None: not known yet
    given_back_on: Mapped[date | None]  # the person's duties have its days
    reason: Mapped[str] = mapped_column(Text)
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime] = mapped_column(default=utc_now)

    person: Mapped[Person] = relationship(foreign_keys=person_id)
