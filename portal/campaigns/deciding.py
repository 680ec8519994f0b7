"""HR decides about single duties: releases, more time, and rules for groups.

Nothing here deletes: a decision is a row, and a later one may take it back.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, bindparam, exists, func, insert, inspect, select, update
from sqlalchemy.orm import aliased, joinedload

from portal import db, jobs
from portal.audit import services as audit
from portal.campaigns import audience, giving
from portal.campaigns.audience import Audience
from portal.campaigns.models import (
    DISCHARGED,
    Assignment,
    Campaign,
    Decision,
    DutyDecision,
    Exemption,
    Leave,
    Status,
)
from portal.campaigns.planning import plain
from portal.errors import NotFound, Refused
from portal.jobs import Job
from portal.people.models import Person
from portal.people.services import Identity

RELEASES = (Decision.WAIVED, Decision.EXEMPTED, Decision.LEFT)


def get_assignment(assignment_id: UUID) -> Assignment:
    """Anybody's duty with its person and campaign, for HR. Raises NotFound."""
    assignment = db.session.scalar(
        select(Assignment)
        .where(Assignment.id == assignment_id)
        .options(joinedload(Assignment.person), joinedload(Assignment.campaign))
    )
    if assignment is None:
        raise NotFound
    return assignment


def list_decisions(assignment_ids: Sequence[UUID]) -> list[DutyDecision]:
    """What was decided about these duties, oldest first."""
    return list(db.session.scalars(_DECISIONS, {"assignments": assignment_ids}))


# Asked at each signature: made once, it costs half.
_DECISIONS = (
    select(DutyDecision)
    .where(DutyDecision.assignment_id.in_(bindparam("assignments", expanding=True)))
    .options(joinedload(DutyDecision.by))
    .order_by(DutyDecision.at, DutyDecision.id)
)


def release(assignment: Assignment, *, reason: str, until: date | None, by: Identity) -> None:
    """Release one person from one duty, for good or up to and including a day.

    Refuses who has signed or is released already, and oneself.
    """
    refuse_for_oneself(assignment.person_id, by)
    lock(assignment)
    if assignment.status in DISCHARGED:
        raise Refused(_("Nothing is due here: the person has signed or is released already."))
    before = assignment.status
    assignment.status, assignment.waived_until = Status.WAIVED, until
    note_decision(
        assignment, Decision.WAIVED, reason=reason, until=until, status_before=before, by=by
    )


def release_all(duties: Sequence[UUID], *, reason: str, by: Identity) -> None:
    """Release duties that nobody has begun, however many; the caller logs why."""
    if not duties:
        return
    rows = [
        {
            "assignment_id": each,
            "decision": Decision.WAIVED,
            "reason": reason,
            "status_before": Status.NOT_STARTED,
            "by_id": by.id,
        }
        for each in duties
    ]
    db.session.execute(insert(DutyDecision), rows)
    db.session.execute(
        update(Assignment).where(Assignment.id.in_(duties)).values(status=Status.WAIVED)
    )


def take_back(assignment: Assignment, *, reason: str, by: Identity | None) -> None:
    """End a release: the duty is as it was before. Refuses a duty that is not released."""
    lock(assignment)
    if assignment.status is not Status.WAIVED:
        raise Refused(_("This duty is not released."))
    released = db.session.scalars(
        select(DutyDecision.status_before)
        .where(
            DutyDecision.assignment_id == assignment.id,
            DutyDecision.decision.in_(RELEASES),
        )
        .order_by(DutyDecision.at.desc())
        .limit(1)
    ).one()
    assignment.status, assignment.waived_until = released or Status.NOT_STARTED, None
    note_decision(assignment, Decision.RETURNED, reason=reason, by=by)
    _count_leaves_anew([assignment.id])


def _count_leaves_anew(duties: Sequence[UUID]) -> None:
    """Leaves during a release were not given back: nothing was due then."""
    theirs = select(Assignment.person_id).where(Assignment.id.in_(duties))
    db.session.execute(
        update(Leave).where(Leave.person_id.in_(theirs)).values(given_back_on=None),
        execution_options={"synchronize_session": False},
    )


