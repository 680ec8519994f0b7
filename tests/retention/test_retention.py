import io
import json
import zipfile
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, insert, select, update

from portal import db, jobs
from portal.attestations import sealing, verifying
from portal.attestations import services as attestations
from portal.attestations.models import Attestation, Disposal, Evidence
from portal.attestations.verifying import Outcome
from portal.campaigns import deciding, giving
from portal.contractors import contracts, invitations, scope
from portal.contractors import services as contractors
from portal.contractors.services import Guest
from portal.errors import NotFound, Refused
from portal.learning.models import Attempt
from portal.mail import services as mail
from portal.mail.models import Mail
from portal.people import local
from portal.people.models import LocalAccount, Person, Sync
from portal.people.registering import note_change
from portal.people.services import identify
from portal.reminders import services as reminders
from portal.reminders.lists import Late
from portal.reports import queries
from portal.reports import verifying as comparing
from portal.retention import lists, services
from portal.retention.disposing import DISPOSE, FORGET
from portal.team import services as team
from tests.factories import make_assignment, make_attestation, make_campaign, make_hr, make_person

DUE = date(2027, 1, 30)
SECRET = "Zyxomma Quandary"
FIRM = "Quokkaworks"


@pytest.fixture
def harper(app):
    return identify(make_hr())


@pytest.fixture
def on(clock):
    def set_to(day):
        clock(datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo("America/Edmonton")))

    set_to(date(2027, 1, 15))
    return set_to


def signed(name="Ada Lovelace", **facts):
    campaign = make_campaign(due_on=DUE)
    attestation = make_attestation(person=make_person(name), campaign=campaign, due_on=DUE, **facts)
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    db.session.expire_all()
    return attestation


def let_go(harper, today):
    made = lists.make_list(by=harper, today=today)
    lists.approve(made.id, word="DISPOSE", by=harper)
    carry_out(today)
    return made.id


def carry_out(today):
    """The worker does on this day what was approved."""
    db.finish(keep=True)
    with db.pretend(datetime.combine(today, time(18), tzinfo=UTC)):
        jobs.run_once(DISPOSE)
        jobs.run_once(FORGET)
    db.session.expire_all()


def test_without_a_period_nothing_is_ever_listed(app, on, harper):
    signed()

    assert services.count_past(date(2099, 1, 1)) == (0, 0)
    with pytest.raises(Refused, match="Nothing is past its period"):
        lists.make_list(by=harper, today=date(2099, 1, 1))


def test_a_period_counts_from_the_later_of_due_date_and_signature(app, on, harper):
    attestation = signed()
    services.set_period(attestation.assignment.campaign_id, 13, by=harper)
    attestation.assignment.signed_at = datetime(2027, 2, 10, 18, tzinfo=ZoneInfo("UTC"))
    db.session.flush()

    assert services.count_past(date(2028, 3, 10)) == (0, 0)
    assert services.count_past(date(2028, 3, 11)) == (1, 0)


def test_a_period_over_a_leap_day_ends_at_the_end_of_february(app, on, harper):
    duty = make_assignment(campaign=make_campaign(), due_on=date(2027, 2, 27))
    duty.campaign.closed_at = db.utc_now()
    db.session.flush()
    services.set_period(duty.campaign_id, 12, by=harper)

    assert services.count_past(date(2028, 2, 27)) == (0, 0)
    assert services.count_past(date(2028, 2, 29)) == (1, 0)


def test_what_is_held_is_not_listed(app, on, harper):
    attestation = signed()
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    username = attestation.assignment.person.username
    held = services.hold(campaign_id=None, username=username.upper(), reason="Grievance", by=harper)

    assert services.count_past(date(2028, 1, 1)) == (0, 1)

    services.end_hold(held.id, by=harper)
    assert services.count_past(date(2028, 1, 1)) == (1, 0)
    with pytest.raises(NotFound):
        services.end_hold(held.id, by=harper)


