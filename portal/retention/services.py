"""Sets periods and holds, and tells what is past its period."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    exists,
    false,
    func,
    or_,
    select,
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
    LegalHold,
    RetentionRule,
)


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
    audit.record(
        "retention.held",
        subject=held.id,
        actor=by.id,
        campaign=str(campaign_id) if campaign_id else None,
        person=str(person_id) if person_id else None,
    )
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
    return _count(_past_period(today), is_held())


def count_past_people(today: date) -> tuple[int, int]:
    """How many people without a duty are past their period, and how many more are held."""
    return _count(_past_contract(today), _is_person_held())


def _count(past: Select[UUID], held: ColumnElement[bool]) -> tuple[int, int]:
    numbers = past.with_only_columns(func.count().filter(~held), func.count().filter(held))
    free, kept = db.session.execute(numbers).one()
    return free, kept


def is_held() -> ColumnElement[bool]:
    """Whether a hold is on the person or the campaign of an `Assignment`."""
    return exists().where(
        LegalHold.ended_at.is_(None),
        or_(
            LegalHold.person_id == Assignment.person_id,
            LegalHold.campaign_id == Assignment.campaign_id,
        ),
    )


def _is_person_held() -> ColumnElement[bool]:
    return exists().where(LegalHold.ended_at.is_(None), LegalHold.person_id == Person.id)


def held_words() -> list[str]:
    """The names of people and the titles of campaigns that are held."""
    people = select(Person.full_name).join(LegalHold, LegalHold.person_id == Person.id)
    campaigns = select(Campaign.title).join(LegalHold, LegalHold.campaign_id == Campaign.id)
    return [
        word
        for held in (people, campaigns)
        for word in db.session.scalars(held.where(LegalHold.ended_at.is_(None)))
    ]


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


def past_period(today: date) -> Select[UUID]:
    """Duties past their period and not held: later than both the due date and the signature.

    What is still owed is never among them: its campaign must be closed first.
    """
    return _past_period(today).where(~is_held())


def past_contract(today: date) -> Select[UUID]:
    """Invited people past their period and not held: their contract is over, no duty is kept."""
    return _past_contract(today).where(~_is_person_held())


def _past_period(today: date) -> Select[UUID]:
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
    return select(Assignment.id).where(or_(*over), ~_is_disposed(), ~owed)


def _past_contract(today: date) -> Select[UUID]:
    rule = find_contract_rule()
    return (
        select(Person.id)
        .join(LocalAccount, LocalAccount.person_id == Person.id)
        .where(
            Person.left_on < schedule.months_before(today, rule.months) if rule else false(),
            LocalAccount.is_break_glass.is_(False),
            ~has_kept_duty(),
        )
    )


def has_kept_duty() -> ColumnElement[bool]:
    """Whether a `Person` has a duty whose data was not let go."""
    return exists().where(Assignment.person_id == Person.id, ~_is_disposed())


def _is_disposed() -> ColumnElement[bool]:
    return exists().where(Disposal.assignment_id == Assignment.id)
