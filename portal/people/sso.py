"""The second door: single sign-on with OpenID Connect, through Authlib.

Who signs in here is found in the directory by the directory's own id, which the provider sends as a
claim; never by mail or name. What Authlib leaves open is checked here: the audience, `auth_time`
against what was asked (OpenID Connect Core 3.1.2.1), and that it is the same person again.
"""

import base64
import logging
import secrets
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.flask_client import OAuth
from flask import Flask, current_app
from flask_babel import gettext as _
from joserfc.errors import JoseError
from sqlalchemy import select
from werkzeug.wrappers import Response

from portal import db
from portal.config import Settings
from portal.people import services
from portal.people.directory import AccountClosed, Misbehaving, Unreachable
from portal.people.door import Door
from portal.people.limits import SignInRefused
from portal.people.models import Person
from portal.people.registering import register
from portal.people.services import DirectoryUnavailable, Identity

log = logging.getLogger(__name__)

FRESH = 60  # seconds since the person showed the provider who they are, to sign
SKEW = 30  # seconds that clocks may differ
TIMEOUT = 5  # seconds to wait for the provider; Authlib has no limit of its own


@dataclass(frozen=True)
class Claims:
    """What we take from the provider's ID token."""

    directory_id: str
    auth_time: float | None


def init_app(app: Flask, settings: Settings) -> None:
    """Make the client where a provider is set."""
    if not settings.oidc_issuer:
        return
    oauth = OAuth(app)
    oauth.register(
        "provider",
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        server_metadata_url=f"{settings.oidc_issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={
            "scope": " ".join(settings.oidc_scopes),
            "code_challenge_method": "S256",
            "default_timeout": TIMEOUT,
        },
    )
    app.extensions["oauth"] = oauth


def is_on() -> bool:
    """Whether this portal has the second door."""
    return "oauth" in current_app.extensions


def begin(back: str, *, again: bool = False) -> Response:
    """Send the browser to the provider; `again`: the person must show who they are once more.

    Raises DirectoryUnavailable where the provider does not answer.
    """
    asked = {"prompt": "login", "max_age": "0"} if again else {}
    try:
        return cast(Response, _client().authorize_redirect(back, **asked))
    except (AuthlibBaseError, requests.RequestException, ValueError, RuntimeError) as fault:
        raise _unavailable(fault) from None


def finish(door: Door, settings: Settings) -> Identity:
    """Open a session for whom the provider names. Raises SignInRefused, DirectoryUnavailable."""
    claims = _claims(settings)
    try:
        entry = door.directory.find(claims.directory_id)
    except AccountClosed:
        entry = None
    except (Unreachable, Misbehaving) as fault:
        raise _unavailable(fault) from None
    if entry is None or entry.is_closed:
        raise SignInRefused(_("This account can’t sign in. Contact IT."))
    with db.transaction():
        return services.enter(register(door, entry).id, way="sso")


def finish_again(person: Identity, settings: Settings) -> None:
    """Note that the provider has just made sure that it is this person. Raises SignInRefused."""
    claims = _claims(settings)
    with db.reading() as session:
        wanted = session.scalars(select(Person.directory_id).filter_by(id=person.id)).one()
    if claims.directory_id != wanted:
        raise SignInRefused(_("Somebody else signed in there. Sign in with your own account."))
    if claims.auth_time is None:
        raise SignInRefused(_("Single sign-on did not say when you signed in. Contact IT."))
    age = db.utc_now().timestamp() - claims.auth_time
    if not -SKEW <= age <= FRESH + SKEW:
        raise SignInRefused(_("Your sign-in there is too old. Confirm again that it is you."))
    services.note_confirmed(person.token)


def _claims(settings: Settings) -> Claims:
    """The checked claims of the answer that came with this request."""
    try:
        token: dict[str, Any] = _client().authorize_access_token(
            claims_options={
                "iss": {"essential": True, "value": settings.oidc_issuer},
                "aud": {"essential": True, "value": settings.oidc_client_id},
            },
            leeway=SKEW,
        )
    except requests.RequestException as fault:
        raise _unavailable(fault) from None
    except (AuthlibBaseError, JoseError, ValueError, RuntimeError) as fault:
        log.warning("single sign-on refused: %s", type(fault).__name__)
        raise SignInRefused(_("Single sign-on did not work. Try again.")) from None
    claims = token.get("userinfo") or {}
    directory_id = directory_id_of(claims.get(settings.oidc_id_claim), settings.ldap.kind)
    if not directory_id:
        log.error("single sign-on: the claim %s is missing", settings.oidc_id_claim)
        raise SignInRefused(_("Single sign-on did not say who you are. Contact IT."))
    auth_time = claims.get("auth_time")
    is_time = type(auth_time) in {int, float}  # JSON's true is a number to Python
    return Claims(directory_id, auth_time if is_time else None)


def directory_id_of(value: object, kind: str) -> str:
    """The directory's id as we keep it; Entra ID and ADFS send objectGUID as Base64."""
    if not isinstance(value, str) or not value:
        return ""
    try:
        return str(UUID(value))
    except ValueError:
        pass
    try:
        raw = base64.b64decode(value, validate=True)
    except ValueError:
        return value
    return str(UUID(bytes_le=raw)) if kind == "ad" and len(raw) == 16 else value


def _client() -> Any:
    return current_app.extensions["oauth"].provider


def _unavailable(fault: Exception) -> DirectoryUnavailable:
    reference = secrets.token_hex(4)
    log.error("single sign-on %s: %s", reference, type(fault).__name__)
    return DirectoryUnavailable(reference)
