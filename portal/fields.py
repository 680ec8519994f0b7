"""Fields that say in our words what is wrong."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    DateField,
    Form,
    IntegerField,
    ValidationError,
)
from wtforms.validators import Length, StopValidation
from wtforms.widgets import TextInput

from portal import db

FIRST_YEAR, LAST_YEAR = 1900, 2199


def at_most(characters: int) -> Length:
    """Refuses a longer text, in our words."""
    return Length(max=characters, message=_l("Write at most %(max)d characters"))


def from_today_on(_form: Form, field: DateField) -> None:
    """Refuses a day that is over."""
    if field.data < db.today():
        raise ValidationError(_("Choose a day from today on"))


class DayField(DateField):
    """A day, with our words for what is none, and nothing more about it."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the day, none where the field is empty; one that no calendar of ours has is none.

        Raises ValueError with a sentence for the page.
        """
        try:
            self.data: Any = None
            if any(valuelist):
                super().process_formdata(valuelist)
                if self.data and not FIRST_YEAR <= self.data.year <= LAST_YEAR:
                    raise ValueError
        except ValueError:
            self.data = None
            raise ValueError(_("Write the day as 2027-01-30")) from None

    def pre_validate(self, _form: Form) -> None:
        """What is no day breaks no other rule."""
        if self.process_errors:
            raise StopValidation


class NumberField(IntegerField):
    """A whole number, with our words for what is none, and nothing more about it.

    It is no `type="number"`: from that, browsers send letters as nothing at all.
    """

    widget = TextInput()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, render_kw={"inputmode": "numeric"}, **kwargs)

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the number, none where the field is empty.

        Raises ValueError with a sentence for the page.
        """
        try:
            self.data: Any = None
            if any(valuelist):
                super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(_("Write a whole number")) from None

    def pre_validate(self, _form: Form) -> None:
        """What is no number breaks no other rule."""
        if self.process_errors:
            raise StopValidation
