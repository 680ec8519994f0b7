"""Forms of administrators: read the directory, trace a sign-in, grant a role."""

from collections.abc import Sequence

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired

from portal.config import Role
from portal.directory import roles
from portal.fields import DayField, at_most

ROLE_WORDS = {
    Role.HR: _l("HR: campaigns, records, decisions"),
    Role.AUTHOR: _l("Author: courses"),
    Role.ADMIN: _l("Administrator: the directory and roles"),
    Role.SPONSOR: _l("Sponsor: invites contractors"),
}


class SyncForm(FlaskForm):
    """How the directory is read."""

    dry = BooleanField(_l("Only show what would change"), default=True)
    force = BooleanField(
        _l("Accept it even if the numbers look wrong"),
    )


class TraceForm(FlaskForm):
    """Whose sign-in is followed."""

    username = StringField(
        _l("Username or work email (optional)"),
        description=_l(
            "Name somebody who cannot sign in, and we follow each step up to the password."
        ),
        validators=[at_most(256)],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )


class GrantForm(FlaskForm):
    """A role for somebody, for a time."""

    username = StringField(
        _l("Username"), validators=[DataRequired(_l("Write a username")), at_most(200)]
    )
    role = SelectField(_l("Role"))
    until = DayField(_l("Last day"), validators=[InputRequired(_l("Choose the last day"))])
    reason = TextAreaField(
        _l("Reason"), validators=[DataRequired(_l("Write a reason")), at_most(1000)]
    )

    def __init__(self, ours: Sequence[Role]) -> None:
        super().__init__()
        self.role.choices = [SelectChoice(role.value, ROLE_WORDS[role]) for role in ours]

    def validate_until(self, field: DayField) -> None:
        """Refuse a day that is over, or too far away."""
        if not roles.may_last_until(field.data):
            raise ValidationError(_("Choose a last day from today to a year from now"))
