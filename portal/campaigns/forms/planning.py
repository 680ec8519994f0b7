"""Forms on which HR plans a campaign."""

from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    BooleanField,
    DateField,
    HiddenField,
    RadioField,
    SelectField,
    StringField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import DataRequired, InputRequired, NumberRange, Optional

from portal.campaigns.models import Campaign, Kind
from portal.fields import DayField, NumberField, at_most


class SeenForm(FlaskForm):
    """Carries the state of the campaign that the person saw."""

    seen = HiddenField()


class TitleForm(SeenForm):
    """What can be changed of a campaign that is launched."""

    title = StringField(
        _l("Title"),
        description=_l("People read it on their list of tasks, such as “Annual attestation 2027”."),
        validators=[DataRequired(_l("Write a title")), at_most(200)],
    )

    @property
    def values(self) -> dict[str, Any]:
        """Columns of Campaign."""
        return {"title": self.title.data.strip()}


class CampaignForm(TitleForm):
    """Title, kind, course and dates. Which dates are needed follows from the kind."""

    kind = RadioField(
        _l("What kind of campaign is it?"),
        choices=[
            SelectChoice(Kind.ANNUAL.value, _l("Annual: everyone by one date")),
            SelectChoice(Kind.ONBOARDING.value, _l("Onboarding: some days after each start")),
        ],
        validators=[InputRequired(_l("Choose a kind"))],
    )
    course = SelectField(_l("Course"), validators=[InputRequired(_l("Choose a course"))])
    opens_on = DayField(_l("First day"), validators=[InputRequired(_l("Choose the first day"))])
    due_on = DayField(
        _l("Due date"),
        description=_l("For an annual campaign: the last day to sign."),
    )
    due_days = NumberField(
        _l("Days to sign after the start"),
        description=_l("For an onboarding: how many days each person has."),
    )
    business_days = BooleanField(_l("Count business days only, without weekends and holidays"))
    min_interval = NumberField(
        _l("Months that an earlier signature counts (optional)"),
        description=_l("People who signed this course that recently have nothing to do."),
        validators=[Optional(), NumberRange(1, 60, _l("Write a number from 1 to 60"))],
    )

    def validate_due_on(self, field: DateField) -> None:
        """An annual campaign needs a due date, after its first day."""
        if self.kind.data == Kind.ONBOARDING:
            return
        if field.data is None:
            raise ValidationError(_("Choose the due date"))
        if self.opens_on.data and field.data <= self.opens_on.data:
            raise ValidationError(_("The due date must come after the first day"))

    def validate_due_days(self, field: NumberField) -> None:
        """An onboarding needs a number of days."""
        if self.kind.data != Kind.ONBOARDING:
            return
        if field.data is None:
            raise ValidationError(_("Write how many days each person has"))
        if not 1 <= field.data <= 365:
            raise ValidationError(_("Write a number from 1 to 365"))

    @property
    def values(self) -> dict[str, Any]:
        """Columns of Campaign; a date that the kind does not use is empty."""
        onboarding = self.kind.data == Kind.ONBOARDING
        return {
            **super().values,
            "kind": Kind(self.kind.data),
            "opens_on": self.opens_on.data,
            "due_on": None if onboarding else self.due_on.data,
            "due_days": self.due_days.data if onboarding else None,
            "business_days": bool(onboarding and self.business_days.data),
            "min_interval": self.min_interval.data,
        }


class ReminderForm(SeenForm):
    """When the portal writes to people who have not signed."""

    before = StringField(
        _l("Days before the due date"),
        description=_l("Such as 14, 7, 1. Leave it empty for no reminder."),
        validators=[Optional()],
    )
    after_every = NumberField(
        _l("Days between reminders after the due date"),
        validators=[Optional(), NumberRange(1, 60, _l("Write a number from 1 to 60"))],
    )
    at_most = NumberField(
        _l("The most reminders one person gets"),
        validators=[
            InputRequired(_l("Write a number from 1 to 30")),
            NumberRange(1, 30, _l("Write a number from 1 to 30")),
        ],
    )
    escalate_after = NumberField(
        _l("Days overdue until the manager hears of it"),
        description=_l("The manager gets one list. Leave it empty for none."),
        validators=[Optional(), NumberRange(1, 365, _l("Write a number from 1 to 365"))],
    )

    def validate_before(self, field: StringField) -> None:
        """Whole numbers from 1 to 90, separated by commas."""
        parts = [part.strip() for part in (field.data or "").split(",") if part.strip()]
        if not all(part.isascii() and part.isdigit() and 1 <= int(part) <= 90 for part in parts):
            raise ValidationError(_("Write days from 1 to 90, such as 14, 7, 1"))

    @property
    def values(self) -> dict[str, Any]:
        """As the campaign keeps it."""
        days = {int(part) for part in (self.before.data or "").split(",") if part.strip()}
        return {
            "before": sorted(days, reverse=True),
            "after_every": self.after_every.data,
            "at_most": self.at_most.data,
            "escalate_after": self.escalate_after.data,
        }

    @staticmethod
    def data_of(campaign: Campaign) -> dict[str, Any]:
        """What the campaign keeps, as the form's data."""
        kept = campaign.reminders
        return {**kept, "before": ", ".join(map(str, kept.get("before", [])))}


class ExtendForm(SeenForm):
    """More time for everyone."""

    days = NumberField(
        _l("How many more days?"),
        validators=[
            InputRequired(_l("Write a number from 1 to 365")),
            NumberRange(1, 365, _l("Write a number from 1 to 365")),
        ],
    )


class ConfirmForm(FlaskForm):
    """One button."""


class VersionForm(FlaskForm):
    """Minor or material."""

    change = RadioField(
        _l("What does this version ask of people who have signed?"),
        choices=[
            SelectChoice("minor", _l("Nothing: it is a minor change")),
            SelectChoice("material", _l("To sign what changed: it is a material change")),
        ],
        validators=[InputRequired(_l("Choose minor or material"))],
    )
    title = StringField(
        _l("What should people read on their list of tasks?"),
        validators=[Optional(), at_most(200)],
    )
    due_on = DayField(
        _l("Due date"),
        description=_l("For a material change: the last day to sign."),
    )

    def validate_due_on(self, field: DateField) -> None:
        """A material change needs one."""
        if self.change.data == "material" and field.data is None:
            raise ValidationError(_("Choose the due date"))


class PreviewForm(FlaskForm):
    """Filters over the people of a preview; they come with a GET."""

    class Meta:
        """Nothing is changed by a GET."""

        csrf = False

    name = StringField(_l("Name"), validators=[Optional(), at_most(200)])
    group = SelectField(_l("Show"), validators=[Optional()], validate_choice=False)
