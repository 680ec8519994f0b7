"""HR's page on reminders: what went out, and what will today."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from portal import db
from portal.config import Role
from portal.reminders import lists, services
from portal.web import requires

bp = Blueprint("reminders", __name__)


@bp.get("/")
@requires(Role.HR)
def runs() -> ResponseReturnValue:
    """The last days, and how many people a run today would still write to."""
    return render_template(
        "reminders/runs.html",
        runs=services.list_runs(),
        given_up=services.find_given_up(),
        without_mail=lists.list_managers_without_mail(),
        unreached=lists.count_unreached(db.today()),
        waiting=services.count_due(db.today()),
        today=db.today(),
    )
