"""Periods, holds, and the lists of what HR lets go."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.campaigns.models import Campaign
from portal.db import Base, utc_now
from portal.people.models import Person


class RetentionRule(Base):
    """How many months the data of a campaign is kept; none: for ever."""

    __tablename__ = "retention_rules"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    months: Mapped[int]
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime] = mapped_column(default=utc_now)

    by: Mapped[Person] = relationship()


class ContractRule(Base):
    """How many months after a contract an invited person without a duty is kept: one row, or none.

    Whom the City's directory knows is forgotten there.
    """

    __tablename__ = "contract_rules"

    id: Mapped[int] = mapped_column(primary_key=True, default=1, autoincrement=False)
    months: Mapped[int]
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime] = mapped_column(default=utc_now)

    by: Mapped[Person] = relationship()


class LegalHold(Base):
    """A reason to keep a person's or a campaign's data whatever its period is."""

    __tablename__ = "legal_holds"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id"), index=True)
    person_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    reason: Mapped[str] = mapped_column(Text)
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]

    campaign: Mapped[Campaign | None] = relationship()
    person: Mapped[Person | None] = relationship(foreign_keys=person_id)
    by: Mapped[Person] = relationship(foreign_keys=by_id)


class DisposalList(Base):
    """What is past its period on one day; nothing happens before HR approves."""

    __tablename__ = "disposal_lists"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    made_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime] = mapped_column(default=utc_now)
    approved_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    approved_at: Mapped[datetime | None]


class DisposalItem(Base):
    """One duty on a list."""

    __tablename__ = "disposal_items"
    __table_args__ = (Index(None, "list_id", "place"),)

    list_id: Mapped[UUID] = mapped_column(ForeignKey("disposal_lists.id"), primary_key=True)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), primary_key=True)
    place: Mapped[int]  # on the list, which is by name, from 1
    kept_because: Mapped[str] = mapped_column(Text, default="")  # taken off the list
    done_at: Mapped[datetime | None]


class DisposalPerson(Base):
    """One person without a duty on a list."""

    __tablename__ = "disposal_people"
    __table_args__ = (Index(None, "list_id", "place"),)

    list_id: Mapped[UUID] = mapped_column(ForeignKey("disposal_lists.id"), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    place: Mapped[int]  # on the list, which is by name, from 1
    kept_because: Mapped[str] = mapped_column(Text, default="")  # taken off the list
    done_at: Mapped[datetime | None]
