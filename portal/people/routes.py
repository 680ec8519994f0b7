"""The door: sign in, sign out, stay, and help for who cannot get in."""

from uuid import UUID

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import LoginManager, current_user, login_user, logout_user

from portal import db
from portal.config import Role
from portal.errors import Refused
from portal.people import demo_people, kiosks, services
from portal.people.door import current_door
from portal.people.forms import CodeForm, KioskForm, SignInForm
from portal.people.limits import SignInRefused
from portal.web import client_address, own_page, public, refusal_page, requires

bp = Blueprint("people", __name__)
KIOSK_DAYS = 400
FORGET = '"cache", "storage"'  # not the cookies: the device stays a shared one


@bp.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    """Sign in with the work account; then go on where one wanted to."""
    with db.reading():  # no lock is held while the directory answers
        kiosk = kiosks.find(request.cookies.get(_kiosk_cookie()))
    # At a shared device the last page was somebody else's.
    target = None if kiosk else own_page(request.args.get("next"))
    target = target or url_for("learning.tasks")
    if current_user.is_authenticated:
        return redirect(target)
    timed_out = kiosk is not None and request.method == "GET" and "_user_id" in session
    if timed_out:  # the page before is kept in the browser's memory until the cookie changes
        session.clear()
    form = SignInForm()
    if kiosk is not None:
        for field in (form.username, form.password):
            field.render_kw = {**field.render_kw, "autocomplete": "off"}
    help_url = ""
    if form.validate_on_submit():
        try:
            person = services.sign_in(
                current_door(),
                form.username.data,
                form.password.data,
                address=client_address(),
                kiosk=kiosk.id if kiosk else None,
            )
        except SignInRefused as refusal:
            form.username.errors = [str(refusal)]
            help_url = refusal.help_url
        else:
            session.clear()  # a new session id, and a new CSRF token with it
            login_user(person)
            return redirect(target)
    settings = current_app.extensions["settings"]
    cast = demo_people.CAST if settings.is_demo and not settings.ldap.urls else ()
    page = render_template(
        "people/sign_in.html",
        form=form,
        help_url=help_url,
        kiosk=kiosk,
        cast=cast,
        demo_password=demo_people.PASSWORD,
    )
    return page, {"Clear-Site-Data": FORGET} if timed_out else {}


@bp.post("/sign-out")
@requires(Role.LEARNER)
def sign_out() -> ResponseReturnValue:
    """End the session here and on the server."""
    was_kiosk = current_user.is_kiosk
    services.sign_out(current_user)
    logout_user()
    session.clear()
    response = current_app.make_response(redirect(url_for(".sign_in")))
    if was_kiosk:
        response.headers["Clear-Site-Data"] = FORGET
    return response


@bp.route("/kiosks", methods=["GET", "POST"])
@requires(Role.HR)
def shared_devices() -> ResponseReturnValue:
    """The shared devices; on POST, a code for a new one, shown once."""
    form, code = KioskForm(), ""
    if form.validate_on_submit():
        code = kiosks.offer(
            form.name.data.strip(), (form.location.data or "").strip(), by=current_user
        )
        form = KioskForm(formdata=None)
    return render_template(
        "people/shared_devices.html",
        form=form,
        code=code,
        kiosks=kiosks.list_kiosks(),
        now=db.utc_now(),
    )


@bp.post("/kiosks/<uuid:kiosk_id>/end")
@requires(Role.HR)
def end_kiosk(kiosk_id: UUID) -> ResponseReturnValue:
    """Make a shared device an ordinary browser again."""
    ended = kiosks.end(kiosk_id, by=current_user)
    flash(_("%(name)s is no longer a shared device.", name=ended.name))
    return redirect(url_for(".shared_devices"))


@bp.route("/kiosk", methods=["GET", "POST"])
@public
def set_up_kiosk() -> ResponseReturnValue:
    """Make this browser a shared device, with a code from HR."""
    form = CodeForm()
    if form.validate_on_submit():
        try:
            token = kiosks.set_up(current_door(), form.code.data, address=client_address())
        except Refused as refusal:
            form.code.errors = [str(refusal)]
        else:
            response = current_app.make_response(redirect(url_for(".sign_in")))
            response.set_cookie(
                _kiosk_cookie(),
                token,
                max_age=KIOSK_DAYS * 86400,
                httponly=True,
                samesite="Lax",
                secure=not current_app.extensions["settings"].is_demo,
            )
            return response
    return render_template("people/set_up_kiosk.html", form=form)


@bp.post("/stay")
@requires(Role.LEARNER)
def stay() -> ResponseReturnValue:
    """Prolong the session: asked by the page's dialog before the time is over."""
    services.touch(current_user.token)
    return "", 204


@bp.get("/cannot-sign-in")
@public
def cannot_sign_in() -> ResponseReturnValue:
    """What to do when one cannot get in."""
    return render_template("people/cannot_sign_in.html")


def _kiosk_cookie() -> str:
    return "kiosk" if current_app.extensions["settings"].is_demo else "__Host-kiosk"


def init_app(app: Flask) -> None:
    """Tell Flask-Login who holds a session, and show the directory's absence as a page."""
    manager: LoginManager = app.login_manager  # type: ignore[attr-defined]
    manager.session_protection = None  # phones change address; the token is what counts

    @manager.user_loader
    def _load(token: str) -> services.Identity | None:
        return services.find_session(current_door(), token)

    @app.after_request
    def _leave_alone(response: Response) -> Response:
        """A page at a shared device leaves by itself, without a script too."""
        if _kiosk_cookie() in request.cookies and request.endpoint not in {
            "people.sign_in",
            "people.set_up_kiosk",
        }:
            seconds = app.extensions["settings"].kiosk_idle * 60 + 5
            response.headers.setdefault("Refresh", f"{seconds}; url={url_for('people.sign_in')}")
        return response

    @app.errorhandler(services.DirectoryUnavailable)
    def _unavailable(fault: services.DirectoryUnavailable) -> ResponseReturnValue:
        return refusal_page(
            503,
            _("Sign-in is not available right now"),
            _("The city directory does not answer. What you saved is safe. Try again later."),
            reference=fault.reference,
        )
