"""Three deliberate acts to sign: tick, type, password. And the way out."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from flask_wtf.file import FileField
from werkzeug.exceptions import ServiceUnavailable
from wtforms import BooleanField, PasswordField, StringField, TextAreaField, ValidationError
from wtforms.validators import DataRequired, InputRequired

from portal import db
from portal.attestations.naming import same_name
from portal.attestations.recording import MOST_BYTES
from portal.documents import scans
from portal.fields import DayField, at_most


class SignForm(FlaskForm):
    """Tick, type and password, so that nobody signs by accident or for somebody else."""

    agrees = BooleanField(
        validators=[InputRequired(_l("Tick the box if you agree with your declaration"))]
    )
    typed_name = StringField(
        _l("Type your full name to sign"),
        validators=[DataRequired(_l("Type your full name")), at_most(200)],
        render_kw={"autocomplete": "name", "spellcheck": "false"},
    )
    password = PasswordField(
        _l("Password"),
        validators=[InputRequired(_l("Enter your password")), at_most(1000)],
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
            DataRequired(_l("Write what you do not agree with")),
            at_most(4000),
        ],
        render_kw={"rows": 6},
    )


class ScanForm(FlaskForm):
    """An attestation that was signed on paper."""

    signed_on = DayField(
        _l("Day on the paper"), validators=[InputRequired(_l("Choose the day on the paper"))]
    )
    scan = FileField(
        _l("Scan of the signed paper"),
        description=_l("A PDF of at most 10 MB and 20 pages."),
        render_kw={"accept": "application/pdf,.pdf"},
    )
    witness = StringField(_l("Witness (optional)"), validators=[at_most(200)])
    note = TextAreaField(_l("Note (optional)"), validators=[at_most(1000)])

    def validate_scan(self, field: FileField) -> None:
        """Refuse what is missing, too large, no PDF, or can act; the bytes are kept as `pdf`."""
        if not field.data:
            raise ValidationError(_("Choose the scan, a PDF"))
        self.pdf = field.data.read(MOST_BYTES + 1)
        if len(self.pdf) > MOST_BYTES:
            raise ValidationError(_("The scan is larger than 10 MB. Scan it with fewer dots"))
        if not self.pdf.startswith(b"%PDF-"):
            raise ValidationError(_("This file is not a PDF. Choose the scan as a PDF"))
        try:
            found = scans.why_not(self.pdf)
        except ServiceUnavailable as busy:
            raise ValidationError(busy.description) from None
        why = {
            "unreadable": _l("This PDF is broken. Scan the paper again"),
            "encrypted": _l("This PDF has a password. Save it without one"),
            "empty": _l("This PDF has no pages. Scan the paper again"),
            "long": _l("This PDF has more than 20 pages. Choose only the signed paper"),
            "script": _l("This PDF holds a script. Print it and scan the print"),
            "link": _l("This PDF holds a link that leads out of it. Print it and scan the print"),
            "form": _l("This PDF holds a form. Print it and scan the print"),
            "file": _l("This PDF holds another file. Print it and scan the print"),
            "film": _l("This PDF holds sound or a film. Print it and scan the print"),
            "active": _l("This PDF can do things by itself. Print it and scan the print"),
        }.get(found)
        if why:
            raise ValidationError(why)


class RefusalForm(FlaskForm):
    """A refusal that HR heard."""

    said_on = DayField(_l("Day"), validators=[InputRequired(_l("Choose the day"))])
    comment = TextAreaField(
        _l("What did the person say?"),
        description=_l("In their own words. Leave it empty if they gave no reason."),
        validators=[at_most(4000)],
    )
    witness = StringField(_l("Witness (optional)"), validators=[at_most(200)])

    def validate_said_on(self, field: DayField) -> None:
        """Refuse the future."""
        if field.data and field.data > db.today():
            raise ValidationError(_("The day is in the future"))


class NumberForm(FlaskForm):
    """Check a receipt number."""

    number = StringField(
        _l("Receipt number"),
        validators=[DataRequired(_l("Enter the receipt number")), at_most(60)],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )

    def validate_number(self, field: StringField) -> None:
        """Refuse what has no page of its own: it would lead to another address."""
        if "/" in field.data or not field.data.strip(" ."):
            raise ValidationError(_("Write the number as it stands on the receipt"))


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
