"""Forms of periods, holds and disposal."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, NumberRange, Optional

from portal.fields import NumberField, at_most

REASON = 1000


class PeriodForm(FlaskForm):
    """How long a campaign's data is kept."""

    months = NumberField(
        _l("Months after the due date or the signature, whichever is later"),
        description=_l("Leave it empty to keep the data for ever."),
        validators=[Optional(), NumberRange(1, 1200, _l("Write a number from 1 to 1200"))],
    )


class ContractPeriodForm(FlaskForm):
    """How long invited people without a duty are kept."""

    months = NumberField(
        _l("Months after the end of the contract"),
        description=_l("Leave it empty to keep them for ever."),
        validators=[Optional(), NumberRange(1, 1200, _l("Write a number from 1 to 1200"))],
    )


class HoldForm(FlaskForm):
    """A legal hold on a campaign or a person."""

    campaign = SelectField(_l("Campaign"), validators=[Optional()])
    username = StringField(_l("Or the username of a person"), validators=[Optional(), at_most(200)])
    reason = TextAreaField(
        _l("Reason"), validators=[DataRequired(_l("Write a reason")), at_most(REASON)]
    )


class KeepForm(FlaskForm):
    """Take one line off a list."""

    reason = StringField(
        _l("Why is it kept?"), validators=[DataRequired(_l("Write a reason")), at_most(REASON)]
    )


class ApproveForm(FlaskForm):
    """A word that nobody types by accident."""

    word = StringField(
        _l("Type DISPOSE to approve"),
        validators=[DataRequired(_l("Type DISPOSE to approve")), at_most(20)],
        render_kw={"autocomplete": "off"},
    )
