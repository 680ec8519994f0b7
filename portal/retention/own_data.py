"""Everything that the portal keeps of one person, as one ZIP for them."""

import io
import json
from typing import Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy import select

from portal import db
from portal.attestations.models import Attestation, Evidence, Refusal
from portal.audit import services as audit
from portal.audit.models import AuditEntry
from portal.campaigns.models import Assignment, Campaign, DutyDecision, Leave
from portal.contractors.models import Invitation, ScopeDecision
from portal.learning.models import Answer, Attempt, StepDone
from portal.mail.models import Mail
from portal.people.models import Delegation, LocalAccount, Person, PersonChange, RoleGrant
from portal.people.services import Identity
from portal.reminders.models import Reminder

SECRETS = {"password_hash", "token_hash", "totp_secret", "totp_used"}

README = """What the portal keeps of you.

person.json    what the City's directory says of you
duties.json    what you had to sign, what you did, answered and wrote, and what HR decided
leaves.json    leaves of absence that HR noted
history.json   what changed in the directory, and when
roles.json     what you may do here beyond your own tasks, and why
scope.json     what HR decided on whether the guidance is for you
invitations.json, account.json
               if you have a password of the portal's own: when, never the secret
reminders.json, mail.json
               on which days it reminded you of what, and what it wrote to you
delegations.json
               for whom you stood in, and who stood in for you
log.json       when you signed in, signed and downloaded, from the log
records/       your sealed records, as PDF

Ask HR about anything in it. The way to reach them is on every page of the portal.
"""


def pack(person: Identity) -> bytes:
    """The ZIP; the log keeps that it was taken."""
    with db.transaction() as session:
        row = session.get_one(Person, person.id)
        duties = session.execute(
            select(Assignment, Campaign.title)
            .join(Campaign, Campaign.id == Assignment.campaign_id)
            .where(Assignment.person_id == person.id)
            .order_by(Assignment.assigned_at)
        ).all()
        told = [_duty(assignment, title) for assignment, title in duties]
        duty_ids = [assignment.id for assignment, _title in duties]
        about = [
            person.id,
            *duty_ids,
            *session.scalars(select(Attestation.id).where(Attestation.assignment_id.in_(duty_ids))),
            *session.scalars(select(Attempt.id).where(Attempt.assignment_id.in_(duty_ids))),
        ]
        mails = session.scalars(
            select(Mail).where(Mail.person_id == person.id).order_by(Mail.queued_at)
        ).all()
        kept = {
            "leaves.json": _of(Leave, person.id),
            "history.json": _of(PersonChange, person.id),
            "roles.json": _of(RoleGrant, person.id),
            "scope.json": _of(ScopeDecision, person.id),
            "invitations.json": _of(Invitation, person.id),
            "account.json": _of(LocalAccount, person.id),
            "reminders.json": _of(Reminder, person.id),
            "delegations.json": _delegations(person.id),
        }
        log = session.scalars(
            select(AuditEntry.leaf)
            .where(AuditEntry.subject.in_([str(each) for each in about]))
            .order_by(AuditEntry.position)
        ).all()
        pdfs = session.execute(
            select(Evidence.file_name, Evidence.pdf)
            .join(Attestation, Attestation.id == Evidence.attestation_id)
            .join(Assignment, Assignment.id == Attestation.assignment_id)
            .where(Assignment.person_id == person.id)
        ).all()
        audit.record("person.data_downloaded", subject=person.id, actor=person.id)
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", README)
        archive.writestr("person.json", _json(_columns(row)))
        archive.writestr("duties.json", _json(told))
        for name, rows in kept.items():
            archive.writestr(name, _json(rows))
        archive.writestr("mail.json", _json([_columns(each) for each in mails]))
        archive.writestr("log.json", _json([json.loads(leaf) for leaf in log]))
        for name, pdf in pdfs:
            archive.writestr(f"records/{name}", pdf)
    return packed.getvalue()


def _duty(assignment: Assignment, title: str) -> dict[str, Any]:
    key: UUID = assignment.id

    def of(model: Any) -> list[dict[str, Any]]:
        rows = db.session.scalars(select(model).where(model.assignment_id == key))
        return [_columns(each) for each in rows]

    answers = db.session.scalars(
        select(Answer)
        .join(Attempt, Attempt.id == Answer.attempt_id)
        .where(Attempt.assignment_id == key)
    )
    return {
        "title": title,
        **_columns(assignment),
        "steps": of(StepDone),
        "attempts": of(Attempt),
        "answers": [_columns(each) for each in answers],
        "decisions": of(DutyDecision),
        "refusals": of(Refusal),
    }


def _of(model: Any, person_id: UUID) -> list[dict[str, Any]]:
    rows = db.session.scalars(select(model).where(model.person_id == person_id))
    return [_columns(each) for each in rows]


def _delegations(person_id: UUID) -> list[dict[str, Any]]:
    theirs = (Delegation.manager_id == person_id) | (Delegation.deputy_id == person_id)
    return [_columns(each) for each in db.session.scalars(select(Delegation).where(theirs))]


def _columns(row: Any) -> dict[str, Any]:
    """A row's values; secrets stay here, and so does what only proves them."""
    names = (column.key for column in row.__table__.columns)
    return {name: getattr(row, name) for name in names if name not in SECRETS}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
