"""The door: sign in, sign out, stay, and help for who cannot get in."""

from flask import (
    Blueprint,
    Flask,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import LoginManager, current_user, login_user, logout_user

from portal.config import Role
from portal.people import demo_people, services
from portal.people.door import current_door
from portal.people.forms import SignInForm
from portal.web import client_address, own_page, public, refusal_page, requires

bp = Blueprint("people", __name__)


@bp.route("/sign-in", methods=["GET", "POST"])
@public
def sign_in() -> ResponseReturnValue:
    """Sign in with the work account; then go on where one wanted to."""
    target = own_page(request.args.get("next")) or url_for("learning.tasks")
    if current_user.is_authenticated:
        return redirect(target)
    form = SignInForm()
    help_url = ""
    if form.validate_on_submit():
        try:
            person = services.sign_in(
                current_door(), form.username.data, form.password.data, address=client_address()
            )
        except services.SignInRefused as refusal:
            form.username.errors = [str(refusal)]
            help_url = refusal.help_url
        else:
            session.clear()  # a new session id, and a new CSRF token with it
            login_user(person)
            return redirect(target)
    settings = current_app.extensions["settings"]
    cast = demo_people.CAST if settings.is_demo and not settings.ldap.urls else ()
    return render_template(
        "people/sign_in.html",
        form=form,
        help_url=help_url,
        cast=cast,
        demo_password=demo_people.PASSWORD,
    )


@bp.post("/sign-out")
@requires(Role.LEARNER)
def sign_out() -> ResponseReturnValue:
    """End the session here and on the server."""
    services.sign_out(current_user)
    logout_user()
    session.clear()
    return redirect(url_for(".sign_in"))


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


def init_app(app: Flask) -> None:
    """Tell Flask-Login who holds a session, and show the directory's absence as a page."""
    manager: LoginManager = app.login_manager  # type: ignore[attr-defined]
    manager.session_protection = None  # phones change address; the token is what counts

    @manager.user_loader
    def _load(token: str) -> services.Identity | None:
        return services.find_session(current_door(), token)

    @app.errorhandler(services.DirectoryUnavailable)
    def _unavailable(fault: services.DirectoryUnavailable) -> ResponseReturnValue:
        return refusal_page(
            503,
            _("Sign-in is not available right now"),
            _("The city directory does not answer. What you saved is safe. Try again later."),
            reference=fault.reference,
        )
