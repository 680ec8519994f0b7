"""Opens campaigns and gives people their duties."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, bindparam, case, func, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.audit import services as audit
from portal.campaigns import audience, giving
from portal.campaigns.models import DISCHARGED, Assignment, Campaign, Kind, Status
from portal.courses.models import CourseVersion
from portal.errors import NotFound, Refused
from portal.people.services import Identity


@dataclass(frozen=True)
class Plan:
    """What a campaign is to be: `due_on` for an annual one, `due_days` for an onboarding.

    `audience` is a kind of employment; HR's pages know finer rules.
    """

    key: str
    title: str
    kind: str
    course: str
    audience: str
    opens_on: date
    due_on: date | None = None
    due_days: int | None = None


@dataclass(frozen=True)
class Duty:
    """One person's assignment with what pages say about its campaign."""

    id: UUID
    person_id: UUID
    campaign_id: UUID
    title: str
    kind: Kind
    course_version_id: UUID
    due_on: date
    status: Status
    paused_on: date | None
    signed_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether something is still asked of the person."""
        return self.status not in DISCHARGED

    def is_overdue(self, today: date) -> bool:
        """Whether it should have been signed before today; a clock that stands is not late."""
        return self.is_open and self.paused_on is None and self.due_on < today


def open_campaign(plan: Plan) -> Campaign:
    """Open a campaign on the latest version of its course and give everyone their duty.

    Opening the same key again changes nothing but adds who has joined since. Refuses a course
    that is not published.
    """
    campaign = db.session.scalar(select(Campaign).filter_by(key=plan.key))
    if campaign is None:
        version = db.session.scalar(
            select(CourseVersion)
            .filter_by(key=plan.course)
            .order_by(CourseVersion.number.desc())
            .limit(1)
        )
        if version is None:
            raise Refused(f"Publish the course {plan.course!r} before you open a campaign on it.")
        campaign = Campaign(
            key=plan.key,
            title=plan.title,
            kind=Kind(plan.kind),
            audience=audience.everyone_of_kind(plan.audience).to_json(),
            opens_on=plan.opens_on,
            due_on=plan.due_on,
            due_days=plan.due_days,
            course_version=version,
            launched_at=db.utc_now(),
        )
        db.session.add(campaign)
        db.session.flush()
        audit.record("campaign.launched", subject=campaign.id, actor=None, key=plan.key)
    giving.give(campaign)
    campaign.filled_at = db.utc_now()
    return campaign


def assign_open(person: Identity, *, today: date) -> list[Duty]:
    """Give the person what they should have of the open campaigns and do not; all their duties."""
    duties, missing = _look(person, today)
    if missing and _give(person, missing):
        duties, missing = _look(person, today)
    return duties


def _look(person: Identity, today: date) -> tuple[list[Duty], list[UUID]]:
    """The person's duties, and the open campaigns for them in which they have none: one look."""
    duties, missing = [], []
    for campaign_id, for_whom, *duty in db.look(_TASKS, person=person.id, today=today):
        if for_whom is None:
            duties.append(Duty(*duty))
        elif audience.read(for_whom).takes(person):
            missing.append(campaign_id)
    return duties, missing


def _give(person: Identity, campaign_ids: list[UUID]) -> bool:
    """Whether the person was given anything, here or in another tab."""
    wanted = select(Campaign).where(Campaign.id.in_(campaign_ids))
    with db.reading() as session:  # who is left out is not made to wait for those who write
        if not any(giving.is_due(each, person.id) for each in session.scalars(wanted)):
            return False
    try:
        with db.transaction() as session:
            for campaign in session.scalars(wanted):
                giving.give(campaign, only=[person.id])
    except IntegrityError:
        pass  # another tab was faster; the duty is there
    return True


def list_duties(person: Identity) -> list[Duty]:
    """The person's duties, open ones first, by due date."""
    rows = db.connection().execute(_DUTIES, {"person": person.id})
    return [Duty(*row) for row in rows]


def get_duty(assignment_id: UUID, *, person: Identity) -> Duty:
    """One duty of this person. Raises NotFound for anybody else's."""
    asked = {"person": person.id, "assignment": assignment_id}
    row = db.connection().execute(_DUTY, asked).first()
    if row is None:
        raise NotFound
    return Duty(*row)


def lock_duty(assignment_id: UUID) -> Status | None:
    """Where a duty stands, which nobody else changes until the transaction ends."""
    return db.session.scalar(
        select(Assignment.status)
        .where(Assignment.id == assignment_id)
        .with_for_update(key_share=True)
    )


def set_status(assignment_id: UUID, status: Status, *, signed_at: datetime | None = None) -> None:
    """Note where an assignment stands, and when it began; `signed_at` goes with SIGNED alone.

    What is signed stays signed, and no release of it has an end.
    """
    values: dict[str, Any] = {"status": status, "signed_at": signed_at}
    if status is Status.SIGNED:
        values["waived_until"] = None
    if status in {Status.IN_PROGRESS, Status.READY}:
        values["started_at"] = func.coalesce(Assignment.started_at, db.utc_now())
    db.session.execute(
        update(Assignment)
        .where(Assignment.id == assignment_id, Assignment.status != Status.SIGNED)
        .values(**values)
    )


_COLUMNS = (
    Assignment.id,
    Assignment.person_id,
    Campaign.id,
    Campaign.title,
    Campaign.kind,
    Assignment.course_version_id,
    Assignment.due_on,
    Assignment.status,
    Assignment.paused_on,
    Assignment.signed_at,
)


# Asked on every page: made once, and without the ORM, they cost a third.
_BY_DUE_DATE = (Assignment.signed_at.is_not(None), Assignment.due_on, Campaign.title)
_DUTIES: Select[*tuple[Any, ...]] = (
    select(*_COLUMNS)
    .join(Campaign, Campaign.id == Assignment.campaign_id)
    .where(Assignment.person_id == bindparam("person"))
    .order_by(*_BY_DUE_DATE)
)
_DUTY = _DUTIES.where(Assignment.id == bindparam("assignment"))
_HAS_NONE = Assignment.id.is_(None)
_THEIRS = and_(Assignment.campaign_id == Campaign.id, Assignment.person_id == bindparam("person"))
_TASKS = (
    select(Campaign.id, case((_HAS_NONE, Campaign.audience)), *_COLUMNS)
    .select_from(Campaign)
    .outerjoin(Assignment, _THEIRS)
    .where(
        or_(
            not_(_HAS_NONE),
            and_(
                Campaign.launched_at.is_not(None),
                Campaign.closed_at.is_(None),
                Campaign.opens_on <= bindparam("today"),
            ),
        )
    )
    .order_by(*_BY_DUE_DATE)
)
