"""The filters over the list of people; they come with a GET."""

from uuid import UUID

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, SelectField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Optional

from portal.campaigns.models import STATUS_WORDS
from portal.fields import at_most
from portal.reports.queries import NOBODY, OVERDUE, Filters


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

    def read(self) -> Filters:
        """What the list is narrowed to; a value that there is not is no filter."""
        self.validate()
        return Filters(
            name=(self.name.data or "").strip()[:200],
            department=self.department.data or "",
            status=self.status.data if self.status.data in {*STATUS_WORDS, OVERDUE} else "",
            kind=self.kind.data if self.kind.data in {"employee", "contractor"} else "",
            manager=_manager(self.manager.data or ""),
        )


def _manager(asked: str) -> str:
    """A person's id or NOBODY."""
    try:
        return asked if asked == NOBODY else str(UUID(asked))
    except ValueError:
        return ""
