import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations import sealing
from portal.audit.models import AuditEntry
from portal.errors import Refused
from portal.people import kiosks, services
from portal.people.door import current_door
from portal.people.limits import SignInRefused
from portal.people.models import Kiosk, Session
from portal.people.services import identify
from tests.factories import make_attestation, make_hr, make_person

HERE = "192.0.2.1"


@pytest.fixture
def harper(app):
    return identify(make_hr())


def offer(harper):
    code = kiosks.offer("Parks yard tablet", "Parks yard", by=harper)
    db.finish(keep=True)
    return code


def set_up(harper):
    return kiosks.set_up(current_door(), offer(harper), address=HERE)


def the_kiosk():
    with db.reading() as session:
        return session.scalars(select(Kiosk)).one()


def enter(person, kiosk):
    with db.transaction():
        return services.open_session(person, kiosk=kiosk.id)


def test_a_code_makes_one_browser_a_shared_device_and_is_used_up(harper):
    code = offer(harper)

    token = kiosks.set_up(current_door(), f" {code[:4].lower()}-{code[4:]} ", address=HERE)

    with db.reading():
        assert kiosks.find(token).name == "Parks yard tablet"
    with pytest.raises(Refused, match="wrong or too old"):
        kiosks.set_up(current_door(), code, address=HERE)


def test_a_code_is_worth_nothing_after_a_quarter_of_an_hour(harper, clock):
    code = offer(harper)

    clock(db.utc_now() + timedelta(minutes=16))

    with pytest.raises(Refused, match="wrong or too old"):
        kiosks.set_up(current_door(), code, address=HERE)


def test_codes_cannot_be_guessed_by_trying(harper):
    offer(harper)

    for _ in range(8):
        with pytest.raises(Refused, match="wrong or too old"):
            kiosks.set_up(current_door(), "AAAAAAAA", address=HERE)

    with pytest.raises(SignInRefused, match="too many tries"):
        kiosks.set_up(current_door(), "AAAAAAAA", address=HERE)


def test_the_table_holds_neither_code_nor_token(harper):
    code = offer(harper)
    waiting = the_kiosk().code_hash
    token = kiosks.set_up(current_door(), code, address=HERE)

    assert waiting == services.digest(code) != code.encode()
    assert the_kiosk().code_hash is None
    assert the_kiosk().token_hash == services.digest(token)


def test_whoever_was_there_before_is_signed_out_when_the_next_signs_in(harper):
    set_up(harper)
    kiosk, sam, avery = the_kiosk(), make_person("Sam"), make_person("Avery")
    db.finish(keep=True)
    first = enter(sam, kiosk)

    second = enter(avery, kiosk)

    assert services.find_session(current_door(), first) is None
    found = services.find_session(current_door(), second)
    assert (found.full_name, found.is_kiosk) == ("Avery", True)


def test_after_three_minutes_of_nothing_the_session_is_over_and_elsewhere_it_is_not(harper, clock):
    set_up(harper)
    kiosk, sam = the_kiosk(), make_person("Sam")
    db.finish(keep=True)
    shared = enter(sam, kiosk)
    with db.transaction():
        own = services.open_session(sam)

    clock(db.utc_now() + timedelta(minutes=3, seconds=1))

    assert services.find_session(current_door(), shared) is None
    assert services.find_session(current_door(), own).is_kiosk is False


def test_ending_a_shared_device_signs_out_who_is_there(harper):
    token = set_up(harper)
    kiosk, sam = the_kiosk(), make_person("Sam")
    db.finish(keep=True)
    session = enter(sam, kiosk)

    with db.transaction():
        kiosks.end(kiosk.id, by=harper)

    assert services.find_session(current_door(), session) is None
    with db.reading():
        assert kiosks.find(token) is None


@pytest.fixture
def at_kiosk(app, harper, sign_in):
    """A browser that is a shared device, with somebody signed in."""

    def enter_there(person):
        token = set_up(harper)
        browser = sign_in(person)
        with db.transaction() as session:
            session.scalars(select(Session)).one().kiosk_id = the_kiosk().id
        browser.set_cookie("kiosk", token)
        return browser

    return enter_there


