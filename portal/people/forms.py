"""The sign-in form, and those of shared devices."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import DataRequired, InputRequired

from portal.fields import at_most
from portal.people.directory import LONGEST_NAME, LONGEST_PASSWORD


class SignInForm(FlaskForm):
    """Name and password, as the directory knows them."""

    username = StringField(
        _l("Username or work email"),
        validators=[DataRequired(_l("Enter your username or work email"))],
        render_kw={
            "autocomplete": "username",
            "autocapitalize": "none",
            "spellcheck": "false",
            "maxlength": LONGEST_NAME,
        },
    )
    password = PasswordField(
        _l("Password"),
        validators=[InputRequired(_l("Enter your password"))],
        render_kw={"autocomplete": "current-password", "maxlength": LONGEST_PASSWORD},
    )


class TotpForm(FlaskForm):
    """The code that an authenticator app shows."""

    code = StringField(
        _l("Code"),
        description=_l("The six digits that your authenticator app shows now."),
        validators=[DataRequired(_l("Enter the code")), at_most(20)],
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"},
    )


class PasswordForm(FlaskForm):
    """Another password, of who has one here."""

    old = PasswordField(
        _l("Current password"),
        validators=[InputRequired(_l("Enter your current password"))],
        render_kw={"autocomplete": "current-password"},
    )
    new = PasswordField(
        _l("New password"),
        description=_l("At least 12 characters. A few words that belong together only for you."),
        validators=[InputRequired(_l("Choose a password"))],
        render_kw={"autocomplete": "new-password"},
    )


class KioskForm(FlaskForm):
    """A new shared device."""

    name = StringField(
        _l("Name of the device"),
        description=_l("Such as “Tablet in the parks yard”."),
        validators=[DataRequired(_l("Write a name")), at_most(100)],
    )
    location = StringField(_l("Where it is (optional)"), validators=[at_most(200)])


class CodeForm(FlaskForm):
    """The code that HR gave out."""

    code = StringField(
        _l("Code from HR"),
        validators=[DataRequired(_l("Enter the code")), at_most(20)],
        render_kw={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"},
    )
