"""The second door, through a real provider of OpenID Connect."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import requests
from sqlalchemy import select

from portal import db
from portal.app import create_app
from portal.attestations.models import Attestation
from portal.config import Misconfigured, Settings
from portal.people import kiosks
from portal.people.directory import Unreachable
from portal.people.models import Person, Session
from portal.people.services import identify
from portal.people.sso import directory_id_of
from tests.conftest import Browser
from tests.factories import make_assignment, make_campaign, make_hr
from tests.people.conftest import ADA
from tests.people.provider import Provider, provider, walk_login

BACK = "http://127.0.0.1:8000/people/sso/back"
BO = "22222222-2222-4222-8222-222222222222"
HOUR = 3600

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    accounts = {
        "ada": {"sub": "a", "directory_id": ADA.id, "email": "wrong@city.example"},
        "bo": {"sub": "b", "directory_id": BO},
        "stranger": {"sub": "c", "directory_id": "99999999-9999-4999-8999-999999999999"},
        "nobody": {"sub": "d"},
        "mail": {"sub": "e", "directory_id": "ada@city.example"},
    }
    with provider(accounts, BACK) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, running: Provider, tmp_path) -> Settings:
    secret = tmp_path / "oidc-secret"
    secret.write_text(running.client_secret + "\n")
    return replace(
        settings,
        oidc_issuer=running.issuer,
        oidc_client_id=running.client_id,
        oidc_client_secret_file=str(secret),
    )


@pytest.fixture
def ada(fake, door):
    """Signs Ada in; gives her browser, and her cookies at the provider."""
    fake.put(replace(ADA, id=BO, username="bo", full_name="Bo Diddley", email="bo@city.example"))


def sign_in(client: Browser, login: str | None, cookies=None, **how):
    start = client.get("/people/sso", **how)
    back = walk_login(cookies or requests.Session(), start.location, login)
    return client.get(f"/people/sso/back?{urlsplit(back).query}")


def ready_to_sign(client, login="ada"):
    """A browser at its "Check and sign" page, and the provider's cookies."""
    cookies = requests.Session()
    sign_in(client, login, cookies)
    person = db.session.scalars(select(Person).filter_by(directory_id=ADA.id)).one()
    duty = make_assignment(person=person, campaign=make_campaign(), done=True)
    db.finish(keep=True)
    return f"/attestations/{duty.id}/sign", cookies


def confirm(client, page, cookies, login, *, ago=0):
    start = client.get(f"/people/sso/again?next={page}")
    back = walk_login(cookies, start.location, login, ago=ago)
    return client.get(f"/people/sso/back?{urlsplit(back).query}")


FORM = {"agrees": "y", "typed_name": "Ada Lovelace"}


def count_signatures():
    found = db.session.scalars(select(Attestation.id)).all()
    db.finish(keep=True)
    return len(found)


def test_who_the_provider_names_is_found_in_the_directory_by_its_id(app, ada, client):
    answer = sign_in(client, "ada")

    assert answer.location == "/learning/"
    assert "Ada Lovelace" in client.get("/learning/").text
    person = db.session.scalars(select(Person)).one()
    assert (person.directory_id, person.email) == (ADA.id, "ada@city.example")
    assert db.session.scalars(select(Session.way)).one() == "sso"


def test_the_sign_in_page_offers_both_doors_and_next_stays_ours(app, ada, client):
    page = client.get("/people/sign-in").text
    answer = sign_in(client, "ada", query_string={"next": "//evil.example"})

    assert "Use single sign-on" in page
    assert answer.location == "/learning/"


@pytest.mark.parametrize("login", ["stranger", "nobody", "mail"])
def test_who_is_not_in_the_directory_by_id_does_not_get_in(app, ada, client, login):
    answer = sign_in(client, login)

    assert answer.status_code == 403
    assert client.get("/learning/").status_code == 302
    assert db.session.scalars(select(Person.id)).all() == []


def test_a_closed_account_does_not_get_in_by_the_second_door_either(app, ada, fake, client):
    fake.put(replace(ADA, is_closed=True))

    assert "Contact IT" in sign_in(client, "ada").text


def test_a_directory_that_is_away_gives_the_503_page(app, ada, fake, client):
    fake.fault = Unreachable("no answer")

    assert sign_in(client, "ada").status_code == 503