def test_a_hold_that_comes_after_the_approval_still_wins(app, on, harper):
    attestation = signed()
    campaign_id = attestation.assignment.campaign_id
    services.set_period(campaign_id, 1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))
    lists.approve(made.id, word="DISPOSE", by=harper)
    services.hold(campaign_id=campaign_id, username="", reason="Court", by=harper)

    carry_out(date(2028, 1, 1))

    assert db.session.scalars(select(Disposal)).all() == []
    assert lists.count_items(made.id).kept == 1
    assert DISPOSE.due(1) == []


def test_a_list_keeps_its_order_over_its_pages(app, on, harper, monkeypatch):
    monkeypatch.setattr(lists, "PER_PAGE", 2)
    campaign = make_campaign(due_on=DUE)
    for name in ("Grace Hopper", "Ada Lovelace", "Joan Clarke"):
        make_assignment(person=make_person(name), campaign=campaign, due_on=DUE)
    campaign.closed_at = db.utc_now()
    db.session.flush()
    services.set_period(campaign.id, 1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))

    pages = [
        [line.full_name for line in lists.list_items(made.id, page=page)] for page in (1, 2, 3)
    ]

    assert pages == [["Joan Clarke", "Grace Hopper", "Ada Lovelace"], ["Ada Lovelace"], []]


def test_a_list_is_approved_with_the_word_and_once(app, on, harper):
    attestation = signed()
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))

    with pytest.raises(Refused, match="Type DISPOSE"):
        lists.approve(made.id, word="yes", by=harper)
    lists.approve(made.id, word=" DISPOSE ", by=harper)
    with pytest.raises(Refused, match="approved already"):
        lists.approve(made.id, word="DISPOSE", by=harper)


def test_what_is_taken_off_stays(app, on, harper):
    attestation = signed()
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))
    lists.take_off(made.id, attestation.assignment_id, reason="Asked to keep.", by=harper)
    lists.approve(made.id, word="DISPOSE", by=harper)

    carry_out(date(2028, 1, 1))

    assert db.session.scalars(select(Evidence.sha256)).all() != []


def test_disposal_leaves_no_byte_of_what_it_removes_and_keeps_the_figures(
    app, on, harper, settings
):
    person = make_person(SECRET, left_on=date(2027, 3, 1))
    duty = make_assignment(person=person, campaign=make_campaign(due_on=DUE), done=True, due_on=DUE)
    attestations.refuse(duty.id, person=identify(person), comment=f"{SECRET} says no")
    deciding.give_time(duty, due_on=DUE + timedelta(days=1), reason=f"{SECRET} asks", by=harper)
    attestation = make_attestation(person=person)
    for each in db.session.scalars(select(Attestation)).all():
        db.finish(keep=True)
        sealing.do(str(each.id))
    db.session.expire_all()
    before = queries.total(queries.count_by_department(duty.campaign_id))
    services.set_period(duty.campaign_id, 1, by=harper)
    on(date(2028, 6, 1))

    let_go(harper, date(2028, 6, 1))

    after = queries.total(queries.count_by_department(duty.campaign_id))
    assert before == after
    assert db.session.get(Attestation, attestation.id).number == attestation.number
    assert SECRET.encode() not in all_that_is_kept(app, settings)


def test_the_log_and_the_facts_agree_after_a_disposal_and_not_without_a_tombstone(app, on, harper):
    first, second = signed("Ada Lovelace"), signed("Grace Hopper")
    services.set_period(first.assignment.campaign_id, 1, by=harper)

    let_go(harper, date(2028, 1, 1))
    assert comparing.compare_facts() == []

    db.session.execute(Evidence.__table__.delete().where(Evidence.attestation_id == second.id))
    assert any("gone from the facts" in line for line in comparing.compare_facts())


def test_anyone_with_the_number_or_a_copy_learns_that_the_record_existed(app, on, harper, client):
    attestation = signed()
    pdf = db.session.scalars(select(Evidence.pdf)).one()
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    number = attestation.number

    let_go(harper, date(2028, 1, 1))
    verdict = verifying.verify_upload(pdf)
    page = client.get(f"/attestations/verify/{number}").text

    assert verdict.outcome is Outcome.OURS
    assert verdict.number == number
    assert "The City removed its copy" in page


