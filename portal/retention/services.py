"""Sets periods and holds, and lists what is past its period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import joinedload

from portal import db
from portal.attestations.models import Disposal
from portal.audit import services as audit
from portal.campaigns import schedule
from portal.campaigns.models import DISCHARGED, Assignment, Campaign
from portal.errors import NotFound, Refused
from portal.people.models import LocalAccount, Person
from portal.people.services import Identity
from portal.retention.models import (
    ContractRule,
    DisposalItem,
    DisposalList,
    DisposalPerson,
    LegalHold,
    RetentionRule,
)

PER_PAGE = 50
WORD = "DISPOSE"


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


def list_rules() -> Sequence[tuple[Campaign, RetentionRule | None]]:
    """Every campaign with its period, newest first."""
    rows = db.session.execute(
        select(Campaign, RetentionRule)
        .outerjoin(RetentionRule, RetentionRule.campaign_id == Campaign.id)
        .options(joinedload(RetentionRule.by))
        .order_by(Campaign.opens_on.desc(), Campaign.title)
    )
    return [(row[0], row[1]) for row in rows]


def set_period(campaign_id: UUID, months: int | None, *, by: Identity) -> None:
    """Keep a campaign's data for so many months after its due date or signature; None: for ever."""
    rule = db.session.get(RetentionRule, campaign_id, with_for_update=True)
    before = rule.months if rule else None
    if months is None:
        if rule is not None:
            db.session.delete(rule)
    elif rule is None:
        db.session.add(RetentionRule(campaign_id=campaign_id, months=months, by_id=by.id))
    else:
        rule.months, rule.by_id, rule.at = months, by.id, db.utc_now()
    db.session.flush()
    audit.record(
        "retention.period_set", subject=campaign_id, actor=by.id, before=before, after=months
    )


def find_contract_rule() -> ContractRule | None:
    """How long invited people without a duty are kept; None: for ever."""
    return db.session.scalar(select(ContractRule).options(joinedload(ContractRule.by)))


def set_contract_period(months: int | None, *, by: Identity) -> None:
    """Keep invited people without a duty so many months after their contract; None: for ever."""
    rule = db.session.scalar(select(ContractRule).with_for_update())
    before = rule.months if rule else None
    if rule is not None:
        db.session.delete(rule)
        db.session.flush()
    if months is not None:
        db.session.add(ContractRule(months=months, by_id=by.id))
    db.session.flush()
    audit.record(
        "retention.period_set", subject="contracts", actor=by.id, before=before, after=months
    )


def list_holds() -> Sequence[LegalHold]:
    """All holds, those in force first."""
    return db.session.scalars(
        select(LegalHold)
        .options(
            joinedload(LegalHold.campaign), joinedload(LegalHold.person), joinedload(LegalHold.by)
        )
        .order_by(LegalHold.ended_at.is_not(None), LegalHold.at.desc())
    ).all()


def hold(*, campaign_id: UUID | None, username: str, reason: str, by: Identity) -> LegalHold:
    """Hold a campaign's data, or that of the person with this username.

    Refuses a username that nobody has, and both or neither.
    """
    name = username.strip().lower()
    if bool(name) is (campaign_id is not None):
        raise Refused(_("Choose a campaign, or write a username: one of the two."))
    person_id = None
    if name:
        person_id = db.session.scalar(select(Person.id).where(func.lower(Person.username) == name))
        if person_id is None:
            raise Refused(_("Nobody has this username."))
    lock_for_holds(campaign_id, person_id)
    held = LegalHold(campaign_id=campaign_id, person_id=person_id, reason=reason, by_id=by.id)
    db.session.add(held)
    db.session.flush()
    audit.record("retention.held", subject=held.id, actor=by.id)
    return held


def end_hold(hold_id: UUID, *, by: Identity) -> None:
    """End a hold. Raises NotFound for one that is not in force."""
    held = db.session.get(LegalHold, hold_id, with_for_update=True)
    if held is None or held.ended_at is not None:
        raise NotFound
    held.ended_at = db.utc_now()
    db.session.flush()
    audit.record("retention.hold_ended", subject=held.id, actor=by.id)


def count_past(today: date) -> tuple[int, int]:
    """How many duties are past their period, and how many more are held."""
    return _count(past_period(today)), _count(past_period(today, held=True))


def count_past_people(today: date) -> tuple[int, int]:
    """How many people without a duty are past their period, and how many more are held."""
    return _count(past_contract(today)), _count(past_contract(today, held=True))


def _count(query: Select[UUID]) -> int:
    return db.session.scalars(select(func.count()).select_from(query.subquery())).one()


