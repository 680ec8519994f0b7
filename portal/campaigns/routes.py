"""HR's pages: plan a campaign, launch it, and decide about single duties."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user
from wtforms import Field
from wtforms.fields.choices import SelectChoice

from portal import db
from portal.campaigns import audience as rules
from portal.campaigns import deciding, extending, leaves, planning, previewing, schedule, versions
from portal.campaigns.forms import audience as audience_forms
from portal.campaigns.forms import deciding as decision_forms
from portal.campaigns.forms import planning as forms
from portal.campaigns.models import Campaign
from portal.campaigns.previewing import Group
from portal.config import Role
from portal.courses import comparing
from portal.courses import services as courses
from portal.errors import Refused
from portal.people import services as people
from portal.web import page_number, requires

bp = Blueprint("campaigns", __name__)


@bp.get("/")
@requires(Role.HR)
def overview() -> ResponseReturnValue:
    """All campaigns, and versions of courses that wait for a decision."""
    return render_template(
        "campaigns/overview.html",
        lines=planning.list_campaigns(),
        undecided=courses.list_undecided(),
        today=db.today(),
    )


@bp.route("/new", methods=["GET", "POST"])
@requires(Role.HR)
def new() -> ResponseReturnValue:
    """Begin a campaign: what it is and when."""
    form = forms.CampaignForm()
    form.course.choices = _courses()
    if form.validate_on_submit():
        campaign = planning.create(form.values, course=form.course.data, by=current_user)
        return redirect(url_for(".audience", campaign_id=campaign.id))
    return render_template("campaigns/new.html", form=form)


@bp.get("/<uuid:campaign_id>")
@requires(Role.HR)
def campaign(campaign_id: UUID) -> ResponseReturnValue:
    """One campaign: what it is, whom it reaches, and what can be done."""
    found = planning.get_campaign(campaign_id)
    counts, departments = previewing.count(found)
    exemptions = deciding.list_exemptions(campaign_id)
    filling = found.is_open and found.filled_at is None and found.opens_on <= db.today()
    page = render_template(
        "campaigns/campaign.html",
        campaign=found,
        filling=filling,
        grace=schedule.GRACE,
        sentence=rules.read(found.audience).sentence(),
        counts=counts,
        departments=departments,
        exemptions=[(each, rules.read(each.audience).sentence()) for each in exemptions],
        why_not_launch=""
        if found.launched_at
        else planning.why_not_launch(found, today=db.today()),
        form=forms.ConfirmForm(),
    )
    is_changing = filling or not all(each.carried_out_at for each in exemptions)
    return page, {"Refresh": "5"} if is_changing else {}


@bp.route("/<uuid:campaign_id>/change", methods=["GET", "POST"])
@requires(Role.HR)
def change(campaign_id: UUID) -> ResponseReturnValue:
    """Change title and dates of a draft; of an open campaign, only the title."""
    found = planning.get_campaign(campaign_id)
    kind = forms.TitleForm if found.launched_at else forms.CampaignForm
    form = kind(obj=found, data={"seen": planning.stamp(found)})
    if "course" in form:
        form.course.choices = _courses()
        form.course.data = form.course.data or found.course_version.key
    if form.validate_on_submit():
        values = form.values
        if "course" in form:
            values["course_version_id"] = courses.latest(form.course.data).id
        if _changed(found, values, form):
            return redirect(url_for(".campaign", campaign_id=campaign_id))
    return render_template("campaigns/change.html", form=form, campaign=found)


@bp.route("/<uuid:campaign_id>/audience", methods=["GET", "POST"])
@requires(Role.HR)
def audience(campaign_id: UUID) -> ResponseReturnValue:
    """Say who the campaign is for."""
    found = planning.get_campaign(campaign_id)
    rule = rules.read(found.audience)
    data = {**audience_forms.AudienceForm.data_of(rule), "seen": planning.stamp(found)}
    form = audience_forms.AudienceForm(data=data)
    known = planning.known_values()
    form.offer(known)
    fits = (
        not _rearranged(form, known)  # then it is shown again, with one part more or less
        and form.validate_on_submit()
        and not form.find_unknown(known)
    )
    if fits and _changed(found, {"audience": form.audience.to_json()}, form):
        return redirect(url_for(".campaign", campaign_id=campaign_id))
    return render_template("campaigns/audience.html", form=form, campaign=found)


@bp.route("/<uuid:campaign_id>/reminders", methods=["GET", "POST"])
@requires(Role.HR)
def reminders(campaign_id: UUID) -> ResponseReturnValue:
    """Say when the portal writes to people."""
    found = planning.get_campaign(campaign_id)
    data = {"at_most": 8, **forms.ReminderForm.data_of(found), "seen": planning.stamp(found)}
    form = forms.ReminderForm(data=data)
    if form.validate_on_submit() and _changed(found, {"reminders": form.values}, form):
        return redirect(url_for(".campaign", campaign_id=campaign_id))
    return render_template("campaigns/reminders.html", form=form, campaign=found)


@bp.get("/<uuid:campaign_id>/people")
@requires(Role.HR)
def preview(campaign_id: UUID) -> ResponseReturnValue:
    """Who gets the duty, who does not, and why."""
    found = planning.get_campaign(campaign_id)
    asked = request.args.get("group", "")
    group = Group(asked) if asked in set(Group) else Group.IN
    form = forms.PreviewForm(request.args, data={"group": group.value})
    counts, _departments = previewing.count(found)
    form.group.choices = [
        SelectChoice(Group.IN.value, _("Get the duty (%(num)s)", num=counts.inside)),
        SelectChoice(Group.LEFT_OUT.value, _("Left out (%(num)s)", num=counts.left_out)),
        SelectChoice(Group.OUT.value, _("Not in the audience (%(num)s)", num=counts.outside)),
    ]
    page = page_number()
    name = (form.name.data or "")[:200]
    lines = previewing.list_people(found, group, counts=counts, name=name, page=page)
    return render_template(
        "campaigns/preview.html",
        campaign=found,
        form=form,
        group=group,
        name=name,
        lines=lines[: previewing.PER_PAGE],
        page=page,
        is_last=len(lines) <= previewing.PER_PAGE,
    )


@bp.post("/<uuid:campaign_id>/launch")
@requires(Role.HR)
def launch(campaign_id: UUID) -> ResponseReturnValue:
    """Open the campaign."""
    found = planning.get_campaign(campaign_id)
    planning.launch(found, by=current_user)
    flash(_("%(title)s is launched.", title=found.title))
    return redirect(url_for(".campaign", campaign_id=campaign_id))


@bp.route("/<uuid:campaign_id>/extend", methods=["GET", "POST"])
@requires(Role.HR)
def extend(campaign_id: UUID) -> ResponseReturnValue:
    """Give everyone more time."""
    found = planning.get_campaign(campaign_id)
    form = forms.ExtendForm()
    if form.validate_on_submit():
        with _refusal_beside(form.days):
            extending.extend(found, days=form.days.data, by=current_user)
            words = ngettext(
                "Everyone who has not signed gets %(num)s day more, in a moment.",
                "Everyone who has not signed gets %(num)s days more, in a moment.",
                form.days.data,
            )
            flash(words)
            return redirect(url_for(".campaign", campaign_id=campaign_id))
    return render_template("campaigns/extend.html", form=form, campaign=found)


@bp.route("/<uuid:campaign_id>/close", methods=["GET", "POST"])
@requires(Role.HR)
def close(campaign_id: UUID) -> ResponseReturnValue:
    """End the campaign, after one more look."""
    found = planning.get_campaign(campaign_id)
    form = forms.ConfirmForm()
    if form.validate_on_submit():
        planning.close(found, by=current_user)
        flash(_("%(title)s is closed.", title=found.title))
        return redirect(url_for(".campaign", campaign_id=campaign_id))
    return render_template("campaigns/close.html", form=form, campaign=found)


@bp.post("/<uuid:campaign_id>/delete")
@requires(Role.HR)
def delete(campaign_id: UUID) -> ResponseReturnValue:
    """Delete a draft."""
    found = planning.get_campaign(campaign_id)
    planning.delete(found, by=current_user)
    flash(_("The draft %(title)s is deleted.", title=found.title))
    return redirect(url_for(".overview"))


@bp.post("/<uuid:campaign_id>/copy")
@requires(Role.HR)
def copy(campaign_id: UUID) -> ResponseReturnValue:
    """Make next year's draft."""
    again = planning.copy(planning.get_campaign(campaign_id), by=current_user)
    flash(_("This is a copy. Check its dates, then launch it."))
    return redirect(url_for(".campaign", campaign_id=again.id))


