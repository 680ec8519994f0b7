"""Removes the data of a duty and leaves a tombstone.

Gone are the text of the records, the sealed PDFs and scans, what was read, decided and answered,
comments and reasons, and the words of the lists to managers of that time. What stays is that there
was a duty, its status and dates, and for each record its number, kind and digests: figures and the
log stay true. A person of whom nothing else is kept, and who has left, loses name and address, too,
also in mails to others; who was invited and never had a duty does so under the rule on contracts.
"""

import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, String, cast, delete, select, update

from portal import db
from portal.attestations.models import Attestation, Disposal, Evidence, Refusal, Scan
from portal.audit import services as audit
from portal.campaigns.models import Assignment, DutyDecision, Leave
from portal.campaigns.schedule import months_before
from portal.contractors.models import Invitation, ScopeDecision
from portal.jobs import Job
from portal.learning.models import Answer, Attempt, StepDone
from portal.mail.models import NAMES_OTHERS, Mail
from portal.people.models import LocalAccount, Person, PersonChange, RoleGrant, Session, Sync
from portal.retention.models import (
    ContractRule,
    DisposalItem,
    DisposalList,
    DisposalPerson,
    RetentionRule,
)
from portal.retention.services import (
    describe,
    describe_contract,
    has_kept_duty,
    held_words,
    lock_for_holds,
    midnight,
    past_contract,
    past_period,
)

Item = DisposalItem | DisposalPerson
REMOVED = "Removed person"
NOTICED = timedelta(days=2)  # after somebody left, until no mail names them any more


def dispose(assignment_id: UUID) -> bool:
    """Remove the data of one duty, all or nothing.

    False where HR has not approved it, or where since then a hold was placed or the period was
    changed: then it stays, and the list says so.
    """
    with db.transaction() as session:
        approved = _items(DisposalItem, DisposalItem.assignment_id == assignment_id)
        if not approved:
            return False
        assignment = session.get_one(Assignment, assignment_id)
        lock_for_holds(assignment.campaign_id, assignment.person_id)
        if not _settle(approved, past_period(db.today()).where(Assignment.id == assignment_id)):
            return False
        rule = session.get_one(RetentionRule, assignment.campaign_id)
        by = approved[0].approved_by
        stone = _remove(assignment, rule, by=by)
        _forget_person(assignment.person_id)
        audit.record("record.disposed", subject=assignment_id, actor=by, **stone)
    return True


def forget(person_id: UUID) -> bool:
    """Empty the row of one person without a duty; False as `dispose` says."""
    with db.transaction() as session:
        approved = _items(DisposalPerson, DisposalPerson.person_id == person_id)
        if not approved:
            return False
        lock_for_holds(None, person_id)
        if not _settle(approved, past_contract(db.today()).where(Person.id == person_id)):
            return False
        _empty(session.get_one(Person, person_id))
        rule = session.scalars(select(ContractRule)).one()
        audit.record(
            "person.disposed",
            subject=person_id,
            actor=approved[0].approved_by,
            rule=describe_contract(rule),
        )
    return True


def _items(kind: type[Item], which: ColumnElement[bool]) -> Sequence[Row[Any]]:
    """The approved lines about one thing, each with who approved it."""
    return db.session.execute(_approved(kind, kind, DisposalList.approved_by).where(which)).all()


def _settle(approved: Sequence[Row[Any]], still_past: Select[UUID]) -> bool:
    """Whether it goes after all: holds and periods count as they are now. The lines note it."""
    goes = db.session.scalar(still_past) is not None
    for item in (row[0] for row in approved):
        if goes:
            item.done_at = db.utc_now()
        else:
            item.kept_because = "Not past its period any more, held, or let go already."
    return goes


