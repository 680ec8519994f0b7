"""Signs, refuses, and finds what was signed."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Row, Select, select
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.attestations import naming, record
from portal.attestations.models import SIGNATURES, Attestation, Evidence, RecordKind, Refusal
from portal.audit import services as audit
from portal.campaigns import deciding
from portal.campaigns import services as campaigns
from portal.campaigns.models import Assignment, Campaign, Status
from portal.config import Settings
from portal.contractors import scope
from portal.courses.course import Page
from portal.courses.models import CourseVersion
from portal.errors import NotFound, Refused
from portal.learning import services as learning
from portal.learning.services import Progress
from portal.people import local
from portal.people import services as people
from portal.people.door import Door
from portal.people.limits import SignInRefused
from portal.people.services import Identity


@dataclass(frozen=True)
class Receipt:
    """What the person keeps. `file_name` and `sha256` are None until the PDF is sealed."""

    attestation_id: UUID
    kind: RecordKind
    assignment_id: UUID
    number: str
    title: str
    version: int
    signed_at: datetime
    file_name: str | None
    sha256: str | None
    size: int | None


@dataclass(frozen=True)
class PublicFact:
    """What anyone with a receipt number may know: no name, no department."""

    kind: RecordKind
    number: str
    title: str
    version: int
    signed_at: datetime
    sha256: str | None
    disposed_at: datetime | None = None


def confirm(door: Door, person: Identity, password: str, *, address: str) -> str:
    """Make sure that it is the person who signs now; returns how, for the record.

    Asks for the password again, or, of who came by single sign-on, for its confirmation, which
    counts once. Raises SignInRefused and DirectoryUnavailable.
    """
    if person.way == "sso":
        if not people.use_confirmation(person):
            raise SignInRefused(_("Confirm first that it is you."))
        return record.SINGLE_SIGN_ON
    people.confirm_password(door, person, password, address=address)
    return record.OWN_PASSWORD if local.is_ours(person.username) else record.METHOD


def sign(
    assignment_id: UUID,
    *,
    person: Identity,
    typed_name: str,
    settings: Settings,
    method: str = record.METHOD,
) -> None:
    """Record the person's attestation; its sealed PDF follows from it.

    The caller has checked the password with the directory, or says with `method` how else the
    person signed. Once for ever: whoever signs again
    changes nothing. Refuses before every step is done, and another name than the person's.
    """
    campaigns.lock_duty(assignment_id)
    progress = learning.get_progress(assignment_id, person=person)
    if progress.duty.status is Status.SIGNED:
        return
    if progress.duty.status is Status.WAIVED:
        raise Refused(_("HR has released you from this. There is nothing to sign."))
    if progress.next is not None:
        raise Refused(_("Finish all the steps before you sign."))
    if not naming.same_name(typed_name, person.full_name):
        raise Refused(_("Type your name as we hold it: %(name)s", name=person.full_name))
    try:
        with db.session.begin_nested():
            attestation = keep_record(
                progress, typed_name=typed_name, settings=settings, method=method
            )
    except IntegrityError:
        if find_receipt(assignment_id, person=person) is None:
            raise  # not the second click after all
        return
    campaigns.set_status(assignment_id, Status.SIGNED, signed_at=attestation.signed_at)
    audit.record(
        "attestation.signed",
        subject=attestation.id,
        actor=person.id,
        assignment=str(assignment_id),
        record_sha256=attestation.record_sha256,
    )


def refuse(
    assignment_id: UUID,
    *,
    person: Identity,
    comment: str,
    said_on: date | None = None,
    recorded_by: Identity | None = None,
    witness: str = "",
) -> Attestation:
    """Keep that the person does not agree, and why; HR sees it. They may still sign later.

    HR may record what somebody said on `said_on`, with a witness. A sealed PDF follows from it.
    Whoever says the same again, with nothing in between, gets the same record. Refuses after the
    signature, and where nothing is asked.
    """
    campaigns.lock_duty(assignment_id)  # the second of two clicks waits, and sees the first
    progress = learning.get_progress(assignment_id, person=person)
    if progress.duty.status is Status.SIGNED:
        raise Refused(_("You have already signed. Talk to HR about what you want to add."))
    if not progress.duty.is_open:
        raise Refused(_("HR has released you from this. There is nothing to sign."))
    words: dict[str, Any] = {
        "comment": comment.strip(),
        "said_on": said_on or db.today(),
        "recorded_by": recorded_by.full_name if recorded_by else "",
        "witness": witness.strip(),
    }
    if progress.duty.status is Status.REFUSED and (said := _said_before(assignment_id, words)):
        return said
    attestation = keep_record(
        progress,
        typed_name="",
        settings=db.settings(),
        method=record.TOLD_HR if recorded_by else record.REFUSED_HERE,
        kind=RecordKind.REFUSED,
        complete=lambda composed: record.of_refusal(composed, **words),
    )
    refusal = Refusal(assignment_id=assignment_id, comment=comment.strip())
    db.session.add(refusal)
    db.session.flush()
    campaigns.set_status(assignment_id, Status.REFUSED)
    actor = recorded_by.id if recorded_by else person.id
    audit.record(
        "attestation.refused", subject=refusal.id, actor=actor, assignment=str(assignment_id)
    )
    audit.record(
        "attestation.recorded",
        subject=attestation.id,
        actor=actor,
        assignment=str(assignment_id),
        kind=RecordKind.REFUSED.value,
        record_sha256=attestation.record_sha256,
    )
    return attestation


def _said_before(assignment_id: UUID, words: dict[str, Any]) -> Attestation | None:
    """The last refusal, if it holds these words; what the person writes here, on whatever day."""
    last = db.session.scalar(
        select(Attestation)
        .filter_by(assignment_id=assignment_id, kind=RecordKind.REFUSED, disposed_at=None)
        .order_by(Attestation.signed_at.desc())
        .limit(1)
    )
    if last is None:
        return None
    kept = json.loads(last.record)["refusal"]
    said = record.of_refusal({}, **words)["refusal"]
    if not words["recorded_by"]:
        said["said_on"] = kept["said_on"]
    return last if kept == said else None


def find_receipt(assignment_id: UUID, *, person: Identity) -> Receipt | None:
    """The receipt of one of the person's assignments, if it is signed."""
    row = db.session.execute(
        _receipts().where(
            Assignment.id == assignment_id,
            Assignment.person_id == person.id,
            Attestation.kind.in_(SIGNATURES),
        )
    ).first()
    return _receipt(row) if row else None


