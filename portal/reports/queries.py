"""What HR asks: how far a campaign is, who has signed, and one person's records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from portal import db
from portal.attestations.models import SIGNATURES, Attestation, Evidence, Refusal
from portal.campaigns.models import DISCHARGED, Assignment, Campaign, Status
from portal.errors import NotFound
from portal.people.models import Person
from portal.people.registering import sort_name

PER_PAGE = 50


class Sort(StrEnum):
    """By what a list is ordered."""

    NAME = "name"
    DEPARTMENT = "department"
    STATUS = "status"
    DUE = "due"
    SIGNED = "signed"


CampaignLine = tuple[UUID, str, date | None]
Campaigns = Sequence[CampaignLine]
OVERDUE = "overdue"
NOBODY = "nobody"  # as a filter by manager: people without one
_ORDER: dict[Sort, Any] = {
    Sort.NAME: Assignment.sort_name,
    Sort.DEPARTMENT: Assignment.department,
    Sort.STATUS: Assignment.status,
    Sort.DUE: Assignment.due_on,
    Sort.SIGNED: Assignment.signed_at,
}


_COLUMNS = (
    Person.id,
    Person.full_name,
    Person.username,
    Assignment.department,
    Assignment.status,
    Assignment.due_on,
    Assignment.signed_at,
    Person.family_name,
    Assignment.paused_on,
)


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to; empty means all. `status` is a Status or "overdue"."""

    name: str = ""
    department: str = ""
    status: str = ""
    kind: str = ""
    manager: str = ""  # a person's id, or NOBODY


@dataclass(frozen=True)
class Count:
    """How a department, or everybody, stands."""

    name: str
    signed: int
    in_progress: int
    not_started: int
    refused: int
    waived: int = 0  # released: not counted in the total
    key: str = ""  # what a filter calls it; empty: its name

    @property
    def total(self) -> int:
        """Everybody who has the duty and was not released from it."""
        return self.signed + self.in_progress + self.not_started + self.refused

    @property
    def percent(self) -> int:
        """Share that has signed, rounded down: 100 means all."""
        return self.signed * 100 // self.total if self.total else 0


@dataclass(frozen=True)
class Row:
    """One person's duty in a list."""

    person_id: UUID
    full_name: str
    username: str
    department: str
    status: str
    due_on: date
    signed_at: datetime | None
    family_name: str
    paused_on: date | None

    def is_late(self, today: date) -> bool:
        """Whether it should have been signed before today."""
        return _late(self.status, self.due_on, self.paused_on, today)

    @property
    def list_name(self) -> str:
        """ "Chen, Avery": as lists are ordered."""
        given = self.full_name.removesuffix(self.family_name).strip()
        return f"{self.family_name}, {given}" if self.family_name and given else self.full_name


@dataclass(frozen=True)
class PersonDuty:
    """One duty on a person's page."""

    id: UUID
    title: str
    status: str
    due_on: date
    signed_at: datetime | None
    attestation_id: UUID | None
    number: str | None
    sha256: str | None
    comment: str | None
    paused_on: date | None

    def is_late(self, today: date) -> bool:
        """Whether it should have been signed before today."""
        return _late(self.status, self.due_on, self.paused_on, today)


def list_campaigns() -> Campaigns:
    """All campaigns that were launched, newest first: id, title, due date."""
    rows = db.session.execute(
        select(Campaign.id, Campaign.title, Campaign.due_on)
        .where(Campaign.launched_at.is_not(None))
        .order_by(Campaign.opens_on.desc(), Campaign.title)
    )
    return [(row[0], row[1], row[2]) for row in rows]


def count_by_department(campaign_id: UUID) -> list[Count]:
    """How each department stands, by name."""
    rows = db.session.execute(
        select(Assignment.department, Assignment.status, func.count())
        .where(Assignment.campaign_id == campaign_id)
        .group_by(Assignment.department, Assignment.status)
        .order_by(Assignment.department)
    )
    found: dict[str, dict[str, int]] = {}
    for department, status, count in rows:
        found.setdefault(department, {})[status] = count
    return [count_of(name, counts) for name, counts in found.items()]


def total(counts: Sequence[Count]) -> Count:
    """Everybody together."""
    return Count(
        "",
        signed=sum(each.signed for each in counts),
        in_progress=sum(each.in_progress for each in counts),
        not_started=sum(each.not_started for each in counts),
        refused=sum(each.refused for each in counts),
        waived=sum(each.waived for each in counts),
    )


def count_overdue(campaign_id: UUID, *, today: date) -> int:
    """How many should have signed before today and have not."""
    return db.session.scalars(
        select(func.count())
        .select_from(Assignment)
        .where(Assignment.campaign_id == campaign_id, _is_overdue(today))
    ).one()


