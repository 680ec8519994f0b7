"""HR's pages on retention, and everybody's own data."""

from uuid import UUID

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user
from wtforms.fields.choices import SelectChoice

from portal import db
from portal.campaigns import planning
from portal.config import Role
from portal.errors import Refused
from portal.retention import forms, lists, own_data, services
from portal.web import hands_out_file, page_number, requires

bp = Blueprint("retention", __name__)


@bp.get("/")
@requires(Role.HR)
def overview() -> ResponseReturnValue:
    """Periods, holds and lists."""
    past, held = services.count_past(db.today())
    past_people, held_people = services.count_past_people(db.today())
    return render_template(
        "retention/overview.html",
        rules=services.list_rules(),
        holds=services.list_holds(),
        lists=lists.list_lists(),
        contract_rule=services.find_contract_rule(),
        past=past,
        held=held,
        past_people=past_people,
        held_people=held_people,
    )


@bp.route("/periods/<uuid:campaign_id>", methods=["GET", "POST"])
@requires(Role.HR)
def period(campaign_id: UUID) -> ResponseReturnValue:
    """How long the data of a campaign is kept."""
    campaign = planning.get_campaign(campaign_id)
    rules = {each.id: rule for each, rule in services.list_rules()}
    rule = rules[campaign_id]
    form = forms.PeriodForm(data={"months": rule.months if rule else None})
    if form.validate_on_submit():
        services.set_period(campaign_id, form.months.data, by=current_user)
        flash(_("The period of %(title)s is saved.", title=campaign.title))
        return redirect(url_for(".overview"))
    return render_template("retention/period.html", form=form, about=campaign.title)


@bp.route("/periods/contracts", methods=["GET", "POST"])
@requires(Role.HR)
def contract_period() -> ResponseReturnValue:
    """How long invited people without a duty are kept."""
    rule = services.find_contract_rule()
    form = forms.ContractPeriodForm(data={"months": rule.months if rule else None})
    if form.validate_on_submit():
        services.set_contract_period(form.months.data, by=current_user)
        flash(_("The period of invited people without a duty is saved."))
        return redirect(url_for(".overview"))
    return render_template(
        "retention/period.html", form=form, about=_("Invited people without a duty")
    )


@bp.route("/holds/new", methods=["GET", "POST"])
@requires(Role.HR)
def hold() -> ResponseReturnValue:
    """Place a legal hold."""
    form = forms.HoldForm()
    form.campaign.choices = [
        SelectChoice("", _("None")),
        *(SelectChoice(str(each.id), each.title) for each, _rule in services.list_rules()),
    ]
    if form.validate_on_submit():
        try:
            services.hold(
                campaign_id=UUID(form.campaign.data) if form.campaign.data else None,
                username=form.username.data or "",
                reason=form.reason.data.strip(),
                by=current_user,
            )
        except Refused as refusal:
            form.username.errors = [str(refusal)]
        else:
            flash(_("The hold is placed."))
            return redirect(url_for(".overview"))
    return render_template("retention/hold.html", form=form)


@bp.post("/holds/<uuid:hold_id>/end")
@requires(Role.HR)
def end_hold(hold_id: UUID) -> ResponseReturnValue:
    """End a legal hold."""
    services.end_hold(hold_id, by=current_user)
    flash(_("The hold is ended."))
    return redirect(url_for(".overview"))


@bp.post("/lists")
@requires(Role.HR)
def make_list() -> ResponseReturnValue:
    """List what is past its period."""
    made = lists.make_list(by=current_user, today=db.today())
    return redirect(url_for(".disposal", list_id=made.id))


@bp.route("/lists/<uuid:list_id>", methods=["GET", "POST"])
@requires(Role.HR)
def disposal(list_id: UUID) -> ResponseReturnValue:
    """One list; on POST, approve it."""
    found = lists.get_list(list_id)
    form = forms.ApproveForm()
    if form.validate_on_submit():
        try:
            lists.approve(list_id, word=form.word.data, by=current_user)
        except Refused as refusal:
            form.word.errors = [str(refusal)]
        else:
            flash(_("The list is approved. What is on it is let go in the next minutes."))
            return redirect(url_for(".disposal", list_id=list_id))
    page = page_number()
    lines = lists.list_items(list_id, page=page)
    return render_template(
        "retention/disposal.html",
        form=form,
        found=found,
        counts=lists.count_items(list_id),
        lines=lines[: lists.PER_PAGE],
        is_last=len(lines) <= lists.PER_PAGE,
        page=page,
    )


@bp.route("/lists/<uuid:list_id>/<uuid:item_id>", methods=["GET", "POST"])
@requires(Role.HR)
def keep(list_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Take one duty, or one person, off the list."""
    line = lists.get_item(list_id, item_id)
    form = forms.KeepForm()
    if form.validate_on_submit():
        lists.take_off(list_id, item_id, reason=form.reason.data.strip(), by=current_user)
        flash(_("%(name)s is taken off the list.", name=line.full_name))
        return redirect(url_for(".disposal", list_id=list_id))
    return render_template("retention/keep.html", form=form, list_id=list_id, line=line)


@bp.get("/my-data")
@requires(Role.LEARNER)
def my_data() -> ResponseReturnValue:
    """What the portal keeps of oneself, and how to get it."""
    return render_template("retention/my_data.html")


@bp.get("/my-data.zip")
@requires(Role.LEARNER)
@hands_out_file
def my_data_zip() -> ResponseReturnValue:
    """All of it as one file."""
    return Response(
        own_data.pack(current_user),
        mimetype="application/zip",
        headers={"Content-Disposition": "attachment; filename=my-data.zip"},
    )
