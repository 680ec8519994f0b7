"""The log in the words of HR: what happened, who did it, and what it was about.

Names are looked up when the page is asked for: of whom nothing is kept any more, it has none.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, Select, func, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from portal import db
from portal.attestations.models import Attestation, Refusal
from portal.audit import services as audit
from portal.campaigns.models import Assignment, Campaign, DutyDecision, Exemption, Leave
from portal.contractors.models import Invitation, ScopeDecision
from portal.courses.models import CourseVersion
from portal.documents import dates
from portal.learning.models import Attempt
from portal.mail.models import Mail
from portal.people.models import Delegation, Kiosk, Person, RoleGrant
from portal.reports.log_words import ACTIONS, FIELDS, VALUES
from portal.reports.models import Export
from portal.retention.models import LegalHold

PER_PAGE = 50
NEVER_PER_PERSON = "attempt.submitted"  # how the questions do is shown for all, never for one


@dataclass(frozen=True)
class Line:
    """One entry as a person reads it; `recorded` is what the log holds, empty where not shown."""

    position: int
    at: datetime
    what: str
    who: str
    about: str
    details: Sequence[tuple[str, str]]
    recorded: str


def list_lines(*, page: int, action: str, subject: str) -> tuple[list[Line], bool]:
    """A page of the log, newest first, and whether there is a next one."""
    rows = audit.list_entries(page=page, per_page=PER_PAGE, action=action, subject=subject)
    shown = [(position, at, json.loads(leaf)) for position, at, _a, _s, leaf in rows[:PER_PAGE]]
    names = _names(set(_ids([leaf for _p, _at, leaf in shown])))
    return [_line(position, at, leaf, names) for position, at, leaf in shown], len(rows) > PER_PAGE


def each_line() -> Iterator[Line]:
    """The whole log, newest first; memory stays small."""
    for rows in audit.each_batch(500):
        shown = [(position, at, json.loads(leaf)) for position, at, leaf in rows]
        names = _names(set(_ids([leaf for _p, _at, leaf in shown])))
        for position, at, leaf in shown:
            yield _line(position, at, leaf, names)


def name_of(subject: str) -> str:
    """What an id of the log is called; empty where it has no name."""
    names = _names(set(_ids(subject)))
    return next(iter(names.values()), "")


def _line(position: int, at: datetime, leaf: dict[str, Any], names: Mapping[UUID, str]) -> Line:
    what = str(ACTIONS.get(leaf["action"], leaf["action"]))
    about = _name(leaf["subject"], names)
    if leaf["action"] == NEVER_PER_PERSON:
        return Line(position, at, what, _("A person"), about, [], "")
    who = _name(leaf["actor"], names) if leaf["actor"] else _("The portal")
    details = list(_details(leaf["details"], names))
    return Line(position, at, what, who, about, details, audit.canonical(leaf))


def _details(details: Mapping[str, Any], names: Mapping[UUID, str]) -> Iterator[tuple[str, str]]:
    """The details that say something to people, in the order of `FIELDS`; what changed first."""
    before, after = details.get("before"), details.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _changes(before, after, names)
        details = {field: each for field, each in details.items() if field not in _SIDES}
    for field, words in FIELDS.items():
        if field in details and (text := _text(details[field], names)):
            yield str(words), text


_SIDES = frozenset({"before", "after"})


def _changes(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Mapping[UUID, str]
) -> Iterator[tuple[str, str]]:
    """What was, and what is instead."""
    for field, words in FIELDS.items():
        was, now = _text(before.get(field), names), _text(after.get(field), names)
        if was and was != now:
            yield str(words), f"{was} → {now or _('none')}"
        elif now:
            yield str(words), now


def _text(value: Any, names: Mapping[UUID, str]) -> str:
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, dict):
        told = ((field, _text(each, names)) for field, each in value.items() if field in FIELDS)
        return "; ".join(f"{FIELDS[field]}: {text}" for field, text in told if text)
    if isinstance(value, list):
        return ", ".join(_text(each, names) for each in value if isinstance(each, str))
    if not isinstance(value, str):
        return "" if value is None else str(value)
    if len(value) == len("2026-01-30"):
        try:
            return dates.day(date.fromisoformat(value), str(get_locale()))
        except ValueError:
            pass
    return str(VALUES.get(value) or _name(value, names, unknown=value))


def _name(key: str, names: Mapping[UUID, str], *, unknown: str = "") -> str:
    return next((names[each] for each in _ids(key) if each in names), unknown)


def _ids(value: Any) -> Iterator[UUID]:
    """Every id within."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _ids(each)
    elif isinstance(value, str) and len(value) == len(str(UUID(int=0))):
        try:
            yield UUID(value)
        except ValueError:
            return


def _names(keys: set[UUID]) -> dict[UUID, str]:
    """What these ids are called, in one question."""
    if not keys:
        return {}
    rows = db.session.execute(union_all(*(query.where(key.in_(keys)) for key, query in _named())))
    return {key: name for key, name in rows if name}


def _named() -> Iterator[tuple[InstrumentedAttribute[UUID], Select[*tuple[Any, ...]]]]:
    """Everything that entries are about: its id, and how to ask for its name."""
    person, campaign = Person.full_name, Campaign.title
    duty = person + ", " + campaign

    def of(key: InstrumentedAttribute[UUID], name: ColumnElement[str] | Any) -> Any:
        return select(key.label("id"), name.label("name"))

    yield Person.id, of(Person.id, person)
    yield Campaign.id, of(Campaign.id, campaign)
    yield CourseVersion.id, of(CourseVersion.id, CourseVersion.title)
    yield Export.id, of(Export.id, Export.file_name)
    yield Kiosk.id, of(Kiosk.id, Kiosk.name)
    yield (
        Exemption.id,
        of(Exemption.id, campaign).join(Campaign, Campaign.id == Exemption.campaign_id),
    )
    yield (
        Assignment.id,
        of(Assignment.id, duty)
        .join(Person, Person.id == Assignment.person_id)
        .join(Campaign, Campaign.id == Assignment.campaign_id),
    )
    yield (
        Attestation.id,
        of(Attestation.id, Attestation.number + ", " + person)
        .join(Assignment, Assignment.id == Attestation.assignment_id)
        .join(Person, Person.id == Assignment.person_id),
    )
    yield (
        Attempt.id,
        of(Attempt.id, campaign)
        .join(Assignment, Assignment.id == Attempt.assignment_id)
        .join(Campaign, Campaign.id == Assignment.campaign_id),
    )
    for fact in (DutyDecision, Refusal):
        yield (
            fact.id,
            of(fact.id, duty)
            .join(Assignment, Assignment.id == fact.assignment_id)
            .join(Person, Person.id == Assignment.person_id)
            .join(Campaign, Campaign.id == Assignment.campaign_id),
        )
    for owned in (Leave, RoleGrant, Invitation, Mail):
        yield owned.id, of(owned.id, person).join(Person, Person.id == owned.person_id)
    yield (
        Delegation.id,
        of(Delegation.id, person).join(Person, Person.id == Delegation.manager_id),
    )
    yield (
        ScopeDecision.id,
        of(ScopeDecision.id, func.coalesce(person, ScopeDecision.firm)).outerjoin(
            Person, Person.id == ScopeDecision.person_id
        ),
    )
    yield (
        LegalHold.id,
        of(LegalHold.id, func.coalesce(person, campaign))
        .outerjoin(Person, Person.id == LegalHold.person_id)
        .outerjoin(Campaign, Campaign.id == LegalHold.campaign_id),
    )
