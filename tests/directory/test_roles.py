from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db, jobs
from portal.audit.models import AuditEntry
from portal.config import Role
from portal.directory import roles, syncing
from portal.directory.roles import EXPIRE
from portal.errors import NotFound, Refused
from portal.people import local, services
from portal.people.door import current_door
from portal.people.limits import SignInRefused
from portal.people.models import Person, RoleGrant, Sync
from portal.people.services import identify
from tests.factories import make_person
from tests.fakes import RIGHT
from tests.people.conftest import ADA

HERE = "198.51.100.7"


@pytest.fixture
def taylor(app, door):
    return identify(make_person("Taylor Bear", roles=["admin", "learner"]))


@pytest.fixture
def ada(app, door):
    syncing.run_now(door)
    return services.sign_in(door, "ada.lovelace", RIGHT, address=HERE)


def grant(taylor, **facts):
    days = facts.pop("days", 7)
    return roles.grant(
        "Ada.Lovelace",
        Role.HR,
        until=db.today() + timedelta(days=days),
        reason="Stands in for Harper.",
        by=taylor,
    )


def roles_of_ada():
    db.finish(keep=True)
    db.session.expire_all()
    return db.session.scalars(select(Person.roles).filter_by(directory_id=ADA.id)).one()


def test_a_role_given_here_counts_at_once_and_ends_older_sessions(app, door, ada, taylor):
    grant(taylor)

    assert roles_of_ada() == ["hr", "learner"]
    assert services.find_session(door, ada.token) is None


def test_a_role_given_here_survives_sign_in_and_the_next_reading(app, door, ada, taylor):
    grant(taylor)
    db.finish(keep=True)

    services.sign_in(door, "ada.lovelace", RIGHT, address=HERE)
    assert roles_of_ada() == ["hr", "learner"]
    db.finish(keep=True)
    assert "roles" not in syncing.run_now(door).counts
    assert roles_of_ada() == ["hr", "learner"]


def test_a_grant_ends_after_its_last_day(app, door, ada, taylor, clock):
    grant(taylor)
    db.finish(keep=True)
    clock(db.utc_now() + timedelta(days=7))
    jobs.run_once(EXPIRE)
    assert roles_of_ada() == ["hr", "learner"]

    clock(db.utc_now() + timedelta(days=1))
    db.finish(keep=True)
    jobs.run_once(EXPIRE)

    assert roles_of_ada() == ["learner"]


def test_an_ended_grant_takes_no_role_that_a_group_gives(app, door, fake, ada, taylor):
    fake.put(replace(ADA, groups=frozenset({"portal-hr"})))
    db.finish(keep=True)
    syncing.run_now(door)
    made = grant(taylor)

    roles.end_grant(made.id, by=taylor)

    assert roles_of_ada() == ["hr", "learner"]
    with pytest.raises(NotFound):
        roles.end_grant(made.id, by=taylor)


def test_grants_that_cannot_be_are_refused(app, ada, taylor):
    with pytest.raises(Refused, match="from today"):
        grant(taylor, days=-1)
    with pytest.raises(Refused, match="from today"):
        grant(taylor, days=400)
    with pytest.raises(Refused, match="to yourself"):
        roles.grant(taylor.username, Role.HR, until=db.today(), reason="x", by=taylor)
    with pytest.raises(Refused, match="Nobody who works here"):
        roles.grant("nobody", Role.HR, until=db.today(), reason="x", by=taylor)


def test_hr_lets_an_employee_invite_until_a_day_and_ends_it(app, door, ada, sign_in, clock):
    hr = make_person("Harper Singh", roles=["hr", "learner"])
    day = db.today() + timedelta(days=7)
    data = {"username": "ada.lovelace", "role": "sponsor", "until": day, "reason": "Runs the pool."}
    browser = sign_in(hr)
    contractors = browser.get("/contractors/").text
    shown = browser.get("/directory/roles").text

    told = browser.post("/directory/roles", data=data, follow_redirects=True).text

    person = db.session.scalars(select(Person).filter_by(directory_id=ADA.id)).one()
    assert 'href="/directory/roles"' in contractors
    assert 'value="sponsor"' in shown
    assert 'value="admin"' not in shown
    assert "Runs the pool." in told
    invites = sign_in(person)
    assert 'href="/contractors/"' in invites.get("/learning/").text
    assert "Invite somebody" in invites.get("/contractors/invite").text
    clock(db.utc_now() + timedelta(days=8))
    db.finish(keep=True)
    jobs.run_once(EXPIRE)
    assert sign_in(person).get("/contractors/invite").status_code == 404


