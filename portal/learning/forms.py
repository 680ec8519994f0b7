"""Forms of the steps. Each is made from the step that it asks about."""

from collections.abc import Sequence
from typing import Any

from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import HiddenField, RadioField, SelectMultipleField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Optional

from portal.courses.course import AboutYou, Question, Scene
from portal.fields import at_most

COMMENT_LENGTH = 2000


class SceneForm(FlaskForm):
    """What do you do? One choice, none preselected."""

    scene = HiddenField()
    choice = RadioField(coerce=str, validators=[InputRequired(_l("Choose what you would do"))])

    def __init__(self, scene: Scene, order: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choice.label.text = scene.question
        self.choice.choices = [SelectChoice(str(i), scene.choices[i].text) for i in order]


class SingleAnswerForm(FlaskForm):
    """A question with one right option, in the order drawn."""

    question = HiddenField()
    chosen = RadioField(coerce=str, validators=[InputRequired(_l("Choose an answer"))])

    @property
    def options(self) -> list[int]:
        """Indexes of the options chosen."""
        return [int(self.chosen.data)]


class MultipleAnswerForm(FlaskForm):
    """A question with several right options."""

    question = HiddenField()
    chosen = SelectMultipleField(
        coerce=str, validators=[InputRequired(_l("Choose at least one answer"))]
    )

    @property
    def options(self) -> list[int]:
        """Indexes of the options chosen."""
        return [int(index) for index in self.chosen.data]


def answer_form(question: Question, order: Sequence[int]) -> SingleAnswerForm | MultipleAnswerForm:
    """The form for one question, its options in the order drawn for this attempt."""
    form = (MultipleAnswerForm if question.multiple else SingleAnswerForm)()
    form.chosen.label.text = question.text
    form.chosen.choices = [SelectChoice(str(i), question.options[i].text) for i in order]
    form.question.data = question.id
    return form


def about_you_form(step: AboutYou, given: dict[str, Any] | None) -> FlaskForm:
    """A form with one radio field per question; `given` are the answers kept before."""
    fields: dict[str, Any] = {
        question.id: RadioField(
            question.text,
            description=question.hint,
            choices=[SelectChoice(option.id, option.text) for option in question.options],
            validators=[InputRequired(_l("Choose an answer"))],
        )
        for question in step.questions
    }
    if step.comment:
        fields["comment"] = TextAreaField(
            step.comment,
            validators=[
                Optional(),
                at_most(COMMENT_LENGTH),
            ],
        )
    before = {**given["answers"], "comment": given["comment"]} if given else None
    return type("AboutYouForm", (FlaskForm,), fields)(data=before)
