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


LAST_YEAR = 2100


class DayField(DateField):
    """A day, with our words for what is none.

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
            raise ValueError(_("Write the day as 2027-01-30")) from None
        if self.data and not self.first_year <= self.data.year <= LAST_YEAR:
            self.data = None
            raise ValueError(
                _("Choose a year from %(first)s to %(last)s", first=self.first_year, last=LAST_YEAR)
            )


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
