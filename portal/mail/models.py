"""Mail that is to be sent, and what became of it."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, utc_now

_IS_SENT, _IS_UNSENT = text("sent_at IS NOT NULL"), text("sent_at IS NULL")
NAMES_OTHERS = text("name IN ('contract-ends', 'deputy', 'invitation', 'team-list') AND text != ''")
"""Of mails that name other people than who gets them. As it stands: their index has it too."""


class Mail(Base):
    """One message to one address. Kept after it is sent: the log that HR reads."""

    __tablename__ = "mails"
    __table_args__ = (
        Index(None, "sent_at", "refused_at", "next_try_at"),
        Index(None, "queued_at", "id", "address"),  # a page of the log is found in it alone
        Index("ix_mails_sent", "queued_at", "id", sqlite_where=_IS_SENT, postgresql_where=_IS_SENT),
        Index(
            "ix_mails_unsent",
            "queued_at",
            "id",
            "refused_at",
            "tries",
            sqlite_where=_IS_UNSENT,
            postgresql_where=_IS_UNSENT,
        ),
        Index(
            "ix_mails_naming_others",
            "queued_at",
            sqlite_where=NAMES_OTHERS,
            postgresql_where=NAMES_OTHERS,
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    key: Mapped[str] = mapped_column(String(200), unique=True)  # its cause: one mail for each
    name: Mapped[str] = mapped_column(String(40))  # of the template
    person_id: Mapped[UUID | None] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(String(320))
    language: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str] = mapped_column(String(300))
    text: Mapped[str] = mapped_column(Text)  # empty: let go with the duties that it named
    link: Mapped[str] = mapped_column(String(100), default="")  # a secret link, made when sending
    event: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # a due date, for the calendar
    queued_at: Mapped[datetime] = mapped_column(default=utc_now)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    refused_at: Mapped[datetime | None]
    server_said: Mapped[str] = mapped_column(Text, default="")  # the last words of the server

    @property
    def state(self) -> str:
        """Where it stands: sent, refused, retrying or queued."""
        if self.sent_at:
            return "sent"
        if self.refused_at:
            return "refused"
        return "retrying" if self.tries else "queued"
