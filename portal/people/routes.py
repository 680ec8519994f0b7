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
from flask_login import LoginManager, current_user, logout_user

from portal import db
from portal.config import Role
from portal.errors import NotFound, Refused
from portal.people import demo_people, kiosks, local, services, sso
from portal.people.door import current_door
from portal.people.forms import CodeForm, KioskForm, PasswordForm, SignInForm, TotpForm
from portal.people.limits import SignInRefused
from portal.web import (
    client_address,
    let_in,
    own_page,
    public,
    qr_picture,
    refusal_page,
    requires,
)

bp = Blueprint("people", __name__)
KIOSK_DAYS = 400
SECOND_STEP_SECONDS = 300
FORGET = '"cache", "storage"'  # not the cookies: the device stays a shared one


@bp.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    """Sign in with the work account; then go on where one wanted to."""
    kiosk = kiosks.here()
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
        except services.SecondStepNeeded as needed:
            session.clear()
            session["second_step"] = [str(needed.person_id), db.utc_now().timestamp(), target]
            return redirect(url_for(".second_step"))
        else:
            let_in(person)
            return redirect(target)
    settings = current_app.extensions["settings"]
    cast = demo_people.CAST if settings.is_demo and not settings.ldap.urls else ()
    page = render_template(
        "people/sign_in.html",
        form=form,
        help_url=help_url,
        kiosk=kiosk,
        cast=cast,
        sso=url_for(".begin_sso", next=target) if sso.is_on() and not kiosk else "",
        demo_password=demo_people.PASSWORD,
    )
    return page, {"Clear-Site-Data": FORGET} if timed_out else {}


@bp.route("/second-step", methods=["GET", "POST"])
@public
def second_step() -> ResponseReturnValue:
    """After the password, the code of who chose to be asked for one."""
    kiosk = kiosks.here()
    person_id, since, target = session.get("second_step") or ("", 0, "")
    if not person_id or db.utc_now().timestamp() - since > SECOND_STEP_SECONDS:
        session.pop("second_step", None)
        return redirect(url_for(".sign_in"))
    form = TotpForm()
    if form.validate_on_submit():
        try:
            person = services.second_step(
                current_door(),
                UUID(person_id),
                form.code.data,
                address=client_address(),
                kiosk=kiosk.id if kiosk else None,
            )
        except SignInRefused as refusal:
            form.code.errors = [str(refusal)]
        else:
            let_in(person)
            return redirect(target)
    return render_template("people/second_step.html", form=form)


@bp.get("/sso")
@public
def begin_sso() -> ResponseReturnValue:
    """Sign in through the City's single sign-on."""
    _only_with_sso()
    session["sso"] = ["in", own_page(request.args.get("next")) or url_for("learning.tasks")]
    return sso.begin(_way_back())


@bp.get("/sso/again")  # no form: the policy keeps those here, and Chromium where they lead to
@requires(Role.LEARNER)
def sso_again() -> ResponseReturnValue:
    """Let single sign-on make sure that it is still the same person, before they sign."""
    _only_with_sso()
    session["sso"] = ["again", own_page(request.args.get("next")) or url_for("learning.tasks")]
    return sso.begin(_way_back(), again=True)


@bp.get("/sso/back")
@public
def sso_back() -> ResponseReturnValue:
    """The way back from single sign-on."""
    _only_with_sso()
    purpose, target = session.pop("sso", None) or ("in", url_for("learning.tasks"))
    settings = current_app.extensions["settings"]
    try:
        if purpose == "again" and current_user.is_authenticated:
            sso.finish_again(current_user, settings)
        else:
            let_in(sso.finish(current_door(), settings))
    except SignInRefused as refusal:
        return refusal_page(403, _("We could not sign you in"), str(refusal))
    return redirect(target)


@bp.route("/account", methods=["GET", "POST"])
@requires(Role.LEARNER)
def account() -> ResponseReturnValue:
    """The password of who has one here; the City's own accounts are IT's."""
    _only_ours()
    form = PasswordForm()
    if form.validate_on_submit():
        try:
            services.confirm_password(
                current_door(), current_user, form.old.data, address=client_address()
            )
            local.choose_password(current_user.id, form.new.data)
        except SignInRefused as refusal:
            form.old.errors = [str(refusal)]
        except Refused as refusal:
            form.new.errors = [str(refusal)]
        else:
            services.end_other_sessions(current_user)
            flash(_("You have a new password."))
            return redirect(url_for(".account"))
    return render_template(
        "people/account.html", form=form, has_code=local.has_second_step(current_user.id)
    )


