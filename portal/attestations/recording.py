"""HR records what happened on paper or in a talk."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from hashlib import sha256
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.attestations import record, services
from portal.attestations.models import Attestation, Evidence, RecordKind, Scan
from portal.audit import services as audit
from portal.campaigns import services as campaigns
from portal.campaigns.models import Assignment, Status
from portal.errors import Refused
from portal.learning import services as learning
from portal.people.services import Identity, identify

MOST_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """One record of a duty, for HR's page of a person."""

    id: UUID
    assignment_id: UUID
    kind: RecordKind
    number: str
    at: datetime
    is_sealed: bool


def record_paper(
    assignment: Assignment,
    *,
    signed_on: date,
    scan: bytes,
    witness: str,
    note: str,
    by: Identity,
) -> Attestation:
    """Record an attestation that was signed on paper; `scan` is a PDF that was checked.

    Refuses a day in the future or before the campaign opened, and a second signature.
    """
    if signed_on > db.today():
        raise Refused(_("The day is in the future."))
    if signed_on < assignment.campaign.opens_on:
        raise Refused(_("The day is before the first day of the campaign."))
    taken = Refused(_("This person has signed already."))
    if assignment.status is Status.SIGNED:
        raise taken
    progress = learning.get_progress(assignment.id, person=identify(assignment.person))
    digest = sha256(scan).hexdigest()
    facts: dict[str, Any] = {
        "signed_on": signed_on,
        "recorded_by": by.full_name,
        "witness": witness.strip(),
        "note": note.strip(),
        "scan_sha256": digest,
    }
    try:
        with db.session.begin_nested():
            attestation = services.keep_record(
                progress,
                typed_name="",
                settings=db.settings(),
                method=record.ON_PAPER,
                kind=RecordKind.PAPER,
                complete=lambda composed: record.on_paper(composed, **facts),
            )
    except IntegrityError:
        raise taken from None
    db.session.add(Scan(attestation_id=attestation.id, sha256=digest, pdf=scan))
    db.session.flush()
    # Figures and intervals count from the day on the paper; the record holds both times.
    noon = datetime.combine(signed_on, time(12), tzinfo=db.settings().zone).astimezone(UTC)
    campaigns.set_status(assignment.id, Status.SIGNED, signed_at=min(noon, attestation.signed_at))
    audit.record(
        "attestation.recorded",
        subject=attestation.id,
        actor=by.id,
        assignment=str(assignment.id),
        kind=RecordKind.PAPER.value,
        record_sha256=attestation.record_sha256,
    )
    return attestation


def list_records(assignment_ids: list[UUID]) -> list[Kept]:
    """All records of these duties, refusals too, oldest first."""
    rows = db.session.execute(
        select(
            Attestation.id,
            Attestation.assignment_id,
            Attestation.kind,
            Attestation.number,
            Attestation.signed_at,
            Evidence.sha256.is_not(None),
        )
        .outerjoin(Evidence, Evidence.attestation_id == Attestation.id)
        .where(Attestation.assignment_id.in_(assignment_ids))
        .order_by(Attestation.signed_at)
    )
    return [Kept(*row) for row in rows]