@bp.route("/<uuid:campaign_id>/exempt", methods=["GET", "POST"])
@requires(Role.HR)
def exempt(campaign_id: UUID) -> ResponseReturnValue:
    """Take a group out of the campaign."""
    found = planning.get_campaign(campaign_id)
    form = audience_forms.ExemptionForm()
    known = planning.known_values()
    form.offer(known)
    fits = not _rearranged(form, known) and form.validate_on_submit() and not form.find_empty()
    if fits:
        deciding.exempt(found, form.audience, reason=form.reason.data.strip(), by=current_user)
        flash(_("The group is taken out. Who has the duty is released in a moment."))
        return redirect(url_for(".campaign", campaign_id=campaign_id))
    return render_template("campaigns/exempt.html", form=form, campaign=found)


@bp.post("/exemptions/<uuid:exemption_id>/end")
@requires(Role.HR)
def end_exemption(exemption_id: UUID) -> ResponseReturnValue:
    """End an exemption: the worker brings the duties back."""
    exemption = deciding.get_exemption(exemption_id)
    deciding.end_exemption(exemption, by=current_user)
    flash(_("The exemption is ended. Who was released by it has the duty again in a moment."))
    return redirect(url_for(".campaign", campaign_id=exemption.campaign_id))


@bp.route("/duties/<uuid:assignment_id>/release", methods=["GET", "POST"])
@requires(Role.HR)
def release(assignment_id: UUID) -> ResponseReturnValue:
    """Release one person from one duty."""
    assignment = deciding.get_assignment(assignment_id)
    form = decision_forms.ReleaseForm()
    if form.validate_on_submit():
        deciding.release(
            assignment,
            reason=form.reason.data.strip(),
            until=form.until.data,
            by=current_user,
        )
        return _to_person(assignment.person_id, _("The person is released."))
    return render_template("campaigns/release.html", form=form, assignment=assignment)


