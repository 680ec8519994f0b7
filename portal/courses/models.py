"""Published courses, each version with its exact bytes."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, utc_now


class CourseVersion(Base):
    """One course at one content hash. Its text never changes; `change` is decided once."""

    __tablename__ = "course_versions"
    __table_args__ = (UniqueConstraint("key", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    key: Mapped[str] = mapped_column(String(100))
    number: Mapped[int]  # 1, 2, 3 … within the key
    title: Mapped[str] = mapped_column(String(200))
    content_hash: Mapped[str] = mapped_column(String(64))  # not unique: an older state may return
    archive: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)  # ZIP of the exact files
    published_at: Mapped[datetime] = mapped_column(default=utc_now)
    # "first", "minor" or "material"; empty until HR decides what the version asks of people
    change: Mapped[str] = mapped_column(String(10), default="")
