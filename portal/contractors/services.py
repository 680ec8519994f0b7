"""Contractors: who they are, and the invitation of those whom the directory does not know."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID, uuid4

from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import aliased

from portal import db
from portal.audit import services as audit
from portal.config import Role
from portal.contractors import scope
from portal.documents import dates
from portal.errors import NotFound, Refused
from portal.mail import services as mail
from portal.people import local
from portal.people.models import LocalAccount, Person, PersonChange
from portal.people.registering import note_change, sort_name
from portal.people.services import Identity

LONGEST_DAYS = 3 * 366  # of a contract
PER_PAGE = 50


@dataclass(frozen=True)
class Guest:
    """Who is to be invited. `email` may be empty: then a letter is printed.

    What a file says may be no day (None), or lack the name: `why_not` finds it.
    """

    full_name: str
    email: str
    firm: str
    job_title: str
    started_on: date | None
    ends_on: date | None
    sponsor: str  # username
    is_another: bool = False  # than a namesake who is invited already

    @property
    def family_name(self) -> str:
        """The last word of the name."""
        return self.full_name.rpartition(" ")[2]

    @property
    def key(self) -> tuple[str, ...]:
        """What somebody who is invited twice shares with themself: name, firm and sponsor."""
        return tuple(sort_name(each, "") for each in (self.full_name, self.firm, self.sponsor))


@dataclass(frozen=True)
class Line:
    """One contractor on the list."""

    person: Person
    sponsor_name: str
    has_account: bool  # of the portal's own; else the directory knows them
    has_password: bool


def may_invite(person: Identity) -> bool:
    """HR and managers invite, and whom HR gave the right to be a sponsor."""
    return bool({Role.HR, Role.SPONSOR} & person.roles) or "manager" in person.audiences


def is_sponsor(person: Identity) -> bool:
    """Whether there is a contractor whom this person vouches for."""
    return bool(db.session.scalar(select(Person.id).where(Person.sponsor_id == person.id).limit(1)))


def why_not(guest: Guest, *, by: Identity) -> dict[str, str]:
    """All that is wrong with an invitation: field -> sentence; empty if nothing is.

    Whoever invites is the sponsor; HR names anybody who is employed.
    """
    found = {}
    today = db.today()
    if not guest.full_name:
        found["full_name"] = _("The name is missing.")
    if guest.started_on is None:
        found["started_on"] = _("Write the first day as 2027-01-30.")
    if guest.ends_on is None:
        found["ends_on"] = _("Write the last day as 2027-01-30.")
    elif guest.ends_on < today:
        found["ends_on"] = _("The contract has ended already.")
    elif guest.started_on and guest.ends_on < guest.started_on:
        found["ends_on"] = _("The last day must not come before the first.")
    elif (guest.ends_on - today).days > LONGEST_DAYS:
        found["ends_on"] = _("Choose a day within three years; it can be extended later.")
    if guest.email and (why := _why_not_mail(guest.email)):
        found["email"] = why
    namesake = None if guest.is_another else find_namesake(guest)
    if namesake and not (guest.email and namesake.email):  # else the address tells it
        found["full_name"] = _(
            "%(name)s was invited on %(day)s. Open their page instead.",
            name=namesake.full_name,
            day=dates.day(_invited_on(namesake), str(get_locale())),
        )
    if find_sponsor(guest.sponsor) is None:
        found["sponsor"] = _("Nobody who is employed by the City has this username.")
    if Role.HR not in by.roles and guest.sponsor.lower() != by.username.lower():
        found["sponsor"] = _("You can only be the sponsor yourself. HR can name others.")
    return found


def find_sponsor(username: str, *, lock: bool = False) -> Person | None:
    """The employee with this username."""
    query = select(Person).where(
        func.lower(Person.username) == username.strip().lower(),
        Person.kind == "employee",
        Person.left_on.is_(None),
    )
    return db.session.scalar(query.with_for_update() if lock else query)


def find_namesake(guest: Guest) -> Person | None:
    """Somebody with the same sponsor whose contract runs, and who may be this guest."""
    sponsor = aliased(Person)
    found = db.session.scalars(
        select(Person)
        .join(sponsor, sponsor.id == Person.sponsor_id)
        .join(LocalAccount, LocalAccount.person_id == Person.id)
        .where(
            func.lower(sponsor.username) == guest.sponsor.strip().lower(),
            Person.sort_name == sort_name(guest.full_name, guest.family_name),
            Person.left_on.is_(None),
            Person.ends_on >= db.today(),
        )
        .order_by(Person.username)
    )
    firm = sort_name(guest.firm, "")
    return next(
        (
            each
            for each in found
            if sort_name(each.firm, "") == firm and may_be_one(guest.email, each.email)
        ),
        None,
    )


def may_be_one(email: str, other: str) -> bool:
    """Whether two namesakes may be one person: two addresses tell them apart."""
    return not (email and other) or email.lower() == other.lower()


def _invited_on(person: Person) -> date:
    joined = select(func.min(PersonChange.at)).where(
        PersonChange.person_id == person.id, PersonChange.what == "joined"
    )
    return db.local_day(db.session.scalars(joined).one())


def _why_not_mail(email: str) -> str:
    if not mail.is_address(email):
        return str(_("Write an email address, such as name@firm.example"))
    known = db.session.scalar(
        select(Person)
        .where(func.lower(Person.email) == email.lower(), Person.left_on.is_(None))
        .limit(1)
    )
    if known is None:
        return ""
    if local.keeps(known.directory_id):
        return str(_("%(name)s has this address and is invited already.", name=known.full_name))
    return str(_("The directory knows this address: this person signs in with the City account."))


def invite(guest: Guest, *, by: Identity) -> Person:
    """Make the account of somebody whom the directory does not know.

    They get in with the link of `send_link` or `print_link`. Never matched to an entry of the
    directory by mail. What HR decided on their firm counts for them. Refuses what `why_not` finds.
    """
    sponsor = find_sponsor(guest.sponsor, lock=True)  # a form sent twice invites once
    if found := why_not(guest, by=by):
        raise Refused(next(iter(found.values())))
    assert sponsor is not None
    person = Person(
        directory_id=f"{local.ID_PREFIX}{uuid4()}",
        username="",
        full_name=guest.full_name,
        family_name=guest.family_name,
        sort_name=sort_name(guest.full_name, guest.family_name),
        email=guest.email,
        firm=guest.firm,
        job_title=guest.job_title,
        department=sponsor.department,
        kind="contractor",
        union_scope="out",
        sponsor=sponsor.full_name,
        sponsor_id=sponsor.id,
        started_on=guest.started_on,
        ends_on=guest.ends_on,
        roles=[Role.LEARNER.value],
        audiences=["contractor"],
    )
    db.session.add(person)
    db.session.flush()
    local.create(person, guest.full_name)
    sponsor.audiences = sorted({*sponsor.audiences, "sponsor"})
    scope.inherit(person)
    note_change(person.id, "joined")
    audit.record("contractor.invited", subject=person.id, actor=by.id, sponsor=str(sponsor.id))
    return person


def list_contractors(viewer: Identity, *, search: str, page: int) -> list[Line]:
    """Contractors by name: all for HR, their own for others. One line more: a next page."""
    sponsor = aliased(Person)
    query = (
        select(Person, sponsor.full_name, LocalAccount.person_id, LocalAccount.password_hash)
        .outerjoin(sponsor, sponsor.id == Person.sponsor_id)
        .outerjoin(LocalAccount, LocalAccount.person_id == Person.id)
        .where(_mine(viewer))
        .order_by(Person.left_on.is_not(None), Person.sort_name, Person.id)
    )
    if search:
        folded = sort_name(search, "")
        query = query.where(
            or_(
                Person.sort_name.contains(folded, autoescape=True),
                Person.firm.icontains(search, autoescape=True),
            )
        )
    rows = db.session.execute(query.offset((page - 1) * PER_PAGE).limit(PER_PAGE + 1))
    return [
        Line(person, name or person.sponsor, account is not None, bool(hashed))
        for person, name, account, hashed in rows
    ]


def get_contractor(person_id: UUID, *, viewer: Identity) -> Person:
    """A contractor whom the viewer may see. Raises NotFound."""
    person = db.session.scalar(select(Person).where(Person.id == person_id, _mine(viewer)))
    if person is None:
        raise NotFound
    return person


def find_account(person_id: UUID) -> LocalAccount | None:
    """Their account of the portal's own, if they have one."""
    return db.session.get(LocalAccount, person_id)


def refuse_directory(person: Person) -> None:
    """Refuse somebody whose account the City's directory keeps."""
    if not local.keeps(person.directory_id):
        raise Refused(_("The City’s directory keeps this account: IT changes it there."))


def refuse_ended(person: Person) -> None:
    """Refuse somebody whose contract is over."""
    if person.left_on is not None or (person.ends_on and person.ends_on < db.today()):
        raise Refused(_("The contract has ended. Extend it first."))


def _mine(viewer: Identity) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = Person.kind == "contractor"
    return mine if Role.HR in viewer.roles else mine & (Person.sponsor_id == viewer.id)