def _remove(assignment: Assignment, rule: RetentionRule, *, by: UUID) -> dict[str, Any]:
    """Remove it, and return what the tombstone and the log say of it."""
    session, key = db.session, assignment.id
    records = session.execute(
        select(Attestation.id, Attestation.number, Evidence.sha256)
        .outerjoin(Evidence, Evidence.attestation_id == Attestation.id)
        .where(Attestation.assignment_id == key)
    ).all()
    ids = [row.id for row in records]
    attempts = select(Attempt.id).where(Attempt.assignment_id == key)
    submitted = session.scalars(attempts.where(Attempt.submitted_at.is_not(None))).all()
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
    session.execute(
        delete(Mail).where(
            Mail.person_id == assignment.person_id, Mail.queued_at < _period_begin(rule)
        )
    )
    _forget_lists(_period_begin(rule))
    stone = {
        "rule": describe(rule),
        "removed": removed,
        "records": [[row.number, row.sha256] for row in records],
    }
    session.add(Disposal(assignment_id=key, by_id=by, **stone))
    session.flush()
    return {**stone, "attempts": [str(one) for one in submitted]}


def _period_begin(rule: RetentionRule) -> datetime:
    return midnight(months_before(db.today(), rule.months))


def _forget_person(person_id: UUID) -> None:
    """Empty the row of a person who has left and of whom nothing is kept any more."""
    nothing = select(Person).where(
        Person.id == person_id, Person.left_on.is_not(None), ~has_kept_duty()
    )
    if (person := db.session.scalar(nothing)) is not None:
        _empty(person)


def _empty(person: Person) -> None:
    name = person.full_name
    person.full_name = person.sort_name = REMOVED
    _forget_in_readings(name)
    _forget_in_mails(name, midnight((person.left_on or db.today()) + NOTICED))
    for each in ("username", "family_name", "email", "job_title", "sponsor", "location", "firm"):
        setattr(person, each, "")
    person.directory_id = f"removed-{person.id}"[:64]
    person.groups = []
    for model in (Session, Mail, Invitation, LocalAccount, PersonChange):
        db.session.execute(delete(model).where(model.person_id == person.id))
    for reasoned in (Leave, RoleGrant, ScopeDecision):
        db.session.execute(
            update(reasoned).where(reasoned.person_id == person.id).values(reason="")
        )
    db.session.flush()


def _forget_in_readings(name: str) -> None:
    """Take the lines with this name out of the reports of readings; their counts stay."""
    written = json.dumps(name)[1:-1]  # as the column holds it
    for sync in db.session.scalars(
        select(Sync).where(cast(Sync.lines, String).contains(written, autoescape=True))
    ):
        sync.lines = [line for line in sync.lines if line[1] != name]


def _forget_lists(before: datetime) -> None:
    """Empty the lists to managers of that time; not those that name what is held."""
    old = (NAMES_OTHERS, Mail.name == "team-list", Mail.queued_at < before)
    held = (~Mail.text.contains(each, autoescape=True) for each in held_words())
    db.session.execute(update(Mail).where(*old, *held).values(text=""))


def _forget_in_mails(name: str, before: datetime) -> None:
    """Take the name out of mails to others of the time when the person was here."""
    exactly = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    named = (Mail.subject + Mail.text).contains(name, autoescape=True)
    for mail in db.session.scalars(
        select(Mail).where(NAMES_OTHERS, Mail.queued_at < before, named)
    ):
        mail.subject = exactly.sub(REMOVED, mail.subject)
        mail.text = exactly.sub(REMOVED, mail.text)


def _due(limit: int) -> list[str]:
    return _waiting(DisposalItem, DisposalItem.assignment_id, limit)


def _due_people(limit: int) -> list[str]:
    return _waiting(DisposalPerson, DisposalPerson.person_id, limit)


def _waiting(kind: type[Item], key: Any, limit: int) -> list[str]:
    with db.reading() as session:
        return [str(one) for one in session.scalars(_approved(kind, key).distinct().limit(limit))]


def _approved(kind: type[Item], *what: Any) -> Select[Any]:
    """Of what HR approved and nobody has let go yet."""
    return (
        select(*what)
        .join(DisposalList, DisposalList.id == kind.list_id)
        .where(
            DisposalList.approved_at.is_not(None), kind.done_at.is_(None), kind.kept_because == ""
        )
    )


def _do(assignment_id: str) -> None:
    dispose(UUID(assignment_id))


def _do_person(person_id: str) -> None:
    forget(UUID(person_id))


DISPOSE = Job("dispose", _due, _do, every=1)
"""Duties that HR approved to let go."""

FORGET = Job("forget", _due_people, _do_person, every=1)
"""People without a duty whom HR approved to let go."""
