"""Contractors: who they are, their invitations, their first visit, and who is in scope."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_login import current_user

from portal import db
from portal.config import Role
from portal.contractors import bulk, contracts, forms, invitations, scope, services
from portal.contractors.services import Guest
from portal.errors import NotFound, Refused
from portal.people import kiosks
from portal.people import services as people
from portal.web import (
    let_in,
    page_number,
    public,
    qr_picture,
    refusal_page,
    requires,
    takes_file,
)

bp = Blueprint("contractors", __name__)


@bp.get("/")
@requires(Role.LEARNER)
def overview() -> ResponseReturnValue:
    """All contractors for HR; for a sponsor, their own."""
    may_invite = services.may_invite(current_user)
    if not may_invite and not services.is_sponsor(current_user):
        raise NotFound
    page = page_number()
    search = request.args.get("search", "").strip()[:200]
    lines = services.list_contractors(current_user, search=search, page=page)
    return render_template(
        "contractors/overview.html",
        lines=lines[: services.PER_PAGE],
        is_last=len(lines) <= services.PER_PAGE,
        page=page,
        search=search,
        may_invite=may_invite,
        today=db.today(),
        soon=contracts.WARN_DAYS,
    )


@bp.route("/invite", methods=["GET", "POST"])
@requires(Role.LEARNER)
def invite() -> ResponseReturnValue:
    """Invite somebody whom the directory does not know."""
    if not services.may_invite(current_user):
        raise NotFound
    namesake = None
    form = forms.InviteForm(sponsor="" if Role.HR in current_user.roles else current_user.username)
    if form.validate_on_submit():
        guest = Guest(
            full_name=" ".join(form.full_name.data.split()),
            email=(form.email.data or "").strip(),
            firm=" ".join((form.firm.data or "").split()),
            job_title=form.job_title.data.strip(),
            started_on=form.started_on.data,
            ends_on=form.ends_on.data,
            sponsor=form.sponsor.data.strip(),
            is_another=form.is_another.data,
        )
        if found := services.why_not(guest, by=current_user):
            namesake = services.find_namesake(guest)
            for name, words in found.items():
                form[name].errors = [words]
        else:
            person = services.invite(guest, by=current_user)
            if person.email:
                invitations.send_link(person, by=current_user)
                flash(_("An invitation to %(address)s is on its way.", address=person.email))
            else:
                flash(_("The account is ready. Now print a letter with the link."))
            return redirect(url_for(".contractor", person_id=person.id))
    return render_template("contractors/invite.html", form=form, namesake=namesake)


@bp.route("/bulk", methods=["GET", "POST"])
@requires(Role.HR)
@takes_file
def invite_many() -> ResponseReturnValue:
    """Invite many from a CSV file: first every row's verdict, then the invitations."""
    form, rows = forms.BulkForm(), []
    if form.validate_on_submit():
        try:
            if "confirm" in request.form:
                mailed, letters = bulk.invite(form.text.data, by=current_user)
                if mailed:
                    flash(
                        ngettext(
                            "%(num)s invitation is on its way.",
                            "%(num)s invitations are on their way.",
                            mailed,
                        )
                    )
                if letters:
                    flash(
                        ngettext(
                            "%(num)s person needs a letter: open their page to print it.",
                            "%(num)s people need a letter: open their pages to print them.",
                            letters,
                        )
                    )
                return redirect(url_for(".overview"))
            with db.reading():  # only a look: others can write meanwhile
                rows = bulk.read(form.text.data, by=current_user)
        except Refused as refusal:
            form.file.errors, rows = [str(refusal)], []
    return render_template(
        "contractors/invite_many.html", form=form, rows=rows, columns=bulk.COLUMNS
    )


@bp.get("/<uuid:person_id>")
@requires(Role.LEARNER)
def contractor(person_id: UUID) -> ResponseReturnValue:
    """One contractor: dates, links, and what can be done."""
    person = services.get_contractor(person_id, viewer=current_user)
    return render_template(
        "contractors/contractor.html",
        person=person,
        account=services.find_account(person_id),
        invitations=invitations.list_invitations(person_id),
        decision=scope.find_decision(person_id),
        words=forms.SCOPE_WORDS,
        today=db.today(),
        now=db.utc_now(),
    )


@bp.post("/<uuid:person_id>/mail")
@requires(Role.LEARNER)
def send_link(person_id: UUID) -> ResponseReturnValue:
    """Mail a new link."""
    person = services.get_contractor(person_id, viewer=current_user)
    invitations.send_link(person, by=current_user)
    flash(_("An invitation to %(address)s is on its way.", address=person.email))
    return redirect(url_for(".contractor", person_id=person_id))