def test_a_worker_that_is_killed_leaves_each_duty_whole_or_let_go(app, on, harper, monkeypatch):
    attestation = signed()
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))
    lists.approve(made.id, word="DISPOSE", by=harper)
    db.finish(keep=True)
    from portal.retention import disposing

    def killed(_person_id):
        raise OSError("killed")

    monkeypatch.setattr(disposing, "_forget_person", killed)
    on(date(2028, 1, 1))
    with pytest.raises(OSError, match="killed"):
        DISPOSE.do(str(attestation.assignment_id))

    assert db.session.scalars(select(Evidence.sha256)).all() != []
    assert db.session.scalars(select(Disposal)).all() == []


def test_who_has_not_left_keeps_the_name(app, on, harper):
    attestation = signed("Still Here")
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    on(date(2028, 1, 2))

    let_go(harper, date(2028, 1, 2))

    assert attestation.assignment.person.full_name == "Still Here"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"reason": ""}, "Write a reason"),
        ({"reason": "x"}, "one of the two"),
        ({"reason": "x", "username": "nobody.here"}, "Nobody has this username"),
    ],
)
def test_a_hold_that_cannot_be_is_said_beside_the_field(app, sign_in, data, words):
    page = sign_in(make_hr()).post("/retention/holds/new", data=data).text

    assert words in page


def test_hr_sets_a_period_lists_and_approves_in_the_browser(app, on, sign_in):
    attestation = signed()
    campaign_id = attestation.assignment.campaign_id
    browser = sign_in(make_hr())

    wrong = browser.post(f"/retention/periods/{campaign_id}", data={"months": "5000"}).text
    browser.post(f"/retention/periods/{campaign_id}", data={"months": "1"})
    on(date(2027, 6, 1))
    browser = sign_in(make_hr())
    overview = browser.get("/retention/").text
    made = browser.post("/retention/lists").location
    refused = browser.post(made, data={"word": "yes"}).text
    browser.post(made, data={"word": "DISPOSE"})

    assert "Write a number from 1 to 1200" in wrong
    assert "1 duty is past its period." in overview
    assert "Type DISPOSE to approve." in refused
    assert "Approved" in browser.get(made).text


def write_list(on, day, *names):
    """A list to the manager, sent on that day; returns its id."""
    on(day)
    boss = make_person("Boss Bee")
    mail.queue_mail(
        "team-list",
        to=boss.id,
        address="boss@city.example",
        key=f"list:{boss.id}",
        language="en",
        full_name=boss.full_name,
        manager="",
        people=[Late(name, "Small campaign", DUE, has_mail=True) for name in names],
        link="/team/",
    )
    written = db.session.scalars(select(Mail).filter_by(person_id=boss.id)).one()
    written.sent_at = db.utc_now()
    db.session.flush()
    return written.id


def test_lists_to_managers_lose_their_words_when_a_duty_of_their_time_is_let_go(
    app, on, harper, sign_in
):
    attestation = signed("Ada Lovelace")  # works here still
    old = write_list(on, date(2027, 2, 12), "Ada Lovelace", "Grace Hopper")
    new = write_list(on, date(2027, 12, 20), "Grace Hopper")
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    on(date(2028, 1, 1))

    let_go(harper, date(2028, 1, 1))

    kept = db.session.get(Mail, old)
    assert kept.text == ""
    assert "2 people of your team have not signed" in kept.subject
    assert kept.sent_at is not None
    assert "Grace Hopper" in db.session.get(Mail, new).text
    assert "The words of this mail were let go" in sign_in(make_hr()).get(f"/mail/{old}").text


def test_a_list_that_was_let_go_is_not_sent_again(app, on, harper):
    emptied = db.session.get(Mail, write_list(on, date(2027, 2, 12), "Ada Lovelace"))
    emptied.text, emptied.sent_at, emptied.refused_at = "", None, db.utc_now()
    db.session.flush()

    with pytest.raises(Refused, match="words of this mail were let go"):
        mail.try_again(emptied, by=harper.id)


