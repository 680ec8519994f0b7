"""What a manager may know of the people they manage: who has signed, never answers or scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, and_, func, select, true
from sqlalchemy.orm import aliased, joinedload

from portal import db
from portal.audit import services as audit
from portal.campaigns.models import DISCHARGED, Assignment, Campaign
from portal.errors import NotFound, Refused
from portal.mail import services as mail
from portal.people.deputies import standing_in
from portal.people.models import Delegation, Person
from portal.people.services import Identity
from portal.reminders import lists
from portal.reminders import services as reminders
from portal.reminders.models import Reminder
from portal.reminders.owed import NUDGE

PER_PAGE = 50
PER_CREW_LIST = 500
LONGEST = timedelta(days=366)  # that somebody stands in
OPEN, LATE, ALL = "open", "late", "all"
_ORDER = (Assignment.sort_name, Assignment.due_on, Assignment.id)


@dataclass(frozen=True)
class Line:
    """One duty of one person of the team."""

    person_id: UUID
    full_name: str
    department: str
    manager: str
    email: str
    title: str
    status: str
    due_on: date
    paused_on: date | None
    nudged: bool  # today

    @property
    def has_mail(self) -> bool:
        """Whether they can be reminded by mail."""
        return mail.is_address(self.email)

    @property
    def is_open(self) -> bool:
        """Whether the person still owes it."""
        return self.status not in DISCHARGED

    def is_late(self, today: date) -> bool:
        """Whether it should have been signed before today."""
        return self.is_open and self.paused_on is None and self.due_on < today


class WrongDay(Refused):
    """Nobody stands in up to that day."""


@dataclass(frozen=True)
class Counts:
    """How a team stands, over the campaigns that are open."""

    people: int
    signed: int
    open: int
    late: int


def leads_a_team(person: Identity, *, today: date) -> bool:
    """Whether the person has reports, or stands in for somebody who has."""
    return "manager" in person.audiences or bool(
        db.session.scalar(standing_in(today).where(Delegation.deputy_id == person.id).limit(1))
    )


def look(person: Identity, *, show: str, today: date, page: int) -> tuple[Counts, list[Line]]:
    """How the team stands, and a page of its duties as `list_team` says."""
    theirs = _is_theirs(person, today)
    return _count(theirs, today), _list(theirs, show, today, page, PER_PAGE)


def count(person: Identity, *, today: date) -> Counts:
    """How the person's team stands."""
    return _count(_is_theirs(person, today), today)


def list_team(
    person: Identity, *, show: str, today: date, page: int = 1, length: int = PER_PAGE
) -> list[Line]:
    """A page of the team's duties by name; pages count from 1. One more row: a next page."""
    return _list(_is_theirs(person, today), show, today, page, length)


def list_unreached(*, today: date, page: int, length: int) -> list[Line]:
    """The same of those whom no manager's list reaches."""
    return _list(Assignment.id.in_(lists.unreached(today)), OPEN, today, page, length)


def each_line(person: Identity, *, show: str, today: date) -> Iterator[Line]:
    """The whole list, row by row."""
    lines = _lines(today).where(_is_theirs(person, today), _is_shown(show, today))
    rows = db.session.execute(lines.execution_options(yield_per=500))
    return (Line(*row) for row in rows)


def get_member(person_id: UUID, *, of: Identity, today: date) -> Person:
    """A person of this team. Raises NotFound for anybody else."""
    member = db.session.scalar(
        select(Person).where(Person.id == person_id, Person.id.in_(_members(of, today)))
    )
    if member is None:
        raise NotFound
    return member


def nudge(person_id: UUID, *, by: Identity, today: date) -> str:
    """Remind one person of the team by mail. Returns their name.

    Refuses a second time on one day, who owes nothing, and who has no work email.
    """
    member = get_member(person_id, of=by, today=today)
    if not mail.is_address(member.email):
        raise Refused(
            _("%(name)s has no work email. Please tell them yourself.", name=member.full_name)
        )
    if not reminders.nudge(member, by=by.id, today=today):
        raise Refused(_("%(name)s was reminded today, or owes nothing.", name=member.full_name))
    audit.record("person.nudged", subject=member.id, actor=by.id)
    return member.full_name


def list_deputies(person: Identity, *, today: date) -> Sequence[Delegation]:
    """Who stands in for this person now."""
    return db.session.scalars(
        standing_in(today)
        .where(Delegation.manager_id == person.id)
        .options(joinedload(Delegation.deputy))
        .order_by(Delegation.until)
    ).all()


