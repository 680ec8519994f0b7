"""The filters over the list of people; they come with a GET."""

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Optional

from portal.campaigns.models import STATUS_WORDS
from portal.fields import at_most
from portal.reports.queries import OVERDUE


class FiltersForm(FlaskForm):
    """Name, department, status."""

    class Meta:
        """Nothing is changed by a GET."""

        csrf = False

    name = StringField(_l("Name"), validators=[Optional(), at_most(200)])
    department = SelectField(_l("Department"), validators=[Optional()], validate_choice=False)
    kind = SelectField(
        _l("Employment"),
        choices=[
            SelectChoice("", _l("All")),
            SelectChoice("employee", _l("Employees")),
            SelectChoice("contractor", _l("Contract employees")),
        ],
        validators=[Optional()],
        validate_choice=False,
    )
    manager = HiddenField()
    status = SelectField(
        _l("Status"),
        choices=[
            SelectChoice("", _l("All")),
            *(SelectChoice(key, words) for key, words in STATUS_WORDS.items()),
            SelectChoice(OVERDUE, _l("Overdue")),
        ],
        validators=[Optional()],
        validate_choice=False,
    )
