"""Fields that say in our words what is wrong."""

from typing import Any

from flask_babel import gettext as _
from wtforms import (
    DateField,
    IntegerField,
)


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
