"""A new version of a course: does it ask anything of those who have signed?

Minor: open campaigns go on with the new version; who has begun keeps the one they began. Material:
the same, and who signed an earlier version gets what changed, in a campaign of its own.
"""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, func, select, update

from portal import db
from portal.audit import services as audit
from portal.campaigns import deciding, giving
from portal.campaigns.audience import Audience, Part
from portal.campaigns.models import Assignment, Campaign, Kind, Status
from portal.campaigns.planning import new_key
from portal.courses import services as courses
from portal.courses.models import CourseVersion
from portal.courses.services import Version
from portal.errors import Refused
from portal.people.services import Identity

MINOR, MATERIAL = "minor", "material"


@dataclass(frozen=True)
class Reach:
    """Whom a new version touches."""

    signed: int  # people who last signed another text: a material change asks them again
    running: int  # began an earlier version: they end it
    waiting: int  # have not begun: they get the new version either way


def count_reach(version: Version) -> Reach:
    """Whom this version touches, counted over all campaigns on earlier versions."""
    earlier = (
        select(CourseVersion.id)
        .where(CourseVersion.key == version.key, CourseVersion.number < version.number)
        .scalar_subquery()
    )
    on_earlier = Assignment.course_version_id.in_(earlier)
    is_open = Assignment.campaign_id.in_(_open_campaigns(version))
    row = db.session.execute(
        select(
            func.count().filter(
                is_open,
                Assignment.status.in_([Status.IN_PROGRESS, Status.READY, Status.REFUSED]),
            ),
            func.count().filter(is_open, Assignment.status == Status.NOT_STARTED),
        )
        .select_from(Assignment)
        .where(on_earlier)
    ).one()
    return Reach(giving.count_people(giving.has_other_text(version.id)), *row)


def decide(
    version: Version, *, change: str, due_on: date | None, title: str, by: Identity
) -> Campaign | None:
    """Say once and for all whether a version is minor or material, and act on it.

    Returns the update campaign of a material change. Refuses a version that is decided already,
    one that is not the newest, and a material change without a due date from today on.
    """
    row = db.session.get_one(CourseVersion, version.id, with_for_update=True)
    if row.change:
        raise Refused(_("Somebody has decided about this version already."))
    if courses.latest(version.key).id != version.id:
        raise Refused(_("There is a newer version. Decide about that one."))
    if change == MATERIAL and (due_on is None or due_on < db.today()):
        raise Refused(_("Set a due date from today on."))
    row.change = change
    db.session.flush()
    moved = list(db.session.scalars(_open_campaigns(version).where(Campaign.kind != Kind.UPDATE)))
    db.session.execute(
        update(Campaign).where(Campaign.id.in_(moved)).values(course_version_id=version.id)
    )
    opened, released = None, 0
    if change == MATERIAL:
        opened = _open_update(version, due_on=due_on, title=title, by=by)
        ended = _end_updates(version)
        released = _release_unchanged(version, ended, by=by)
        moved += ended
    db.session.execute(
        update(Assignment)
        .where(Assignment.campaign_id.in_(moved), Assignment.status == Status.NOT_STARTED)
        .values(course_version_id=version.id)
    )
    audit.record(
        "course.decided",
        subject=version.id,
        actor=by.id,
        change=change,
        campaigns=len(moved),
        released=released,
    )
    return opened


def _open_update(version: Version, *, due_on: date | None, title: str, by: Identity) -> Campaign:
    now = db.utc_now()
    campaign = Campaign(
        key=new_key(title),
        title=title,
        kind=Kind.UPDATE,
        audience=Audience((Part(),)).to_json(),
        course_version_id=version.id,
        opens_on=db.local_day(now),
        due_on=due_on,
        launched_at=now,
        changed_by=by.id,
    )
    db.session.add(campaign)
    db.session.flush()
    audit.record("campaign.launched", subject=campaign.id, actor=by.id, key=campaign.key)
    return campaign


def _end_updates(version: Version) -> list[UUID]:
    """Earlier updates give way: who has not begun one gets all that changed in one go."""
    earlier = list(db.session.scalars(_open_campaigns(version).where(Campaign.kind == Kind.UPDATE)))
    db.session.execute(
        update(Campaign).where(Campaign.id.in_(earlier)).values(closed_at=db.utc_now())
    )
    return earlier


def _release_unchanged(version: Version, ended: list[UUID], *, by: Identity) -> int:
    """Release who has not begun an earlier update, and had signed the text that is back now."""
    duties = db.session.scalars(
        select(Assignment.id)
        .join(CourseVersion, CourseVersion.id == Assignment.since_version_id)
        .where(
            Assignment.campaign_id.in_(ended),
            Assignment.status == Status.NOT_STARTED,
            CourseVersion.content_hash == version.content_hash,
        )
    ).all()
    deciding.release_all(duties, reason=_("The text is again the one that they signed."), by=by)
    return len(duties)


def _open_campaigns(version: Version) -> Select[UUID]:
    """Campaigns and drafts on another version of the course."""
    return (
        select(Campaign.id)
        .join(CourseVersion, CourseVersion.id == Campaign.course_version_id)
        .where(
            CourseVersion.key == version.key,
            CourseVersion.id != version.id,
            Campaign.closed_at.is_(None),
        )
    )
