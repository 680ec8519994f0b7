"""Who is to have a duty in a campaign, and gives it to them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    and_,
    exists,
    false,
    func,
    insert,
    not_,
    or_,
    select,
)
from sqlalchemy.orm import aliased

from portal import db, jobs
from portal.audit import services as audit
from portal.campaigns import audience, schedule
from portal.campaigns.models import DISCHARGED, Assignment, Campaign, Exemption, Kind
from portal.courses.models import CourseVersion
from portal.jobs import Job
from portal.people.models import Person

_OF_PERSON = (Person.id, Person.sort_name, Person.kind, Person.department, Person.started_on)
BATCH = 200
"""People in one transaction: on SQLite nobody else can write meanwhile."""


def give(campaign: Campaign, *, only: Sequence[UUID] | None = None) -> int:
    """Give their duty to all who should have it and do not; returns how many.

    `only`: to none but these. Campaigns on one course version give one after the other, so that
    nobody has the duty twice, and nobody is renamed in between. Raises IntegrityError when somebody
    else gave them first.
    """
    version = select(CourseVersion.id).where(CourseVersion.id == campaign.course_version_id)
    db.session.execute(version.with_for_update(key_share=True))
    locked = _to_give(campaign, only).with_for_update(of=Person, read=True, key_share=True)
    people = db.session.execute(locked).all()
    if people:
        _give(campaign, people)
    return len(people)


def is_due(campaign: Campaign, person_id: UUID) -> bool:
    """Whether this person should have the duty and does not."""
    return db.session.scalar(_to_give(campaign, [person_id])) is not None


def in_audience(campaign: Campaign) -> ColumnElement[bool]:
    """Whom the rule takes, as SQL over `Person`; for an update, of those who signed before."""
    rule = audience.read(campaign.audience).where()
    if campaign.kind is Kind.UPDATE:
        return and_(rule, has_other_text(campaign.course_version_id))
    return rule


def has_other_text(version_id: UUID) -> ColumnElement[bool]:
    """Whose last signature is under an earlier version of the course with another text.

    A version may go back to an older text: who signed that last keeps the signature.
    """
    text = _of_version(version_id, "content_hash")
    newer = CourseVersion.number >= _of_version(version_id, "number")
    return and_(
        func.coalesce(_last_signed(version_id, CourseVersion.content_hash), text) != text,
        not_(_signings(version_id).where(newer).exists()),
    )


def exempt(campaign_id: UUID) -> ColumnElement[bool]:
    """Whom an exemption takes out of the campaign."""
    rules = db.session.scalars(
        select(Exemption.audience).where(
            Exemption.campaign_id == campaign_id, Exemption.ended_at.is_(None)
        )
    )
    return or_(*(audience.read(rule).where() for rule in rules), false())


def signed_lately(campaign: Campaign) -> ColumnElement[bool]:
    """Who signed this course within the campaign's minimum interval."""
    if not campaign.min_interval:
        return false()
    begins = campaign.opens_on
    if campaign.kind is Kind.ONBOARDING:  # it runs for years
        begins = max(begins, db.today())
    since = schedule.months_before(begins, campaign.min_interval)
    signed = _signings(campaign.course_version_id)
    return signed.where(Assignment.signed_at >= _midnight(since)).exists()


def has_same_duty(campaign: Campaign) -> ColumnElement[bool]:
    """Who still owes the same course version elsewhere: nothing twice.

    A duty of a closed campaign counts no more, but one of an update that gave way does.
    """
    other = aliased(Campaign)
    others = select(other.id).where(
        other.id != campaign.id, or_(other.closed_at.is_(None), other.kind == Kind.UPDATE)
    )
    return exists().where(
        Assignment.person_id == Person.id,
        Assignment.campaign_id.in_(others),  # few: each is asked for the person
        Assignment.course_version_id == campaign.course_version_id,
        Assignment.status.not_in(DISCHARGED),
    )


def has_duty(campaign_id: UUID) -> ColumnElement[bool]:
    """Who has a duty in this campaign, whatever its status."""
    return exists().where(Assignment.person_id == Person.id, Assignment.campaign_id == campaign_id)


