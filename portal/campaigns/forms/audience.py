"""The form that puts the rules of an audience together."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    FieldList,
    Form,
    FormField,
    SelectMultipleField,
    TextAreaField,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, Length, Optional

from portal.campaigns.audience import DATES, Audience, Fact, Part
from portal.campaigns.forms.deciding import REASON_LENGTH
from portal.campaigns.forms.planning import SeenForm
from portal.documents import dates
from portal.fields import DayField, at_most

MOST_PARTS = 6


class RulesForm(Form):
    """One side of a part: the facts it asks for, or those it leaves out."""

    kind = SelectMultipleField(
        _l("Employment"),
        choices=[
            SelectChoice("employee", _l("Employees")),
            SelectChoice("contractor", _l("Contract employees")),
        ],
        validators=[Optional()],
    )
    department = SelectMultipleField(_l("Department"), validators=[Optional()])
    location = SelectMultipleField(_l("Location"), validators=[Optional()])
    group = SelectMultipleField(_l("Group in the directory"), validators=[Optional()])
    union_scope = SelectMultipleField(
        _l("Union agreement"),
        choices=[SelectChoice("in", _l("In scope")), SelectChoice("out", _l("Out of scope"))],
        validators=[Optional()],
    )
    manager = SelectMultipleField(
        _l("Managing people"),
        choices=[
            SelectChoice("yes", _l("Has people to manage")),
            SelectChoice("no", _l("Has none")),
        ],
        validators=[Optional(), Length(max=1, message=_l("Choose one of the two"))],
    )
    language = SelectMultipleField(_l("Language, if not the first"), validators=[Optional()])
    hired_from = DayField(_l("Hired on or after"), validators=[Optional()], first_year=1900)
    hired_before = DayField(_l("Hired before"), validators=[Optional()], first_year=1900)

    @property
    def rules(self) -> dict[Fact, tuple[str, ...]]:
        """The facts that are asked for, with their values."""
        found: dict[Fact, tuple[str, ...]] = {}
        for fact in Fact:
            given = self[fact.value].data
            if given:
                found[fact] = (given.isoformat(),) if fact in DATES else tuple(given)
        return found


class PartForm(Form):
    """People with all of these facts, and with none of those."""

    facts = FormField(RulesForm)
    unless = FormField(RulesForm)


class AudienceForm(SeenForm):
    """The parts of an audience, one below the other."""

    parts = FieldList(FormField(PartForm), min_entries=1, max_entries=MOST_PARTS)

    def offer(self, known: Mapping[Fact, Sequence[str]]) -> None:
        """Fill in the departments, locations and groups that there are.

        A value that is chosen and that nobody has any more is shown, so that it can be taken out.
        """
        for part in self.parts:
            for side in (part.facts, part.unless):
                for fact, values in known.items():
                    field = side[fact.value]
                    gone = [value for value in field.data or () if value not in values]
                    field.choices = [
                        SelectChoice(value, _name(fact, value)) for value in [*values, *gone]
                    ]

    @property
    def problems(self) -> list[tuple[str, str]]:
        """What is wrong, with the id of the field, for the summary."""
        return [
            (str(message), f"#{field.id}")
            for part in self.parts
            for side in (part.facts, part.unless)
            for field in side
            for message in field.errors
        ]

    def find_unknown(self, known: Mapping[Fact, Sequence[str]]) -> bool:
        """Say at the field when nobody has a value that is chosen."""
        found = False
        for part in self.parts:
            for side in (part.facts, part.unless):
                for fact, values in known.items():
                    gone = [value for value in side[fact.value].data or () if value not in values]
                    if gone:
                        words = _("Nobody in the directory has “%(value)s”", value=gone[0])
                        side[fact.value].errors = [words]
                        found = True
        return found

    @property
    def audience(self) -> Audience:
        """The rule that was put together."""
        return Audience(tuple(Part(each.facts.rules, each.unless.rules) for each in self.parts))

    @staticmethod
    def data_of(rule: Audience) -> dict[str, Any]:
        """A rule as the form's data."""
        return {
            "parts": [
                {"facts": _data(part.facts), "unless": _data(part.unless)} for part in rule.parts
            ]
        }


class ExemptionForm(AudienceForm):
    """A group that is taken out, and why."""

    reason = TextAreaField(
        _l("Reason"),
        description=_l("It is printed with the records."),
        validators=[DataRequired(_l("Write a reason")), at_most(REASON_LENGTH)],
    )

    def find_empty(self) -> bool:
        """Say at its first field when a part asks for nothing."""
        empty = [part.facts for part in self.parts if not part.facts.rules]
        for facts in empty:
            facts.kind.errors = [_("Choose at least one fact: an empty rule would take out all")]
        return bool(empty)


def _name(fact: Fact, value: str) -> str:
    return dates.language_name(value, str(get_locale())) if fact is Fact.LANGUAGE else value


def _data(rules: Mapping[Fact, Sequence[str]]) -> dict[str, Any]:

    return {
        fact.value: date.fromisoformat(values[0]) if fact in DATES else list(values)
        for fact, values in rules.items()
    }
