"""Signatures, the sealed PDFs made from them, and refusals. Rows are only ever added."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, ForeignKey, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from portal.campaigns.models import Assignment
from portal.db import Base, utc_now


class Attestation(Base):
    """One person's statement on one course version. Never updated after insert."""

    __tablename__ = "attestations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), unique=True)
    number: Mapped[str] = mapped_column(String(40), unique=True)  # on the receipt and the QR code
    record: Mapped[str] = mapped_column(Text, deferred=True)  # canonical JSON: all the PDF says
    record_sha256: Mapped[str] = mapped_column(String(64))
    signed_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)

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


class Refusal(Base):
    """A person said that they do not agree, and why."""

    __tablename__ = "refusals"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    assignment_id: Mapped[UUID] = mapped_column(ForeignKey("assignments.id"), index=True)
    comment: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(default=utc_now)
