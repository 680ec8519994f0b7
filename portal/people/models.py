"""People as the directory knows them, their sessions here, and failed sign-ins."""

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, utc_now


class Person(Base):
    """Anyone in the directory: employee, contractor, leaver. Never deleted."""

    __tablename__ = "people"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    directory_id: Mapped[str] = mapped_column(String(64), unique=True)  # entryUUID or objectGUID
    username: Mapped[str] = mapped_column(String(200), index=True)
    full_name: Mapped[str] = mapped_column(String(200))
    family_name: Mapped[str] = mapped_column(String(200), default="")
    sort_name: Mapped[str] = mapped_column(String(200), index=True)  # folded, family name first
    email: Mapped[str] = mapped_column(String(320), default="")
    language: Mapped[str] = mapped_column(String(10), default="")  # preferred; empty: not known
    department: Mapped[str] = mapped_column(String(200), default="")
    job_title: Mapped[str] = mapped_column(String(200), default="")
    kind: Mapped[str] = mapped_column(String(20), default="employee")  # or contractor
    location: Mapped[str] = mapped_column(String(200), default="")
    union_scope: Mapped[str] = mapped_column(String(10), default="")  # in, out; empty: not known
    groups: Mapped[list[str]] = mapped_column(JSON, default=list)  # of the directory, as we ask
    manager_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    sponsor: Mapped[str] = mapped_column(String(200), default="")  # name, for contractors
    started_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    roles: Mapped[list[str]] = mapped_column(JSON, default=list)
    audiences: Mapped[list[str]] = mapped_column(JSON, default=list)  # manager, contractor, ...
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)  # last read from the directory


class Session(Base):
    """One signed-in browser. The cookie holds the token, this row only its SHA-256."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    checked_at: Mapped[datetime] = mapped_column(default=utc_now)  # account state, by directory
    kiosk_id: Mapped[UUID | None] = mapped_column(ForeignKey("kiosks.id"), index=True)


class Kiosk(Base):
    """A shared device on which people sign in one after another."""

    __tablename__ = "kiosks"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(100))
    location: Mapped[str] = mapped_column(String(200), default="")
    code_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), index=True)  # used once
    code_until: Mapped[datetime | None]
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    made_by: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    made_at: Mapped[datetime] = mapped_column(default=utc_now)
    set_up_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]

    maker: Mapped[Person] = relationship()


class FailedSignIn(Base):
    """One failed try, kept for the rate limit. Name and address are stored as keyed hashes."""

    __tablename__ = "failed_sign_ins"
    __table_args__ = (Index(None, "subject", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subject: Mapped[bytes] = mapped_column(LargeBinary(32))
    at: Mapped[datetime] = mapped_column(default=utc_now)