@bp.route("/<uuid:person_id>/letter", methods=["GET", "POST"])
@requires(Role.LEARNER)
def letter(person_id: UUID) -> ResponseReturnValue:
    """A letter to print, with a new link.

    Which one waits in the browser's session: a reload shows the letter again and ends no link.
    """
    person = services.get_contractor(person_id, viewer=current_user)
    if request.method == "POST":
        session["letter"] = str(invitations.print_link(person, by=current_user).id)
        return redirect(url_for(".letter", person_id=person_id))
    made = session.get("letter")
    shown = invitations.find_letter(made, to=person) if made else None
    if shown is None:
        flash(_("We do not show a link again. Is the letter lost? Print a new one."))
        return redirect(url_for(".contractor", person_id=person_id))
    invitation, address = shown
    return render_template(
        "contractors/letter.html",
        person=person,
        invitation=invitation,
        address=address,
        code=qr_picture(address),
    )


@bp.post("/<uuid:person_id>/revoke")
@requires(Role.LEARNER)
def revoke(person_id: UUID) -> ResponseReturnValue:
    """End the links that nobody used."""
    services.get_contractor(person_id, viewer=current_user)
    invitations.end_links(person_id, by=current_user)
    flash(_("The link does not work any more."))
    return redirect(url_for(".contractor", person_id=person_id))


@bp.route("/<uuid:person_id>/extend", methods=["GET", "POST"])
@requires(Role.LEARNER)
def extend(person_id: UUID) -> ResponseReturnValue:
    """Another last day."""
    person = services.get_contractor(person_id, viewer=current_user)
    form = forms.ExtendForm()
    if form.validate_on_submit():
        try:
            contracts.extend(person, ends_on=form.ends_on.data, by=current_user)
        except Refused as refusal:
            form.ends_on.errors = [str(refusal)]
        else:
            flash(_("There is a new last day."))
            return redirect(url_for(".contractor", person_id=person_id))
    return render_template("contractors/extend.html", form=form, person=person, today=db.today())


@bp.route("/<uuid:person_id>/end", methods=["GET", "POST"])
@requires(Role.LEARNER)
def end(person_id: UUID) -> ResponseReturnValue:
    """End the contract today, after one question."""
    person = services.get_contractor(person_id, viewer=current_user)
    if request.method == "POST":
        contracts.end_contract(person, by=current_user)
        flash(_("The contract of %(name)s has ended.", name=person.full_name))
        return redirect(url_for(".contractor", person_id=person_id))
    return render_template("contractors/end.html", person=person)


@bp.get("/scope")
@requires(Role.HR)
def decisions() -> ResponseReturnValue:
    """Who waits for HR's word on scope, and what was decided."""
    return render_template(
        "contractors/decisions.html",
        cases=scope.list_cases(),
        firms=scope.list_firms(),
        decisions=scope.list_decisions(),
        words=forms.SCOPE_WORDS,
    )


@bp.route("/scope/decide", methods=["GET", "POST"])
@requires(Role.HR)
def decide() -> ResponseReturnValue:
    """HR's word on one person, or on everybody of a firm or group."""
    person_id = request.args.get("person", type=UUID)
    firm = request.args.get("firm", "")[:200]
    person = services.get_contractor(person_id, viewer=current_user) if person_id else None
    if person is None and not firm:
        raise NotFound
    form = forms.ScopeForm()
    if form.validate_on_submit():
        try:
            scope.decide(
                person_id=person_id,
                firm=firm,
                outcome=form.outcome.data,
                reason=form.reason.data.strip(),
                by=current_user,
            )
        except Refused as refusal:
            form.outcome.errors = [str(refusal)]
        else:
            about = person.full_name if person else firm
            flash(_("Your decision on %(name)s is saved.", name=about))
            return redirect(url_for(".decisions"))
    return render_template(
        "contractors/decide.html",
        form=form,
        person=person,
        firm=firm,
        case=scope.find_case(person.id) if person else None,
    )


@bp.route("/welcome/<token>", methods=["GET", "POST"])
@public
def welcome(token: str) -> ResponseReturnValue:
    """The first visit: who invites, and a password to choose. The link works once."""
    with db.reading():
        invitation = invitations.find_invitation(token)
    if invitation is None:
        return refusal_page(
            410,
            _("This link is not good any more"),
            _(
                "It was used already, or it has ended. If you have chosen a password, sign in with "
                "it. If not, ask the employee who invited you for a new link."
            ),
        )
    form = forms.WelcomeForm()
    if form.validate_on_submit():
        invitations.count_try(token)
        try:
            person = invitations.accept(token, form.password.data)
        except Refused as refusal:
            form.password.errors = [str(refusal)]
        else:
            kiosk = kiosks.here()
            let_in(people.enter(person.id, kiosk=kiosk.id if kiosk else None))
            return redirect(url_for("learning.tasks"))
    return render_template("contractors/welcome.html", form=form, invitation=invitation)