def list_people(
    campaign_id: UUID,
    filters: Filters,
    *,
    today: date,
    sort: Sort = Sort.NAME,
    descending: bool = False,
    page: int = 1,
) -> list[Row]:
    """One page of the list; pages count from 1. What has no value comes last."""
    column = _ORDER[sort]
    order = [(column.desc() if descending else column.asc()).nulls_last()]
    if sort is Sort.NAME:  # without more words, so that the index gives it
        order = [column.desc(), Assignment.id.desc()] if descending else [column, Assignment.id]
    else:
        order += [Assignment.sort_name, Assignment.id]
    # A page is found in the index by name; its own rows are read afterwards.
    found = (
        select(Assignment.id)
        .where(_matches(campaign_id, filters, today))
        .order_by(*order)
        .offset((page - 1) * PER_PAGE)
        .limit(PER_PAGE)
        .subquery()
    )
    rows = db.session.execute(
        select(*_COLUMNS)
        .select_from(found)
        .join(Assignment, Assignment.id == found.c.id)
        .join(Person, Person.id == Assignment.person_id)
        .order_by(*order)
    )
    return [Row(*row) for row in rows]


def count_people(campaign_id: UUID, filters: Filters, *, today: date) -> int:
    """How many the whole list has."""
    query = select(func.count()).select_from(Assignment)
    return db.session.scalars(query.where(_matches(campaign_id, filters, today))).one()


def each_person(campaign_id: UUID, filters: Filters, *, today: date) -> Iterator[Row]:
    """The whole list by name, row by row, with memory that does not grow with it."""
    rows = db.session.execute(
        select(*_COLUMNS)
        .join(Person, Person.id == Assignment.person_id)
        .where(_matches(campaign_id, filters, today))
        .order_by(Assignment.sort_name, Assignment.id)
        .execution_options(yield_per=1000)
    )
    for row in rows:
        yield Row(*row)


def list_duties_of(person_id: UUID) -> list[PersonDuty]:
    """All duties of one person with record and refusal, newest first."""
    latest = (
        select(Refusal.comment)
        .where(Refusal.assignment_id == Assignment.id)
        .order_by(Refusal.at.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(
            Assignment.id,
            Campaign.title,
            Assignment.status,
            Assignment.due_on,
            Assignment.signed_at,
            Attestation.id,
            Attestation.number,
            Evidence.sha256,
            latest,
            Assignment.paused_on,
        )
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .outerjoin(
            Attestation,
            and_(Attestation.assignment_id == Assignment.id, Attestation.kind.in_(SIGNATURES)),
        )
        .outerjoin(Evidence, Evidence.attestation_id == Attestation.id)
        .where(Assignment.person_id == person_id)
        .order_by(Assignment.due_on.desc(), Campaign.title)
    )
    return [PersonDuty(*row) for row in rows]


def record_name(attestation_id: UUID) -> str:
    """The file name of one sealed record. Raises NotFound before it is sealed."""
    name = db.session.scalar(select(Evidence.file_name).filter_by(attestation_id=attestation_id))
    if name is None:
        raise NotFound
    return name


def signed_records(
    campaign_id: UUID, filters: Filters, *, today: date
) -> Sequence[tuple[Any, ...]]:
    """What the ZIP and its manifest need of each sealed record, by receipt number."""
    return [
        tuple(row)
        for row in db.session.execute(
            select(
                Attestation.id,
                Attestation.number,
                Person.full_name,
                Person.username,
                Assignment.department,
                Attestation.signed_at,
                Evidence.file_name,
                Evidence.size,
                Evidence.crc32,
                Evidence.sha256,
            )
            .join(Evidence, Evidence.attestation_id == Attestation.id)
            .join(Assignment, Assignment.id == Attestation.assignment_id)
            .join(Person, Person.id == Assignment.person_id)
            .where(_matches(campaign_id, filters, today), Attestation.kind.in_(SIGNATURES))
            .order_by(Attestation.number)
        )
    ]


def _matches(campaign_id: UUID, filters: Filters, today: date) -> ColumnElement[bool]:
    wanted = [Assignment.campaign_id == campaign_id]
    if filters.name:
        parts = sort_name(filters.name, "").replace(",", " ").split()
        wanted += [Assignment.sort_name.contains(part, autoescape=True) for part in parts]
    if filters.department:
        wanted.append(Assignment.department == filters.department)
    if filters.kind:
        wanted.append(Assignment.kind == filters.kind)
    if filters.manager:
        manager = None if filters.manager == NOBODY else UUID(filters.manager)
        people = select(Person.id).where(Person.manager_id == manager).correlate(None)
        wanted.append(Assignment.person_id.in_(people))
    if filters.status == OVERDUE:
        wanted.append(_is_overdue(today))
    elif filters.status:
        wanted.append(Assignment.status == filters.status)
    return and_(*wanted)


def _late(status: str, due_on: date, paused_on: date | None, today: date) -> bool:
    return due_on < today and status not in DISCHARGED and paused_on is None


def _is_overdue(today: date) -> ColumnElement[bool]:
    return and_(
        Assignment.due_on < today,
        Assignment.status.not_in(DISCHARGED),
        Assignment.paused_on.is_(None),
    )


def count_of(name: str, counts: dict[str, int], *, key: str = "") -> Count:
    """The numbers of each status as a Count."""
    return Count(
        name,
        signed=counts.get(Status.SIGNED, 0),
        in_progress=counts.get(Status.IN_PROGRESS, 0) + counts.get(Status.READY, 0),
        not_started=counts.get(Status.NOT_STARTED, 0),
        refused=counts.get(Status.REFUSED, 0),
        waived=counts.get(Status.WAIVED, 0),
        key=key or name,
    )