@pytest.mark.parametrize("what", ["person", "campaign"])
def test_a_list_that_names_what_is_held_keeps_its_words(app, on, harper, what):
    attestation = signed("Ada Lovelace")
    held = make_campaign(audience="nobody", title="Small campaign")
    grace = make_person("Grace Hopper")
    old = write_list(on, date(2027, 2, 12), "Grace Hopper")
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    by = {"campaign_id": held.id, "username": ""}
    if what == "person":
        by = {"campaign_id": None, "username": grace.username}
    services.hold(**by, reason="Court", by=harper)

    let_go(harper, date(2028, 1, 1))

    assert db.session.scalars(select(Disposal)).all() != []
    assert "Grace Hopper" in db.session.get(Mail, old).text


def test_who_is_let_go_is_named_in_no_mail_to_others(app, on, harper, settings):
    ann = make_person("Ann Lee", audiences=["employee", "manager"])
    duty = make_assignment(person=ann, campaign=make_campaign(due_on=DUE), due_on=DUE)
    deputy = make_person("Acting Manager", email="acting@city.example")
    team.delegate(identify(ann), username=deputy.username, until=date(2027, 5, 1), today=db.today())
    kept = write_list(on, date(2027, 12, 20), "Ann Lee", "Joann Lee", "Ann Leeson")
    ann.left_on, duty.campaign.closed_at = date(2027, 12, 21), db.utc_now()
    services.set_period(duty.campaign_id, 1, by=harper)
    on(date(2028, 1, 1))

    let_go(harper, date(2028, 1, 1))

    text = db.session.get(Mail, kept).text
    assert "- Removed person: Small campaign" in text
    assert "- Joann Lee: " in text
    assert "- Ann Leeson: " in text
    told = db.session.scalars(select(Mail).filter_by(name="deputy")).one()
    assert "Ann Lee" not in told.subject + told.text


def test_a_person_takes_along_how_they_were_reminded_and_who_stood_in(app, on, sign_in):
    ada = make_person("Ada Lovelace", email="ada@city.example", audiences=["employee", "manager"])
    make_assignment(person=ada)
    reminders.nudge(ada, by=make_hr().id, today=db.today())
    deputy = make_person("Acting Manager")
    team.delegate(identify(ada), username=deputy.username, until=db.today(), today=db.today())

    of_ada = sign_in(ada).get("/retention/my-data.zip")
    of_deputy = sign_in(deputy).get("/retention/my-data.zip")

    with zipfile.ZipFile(io.BytesIO(of_ada.data)) as archive:
        assert json.loads(archive.read("reminders.json"))[0]["kind"] == "nudge"
        assert len(json.loads(archive.read("delegations.json"))) == 1
    with zipfile.ZipFile(io.BytesIO(of_deputy.data)) as archive:
        assert json.loads(archive.read("reminders.json")) == []
        assert len(json.loads(archive.read("delegations.json"))) == 1


def test_a_person_takes_all_of_their_own_data_and_nobody_elses(app, on, sign_in):
    attestation = signed("Ada Lovelace")
    make_attestation(person=make_person("Grace Hopper"))
    browser = sign_in(attestation.assignment.person)

    answer = browser.get("/retention/my-data.zip")

    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.namelist()
        duties = json.loads(archive.read("duties.json"))
        everything = b"".join(archive.read(name) for name in names)
    assert "README.txt" in names
    assert len([name for name in names if name.startswith("records/")]) == 1
    assert duties[0]["answers"]
    assert b"Ada Lovelace" in everything
    assert b"Grace Hopper" not in everything


def test_a_period_that_grew_after_the_approval_still_wins(app, on, harper):
    attestation = signed()
    campaign_id = attestation.assignment.campaign_id
    services.set_period(campaign_id, 1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))
    lists.approve(made.id, word="DISPOSE", by=harper)
    services.set_period(campaign_id, 120, by=harper)

    carry_out(date(2028, 1, 1))

    assert db.session.scalars(select(Disposal)).all() == []
    assert lists.count_items(made.id).kept == 1


