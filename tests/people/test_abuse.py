"""What strangers try at the door: guessing, listening for names, planting cookies and headers."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from portal import db
from portal.app import create_app
from portal.people import demo_people, local, services
from portal.people.door import make_door
from portal.people.limits import SignInRefused
from portal.people.models import FailedSignIn, Session
from tests.conftest import Browser
from tests.factories import make_person
from tests.fakes import RIGHT

FORM = {"username": "ada.lovelace", "password": RIGHT}
STRANGER, PROXY = "203.0.113.9", "192.0.2.1"


def try_wrong(browser, name="ada.lovelace", **how):
    """The words of the refusal of a wrong password."""
    form = {"username": name, "password": "a wrong password"}
    page = browser.post("/people/sign-in", data=form, **how)
    found = re.search(r'govuk-error-summary__body">(.*?)</ul>', page.text, re.DOTALL)
    return page.status_code, found and re.sub(r"\s*<[^>]+>\s*", "", found[1])


# Guessing


@pytest.fixture
def second_node(each_app, door):
    """Another node of the portal of `each_app`, on the same database."""
    each_app.extensions["door"] = door
    other = create_app(each_app.extensions["settings"])
    other.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    other.test_client_class = Browser
    other.extensions["door"] = replace(door)
    yield other
    other.extensions["engine"].dispose()


@pytest.fixture
def guesses(each_app, second_node):
    """Tries so many times at both nodes at once, and counts how often the directory was asked."""
    door = each_app.extensions["door"]

    def guess(times, name_of, address_of):
        asked = door.directory.asked

        def one(number):
            node = (each_app, second_node)[number % 2]
            address = {"REMOTE_ADDR": address_of(number)}
            try_wrong(node.test_client(), name_of(number), environ_base=address)

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(one, range(times)))
        return door.directory.asked - asked

    return guess


def test_the_limit_of_a_name_holds_across_nodes_and_threads(each_app, guesses):
    door = each_app.extensions["door"]

    assert guesses(24, lambda _n: "ada.lovelace", lambda n: f"192.0.2.{n}") == door.tries


def test_the_limit_of_an_address_holds_across_nodes_and_threads(each_app, guesses):
    door = each_app.extensions["door"]

    assert guesses(24, lambda n: f"guess{n}", lambda _n: STRANGER) == door.tries_address


def test_capitals_and_blanks_are_no_way_around_the_limit(door, client, fake):
    for name in ("ada.lovelace", "ADA.lovelace ", " Ada.Lovelace"):
        try_wrong(client, name)

    asked = fake.asked
    assert "too many tries" in try_wrong(client, "aDa.lovelace")[1]
    assert fake.asked == asked


# Which names are there


@pytest.fixture
def demo_door(app, demo):
    """The app's door with the demo directory, which notes its binds, behind it."""
    settings = replace(app.extensions["settings"], ldap=demo.settings)
    app.extensions["door"] = make_door(settings)
    return app.extensions["door"]


def searches_and_binds(demo, monkeypatch, door, name):
    """What a sign-in with a wrong password asks of the directory, and the words of the answer."""
    asked = []
    search = demo.server.directory.search
    monkeypatch.setattr(demo.server.directory, "search", lambda *w: asked.append(w) or search(*w))
    binds = len(demo.binds)
    with pytest.raises(SignInRefused) as refusal:
        services.sign_in(door, name, "a wrong password", address=STRANGER)
    monkeypatch.undo()
    return len(asked), len(demo.binds) - binds, str(refusal.value), refusal.value.help_url


def test_a_name_that_is_there_and_one_that_is_not_ask_and_answer_alike(
    app, demo, demo_door, monkeypatch
):
    with suppress(SignInRefused):  # the service connection is open from now on
        services.sign_in(demo_door, "x", "y", address=PROXY)
    known, unknown, hostile, must_change = (
        searches_and_binds(demo, monkeypatch, demo_door, name)
        for name in ("avery.chen", "nobody.here", "*)(uid=*", "riley.okafor")
    )

    assert known == unknown == hostile == must_change
    assert known == (2, 1, "The name or password is wrong.", "")


def test_names_of_accounts_of_our_own_are_hashed_and_answered_alike(
    app, demo, demo_door, monkeypatch
):
    person = make_person("Casey Guest", directory_id="local-1")
    username = local.create(person, "casey").username
    local.choose_password(person.id, "four words for a test")
    unset = make_person("Not Yet", directory_id="local-2")
    waiting = local.create(unset, "notyet").username
    db.finish(keep=True)
    verify, hashed, told = PasswordHasher.verify, [], set()
    monkeypatch.setattr(PasswordHasher, "verify", lambda *words: hashed.append(1) or verify(*words))
    monkeypatch.setattr(PasswordHasher, "hash", lambda *_: pytest.fail("a second hash"))
    monkeypatch.setattr(local, "_nobodys", lambda: NOBODYS)
    binds = len(demo.binds)

    for name in (username, waiting, "c-nobody", f" {username.upper()} ", "C-"):
        before = len(hashed)
        with pytest.raises(SignInRefused) as refusal:
            services.sign_in(demo_door, name, "a wrong password", address=STRANGER)
        told.add((len(hashed) - before, str(refusal.value), refusal.value.help_url))

    assert told == {(1, "The name or password is wrong.", "")}
    assert len(demo.binds) == binds  # a name of ours never goes to the directory


NOBODYS = PasswordHasher().hash("nobody's")


