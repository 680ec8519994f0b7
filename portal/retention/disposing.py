"""Removes the data of a duty and leaves a tombstone.

Gone are the text of the records, the sealed PDFs and scans, what was read, decided and answered,
comments and reasons. What stays is that there was a duty, its status and dates, and for each
record its number, kind and digests: figures and the log stay true. A person of whom nothing else is
kept, and whom the directory does not know any more, loses name and address, too.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update

from portal import db
from portal.attestations.models import Attestation, Disposal, Evidence, Refusal, Scan
from portal.audit import services as audit
from portal.campaigns.models import Assignment, DutyDecision, Leave
from portal.jobs import Job
from portal.learning.models import Answer, Attempt, StepDone
from portal.mail.models import Mail
from portal.people.models import Person, Session
from portal.retention.models import DisposalItem, DisposalList, RetentionRule
from portal.retention.services import describe, is_held

GONE_AFTER = timedelta(days=30)  # not seen in the directory for so long


def dispose(assignment_id: UUID) -> bool:
    """Remove the data of one duty, all or nothing. False where a hold or no rule stands."""
    with db.transaction() as session:
        item = session.execute(
            select(DisposalItem, DisposalList.approved_by)
            .join(DisposalList, DisposalList.id == DisposalItem.list_id)
            .where(
                DisposalItem.assignment_id == assignment_id,
                DisposalItem.kept_because == "",
                DisposalItem.done_at.is_(None),
                DisposalList.approved_at.is_not(None),
            )
        ).first()
        if item is None:
            return False
        assignment = session.get_one(Assignment, assignment_id)
        rule = session.get(RetentionRule, assignment.campaign_id)
        held = session.scalar(select(is_held()).where(Assignment.id == assignment_id))
        if held or rule is None:
            item[0].kept_because = "A hold was placed, or the period was changed, before this day."
            return False
        _remove(assignment, rule=describe(rule), by=item.approved_by)
        item[0].done_at = db.utc_now()
        session.flush()
        _forget_person(assignment.person_id)
        audit.record(
            "record.disposed", subject=assignment_id, actor=item.approved_by, rule=describe(rule)
        )
    return True


def _remove(assignment: Assignment, *, rule: str, by: UUID) -> None:
    session, key = db.session, assignment.id
    records = session.execute(
        select(Attestation.id, Attestation.number, Evidence.sha256)
        .outerjoin(Evidence, Evidence.attestation_id == Attestation.id)
        .where(Attestation.assignment_id == key)
    ).all()
    ids = [row.id for row in records]
    attempts = select(Attempt.id).where(Attempt.assignment_id == key)
    removed = {}
    for name, statement in {
        "answers": delete(Answer).where(Answer.attempt_id.in_(attempts)),
        "attempts": delete(Attempt).where(Attempt.assignment_id == key),
        "steps": delete(StepDone).where(StepDone.assignment_id == key),
        "scans": delete(Scan).where(Scan.attestation_id.in_(ids)),
        "pdfs": delete(Evidence).where(Evidence.attestation_id.in_(ids)),
        "records": update(Attestation)
        .where(Attestation.id.in_(ids))
        .values(record="", disposed_at=db.utc_now()),
        "comments": update(Refusal).where(Refusal.assignment_id == key).values(comment=""),
        "reasons": update(DutyDecision).where(DutyDecision.assignment_id == key).values(reason=""),
    }.items():
        removed[name] = session.execute(statement).rowcount  # type: ignore[attr-defined]
    session.add(
        Disposal(
            assignment_id=key,
            rule=rule,
            removed=removed,
            records=[[row.number, row.sha256] for row in records],
            by_id=by,
        )
    )
    session.flush()


def _forget_person(person_id: UUID) -> None:
    """Empty the row of a person who is gone and of whom nothing is kept any more."""
    disposed = exists().where(Disposal.assignment_id == Assignment.id)
    left = select(func.count()).where(Assignment.person_id == person_id, ~disposed)
    person = db.session.get_one(Person, person_id)
    if db.session.scalar(left) or person.seen_at > db.utc_now() - GONE_AFTER:
        return
    for name in ("full_name", "sort_name"):
        setattr(person, name, "Removed person")
    for name in ("username", "family_name", "email", "job_title", "sponsor", "location"):
        setattr(person, name, "")
    person.directory_id = f"removed-{person.id}"[:64]
    person.groups = []
    db.session.execute(delete(Session).where(Session.person_id == person_id))
    db.session.execute(delete(Mail).where(Mail.person_id == person_id))
    db.session.execute(update(Leave).where(Leave.person_id == person_id).values(reason=""))
    db.session.flush()


def _due(limit: int) -> list[str]:
    with db.reading() as session:
        found = session.scalars(
            select(DisposalItem.assignment_id)
            .join(DisposalList, DisposalList.id == DisposalItem.list_id)
            .where(
                DisposalList.approved_at.is_not(None),
                DisposalItem.done_at.is_(None),
                DisposalItem.kept_because == "",
            )
            .limit(limit)
        )
        return [str(one) for one in found]


def _do(assignment_id: str) -> None:
    dispose(UUID(assignment_id))


DISPOSE = Job("dispose", _due, _do)
"""What HR approved to let go."""