def test_a_duty_on_two_lists_is_let_go_once(app, on, harper):
    attestation = signed()
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    first = lists.make_list(by=harper, today=date(2028, 1, 1))
    second = lists.make_list(by=harper, today=date(2028, 1, 1))
    lists.approve(first.id, word="DISPOSE", by=harper)
    lists.approve(second.id, word="DISPOSE", by=harper)

    carry_out(date(2028, 1, 1))

    assert lists.count_items(first.id).done == lists.count_items(second.id).done == 1
    assert DISPOSE.due(1) == []


def test_what_is_still_owed_is_not_listed_until_its_campaign_is_closed(app, on, harper):
    duty = make_assignment(campaign=make_campaign(), due_on=DUE)
    services.set_period(duty.campaign_id, 1, by=harper)

    assert services.count_past(date(2028, 1, 1)) == (0, 0)

    duty.campaign.closed_at = db.utc_now()
    db.session.flush()
    assert services.count_past(date(2028, 1, 1)) == (1, 0)


@pytest.mark.parametrize("blank", ["", "   "])
def test_a_duty_is_kept_with_a_reason_that_is_more_than_blanks(app, on, sign_in, harper, blank):
    attestation = signed()
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))
    db.finish(keep=True)
    page = f"/retention/lists/{made.id}/{attestation.assignment_id}"

    answer = sign_in(make_hr()).post(page, data={"reason": blank})

    assert "Write a reason" in answer.text
    assert lists.count_items(made.id).kept == 0


def test_somebody_whose_name_is_gone_gets_no_new_duty(app, on, harper):
    attestation = signed("Gone Away")
    person = attestation.assignment.person
    person.left_on = date(2027, 3, 1)
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)

    let_go(harper, date(2028, 1, 1))
    again = make_campaign(due_on=date(2029, 1, 30))

    assert person.full_name == "Removed person"
    assert giving.count_people(giving.is_to_have(again) & (Person.id == person.id)) == 0


def test_old_mail_to_the_person_goes_with_the_duty(app, on, harper):
    attestation = signed()
    person = attestation.assignment.person
    for key, moment in (("old", datetime(2027, 1, 15, 18, tzinfo=UTC)), ("new", db.utc_now())):
        db.session.add(
            Mail(
                key=key,
                name="reminder",
                person_id=person.id,
                address="a@b.example",
                text=SECRET,
                language="en",
                subject="x",
                queued_at=moment if key == "old" else datetime(2027, 12, 24, 18, tzinfo=UTC),
            )
        )
    services.set_period(attestation.assignment.campaign_id, 1, by=harper)

    let_go(harper, date(2028, 1, 1))

    assert db.session.scalars(select(Mail.key)).all() == ["new"]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (delete(Disposal), "gone from the facts"),
        (update(Disposal).values(rule="forged"), "is not what the log says"),
        (update(Disposal).values(records=[]), "is not what the log says"),
        (insert(Disposal), "the log does not know it"),
    ],
)
def test_a_tombstone_that_is_gone_changed_or_forged_is_found(app, on, harper, harm, words):
    first, second = signed("Ada Lovelace"), signed("Grace Hopper")
    services.set_period(first.assignment.campaign_id, 1, by=harper)
    let_go(harper, date(2028, 1, 1))
    if harm.is_insert:
        harm = harm.values(
            assignment_id=second.assignment_id, rule="x", removed={}, records=[], by_id=harper.id
        )

    db.session.execute(harm)

    assert any(words in line for line in comparing.compare_facts())


def test_an_open_attempt_that_was_let_go_is_no_alarm(app, on, harper):
    duty = make_assignment(campaign=make_campaign(due_on=DUE), due_on=DUE)
    db.session.add(Attempt(assignment_id=duty.id, section="rules", number=1, questions=[]))
    duty.campaign.closed_at = db.utc_now()
    services.set_period(duty.campaign_id, 1, by=harper)

    let_go(harper, date(2028, 1, 1))

    assert comparing.compare_facts() == []


