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

LAST_YEAR = 2100


def at_most(characters: int) -> Length:
    """Refuses a longer text, in our words."""
    return Length(max=characters, message=_l("Write at most %(max)d characters"))


def from_today_on(_form: Form, field: DateField) -> None:
    """Refuses a day that is over."""
    if field.data < db.today():
        raise ValidationError(_("Choose a day from today on"))


class DayField(DateField):
    """A day, with our words for what is none, and nothing more about it.

    A typo in a year is refused here: other days are counted from it, back and forth.
    """

    def __init__(self, *args: Any, first_year: int = 2000, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first_year = first_year

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the day, none where the field is empty.

        Raises ValueError with a sentence for the page.
        """
        try:
            self.data: Any = None
            if any(valuelist):
                super().process_formdata(valuelist)
        except ValueError:
            self.data = None
            raise ValueError(_("Write the day as 2027-01-30")) from None
        if self.data and not self.first_year <= self.data.year <= LAST_YEAR:
            self.data = None
            raise ValueError(
                _("Choose a year from %(first)s to %(last)s", first=self.first_year, last=LAST_YEAR)
            )

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
