"""The filters over the list of people; they come with a GET."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional

from portal.campaigns.models import Status
from portal.reports.queries import OVERDUE

STATUS_WORDS = {
    Status.NOT_STARTED.value: _l("Not started"),
    Status.IN_PROGRESS.value: _l("In progress"),
    Status.READY.value: _l("Ready to sign"),
    Status.SIGNED.value: _l("Signed"),
    Status.REFUSED.value: _l("Does not agree"),
    Status.WAIVED.value: _l("Released"),
    OVERDUE: _l("Overdue"),
}


class FiltersForm(FlaskForm):
    """Name, department, status."""

    class Meta:
        """Nothing is changed by a GET."""

        csrf = False

    name = StringField(_l("Name"), validators=[Optional(), Length(max=200)])
    department = SelectField(_l("Department"), validators=[Optional()], validate_choice=False)
    status = SelectField(
        _l("Status"),
        choices=[
            SelectChoice("", _l("All")),
            *(SelectChoice(key, words) for key, words in STATUS_WORDS.items()),
        ],
        validators=[Optional()],
        validate_choice=False,
    )