def test_of_a_contractor_who_left_nothing_stays_that_names_them(app, on, harper, settings):
    avery = make_person("Avery Chen", username="avery.chen")
    day = db.today()
    guest = Guest(SECRET, f"x@{FIRM}.example", FIRM, "Draws", day, day, avery.username)
    person = contractors.invite(guest, by=harper)
    invitations.send_link(person, by=harper)
    scope.decide(person_id=person.id, firm="", outcome=scope.OUT, reason=SECRET, by=harper)
    note_change(person.id, "department", SECRET, SECRET)
    line = ["joined", SECRET, "", FIRM]
    db.session.add(Sync(lines=[line, ["joined", "Somebody Else", "", ""]], ended_at=db.utc_now()))
    duty = make_assignment(person=person, campaign=make_campaign(due_on=DUE), due_on=DUE)
    person.left_on, duty.campaign.closed_at = day, db.utc_now()
    services.set_period(duty.campaign_id, 1, by=harper)

    let_go(harper, date(2028, 6, 1))

    assert person.full_name == "Removed person"
    assert db.session.scalars(select(Sync.lines)).one() == [["joined", "Somebody Else", "", ""]]
    data = all_that_is_kept(app, settings)
    for word in (SECRET, FIRM, "zyxomma"):
        assert word.encode() not in data


def guest_of(harper, *, name=SECRET, leaves=date(2027, 1, 31)):
    """Somebody who was invited, had no duty, and whose contract ends on this day."""
    avery = db.session.scalar(select(Person).filter_by(username="avery.chen"))
    sponsor = avery or make_person("Avery Chen", username="avery.chen")
    mail = f"x{name[:2]}@{FIRM}.example"
    guest = Guest(name, mail, FIRM, "Draws", db.today(), leaves, sponsor.username)
    person = contractors.invite(guest, by=harper)
    invitations.send_link(person, by=harper)
    db.session.flush()
    return person


def ended(person, on):
    on(person.ends_on + timedelta(days=1))
    db.finish(keep=True)
    jobs.run_once(contracts.ENDINGS)
    db.session.expire_all()


def test_an_invited_person_without_a_duty_comes_under_the_period_of_contracts(
    app, on, harper, settings
):
    person = guest_of(harper)
    assert services.count_past_people(date(2099, 1, 1)) == (0, 0)
    services.set_contract_period(12, by=harper)
    assert services.count_past_people(date(2099, 1, 1)) == (0, 0)  # the contract runs
    ended(person, on)

    assert services.count_past_people(date(2028, 2, 1)) == (0, 0)
    assert services.count_past_people(date(2028, 2, 2)) == (1, 0)
    assert services.count_past(date(2028, 2, 2)) == (0, 0)
    made = let_go(harper, date(2028, 2, 2))

    assert person.full_name == "Removed person"
    assert lists.count_items(made).done == 1
    assert FORGET.due(1) == []
    assert services.count_past_people(date(2099, 1, 1)) == (0, 0)
    data = all_that_is_kept(app, settings)
    for word in (SECRET, FIRM, "zyxomma"):
        assert word.encode() not in data


def test_who_has_a_duty_that_is_kept_is_kept_with_it(app, on, harper):
    person = guest_of(harper)
    duty = make_assignment(person=person, campaign=make_campaign(due_on=DUE), due_on=DUE)
    ended(person, on)
    services.set_contract_period(1, by=harper)

    assert services.count_past_people(date(2099, 1, 1)) == (0, 0)

    duty.campaign.closed_at, person.left_on = db.utc_now(), None
    services.set_period(duty.campaign_id, 1, by=harper)
    let_go(harper, date(2028, 1, 1))  # before they left: the name stays
    person.left_on = date(2028, 1, 2)
    db.session.flush()
    assert services.count_past_people(date(2099, 1, 1)) == (1, 0)


def test_emergency_accounts_stay_in_sight(app, on, harper):
    username, _password = local.break_glass("Pat Lee", reason="down")
    db.session.scalar(select(Person).filter_by(username=username)).left_on = date(2027, 1, 1)
    services.set_contract_period(1, by=harper)

    assert services.count_past_people(date(2099, 1, 1)) == (0, 0)


