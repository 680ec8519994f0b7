"""What the worker makes for HR: files, and counts that would take a look too long."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, utc_now
from portal.people.models import Person


class Export(Base):
    """One file: what it holds, how far it is, and how long it is kept."""

    __tablename__ = "exports"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[str] = mapped_column(String(20))  # people-csv | people-xlsx | records | pack
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    filters: Mapped[dict[str, Any]] = mapped_column(JSON)
    # The same file is not made twice at once: kind, filters and person; empty when it is made.
    under_way: Mapped[str | None] = mapped_column(String(64), unique=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    asked_at: Mapped[datetime] = mapped_column(default=utc_now)
    rows: Mapped[int] = mapped_column(default=0)  # of all that go into it
    done: Mapped[int] = mapped_column(default=0)
    ready_at: Mapped[datetime | None] = mapped_column(index=True)
    file_name: Mapped[str] = mapped_column(String(200), default="")
    size: Mapped[int] = mapped_column(BigInteger, default=0)  # bytes
    sha256: Mapped[str] = mapped_column(String(64), default="")
    failed: Mapped[str] = mapped_column(Text, default="")  # why, in words
    kept_until: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship()


class Tally(Base):
    """What is counted ahead of a large campaign: never who did what."""

    __tablename__ = "tallies"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    at: Mapped[datetime]  # when the count began
    answers: Mapped[list[Any]] = mapped_column(JSON)  # each as portal.reports.tallies.Given
    figures: Mapped[dict[str, Any]] = mapped_column(JSON)  # as portal.reports.figures.Figures
