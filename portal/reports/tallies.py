"""How often each answer was given; counted ahead where a look would take too long."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, String, and_, case, cast, func, or_, select

from portal import db
from portal.attestations.models import Disposal
from portal.campaigns.models import Assignment, Campaign
from portal.jobs import Job
from portal.learning.models import Answer, Attempt
from portal.people.models import Person
from portal.reports.models import AnswerTally

MANY = 1000  # duties in a campaign: the answers of fewer are counted at each look
RESTS = timedelta(minutes=10)  # between two counts: one of a million answers takes seconds
RESTS_WHEN_CLOSED = timedelta(days=1)  # whoever had the duty may still answer


@dataclass(frozen=True)
class Given:
    """How many people of one kind gave one answer to a question, in their first attempt."""

    question: str
    chosen: tuple[int, ...]
    kind: str
    right: int  # 1 or 0
    others: int  # right answers to the other questions of the attempt
    people: int


def get(campaign_id: UUID) -> tuple[list[Given], datetime | None]:
    """What was answered in a campaign, and when that was counted; None: just now."""
    kept = db.session.get(AnswerTally, campaign_id)
    if kept is None:
        return _count(campaign_id), None
    return _read(kept.lines), kept.at


def _count(campaign_id: UUID) -> list[Given]:
    chosen = cast(Answer.chosen, String)
    right = case((Answer.right, 1), else_=0)
    others = cast(func.coalesce(Attempt.right, 0), Integer) - right
    rows = db.session.execute(
        select(Answer.question, chosen, Person.kind, right, others, func.count())
        .join(Attempt, Attempt.id == Answer.attempt_id)
        .join(Assignment, Assignment.id == Attempt.assignment_id)
        .join(Person, Person.id == Assignment.person_id)
        .where(
            Assignment.campaign_id == campaign_id,
            Attempt.number == 1,
            Attempt.submitted_at.is_not(None),
        )
        .group_by(Answer.question, chosen, Person.kind, right, others)
    )
    return _read([question, json.loads(text), *rest] for question, text, *rest in rows)


def _read(lines: Iterable[Sequence[Any]]) -> list[Given]:
    return [Given(question, tuple(chosen), *rest) for question, chosen, *rest in lines]


def _due(limit: int) -> list[str]:
    """Large campaigns, where anything was answered or disposed of since their last count."""
    now = db.utc_now()
    with db.reading() as session:
        changes = (
            session.scalar(select(func.max(each))) for each in (Attempt.submitted_at, Disposal.at)
        )
        changed = max((at for at in changes if at is not None), default=None)
        if changed is None:
            return []
        rested = or_(
            AnswerTally.at < now - RESTS_WHEN_CLOSED,
            and_(Campaign.closed_at.is_(None), AnswerTally.at < now - RESTS),
        )
        duties = select(func.count()).where(Assignment.campaign_id == Campaign.id)
        found = session.scalars(
            select(Campaign.id)
            .outerjoin(AnswerTally, AnswerTally.campaign_id == Campaign.id)
            .where(Campaign.launched_at.is_not(None))
            .where(or_(AnswerTally.at.is_(None), and_(AnswerTally.at < changed, rested)))
            .where(duties.scalar_subquery() >= MANY)
            .limit(limit)
        )
        return [str(one) for one in found]


def _do(campaign_id: str) -> None:
    at = db.utc_now()
    with db.reading():
        lines = [
            [each.question, each.chosen, each.kind, each.right, each.others, each.people]
            for each in _count(UUID(campaign_id))
        ]
    with db.transaction() as session:
        session.merge(AnswerTally(campaign_id=UUID(campaign_id), at=at, lines=lines))


TALLY = Job("tally", _due, _do, every=60)
"""The answers of large campaigns, counted while nobody waits."""