@bp.route("/account/code", methods=["GET", "POST"])
@requires(Role.LEARNER)
def set_code() -> ResponseReturnValue:
    """Turn the second step on: a secret for the app, and its first code."""
    settings = current_app.extensions["settings"]
    key = current_door().key
    waiting = local.waiting_secret(current_user.id, key=key, issuer=settings.name)
    form = TotpForm()
    if waiting is not None and form.validate_on_submit():
        try:
            local.confirm_second_step(current_user.id, form.code.data, key=key)
        except Refused as refusal:
            form.code.errors = [str(refusal)]
        else:
            flash(_("From now on we ask for a code after your password."))
            return redirect(url_for(".account"))
    if waiting is None:
        raise NotFound
    secret, address = waiting
    return render_template(
        "people/set_code.html", form=form, secret=secret, code=qr_picture(address)
    )


@bp.post("/account/code/begin")
@requires(Role.LEARNER)
def begin_code() -> ResponseReturnValue:
    """A new secret; the one before counts no more."""
    _only_ours()
    settings = current_app.extensions["settings"]
    local.begin_second_step(current_user.id, key=current_door().key, issuer=settings.name)
    return redirect(url_for(".set_code"))


@bp.post("/account/code/end")
@requires(Role.LEARNER)
def end_code() -> ResponseReturnValue:
    """Ask for no code any more."""
    _only_ours()
    local.end_second_step(current_user.id, by=current_user.id)
    flash(_("We ask for no code any more."))
    return redirect(url_for(".account"))


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
                kiosks.cookie_name(),
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


def _only_ours() -> None:
    if not local.is_ours(current_user.username):
        raise NotFound


def _way_back() -> str:
    base: str = current_app.extensions["settings"].base_url
    return base + url_for(".sso_back")


def _only_with_sso() -> None:
    """The provider's own session would stay at a shared device, for the next person."""
    if not sso.is_on() or kiosks.here() is not None:
        raise NotFound


def _at_a_shared_device() -> bool:
    if current_user.is_authenticated:
        return bool(current_user.is_kiosk)
    return kiosks.here() is not None


def init_app(app: Flask) -> None:
    """Tell Flask-Login who holds a session; keep shared devices clean; say it when the directory
    is away."""
    manager: LoginManager = app.login_manager  # type: ignore[attr-defined]
    manager.session_protection = None  # phones change address; the token is what counts

    @manager.user_loader
    def _load(token: str) -> services.Identity | None:
        return services.find_session(current_door(), token)

    @app.after_request
    def _leave_alone(response: Response) -> Response:
        """At a shared device a page leaves by itself; with somebody there, kiosk_head.html does."""
        if (
            kiosks.cookie_name() in request.cookies
            and request.endpoint not in {"people.sign_in", "people.set_up_kiosk"}
            and not current_user.is_authenticated
        ):
            seconds = app.extensions["settings"].kiosk_idle * 60 + 5
            response.headers.setdefault("Refresh", f"{seconds}; url={url_for('people.sign_in')}")
        return response

    @app.before_request
    def _hand_out_nothing() -> ResponseReturnValue | None:
        """A file would stay at a shared device: refused before the log says that one was had."""
        view = app.view_functions.get(request.endpoint or "")
        if not hasattr(view, "hands_out_file") or not _at_a_shared_device():
            return None
        why = _("A file would stay on this shared device. Use a device of your own, or ask HR.")
        return refusal_page(409, _("We cannot do that"), why)

    @app.errorhandler(services.DirectoryUnavailable)
    def _unavailable(fault: services.DirectoryUnavailable) -> ResponseReturnValue:
        return refusal_page(
            503,
            _("We cannot check your password right now")
            if current_user.is_authenticated
            else _("Sign-in is not available right now"),
            _("The City’s directory does not answer. What you saved is safe. Try again later."),
            reference=fault.reference,
        )
