"""More time for everyone in a campaign."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, exists, select, update

from portal import db, jobs
from portal.audit import services as audit
from portal.campaigns import giving, schedule
from portal.campaigns.models import Assignment, Campaign, Status
from portal.campaigns.planning import lock, note_change, plain
from portal.errors import Refused
from portal.jobs import Job
from portal.people.services import Identity

UNSIGNED = tuple(status for status in Status if status is not Status.SIGNED)
"""Released ones too: a release may end."""


def extend(campaign: Campaign, *, days: int, by: Identity) -> None:
    """Give everyone who has not signed so many days more: those that the campaign counts in.

    Where all have one date the worker moves what is due before it, and what is later already
    stays. Refuses a campaign that is not open, and a date that is over.
    """
    lock(campaign)
    if not campaign.is_open:
        raise Refused(_("Only an open campaign can be extended."))
    before = _term(campaign)
    if campaign.due_on is None:
        campaign.due_days = (campaign.due_days or 0) + days
        _move_each(campaign, days)
    elif (later := campaign.due_on + timedelta(days=days)) < db.today():
        raise Refused(_("That day is over already. Give more days."))
    else:
        campaign.due_on = later
    note_change(campaign, by)
    audit.record(
        "campaign.changed",
        subject=campaign.id,
        actor=by.id,
        before=before,
        after=_term(campaign),
    )


def _term(campaign: Campaign) -> dict[str, Any]:
    if campaign.due_on is None:
        return plain({"due_days": campaign.due_days})
    return plain({"due_on": campaign.due_on})


def _move_each(campaign: Campaign, days: int) -> None:
    """Move the due dates of an onboarding, which few have at once."""
    theirs = (Assignment.campaign_id == campaign.id, Assignment.status.in_(UNSIGNED))
    for due_on in db.session.scalars(
        select(Assignment.due_on).where(*theirs).distinct().order_by(Assignment.due_on.desc())
    ).all():  # the latest first, so that none is moved twice
        db.session.execute(
            update(Assignment)
            .where(*theirs, Assignment.due_on == due_on)
            .values(due_on=_later(campaign, due_on, days))
        )


def _later(campaign: Campaign, day: date, days: int) -> date:
    if campaign.business_days:
        return schedule.add_business_days(day, days, db.settings().holidays)
    return day + timedelta(days=days)


def _is_behind() -> tuple[ColumnElement[bool], ...]:
    """Duties that are due before their campaign is: it was extended."""
    return (
        Assignment.campaign_id == Campaign.id,
        Assignment.status.in_(UNSIGNED),
        Assignment.due_on < Campaign.due_on,
    )


def _due(limit: int) -> list[str]:
    with db.reading() as session:
        found = session.scalars(
            select(Campaign.id).where(exists().where(*_is_behind())).limit(limit)
        )
        return [str(one) for one in found]


def _do(campaign_id: str) -> None:
    """Move the due dates; a batch goes into a transaction, as in a launch."""
    key = UUID(campaign_id)
    while duties := _left_to_do(key):
        for at in range(0, len(duties), giving.BATCH):
            with db.transaction() as session:
                due_on = session.get_one(Campaign, key).due_on
                session.execute(
                    update(Assignment)
                    .where(
                        Assignment.id.in_(duties[at : at + giving.BATCH]),
                        Assignment.status.in_(UNSIGNED),
                        Assignment.due_on < due_on,
                    )
                    .values(due_on=due_on)
                )
            jobs.renew(EXTEND.name, campaign_id)


def _left_to_do(campaign_id: UUID) -> Sequence[UUID]:
    behind = select(Assignment.id).join(Campaign, Campaign.id == campaign_id).where(*_is_behind())
    with db.reading() as session:
        return session.scalars(behind).all()


EXTEND = Job("extend", _due, _do, every=1)
"""Campaigns that were extended."""
