"""HR decides about single duties: releases, more time, and rules for groups.

Nothing here deletes: a decision is a row, and a later one may take it back.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.orm import joinedload

from portal import db
from portal.audit import services as audit
from portal.campaigns.audience import Audience
from portal.campaigns.models import (
    DISCHARGED,
    Assignment,
    Campaign,
    Decision,
    DutyDecision,
    Exemption,
    Status,
)
from portal.errors import NotFound, Refused
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

    Refuses who has signed or is released already.
    """
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


def give_time(assignment: Assignment, *, due_on: date, reason: str, by: Identity) -> None:
    """A later due date for one person. Refuses an earlier one, and where nothing is due."""
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
    """Take a group out of a campaign: no duty for who joins it, a release for who has one."""
    exemption = Exemption(
        campaign_id=campaign.id, audience=rule.to_json(), reason=reason, by_id=by.id
    )
    db.session.add(exemption)
    db.session.flush()
    open_duties = db.session.execute(
        select(Assignment.id, Assignment.status)
        .join(Person, Person.id == Assignment.person_id)
        .where(
            Assignment.campaign_id == campaign.id,
            Assignment.status.not_in(DISCHARGED),
            rule.where(),
        )
    ).all()
    if open_duties:
        rows = [
            {
                "assignment_id": row.id,
                "decision": Decision.EXEMPTED,
                "reason": reason,
                "status_before": row.status,
                "exemption_id": exemption.id,
                "by_id": by.id,
            }
            for row in open_duties
        ]
        db.session.execute(insert(DutyDecision), rows)
        db.session.execute(
            update(Assignment)
            .where(Assignment.id.in_(_exempted_by(exemption.id)))
            .values(status=Status.WAIVED)
        )
    audit.record(
        "exemption.made",
        subject=exemption.id,
        actor=by.id,
        campaign=str(campaign.id),
        rule=exemption.audience,
        released=len(open_duties),
    )
    return exemption


def end_exemption(exemption: Exemption, *, by: Identity) -> None:
    """End the rule: who was released by it has the duty again, as it was.

    However many they are, the log says it once, as when the rule was made.
    """
    db.session.refresh(exemption, with_for_update=True)
    if exemption.ended_at is not None:
        raise Refused(_("This exemption has ended already."))
    exemption.ended_at = db.utc_now()
    released = (Assignment.id.in_(_exempted_by(exemption.id)), Assignment.status == Status.WAIVED)
    back = db.session.scalars(select(Assignment.id).where(*released)).all()
    if back:
        returned = {
            "decision": Decision.RETURNED,
            "reason": _("The exemption ended."),
            "by_id": by.id,
        }
        rows = [{"assignment_id": each} | returned for each in back]
        db.session.execute(insert(DutyDecision), rows)
        before = (
            select(DutyDecision.status_before)
            .where(
                DutyDecision.assignment_id == Assignment.id,
                DutyDecision.exemption_id == exemption.id,
            )
            .scalar_subquery()
        )
        db.session.execute(
            update(Assignment).where(*released).values(status=before, waived_until=None)
        )
    audit.record("exemption.ended", subject=exemption.id, actor=by.id, returned=len(back))


def _exempted_by(exemption_id: UUID) -> Select[UUID]:
    return select(DutyDecision.assignment_id).where(DutyDecision.exemption_id == exemption_id)


def lock(assignment: Assignment) -> None:
    """Read the duty anew and hold it until the transaction ends."""
    db.session.refresh(assignment, with_for_update={"of": Assignment})


def note_decision(
    assignment: Assignment, decision: Decision, *, by: Identity | None, **facts: Any
) -> None:
    """Keep one decision, and log it; `by` None: the portal itself."""
    row = DutyDecision(
        assignment_id=assignment.id, decision=decision, by_id=by.id if by else None, **facts
    )
    db.session.add(row)
    db.session.flush()
    audit.record(
        "duty.decided",
        subject=row.id,
        actor=by.id if by else None,
        assignment=str(assignment.id),
        decision=decision.value,
    )
