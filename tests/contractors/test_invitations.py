from dataclasses import replace
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select, update

from portal import db, jobs
from portal.contractors import contracts, invitations, services
from portal.contractors.contracts import ENDINGS, WARNINGS
from portal.contractors.models import Invitation
from portal.contractors.services import Guest
from portal.documents import dates
from portal.errors import NotFound, Refused
from portal.jobs import Claim
from portal.mail.delivery import compose
from portal.mail.models import Mail
from portal.people import kiosks, local
from portal.people import services as people
from portal.people.door import current_door
from portal.people.limits import SignInRefused
from portal.people.models import LocalAccount, Person, Session
from portal.people.services import identify
from tests.factories import make_hr, make_person

WORDS = "gravel tuesday otter lamp"
HERE = "198.51.100.7"


@pytest.fixture
def avery(app):
    return make_person("Avery Chen", username="avery.chen", email="avery@city.example")


@pytest.fixture
def harper(app):
    return identify(make_hr())


@pytest.fixture
def guest(avery):
    today = db.today()
    return Guest(
        full_name="Jo Kowalczyk",
        email="jo@firm.example",
        firm="Prairie Builders",
        job_title="Site lead",
        started_on=today,
        ends_on=today + timedelta(days=90),
        sponsor="avery.chen",
    )


def the_token():
    """The token as the mail that goes out holds it."""
    mail = db.session.scalars(select(Mail).order_by(Mail.queued_at.desc())).first()
    text = compose(mail, db.settings()).get_body(("plain",)).get_content()
    db.finish(keep=True)
    return text.partition("/contractors/welcome/")[2].split()[0]


def invited(guest, harper):
    person = services.invite(guest, by=harper)
    invitations.send_link(person, by=harper)
    return person


def arrived(guest, harper):
    person = invited(guest, harper)
    invitations.accept(the_token(), WORDS)
    db.finish(keep=True)
    return person


def work(job):
    db.finish(keep=True)
    jobs.run_once(job)
    db.session.expire_all()


def sign_in(username, password):
    db.finish(keep=True)
    return people.sign_in(current_door(), username, password, address=HERE)


def test_who_is_invited_chooses_a_password_and_signs_in_with_the_username(app, guest, harper):
    person = arrived(guest, harper)

    assert person.username == "c-jo.kowalczyk"
    assert sign_in(" C-Jo.Kowalczyk ", WORDS).id == person.id
    with pytest.raises(SignInRefused, match="name or password is wrong"):
        sign_in("c-jo.kowalczyk", "something else entirely")
    with pytest.raises(SignInRefused, match="name or password is wrong"):
        sign_in("c-nobody", WORDS)


def test_two_people_of_one_name_get_two_usernames(app, guest, harper):
    first = services.invite(guest, by=harper)
    second = services.invite(replace(guest, email="", is_another=True), by=harper)

    assert (first.username, second.username) == ("c-jo.kowalczyk", "c-jo.kowalczyk2")


def test_no_table_holds_the_link(app, guest, harper, settings):
    invited(guest, harper)
    token = the_token()
    db.finish(keep=True)

    assert "[[link]]" in db.session.scalars(select(Mail.text)).one()
    db.finish(keep=True)
    for path in settings.data_dir.glob("portal.sqlite3*"):
        assert token.encode() not in path.read_bytes()


def test_a_link_works_once(app, guest, harper):
    invited(guest, harper)
    token = the_token()
    invitations.accept(token, WORDS)

    with pytest.raises(Refused, match="not good any more"):
        invitations.accept(token, "another good password here")


