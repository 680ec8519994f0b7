"""Lists what is past its period, for HR to approve."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import ColumnElement, CompoundSelect, func, insert, literal, select, union_all

from portal import db
from portal.audit import services as audit
from portal.campaigns.models import Assignment, Campaign
from portal.errors import NotFound, Refused
from portal.people.models import Person
from portal.people.services import Identity
from portal.retention.models import DisposalItem, DisposalList, DisposalPerson
from portal.retention.services import past_contract, past_period

PER_PAGE = 50
MANY = 1000
WORD = "DISPOSE"
Which = Callable[[Any], ColumnElement[bool]]


@dataclass(frozen=True)
class Line:
    """One duty on a disposal list, or one person without any."""

    id: UUID
    full_name: str
    title: str  # of the duty's campaign; empty: it is the person
    day: date  # on which it was due, or they left
    kept_because: str
    done_at: datetime | None


@dataclass(frozen=True)
class Counts:
    """How far a list is."""

    total: int
    kept: int
    done: int


def make_list(*, by: Identity, today: date) -> DisposalList:
    """List what is past its period and not held. Refuses an empty list."""
    duties = db.session.execute(
        past_period(today).with_only_columns(Assignment.sort_name, Assignment.due_on, Assignment.id)
    ).all()
    people = db.session.execute(
        past_contract(today).with_only_columns(Person.sort_name, Person.left_on, Person.id)
    ).all()
    if not duties and not people:
        raise Refused(_("Nothing is past its period."))
    made = DisposalList(made_by=by.id)
    db.session.add(made)
    db.session.flush()
    places = {row[2]: place for place, row in enumerate(sorted([*duties, *people]), start=1)}
    for kind, key, found in (
        (DisposalItem, "assignment_id", duties),
        (DisposalPerson, "person_id", people),
    ):
        if found:
            rows = [{"list_id": made.id, key: row[2], "place": places[row[2]]} for row in found]
            db.session.execute(insert(kind), rows)
    audit.record(
        "retention.listed", subject=made.id, actor=by.id, duties=len(duties), people=len(people)
    )
    return made


def get_list(list_id: UUID) -> DisposalList:
    """One list. Raises NotFound."""
    found = db.session.get(DisposalList, list_id)
    if found is None:
        raise NotFound
    return found


def list_lists() -> list[tuple[DisposalList, Counts]]:
    """The last lists and how far each is, newest first."""
    lists = db.session.scalars(
        select(DisposalList).order_by(DisposalList.made_at.desc()).limit(10)
    ).all()
    counts = _count_items([each.id for each in lists])
    return [(each, counts.get(each.id, Counts(0, 0, 0))) for each in lists]


def count_items(list_id: UUID) -> Counts:
    """How far a list is."""
    return _count_items([list_id]).get(list_id, Counts(0, 0, 0))


def _count_items(list_ids: Sequence[UUID]) -> dict[UUID, Counts]:
    items = union_all(
        *(
            select(kind.list_id, kind.kept_because, kind.done_at).where(kind.list_id.in_(list_ids))
            for kind in (DisposalItem, DisposalPerson)
        )
    ).subquery()
    rows = db.session.execute(
        select(
            items.c.list_id,
            func.count(),
            func.count().filter(items.c.kept_because != ""),
            func.count().filter(items.c.done_at.is_not(None)),
        ).group_by(items.c.list_id)
    )
    return {list_id: Counts(*counts) for list_id, *counts in rows}


def list_items(list_id: UUID, *, page: int) -> list[Line]:
    """A page of a list by name; pages count from 1. One row more means a next page."""
    return _lines(list_id, _from((page - 1) * PER_PAGE + 1, PER_PAGE + 1))


def each_item(list_id: UUID) -> Iterator[Line]:
    """The whole list by name, with memory that does not grow with it."""
    first = 1
    while lines := _lines(list_id, _from(first, MANY)):
        yield from lines
        first += MANY


def _from(first: int, number: int) -> Which:
    return lambda item: item.place.between(first, first + number - 1)


def get_item(list_id: UUID, item_id: UUID) -> Line:
    """One line of a list. Raises NotFound."""
    found = _lines(list_id, lambda item: _item_key(item) == item_id)
    if not found:
        raise NotFound
    return found[0]


def _item_key(item: type[DisposalItem | DisposalPerson]) -> Any:
    return item.assignment_id if issubclass(item, DisposalItem) else item.person_id


def _lines(list_id: UUID, which: Which) -> list[Line]:
    duties = (
        select(
            DisposalItem.place,
            Assignment.id,
            Person.full_name,
            Campaign.title,
            Assignment.due_on,
            DisposalItem.kept_because,
            DisposalItem.done_at,
        )
        .join(Assignment, Assignment.id == DisposalItem.assignment_id)
        .join(Person, Person.id == Assignment.person_id)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .where(DisposalItem.list_id == list_id, which(DisposalItem))
    )
    people = (
        select(
            DisposalPerson.place,
            Person.id,
            Person.full_name,
            literal(""),
            Person.left_on,
            DisposalPerson.kept_because,
            DisposalPerson.done_at,
        )
        .join(Person, Person.id == DisposalPerson.person_id)
        .where(DisposalPerson.list_id == list_id, which(DisposalPerson))
    )
    lines: CompoundSelect[*tuple[Any, ...]] = union_all(duties, people).order_by("place")
    return [Line(*row[1:]) for row in db.session.execute(lines)]


def take_off(list_id: UUID, item_id: UUID, *, reason: str, by: Identity) -> None:
    """Keep one duty's data, or a person, after all. Refuses once the list is approved."""
    found = db.session.get(DisposalList, list_id, with_for_update=True)
    key = (list_id, item_id)
    item = db.session.get(DisposalItem, key) or db.session.get(DisposalPerson, key)
    if found is None or item is None:
        raise NotFound
    if found.approved_at is not None:
        raise Refused(_("The list is approved already."))
    item.kept_because = reason
    db.session.flush()
    audit.record("retention.taken_off", subject=item_id, actor=by.id, list=str(list_id))


def approve(list_id: UUID, *, word: str, by: Identity) -> None:
    """Let what is on the list go; the worker carries it out. Refuses a second time."""
    if word.strip() != WORD:
        raise Refused(_("Type %(word)s to approve.", word=WORD))
    found = db.session.get_one(DisposalList, list_id, with_for_update=True)
    if found.approved_at is not None:
        raise Refused(_("The list is approved already."))
    found.approved_at, found.approved_by = db.utc_now(), by.id
    db.session.flush()
    audit.record("retention.approved", subject=list_id, actor=by.id)
