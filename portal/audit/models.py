"""The append-only log and the signed checkpoints over it."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, utc_now


class AuditEntry(Base):
    """One recorded action. `leaf` is exactly what was hashed into the tree."""

    __tablename__ = "audit_entries"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 0, 1, 2 …
    action: Mapped[str] = mapped_column(String(60), index=True)
    subject: Mapped[str] = mapped_column(String(64), index=True)  # id of what it is about
    at: Mapped[datetime]
    leaf: Mapped[str] = mapped_column(Text)  # canonical JSON
    leaf_hash: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditHead(Base):
    """The one row that is locked to append: size of the log and its right edge."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int]
    edge: Mapped[list[Any]] = mapped_column(JSON)  # hex hashes of the complete subtrees


class Checkpoint(Base):
    """Size and root of the log at a time, signed; the copies kept outside are the control."""

    __tablename__ = "checkpoints"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    note: Mapped[str] = mapped_column(Text)  # C2SP tlog-checkpoint, as signed
    at: Mapped[datetime] = mapped_column(default=utc_now)