@pytest.mark.parametrize("how", ["expired", "revoked", "replaced", "tried", "ended", "left"])
def test_a_link_is_good_for_nothing_when(app, guest, harper, how):
    person = invited(guest, harper)
    token = the_token()
    if how == "expired":
        long_ago = db.utc_now() - timedelta(seconds=1)
        db.session.execute(update(Invitation).values(expires_at=long_ago))
    elif how == "revoked":
        invitations.end_links(person.id, by=harper)
    elif how == "replaced":
        invitations.print_link(person, by=harper)
    elif how == "tried":
        db.finish(keep=True)
        for _each in range(invitations.MOST_TRIES):
            invitations.count_try(token)
    elif how == "ended":
        person.ends_on = db.today() - timedelta(days=1)
        db.session.flush()
    else:
        contracts.end_contract(person, by=harper)

    assert invitations.find_invitation(token) is None


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("short", "at least 12"),
        ("passwordpassword", "common"),
        ("qwertyuiop12", "common"),
        ("jo kowalczyk", "common"),
        ("JoKowalczyk1", "common"),
        ("x" * 2000, "too long"),
    ],
)
def test_a_password_that_is_guessed_at_once_is_refused_and_the_link_stays_good(
    app, guest, harper, password, words
):
    invited(guest, harper)
    token = the_token()

    with pytest.raises(Refused, match=words):
        invitations.accept(token, password)

    assert invitations.find_invitation(token) is not None
    assert db.session.scalars(select(LocalAccount.password_hash)).one() == ""


def test_a_password_of_letters_alone_will_do(app, guest, harper):
    person = arrived(guest, harper)

    account = db.session.get(LocalAccount, person.id)
    assert account.password_hash.startswith("$argon2id$")
    assert WORDS not in account.password_hash


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"ends_on": -1}, "ends_on", "ended already"),
        ({"started_on": 100}, "ends_on", "before the first"),
        ({"ends_on": 1200}, "ends_on", "within three years"),
        ({"email": "nonsense"}, "email", "Write an email"),
        ({"email": "AVERY@city.example"}, "email", "City account"),
        ({"sponsor": "nobody"}, "sponsor", "employed"),
    ],
)
def test_an_invitation_that_cannot_be_is_refused(app, guest, harper, change, field, words):
    days = {
        name: db.today() + timedelta(days=value) if isinstance(value, int) else value
        for name, value in change.items()
    }

    assert words in services.why_not(replace(guest, **days), by=harper)[field]


def test_nobody_is_invited_twice_with_one_address(app, guest, harper):
    services.invite(guest, by=harper)

    with pytest.raises(Refused, match="invited already"):
        services.invite(guest, by=harper)


def test_the_account_ends_with_the_contract_and_the_session_with_it(app, guest, harper, clock):
    person = arrived(guest, harper)
    jo = sign_in("c-jo.kowalczyk", WORDS)
    work(ENDINGS)
    assert people.find_session(current_door(), jo.token)

    clock(db.utc_now() + timedelta(days=91))
    work(ENDINGS)

    assert db.session.get(Person, person.id).left_on == db.today()
    assert db.session.scalars(select(Session.person_id).filter_by(person_id=jo.id)).all() == []
    with pytest.raises(SignInRefused, match="contract ended"):
        sign_in("c-jo.kowalczyk", WORDS)


def test_even_before_the_worker_looks_nobody_signs_in_after_the_last_day(app, guest, harper, clock):
    arrived(guest, harper)
    clock(db.utc_now() + timedelta(days=91))

    with pytest.raises(SignInRefused, match="contract ended"):
        sign_in("c-jo.kowalczyk", WORDS)


def test_whose_contract_is_over_reads_since_when_and_whom_to_ask(
    app, client, guest, harper, avery, clock
):
    arrived(guest, harper)
    page = {"username": "c-jo.kowalczyk", "password": WORDS}
    clock(db.utc_now() + timedelta(days=93))
    work(ENDINGS)

    told = client.post("/people/sign-in", data=page).text
    avery.left_on = db.today()
    db.finish(keep=True)
    without_sponsor = client.post("/people/sign-in", data=page).text
    wrong = client.post("/people/sign-in", data=page | {"password": "not this one"}).text

    last_day = dates.day(guest.ends_on, "en")
    assert f"Your contract ended on {last_day}. Ask Avery Chen, your sponsor" in told
    assert f"Your contract ended on {last_day}. Ask HR." in without_sponsor
    assert "The name or password is wrong" in wrong
    assert "contract ended" not in wrong


def test_a_contract_that_was_ended_early_ended_on_that_day(app, guest, harper):
    person = arrived(guest, harper)
    contracts.end_contract(person, by=harper)

    with pytest.raises(SignInRefused, match=dates.day(db.today(), "en")):
        sign_in("c-jo.kowalczyk", WORDS)


