"""Forms: invite, extend, decide on scope, and choose a password."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    HiddenField,
    PasswordField,
    RadioField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired

from portal.contractors.scope import IN, OUT
from portal.fields import DayField, at_most

MOST_BYTES = 200_000
SCOPE_WORDS = {IN: _l("In scope"), OUT: _l("Not in scope")}


class InviteForm(FlaskForm):
    """Somebody whom the directory does not know."""

    full_name = StringField(
        _l("Full name"), validators=[DataRequired(_l("Write the name")), at_most(200)]
    )
    email = StringField(
        _l("Email (optional)"),
        description=_l("We send the link there. If there is none, you print a letter."),
        validators=[at_most(320)],
        render_kw={"inputmode": "email", "autocomplete": "off", "spellcheck": "false"},
    )
    firm = StringField(
        _l("Firm or group (optional)"),
        description=_l("Whom they work for. HR can decide on a whole firm or group at once."),
        validators=[at_most(200)],
    )
    job_title = StringField(
        _l("What they do"), validators=[DataRequired(_l("Write what they do")), at_most(200)]
    )
    started_on = DayField(_l("First day"), validators=[InputRequired(_l("Choose the first day"))])
    ends_on = DayField(
        _l("Last day"),
        description=_l("The account closes after this day. You can change the day later."),
        validators=[InputRequired(_l("Choose the last day"))],
    )
    sponsor = StringField(
        _l("Sponsor’s username"),
        description=_l(
            "The City employee who vouches for them. We tell the sponsor before the contract ends."
        ),
        validators=[DataRequired(_l("Write the sponsor’s username")), at_most(200)],
        render_kw={"autocapitalize": "none", "spellcheck": "false"},
    )
    is_another = BooleanField(_l("This is somebody else with the same name"))


class BulkForm(FlaskForm):
    """A CSV file of people to invite."""

    file = FileField(
        _l("CSV file"),
        description=_l("At most 200 KB."),
        render_kw={"accept": "text/csv,.csv"},
    )
    text = HiddenField()

    def validate_file(self, field: Any) -> None:
        """Take the text of the file; on the second step it comes back with the form."""
        if self.text.data:
            return
        if not field.data:
            raise ValidationError(_("Choose a CSV file"))
        data = field.data.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise ValidationError(_("The file is larger than 200 KB"))
        try:
            self.text.data = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ValidationError(_("Save the file as CSV with UTF-8")) from None


class ExtendForm(FlaskForm):
    """Another last day."""

    ends_on = DayField(_l("New last day"), validators=[InputRequired(_l("Choose the last day"))])


class ScopeForm(FlaskForm):
    """HR's word on a person or a group."""

    outcome = RadioField(
        _l("Does the City’s guidance cover them?"),
        choices=[SelectChoice(key, words) for key, words in SCOPE_WORDS.items()],
        validators=[InputRequired(_l("Choose in scope or not in scope"))],
    )
    reason = TextAreaField(
        _l("Reason"),
        description=_l("It is printed in their record."),
        validators=[DataRequired(_l("Write a reason")), at_most(1000)],
    )


class WelcomeForm(FlaskForm):
    """The password of somebody who was invited."""

    password = PasswordField(
        _l("Choose a password"),
        description=_l("At least 12 characters. A few words that belong together only for you."),
        validators=[InputRequired(_l("Choose a password"))],
        render_kw={"autocomplete": "new-password"},
    )
