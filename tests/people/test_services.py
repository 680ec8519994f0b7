import json
import logging
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import func, select, update

from portal import db
from portal.audit.models import AuditEntry
from portal.config import Role
from portal.people import registering, services
from portal.people.directory import (
    AccountClosed,
    Misbehaving,
    MustChangePassword,
    Unreachable,
    WrongCredentials,
)
from portal.people.models import FailedSignIn, Person, Session
from portal.people.services import DirectoryUnavailable, SignInRefused
from tests.fakes import RIGHT
from tests.people.conftest import ADA

NOON = datetime(2026, 11, 21, 19, tzinfo=UTC)
HOME = "198.51.100.7"


def sign_in(door, username="ada.lovelace", password=RIGHT, address=HOME):
    return services.sign_in(door, username, password, address=address)


def refused(door, **knock):
    with pytest.raises(SignInRefused) as raised:
        sign_in(door, **knock)
    return raised.value


def register(door, entry):
    with db.transaction():
        person = registering.register(door, entry)
    return person


def count(model):
    with db.reading() as session:
        return session.scalar(select(func.count()).select_from(model))


def log_of(action):
    with db.reading() as session:
        entries = session.scalars(
            select(AuditEntry).filter_by(action=action).order_by(AuditEntry.position)
        )
        return [json.loads(entry.leaf) for entry in entries]


# Joiners and movers


def test_a_joiner_is_kept_with_what_the_directory_says(app, door):
    started, ends = date(2026, 11, 16), date(2027, 10, 29)
    person = register(
        door,
        replace(
            ADA,
            kind="contractor",
            sponsor="Avery Chen",
            started_on=started,
            ends_on=ends,
            is_manager=True,
            groups=frozenset({"portal-hr", "portal-custodians", "something-else"}),
        ),
    )

    assert (person.directory_id, person.full_name, person.email) == (
        ADA.id, "Ada Lovelace", "ada@city.example",
    )  # fmt: skip
    assert (person.sponsor, person.started_on, person.ends_on) == ("Avery Chen", started, ends)
    assert person.roles == ["hr", "learner"]
    assert person.audiences == ["contractor", "custodian", "manager"]
    (entry,) = log_of("person.roles_changed")
    assert entry["details"] == {"before": ["learner"], "after": ["hr", "learner"]}


def test_a_mover_with_a_new_name_and_place_stays_the_same_person(app, door):
    before = register(door, ADA)
    after = register(
        door,
        replace(
            ADA,
            dn="uid=ada.king,ou=other,dc=city",
            username="ada.king",
            full_name="Ada King",
            family_name="King",
            department="Finance",
            email="",
        ),
    )

    assert after.id == before.id
    assert (after.username, after.full_name) == ("ada.king", "Ada King")
    assert after.sort_name == "king, ada"
    assert (after.department, after.email) == ("Finance", "")
    assert count(Person) == 1


def test_two_people_of_one_name_and_mail_are_not_merged(app, door):
    first = register(door, ADA)
    second = register(door, replace(ADA, id="22222222-2222-4222-8222-222222222222"))

    assert first.id != second.id


def test_values_that_are_too_long_are_cut_not_refused(app, door):
    person = register(door, replace(ADA, full_name="A" * 999, job_title="J" * 999))

    assert (len(person.full_name), len(person.job_title)) == (200, 200)


def test_a_change_of_roles_ends_all_sessions_and_is_in_the_log(app, door, fake):
    first, second = sign_in(door), sign_in(door)
    assert count(Session) == 2

    fake.put(replace(ADA, groups=frozenset({"portal-authors"})))
    third = sign_in(door)

    assert services.find_session(door, first.token) is None
    assert services.find_session(door, second.token) is None
    assert services.find_session(door, third.token).roles == {Role.AUTHOR, Role.LEARNER}
    (entry,) = log_of("person.roles_changed")
    assert entry["details"] == {"before": ["learner"], "after": ["author", "learner"]}


def test_a_change_of_anything_else_ends_no_session(app, door):
    ada = sign_in(door)
    register(door, replace(ADA, department="Finance"))

    assert services.find_session(door, ada.token).department == "Finance"


@pytest.mark.parametrize(
    ("full_name", "family_name", "expected"),
    [
        ("Avery Chen", "Chen", "chen, avery"),
        ("Łukasz Nguyễn-O’Neill", "Nguyễn-O’Neill", "nguyen-o’neill, lukasz"),
        ("Sørine Ærø", "Ærø", "æro, sorine"),
        ("Prince", "Prince", "prince"),
        ("Prince", "", "prince"),
        ("Chen Avery", "Chen", "chen, chen avery"),
        ("E\u0301va É", "É", "e, eva"),
        ("", "", ""),
        ("x" * 300, "", "x" * 200),
    ],
)
def test_the_sort_name_is_family_first_without_case_and_accents(full_name, family_name, expected):
    assert registering.sort_name(full_name, family_name) == expected


