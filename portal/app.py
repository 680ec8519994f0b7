"""The application: one factory, and the map of the site."""

from collections.abc import MutableMapping
from datetime import date, datetime
from functools import lru_cache
from importlib import import_module
from typing import Any, cast

from flask import Flask, has_request_context, render_template, request, session
from flask.sessions import SecureCookieSessionInterface
from flask.templating import Environment
from flask_babel import Babel, get_domain, get_locale
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFProtect, generate_csrf
from itsdangerous import URLSafeTimedSerializer
from jinja2 import StrictUndefined
from markupsafe import Markup, escape
from werkzeug.middleware.proxy_fix import ProxyFix
from whitenoise import WhiteNoise

from portal import assets, cli, db, web
from portal.config import ROOT, Settings
from portal.courses.course import Course
from portal.documents import dates
from portal.people import sso

SLICES = {
    "people": "/people",
    "directory": "/directory",
    "campaigns": "/campaigns",
    "learning": "/learning",
    "reminders": "/reminders",
    "team": "/team",
    "mail": "/mail",
    "retention": "/retention",
    "contractors": "/contractors",
    "attestations": "/attestations",
    "reports": "/reports",
    "courses": "/courses",
    "site": "/",
}
"""Every slice with pages, and the first word of its addresses."""

MAX_REQUEST_BYTES = 12 * 1024 * 1024
MAX_FORM_BYTES = 256 * 1024


def create_app(settings: Settings) -> Flask:
    """Make the portal for these settings."""
    app = _Portal("portal", root_path=str(ROOT), template_folder="templates", static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        MAX_CONTENT_LENGTH=MAX_REQUEST_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        TRUSTED_HOSTS=settings.trusted_hosts,
        SESSION_COOKIE_NAME="portal" if settings.is_demo else "__Host-portal",
        SESSION_COOKIE_SECURE=not settings.is_demo,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        BABEL_DEFAULT_LOCALE=settings.languages[0],
        BABEL_DEFAULT_TIMEZONE=settings.time_zone,
        BABEL_TRANSLATION_DIRECTORIES=str(settings.translations_dir.resolve()),
    )
    app.extensions["settings"] = settings
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    db.init_app(app, settings.database)
    web.init_app(app)
    CSRFProtect(app)
    app.session_interface = _Sessions(app)
    Babel(app, locale_selector=lambda: _language(settings))
    LoginManager(app)
    for name, prefix in SLICES.items():
        module = import_module(f"portal.{name}.routes")
        app.register_blueprint(module.bp, url_prefix=prefix)
        if hasattr(module, "init_app"):
            module.init_app(app)
    sso.init_app(app, settings)
    cli.init_app(app)
    _dress_pages(app, settings)
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies, x_host=settings.proxies
        )
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app,
        root=ROOT / "static",
        prefix="static/",
        immutable_file_test=assets.is_fingerprinted,
    )
    return app


class _Pages(Environment):
    """Flask's own, with its words in a plain dictionary: a ChainMap is walked for each page."""

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """What every template knows."""
        return {**self.globals, **(d or {})}


class _Portal(Flask):
    jinja_environment = _Pages


class _Sessions(SecureCookieSessionInterface):
    """Flask's own, with its signer made once, not twice for each page."""

    def __init__(self, app: Flask) -> None:
        self._signer = super().get_signing_serializer(app)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """What signs and reads the cookie."""
        return self._signer


def _language(settings: Settings) -> str:
    """The person's own language, where the directory says one of ours, else the browser's.

    Commands speak the first.
    """
    if len(settings.languages) == 1 or not has_request_context():
        return settings.languages[0]
    if current_user.is_authenticated and current_user.language in settings.languages:
        return cast(str, current_user.language)
    wanted = (each.partition("-")[0] for each in request.accept_languages.values())  # best first
    return next((each for each in wanted if each in settings.languages), settings.languages[0])


class _Words:
    """The words of the pages in each language, each looked up once and kept as safe markup."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        self._only = languages[0] if len(languages) == 1 else ""
        self._catalogues: dict[str, Any] = {}
        self._said: dict[tuple[str, str], tuple[str, Markup]] = {}

    def language(self) -> str:
        """The language of this page."""
        return self._only or str(get_locale())

    def say(self, text: str, **words: Any) -> Markup:
        """The text in the language of this page; `words` are escaped."""
        key = self.language(), text
        if key not in self._said:
            found = str(self._catalogue().ugettext(text))
            self._said[key] = found, Markup(found.replace("%%", "%"))  # noqa: S704 - our own
        pattern, plain = self._said[key]
        return _fill(pattern, words) if words else plain

    def count(self, one: str, many: str, num: int, **words: Any) -> Markup:
        """The text for so many, with `num` and `words` put in."""
        return _fill(self._catalogue().ungettext(one, many, num), {"num": num, **words})

    def _catalogue(self) -> Any:
        name = self.language()
        if name not in self._catalogues:
            self._catalogues[name] = get_domain().get_translations()
        return self._catalogues[name]


def _fill(pattern: str, words: dict[str, Any]) -> Markup:
    """The pattern, which is our own, with these words escaped: Markup's own % takes five times."""
    return Markup(pattern % {name: escape(word) for name, word in words.items()})  # noqa: S704


def _dress_pages(app: Flask, settings: Settings) -> None:
    """Give the templates their words for dates, assets and the organization."""
    words = _Words(settings.languages)
    language = words.language
    app.jinja_env.globals.update(
        settings=settings, asset=assets.url, current_user=current_user, language=language
    )
    app.jinja_env.globals["language_name"] = lambda wanted: dates.language_name(wanted, language())
    app.jinja_env.globals.update(_=words.say, gettext=words.say, ngettext=words.count)

    @app.template_global("lang_of")
    def _lang_of(course: Course) -> Markup | str:
        """The attribute of a course's text where the page around it speaks another language."""
        mine = course.language.partition("-")[0] == language()
        return "" if mine else Markup(' lang="{}"').format(course.language)

    frames: dict[str, dict[str, Markup]] = {}

    @app.template_global("frame")
    def _frame() -> dict[str, Markup]:
        """The parts of every page that are the same for all who read this language: made once."""
        if language() not in frames:
            frames[language()] = {
                path.stem: Markup(render_template(f"frame/{path.name}"))  # noqa: S704 - our own
                for path in (ROOT / "templates" / "frame").glob("*.html")
            }
        return frames[language()]

    @lru_cache(maxsize=4096)
    def signed(_kept: str) -> str:
        return cast(str, generate_csrf())

    def csrf_token() -> str:
        """Signed once for each session, not once for each page: that takes as long as a query."""
        return signed(session["csrf_token"]) if "csrf_token" in session else generate_csrf()

    app.jinja_env.globals["csrf_token"] = csrf_token
    app.context_processor(lambda: {"csrf_token": csrf_token})

    @app.template_filter("day")
    def _day(value: date | str) -> str:
        """The day in words; a history keeps it as text."""
        return dates.day(date.fromisoformat(value) if isinstance(value, str) else value, language())

    @app.template_filter("local_day")
    def _local_day(value: datetime) -> str:
        return dates.day(value.astimezone(settings.zone).date(), language())

    @app.template_filter("size")
    def _size(value: int) -> str:
        return dates.size(value, language())

    @app.template_filter("moment")
    def _moment(value: datetime) -> str:
        return dates.moment(value, language(), settings.zone)
