"""Fields that say in our words what is wrong."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    DateField,
    IntegerField,
)
from wtforms.validators import Length


def at_most(characters: int) -> Length:
    """Refuses a longer text, in our words."""
    return Length(max=characters, message=_l("Write at most %(max)d characters"))


class DayField(DateField):
    """A day, with our words for what is none."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """Read the day, none where the field is empty.

        Raises ValueError with a sentence for the page.
        """
        try:
            self.data: Any = None
            if any(valuelist):
                super().process_formdata(valuelist)
        except ValueError:
            raise ValueError(_("Write the day as 2027-01-30")) from None


class NumberField(IntegerField):
    """A whole number, with our words for what is none."""

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
