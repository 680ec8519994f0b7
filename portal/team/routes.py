"""Your team: who has signed, a reminder, and who stands in for you."""

from collections.abc import Iterator
from uuid import UUID

from flask import (
    Blueprint,
    flash,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal import db
from portal.audit import services as audit
from portal.campaigns.models import STATUS_WORDS
from portal.config import Role
from portal.errors import NotFound, Refused
from portal.people.services import Identity, get_person, identify
from portal.spreadsheets import TYPES, make_file
from portal.team import services
from portal.team.forms import DelegateForm
from portal.team.services import Line
from portal.web import hands_out_file, page_number, requires

bp = Blueprint("team", __name__)


@bp.get("/")
@requires(Role.LEARNER)
def people() -> ResponseReturnValue:
    """The team's duties: who has signed and who has not."""
    _check()
    show = _asked()
    page = page_number()
    counts, lines = services.look(current_user, show=show, today=db.today(), page=page)
    return render_template(
        "team/people.html",
        counts=counts,
        lines=lines[: services.PER_PAGE],
        is_last=len(lines) <= services.PER_PAGE,
        page=page,
        show=show,
        today=db.today(),
    )


@bp.get("/team.<any(csv, xlsx):extension>")
@requires(Role.LEARNER)
@hands_out_file
def download(extension: str) -> ResponseReturnValue:
    """The list as a file, as CSV or as Excel."""
    _check()
    file, rows = make_file(extension, _head(), _rows(_asked()), title="team")
    with db.transaction():
        audit.record("list.exported", subject=current_user.id, actor=current_user.id, rows=rows)
    return send_file(
        file,
        mimetype=TYPES[extension],
        as_attachment=True,
        download_name=f"team-{db.today()}.{extension}",
    )


@bp.get("/crew-list")
@requires(Role.LEARNER)
def crew_list() -> ResponseReturnValue:
    """Who still has to sign, to print and take along to the crew. HR prints any manager's."""
    manager_id = request.args.get("manager", type=UUID)
    head = current_user
    if manager_id is not None and Role.HR in current_user.roles:
        head = identify(get_person(manager_id))
    else:
        _check()
    page, length = page_number(), services.PER_CREW_LIST
    lines = services.list_team(head, show=services.OPEN, today=db.today(), page=page, length=length)
    return _to_print(lines, page=page, head=head)


@bp.get("/unreached")
@requires(Role.HR)
def unreached() -> ResponseReturnValue:
    """The same for HR: people who are on no manager's list."""
    page = page_number()
    lines = services.list_unreached(today=db.today(), page=page, length=services.PER_CREW_LIST)
    return _to_print(lines, page=page, head=None)


def _to_print(lines: list[Line], *, page: int, head: Identity | None) -> str:
    return render_template(
        "team/crew_list.html",
        lines=lines[: services.PER_CREW_LIST],
        is_last=len(lines) <= services.PER_CREW_LIST,
        page=page,
        head=head,
        today=db.today(),
    )


@bp.post("/<uuid:person_id>/nudge")
@requires(Role.LEARNER)
def nudge(person_id: UUID) -> ResponseReturnValue:
    """Remind one person by mail."""
    name = services.nudge(person_id, by=current_user, today=db.today())
    flash(_("A reminder to %(name)s is on its way.", name=name))
    return redirect(url_for(".people", show=_asked()))


@bp.route("/deputy", methods=["GET", "POST"])
@requires(Role.LEARNER)
def deputy() -> ResponseReturnValue:
    """Let somebody stand in while one is away."""
    if "manager" not in current_user.audiences:
        raise NotFound
    form = DelegateForm()
    if form.validate_on_submit():
        try:
            services.delegate(
                current_user,
                username=form.username.data,
                until=form.until.data,
                today=db.today(),
            )
        except services.WrongDay as refusal:
            form.until.errors = [str(refusal)]
        except Refused as refusal:
            form.username.errors = [str(refusal)]
        else:
            return redirect(url_for(".deputy"))
    deputies = services.list_deputies(current_user, today=db.today())
    return render_template("team/deputy.html", form=form, deputies=deputies)


@bp.post("/deputy/<uuid:delegation_id>/end")
@requires(Role.LEARNER)
def end_deputy(delegation_id: UUID) -> ResponseReturnValue:
    """End a delegation before its last day."""
    services.end_delegation(delegation_id, by=current_user)
    return redirect(url_for(".deputy"))


def _check() -> None:
    if not services.leads_a_team(current_user, today=db.today()):
        raise NotFound


def _asked() -> str:
    show = request.args.get("show", services.OPEN)
    return show if show in {services.OPEN, services.LATE, services.ALL} else services.OPEN


def _head() -> list[str]:
    return [_("Name"), _("Department"), _("Manager"), _("Duty"), _("Due"), _("Status")]


def _rows(show: str) -> Iterator[tuple[object, ...]]:
    for each in services.each_line(current_user, show=show, today=db.today()):
        status = str(STATUS_WORDS[each.status])
        yield each.full_name, each.department, each.manager, each.title, each.due_on, status