def test_the_sponsor_is_told_once_before_the_end(app, guest, harper, avery, clock):
    invited(guest, harper)
    work(WARNINGS)
    assert db.session.scalars(select(Mail.name)).all() == ["invitation"]

    clock(db.utc_now() + timedelta(days=77))
    work(WARNINGS)
    work(WARNINGS)

    told = db.session.scalars(select(Mail).filter_by(name="contract-ends")).one()
    assert told.address == "avery@city.example"
    assert "Jo Kowalczyk" in told.subject


@pytest.mark.parametrize("how", ["address", "gone"])
def test_a_sponsor_whom_no_mail_reaches_stops_no_other_warning(
    app, guest, harper, avery, clock, how
):
    invited(guest, harper)
    if how == "address":
        avery.email = "n/a"
    else:
        avery.left_on = db.today()
    clock(db.utc_now() + timedelta(days=77))
    work(WARNINGS)

    assert db.session.scalars(select(Claim.failures).where(Claim.job == WARNINGS.name)).all() == [0]
    assert db.session.scalars(select(Mail).filter_by(name="contract-ends")).all() == []


def test_an_extended_contract_opens_the_account_again_with_all_its_history(app, guest, harper):
    person = arrived(guest, harper)
    contracts.end_contract(person, by=harper)
    with pytest.raises(SignInRefused):
        sign_in("c-jo.kowalczyk", WORDS)

    contracts.extend(person, ends_on=db.today() + timedelta(days=30), by=harper)

    assert sign_in("c-jo.kowalczyk", WORDS).id == person.id


def test_a_sponsor_sees_their_own_contractors_and_no_others(app, guest, harper, avery):
    person = services.invite(guest, by=harper)
    other = identify(make_person("Other Manager", audiences=["employee", "manager"]))

    (line,) = services.list_contractors(identify(avery), search="", page=1)
    assert line.person.id == person.id
    assert services.list_contractors(other, search="", page=1) == []
    with pytest.raises(NotFound):
        services.get_contractor(person.id, viewer=other)


def test_what_the_directory_keeps_is_changed_there(app, harper, avery):
    casey = make_person("Casey Novak", kind="contractor", sponsor_id=avery.id)

    with pytest.raises(Refused, match="directory keeps"):
        contracts.extend(casey, ends_on=db.today(), by=harper)
    casey.email = "casey@city.example"
    with pytest.raises(Refused, match="directory keeps"):
        invitations.send_link(casey, by=harper)
    assert db.session.scalars(select(Invitation.id)).all() == []


def test_a_manager_is_the_sponsor_of_those_whom_they_invite(app, guest, avery):
    boss = identify(make_person("Boss", audiences=["employee", "manager"]))

    assert "sponsor yourself" in services.why_not(guest, by=boss)["sponsor"]
    with pytest.raises(Refused, match="sponsor yourself"):
        services.invite(guest, by=boss)
    assert services.invite(replace(guest, sponsor=boss.username.upper()), by=boss)


def test_a_name_with_accents_keeps_its_letters_in_the_username(app, guest, harper):
    person = services.invite(replace(guest, full_name="Łukasz Nguyễn-O’Neill"), by=harper)

    assert person.username == "c-lukasz.nguyen-oneill"


def test_the_second_step_asks_for_a_code_that_counts_once(app, guest, harper):
    person = arrived(guest, harper)
    key = current_door().key
    secret, address = local.begin_second_step(person.id, key=key, issuer="Portal")
    assert "otpauth://totp/" in address
    for wrong in ("000000", "١٢٣٤٥٦", ""):
        with pytest.raises(Refused, match="code is wrong"):
            local.confirm_second_step(person.id, wrong, key=key)
    code = pyotp.TOTP(secret).at(db.utc_now() - timedelta(seconds=30))
    local.confirm_second_step(person.id, code, key=key)
    db.finish(keep=True)

    with pytest.raises(people.SecondStepNeeded):
        sign_in("c-jo.kowalczyk", WORDS)
    with pytest.raises(SignInRefused):
        people.second_step(current_door(), person.id, code, address=HERE)
    fresh = pyotp.TOTP(secret).at(db.utc_now())
    assert people.second_step(current_door(), person.id, fresh, address=HERE).id == person.id

    assert secret.encode() not in (db.settings().data_dir / "portal.sqlite3").read_bytes()


