"""Filters over the log of mails; they come with a GET."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Optional

from portal.fields import at_most

STATE_WORDS = {
    "queued": _l("Waiting"),
    "retrying": _l("Trying again"),
    "sent": _l("Sent"),
    "refused": _l("Refused"),
}


class LogForm(FlaskForm):
    """State and address."""

    class Meta:
        """Nothing is changed by a GET."""

        csrf = False

    state = SelectField(
        _l("State"),
        choices=[
            SelectChoice("", _l("All")),
            *(SelectChoice(key, words) for key, words in STATE_WORDS.items()),
        ],
        validators=[Optional()],
        validate_choice=False,
    )
    search = StringField(_l("Address"), validators=[Optional(), at_most(200)])