def is_to_have(campaign: Campaign) -> ColumnElement[bool]:
    """Who should get a duty now and has none."""
    return and_(
        Person.left_on.is_(None),
        in_audience(campaign),
        not_(has_duty(campaign.id)),
        not_(exempt(campaign.id)),
        not_(signed_lately(campaign)),
        not_(has_same_duty(campaign)),
    )


def _to_give(campaign: Campaign, only: Sequence[UUID] | None) -> Select[*tuple[Any, ...]]:
    since = _last_signed(campaign.course_version_id, Assignment.course_version_id)
    query = (
        select(*_OF_PERSON, since.label("since")).where(is_to_have(campaign)).order_by(Person.id)
    )
    return query if only is None else query.where(Person.id.in_(only))


def _signings(version_id: UUID) -> Select[*tuple[Any, ...]]:
    """The person's signed duties of any version of the same course."""
    return (
        select(Assignment.id)
        .join(CourseVersion, CourseVersion.id == Assignment.course_version_id)
        .where(
            Assignment.person_id == Person.id,
            Assignment.signed_at.is_not(None),
            CourseVersion.key == _of_version(version_id, "key"),
        )
        .correlate(Person)
    )


def _last_signed(version_id: UUID, fact: Any) -> Any:
    """Of what the person signed last: two signatures may bear one second."""
    signed = _signings(version_id).with_only_columns(fact)
    latest = signed.order_by(Assignment.signed_at.desc(), CourseVersion.number.desc())
    return latest.limit(1).scalar_subquery()


def _of_version(version_id: UUID, fact: str) -> Any:
    asked = aliased(CourseVersion)
    return select(getattr(asked, fact)).where(asked.id == version_id).scalar_subquery()


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=db.settings().zone).astimezone(UTC)


def _give(campaign: Campaign, people: Iterable[Row[*tuple[Any, ...]]]) -> None:
    holidays = db.settings().holidays if campaign.business_days else None
    joined_on = db.today() if campaign.filled_at else None
    rows = [
        {
            "id": uuid4(),
            "campaign_id": campaign.id,
            "person_id": person.id,
            "sort_name": person.sort_name,
            "kind": person.kind,
            "course_version_id": campaign.course_version_id,
            "since_version_id": person.since,
            "department": person.department,
            "due_on": schedule.due_on(
                opens_on=campaign.opens_on,
                fixed=campaign.due_on,
                days=campaign.due_days,
                started_on=person.started_on,
                holidays=holidays,
                joined_on=joined_on,
            ),
        }
        for person in people
    ]
    db.session.execute(insert(Assignment), rows)
    given = [row["id"] for row in rows]
    audit.record_many("assignment.created", subjects=given, actor=None, campaign=str(campaign.id))


def count_people(where: ColumnElement[bool]) -> int:
    """How many people who work here fit."""
    return db.session.scalars(
        select(func.count()).select_from(Person).where(Person.left_on.is_(None), where)
    ).one()


def _due(limit: int) -> list[str]:
    """Open campaigns that were not looked through today."""
    now = db.utc_now()
    today = now.astimezone(db.settings().zone).date()
    with db.reading() as session:
        found = session.scalars(
            select(Campaign.id)
            .where(
                Campaign.launched_at.is_not(None),
                Campaign.closed_at.is_(None),
                Campaign.opens_on <= today,
                or_(Campaign.filled_at.is_(None), Campaign.filled_at < _midnight(today)),
            )
            .limit(limit)
        )
        return [str(one) for one in found]


def _do(campaign_id: str) -> None:
    """Give out duties: who is to have one is asked before, and a batch goes into a transaction."""
    key = UUID(campaign_id)
    while people := _who_is_to_have(key):
        for at in range(0, len(people), BATCH):
            with db.transaction() as session:
                campaign = session.get_one(Campaign, key)
                if campaign.closed_at:  # meanwhile
                    return
                give(campaign, only=people[at : at + BATCH])
            jobs.renew(FILL.name, campaign_id)
    with db.transaction() as session:
        session.get_one(Campaign, key).filled_at = db.utc_now()


def _who_is_to_have(campaign_id: UUID) -> Sequence[UUID]:
    with db.reading() as session:
        campaign = session.get_one(Campaign, campaign_id)
        return session.scalars(select(Person.id).where(is_to_have(campaign))).all()


FILL = Job("fill", _due, _do)
"""A launch, and the joiners of each day."""
