import logging
import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from io import BytesIO

import pytest

from portal import db
from portal.app import create_app
from portal.config import Settings
from portal.people import services
from portal.people.directory import MustChangePassword, Unreachable
from portal.people.door import ldap_settings, make_door
from portal.people.models import Session
from portal.web import own_page
from tests.conftest import ROOT
from tests.factories import make_person
from tests.fakes import RIGHT

FORM = {"username": "ada.lovelace", "password": RIGHT}
EVIL = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "https:evil.example",
    "https://evil.example",
    "http://evil.example/people/sign-in",
    "javascript:alert(1)",
    "evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/\n/evil.example",
    "/x\r\nSet-Cookie: a=b",
    "",
    "@evil.example",
]


def summary(page):
    found = re.search(r'class="govuk-error-summary".*?</ul>', page.text, re.DOTALL)
    assert found, page.text
    return unescape(found[0])


def cookie_of(browser, name="portal"):
    cookie = browser.get_cookie(name)
    return cookie.value if cookie else None


# The page


@pytest.mark.parametrize(
    ("form", "words", "field"),
    [
        ({}, "Enter your username or work email", "username"),
        ({"username": "ada"}, "Enter your password", "password"),
        ({"username": "ada", "password": "wrong"}, "The name or password is wrong.", "username"),
    ],
)
def test_a_refusal_stands_above_the_form_and_at_the_field(door, client, form, words, field):
    page = client.post("/people/sign-in", data=form)

    assert page.status_code == 200
    assert f'<a href="#{field}">{words}</a>' in summary(page)
    assert f'id="{field}-error"' in page.text
    assert page.text.count(words) == 2


def test_a_refusal_keeps_the_name_and_never_the_password(door, client):
    page = client.post("/people/sign-in", data={"username": 'Ad"a<b>', "password": "hunter2"})

    assert 'value="Ad&#34;a&lt;b&gt;"' in page.text
    assert "hunter2" not in page.text


def test_who_must_change_the_password_gets_the_help_link(door, client, fake):
    fake.fault = MustChangePassword("773")

    page = client.post("/people/sign-in", data=FORM)
    assert "must be changed" in page.text
    assert page.text.count('href="/people/cannot-sign-in"') >= 2


@pytest.mark.parametrize("name", ["½", "*", ")(uid=*", "\0", "a" * 9999, "e\u0301", "🙂", "'\""])
def test_any_name_and_password_get_an_answer(door, client, name):
    page = client.post("/people/sign-in", data={"username": name, "password": name})

    assert page.status_code == 200
    assert "The name or password is wrong." in page.text


def test_broken_utf8_gets_an_answer(door, client):
    page = client.post(
        "/people/sign-in",
        data=b"username=%ff%fe%ed%a0%80&password=%ff",
        content_type="application/x-www-form-urlencoded",
    )

    assert page.status_code == 200


def test_too_many_tries_say_how_long_to_wait(door, client):
    for _ in range(door.tries):
        client.post("/people/sign-in", data={**FORM, "password": "wrong"})

    page = client.post("/people/sign-in", data=FORM)
    assert "Wait 15 minutes" in summary(page)


def test_the_cast_is_shown_with_the_demo_directory_only(settings, client, app):
    assert "portal-demo" in client.get("/people/sign-in").text
    own = replace(settings, ldap=replace(settings.ldap, urls=("ldaps://directory.example",)))
    app.extensions["settings"] = own

    assert "portal-demo" not in client.get("/people/sign-in").text


# Where one goes afterwards


@pytest.mark.parametrize("target", EVIL)
def test_signing_in_leads_to_no_foreign_page(door, client, target):
    assert own_page(target) is None
    answer = client.post("/people/sign-in", query_string={"next": target}, data=FORM)
    again = client.get("/people/sign-in", query_string={"next": target})

    assert answer.status_code == again.status_code == 302
    assert answer.location == again.location == "/learning/"


@pytest.mark.parametrize("target", ["/ok", "/reports/?department=Fire&page=2", "/é%20x"])
def test_signing_in_leads_to_where_one_wanted_to_go(door, client, target):
    answer = client.post("/people/sign-in", query_string={"next": target}, data=FORM)

    assert answer.status_code == 302
    assert answer.location == target.replace("é", "%C3%A9")


def test_who_is_not_signed_in_is_sent_to_the_door_and_back(door, client):
    answer = client.get("/learning/?a=b")
    assert answer.location == "/people/sign-in?next=/learning/?a%3Db"

    assert client.post(answer.location, data=FORM).location == "/learning/?a=b"


# The cookie and the session