def test_hr_gives_and_ends_no_role_but_that_of_sponsors(app, ada, taylor):
    hr = identify(make_person("Harper Singh", roles=["hr", "learner"]))
    made = grant(taylor)

    with pytest.raises(Refused, match="Ask an administrator"):
        roles.grant("ada.lovelace", Role.ADMIN, until=db.today(), reason="x", by=hr)
    with pytest.raises(NotFound):
        roles.end_grant(made.id, by=hr)
    assert roles.list_holders(current_door(), roles.may_give(hr)) == []
    sponsor = roles.grant("ada.lovelace", Role.SPONSOR, until=db.today(), reason="x", by=hr)
    (holder,) = roles.list_holders(current_door(), roles.may_give(hr))
    assert holder.grants == [sponsor]
    roles.end_grant(sponsor.id, by=hr)


def test_a_contractor_is_no_sponsor(app, door, taylor):
    make_person("Casey Novak", username="casey", kind="contractor")

    with pytest.raises(Refused, match="Only an employee"):
        roles.grant("casey", Role.SPONSOR, until=db.today(), reason="x", by=taylor)


def test_the_page_says_who_may_do_what_and_why(app, door, fake, taylor, sign_in):
    bo = "22222222-2222-4222-8222-222222222222"
    fake.put(replace(ADA, id=bo, username="bo", full_name="Bo Diddley",
                     groups=frozenset({"portal-hr"})))  # fmt: skip
    db.finish(keep=True)
    syncing.run_now(door)
    browser = sign_in(db.session.get(Person, taylor.id))
    day = db.today() + timedelta(days=3)

    blank = browser.post("/directory/roles", data={"username": "ada.lovelace", "reason": " "}).text
    page = browser.post(
        "/directory/roles",
        data={"username": "ada.lovelace", "role": "author", "until": day, "reason": "Holiday."},
        follow_redirects=True,
    ).text
    made = db.session.scalars(select(RoleGrant.id)).one()
    db.finish(keep=True)
    ended = browser.post(f"/directory/roles/{made}/end", follow_redirects=True).text

    assert "Write a reason" in blank
    assert 'value="ada.lovelace"' in blank
    assert "by the group portal-hr" in page
    assert "Holiday." in page
    assert "Ended" in ended


def test_the_readings_are_told_in_words_whatever_they_found(app, taylor, sign_in):
    browser = sign_in(db.session.get(Person, taylor.id))
    blank = browser.get("/directory/").text
    for counts in ({"joined": 1, "moved": 2}, {}):
        ended = db.utc_now()
        db.session.add(Sync(is_dry=False, ended_at=ended, people=9, counts=counts))
    db.finish(keep=True)

    page = browser.get("/directory/").text
    found = db.session.scalars(select(Sync)).all()
    one = next(each for each in found if each.counts)

    assert "was not read yet" in blank
    assert "1 joined, 2 moved<" in page
    assert "nothing changed<" in page
    assert "9 people read: 1 joined, 2 moved." in browser.get(f"/directory/syncs/{one.id}").text


def test_break_glass_makes_an_administrator_whose_use_is_an_alarm(app, door, caplog, clock):
    username, password = local.break_glass("Night shift", reason="The directory is gone.")
    db.finish(keep=True)

    somebody = services.sign_in(door, username, password, address=HERE)

    assert somebody.roles == {Role.ADMIN, Role.LEARNER}
    assert "break-glass account" in caplog.text
    assert password not in caplog.text
    actions = db.session.scalars(select(AuditEntry.action)).all()
    assert {"person.break_glass_made", "person.break_glass_used"} <= set(actions)

    db.finish(keep=True)
    clock(db.utc_now() + timedelta(days=3))
    with pytest.raises(SignInRefused, match="Contact IT"):
        services.sign_in(door, username, password, address=HERE)


def test_break_glass_works_from_the_command_line(app, door):
    result = app.test_cli_runner().invoke(
        args=["portal", "break-glass", "Night shift", "--reason", "The directory is gone."]
    )

    words = dict(line.split(maxsplit=1) for line in result.output.splitlines()[:2])
    assert services.sign_in(door, words["username"], words["password"], address=HERE)


def test_who_was_made_for_an_emergency_has_no_duty(app, door):
    from portal.campaigns import giving
    from tests.factories import make_campaign

    campaign = make_campaign()
    local.break_glass("Night shift", reason="x")

    assert giving.count_people(giving.in_audience(campaign)) == 0
    assert db.session.scalars(select(Person.kind)).all() == ["emergency"]


@pytest.mark.parametrize("days", [-1, roles.LONGEST_DAYS + 1])
def test_a_last_day_that_is_over_or_far_away_is_told_at_the_day(app, door, sign_in, days):
    make_person("Ada Lovelace", username="ada.lovelace")
    browser = sign_in(make_person("Taylor Bear", roles=["admin", "learner"]))
    until = db.today() + timedelta(days=days)
    asked = {"username": "ada.lovelace", "role": "hr", "until": until, "reason": "Leave"}

    page = browser.post("/directory/roles", data=asked).text

    assert '<a href="#until">Choose a last day from today to a year from now</a>' in page