def delegate(manager: Identity, *, username: str, until: date, today: date) -> Delegation:
    """Let somebody stand in, up to and including a day.

    Refuses a name that nobody has, oneself, who has left; with `WrongDay` a day that is over, and
    one that is more than a year away.
    """
    deputy = db.session.scalar(
        select(Person)
        .where(func.lower(Person.username) == username.strip().lower())
        .order_by(Person.left_on.is_not(None))  # a name may be given anew
        .limit(1)
    )
    if deputy is None:
        raise Refused(_("Nobody has this username. Check it with the person."))
    if deputy.id == manager.id:
        raise Refused(_("Choose somebody other than yourself."))
    if deputy.left_on is not None:
        raise Refused(_("%(name)s does not work here any more.", name=deputy.full_name))
    if until < today:
        raise WrongDay(_("Choose a day from today on."))
    if until > today + LONGEST:
        raise WrongDay(_("Choose a day within a year. You can name them again then."))
    delegation = Delegation(
        manager_id=manager.id, deputy_id=deputy.id, until=until, by_id=manager.id
    )
    db.session.add(delegation)
    db.session.flush()
    if mail.is_address(deputy.email):
        settings = db.settings()
        mail.queue_mail(
            "deputy",
            to=deputy.id,
            address=deputy.email,
            key=f"deputy:{delegation.id}",
            language=settings.language_for(deputy.language),
            full_name=deputy.full_name,
            manager=manager.full_name,
            until=until,
            link=f"{settings.base_url}/team/",
        )
    audit.record(
        "team.delegated",
        subject=delegation.id,
        actor=manager.id,
        deputy=str(deputy.id),
        until=until.isoformat(),
    )
    return delegation


def end_delegation(delegation_id: UUID, *, by: Identity) -> None:
    """End it now. Raises NotFound for somebody else's."""
    delegation = db.session.scalar(
        select(Delegation).where(
            Delegation.id == delegation_id,
            Delegation.manager_id == by.id,
            Delegation.ended_at.is_(None),
        )
    )
    if delegation is None:
        raise NotFound
    delegation.ended_at = db.utc_now()
    db.session.flush()
    audit.record("team.delegation_ended", subject=delegation.id, actor=by.id)


def _members(person: Identity, today: date) -> Select[UUID]:
    """Everyone below the person, and below those whom they stand in for.

    Only managers are followed down: they are few. A loop in the directory ends here: UNION keeps
    each of them once.
    """
    absent = db.session.scalars(  # by their ids: a database cannot know how few they are
        standing_in(today)
        .with_only_columns(Delegation.manager_id)
        .where(Delegation.deputy_id == person.id)
    ).all()
    heads = select(Person.id).where(Person.id.in_({person.id, *absent})).cte(recursive=True)
    boss, leads = aliased(Person), select(Person.manager_id).distinct().subquery()
    heads = heads.union(
        select(boss.id)
        .join(leads, leads.c.manager_id == boss.id)
        .join(heads, heads.c.id == boss.manager_id)
    )
    member = aliased(Person)
    return select(member.id).where(
        member.manager_id.in_(select(heads.c.id)), member.id != person.id
    )


def _count(theirs: ColumnElement[bool], today: date) -> Counts:
    late = (
        Assignment.status.not_in(DISCHARGED),
        Assignment.due_on < today,
        Assignment.paused_on.is_(None),
    )
    row = db.session.execute(
        select(
            func.count(func.distinct(Assignment.person_id)),
            func.count().filter(Assignment.signed_at.is_not(None)),
            func.count().filter(Assignment.status.not_in(DISCHARGED)),
            func.count().filter(*late),
        ).where(theirs)
    ).one()
    return Counts(*row)


def _list(
    theirs: ColumnElement[bool], show: str, today: date, page: int, length: int
) -> list[Line]:
    # What is sorted to find a page is narrow; the page's own rows are read afterwards.
    found = (
        select(Assignment.id)
        .where(theirs, _is_shown(show, today))
        .order_by(*_ORDER)
        .offset((page - 1) * length)
        .limit(length + 1)
        .subquery()
    )
    rows = db.session.execute(_lines(today).join(found, found.c.id == Assignment.id))
    return [Line(*row) for row in rows]


def _lines(today: date) -> Select[*tuple[Any, ...]]:
    manager = aliased(Person)
    nudged = (
        select(Reminder.id)
        .where(
            Reminder.person_id == Person.id,
            Reminder.on == today,
            Reminder.kind == NUDGE,
        )
        .exists()
    )
    return (
        select(
            Person.id,
            Person.full_name,
            Person.department,
            func.coalesce(manager.full_name, ""),
            Person.email,
            Campaign.title,
            Assignment.status,
            Assignment.due_on,
            Assignment.paused_on,
            nudged,
        )
        .select_from(Assignment)
        .join(Person, Person.id == Assignment.person_id)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .outerjoin(manager, manager.id == Person.manager_id)
        .order_by(*_ORDER)
    )


def _is_theirs(person: Identity, today: date) -> ColumnElement[bool]:
    """Duties of the person's team in the campaigns that are open."""
    is_open = and_(Campaign.launched_at.is_not(None), Campaign.closed_at.is_(None))
    campaigns = db.session.scalars(select(Campaign.id).where(is_open)).all()  # few: as above
    return and_(
        Assignment.campaign_id.in_(campaigns),
        Assignment.person_id.in_(_members(person, today)),
    )


def _is_shown(show: str, today: date) -> ColumnElement[bool]:
    is_open = Assignment.status.not_in(DISCHARGED)
    if show == LATE:
        return and_(is_open, Assignment.due_on < today, Assignment.paused_on.is_(None))
    return is_open if show == OPEN else true()
