"""Leaves of absence, leavers, and releases that end: duties brought in line with the day."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.orm import aliased, joinedload

from portal import db
from portal.audit import services as audit
from portal.campaigns.deciding import (
    RELEASES,
    get_assignment,
    lock,
    note_decision,
    take_back,
)
from portal.campaigns.models import (
    DISCHARGED,
    Assignment,
    Campaign,
    Decision,
    DutyDecision,
    Leave,
    Status,
)
from portal.errors import NotFound, Refused
from portal.jobs import Job
from portal.people.models import Person
from portal.people.services import Identity


def list_leaves(person_id: UUID) -> list[Leave]:
    """A person's leaves of absence, newest first."""
    return list(
        db.session.scalars(
            select(Leave).where(Leave.person_id == person_id).order_by(Leave.begins_on.desc())
        )
    )


def get_leave(leave_id: UUID) -> Leave:
    """One leave with its person. Raises NotFound."""
    leave = db.session.scalar(
        select(Leave).where(Leave.id == leave_id).options(joinedload(Leave.person))
    )
    if leave is None:
        raise NotFound
    return leave


def begin_leave(
    person_id: UUID, *, begins_on: date, ends_on: date | None, reason: str, by: Identity
) -> Leave:
    """Note a leave of absence; from its first day the clock of the person's duties stands.

    `ends_on` is the first day back, None where it is not known. Refuses a leave that ends before
    it begins, and one that crosses another.
    """
    if ends_on is not None and ends_on <= begins_on:
        raise Refused(_("The first day back must come after the first day away."))
    crossing = select(Leave.id).where(
        Leave.person_id == person_id,
        or_(Leave.ends_on.is_(None), Leave.ends_on > begins_on),
    )
    if ends_on is not None:
        crossing = crossing.where(Leave.begins_on < ends_on)
    if db.session.scalar(crossing.limit(1)):
        raise Refused(_("Another leave of this person is in these days."))
    leave = Leave(
        person_id=person_id, begins_on=begins_on, ends_on=ends_on, reason=reason, by_id=by.id
    )
    db.session.add(leave)
    db.session.flush()
    settle_person(person_id, today=db.today())
    audit.record(
        "leave.noted",
        subject=leave.id,
        actor=by.id,
        person=str(person_id),
        begins_on=begins_on.isoformat(),
        ends_on=ends_on.isoformat() if ends_on else None,
    )
    return leave


def end_leave(leave: Leave, *, ends_on: date, by: Identity) -> None:
    """Note the first day back. Refuses a day that is not after the first day away."""
    if ends_on <= leave.begins_on:
        raise Refused(_("The first day back must come after the first day away."))
    leave.ends_on = ends_on
    db.session.flush()
    settle_person(leave.person_id, today=db.today())
    audit.record("leave.ended", subject=leave.id, actor=by.id, ends_on=ends_on.isoformat())


def settle_person(person_id: UUID, *, today: date) -> None:
    """Bring the clocks of one person's duties in line with their leaves."""
    for assignment_id in db.session.scalars(
        _unsettled(today).where(Assignment.person_id == person_id)
    ).all():
        settle(assignment_id, today=today)


def settle(assignment_id: UUID, *, today: date) -> None:
    """Bring one duty in line with today.

    A release is over, a leave began or ended, the person left or came back.
    """
    assignment = get_assignment(assignment_id)
    lock(assignment)
    if assignment.person.left_on is not None:
        if assignment.status not in DISCHARGED:
            before, assignment.status = assignment.status, Status.WAIVED
            reason = _("Left: does not work here any more.")
            note_decision(assignment, Decision.LEFT, reason=reason, status_before=before, by=None)
        return
    if assignment.status is Status.WAIVED and _last_release(assignment.id) is Decision.LEFT:
        take_back(assignment, reason=_("Works here again."), by=None)
    leave = db.session.scalar(
        select(Leave).where(Leave.person_id == assignment.person_id, _is_on(today))
    )
    if assignment.waived_until is not None and assignment.waived_until < today:
        take_back(assignment, reason=_("The release was up to this day."), by=None)
    if leave is not None and assignment.paused_on is None:
        if assignment.status not in DISCHARGED:
            assignment.paused_on = max(leave.begins_on, db.local_day(assignment.assigned_at))
            note_decision(assignment, Decision.PAUSED, reason=_("Leave of absence"), by=None)
    elif leave is None and assignment.paused_on is not None:
        _resume(assignment, today)


def _resume(assignment: Assignment, today: date) -> None:
    """Give back the days of the leave: those after which the person is there again."""
    paused_on = assignment.paused_on or today
    back_on = db.session.scalar(
        select(Leave.ends_on)
        .where(Leave.person_id == assignment.person_id, Leave.ends_on > paused_on)
        .order_by(Leave.ends_on.desc())
        .limit(1)
    )
    before = assignment.due_on
    assignment.due_on = before + max((back_on or paused_on) - paused_on, timedelta(0))
    assignment.paused_on = None
    note_decision(
        assignment,
        Decision.RESUMED,
        reason=_("Back from leave"),
        due_before=before,
        due_after=assignment.due_on,
        by=None,
    )


def _due(limit: int) -> list[str]:
    today = db.today()
    with db.reading() as session:
        return [str(one) for one in session.scalars(_unsettled(today).limit(limit))]


def _do(assignment_id: str) -> None:
    with db.transaction():
        settle(UUID(assignment_id), today=db.today())


SETTLE = Job("settle", _due, _do, every=1)
"""Releases that are over, leaves that begin and end."""


def _last_release(assignment_id: UUID) -> Decision | None:
    return db.session.scalar(
        select(DutyDecision.decision)
        .where(DutyDecision.assignment_id == assignment_id, DutyDecision.decision.in_(RELEASES))
        .order_by(DutyDecision.at.desc())
        .limit(1)
    )


def _unsettled(today: date) -> Select[UUID]:
    open_campaign = Assignment.campaign_id.in_(
        select(Campaign.id).where(Campaign.closed_at.is_(None))
    )
    left = select(Person.id).where(Person.left_on.is_not(None))
    # Who left and is here again: their duty is released still, and by nothing later.
    later = aliased(DutyDecision)
    came_back = (
        select(DutyDecision.assignment_id)
        .join(Person, Person.id == Assignment.person_id)
        .where(
            DutyDecision.assignment_id == Assignment.id,
            DutyDecision.decision == Decision.LEFT,
            Person.left_on.is_(None),
            ~exists().where(
                later.assignment_id == Assignment.id,
                later.decision.in_([Decision.RETURNED, *RELEASES]),
                later.at > DutyDecision.at,
            ),
        )
        .exists()
    )
    on_leave = exists().where(Leave.person_id == Assignment.person_id, _is_on(today))
    away = select(Leave.person_id).where(_is_on(today))
    return select(Assignment.id).where(
        or_(
            Assignment.waived_until < today,
            and_(Assignment.paused_on.is_not(None), ~on_leave),
            and_(
                Assignment.person_id.in_(away),
                Assignment.person_id.not_in(left),
                Assignment.paused_on.is_(None),
                Assignment.status.not_in(DISCHARGED),
            ),
            and_(
                Assignment.person_id.in_(left),
                Assignment.status.not_in(DISCHARGED),
                open_campaign,
            ),
            and_(Assignment.status == Status.WAIVED, open_campaign, came_back),
        )
    )


def _is_on(today: date) -> Any:
    return and_(Leave.begins_on <= today, or_(Leave.ends_on.is_(None), Leave.ends_on > today))
