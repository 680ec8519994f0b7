"""Answers and figures, counted ahead where a look would take too long."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, String, and_, case, cast, func, or_, select

from portal import db
from portal.audit.models import AuditEntry
from portal.campaigns.models import Assignment, Campaign
from portal.jobs import Job
from portal.learning.models import Answer, Attempt
from portal.reports import figures
from portal.reports.figures import Figures
from portal.reports.models import Tally

MANY = 5000  # duties in a campaign: fewer are counted at each look
RESTS = timedelta(minutes=10)  # between two counts: one of a million answers takes seconds
RESTS_WHEN_CLOSED = timedelta(days=1)  # whoever had the duty may still sign


@dataclass(frozen=True)
class Given:
    """How many people of one kind gave one answer to a question, in their first attempt."""

    question: str
    chosen: tuple[int, ...]
    kind: str
    right: int  # 1 or 0
    others: int  # right answers to the other questions of the attempt
    people: int


def get_answers(campaign_id: UUID) -> tuple[list[Given], datetime | None]:
    """What was answered in a campaign, and when that was counted; None: just now."""
    kept = db.session.get(Tally, campaign_id)
    if kept is None:
        return _count(campaign_id), None
    return _read(kept.answers), kept.at


def get_figures(campaign: Campaign, *, today: date) -> tuple[Figures, datetime | None]:
    """How a campaign stands, and when that was counted; None: just now."""
    kept = db.session.get(Tally, campaign.id)
    if kept is None:
        return figures.count(campaign, today=today), None
    return Figures.from_json(kept.figures), kept.at


def _count(campaign_id: UUID) -> list[Given]:
    chosen = cast(Answer.chosen, String)
    right = case((Answer.right, 1), else_=0)
    others = cast(func.coalesce(Attempt.right, 0), Integer) - right
    rows = db.session.execute(
        select(Answer.question, chosen, Assignment.kind, right, others, func.count())
        .join(Attempt, Attempt.id == Answer.attempt_id)
        .join(Assignment, Assignment.id == Attempt.assignment_id)
        .where(
            Assignment.campaign_id == campaign_id,
            Attempt.number == 1,
            Attempt.submitted_at.is_not(None),
        )
        .group_by(Answer.question, chosen, Assignment.kind, right, others)
    )
    return _read([question, json.loads(text), *rest] for question, text, *rest in rows)


def _read(lines: Iterable[Sequence[Any]]) -> list[Given]:
    return [Given(question, tuple(chosen), *rest) for question, chosen, *rest in lines]


def _due(limit: int) -> list[str]:
    """Large campaigns, where anything at all has happened since their last count."""
    now = db.utc_now()
    with db.reading() as session:
        newest = select(AuditEntry.at).order_by(AuditEntry.position.desc()).limit(1)
        rested = or_(
            Tally.at < now - RESTS_WHEN_CLOSED,
            and_(Campaign.closed_at.is_(None), Tally.at < now - RESTS),
        )
        duties = select(func.count()).where(Assignment.campaign_id == Campaign.id)
        found = session.scalars(
            select(Campaign.id)
            .outerjoin(Tally, Tally.campaign_id == Campaign.id)
            .where(Campaign.launched_at.is_not(None))
            .where(or_(Tally.at.is_(None), and_(Tally.at < newest.scalar_subquery(), rested)))
            .where(duties.scalar_subquery() >= MANY)
            .limit(limit)
        )
        return [str(one) for one in found]


def _do(campaign_id: str) -> None:
    key, at = UUID(campaign_id), db.utc_now()
    with db.reading() as session:
        answers = [list(astuple(each)) for each in _count(key)]
        counted = figures.count(session.get_one(Campaign, key), today=db.today())
    kept = Tally(campaign_id=key, at=at, answers=answers, figures=counted.to_json())
    with db.transaction() as session:
        session.merge(kept)


TALLY = Job("tally", _due, _do, every=60)
"""Large campaigns, counted while nobody waits."""
