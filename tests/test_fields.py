import pytest
from flask_wtf import FlaskForm
from wtforms.validators import NumberRange, Optional

from portal.fields import DayField, NumberField


class Both(FlaskForm):
    class Meta:
        csrf = False

    day = DayField(validators=[Optional()])
    days = NumberField(validators=[Optional(), NumberRange(1, 60, "Write a number from 1 to 60")])


def fill(app, **typed):
    with app.test_request_context(method="POST", data=typed):
        form = Both()
        form.validate()
        return form


@pytest.mark.parametrize("typed", ["12 months", "1.5", "twelve"])
def test_what_is_no_number_is_told_once_and_stands_there_as_it_was_typed(app, typed):
    form = fill(app, days=typed)

    assert form.errors == {"days": ["Write a whole number"]}
    assert f'value="{typed}"' in form.days()


def test_a_number_is_asked_for_as_text_so_that_browsers_send_what_was_typed(app):
    assert 'type="text"' in fill(app).days()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("30/01/2027", "Write the day as 2027-01-30"),
        ("20270-01-30", "Write the day as 2027-01-30"),
        ("0027-01-30", "Choose a year from 2000 to 2100"),
        ("9999-12-31", "Choose a year from 2000 to 2100"),
    ],
)
def test_a_day_that_no_calendar_of_ours_has_is_none(app, typed, words):
    form = fill(app, day=typed)

    assert form.errors == {"day": [words]}
    assert form.day.data is None
    assert f'value="{typed}"' in form.day()
