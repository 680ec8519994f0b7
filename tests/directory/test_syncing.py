from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from portal import db, jobs
from portal.audit.models import AuditEntry
from portal.campaigns import leaves
from portal.campaigns.models import Decision, DutyDecision, Status
from portal.directory import syncing
from portal.directory.syncing import SYNC, WATCH
from portal.errors import Refused
from portal.people import services
from portal.people.directory import Misbehaving, Unreachable
from portal.people.models import Person, PersonChange, Session, Sync
from tests.factories import make_assignment, make_campaign, make_hr, make_person
from tests.fakes import RIGHT
from tests.people.conftest import ADA


def sync(door, **how):
    db.finish(keep=True)
    found = syncing.run_now(door, **how)
    db.session.expire_all()
    return found


def work(job):
    db.finish(keep=True)
    jobs.run_once(job)
    db.session.expire_all()


def crowd(fake, count):
    """So many people, on top of Ada; returns their ids."""
    ids = [str(uuid4()) for _each in range(count)]
    for number, each in enumerate(ids):
        name = f"Extra Person{number}"
        fake.put(replace(ADA, id=each, username=f"extra{number}", full_name=name, email=""))
    return ids


def person(entry=ADA):
    db.finish(keep=False)
    return db.session.scalar(select(Person).filter_by(directory_id=entry.id))


def history(of):
    return [(each.what, each.before, each.after) for each in syncing.list_changes(of.id)][::-1]


def test_joiners_and_movers_are_taken_over_with_a_dated_history(app, door, fake):
    boss = fake.put(replace(ADA, id=str(uuid4()), username="boss", full_name="The Boss"))
    assert sync(door).counts == {"joined": 2}

    fake.put(replace(ADA, department="Finance", manager_id=boss.id, kind="contractor"))
    second = sync(door)
    assert second.counts == {"moved": 2}
    assert person().sponsor_id == person(boss).id

    fake.put(replace(ADA, department="Finance", manager_id=boss.id))
    sync(door)
    assert history(person()) == [
        ("joined", "", ""),
        ("department", "Transit", "Finance"),
        ("kind", "employee", "contractor"),
        ("manager", "", "The Boss"),
        ("kind", "contractor", "employee"),
    ]
    assert sync(door).counts == {}


def test_who_is_disabled_has_left_at_once_and_is_signed_out(app, door, fake):
    sync(door)
    ada = services.sign_in(door, "ada.lovelace", RIGHT, address="198.51.100.7")

    fake.put(replace(ADA, is_closed=True))
    assert sync(door).counts == {"left": 1}

    assert person().left_on == db.today()
    assert services.find_session(door, ada.token) is None


def test_who_is_absent_has_left_after_two_readings_in_a_row(app, door, fake):
    crowd(fake, 10)
    sync(door)
    del fake.people[ADA.id]

    assert sync(door).counts == {"absent": 1}
    assert person().left_on is None
    assert sync(door).counts == {"left": 1}
    assert person().left_on == db.today()


def test_one_absence_is_forgotten_when_the_person_is_there_again(app, door, fake):
    crowd(fake, 10)
    sync(door)
    del fake.people[ADA.id]
    sync(door)
    fake.put(ADA)
    sync(door)
    del fake.people[ADA.id]

    assert sync(door).counts == {"absent": 1}


def test_a_leavers_duty_ends_and_comes_back_with_the_person(app, door, fake):
    sync(door)
    duty = make_assignment(person=person(), campaign=make_campaign())
    db.finish(keep=True)
    fake.put(replace(ADA, is_closed=True))
    sync(door)
    work(leaves.SETTLE)
    assert duty.status is Status.WAIVED
    work(leaves.SETTLE)

    fake.put(ADA)
    assert sync(door).counts == {"returned": 1}
    db.finish(keep=True)
    with db.transaction() as session:
        session.execute(jobs.Claim.__table__.delete())
    work(leaves.SETTLE)

    assert duty.status is Status.NOT_STARTED
    decisions = db.session.scalars(select(DutyDecision.decision).order_by(DutyDecision.at)).all()
    assert decisions == [Decision.LEFT, Decision.RETURNED]
    assert db.session.scalar(select(func.count(Person.id))) == 1
    assert leaves.SETTLE.due(5) == []


