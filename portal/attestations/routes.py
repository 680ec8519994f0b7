"""Pages on which a person signs, keeps the receipt, and anyone checks a copy."""

from hashlib import sha256
from uuid import UUID

from flask import (
    Blueprint,
    Response,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal import db
from portal.attestations import forms, links, printing, recording, services, verifying
from portal.campaigns import deciding
from portal.campaigns.models import Status
from portal.config import Role
from portal.errors import Refused
from portal.learning import services as learning
from portal.people import services as people
from portal.people.door import current_door
from portal.people.limits import SignInRefused, knock
from portal.web import client_address, hands_out_file, public, refusal_page, requires, takes_file

bp = Blueprint("attestations", __name__)


@bp.route("/<uuid:assignment_id>/sign", methods=["GET", "POST"])
@requires(Role.LEARNER)
def sign(assignment_id: UUID) -> ResponseReturnValue:
    """Check and sign. On POST: ask the directory first, then record the signature."""
    person = current_user._get_current_object()  # asked for once, not at each look
    with db.reading():  # no lock is held while the directory answers
        progress = learning.get_progress(assignment_id, person=person)
    if progress.duty.status is Status.SIGNED:
        return redirect(url_for(".receipt", assignment_id=assignment_id))
    if progress.next is not None:
        return redirect(url_for("learning.resume", assignment_id=assignment_id))
    form = forms.SignForm(statement=progress.course.statement, full_name=person.full_name)
    by_sso = person.way == "sso"
    if by_sso:
        del form.password
    if form.validate_on_submit():
        try:
            method = services.confirm(
                current_door(),
                person,
                "" if by_sso else form.password.data,
                address=client_address(),
            )
        except SignInRefused as refusal:
            (form.typed_name if by_sso else form.password).errors = [str(refusal)]
        else:
            services.sign(
                assignment_id,
                person=person,
                typed_name=form.typed_name.data,
                settings=current_app.extensions["settings"],
                method=method,
            )
            return redirect(url_for(".receipt", assignment_id=assignment_id))
    return render_template(
        "attestations/sign.html",
        form=form,
        progress=progress,
        must_confirm=by_sso and not people.is_confirmed(person),
    )


@bp.route("/<uuid:assignment_id>/disagree", methods=["GET", "POST"])
@requires(Role.LEARNER)
def disagree(assignment_id: UUID) -> ResponseReturnValue:
    """Say that one does not agree, and why."""
    form = forms.DisagreeForm()
    if form.validate_on_submit():
        services.refuse(
            assignment_id,
            person=current_user,
            comment=form.comment.data,
        )
        return redirect(url_for(".disagreed", assignment_id=assignment_id))
    progress = learning.get_progress(assignment_id, person=current_user)
    return render_template("attestations/disagree.html", form=form, progress=progress)


@bp.get("/<uuid:assignment_id>/disagreed")
@requires(Role.LEARNER)
def disagreed(assignment_id: UUID) -> ResponseReturnValue:
    """What happens after one has said so."""
    progress = learning.get_progress(assignment_id, person=current_user)
    return render_template("attestations/disagreed.html", progress=progress)


@bp.get("/<uuid:assignment_id>/policy")
@requires(Role.LEARNER)
def policy(assignment_id: UUID) -> ResponseReturnValue:
    """The policy text that is printed in the record."""
    progress = learning.get_progress(assignment_id, person=current_user)
    return render_template("attestations/policy.html", progress=progress)


@bp.get("/<uuid:assignment_id>/receipt")
@requires(Role.LEARNER)
def receipt(assignment_id: UUID) -> ResponseReturnValue:
    """You have signed."""
    kept = services.get_receipt(assignment_id, person=current_user)
    return render_template("attestations/receipt.html", receipt=kept)


@bp.get("/<uuid:assignment_id>/receipt.pdf")
@requires(Role.LEARNER)
@hands_out_file
def receipt_pdf(assignment_id: UUID) -> ResponseReturnValue:
    """The person's own sealed PDF."""
    kept = services.get_receipt(assignment_id, person=current_user)
    pdf = services.get_pdf(kept.attestation_id, by=current_user)
    return Response(
        pdf,
        mimetype="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{kept.file_name}"'},
    )


@bp.post("/link/<uuid:attestation_id>")
@requires(Role.HR)
def make_link(attestation_id: UUID) -> ResponseReturnValue:
    """A link to one record, for a person who has left; shown this once."""
    address = links.make_link(attestation_id, by=current_user)
    return render_template("attestations/make_link.html", address=address, days=links.LASTS.days)


@bp.route("/record/<token>", methods=["GET", "POST"])
@public
@hands_out_file
def former_record(token: str) -> ResponseReturnValue:
    """The record of somebody who has left, by a link from HR."""
    if request.method == "POST":
        name, pdf = links.open_record(token)
        return Response(
            pdf,
            mimetype="application/pdf",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )
    found = links.find_record(token)
    if found is None:
        return refusal_page(
            410,
            _("This link is not good any more"),
            _(
                "Links to a record end after %(days)s days. Ask HR for a new one.",
                days=links.LASTS.days,
            ),
        )
    return render_template("attestations/former_record.html", attestation=found[0])


@bp.route("/paper/<uuid:assignment_id>", methods=["GET", "POST"])
@requires(Role.HR)
@takes_file
def paper(assignment_id: UUID) -> ResponseReturnValue:
    """Record an attestation that was signed on paper. The form's QR code leads here."""
    with db.reading():  # no lock is held while the scan is looked at
        assignment = deciding.get_assignment(assignment_id)
    form = forms.ScanForm()
    if form.validate_on_submit():
        try:
            recording.record_paper(
                deciding.get_assignment(assignment_id),
                signed_on=form.signed_on.data,
                scan=form.pdf,
                witness=form.witness.data or "",
                note=form.note.data or "",
                by=current_user,
            )
        except Refused as refusal:
            form.signed_on.errors = [str(refusal)]
        else:
            return redirect(url_for("reports.person", person_id=assignment.person_id))
    if form.errors and not form.scan.errors:  # no browser keeps a file
        form.scan.errors = [_("Choose the scan again")]
    return render_template("attestations/paper.html", form=form, assignment=assignment)


@bp.get("/paper/<uuid:assignment_id>/form.pdf")
@requires(Role.HR)
def paper_form(assignment_id: UUID) -> ResponseReturnValue:
    """The form to print, for who does not sign on a screen."""
    assignment = deciding.get_assignment(assignment_id)
    link = url_for(".paper", assignment_id=assignment_id, _external=True)
    pdf = printing.paper_form(assignment, link=link, settings=current_app.extensions["settings"])
    return Response(
        pdf,
        mimetype="application/pdf",
        headers={"Content-Disposition": 'inline; filename="form.pdf"'},
    )


@bp.route("/refusal/<uuid:assignment_id>", methods=["GET", "POST"])
@requires(Role.HR)
def refusal(assignment_id: UUID) -> ResponseReturnValue:
    """Record that somebody told HR that they do not agree."""
    assignment = deciding.get_assignment(assignment_id)
    form = forms.RefusalForm()
    if form.validate_on_submit():
        services.refuse(
            assignment_id,
            person=people.identify(assignment.person),
            comment=form.comment.data or "",
            said_on=form.said_on.data,
            recorded_by=current_user,
            witness=form.witness.data or "",
        )
        return redirect(url_for("reports.person", person_id=assignment.person_id))
    return render_template("attestations/refusal.html", form=form, assignment=assignment)


@bp.route("/verify", methods=["GET", "POST"])
@public
def verify() -> ResponseReturnValue:
    """Check a record by its number."""
    form = forms.NumberForm()
    if form.validate_on_submit():
        return redirect(url_for(".verify_number", number=form.number.data.strip()))
    return render_template("attestations/verify.html", form=form, upload=forms.UploadForm())


@bp.get("/verify/<number>")
@public
def verify_number(number: str) -> ResponseReturnValue:
    """What anyone who holds the number may know."""
    fact = services.find_by_number(number)
    return render_template(
        "attestations/verify_number.html", number=number, fact=fact
    ), 200 if fact else 404


@bp.route("/verify/file", methods=["GET", "POST"])
@public
@takes_file
def verify_file() -> ResponseReturnValue:
    """Say whether an uploaded copy is ours and unchanged. The file is not kept.

    The answer waits in the browser's session, under the file's fingerprint: a reload does not send
    the file again, and an older page does not show the answer to another file. Of who is not signed
    in, the tries with other files than ours are counted by address.
    """
    if request.method == "GET":
        kept = session.get("verdict", {}).get(request.args.get("file"))
        verdict = verifying.Verdict.from_session(kept)
        if verdict is None:
            return redirect(url_for(".verify"))
        return render_template("attestations/verify_file.html", verdict=verdict)
    form = forms.UploadForm()
    if not form.validate_on_submit():
        return render_template(
            "attestations/verify.html", form=forms.NumberForm(formdata=None), upload=form
        ), 422
    pdf = form.file.data.read(verifying.MOST_BYTES + 1)
    verdict = verifying.find_registered(pdf)
    if verdict is None and not current_user.is_authenticated:
        door, address = current_door(), client_address()
        try:
            knock(door, door.subject("copy", address), door.subject("address", address))
        except SignInRefused as refusal:
            words = f"{refusal} {_('If you sign in, you need not wait.')}"
            return refusal_page(429, _("Too many files from here"), words)
    verdict = verdict or verifying.verify_upload(pdf)
    file = sha256(pdf).hexdigest()[:16]
    session["verdict"] = {file: verdict.to_session()}
    return redirect(url_for(".verify_file", file=file))
