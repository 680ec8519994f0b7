"""Who looks after whose team for a while."""

from datetime import date, datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.db import Base, utc_now
from portal.people.models import Person


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