# Signing in


def test_signing_in_opens_a_session_whose_token_is_not_in_the_database(app, door):
    ada = sign_in(door)

    with db.reading() as session:
        row = session.scalars(select(Session)).one()
    assert row.token_hash == sha256(ada.token.encode()).digest()
    for file in app.extensions["settings"].data_dir.glob("portal.sqlite3*"):
        assert ada.token.encode() not in file.read_bytes()
    assert len(ada.token) >= 43
    assert services.find_session(door, ada.token) == ada
    assert ada.token not in repr(ada)
    assert [entry["actor"] for entry in log_of("person.signed_in")] == [str(ada.id)]


@pytest.mark.parametrize(
    ("fault", "words", "has_help"),
    [
        (WrongCredentials("password"), "The name or password is wrong.", False),
        (WrongCredentials("no-entry"), "The name or password is wrong.", False),
        (WrongCredentials("locked"), "The name or password is wrong.", True),
        (MustChangePassword("773"), "must be changed", True),
        (AccountClosed("disabled"), "Contact IT", False),
    ],
)
def test_each_refusal_has_its_words_and_its_reason_in_the_log(
    app, door, fake, caplog, fault, words, has_help
):
    fake.fault = fault
    with caplog.at_level(logging.DEBUG):
        refusal = refused(door, password="hunter2-secret")

    assert words in str(refusal)
    assert bool(refusal.help_url) is has_help
    (entry,) = log_of("person.sign_in_failed")
    assert entry["details"] == {"reason": str(fault)}
    assert entry["actor"] is None
    for told in (json.dumps(entry), caplog.text):
        assert "ada" not in told
        assert "hunter2" not in told


@pytest.mark.parametrize("fault", [Unreachable("ldaps://a: Timeout"), Misbehaving("51 busy")])
def test_an_outage_has_a_reference_in_the_log_and_does_not_count(app, door, fake, caplog, fault):
    fake.fault = fault
    for _ in range(door.tries_address + 2):
        with pytest.raises(DirectoryUnavailable) as raised:
            sign_in(door)

    assert count(FailedSignIn) == 0
    assert f"{raised.value.reference}: {fault}" in caplog.text
    assert "ada" not in re.sub(
        r"directory [0-9a-f]{8}", "", caplog.text
    )  # a reference may be "ada"
    fake.fault = None
    assert sign_in(door).full_name == "Ada Lovelace"


def test_after_too_many_tries_with_a_name_the_right_password_waits_too(app, door, fake, clock):
    clock(NOON)
    for number in range(door.tries):
        refused(door, password="wrong", address=f"192.0.2.{number}")
    asked = fake.asked

    refusal = refused(door, username=" ADA.lovelace ", address="192.0.2.99")
    assert str(refusal) == "There were too many tries. Wait 15 minutes, then try again."
    assert refusal.help_url
    assert fake.asked == asked
    clock(NOON + timedelta(minutes=14, seconds=10))
    assert str(refused(door)) == "There were too many tries. Wait 1 minute, then try again."
    clock(NOON + timedelta(minutes=15, seconds=1))
    assert sign_in(door).username == "ada.lovelace"


def test_after_too_many_tries_an_address_waits_whatever_the_name(app, door):
    for number in range(door.tries_address):
        refused(door, username=f"guess{number}")

    assert "too many tries" in str(refused(door))
    assert sign_in(door, address="192.0.2.1").username == "ada.lovelace"


def test_success_clears_the_count_of_the_name_but_not_that_of_the_address(app, door):
    for _ in range(2):
        refused(door, password="wrong")
        refused(door, password="wrong")
        sign_in(door, address="192.0.2.1")

    assert count(FailedSignIn) == 4  # the address's
    refused(door, password="wrong")
    assert "too many" in str(refused(door))


def test_who_signs_in_rightly_does_not_use_up_the_address(app, door):
    for _ in range(door.tries_address + 2):
        sign_in(door)

    assert count(FailedSignIn) == 0


def test_names_and_addresses_are_never_stored_readable(app, door):
    refused(door, password="wrong")

    with db.reading() as session:
        subjects = session.scalars(select(FailedSignIn.subject)).all()
    assert len(subjects) == 2
    for subject in subjects:
        assert len(subject) == 32
        assert subject not in {sha256(x).digest() for x in (b"ada.lovelace", HOME.encode())}
        assert b"ada" not in subject