def test_somebody_who_signs_in_again_works_here_again(app, door, fake):
    sync(door)
    fake.put(replace(ADA, is_closed=True))
    sync(door)
    fake.put(ADA)

    services.sign_in(door, "ada.lovelace", RIGHT, address="198.51.100.7")

    assert person().left_on is None
    assert history(person())[-1][0] == "returned"


def test_a_closed_account_that_was_never_seen_gives_no_duty(app, door, fake):
    fake.put(replace(ADA, is_closed=True))

    assert sync(door).counts == {"closed": 1}
    assert person().left_on == db.today()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("nobody", "gave nobody"),
        ("few", "the last time"),
        ("leavers", "is not believed"),
        ("cut", "cut short"),
        ("away", "no answer"),
        ("twice", "comes twice"),
    ],
)
def test_a_reading_that_looks_wrong_changes_nothing(app, door, fake, monkeypatch, spoil, words):
    ids = crowd(fake, 99)
    sync(door)
    fake.put(replace(ADA, department="Finance"))
    if spoil == "nobody":
        fake.people.clear()
    elif spoil == "few":
        for each in ids[:11]:
            del fake.people[each]
    elif spoil == "leavers":
        for each in ids[:6]:
            fake.put(replace(fake.people[each], is_closed=True))
    elif spoil == "twice":
        fake.people["again"] = ADA
    else:
        fake.fault = Misbehaving("cut short") if spoil == "cut" else Unreachable("no answer")

    stopped = sync(door)

    assert words in stopped.stopped_because
    assert person().department == "Transit"
    gone = select(func.count(Person.id)).where(Person.left_on.is_not(None) | (Person.missed > 0))
    assert db.session.scalar(gone) == 0


def test_a_reading_smaller_than_the_setting_is_not_believed(app, door, fake):
    strict = replace(door, ldap=replace(door.ldap, sync_min_users=2))

    assert "asks for 2" in sync(strict).stopped_because
    assert person() is None


def test_force_believes_numbers_but_never_an_answer_that_was_cut(app, door, fake):
    ids = crowd(fake, 99)
    sync(door)
    for each in ids[:30]:
        fake.put(replace(fake.people[each], is_closed=True))
    assert sync(door, force=True).counts == {"left": 30}

    fake.fault = Misbehaving("cut short")
    assert sync(door, force=True).stopped_because == "cut short"


def test_a_dry_run_says_what_would_change_and_changes_nothing(app, door, fake):
    found = sync(door, dry=True)

    assert found.lines == [["joined", "Ada Lovelace", "", "Transit"]]
    assert person() is None
    assert db.session.scalars(select(PersonChange.what)).all() == []


def test_service_accounts_are_filtered_and_named_in_the_report(app, door, fake):
    fake.put(replace(ADA, id=str(uuid4()), username="svc-backup", full_name="Backup"))

    found = sync(door)

    assert found.counts == {"joined": 1, "filtered": 1}
    assert ["filtered", "svc-backup", "", ADA.dn] in found.lines


@pytest.mark.parametrize("none", ["n/a", "a@b.example, c@d.example"])
def test_an_address_that_is_none_counts_as_no_email_and_the_report_says_it(app, door, fake, none):
    sync(door)
    fake.put(replace(ADA, email=none))

    found = sync(door)

    assert person().email == ""
    assert found.counts == {"unmailable": 1}
    assert found.lines == [["unmailable", "Ada Lovelace", "", none]]


def test_a_role_that_a_group_gives_or_takes_ends_the_sessions(app, door, fake):
    sync(door)
    ada = services.sign_in(door, "ada.lovelace", RIGHT, address="198.51.100.7")
    fake.put(replace(ADA, groups=frozenset({"portal-hr"})))

    found = sync(door)

    assert found.lines == [["roles", "Ada Lovelace", "learner", "hr, learner"]]
    assert person().roles == ["hr", "learner"]
    assert services.find_session(door, ada.token) is None


def test_only_one_reading_runs_at_a_time(app, door):
    with db.transaction():
        syncing.ask(dry=False, force=False, by=None)

    with pytest.raises(Refused, match="read already"):
        sync(door)


