"""Leaves of absence, leavers, and releases that end: duties brought in line with the day."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update
from sqlalchemy.orm import aliased, joinedload

from portal import db
from portal.audit import services as audit
from portal.campaigns.deciding import (
    RELEASES,
    get_assignment,
    list_decisions,
    lock,
    note_decision,
    refuse_for_oneself,
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
from portal.campaigns.planning import plain
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
    it begins, one that crosses another, and one's own.
    """
    refuse_for_oneself(person_id, by)
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
    _settle_person(person_id, today=db.today())
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
    """Note the first day back.

    Refuses a day that is not after the first day away, and one's own leave.
    """
    refuse_for_oneself(leave.person_id, by)
    if ends_on <= leave.begins_on:
        raise Refused(_("The first day back must come after the first day away."))
    before, leave.ends_on, leave.given_back_on = leave.ends_on, ends_on, None
    db.session.flush()
    _settle_person(leave.person_id, today=db.today())
    audit.record(
        "leave.ended",
        subject=leave.id,
        actor=by.id,
        person=str(leave.person_id),
        before=plain({"ends_on": before}),
        after=plain({"ends_on": ends_on}),
    )


def _settle_person(person_id: UUID, *, today: date) -> None:
    """Bring all duties of a person in line; their leaves that are over are given back then."""
    theirs = select(Assignment.id).where(Assignment.person_id == person_id)
    for assignment_id in db.session.scalars(theirs).all():
        settle(assignment_id, today=today)
    over = update(Leave).where(Leave.person_id == person_id, *_is_to_give_back(today))
    db.session.execute(over.values(given_back_on=today))


def settle(assignment_id: UUID, *, today: date) -> None:
    """Bring one duty in line with today.

    A release is over, a leave began or ended, the person left or came back.
    """
    assignment = get_assignment(assignment_id)
    lock(assignment)
    is_running = assignment.campaign.closed_at is None
    if assignment.person.left_on is not None:
        if is_running and assignment.status not in DISCHARGED:
            before, assignment.status = assignment.status, Status.WAIVED
            reason = _("Left: does not work here any more.")
            note_decision(assignment, Decision.LEFT, reason=reason, status_before=before, by=None)
        return
    released = is_running and assignment.status is Status.WAIVED
    if released and _last_release(assignment.id) is Decision.LEFT:
        take_back(assignment, reason=_("Works here again."), by=None)
    leave = db.session.scalar(
        select(Leave).where(Leave.person_id == assignment.person_id, _is_on(today))
    )
    is_over = assignment.waived_until is not None and assignment.waived_until < today
    if is_over and assignment.status is Status.WAIVED:
        take_back(assignment, reason=_("The release was up to this day."), by=None)
    if assignment.status in DISCHARGED and assignment.paused_on is None:
        return
    if leave is None:
        _give_days_back(assignment, today)
    elif assignment.paused_on is None:
        assignment.paused_on = max(leave.begins_on, db.local_day(assignment.assigned_at))
        note_decision(assignment, Decision.PAUSED, reason=_("Leave of absence"), by=None)


def _give_days_back(assignment: Assignment, today: date) -> None:
    """Move the due date by the days of leave, less those that it was moved by already.

    A leave that was noted late or corrected counts as it is known now; days may be taken again.
    """
    was_paused = assignment.paused_on is not None
    days_away = _days_away(assignment, today)
    before = assignment.due_on
    assignment.due_on = before + days_away - _given_back(assignment.id)
    assignment.paused_on = None
    if was_paused or assignment.due_on != before:
        note_decision(
            assignment,
            Decision.RESUMED,
            reason=_("Back from leave"),
            due_before=before,
            due_after=assignment.due_on,
            by=None,
        )


def _days_away(assignment: Assignment, today: date) -> timedelta:
    """How many days since the duty was given the person was on leave; each counts once."""
    counted_to, days = db.local_day(assignment.assigned_at), timedelta(0)
    for leave in reversed(list_leaves(assignment.person_id)):
        ends_on = min(leave.ends_on or today, today)
        begins_on = max(leave.begins_on, counted_to)
        if begins_on < ends_on:
            days += ends_on - begins_on
            counted_to = ends_on
    return days


def _given_back(assignment_id: UUID) -> timedelta:
    """By how many days earlier returns moved the due date."""
    moves = (
        each.due_after - each.due_before
        for each in list_decisions([assignment_id])
        if each.decision is Decision.RESUMED and each.due_after and each.due_before
    )
    return sum(moves, timedelta(0))


def _due(limit: int) -> list[str]:
    today = db.today()
    with db.reading() as session:
        return [str(one) for one in session.scalars(_unsettled(today).limit(limit))]


def _do(assignment_id: str) -> None:
    with db.transaction():
        settle(UUID(assignment_id), today=db.today())


SETTLE = Job("settle", _due, _do, every=1)
"""Releases that are over, leaves that begin and end."""


def _due_back(limit: int) -> list[str]:
    is_back = select(Leave.person_id).where(*_is_to_give_back(db.today())).distinct().limit(limit)
    with db.reading() as session:
        return [str(one) for one in session.scalars(is_back)]


def _give_back(person_id: str) -> None:
    with db.transaction():
        _settle_person(UUID(person_id), today=db.today())


GIVE_BACK = Job("give-back", _due_back, _give_back, every=1)
"""The days of leaves that are over, also of those during which no worker ran."""


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
                later.assignment_id == DutyDecision.assignment_id,
                later.decision.in_([Decision.RETURNED, *RELEASES]),
                later.at > DutyDecision.at,
            ),
        )
        .exists()
    )
    on_leave = exists().where(Leave.person_id == Assignment.person_id, _is_on(today))
    away = select(Leave.person_id).where(_is_on(today))
    is_open, is_released = Assignment.status.not_in(DISCHARGED), Assignment.status == Status.WAIVED
    works_here = Assignment.person_id.not_in(left)
    return select(Assignment.id).where(
        or_(
            and_(Assignment.waived_until < today, is_released, works_here),
            and_(Assignment.paused_on.is_not(None), ~on_leave, works_here),
            and_(
                Assignment.person_id.in_(away), is_open, Assignment.paused_on.is_(None), works_here
            ),
            and_(Assignment.person_id.in_(left), is_open, open_campaign),
            and_(is_released, open_campaign, came_back),
        )
    )


def _is_to_give_back(today: date) -> tuple[ColumnElement[bool], ...]:
    return (Leave.ends_on <= today, Leave.given_back_on.is_(None))


def _is_on(today: date) -> Any:
    return and_(Leave.begins_on <= today, or_(Leave.ends_on.is_(None), Leave.ends_on > today))