def test_confirming_the_password_counts_as_signing_in_does(app, door, fake):
    ada = sign_in(door)

    services.confirm_password(door, ada, RIGHT, address=HOME)
    for _ in range(door.tries):
        with pytest.raises(SignInRefused, match=r"^The password is wrong\. Type it again\.$"):
            services.confirm_password(door, ada, "wrong", address=HOME)
    with pytest.raises(SignInRefused, match="too many"):
        services.confirm_password(door, ada, RIGHT, address=HOME)


# Sessions


def test_a_session_ends_after_an_hour_without_activity(app, door, clock):
    clock(NOON)
    token = sign_in(door).token

    clock(NOON + timedelta(minutes=60))
    assert services.find_session(door, token)
    clock(NOON + timedelta(minutes=120))
    assert services.find_session(door, token)
    clock(NOON + timedelta(minutes=180, seconds=1))
    assert services.find_session(door, token) is None


def test_a_session_ends_after_twelve_hours_at_the_latest(app, door, clock):
    clock(NOON)
    token = sign_in(door).token

    for quarter in range(1, 49):
        clock(NOON + timedelta(minutes=15 * quarter))
        assert services.find_session(door, token)
    clock(NOON + timedelta(hours=12, seconds=1))
    assert services.find_session(door, token) is None


def test_a_session_is_over_after_signing_out(app, door):
    ada, elsewhere = sign_in(door), sign_in(door)
    with db.transaction():
        services.sign_out(ada)

    assert services.find_session(door, ada.token) is None
    assert services.find_session(door, elsewhere.token)
    assert len(log_of("person.signed_out")) == 1


@pytest.mark.parametrize("token", ["", "guess", "½", "a" * 5000, "' OR 1=1 --"])
def test_a_token_that_was_never_given_is_nobody(app, door, token):
    sign_in(door)

    assert services.find_session(door, token) is None


def an_hour_later(clock):
    """Past the hourly check, and active all the time."""
    clock(NOON + timedelta(minutes=61))
    with db.transaction() as session:
        session.execute(update(Session).values(last_seen_at=NOON + timedelta(minutes=60)))


@pytest.mark.parametrize("how", ["closed", "gone", "not in the group"])
def test_the_hourly_check_ends_the_session_of_a_closed_account(app, door, fake, clock, how):
    clock(NOON)
    token = sign_in(door).token
    if how == "closed":
        fake.put(replace(ADA, is_closed=True))
    elif how == "gone":
        fake.people.clear()
    else:
        fake.fault = AccountClosed("not-in-group")

    assert services.find_session(door, token)
    an_hour_later(clock)
    assert services.find_session(door, token) is None
    fake.fault = None
    fake.put(ADA)
    assert services.find_session(door, token) is None


@pytest.mark.parametrize("fault", [Unreachable("gone"), Misbehaving("busy")])
def test_a_session_lives_through_an_outage_of_the_directory(app, door, fake, clock, fault):
    clock(NOON)
    token = sign_in(door).token
    fake.fault = fault

    an_hour_later(clock)
    assert services.find_session(door, token)


def test_the_hourly_check_asks_once_and_brings_the_facts_up_to_date(app, door, fake, clock):
    clock(NOON)
    token = sign_in(door).token
    fake.put(replace(ADA, department="Finance"))
    asked = fake.asked

    an_hour_later(clock)
    services.find_session(door, token)
    assert services.find_session(door, token).department == "Finance"
    assert fake.asked == asked + 1


def test_the_hourly_check_ends_a_session_whose_roles_changed(app, door, fake, clock):
    clock(NOON)
    token = sign_in(door).token
    fake.put(replace(ADA, groups=frozenset({"portal-hr"})))

    an_hour_later(clock)
    assert services.find_session(door, token) is None


def test_looking_a_session_up_is_one_statement(app, door, count_statements):
    token = sign_in(door).token

    with count_statements() as statements:
        assert services.find_session(door, token)
    assert len(statements) == 1
    assert statements[0].startswith("SELECT")


def test_who_leads_people_is_a_manager_by_the_last_reading(app, door, fake):
    boss = register(door, ADA)
    assert boss.audiences == ["employee"]
    with db.transaction() as session:
        session.add(
            Person(directory_id="x", username="x", full_name="X", sort_name="x", manager_id=boss.id)
        )

    assert register(door, ADA).audiences == ["employee", "manager"]