@bp.route("/duties/<uuid:assignment_id>/take-back", methods=["GET", "POST"])
@requires(Role.HR)
def take_back(assignment_id: UUID) -> ResponseReturnValue:
    """End a release."""
    assignment = deciding.get_assignment(assignment_id)
    form = decision_forms.ReasonForm()
    if form.validate_on_submit():
        deciding.take_back(assignment, reason=form.reason.data.strip(), by=current_user)
        return _to_person(assignment.person_id, _("The release is ended."))
    return render_template("campaigns/take_back.html", form=form, assignment=assignment)


@bp.route("/duties/<uuid:assignment_id>/more-time", methods=["GET", "POST"])
@requires(Role.HR)
def more_time(assignment_id: UUID) -> ResponseReturnValue:
    """Give one person a later due date."""
    assignment = deciding.get_assignment(assignment_id)
    form = decision_forms.MoreTimeForm()
    if form.validate_on_submit():
        with _refusal_beside(form.due_on):
            due_on, reason = form.due_on.data, form.reason.data.strip()
            deciding.give_time(assignment, due_on=due_on, reason=reason, by=current_user)
            return _to_person(assignment.person_id, _("The due date is changed."))
    return render_template("campaigns/more_time.html", form=form, assignment=assignment)


@bp.route("/leaves/<uuid:person_id>", methods=["GET", "POST"])
@requires(Role.HR)
def leave(person_id: UUID) -> ResponseReturnValue:
    """Note a leave of absence."""
    person = people.get_person(person_id)
    form = decision_forms.LeaveForm()
    if form.validate_on_submit():
        with _refusal_beside(form.ends_on):
            leaves.begin_leave(
                person_id,
                begins_on=form.begins_on.data,
                ends_on=form.ends_on.data,
                reason=form.reason.data.strip(),
                by=current_user,
            )
            return _to_person(person_id, _("The leave is noted."))
    return render_template("campaigns/leave.html", form=form, person=person)


