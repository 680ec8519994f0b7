"""Pages that belong to no slice: home, help, the short verify address, and health."""

from functools import cache
from pathlib import Path

from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    send_file,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from markupsafe import Markup

from portal import assets
from portal.config import Settings
from portal.courses import markdown
from portal.site import health
from portal.web import public

bp = Blueprint("site", __name__)

PAGES = {"help": "help-page", "privacy": "privacy", "accessibility": "accessibility"}
LOOPBACK = {"127.0.0.1", "::1"}
FORWARDED = {
    "Forwarded",
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Real-Ip",
}


@bp.get("/")
@public
def index() -> ResponseReturnValue:
    """Lead to the tasks, or through the sign-in page there."""
    return redirect(url_for("learning.tasks"))


@bp.get("/<any(help, privacy, accessibility):name>")
@public
def page(name: str) -> ResponseReturnValue:
    """A page of the site's own, from content/site."""
    title, html = _page(_folders(), PAGES[name])
    return render_template("site/page.html", title=title, html=html)


@bp.get("/verify")
@public
def verify() -> ResponseReturnValue:
    """The short address of the page that checks records."""
    return redirect(url_for("attestations.verify"))


@bp.get("/verify/<number>")
@public
def verify_number(number: str) -> ResponseReturnValue:
    """The address in the QR code of a record."""
    return redirect(url_for("attestations.verify_number", number=number))


@bp.get("/site/theme.css")
@public
def theme() -> ResponseReturnValue:
    """The organization's colours; linked only where they differ from the default."""
    colours = _settings().brand_colour, _settings().accent_colour
    return Response(
        assets.theme_css(*colours),
        mimetype="text/css",
        headers={"Cache-Control": "public, max-age=3600"},
    )


@bp.get("/site/mark.svg")
@public
def mark() -> ResponseReturnValue:
    """The organization's mark, where one is set."""
    if not _settings().mark_file:
        abort(404)
    return send_file(_settings().mark_file, mimetype="image/svg+xml", max_age=3600)


@bp.get("/healthz")
@public
def healthz() -> ResponseReturnValue:
    """The process is alive."""
    return jsonify(alive=True)


@bp.get("/readyz")
@public
def readyz() -> ResponseReturnValue:
    """Whether database, directory, worker and seal are there; details only on loopback."""
    checks = health.check(_settings())
    ready = all(checks.values())
    near = request.remote_addr in LOOPBACK and not FORWARDED & {*request.headers.keys()}
    details = {**checks, "given_up": health.count_given_up()} if near else {}
    return jsonify(ready=ready, **details), 200 if ready else 503


def init_app(app: Flask) -> None:
    """Give every page its "Need help?" block."""

    def help_block() -> Markup:
        return _page(_folders(), "help")[1]

    app.jinja_env.globals.update(help_block=help_block)


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings


def _folders() -> tuple[Path, ...]:
    """Where the page is looked for: in the reader's language, then in the first."""
    settings = _settings()
    languages = (str(get_locale()), settings.languages[0])
    return tuple(settings.content_dir / "site" / language for language in languages)


@cache
def _page(folders: tuple[Path, ...], name: str) -> tuple[str, Markup]:
    files = [folder / f"{name}.md" for folder in folders]
    found = next((file for file in files if file.is_file()), files[-1])
    title, html = markdown.page(found.read_text("utf-8"))
    if found is not files[0]:
        html = f'<div lang="{found.parent.name}">{html}</div>'
    return title, Markup(html)  # noqa: S704 - sanitized by markdown.page
