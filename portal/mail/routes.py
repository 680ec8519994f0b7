"""The log of mails: what was queued, sent, refused and in what words."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user

from portal.config import Role
from portal.mail import services
from portal.mail.forms import STATE_WORDS, LogForm
from portal.web import page_number, requires

bp = Blueprint("mail", __name__)


@bp.get("/")
@requires(Role.HR)
def log() -> ResponseReturnValue:
    """All mails, newest first."""
    form = LogForm(request.args)
    state, search = form.state.data or "", (form.search.data or "").strip()[:200]
    page = page_number()
    mails = services.list_mails(state=state, search=search, page=page)
    return render_template(
        "mail/log.html",
        form=form,
        mails=mails[: services.PER_PAGE],
        is_last=len(mails) <= services.PER_PAGE,
        page=page,
        state=state,
        search=search,
        counts=services.count_unsent(),
        words=STATE_WORDS,
    )


@bp.get("/<uuid:mail_id>")
@requires(Role.HR)
def message(mail_id: UUID) -> ResponseReturnValue:
    """One mail as it was written, and what the server said."""
    mail = services.get_mail(mail_id)
    return render_template("mail/message.html", mail=mail, words=STATE_WORDS)


@bp.post("/<uuid:mail_id>/again")
@requires(Role.HR)
def again(mail_id: UUID) -> ResponseReturnValue:
    """Try a refused mail again."""
    services.try_again(services.get_mail(mail_id), by=current_user.id)
    flash(_("It is tried again in a moment."))
    return redirect(url_for(".message", mail_id=mail_id))