@bp.route("/leaves/<uuid:leave_id>/back", methods=["GET", "POST"])
@requires(Role.HR)
def back(leave_id: UUID) -> ResponseReturnValue:
    """Note the first day back."""
    found = leaves.get_leave(leave_id)
    form = decision_forms.BackForm(data={"ends_on": found.ends_on or db.today()})
    if form.validate_on_submit():
        with _refusal_beside(form.ends_on):
            leaves.end_leave(found, ends_on=form.ends_on.data, by=current_user)
            return _to_person(found.person_id, _("The first day back is noted."))
    return render_template("campaigns/back.html", form=form, leave=found)


@bp.route("/versions/<uuid:version_id>", methods=["GET", "POST"])
@requires(Role.HR)
def version(version_id: UUID) -> ResponseReturnValue:
    """Say whether a new version is minor or material, and see first whom it reaches."""
    found = courses.get_version(version_id)
    form = forms.VersionForm(data={"title": _("What changed: %(title)s", title=found.title)})
    if form.validate_on_submit():
        with _refusal_beside(form.due_on):
            opened = versions.decide(
                found,
                change=form.change.data,
                due_on=form.due_on.data,
                title=(form.title.data or found.title).strip(),
                by=current_user,
            )
            if opened is not None:
                flash(_("%(title)s is launched.", title=opened.title))
                return redirect(url_for(".campaign", campaign_id=opened.id))
            flash(_("It is decided: nobody has to sign %(title)s again.", title=found.title))
            return redirect(url_for(".overview"))
    before = courses.find_before(found)
    difference = before and comparing.compare(
        courses.get_course(before.id), courses.get_course(found.id)
    )
    return render_template(
        "campaigns/version.html",
        form=form,
        version=found,
        before=before,
        difference=difference,
        reach=versions.count_reach(found),
    )


def _courses() -> list[SelectChoice]:
    """The newest version of each course."""
    newest = {each.key: each for each in reversed(courses.list_versions())}
    return [SelectChoice(key, each.title) for key, each in sorted(newest.items())]


def _changed(campaign: Campaign, values: dict[str, Any], form: forms.SeenForm) -> bool:
    """Keep the change; where somebody else was faster, say so at the form, with what they left."""
    with _refusal_beside(form.seen):
        planning.change(campaign, values, by=current_user, seen=form.seen.data or "")
        return True
    form.seen.data = planning.stamp(campaign)
    return False


@contextmanager
def _refusal_beside(field: Field) -> Iterator[None]:
    """Where a rule says no, say so beside this field; the page is shown again."""
    try:
        yield
    except Refused as refusal:
        field.errors = [str(refusal)]


def _rearranged(form: audience_forms.AudienceForm, known: dict[Any, list[str]]) -> bool:
    """Add or take away a part when that button was pressed."""
    pressed = request.form.get("part", "")
    if pressed == "add" and len(form.parts) < audience_forms.MOST_PARTS:
        form.parts.append_entry()
    elif pressed == "remove" and len(form.parts) > 1:
        form.parts.pop_entry()
    form.offer(known)
    return bool(pressed)


def _to_person(person_id: UUID, words: str) -> ResponseReturnValue:
    flash(words)
    return redirect(url_for("reports.person", person_id=person_id))