def test_a_new_invitation_begins_anew_without_the_second_step(app, guest, harper):
    person = arrived(guest, harper)
    key = current_door().key
    secret, _address = local.begin_second_step(person.id, key=key, issuer="Portal")
    local.confirm_second_step(person.id, pyotp.TOTP(secret).at(db.utc_now()), key=key)

    invitations.send_link(person, by=harper)
    invitations.accept(the_token(), "another walk along the river")

    assert sign_in("c-jo.kowalczyk", "another walk along the river").id == person.id


def test_codes_are_limited_as_passwords_are(app, guest, harper):
    person = arrived(guest, harper)
    key = current_door().key
    local.begin_second_step(person.id, key=key, issuer="Portal")
    db.finish(keep=True)
    for _each in range(current_door().tries):
        with pytest.raises(SignInRefused):
            people.second_step(current_door(), person.id, "123456", address=HERE)

    with pytest.raises(SignInRefused, match="too many tries"):
        people.second_step(current_door(), person.id, "123456", address=HERE)


def test_the_pages_invite_and_welcome(app, guest, avery, sign_in):
    browser = sign_in(make_hr())
    wrong = browser.post("/contractors/invite", data={"full_name": "Jo", "sponsor": "nobody"}).text
    form = {
        "full_name": guest.full_name,
        "email": guest.email,
        "firm": guest.firm,
        "job_title": guest.job_title,
        "started_on": guest.started_on.isoformat(),
        "ends_on": guest.ends_on.isoformat(),
        "sponsor": guest.sponsor,
    }
    page = browser.post("/contractors/invite", data=form, follow_redirects=True).text
    token = the_token()
    jo = app.test_client()
    welcome = jo.get(f"/contractors/welcome/{token}").text
    short = jo.post(f"/contractors/welcome/{token}", data={"password": "x"}).text
    tasks = jo.post(
        f"/contractors/welcome/{token}", data={"password": WORDS}, follow_redirects=True
    ).text
    again = jo.get(f"/contractors/welcome/{token}")

    assert "Write what they do" in wrong
    assert 'value="Jo"' in wrong
    assert "is on its way" in page
    assert "Welcome, Jo Kowalczyk" in welcome
    assert "c-jo.kowalczyk" in welcome
    assert "at least 12" in short
    assert "Your tasks" in tasks
    assert again.status_code == 410


def test_a_namesake_is_invited_only_after_a_tick(app, guest, harper, sign_in):
    jo = services.invite(replace(guest, email=""), by=harper)
    browser = sign_in(db.session.get(Person, harper.id))
    form = {
        "full_name": "jo kowalczyk",
        "email": "jo@firm.example",
        "firm": guest.firm,
        "job_title": guest.job_title,
        "started_on": guest.started_on.isoformat(),
        "ends_on": guest.ends_on.isoformat(),
        "sponsor": guest.sponsor,
    }

    page = browser.post("/contractors/invite", data=form).text
    done = browser.post(
        "/contractors/invite", data=form | {"is_another": "y"}, follow_redirects=True
    ).text

    assert f"Jo Kowalczyk was invited on {dates.day(db.today(), 'en')}" in page
    assert f'href="/contractors/{jo.id}"' in page
    assert 'name="is_another"' in page
    assert "is on its way" in done
    assert "c-jo.kowalczyk2" in done


@pytest.fixture
def letter(app, guest, harper, sign_in):
    """Harper's browser, the address of a letter that she prints, and its first look."""
    person = services.invite(replace(guest, email=""), by=harper)
    db.finish(keep=True)
    browser, where = sign_in(db.session.get(Person, harper.id)), f"/contractors/{person.id}/letter"
    return browser, where, browser.post(where, follow_redirects=True).text


def token_in(page):
    return page.partition("/contractors/welcome/")[2].split("<")[0].strip()


def test_a_letter_that_is_loaded_again_is_the_same_and_its_link_stays_good(letter):
    browser, where, first = letter

    again = browser.get(where).text

    assert token_in(first) == token_in(again) != ""
    assert invitations.find_invitation(token_in(first))
    assert "<svg" in again