@pytest.mark.parametrize("how", ["held", "longer", "back"])
def test_an_invited_person_stays_when_after_the_approval_they_are(app, on, harper, how):
    person = guest_of(harper)
    ended(person, on)
    services.set_contract_period(1, by=harper)
    made = lists.make_list(by=harper, today=date(2028, 1, 1))
    lists.approve(made.id, word="DISPOSE", by=harper)
    if how == "held":
        services.hold(campaign_id=None, username=person.username, reason="Court", by=harper)
        assert services.count_past_people(date(2028, 1, 1)) == (0, 1)
    elif how == "longer":
        services.set_contract_period(None, by=harper)
    else:
        contracts.extend(person, ends_on=db.today(), by=harper)

    carry_out(date(2028, 1, 1))

    assert person.full_name == SECRET
    assert lists.count_items(made.id).kept == 1


def test_hr_sets_the_period_of_contracts_and_keeps_somebody_in_the_browser(
    app, on, harper, sign_in
):
    jo, al = guest_of(harper, name="Jo Kowal"), guest_of(harper, name="Al Vega")
    kept = jo.id
    ended(jo, on)
    browser = sign_in(make_hr())

    browser.post("/retention/periods/contracts", data={"months": "2"})
    on(date(2027, 6, 1))
    browser = sign_in(make_hr())
    overview = browser.get("/retention/").text
    made = browser.post("/retention/lists").location
    shown = browser.get(made).text
    asked = browser.get(f"{made}/{kept}").text
    browser.post(f"{made}/{kept}", data={"reason": "Comes back in fall."})
    browser.post(made, data={"word": "DISPOSE"})
    carry_out(date(2027, 6, 1))

    assert "2 invited people without a duty are past the period." in overview
    assert "2 months" in overview
    assert shown.index("Jo Kowal") < shown.index("Al Vega")
    assert "Jo Kowal, name and account" in asked
    assert "kept: Comes back in fall." in browser.get(made).text
    assert [jo.full_name, al.full_name] == ["Jo Kowal", "Removed person"]


def test_a_list_holds_duties_and_people_in_one_order(each_app):
    hr = identify(make_hr())
    campaign = make_campaign(due_on=DUE)
    duty = make_assignment(person=make_person("Bo Lee"), campaign=campaign, due_on=DUE)
    campaign.closed_at = db.utc_now()
    for name in ("Al Adams", "Cy Zane"):
        guest_of(hr, name=name, leaves=DUE).left_on = DUE
    services.set_period(campaign.id, 1, by=hr)
    services.set_contract_period(1, by=hr)
    made = lists.make_list(by=hr, today=date(2028, 1, 1))

    lines = lists.list_items(made.id, page=1)

    assert [line.full_name for line in lines] == ["Al Adams", "Bo Lee", "Cy Zane"]
    assert lists.get_item(made.id, duty.id) == lines[1]
    assert lists.count_items(made.id).total == 3
    with pytest.raises(NotFound):
        lists.get_item(made.id, campaign.id)


def all_that_is_kept(app, settings):
    """Every byte of the database, with nothing left of what was overwritten."""
    db.finish(keep=True)
    db.session.close()
    engine = app.extensions["engine"]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.connection.driver_connection.execute("VACUUM")
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (settings.data_dir / "portal.sqlite3").read_bytes()


def test_ones_own_data_holds_history_decisions_and_account_and_no_secret(app, on, harper, sign_in):
    avery = make_person("Avery Chen", username="avery.chen")
    day = db.today()
    guest = Guest("Jo Kowal", "jo@firm.example", FIRM, "Draws", day, day, avery.username)
    person = contractors.invite(guest, by=harper)
    invitations.send_link(person, by=harper)
    scope.decide(person_id=person.id, firm="", outcome=scope.OUT, reason="Own club.", by=harper)
    account = db.session.get(LocalAccount, person.id)
    account.password_hash = "$argon2id$secret"

    answer = sign_in(person).get("/retention/my-data.zip")

    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert "joined" in texts["history.json"]
    assert "Own club." in texts["scope.json"]
    assert "c-jo.kowal" in texts["account.json"]
    assert json.loads(texts["invitations.json"])
    assert not any(word in text for text in texts.values() for word in ("argon2", "token_hash"))