def test_the_cookie_is_for_the_server_alone(door, client):
    answer = client.post("/people/sign-in", data=FORM)

    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("portal=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/" in cookie
    assert "Domain" not in cookie
    assert "Expires" not in cookie


@pytest.fixture
def production(app, door, tmp_path):
    """The portal with production's settings, on the database of `app`."""
    (tmp_path / "secret").write_bytes(b"s" * 32)
    settings = Settings(
        env="production",
        data_dir=app.extensions["settings"].data_dir,
        content_dir=ROOT / "content",
        base_url="https://portal.example",
        secret_key_file=str(tmp_path / "secret"),
    )
    production = create_app(settings)
    production.config.update(WTF_CSRF_ENABLED=False)
    production.extensions["door"] = door
    yield production
    production.extensions["engine"].dispose()


def test_in_production_the_cookie_is_secure_and_bound_to_the_host(production):
    answer = production.test_client().post(
        "/people/sign-in", data=FORM, base_url="https://portal.example"
    )

    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert answer.status_code == 302
    assert cookie.startswith("__Host-portal=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_signing_in_makes_a_new_session_and_keeps_nothing_from_before(door, client):
    with client.session_transaction() as before:
        before["planted"] = "by someone else"
        before["csrf_token"] = "known to someone else"
    planted = cookie_of(client)
    client.post("/people/sign-in", data=FORM)

    assert cookie_of(client) not in {None, planted}
    with client.session_transaction() as after:
        assert "planted" not in after
        assert after.get("csrf_token") != "known to someone else"
        assert after["_user_id"]
    assert client.get("/learning/").status_code == 200


def test_two_sign_ins_have_two_tokens(app, door):
    tokens = set()
    for _ in range(2):
        browser = app.test_client()
        browser.post("/people/sign-in", data=FORM)
        with browser.session_transaction() as session:
            tokens.add(session["_user_id"])

    assert len(tokens) == 2


def test_after_signing_out_the_old_cookie_is_worth_nothing(app, door, client):
    client.post("/people/sign-in", data=FORM)
    stolen = cookie_of(client)
    assert client.get("/learning/").status_code == 200

    assert client.post("/people/sign-out").location == "/people/sign-in"
    thief = app.test_client()
    thief.set_cookie("portal", stolen)
    answer = thief.get("/learning/")
    assert answer.status_code == 302
    assert answer.location.startswith("/people/sign-in")


def test_signing_out_is_no_link(door, client):
    client.post("/people/sign-in", data=FORM)

    page = client.get("/people/sign-out")
    assert page.status_code == 405
    assert "This page cannot be opened by its address" in page.text
    assert client.get("/learning/").status_code == 200


def test_a_forged_or_broken_cookie_is_nobody(app, door):
    for value in ("x", "eyJfdXNlcl9pZCI6ImEifQ.aaaa.bbbb", "½", "." * 3000):
        browser = app.test_client()
        browser.set_cookie("portal", value)
        assert browser.get("/learning/").status_code == 302


def test_staying_prolongs_the_session(app, sign_in, clock):
    start = db.utc_now()
    browser = sign_in(make_person())
    for minutes in (50, 100, 150):
        clock(start + timedelta(minutes=minutes))
        answer = browser.post("/people/stay")
        assert (answer.status_code, answer.data) == (204, b"")

    clock(start + timedelta(minutes=211))
    assert browser.post("/people/stay").status_code == 302


# What is refused


def test_a_form_without_its_token_is_a_page_that_says_so(app, door, client):
    app.config["WTF_CSRF_ENABLED"] = True

    page = client.post("/people/sign-in", data=FORM)
    assert page.status_code == 400
    assert "This page was open for too long" in page.text
    with db.reading() as session:
        assert session.query(Session).count() == 0


@pytest.mark.parametrize("has_tokens", [True, False])
def test_a_form_sent_after_the_session_ended_leads_to_the_door_and_back(
    app, door, client, has_tokens
):
    app.config["WTF_CSRF_ENABLED"] = has_tokens

    answer = client.post("/retention/holds/new")
    assert answer.location == "/people/sign-in?next=/retention/holds/new"
    assert client.post("/people/stay").location == "/people/sign-in"  # no page to come back to


def test_a_file_that_is_far_too_large_is_refused_in_plain_words(app, client):
    file = (BytesIO(b"%PDF-" + bytes(41 * 1024 * 1024)), "large.pdf")

    page = client.post("/attestations/verify/file", data={"file": file})
    assert page.status_code == 413
    assert "The file is too large" in page.text
    assert "choose a smaller one" in page.text


def test_a_form_with_its_token_goes_through(app, door, client):
    app.config["WTF_CSRF_ENABLED"] = True
    page = client.get("/people/sign-in").text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]

    answer = client.post("/people/sign-in", data={**FORM, "csrf_token": token})
    assert answer.status_code == 302


def test_an_outage_is_a_page_with_a_reference(door, client, fake, caplog):
    fake.fault = Unreachable("ldaps://dc1: TimeoutError")

    page = client.post("/people/sign-in", data=FORM)
    assert page.status_code == 503
    assert "Sign-in is not available right now" in page.text
    reference = re.search(r'<span class="mono">([0-9a-f]{8})</span>', page.text)[1]
    assert f"directory {reference}: ldaps://dc1" in caplog.text
    assert "ldaps" not in page.text  # a token may well hold "dc1"


def test_a_foreign_host_name_is_refused(door, client):
    for host in ("evil.example", "localhost.evil.example", "127.0.0.1@evil.example"):
        assert client.get("/people/sign-in", headers={"Host": host}).status_code == 400


# Secrets


def test_no_password_is_in_a_log_or_a_representation(app, door, client, fake, caplog, capfd):
    secret = "correct-horse-½"
    with caplog.at_level(logging.DEBUG):
        client.post("/people/sign-in", data={**FORM, "password": secret})
        fake.fault = Unreachable("gone")
        client.post("/people/sign-in", data={**FORM, "password": secret})
        fake.fault = None
        client.post("/people/sign-in", data=FORM)
    with client.session_transaction() as session:
        token = session["_user_id"]
    identity = services.find_session(door, token)

    told = capfd.readouterr()
    for text in (caplog.text, told.out, told.err, repr(identity), str(identity)):
        assert secret not in text
        assert RIGHT not in text
        assert token not in text


def test_the_door_does_not_show_its_key_or_the_service_password(settings, app):
    (settings.data_dir / "demo-directory-password").write_text("service-secret")
    door = make_door(settings)

    assert repr(door.key) not in repr(door)
    assert "service-secret" not in repr(door) + repr(ldap_settings(settings))


def test_help_is_there_for_who_cannot_sign_in(client):
    assert client.get("/people/cannot-sign-in").status_code == 200