def test_pages_at_a_shared_device_leave_by_themselves_without_a_script(at_kiosk):
    browser = at_kiosk(make_person("Sam Whitehorse"))

    page = browser.get("/learning/")

    leave = '<meta http-equiv="refresh" content="185; url=/people/sign-in">'
    assert f"<noscript>{leave}</noscript>" in page.text
    assert "no-store" in page.headers["Cache-Control"]
    assert "after 3 minutes" in page.text
    assert "Sam" not in re.search(r"<title>(.*?)</title>", page.text, re.S)[1]


def test_the_next_person_does_not_get_the_last_ones_page(at_kiosk):
    browser = at_kiosk(make_person("Sam Whitehorse"))

    answer = browser.get("/people/sign-in?next=/learning/1/secret")

    assert answer.location == "/learning/"


def test_who_stays_at_a_shared_device_is_not_sent_away_and_with_nobody_there_each_page_leaves(
    at_kiosk,
):
    browser = at_kiosk(make_person("Sam Whitehorse"))

    there = browser.get("/learning/")
    browser.post("/people/sign-out")
    nobody = browser.get("/help")

    assert "Refresh" not in there.headers  # no script could stop it once the person says: I stay
    assert nobody.headers["Refresh"] == "185; url=/people/sign-in"
    assert "http-equiv" not in nobody.text


def test_signing_out_clears_what_the_browser_kept_and_it_stays_a_shared_device(at_kiosk):
    browser = at_kiosk(make_person("Sam Whitehorse"))

    answer = browser.post("/people/sign-out")

    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "Parks yard tablet" in browser.get("/people/sign-in").text


def test_the_receipt_at_a_shared_device_has_no_download(at_kiosk):
    attestation = make_attestation(person=make_person("Sam Whitehorse"))
    browser = at_kiosk(attestation.assignment.person)

    page = browser.get(f"/attestations/{attestation.assignment_id}/receipt").text

    assert "Download receipt" not in page
    assert "Sign out and hand over" in page


def test_ones_own_data_is_not_offered_at_a_shared_device_which_would_refuse_it(at_kiosk, sign_in):
    there = at_kiosk(make_person("Sam Whitehorse")).get("/retention/my-data").text
    elsewhere = sign_in(make_person("Avery Chen")).get("/retention/my-data").text

    assert "my-data.zip" not in there
    assert "on a device of your own" in there
    assert "my-data.zip" in elsewhere


def test_an_ordinary_browser_is_as_before(sign_in):
    browser = sign_in(make_person("Avery Chen"))

    page = browser.get("/learning/")
    answer = browser.post("/people/sign-out")

    assert "Refresh" not in page.headers
    assert "Clear-Site-Data" not in answer.headers


def test_hr_gets_a_code_once_and_the_device_takes_it(sign_in, client):
    browser = sign_in(make_hr())

    page = browser.post("/people/kiosks", data={"name": "Garage screen"}).text
    code = "".join(re.search(r"mono\">(\w{4}) (\w{4})<", page).groups())
    wrong = client.post("/people/kiosk", data={"code": "AAAA AAAA"}).text
    done = client.post("/people/kiosk", data={"code": code})

    assert "This code is wrong or too old." in wrong
    assert done.location == "/people/sign-in"
    assert "HttpOnly" in done.headers["Set-Cookie"]
    assert "Garage screen" in client.get("/people/sign-in").text
    assert code[:4] not in browser.get("/people/kiosks").text


def test_what_is_refused_at_a_shared_device_is_no_download_in_the_log(harper, sign_in):
    set_up(harper)
    ada = make_person("Ada Lovelace")
    attestation = make_attestation(person=ada)
    address = f"/attestations/{attestation.assignment_id}/receipt.pdf"
    db.finish(keep=True)
    sealing.do(str(attestation.id))

    refused = sign_in(ada, kiosk=the_kiosk().id).get(address)
    taken = sign_in(ada).get(address)

    assert (refused.status_code, taken.status_code) == (409, 200)
    with db.reading() as session:
        actions = session.scalars(select(AuditEntry.action)).all()
    assert actions.count("evidence.downloaded") == 1