def make_list(*, by: Identity, today: date) -> DisposalList:
    """List what is past its period and not held. Refuses an empty list."""
    made = DisposalList(made_by=by.id)
    db.session.add(made)
    db.session.flush()
    duties = db.session.scalars(past_period(today)).all()
    people = db.session.scalars(past_contract(today)).all()
    if not duties and not people:
        raise Refused(_("Nothing is past its period."))
    for kind, key, found in (
        (DisposalItem, "assignment_id", duties),
        (DisposalPerson, "person_id", people),
    ):
        if found:
            rows = [{"list_id": made.id, key: one} for one in found]
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
    items = _lines(list_id).subquery()
    rows = db.session.execute(
        select(items)
        .order_by(items.c.sort_name, items.c.day, items.c.id)
        .offset((page - 1) * PER_PAGE)
        .limit(PER_PAGE + 1)
    )
    return [Line(*row[1:]) for row in rows]


def get_item(list_id: UUID, item_id: UUID) -> Line:
    """One line of a list. Raises NotFound."""
    items = _lines(list_id).subquery()
    row = db.session.execute(select(items).where(items.c.id == item_id)).first()
    if row is None:
        raise NotFound
    return Line(*row[1:])


def _lines(list_id: UUID) -> CompoundSelect[*tuple[Any, ...]]:
    """The lines of a list, each after the name it is sorted by."""
    duties = (
        select(
            Person.sort_name,
            Assignment.id,
            Person.full_name,
            Campaign.title,
            Assignment.due_on.label("day"),
            DisposalItem.kept_because,
            DisposalItem.done_at,
        )
        .join(DisposalItem, DisposalItem.assignment_id == Assignment.id)
        .join(Person, Person.id == Assignment.person_id)
        .join(Campaign, Campaign.id == Assignment.campaign_id)
        .where(DisposalItem.list_id == list_id)
    )
    people = (
        select(
            Person.sort_name,
            Person.id,
            Person.full_name,
            literal(""),
            Person.left_on,
            DisposalPerson.kept_because,
            DisposalPerson.done_at,
        )
        .join(DisposalPerson, DisposalPerson.person_id == Person.id)
        .where(DisposalPerson.list_id == list_id)
    )
    return union_all(duties, people)


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


def is_held() -> ColumnElement[bool]:
    """Whether a hold is on the person or the campaign of an `Assignment`."""
    return exists().where(
        LegalHold.ended_at.is_(None),
        or_(
            LegalHold.person_id == Assignment.person_id,
            LegalHold.campaign_id == Assignment.campaign_id,
        ),
    )


def describe(rule: RetentionRule) -> str:
    """The rule in words, for the tombstone."""
    return f"{rule.months} months after the due date or the signature, whichever is later"


def describe_contract(rule: ContractRule) -> str:
    """The rule on people without a duty in words, for the log."""
    return f"{rule.months} months after the end of the contract"


def lock_for_holds(campaign_id: UUID | None, person_id: UUID | None) -> None:
    """Until the transaction ends, nobody places a hold on these or lets them go but we."""
    for model, key in ((Campaign, campaign_id), (Person, person_id)):
        if key is not None:
            db.session.execute(select(model.id).where(model.id == key).with_for_update())


def midnight(day: date) -> datetime:
    """When a day begins in the City, in UTC."""
    return datetime.combine(day, time(), tzinfo=db.settings().zone).astimezone(UTC)


def past_period(today: date, *, held: bool = False) -> Select[UUID]:
    """Duties past their period: later than both the due date and the signature.

    What is still owed is never among them: its campaign must be closed first.
    """
    over: list[Any] = [false()]
    for rule in db.session.scalars(select(RetentionRule)).all():
        day = schedule.months_before(today, rule.months)
        over.append(
            and_(
                Assignment.campaign_id == rule.campaign_id,
                Assignment.due_on < day,
                or_(Assignment.signed_at.is_(None), Assignment.signed_at < midnight(day)),
            )
        )
    owed = and_(
        Assignment.status.not_in(DISCHARGED),
        exists().where(Campaign.id == Assignment.campaign_id, Campaign.closed_at.is_(None)),
    )
    return select(Assignment.id).where(
        or_(*over), ~_is_disposed(), ~owed, is_held() if held else ~is_held()
    )


def past_contract(today: date, *, held: bool = False) -> Select[UUID]:
    """Invited people past their period: their contract is over, and no duty of theirs is kept."""
    rule = find_contract_rule()
    on_hold = exists().where(LegalHold.ended_at.is_(None), LegalHold.person_id == Person.id)
    return (
        select(Person.id)
        .join(LocalAccount, LocalAccount.person_id == Person.id)
        .where(
            Person.left_on < schedule.months_before(today, rule.months) if rule else false(),
            LocalAccount.is_break_glass.is_(False),
            ~has_kept_duty(),
            on_hold if held else ~on_hold,
        )
    )


def has_kept_duty() -> ColumnElement[bool]:
    """Whether a `Person` has a duty whose data was not let go."""
    return exists().where(Assignment.person_id == Person.id, ~_is_disposed())


def _is_disposed() -> ColumnElement[bool]:
    return exists().where(Disposal.assignment_id == Assignment.id)
