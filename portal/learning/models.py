"""What a person did in a course: steps, quiz attempts and answers. Rows are only ever added."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
    exists,
    text,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import Mapped, aliased, mapped_column, relationship

from portal.db import Base, utc_now


def _outcome(context: DefaultExecutionContext) -> str | None:
    answer = context.get_current_parameters().get("answer") or {}  # type: ignore[no-untyped-call]
    return answer.get("outcome")


_HAS_OUTCOME = text("outcome IS NOT NULL")


class StepDone(Base):
    """A page read, a scene decided, or questions about oneself answered. The latest row counts."""

    __tablename__ = "steps_done"
    __table_args__ = (
        Index(None, "assignment_id", "step"),
        Index(
            None,
            "outcome",
            "assignment_id",
            sqlite_where=_HAS_OUTCOME,
            postgresql_where=_HAS_OUTCOME,
        ),
        Index(
            "ix_steps_done_declared",  # whether one has said anything about oneself
            "assignment_id",
            sqlite_where=_HAS_OUTCOME,
            postgresql_where=_HAS_OUTCOME,
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"))
    step: Mapped[str] = mapped_column(String(200))
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSON)  # what was chosen, where asked
    # What follows from answers about oneself, as `answer` has it: by it, HR finds them.
    outcome: Mapped[str | None] = mapped_column(String(60), default=_outcome)
    finished: Mapped[bool] = mapped_column(default=True)  # False: a further scene follows
    at: Mapped[datetime] = mapped_column(default=utc_now)


def is_latest() -> ColumnElement[bool]:
    """Of a `StepDone`: nothing later was said at the same step."""
    later = aliased(StepDone)
    return ~exists().where(
        later.assignment_id == StepDone.assignment_id,
        later.step == StepDone.step,
        later.id > StepDone.id,
    )


class Attempt(Base):
    """One run through one quiz, fixed when submitted."""

    __tablename__ = "attempts"
    __table_args__ = (UniqueConstraint("assignment_id", "section", "number"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"))
    section: Mapped[str] = mapped_column(String(100))
    number: Mapped[int]
    # [[question id, [option index, …in the order shown]], …]
    questions: Mapped[list[Any]] = mapped_column(JSON)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    submitted_at: Mapped[datetime | None] = mapped_column(index=True)
    right: Mapped[int | None]  # questions answered right
    passed: Mapped[bool | None]

    answers: Mapped[list["Answer"]] = relationship(order_by="Answer.answered_at")


class Answer(Base):
    """The options chosen for one question in one attempt; the first answer stands."""

    __tablename__ = "answers"

    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("attempts.id"), primary_key=True)
    question: Mapped[str] = mapped_column(String(100), primary_key=True)
    chosen: Mapped[list[int]] = mapped_column(JSON)  # option indexes as in the course
    right: Mapped[bool]
    answered_at: Mapped[datetime] = mapped_column(default=utc_now)
