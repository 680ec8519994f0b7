"""The provider of the tests, and what Authlib does and does not look at when it signs in."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client.errors import MismatchingStateError, OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, request
from flask.typing import ResponseReturnValue
from joserfc.errors import InvalidClaimError, JoseError, MissingClaimError

from tests.people.provider import Provider, provider, walk_login

REDIRECT_URI = "http://localhost:9/back"  # nobody listens: the tests hand the address over
ADA = {
    "sub": "subject-of-ada",
    "oid": "0d1f6b3c-0000-4000-8000-000000000001",
    "preferred_username": "ada.lovelace@city.example",
    "email": "ada@city.example",
    "directory_id": "11111111-1111-4111-8111-111111111111",
}
HOUR = 3600

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def identity_provider() -> Iterator[Provider]:
    with provider({"ada": ADA, "bo": {"sub": "subject-of-bo"}}, REDIRECT_URI) as running:
        yield running


@dataclass
class Client:
    """A small app that signs people in with Authlib, and one browser."""

    app: Flask
    metadata_url: str
    cookies: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.browser = self.app.test_client()

    def start(self, **params: object) -> str:
        """The address at the provider that the app sends the browser to."""
        return str(self.browser.get("/login", query_string=params).headers["Location"])

    def finish(self, back: str) -> dict[str, Any]:
        """The claims that the app takes from what the provider sent back."""
        answer = self.browser.get("/back", query_string=urlsplit(back).query)
        claims: dict[str, Any] = answer.get_json()
        return claims

    def sign_in(self, login: str | None, *, ago: int = 0, **params: object) -> dict[str, Any]:
        return self.finish(walk_login(self.cookies, self.start(**params), login, ago=ago))


@pytest.fixture
def client(identity_provider: Provider) -> Client:
    return make_client(identity_provider)


def make_client(identity_provider: Provider) -> Client:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="only for tests", TESTING=True)
    oauth = OAuth(app)
    oauth.register(
        "provider",
        client_id=identity_provider.client_id,
        client_secret=identity_provider.client_secret,
        server_metadata_url=identity_provider.metadata_url,
        client_kwargs={"scope": "openid profile email", "code_challenge_method": "S256"},
    )

    @app.get("/login")
    def login() -> ResponseReturnValue:
        answer: ResponseReturnValue = oauth.provider.authorize_redirect(
            REDIRECT_URI, **request.args.to_dict()
        )
        return answer

    @app.get("/back")
    def back() -> ResponseReturnValue:
        options = None
        if app.config.get("STRICT"):
            options = {
                "iss": {"essential": True, "value": identity_provider.issuer},
                "aud": {"essential": True, "value": identity_provider.client_id},
                "auth_time": {"essential": True},
            }
        token = oauth.provider.authorize_access_token(claims_options=options)
        return dict(token["userinfo"])

    return Client(app, identity_provider.metadata_url)


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_an_account_signs_in_with_its_claims(client: Client, identity_provider: Provider) -> None:
    claims = client.sign_in("ada")

    assert {name: claims[name] for name in ADA} == ADA
    assert (claims["iss"], claims["aud"]) == (identity_provider.issuer, "portal")
    assert abs(claims["auth_time"] - time.time()) < 5


def test_state_nonce_and_pkce_are_sent(client: Client) -> None:
    sent = query(client.start())

    assert (sent["response_type"], sent["code_challenge_method"]) == ("code", "S256")
    assert min(len(sent[name]) for name in ("state", "nonce", "code_challenge")) >= 20
    assert "code_verifier" not in sent


def test_the_provider_wants_pkce(client: Client) -> None:
    url = client.start().replace("code_challenge", "nothing")

    assert query(walk_login(client.cookies, url, "ada"))["error"] == "invalid_request"


def test_an_unknown_account_stays_on_the_login_page(client: Client) -> None:
    with pytest.raises(RuntimeError, match="Nobody has this account"):
        walk_login(client.cookies, client.start(), "nobody")


def test_without_a_prompt_the_session_at_the_provider_is_enough(client: Client) -> None:
    first = client.sign_in("ada", ago=HOUR)
    second = client.sign_in(None)

    assert first["auth_time"] == second["auth_time"] <= time.time() - HOUR


def test_prompt_login_asks_again_and_gives_a_fresh_auth_time(client: Client) -> None:
    client.sign_in("ada", ago=HOUR)

    with pytest.raises(RuntimeError, match="asks for a login"):
        client.sign_in(None, prompt="login")
    assert client.sign_in("ada", prompt="login")["auth_time"] > time.time() - 60


def test_max_age_asks_again_when_the_login_is_older(client: Client) -> None:
    client.sign_in("ada", ago=HOUR)
    client.sign_in(None, max_age=2 * HOUR)

    with pytest.raises(RuntimeError, match="asks for a login"):
        client.sign_in(None, max_age=60)
    assert client.sign_in("ada", max_age=60)["auth_time"] > time.time() - 60


def test_another_person_may_answer_the_prompt(client: Client) -> None:
    client.sign_in("ada")

    assert client.sign_in("bo", prompt="login")["sub"] == "subject-of-bo"


def test_prompt_none_comes_back_with_an_error(client: Client) -> None:
    with pytest.raises(OAuthError, match="login_required"):
        client.sign_in(None, prompt="none")


def test_another_state_is_refused(client: Client) -> None:
    back = walk_login(client.cookies, client.start(), "ada")

    with pytest.raises(MismatchingStateError):
        client.finish(back.replace("state=", "state=x"))


def test_what_comes_back_to_another_browser_is_refused(client: Client) -> None:
    back = walk_login(client.cookies, client.start(), "ada")
    client.browser = client.app.test_client()

    with pytest.raises(MismatchingStateError):
        client.finish(back)


def test_a_code_with_another_verifier_is_refused(client: Client) -> None:
    back = walk_login(client.cookies, client.start(), "ada")
    with client.browser.session_transaction() as kept:
        key = f"_state_provider_{query(back)['state']}"
        kept[key] = {**kept[key], "data": {**kept[key]["data"], "code_verifier": "x" * 48}}

    with pytest.raises(OAuthError, match="invalid_grant"):
        client.finish(back)


def test_a_state_is_good_once(client: Client) -> None:
    back = walk_login(client.cookies, client.start(), "ada")
    client.finish(back)

    with pytest.raises(MismatchingStateError):
        client.finish(back)


def test_a_code_used_twice_is_refused_by_the_provider(client: Client) -> None:
    back = walk_login(client.cookies, client.start(), "ada")
    cookie = client.browser.get_cookie("session")
    assert cookie is not None
    client.finish(back)
    client.browser.set_cookie("session", cookie.value)  # a signed cookie may be played again

    with pytest.raises(OAuthError, match="invalid_grant"):
        client.finish(back)


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        ({"nonce": "another"}, InvalidClaimError),
        ({"nonce": None}, MissingClaimError),
        ({"iss": "https://elsewhere.example"}, InvalidClaimError),
        ({"exp": 1}, JoseError),
        ({"sub": None}, MissingClaimError),
        ({"aud": "another"}, MissingClaimError),  # of azp
        ({"aud": "another", "azp": "another"}, InvalidClaimError),
        ({"key": "other"}, JoseError),
        ({"alg": "none"}, JoseError),
        ({"alg": "HS256"}, JoseError),
    ],
    ids=str,
)
def test_authlib_sees_through_a_lie(
    client: Client, identity_provider: Provider, lie: dict[str, Any], error: type[Exception]
) -> None:
    with identity_provider.lying(**lie), pytest.raises(error) as caught:
        client.sign_in("ada")

    assert not isinstance(caught.value, AuthlibBaseError)  # `except OAuthError` would miss it


NOT_SEEN = [
    {"aud": "another", "azp": "portal"},
    {"auth_time": None},
]


@pytest.mark.parametrize("lie", NOT_SEEN, ids=str)
def test_authlib_takes_these_unless_it_is_told_what_to_expect(
    client: Client, identity_provider: Provider, lie: dict[str, Any]
) -> None:
    with identity_provider.lying(**lie):
        assert client.sign_in("ada", max_age=60)["sub"] == ADA["sub"]

        client.app.config["STRICT"] = True
        with pytest.raises(JoseError):
            client.sign_in("ada", max_age=60)


def test_authlib_never_compares_auth_time_with_max_age(
    client: Client, identity_provider: Provider
) -> None:
    client.app.config["STRICT"] = True
    with identity_provider.lying(auth_time=1):
        assert client.sign_in("ada", max_age=60, prompt="login")["auth_time"] == 1


def test_the_lie_ends_with_its_block(client: Client, identity_provider: Provider) -> None:
    with identity_provider.lying(sub="another"):
        assert client.sign_in("ada")["sub"] == "another"

    assert client.sign_in("ada")["sub"] == ADA["sub"]


def test_a_provider_that_starts_again_has_a_new_key_and_authlib_fetches_it() -> None:
    with provider({"ada": ADA}, REDIRECT_URI) as first:
        client = make_client(first)
        client.sign_in("ada")
    with pytest.raises(requests.ConnectionError):
        client.sign_in("ada")
    with provider({"ada": ADA}, REDIRECT_URI, port=first.port) as second:
        assert second.issuer == first.issuer
        assert client.sign_in("ada")["sub"] == ADA["sub"]
