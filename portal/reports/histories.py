"""How the duties stood day by day whose way was not straight: released, returned, not agreed to."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CompoundSelect, select, union

from portal import db
from portal.attestations.models import Refusal
from portal.campaigns.models import Assignment, Decision, DutyDecision

Series = dict[str, Counter[date]]
"""Numbers by what they count ("people" and states), as changes on days of the City."""

NOT_STARTED, IN_PROGRESS, SIGNED = "not_started", "in_progress", "signed"
WAIVED, REFUSED = "waived", "refused"
STATES = (NOT_STARTED, IN_PROGRESS, SIGNED, WAIVED, REFUSED)
_GIVEN, _STARTED = "given", "started"
_RELEASES = {Decision.WAIVED, Decision.EXEMPTED, Decision.LEFT}
_DECISIONS = {*_RELEASES, Decision.RETURNED}

Event = tuple[datetime, str]


def crooked() -> CompoundSelect[UUID]:
    """The duties that were ever released, or not agreed to; of all campaigns."""
    return union(
        select(DutyDecision.assignment_id).where(DutyDecision.decision.in_(_DECISIONS)),
        select(Refusal.assignment_id),
    )


def changes(campaign_id: UUID) -> Series:
    """The changes of all these duties of a campaign: they are few."""
    theirs = (Assignment.campaign_id == campaign_id, Assignment.id.in_(crooked()))
    duties = db.session.execute(
        select(
            Assignment.id, Assignment.assigned_at, Assignment.started_at, Assignment.signed_at
        ).where(*theirs)
    )
    events: dict[UUID, list[Event]] = {
        row.id: [
            (max(at, row.assigned_at), what)
            for at, what in (
                (row.assigned_at, _GIVEN),
                (row.started_at, _STARTED),
                (row.signed_at, SIGNED),
            )
            if at is not None
        ]
        for row in duties
    }
    for found in (
        select(Assignment.id, Refusal.at, Refusal.at)
        .join(Assignment, Assignment.id == Refusal.assignment_id)
        .where(*theirs),
        select(Assignment.id, DutyDecision.at, DutyDecision.decision)
        .join(Assignment, Assignment.id == DutyDecision.assignment_id)
        .where(*theirs, DutyDecision.decision.in_(_DECISIONS)),
    ):
        for key, at, what in db.session.execute(found):
            events[key].append((at, what if isinstance(what, Decision) else REFUSED))
    series: Series = {name: Counter() for name in ("people", *STATES)}
    for each in events.values():
        _follow(sorted(each, key=lambda event: event[0]), series)
    return series


def _follow(events: Iterable[Event], series: Series) -> None:
    state, before, has_begun = NOT_STARTED, NOT_STARTED, False
    for at, what in events:
        day, was = day_of(at), state
        if what == _GIVEN:
            series["people"][day] += 1
            series[state][day] += 1
        elif state == SIGNED:
            break  # what is signed stays signed
        elif what == _STARTED:
            has_begun = True
            state = IN_PROGRESS if state == NOT_STARTED else state
        elif what in _RELEASES:
            before = before if state == WAIVED else state
            state = WAIVED
        elif what == Decision.RETURNED:
            state = IN_PROGRESS if before == NOT_STARTED and has_begun else before
        elif what == SIGNED or state != WAIVED:
            state = what
        if state != was:
            series[state][day] += 1
            series[was][day] -= 1


def day_of(moment: datetime) -> date:
    """The day of the City."""
    return moment.astimezone(db.settings().zone).date()