def give_time(assignment: Assignment, *, due_on: date, reason: str, by: Identity) -> None:
    """A later due date for one person.

    Refuses an earlier one, where nothing is due, and for oneself.
    """
    refuse_for_oneself(assignment.person_id, by)
    lock(assignment)
    if assignment.status in DISCHARGED:
        raise Refused(_("Nothing is due here: the person has signed or is released already."))
    if due_on <= assignment.due_on:
        raise Refused(_("Choose a day after the one that is set now."))
    before, assignment.due_on = assignment.due_on, due_on
    note_decision(
        assignment,
        Decision.EXTENDED,
        reason=reason,
        due_before=before,
        due_after=due_on,
        by=by,
    )


def refuse_for_oneself(person_id: UUID, by: Identity) -> None:
    """Nobody of HR decides about their own duty; a rule for a group is another matter."""
    if person_id == by.id:
        raise Refused(_("Somebody else of HR has to decide this for you."))


def list_exemptions(campaign_id: UUID) -> list[Exemption]:
    """The campaign's exemptions, oldest first, those that ended too."""
    return list(
        db.session.scalars(
            select(Exemption)
            .where(Exemption.campaign_id == campaign_id)
            .options(joinedload(Exemption.by))
            .order_by(Exemption.at)
        )
    )


def get_exemption(exemption_id: UUID) -> Exemption:
    """One exemption. Raises NotFound."""
    exemption = db.session.get(Exemption, exemption_id)
    if exemption is None:
        raise NotFound
    return exemption


def exempt(campaign: Campaign, rule: Audience, *, reason: str, by: Identity) -> Exemption:
    """Take a group out of a campaign: no duty for who joins it.

    Who has one is released by the worker.
    """
    exemption = Exemption(
        campaign_id=campaign.id, audience=rule.to_json(), reason=reason, by_id=by.id
    )
    db.session.add(exemption)
    db.session.flush()
    audit.record(
        "exemption.made",
        subject=exemption.id,
        actor=by.id,
        campaign=str(campaign.id),
        rule=exemption.audience,
    )
    return exemption


def end_exemption(exemption: Exemption, *, by: Identity) -> None:
    """End the rule: the worker gives the duty again, as it was, to who was released by it."""
    db.session.refresh(exemption, with_for_update={"of": Exemption})
    if exemption.ended_at is not None:
        raise Refused(_("This exemption has ended already."))
    exemption.ended_at, exemption.ended_by = db.utc_now(), by.id
    exemption.carried_out_at = None
    audit.record("exemption.ended", subject=exemption.id, actor=by.id)


_OPEN = select(Assignment.id, Assignment.status).where(Assignment.status.not_in(DISCHARGED))


def _to_release(exemption: Exemption) -> Select[UUID, Status]:
    """The open duties of the group, with where they stand."""
    return _OPEN.join(Person, Person.id == Assignment.person_id).where(
        Assignment.campaign_id == exemption.campaign_id,
        audience.read(exemption.audience).where(),
    )


def _to_return(exemption: Exemption) -> Select[UUID, Status | None]:
    """The duties that this rule released, and nothing later did, with what they were before."""
    later = aliased(DutyDecision)
    return (
        select(Assignment.id, DutyDecision.status_before)
        .join(DutyDecision, DutyDecision.assignment_id == Assignment.id)
        .where(
            DutyDecision.exemption_id == exemption.id,
            DutyDecision.decision == Decision.EXEMPTED,
            Assignment.status == Status.WAIVED,
            ~exists().where(
                later.assignment_id == Assignment.id,
                later.decision.in_([Decision.RETURNED, *RELEASES]),
                later.at > DutyDecision.at,
            ),
        )
    )


def _item(exemption: Exemption) -> str:
    """What is to be carried out; the end is another item than the beginning."""
    return f"{exemption.id}{' ended' if exemption.ended_at else ''}"