def get_receipt(assignment_id: UUID, *, person: Identity) -> Receipt:
    """The receipt of one of the person's assignments. Raises NotFound where it is not signed."""
    receipt = find_receipt(assignment_id, person=person)
    if receipt is None:
        raise NotFound
    return receipt


def get_pdf(attestation_id: UUID, *, by: Identity) -> bytes:
    """The bytes of a sealed PDF; the log keeps who took them. Raises NotFound before sealing.

    The caller has found the record through its owner, or is HR.
    """
    with db.transaction() as session:
        pdf = session.scalar(select(Evidence.pdf).filter_by(attestation_id=attestation_id))
        if pdf is None:
            raise NotFound
        audit.record("evidence.downloaded", subject=attestation_id, actor=by.id)
    return pdf


def find_by_number(number: str) -> PublicFact | None:
    """What may be told to whoever holds a receipt number."""
    row = db.session.execute(
        _receipts().where(Attestation.number == naming.tidy_number(number))
    ).first()
    if row is None:
        return None
    receipt = _receipt(row)
    return PublicFact(
        kind=receipt.kind,
        number=receipt.number,
        title=receipt.title,
        version=receipt.version,
        signed_at=receipt.signed_at,
        sha256=receipt.sha256,
        disposed_at=db.session.scalar(
            select(Attestation.disposed_at).where(Attestation.id == receipt.attestation_id)
        ),
    )


def keep_record(
    progress: Progress,
    *,
    typed_name: str,
    settings: Settings,
    method: str,
    kind: RecordKind = RecordKind.SIGNED,
    complete: Callable[[dict[str, Any]], dict[str, Any]] = dict,
) -> Attestation:
    """Write down everything that this record means; `complete` adds what its kind has.

    Raises IntegrityError for a second signature on one duty.
    """
    now = db.utc_now().replace(microsecond=0)
    number = naming.receipt_number(settings.receipt_prefix, now.astimezone(settings.zone).year)
    composed = record.compose(
        progress,
        db.session.get_one(CourseVersion, progress.duty.course_version_id),
        settings,
        number=number,
        typed_name=typed_name.strip(),
        method=method,
        signed_at=now,
    )
    composed |= record.read_before(_read_before(progress))
    composed |= record.decisions(deciding.list_decisions([progress.duty.id]))
    composed |= scope.for_record(progress.person.id)
    text = record.canonical(complete(composed))
    attestation = Attestation(
        assignment_id=progress.duty.id,
        kind=kind,
        number=number,
        record=text,
        record_sha256=record.digest(text),
        signed_at=now,
    )
    db.session.add(attestation)
    db.session.flush()
    return attestation


def _read_before(progress: Progress) -> list[tuple[str, int, datetime, list[Page]]]:
    """The pages that were not asked again, by the earlier signature under which they were read."""
    pages: dict[UUID, list[Page]] = {}
    for page, duty in progress.read_before:
        pages.setdefault(duty.id, []).append(page)
    if not pages:
        return []
    rows = db.session.execute(
        _receipts()
        .where(Attestation.assignment_id.in_(pages), Attestation.kind.in_(SIGNATURES))
        .order_by(Attestation.signed_at)
    )
    receipts = [_receipt(row) for row in rows]
    return [
        (each.number, each.version, each.signed_at, pages[each.assignment_id]) for each in receipts
    ]


def _receipts() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Attestation.id,
            Attestation.kind,
            Attestation.assignment_id,
            Attestation.number,
            Campaign.title,
            CourseVersion.number,
            Attestation.signed_at,
            Evidence.file_name,
            Evidence.sha256,
            Evidence.size,
        )
        .join(Assignment, Assignment.id == Attestation.assignment_id)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .join(CourseVersion, CourseVersion.id == Assignment.course_version_id)
        .outerjoin(Evidence, Evidence.attestation_id == Attestation.id)
    )


def _receipt(row: Row[*tuple[Any, ...]]) -> Receipt:
    return Receipt(*row)
