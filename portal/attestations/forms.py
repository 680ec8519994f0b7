"""Three deliberate acts to sign: tick, type, password. And the way out."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from wtforms import BooleanField, PasswordField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length

from portal.attestations.naming import same_name


class SignForm(FlaskForm):
    """Tick, type and password, so that nobody signs by accident or for somebody else."""

    agrees = BooleanField(
        validators=[InputRequired(_l("Tick the box if you agree with your declaration"))]
    )
    typed_name = StringField(
        _l("Type your full name to sign"),
        validators=[InputRequired(_l("Type your full name")), Length(max=200)],
        render_kw={"autocomplete": "name", "spellcheck": "false"},
    )
    password = PasswordField(
        _l("Password"),
        validators=[InputRequired(_l("Enter your password")), Length(max=1000)],
        render_kw={"autocomplete": "current-password"},
    )

    def __init__(self, *, statement: str, full_name: str) -> None:
        super().__init__()
        self.agrees.label.text = statement
        self._full_name = full_name

    def validate_typed_name(self, field: StringField) -> None:
        """Refuse another name than the one that we hold."""
        if field.data and not same_name(field.data, self._full_name):
            raise ValidationError(_("Type your name as we hold it: %(name)s", name=self._full_name))


class DisagreeForm(FlaskForm):
    """What the person does not agree with, in their own words."""

    comment = TextAreaField(
        _l("What do you not agree with?"),
        validators=[
            InputRequired(_l("Write what you do not agree with")),
            Length(max=4000, message=_l("Write at most %(max)d characters")),
        ],
        render_kw={"rows": 6},
    )


class NumberForm(FlaskForm):
    """Check a receipt number."""

    number = StringField(
        _l("Receipt number"),
        validators=[InputRequired(_l("Enter the receipt number")), Length(max=60)],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )


class UploadForm(FlaskForm):
    """Check a copy of a sealed PDF."""

    file = FileField(_l("The PDF to check"), render_kw={"accept": "application/pdf,.pdf"})

    def validate_file(self, field: FileField) -> None:
        """Refuse what is missing or is no PDF."""
        if not field.data:
            raise ValidationError(_("Choose a PDF"))
        start = field.data.stream.read(1024)
        field.data.stream.seek(0)
        if b"%PDF-" not in start:
            raise ValidationError(_("This file is not a PDF"))