@pytest.mark.parametrize(
    "lie",
    [{"aud": "another"}, {"nonce": "x"}, {"iss": "https://evil.example"}, {"alg": "none"}],
)
def test_a_token_that_is_not_for_us_is_refused(app, ada, client, running, lie):
    with running.lying(**lie):
        answer = sign_in(client, "ada")

    assert answer.status_code == 403
    assert client.get("/learning/").status_code == 302


def test_an_answer_that_nobody_asked_for_is_refused(app, ada, client):
    start = client.get("/people/sso")
    back = walk_login(requests.Session(), start.location, "ada")
    other = app.test_client()

    assert other.get(f"/people/sso/back?{urlsplit(back).query}").status_code == 403
    assert client.get("/people/sso/back?error=x&error_description=<b>").status_code == 403


def test_signing_asks_the_provider_anew_and_the_record_says_so(app, ada, client):
    page, cookies = ready_to_sign(client)
    first = client.get(page).text
    too_soon = client.post(page, data=FORM)
    assert count_signatures() == 0

    answer = confirm(client, page, cookies, "ada")
    client.post(page, data=FORM)

    assert "Confirm that it is you" in first
    assert 'type="password"' not in first
    assert "Confirm first" in too_soon.text
    assert answer.location == page
    assert count_signatures() == 1
    assert "single sign-on, asked anew" in db.session.scalars(select(Attestation.record)).one()


def test_a_confirmation_counts_once_and_ten_minutes(app, ada, client, clock):
    page, cookies = ready_to_sign(client)
    confirm(client, page, cookies, "ada")
    clock(db.utc_now() + timedelta(minutes=11))
    assert "Confirm first" in client.post(page, data=FORM).text

    confirmed = db.session.scalars(select(Session.confirmed_at)).one()
    assert confirmed is not None
    assert count_signatures() == 0


def test_somebody_else_cannot_confirm_for_the_person(app, ada, client):
    page, cookies = ready_to_sign(client)

    answer = confirm(client, page, cookies, "bo")

    assert "Somebody else signed in there" in answer.text
    assert "Confirm first" in client.post(page, data=FORM).text


@pytest.mark.parametrize("auth_time", [1, None, True, "now"])
def test_an_old_sign_in_at_the_provider_does_not_confirm(app, ada, client, running, auth_time):
    page, cookies = ready_to_sign(client)

    with running.lying(auth_time=auth_time):
        answer = confirm(client, page, cookies, "ada")

    assert answer.status_code == 403
    assert "Confirm first" in client.post(page, data=FORM).text


def test_without_a_provider_there_is_no_second_door(tmp_path, client, app):
    bare = create_app(Settings(data_dir=tmp_path / "bare"))

    assert bare.test_client().get("/people/sso").status_code == 404
    assert bare.test_client().get("/people/sso/back").status_code == 404


def test_a_shared_device_has_no_second_door(app, ada, client):
    code = kiosks.offer("Tablet", "", by=identify(make_hr()))
    db.finish(keep=True)
    client.post("/people/kiosk", data={"code": code})

    assert "single sign-on" not in client.get("/people/sign-in").text
    assert client.get("/people/sso").status_code == 404


def test_a_provider_that_is_away_gives_the_503_page(app, ada, tmp_path, settings, monkeypatch):
    monkeypatch.setattr("portal.people.sso.TIMEOUT", 1)
    away = create_app(replace(settings, oidc_issuer="http://127.0.0.1:9"))

    assert away.test_client().get("/people/sso").status_code == 503


GUID = UUID(ADA.id)


@pytest.mark.parametrize(
    ("value", "kind", "kept"),
    [
        (ADA.id.upper(), "openldap", ADA.id),
        (b64encode(GUID.bytes_le).decode(), "ad", ADA.id),
        ("not base64!", "ad", "not base64!"),
        ("c2hvcnQ=", "ad", "c2hvcnQ="),
        (["x"], "ad", ""),
        ("", "ad", ""),
        (None, "ad", ""),
    ],
)
def test_the_providers_id_is_read_as_the_directory_writes_it(value, kind, kept):
    assert directory_id_of(value, kind) == kept


def test_settings_that_cannot_work_are_refused_at_the_start(tmp_path):
    environment = {"PORTAL_DATA_DIR": str(tmp_path), "PORTAL_OIDC_ISSUER": "http://idp.example"}

    with pytest.raises(Misconfigured) as found:
        Settings.from_env(environment)

    assert len(found.value.problems) == 2
