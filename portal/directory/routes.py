"""Administrators' pages: what the directory says, whether it works, who may do what."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.config import Role
from portal.directory import checking, forms, roles, syncing
from portal.errors import Refused
from portal.people.door import current_door
from portal.web import requires

bp = Blueprint("directory", __name__)


@bp.route("/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def syncs() -> ResponseReturnValue:
    """How the directory was read; on POST, ask for a reading."""
    form = forms.SyncForm()
    if form.validate_on_submit():
        try:
            sync = syncing.ask(dry=form.dry.data, force=form.force.data, by=current_user)
        except Refused as refusal:
            form.dry.errors = [str(refusal)]
        else:
            return redirect(url_for(".sync", sync_id=sync.id))
    return render_template("directory/syncs.html", form=form, syncs=syncing.list_syncs())


@bp.get("/syncs/<uuid:sync_id>")
@requires(Role.ADMIN, Role.HR)
def sync(sync_id: UUID) -> ResponseReturnValue:
    """What one reading found, in words."""
    return render_template("directory/sync.html", sync=syncing.get_sync(sync_id))


@bp.route("/check", methods=["GET", "POST"])
@requires(Role.ADMIN)
def check() -> ResponseReturnValue:
    """Whether the directory gives what the portal needs; asked anew on POST."""
    form, checks, traced = forms.TraceForm(), None, []
    if form.validate_on_submit():
        door, username = current_door(), (form.username.data or "").strip()
        checks = list(checking.check(door))
        traced = list(checking.trace(door, username)) if username else []
    return render_template("directory/check.html", form=form, checks=checks, traced=traced)


@bp.route("/roles", methods=["GET", "POST"])
@requires(Role.ADMIN, Role.HR)
def list_roles() -> ResponseReturnValue:
    """Who may do what, and why; on POST, grant a role. HR sees and makes sponsors."""
    ours = roles.may_give(current_user)
    form = forms.GrantForm(ours)
    if form.validate_on_submit():
        try:
            made = roles.grant(
                form.username.data,
                Role(form.role.data),
                until=form.until.data,
                reason=form.reason.data.strip(),
                by=current_user,
            )
        except Refused as refusal:
            form.username.errors = [str(refusal)]
        else:
            words = forms.ROLE_WORDS[Role(made.role)]
            flash(
                _("%(name)s has a role now: %(role)s.", name=form.username.data.strip(), role=words)
            )
            return redirect(url_for(".list_roles"))
    return render_template(
        "directory/list_roles.html",
        form=form,
        holders=roles.list_holders(current_door(), ours),
        ended=roles.list_ended(ours),
        words=forms.ROLE_WORDS,
    )


@bp.post("/roles/<uuid:grant_id>/end")
@requires(Role.ADMIN, Role.HR)
def end_grant(grant_id: UUID) -> ResponseReturnValue:
    """End a grant before its last day."""
    roles.end_grant(grant_id, by=current_user)
    flash(_("The role has ended."))
    return redirect(url_for(".list_roles"))
