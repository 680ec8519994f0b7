"""What every page has in common: who may see it, its headers, and refusals shown as pages."""

import inspect
import logging
import secrets
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

import segno
from flask import (
    Flask,
    Response,
    abort,
    current_app,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_login import current_user, login_user
from flask_wtf.csrf import CSRFError
from markupsafe import Markup
from sqlalchemy.exc import DataError, OperationalError
from werkzeug.exceptions import BadRequest, HTTPException, SecurityError
from werkzeug.routing import IntegerConverter

from portal import db
from portal.config import Role
from portal.errors import NotFound, Refused

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
MOST_PAGES = 1_000_000
MOST_UPLOADED = 40 * 1024 * 1024  # bytes of one request
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def requires(*roles: Role) -> Callable[[Callable[P, R]], Callable[P, R | ResponseReturnValue]]:
    """Let only people with one of these roles see the view; others get to sign in, or a 404."""
    allowed = frozenset(roles)

    def decorate(view: Callable[P, R]) -> Callable[P, R | ResponseReturnValue]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R | ResponseReturnValue:
            person = current_user._get_current_object()  # each word through the proxy asks anew
            if not person.is_authenticated:
                return redirect(url_for("people.sign_in", next=_here()))
            if not allowed & person.roles:
                abort(404)
            return view(*args, **kwargs)

        guarded.access = allowed  # type: ignore[attr-defined]
        return guarded

    return decorate


def public(view: Callable[P, R]) -> Callable[P, R]:
    """Say that everyone may see the view, signed in or not."""
    view.access = None  # type: ignore[attr-defined]
    return view


def hands_out_file(view: Callable[P, R]) -> Callable[P, R]:
    """Say that the view answers with a file, which would stay at a shared device: not there."""
    view.hands_out_file = True  # type: ignore[attr-defined]
    return view


def takes_file(view: Callable[P, R]) -> Callable[P, R]:
    """Let a form of this view be as long as MOST_UPLOADED.

    A file that is too large then gets its words beside the field, and what was typed is kept.
    """
    view.takes_file = True  # type: ignore[attr-defined]
    return view


def access_of(view: Callable[..., object]) -> frozenset[Role] | None:
    """The roles of which a view asks for one, None for a public view.

    Raises LookupError where it does not say.
    """
    if not hasattr(inspect.unwrap(view), "access") and not hasattr(view, "access"):
        raise LookupError(f"{view.__name__} has neither @requires nor @public.")
    roles: frozenset[Role] | None = getattr(view, "access", None)
    return roles


def client_address() -> str:
    """Where the request comes from, for rate limits and the log; set right by ProxyFix."""
    return request.remote_addr or ""


def own_page(target: str | None) -> str | None:
    """The target if it is a path of this portal, else None (open redirects, RFC 9700 4.11)."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    if any(ord(char) < 33 or char == "\\" for char in target):
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def _here() -> str | None:
    """Where the person wanted to go; None for what cannot be opened again with a GET."""
    rule = request.url_rule
    if rule is None or rule.methods is None or "GET" not in rule.methods:
        return None
    return request.full_path.rstrip("?") if request.path != "/" else None


def page_number() -> int:
    """Which page of a list is asked for, from 1; the first where there can be no such page."""
    asked = request.args.get("page", 1, type=int)
    return asked if 1 <= asked <= MOST_PAGES else 1


def let_in(person: object) -> None:
    """Sign the browser in as this person, with a new session id and a new CSRF token."""
    session.clear()
    login_user(person)


def qr_picture(address: str) -> Markup:
    """A QR code to stand in a page, on white paper in the dark, too."""
    code = segno.make(address, error="m", micro=False)
    return Markup(code.svg_inline(scale=4, light="#fff"))  # noqa: S704 - our own


def refusal_page(status: int, title: str, message: str, **words: str) -> ResponseReturnValue:
    """A page that says no, and what to do. `words` may hold `help_url` and `reference`."""
    page = render_template("refusal.html", title=title, message=message, **words)
    return page, status


class _Count(IntegerConverter):
    """A number in an address; with more digits than anything here is counted, there is no page."""

    regex = r"\d{1,9}"


def init_app(app: Flask) -> None:
    """Set limits and headers, end each request's transaction, and turn refusals into pages."""
    app.url_map.converters["int"] = _Count

    @app.before_request
    def _make_room() -> None:
        if hasattr(app.view_functions.get(request.endpoint or ""), "takes_file"):
            request.max_content_length = MOST_UPLOADED

    @app.after_request
    def _finish(response: Response) -> Response:
        db.finish(keep=request.method not in db.SAFE_METHODS and response.status_code < 400)
        given = {name.lower() for name, _value in response.headers}
        response.headers.extend(
            (name, value) for name, value in HEADERS.items() if name.lower() not in given
        )
        return response

    @app.errorhandler(Refused)
    def _refused(refusal: Refused) -> ResponseReturnValue:
        return refusal_page(409, _("We cannot do that"), str(refusal))

    @app.errorhandler(NotFound)
    @app.errorhandler(404)
    def _not_found(_error: Exception) -> ResponseReturnValue:
        return refusal_page(
            404,
            _("Page not found"),
            _("If you typed the address, check it. If you followed a link, it may be old."),
        )

    @app.errorhandler(CSRFError)
    def _stale_form(_error: CSRFError) -> ResponseReturnValue:
        view = app.view_functions[request.endpoint or ""]
        if access_of(view) and not current_user.is_authenticated:  # the session has ended
            return redirect(url_for("people.sign_in", next=_here()))
        return refusal_page(
            400,
            _("This page was open for too long"),
            _("Go back, copy what you typed, reload the page, and send it again."),
        )

    @app.errorhandler(OperationalError)
    def _busy(error: OperationalError) -> ResponseReturnValue:
        reference = secrets.token_hex(4)
        log.error("database %s: %s", reference, type(error.orig).__name__)
        was_sent = request.method not in db.SAFE_METHODS
        return refusal_page(
            503,
            _("Try again in a moment"),
            _("The portal is busy. What you had saved before is safe. Go back, and send it again.")
            if was_sent
            else _("The portal is busy. What you had saved before is safe. Reload this page."),
            reference=reference,
        )

    @app.errorhandler(DataError)
    def _unreadable(_error: DataError) -> ResponseReturnValue:
        """PostgreSQL takes no NUL in a text, which only an address made by hand has."""
        return _http(BadRequest())

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> ResponseReturnValue:
        if isinstance(error, SecurityError):  # a host that is not ours has no pages
            return Response("400 Bad Request", 400, mimetype="text/plain")
        if error.code is not None and error.code < 400:
            return error.get_response()
        plain = {
            405: (
                _("This page cannot be opened by its address"),
                _("Go back to the page that led here, and use its button."),
            ),
            413: (
                _("The file is too large"),
                _("Go back, and choose a smaller one. The page there says how large it may be."),
            ),
            503: (_("Try again in a few minutes"), error.description or ""),  # our own words
        }
        title, message = plain.get(
            error.code or 500,
            (_("We cannot read that"), _("Go back and try again. If it happens again, call IT.")),
        )
        page = current_app.make_response(refusal_page(error.code or 500, title, message))
        if error.code == 503:
            page.headers["Retry-After"] = "60"
        return page

    @app.errorhandler(500)
    def _fault(_error: Exception) -> ResponseReturnValue:
        reference = secrets.token_hex(4)
        log.error("fault %s", reference)
        return refusal_page(
            500,
            _("Sorry, something went wrong"),
            _("What you had saved before is safe. Try again in a few minutes."),
            reference=reference,
        )
