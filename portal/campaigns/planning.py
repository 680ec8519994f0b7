"""HR plans a campaign: draft, audience, launch, close, and next year's copy."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from flask_babel import gettext as _
from sqlalchemy import String, cast, func, select
from sqlalchemy import delete as delete_from
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from portal import db
from portal.audit import services as audit
from portal.campaigns import audience, giving, schedule
from portal.campaigns.audience import Audience
from portal.campaigns.models import DISCHARGED, Assignment, Campaign, Exemption, Kind, Status
from portal.courses import services as courses
from portal.errors import NotFound, Refused
from portal.people.models import Person
from portal.people.services import Identity


@dataclass(frozen=True)
class Line:
    """One campaign in the list, with how far it is."""

    campaign: Campaign
    people: int
    signed: int
    discharged: int


def get_campaign(campaign_id: UUID) -> Campaign:
    """One campaign with its course version and who changed it last. Raises NotFound."""
    campaign = db.session.scalar(
        select(Campaign)
        .where(Campaign.id == campaign_id)
        .options(joinedload(Campaign.course_version), joinedload(Campaign.changer))
    )
    if campaign is None:
        raise NotFound
    return campaign


def list_campaigns() -> list[Line]:
    """All campaigns, newest first."""
    counted = (
        select(
            Assignment.campaign_id,
            func.count().label("people"),
            func.count().filter(Assignment.status == Status.SIGNED).label("signed"),
            func.count().filter(Assignment.status.in_(DISCHARGED)).label("discharged"),
        )
        .group_by(Assignment.campaign_id)
        .subquery()
    )
    rows = db.session.execute(
        select(Campaign, counted.c.people, counted.c.signed, counted.c.discharged)
        .outerjoin(counted, counted.c.campaign_id == Campaign.id)
        .order_by(Campaign.closed_at.is_not(None), Campaign.opens_on.desc(), Campaign.title)
    )
    return [Line(row[0], row[1] or 0, row[2] or 0, row[3] or 0) for row in rows]


def create(values: Mapping[str, Any], *, course: str, by: Identity) -> Campaign:
    """A draft on the newest version of a course, for all employees until its audience is set.

    An onboarding begins with contractors. `values` are columns of Campaign. Raises NotFound for
    a course that is not published.
    """
    kind = Kind(values["kind"])
    first = "contractor" if kind is Kind.ONBOARDING else "employee"
    campaign = Campaign(
        **values,
        key=new_key(values["title"]),
        course_version_id=courses.latest(course).id,
        audience=audience.everyone_of_kind(first).to_json(),
        changed_by=by.id,
    )
    db.session.add(campaign)
    db.session.flush()
    audit.record(
        "campaign.changed",
        subject=campaign.id,
        actor=by.id,
        before={},
        after=plain({"title": campaign.title, "kind": kind}),
    )
    return campaign


def change(campaign: Campaign, values: Mapping[str, Any], *, by: Identity, seen: str) -> None:
    """Change a campaign; the log keeps what was before.

    `seen` is the `stamp` of what the person saw: refuses when somebody else changed it since.
    Refuses to change a campaign that is closed.
    """
    lock(campaign)
    if campaign.closed_at is not None:
        raise Refused(_("This campaign is closed. Copy it to begin a new one."))
    if seen != stamp(campaign):
        raise Refused(
            _(
                "%(who)s changed this campaign in the meantime. Look at it again, then save.",
                who=campaign.changer.full_name if campaign.changer else _("Somebody"),
            )
        )
    before = {name: getattr(campaign, name) for name in values}
    after = {name: value for name, value in values.items() if value != before[name]}
    if not after:
        return
    for name, value in after.items():
        setattr(campaign, name, value)
    note_change(campaign, by)
    audit.record(
        "campaign.changed",
        subject=campaign.id,
        actor=by.id,
        before=plain({name: before[name] for name in after}),
        after=plain(after),
    )


def stamp(campaign: Campaign) -> str:
    """Tells one state of a campaign from the next; a form carries it."""
    return campaign.changed_at.isoformat()


def launch(campaign: Campaign, *, by: Identity) -> None:
    """Open the campaign: the worker gives everyone in its audience their duty.

    Refuses an empty audience, dates in the past, and a second launch.
    """
    lock(campaign)
    if campaign.launched_at is not None:
        raise Refused(_("This campaign is launched already."))
    if refusal := why_not_launch(campaign, today=db.today()):
        raise Refused(refusal)
    campaign.launched_at = db.utc_now()
    note_change(campaign, by)
    audit.record("campaign.launched", subject=campaign.id, actor=by.id, key=campaign.key)


def why_not_launch(campaign: Campaign, *, today: date) -> str:
    """Why a draft cannot be launched, in words; empty if it can.

    One that begins later, or waits for people who join, may have nobody today.
    """
    why = ""
    if campaign.due_on and campaign.due_on < today:
        why = _("The due date is over. Set a later one first.")
    elif unknown := unknown_values(audience.read(campaign.audience)):
        why = _("Nobody in the directory has “%(value)s”. Mend the audience.", value=unknown[0])
    elif not giving.count_people(giving.in_audience(campaign)):
        why = _("Nobody is in the audience. Change it first.")
    elif campaign.kind is Kind.ONBOARDING or campaign.opens_on > today:
        pass
    elif not giving.count_people(giving.is_to_have(campaign)):
        why = _("Nobody would get it: all are left out, as the numbers above say.")
    return why


def close(campaign: Campaign, *, by: Identity) -> None:
    """End the campaign: no new duties, no reminders. Open duties can still be signed.

    Refuses a campaign that is not open.
    """
    lock(campaign)
    if not campaign.is_open:
        raise Refused(_("Only an open campaign can be closed."))
    campaign.closed_at = db.utc_now()
    note_change(campaign, by)
    audit.record("campaign.closed", subject=campaign.id, actor=by.id)


def delete(campaign: Campaign, *, by: Identity) -> None:
    """Delete a draft with the groups that it leaves out.

    Refuses a campaign that was launched, has duties, or is named elsewhere, as in a hold.
    """
    lock(campaign)
    if campaign.launched_at is not None:
        raise Refused(_("This campaign is launched already. Close it instead."))
    try:
        with db.session.begin_nested():
            db.session.execute(delete_from(Exemption).where(Exemption.campaign_id == campaign.id))
            db.session.execute(delete_from(Campaign).where(Campaign.id == campaign.id))
    except IntegrityError:
        raise Refused(_("This draft is named elsewhere, as in a hold. It stays.")) from None
    audit.record("campaign.deleted", subject=campaign.id, actor=by.id, title=campaign.title)


def copy(campaign: Campaign, *, by: Identity) -> Campaign:
    """A draft for next year: same audience and reminders, dates a year later, newest version."""
    title = _next_title(campaign.title)
    again = Campaign(
        key=new_key(title),
        title=title,
        kind=campaign.kind,
        course_version_id=courses.latest(campaign.course_version.key).id,
        audience=campaign.audience,
        opens_on=schedule.months_before(campaign.opens_on, -12),
        due_on=campaign.due_on and schedule.months_before(campaign.due_on, -12),
        due_days=campaign.due_days,
        business_days=campaign.business_days,
        min_interval=campaign.min_interval,
        reminders=campaign.reminders,
        changed_by=by.id,
    )
    db.session.add(again)
    db.session.flush()
    audit.record(
        "campaign.changed",
        subject=again.id,
        actor=by.id,
        before={},
        after={"title": title, "copy_of": str(campaign.id)},
    )
    return again


def known_values() -> dict[audience.Fact, list[str]]:
    """Departments, locations and groups that people have, by name; languages that we offer."""
    fact = audience.Fact
    found = {
        known: list(
            db.session.scalars(select(column).where(column != "").distinct().order_by(column))
        )
        for known, column in (
            (fact.DEPARTMENT, Person.department),
            (fact.LOCATION, Person.location),
        )
    }
    lists = db.session.scalars(select(cast(Person.groups, String)).distinct())
    found[fact.LANGUAGE] = list(db.settings().languages[1:])
    found[fact.GROUP] = sorted({group for groups in lists for group in json.loads(groups)})
    return found


def unknown_values(rule: Audience) -> list[str]:
    """Departments, locations and groups of a rule that nobody has."""
    known = known_values()
    return [
        value
        for part in rule.parts
        for rules in (part.facts, part.unless)
        for fact, values in rules.items()
        if fact in known
        for value in values
        if value not in known[fact]
    ]


def lock(campaign: Campaign) -> None:
    """Read the row anew and hold it: two advisers at once must see each other."""
    db.session.refresh(campaign, with_for_update={"of": Campaign})


def note_change(campaign: Campaign, by: Identity) -> None:
    """Keep who changed the campaign, and when."""
    campaign.changed_at = db.utc_now()
    campaign.changed_by = by.id
    db.session.flush()


def new_key(title: str) -> str:
    """A key for a campaign that HR names: its title, and what makes it the only one."""
    folded = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return f"{re.sub(r'[^a-z0-9]+', '-', folded).strip('-')[:80]}-{uuid4().hex[:8]}"


def _next_title(title: str) -> str:
    """The year in a title becomes the next; a title without one says that it is a copy."""
    later = re.sub(r"\b20\d\d\b", lambda year: str(int(year[0]) + 1), title)
    return later if later != title else _("%(title)s (copy)", title=title)[:200]


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in values.items()
    }
