"""People as the directory knows them, their sessions here, and failed sign-ins."""

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, utc_now


class Person(Base):
    """Anyone in the directory: employee, contractor, leaver. Never deleted."""

    __tablename__ = "people"
    __table_args__ = (
        Index(None, "sort_name", "id"),  # with the id: a list is read in it alone
        Index(None, "id", "sort_name", unique=True),  # what a duty repeats of a person
        Index(None, "manager_id", "id"),  # a team is found in it alone
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    directory_id: Mapped[str] = mapped_column(String(64), unique=True)  # entryUUID or objectGUID
    username: Mapped[str] = mapped_column(String(200), index=True)
    full_name: Mapped[str] = mapped_column(String(200))
    family_name: Mapped[str] = mapped_column(String(200), default="")
    sort_name: Mapped[str] = mapped_column(String(200))  # folded, family name first
    email: Mapped[str] = mapped_column(String(320), default="")
    language: Mapped[str] = mapped_column(String(10), default="")  # preferred; empty: not known
    department: Mapped[str] = mapped_column(String(200), default="")
    job_title: Mapped[str] = mapped_column(String(200), default="")
    kind: Mapped[str] = mapped_column(String(20), default="employee")  # or contractor
    location: Mapped[str] = mapped_column(String(200), default="")
    union_scope: Mapped[str] = mapped_column(String(10), default="")  # in, out; empty: not known
    groups: Mapped[list[str]] = mapped_column(JSON, default=list)  # of the directory, as we ask
    manager_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))
    sponsor: Mapped[str] = mapped_column(String(200), default="")  # name, for contractors
    sponsor_id: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"), index=True)
    firm: Mapped[str] = mapped_column(String(200), default="")  # or group, of a contractor
    scope: Mapped[str] = mapped_column(String(20), default="")  # in_scope, out_of_scope: decided
    started_on: Mapped[date | None]
    ends_on: Mapped[date | None]
    roles: Mapped[list[str]] = mapped_column(JSON, default=list)
    audiences: Mapped[list[str]] = mapped_column(JSON, default=list)  # manager, contractor, ...
    seen_at: Mapped[datetime] = mapped_column(default=utc_now)  # last read from the directory
    missed: Mapped[int] = mapped_column(default=0)  # how many readings in a row had them no more
    left_on: Mapped[date | None] = mapped_column(index=True)  # does not work here any more


class Session(Base):
    """One signed-in browser. The cookie holds the token, this row only its SHA-256."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_seen_at: Mapped[datetime] = mapped_column(default=utc_now)
    checked_at: Mapped[datetime] = mapped_column(default=utc_now)  # account state, by directory
    kiosk_id: Mapped[UUID | None] = mapped_column(ForeignKey("kiosks.id"), index=True)
    way: Mapped[str] = mapped_column(String(10), default="password")  # or sso: single sign-on
    confirmed_at: Mapped[datetime | None]  # by sso, for one signature: it was the person again


class PersonChange(Base):
    """The dated history of one person: joined, moved, left, returned. Rows are only ever added."""

    __tablename__ = "person_changes"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    what: Mapped[str] = mapped_column(String(20))  # joined, left, returned, or the fact that moved
    before: Mapped[str] = mapped_column(String(200), default="")
    after: Mapped[str] = mapped_column(String(200), default="")
    at: Mapped[datetime] = mapped_column(default=utc_now)
    sync_id: Mapped[UUID | None] = mapped_column(ForeignKey("syncs.id"), index=True)

    person: Mapped[Person] = relationship()


class Sync(Base):
    """One reading of the whole directory, asked for or nightly, and what came of it."""

    __tablename__ = "syncs"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    is_dry: Mapped[bool] = mapped_column(default=False)  # only says what would change
    is_forced: Mapped[bool] = mapped_column(default=False)  # the brakes on numbers are off
    asked_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))  # None: the clock
    asked_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    under_way: Mapped[bool | None] = mapped_column(unique=True)  # True or NULL: one at a time
    ended_at: Mapped[datetime | None]
    stopped_because: Mapped[str] = mapped_column(Text, default="")  # then nothing was changed
    people: Mapped[int] = mapped_column(default=0)  # how many the directory gave
    bases: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # the same, by base
    counts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # joined, left, …
    lines: Mapped[list[Any]] = mapped_column(JSON, default=list)  # [what, name, before, after]

    asker: Mapped[Person | None] = relationship()


class RoleGrant(Base):
    """A role that the directory's groups do not give: who, why, until when."""

    __tablename__ = "role_grants"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text)
    until: Mapped[date]  # the last day
    made_by: Mapped[UUID | None] = mapped_column(ForeignKey("people.id"))  # None: a command
    made_at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]

    person: Mapped[Person] = relationship(foreign_keys=person_id)
    maker: Mapped[Person | None] = relationship(foreign_keys=made_by)


class Delegation(Base):
    """An acting manager: sees the team of another, up to and including a day."""

    __tablename__ = "delegations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    manager_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    deputy_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), index=True)
    until: Mapped[date]
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime] = mapped_column(default=utc_now)
    ended_at: Mapped[datetime | None]

    manager: Mapped[Person] = relationship(foreign_keys=manager_id)
    deputy: Mapped[Person] = relationship(foreign_keys=deputy_id)


class LocalAccount(Base):
    """The password of a person whom the directory does not know; its second step, if any."""

    __tablename__ = "local_accounts"

    person_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"), primary_key=True)
    username: Mapped[str] = mapped_column(String(200), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200), default="")  # Argon2id; "": none yet
    changed_at: Mapped[datetime] = mapped_column(default=utc_now)
    totp_secret: Mapped[str] = mapped_column(String(200), default="")  # encrypted; "": none
    totp_since: Mapped[datetime | None]  # confirmed with a code; None: not in force
    totp_used: Mapped[int] = mapped_column(default=0)  # the last time step: a code counts once
    is_break_glass: Mapped[bool] = mapped_column(default=False)

    person: Mapped[Person] = relationship()


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
