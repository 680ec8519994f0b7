"""Signatures, the sealed PDFs made from them, and refusals. Rows are only ever added."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, BigInteger, Enum, ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.campaigns.models import Assignment
from portal.db import Base, utc_now


class RecordKind(StrEnum):
    """What a record is about."""

    SIGNED = "signed"  # in the portal
    PAPER = "paper"  # on paper, recorded by HR with a scan
    REFUSED = "refused"  # the person does not agree


SIGNATURES = (RecordKind.SIGNED, RecordKind.PAPER)
"""Records that discharge a duty."""


def _words(kinds: type[RecordKind]) -> list[str]:
    return [kind.value for kind in kinds]


class Attestation(Base):
    """One record on one duty: a signature, on paper too, or a refusal.

    Only ever added, until its retention period is over and HR lets it go.

    A duty has one signature for ever; who refused may sign later.
    """

    __tablename__ = "attestations"
    __table_args__ = (
        Index(
            "uq_attestations_signature",
            "assignment_id",
            unique=True,
            sqlite_where=text("kind <> 'refused'"),
            postgresql_where=text("kind <> 'refused'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[RecordKind] = mapped_column(
        Enum(RecordKind, native_enum=False, length=10, values_callable=_words),
        default=RecordKind.SIGNED,
    )
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), index=True)
    number: Mapped[str] = mapped_column(String(40), unique=True)  # on the receipt and the QR code
    record: Mapped[str] = mapped_column(Text, deferred=True)  # canonical JSON: all the PDF says
    record_sha256: Mapped[str] = mapped_column(String(64))
    signed_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    # Under the retention rule the text and the PDF go; number, kind, time and digest stay.
    disposed_at: Mapped[datetime | None]

    assignment: Mapped[Assignment] = relationship()


class Evidence(Base):
    """The sealed PDF of one attestation."""

    __tablename__ = "evidence"

    attestation_id: Mapped[UUID] = mapped_column(ForeignKey("attestations.id"), primary_key=True)
    file_name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    size: Mapped[int]  # bytes
    crc32: Mapped[int] = mapped_column(BigInteger)  # kept so that a ZIP's layout needs no reading
    sealed_at: Mapped[datetime] = mapped_column(default=utc_now)
    pdf: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)

    attestation: Mapped[Attestation] = relationship()


class Scan(Base):
    """The paper that was signed, as HR scanned it."""

    __tablename__ = "scans"

    attestation_id: Mapped[UUID] = mapped_column(ForeignKey("attestations.id"), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    pdf: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)


class Disposal(Base):
    """The tombstone of one duty's data: what was removed, when, by which rule."""

    __tablename__ = "disposals"

    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), primary_key=True)
    rule: Mapped[str] = mapped_column(String(200))
    removed: Mapped[dict[str, Any]] = mapped_column(JSON)  # how much of what
    records: Mapped[list[Any]] = mapped_column(JSON)  # number and SHA-256 of each sealed PDF
    by_id: Mapped[UUID] = mapped_column(ForeignKey("people.id"))  # who approved
    at: Mapped[datetime] = mapped_column(default=utc_now)


class Refusal(Base):
    """A person said that they do not agree, and why."""

    __tablename__ = "refusals"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), index=True)
    comment: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(default=utc_now)