def _due(limit: int) -> list[str]:
    unfinished = select(Exemption).where(Exemption.carried_out_at.is_(None)).limit(limit)
    with db.reading() as session:
        return [_item(each) for each in session.scalars(unfinished)]


def _do(item: str) -> None:
    """Release the group, or give it back: a batch goes into a transaction, as in a launch."""
    key = UUID(item.split(maxsplit=1)[0])
    while duties := _left_to_do(key):
        for at in range(0, len(duties), giving.BATCH):
            with db.transaction():
                _carry_out(get_exemption(key), duties[at : at + giving.BATCH])
            jobs.renew(EXEMPT.name, item)
    decision = Decision.RETURNED if item.endswith("ended") else Decision.EXEMPTED
    by_it = DutyDecision.exemption_id == key, DutyDecision.decision == decision
    with db.reading() as session:
        done = session.scalars(select(func.count(DutyDecision.id)).where(*by_it)).one()
    with db.transaction() as session:
        exemption = session.get_one(Exemption, key, with_for_update={"of": Exemption})
        if item != _item(exemption):
            return  # it has ended since
        exemption.carried_out_at = db.utc_now()
        audit.record(
            "exemption.carried_out", subject=key, actor=None, decision=decision.value, duties=done
        )


def _left_to_do(exemption_id: UUID) -> Sequence[UUID]:
    with db.reading():
        exemption = get_exemption(exemption_id)
        wanted = _to_release(exemption) if exemption.ended_at is None else _to_return(exemption)
        return db.session.scalars(wanted).all()


def _carry_out(exemption: Exemption, duties: Sequence[UUID]) -> None:
    """Release these duties, or give them back; those that this still holds of."""
    has_ended = exemption.ended_at is not None
    asked = _to_return(exemption) if has_ended else _OPEN
    these = asked.where(Assignment.id.in_(duties)).with_for_update(of=Assignment)
    rows = db.session.execute(these).all()
    if not rows:
        return
    decision = {
        "decision": Decision.RETURNED if has_ended else Decision.EXEMPTED,
        "reason": _("The exemption ended.") if has_ended else exemption.reason,
        "by_id": exemption.ended_by if has_ended else exemption.by_id,
        "exemption_id": exemption.id,
    }
    decisions = [
        {**decision, "assignment_id": duty, "status_before": None if has_ended else status}
        for duty, status in rows
    ]
    duties_now = [
        {"id": duty, "status": status if has_ended else Status.WAIVED} for duty, status in rows
    ]
    db.session.execute(insert(DutyDecision), decisions)
    db.session.execute(update(Assignment), duties_now)
    if has_ended:
        _count_leaves_anew(duties)


EXEMPT = Job("exempt", _due, _do)
"""Groups that are taken out, and those whose exemption ended."""


def lock(assignment: Assignment) -> None:
    """Read the duty anew and hold it until the transaction ends."""
    db.session.refresh(assignment, with_for_update={"of": Assignment})


def note_decision(
    assignment: Assignment, decision: Decision, *, by: Identity | None, **facts: Any
) -> None:
    """Keep one decision, and log it with what it changes; `by` None: the portal itself.

    The duty is locked and changed, and not flushed yet. The log never holds the reason.
    """
    row = DutyDecision(
        assignment_id=assignment.id, decision=decision, by_id=by.id if by else None, **facts
    )
    before, after = _changes(assignment)
    db.session.add(row)
    db.session.flush()
    audit.record(
        "duty.decided",
        subject=row.id,
        actor=by.id if by else None,
        assignment=str(assignment.id),
        decision=decision.value,
        before=before,
        after=after,
    )


def _changes(assignment: Assignment) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is about to change of a duty: as it was, and as it will be."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for fact in inspect(assignment).attrs:
        if fact.key in _LOGGED and fact.history.has_changes():
            before[fact.key] = next(iter(fact.history.deleted), None)
            after[fact.key] = fact.value
    return plain(before), plain(after)


_LOGGED = frozenset({"status", "due_on", "waived_until", "paused_on"})