def test_the_page_for_a_name_that_is_there_is_the_page_for_one_that_is_not(door, client):
    pages = []
    for name in ("ada.lovelace", "nobody.here1"):
        form = {"username": name, "password": "a wrong password"}
        answer = client.post("/people/sign-in", data=form)
        pages.append((answer.status_code, answer.text.replace(name, "NAME"), len(answer.headers)))

    assert pages[0] == pages[1]


# Cookies from before


def test_a_cookie_from_before_the_sign_in_is_worth_nothing_afterwards(app, door, client):
    client.get("/people/sign-in")
    planted = client.get_cookie("portal")
    client.post("/people/sign-in", data=FORM)

    thief = app.test_client()
    if planted:
        thief.set_cookie("portal", planted.value)
    assert thief.get("/learning/").status_code == 302
    assert client.get("/learning/").status_code == 200


def test_who_signs_in_with_the_cookie_of_another_gets_a_session_of_their_own(app, door, client):
    client.post("/people/sign-in", data=FORM)
    theirs = client.get_cookie("portal").value
    client.post("/people/sign-out")
    victim = app.test_client()
    victim.set_cookie("portal", theirs)
    victim.post("/people/sign-in", data=FORM)

    with db.reading() as session:
        assert len(session.scalars(select(Session.token_hash)).all()) == 1
    thief = app.test_client()
    thief.set_cookie("portal", theirs)
    assert thief.get("/learning/").status_code == 302
    assert victim.get_cookie("portal").value != theirs


def test_nobody_gets_to_the_second_step_without_the_first(app, door, client):
    answer = client.get("/people/second-step")
    assert answer.location == "/people/sign-in"
    with client.session_transaction() as planted:
        planted["second_step"] = ["", 0, "//evil.example"]
    assert client.get("/people/second-step").location == "/people/sign-in"


# Where one is led


@pytest.mark.parametrize(
    "written",
    [
        "%2F%2Fevil.example",
        "%252F%252Fevil.example",
        "/%0d%0aLocation:%20//evil.example",
        "/%09/evil.example",
        "/%5Cevil.example",
        "/.%2F%2Fevil.example",
        "/learning/%00",
        "java%0ascript:alert(1)",
        "data:text/html,x",
        "/\u2028/evil.example",
    ],
)
def test_an_encoded_address_leads_to_no_foreign_page(door, client, written):
    answer = client.post(f"/people/sign-in?next={quote(written, safe='%/:,')}", data=FORM)

    assert answer.status_code == 302
    assert re.match(r"/[^/\\]", answer.location), answer.location
    assert "\n" not in answer.location
    assert "evil.example" not in answer.headers.get("Set-Cookie", "")


# Headers that strangers send


def addresses(app, settings_of, headers, near=STRANGER):
    """The addresses that are counted after a wrong password that came with these headers."""
    app.extensions["door"] = make_door(settings_of)
    node = create_app(settings_of)
    node.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    node.test_client_class = Browser
    node.extensions["door"] = door = app.extensions["door"]
    with node.app_context():
        status, _words = try_wrong(
            node.test_client(), headers=headers, environ_base={"REMOTE_ADDR": near}
        )
        with db.reading() as session:
            counted = set(session.scalars(select(FailedSignIn.subject)))
    node.extensions["engine"].dispose()
    asked = (STRANGER, PROXY, "198.51.100.1", "198.51.100.2")
    return status, [each for each in asked if door.subject("address", each) in counted]


@pytest.fixture
def settings_with(app, demo):
    own = replace(app.extensions["settings"], ldap=demo.settings)
    return lambda proxies: replace(own, proxies=proxies)


FORWARDED = {"X-Forwarded-For": "198.51.100.1, 198.51.100.2"}


def test_without_a_proxy_nobody_can_say_to_come_from_elsewhere(app, settings_with):
    for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP"):
        found = addresses(app, settings_with(0), {name: "198.51.100.1"})
        assert found == (200, [STRANGER])


def test_behind_one_proxy_its_own_word_counts_and_no_other(app, settings_with):
    assert addresses(app, settings_with(1), FORWARDED, near=PROXY) == (200, ["198.51.100.2"])


@pytest.mark.parametrize("proxies", [0, 1])
def test_a_foreign_host_is_refused_whichever_header_says_it(app, settings_with, proxies):
    node = create_app(settings_with(proxies))
    browser = node.test_client()

    assert browser.get("/people/sign-in", headers={"Host": "evil.example"}).status_code == 400
    answer = browser.get(
        "/learning/",
        headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    )
    assert answer.status_code == (302 if proxies == 0 else 400)
    assert "evil" not in answer.headers.get("Location", "") + answer.text
    node.extensions["engine"].dispose()


# Answers that cross over


@pytest.mark.server
def test_nobody_gets_the_session_of_another(postgres_app, slapd):
    """The bench does it 1,200 times (`crossing`)."""
    app = postgres_app
    settings = replace(app.extensions["settings"], ldap=slapd.settings)
    door = replace(make_door(settings), tries_address=1000)
    names = [each.username for each in demo_people.everybody() if each.state == "active"]

    def sign_in_fifteen(offset):
        with app.app_context():
            for turn in range(15):
                name = names[(offset * 41 + turn * 7) % len(names)]
                found = services.sign_in(door, name, demo_people.PASSWORD, address=f"1.{offset}")
                there = services.find_session(door, found.token)
                yield name, found.username, there.username

    with ThreadPoolExecutor(8) as threads:
        for answers in threads.map(lambda offset: list(sign_in_fifteen(offset)), range(8)):
            assert len(answers) == 15
            assert all(name == found == there for name, found, there in answers)
