"""Forms on which HR decides about one duty, or one person's leave."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    TextAreaField,
)
from wtforms.validators import DataRequired, InputRequired, Optional

from portal.fields import DayField, at_most, from_today_on

REASON_LENGTH = 1000


def _reason_field() -> TextAreaField:
    """Made anew where other fields come first on the page: errors are listed in that order."""
    return TextAreaField(
        _l("Reason"),
        description=_l("It is kept with the duty and printed with the record."),
        validators=[DataRequired(_l("Write a reason")), at_most(REASON_LENGTH)],
    )


class ReasonForm(FlaskForm):
    """Why; printed with the records."""

    reason = _reason_field()


class ReleaseForm(ReasonForm):
    """A release from one duty."""

    until = DayField(
        _l("Last day of the release"),
        description=_l("Leave it empty to release the person for good."),
        validators=[Optional(), from_today_on],
    )


class MoreTimeForm(ReasonForm):
    """A later due date for one person."""

    due_on = DayField(_l("New due date"), validators=[InputRequired(_l("Choose the new due date"))])
    reason = _reason_field()


class LeaveForm(ReasonForm):
    """A leave of absence."""

    begins_on = DayField(
        _l("First day away"), validators=[InputRequired(_l("Choose the first day away"))]
    )
    ends_on = DayField(
        _l("First day back"),
        description=_l("Leave it empty if it is not known yet."),
        validators=[Optional()],
    )
    reason = _reason_field()


class BackForm(FlaskForm):
    """The end of a leave."""

    ends_on = DayField(
        _l("First day back"), validators=[InputRequired(_l("Choose the first day back"))]
    )