def test_the_worker_does_what_was_asked_for_and_one_reading_a_night(app, door, clock):
    work(SYNC)
    assert person() is not None
    assert SYNC.due(5) == []

    clock(db.utc_now() + timedelta(days=1))
    work(SYNC)

    assert db.session.scalar(select(func.count(Sync.id))) == 2
    assert SYNC.due(5) == []


def test_a_session_ends_within_a_minute_of_the_account(app, door, fake, clock):
    sync(door)
    ada = services.sign_in(door, "ada.lovelace", RIGHT, address="198.51.100.7")
    work(WATCH)
    assert services.find_session(door, ada.token)

    fake.put(replace(ADA, is_closed=True))
    clock(db.utc_now() + timedelta(seconds=31))
    work(WATCH)

    assert services.find_session(door, ada.token) is None
    assert person().left_on == db.today()


def test_sessions_live_on_while_the_directory_is_away(app, door, fake, clock):
    sync(door)
    ada = services.sign_in(door, "ada.lovelace", RIGHT, address="198.51.100.7")
    fake.fault = Unreachable("no answer")

    work(WATCH)

    assert services.find_session(door, ada.token)
    assert db.session.scalar(select(func.count()).select_from(Session)) == 1


def test_every_joiner_leaver_and_reading_is_in_the_log(app, door, fake):
    sync(door)
    fake.put(replace(ADA, is_closed=True))
    sync(door)
    fake.put(ADA)
    sync(door)

    actions = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.position)).all()
    assert [each for each in actions if each.startswith("person")] == [
        "person.joined",
        "person.left",
        "person.returned",
    ]
    assert actions.count("sync.ended") == 3


def test_people_of_our_own_and_removed_ones_are_left_alone(app, door):
    gone = make_person("Removed person", directory_id="removed-1", left_on=date(2026, 1, 1))
    db.finish(keep=True)

    assert sync(door).counts == {"joined": 1}
    assert gone.left_on == date(2026, 1, 1)


def test_hr_who_is_no_admin_finds_no_button(app, door, sign_in):
    assert sign_in(make_hr()).post("/people/syncs").status_code == 404


def test_an_ou_that_was_always_empty_stops_no_reading_and_one_that_empties_does(app, door, fake):
    bases = ("ou=people,dc=city", "ou=contractors,dc=city")
    ours = replace(door, ldap=replace(door.ldap, user_bases=bases))
    assert sync(ours).counts == {"joined": 1}
    jo = replace(ADA, id=str(uuid4()), username="jo", dn="uid=jo,ou=contractors,dc=city")
    fake.put(jo)
    assert sync(ours).counts == {"joined": 1}

    del fake.people[jo.id]

    assert "nobody below ou=contractors" in sync(ours).stopped_because
    assert sync(ours, force=True).counts == {"absent": 1}


def test_a_sponsor_is_known_as_one_and_finds_the_contractors_page(app, door, fake, sign_in):
    boss = fake.put(replace(ADA, id=str(uuid4()), username="boss", full_name="The Boss"))
    fake.put(replace(ADA, kind="contractor", manager_id=boss.id))
    sync(door)

    assert person(boss).audiences == ["employee", "sponsor"]
    assert "/contractors/" in sign_in(person(boss)).get("/learning/").text
    db.finish(keep=True)
    services.sign_in(door, "boss", RIGHT, address="198.51.100.7")
    assert person(boss).audiences == ["employee", "sponsor"]


def test_a_change_and_its_history_are_written_together(app, door, fake, monkeypatch):
    sync(door)
    fake.put(replace(ADA, department="Finance"))

    record_many = syncing.audit.record_many

    def killed(action, **details):
        if action == "person.moved":
            raise OSError("killed")
        return record_many(action, **details)

    monkeypatch.setattr(syncing.audit, "record_many", killed)
    with pytest.raises(OSError, match="killed"):
        sync(door)
    assert person().department == "Transit"
    monkeypatch.undo()
    db.finish(keep=True)
    (waiting,) = SYNC.due(1)
    jobs.give_back("sync", waiting)
    work(SYNC)

    assert history(person())[-1] == ("department", "Transit", "Finance")
