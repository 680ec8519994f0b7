"""Standing in for a manager."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import DataRequired, InputRequired

from portal.fields import DayField, at_most, from_today_on


class DelegateForm(FlaskForm):
    """Who stands in, and until when."""

    username = StringField(
        _l("Username of the person who stands in for you"),
        description=_l("What they type to sign in, such as avery.chen."),
        validators=[DataRequired(_l("Write a username")), at_most(200)],
    )
    until = DayField(
        _l("Last day"), validators=[InputRequired(_l("Choose the last day")), from_today_on]
    )
