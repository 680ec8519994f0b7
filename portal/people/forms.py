"""The sign-in form."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from portal.people.directory import LONGEST_NAME, LONGEST_PASSWORD


class SignInForm(FlaskForm):
    """Name and password, as the directory knows them."""

    username = StringField(
        _l("Username or work email"),
        validators=[InputRequired(_l("Enter your username or work email"))],
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