def test_a_letter_shows_its_link_to_who_made_it_and_not_on_later_days(
    letter, avery, harper, sign_in
):
    browser, where, first = letter
    later = sign_in(db.session.get(Person, harper.id))

    for other in (sign_in(avery), later):
        page = other.get(where, follow_redirects=True).text
        assert "Is the letter lost? Print a new one" in page
        assert token_in(first) not in page
    assert token_in(first) not in browser.get(where.removesuffix("/letter")).text


def test_a_letter_whose_link_is_not_good_any_more_is_not_shown(letter):
    browser, where, first = letter
    browser.post(where.replace("letter", "revoke"))

    page = browser.get(where, follow_redirects=True).text

    assert "Is the letter lost? Print a new one" in page
    assert token_in(first) not in page


def test_a_letter_is_shown_at_the_address_of_its_person_alone(letter, guest, harper):
    browser, _where, first = letter
    other = services.invite(replace(guest, full_name="Al Other", email=""), by=harper)
    db.finish(keep=True)

    page = browser.get(f"/contractors/{other.id}/letter", follow_redirects=True).text

    assert token_in(first) not in page


def test_a_sponsor_who_leads_nobody_finds_the_way_from_the_tasks(
    app, guest, harper, avery, sign_in
):
    tasks = sign_in(avery)
    assert "/contractors/" not in tasks.get("/learning/").text

    invited(guest, harper)
    db.finish(keep=True)

    assert "/contractors/" in tasks.get("/learning/").text


def test_the_sponsor_ends_the_contract_and_the_session_ends(app, guest, harper, avery, sign_in):
    person = arrived(guest, harper)
    jo = sign_in(person)
    assert jo.get("/learning/").status_code == 200

    sign_in(avery).post(f"/contractors/{person.id}/end")

    assert jo.get("/learning/").status_code == 302


def test_the_account_page_changes_the_password_and_asks_for_a_code(app, guest, harper, sign_in):
    person = arrived(guest, harper)
    browser = sign_in(person)

    wrong = browser.post("/people/account", data={"old": "no no no", "new": WORDS}).text
    changed = browser.post(
        "/people/account",
        data={"old": WORDS, "new": "an entirely new sentence"},
        follow_redirects=True,
    ).text
    page = browser.post("/people/account/code/begin", follow_redirects=True).text
    secret = page.partition('break">')[2].partition("<")[0]
    bad = browser.post("/people/account/code", data={"code": "1"}).text
    on = browser.post(
        "/people/account/code",
        data={"code": pyotp.TOTP(secret).at(db.utc_now())},
        follow_redirects=True,
    ).text

    assert "The password is wrong. Type it again." in wrong
    assert "You have a new password" in changed
    assert "This code is wrong" in bad
    assert "we ask for a code" in on


def test_signing_in_with_a_code_in_the_browser(app, guest, harper, client):
    person = arrived(guest, harper)
    key = current_door().key
    secret, _address = local.begin_second_step(person.id, key=key, issuer="Portal")
    old = pyotp.TOTP(secret).at(db.utc_now() - timedelta(seconds=30))
    local.confirm_second_step(person.id, old, key=key)
    db.finish(keep=True)

    half = client.post("/people/sign-in", data={"username": person.username, "password": WORDS})
    nowhere = client.get("/learning/")
    wrong = client.post("/people/second-step", data={"code": "000000"}).text
    code = pyotp.TOTP(secret).at(db.utc_now())
    done = client.post("/people/second-step", data={"code": code}, follow_redirects=True).text

    assert half.location == "/people/second-step"
    assert nowhere.status_code == 302
    assert "wrong or used" in wrong
    assert "Your tasks" in done


def test_the_first_visit_at_a_shared_device_is_a_visit_at_a_shared_device(app, guest, harper):
    invited(guest, harper)
    token = the_token()
    code = kiosks.offer("Tablet", "", by=harper)
    db.finish(keep=True)
    tablet = app.test_client()
    tablet.post("/people/kiosk", data={"code": code})

    tablet.post(f"/contractors/welcome/{token}", data={"password": WORDS})

    assert db.session.scalars(select(Session.kiosk_id)).one() is not None
