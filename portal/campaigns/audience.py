"""Who a campaign is for: rules over what the directory says of people (pure, and as SQL).

An audience is one or more parts; a person is in it when one part takes them. A part asks for every
fact it names ("and") and for any of the values it gives ("or"), and leaves out whoever has one of
the facts that it excepts ("not"). Every rule made of and, or and not can be written so.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Protocol

from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy import ColumnElement, String, and_, cast, false, not_, or_, true

from portal.documents import dates
from portal.people.models import Person

Values = tuple[str, ...]


class Facts(Protocol):
    """What the rules look at: a `Person`, or a row with the same names."""

    kind: str
    department: str
    location: str
    groups: list[str]
    union_scope: str
    audiences: list[str]
    started_on: date | None
    language: str


class Fact(StrEnum):
    """What a rule can ask for. Dates are given as ISO dates, one value each."""

    KIND = "kind"
    DEPARTMENT = "department"
    LOCATION = "location"
    GROUP = "group"
    UNION_SCOPE = "union_scope"
    MANAGER = "manager"
    HIRED_FROM = "hired_from"
    HIRED_BEFORE = "hired_before"
    LANGUAGE = "language"


DATES = frozenset({Fact.HIRED_FROM, Fact.HIRED_BEFORE})


@dataclass(frozen=True)
class Part:
    """People with all of `facts` and none of `unless`."""

    facts: Mapping[Fact, Values] = field(default_factory=dict)
    unless: Mapping[Fact, Values] = field(default_factory=dict)

    def takes(self, person: Facts) -> bool:
        """Whether this part takes the person."""
        return all(_has(person, fact, values) for fact, values in self.facts.items()) and not any(
            _has(person, fact, values) for fact, values in self.unless.items()
        )

    def where(self) -> ColumnElement[bool]:
        """The same question to the database."""
        asked = [_asks(fact, values) for fact, values in self.facts.items()]
        asked += [not_(_asks(fact, values)) for fact, values in self.unless.items()]
        return and_(true(), *asked)

    def sentence(self) -> str:
        """The part in words: "employees in Transit or Parks, except managers"."""
        words: str = _people(self.facts)
        if self.unless:
            excepted = _("; or ").join(
                _people({fact: values}) for fact, values in self.unless.items()
            )
            words = _("%(people)s, except %(excepted)s", people=words, excepted=excepted)
        return words


@dataclass(frozen=True)
class Audience:
    """Everyone whom one of the parts takes; nobody when there is none."""

    parts: tuple[Part, ...] = ()

    def takes(self, person: Facts) -> bool:
        """Whether the person is in the audience."""
        return any(part.takes(person) for part in self.parts)

    def where(self) -> ColumnElement[bool]:
        """The same question to the database, over `Person`."""
        return or_(false(), *(part.where() for part in self.parts))

    def sentence(self) -> str:
        """The audience in one sentence."""
        words: str = _("; and ").join(part.sentence() for part in self.parts) or _("nobody yet")
        return f"{words[:1].upper()}{words[1:]}."

    def to_json(self) -> list[dict[str, Any]]:
        """As it is stored."""
        return [
            {
                side: {fact.value: list(values) for fact, values in rules.items()}
                for side, rules in (("facts", part.facts), ("unless", part.unless))
                if rules
            }
            for part in self.parts
        ]


def read(stored: Iterable[Mapping[str, Any]]) -> Audience:
    """An audience as it was stored. Raises ValueError for a fact that there is not."""
    return Audience(
        tuple(
            Part(*(_rules(part.get(side, {})) for side in ("facts", "unless"))) for part in stored
        )
    )


def everyone_of_kind(kind: str) -> Audience:
    """All employees, or all contractors."""
    return Audience((Part({Fact.KIND: (kind,)}),))


def why_not(audience: Audience, person: Facts) -> str:
    """Why a person is not in the audience, in words; empty when they are."""
    if audience.takes(person):
        return ""
    reasons = []
    for part in audience.parts:
        for fact, values in part.facts.items():
            if not _has(person, fact, values):
                reasons.append(_("it asks for %(what)s", what=_people({fact: values})))
        for fact, values in part.unless.items():
            if _has(person, fact, values):
                reasons.append(_("it leaves out %(what)s", what=_people({fact: values})))
    words: str = _("; ").join(dict.fromkeys(reasons)) or _("the campaign is for nobody yet")
    return words


def _rules(stored: Mapping[str, Sequence[str]]) -> dict[Fact, Values]:
    return {Fact(fact): tuple(values) for fact, values in stored.items()}


def _has(person: Facts, fact: Fact, values: Values) -> bool:
    if fact is Fact.GROUP:
        return not {_quoted(group) for group in person.groups}.isdisjoint(map(_quoted, values))
    if fact is Fact.MANAGER:
        return ("manager" in person.audiences) is (values == ("yes",))
    if fact in DATES:
        day = date.fromisoformat(values[0])
        hired = person.started_on
        return hired is not None and (hired >= day if fact is Fact.HIRED_FROM else hired < day)
    return getattr(person, fact.value) in values


def _asks(fact: Fact, values: Values) -> ColumnElement[bool]:
    """The fact as SQL. Never null: `not null` would leave people out of both sides."""
    if fact is Fact.GROUP:
        return or_(*(_lists(Person.groups, value) for value in values))
    if fact is Fact.MANAGER:
        manages = _lists(Person.audiences, "manager")
        return manages if values == ("yes",) else not_(manages)
    if fact in DATES:
        day = date.fromisoformat(values[0])
        fits = Person.started_on >= day if fact is Fact.HIRED_FROM else Person.started_on < day
        return and_(Person.started_on.is_not(None), fits)
    column: ColumnElement[str] = getattr(Person, fact.value)
    return column.in_(values)


def _lists(column: Any, value: str) -> ColumnElement[bool]:
    """Whether a JSON list of words holds one: its text in quotes can be nothing else."""
    return cast(column, String).icontains(_quoted(value), autoescape=True)


def _quoted(word: str) -> str:
    """The word as JSON writes it; A to Z as a to z, as every database and directory has it."""
    return json.dumps(word).lower()


def _people(facts: Mapping[Fact, Values]) -> str:
    """ "contract employees in Transit or Parks, hired before January 30, 2026"."""
    kinds = {"employee": _("employees"), "contractor": _("contract employees")}
    kind = _or([kinds[value] for value in facts.get(Fact.KIND, ())])
    words = [kind or _("everyone")]
    for fact, values in facts.items():
        listed = _or(values)
        if fact is Fact.DEPARTMENT:
            words.append(_("in %(departments)s", departments=listed))
        elif fact is Fact.LOCATION:
            words.append(_("at %(locations)s", locations=listed))
        elif fact is Fact.GROUP:
            words.append(_("in the group %(groups)s", groups=listed))
        elif fact is Fact.UNION_SCOPE:
            inside = values == ("in",)
            words.append(
                _("in scope of a union agreement")
                if inside
                else _("out of scope of a union agreement")
            )
        elif fact is Fact.MANAGER:
            words.append(
                _("with people to manage") if values == ("yes",) else _("with nobody to manage")
            )
        elif fact is Fact.HIRED_FROM:
            words.append(_("hired on or after %(day)s", day=_day(values[0])))
        elif fact is Fact.HIRED_BEFORE:
            words.append(_("hired before %(day)s", day=_day(values[0])))
        elif fact is Fact.LANGUAGE:
            names = _or([dates.language_name(value, str(get_locale())) for value in values])
            words.append(_("whose language is %(languages)s", languages=names))
    return " ".join(words)


def _day(value: str) -> str:
    return dates.day(date.fromisoformat(value), str(get_locale()))


def _or(words: Sequence[str]) -> str:
    listed: str = _(" or ").join(words)
    return listed
