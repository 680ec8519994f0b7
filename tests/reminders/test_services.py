from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import func, select

from portal import db, jobs
from portal.attestations import services as attestations
from portal.campaigns import leaves
from portal.campaigns.giving import FILL
from portal.campaigns.models import Status
from portal.jobs import Claim
from portal.mail.models import Mail
from portal.people.services import identify
from portal.reminders import lists, services
from portal.reminders.models import Reminder
from portal.reminders.services import REMIND
from portal.team import services as team
from tests.factories import (
    make_assignment,
    make_attestation,
    make_campaign,
    make_hr,
    make_person,
)

PLAN = {"before": [14, 7, 1], "after_every": 7, "at_most": 4, "escalate_after": 10}
TUESDAY = date(2026, 12, 1)
EDMONTON = ZoneInfo("America/Edmonton")


@pytest.fixture
def on(clock):
    """Sets the day, at nine in the morning in the City."""

    def set_to(day, hour=9):
        clock(datetime(day.year, day.month, day.day, hour, tzinfo=EDMONTON))

    set_to(TUESDAY)
    return set_to


def remind(day=TUESDAY):
    db.finish(keep=True)
    run = services.remind(day)
    db.session.expire_all()
    return run


def a_campaign(**facts):
    campaign = make_campaign(**facts)
    campaign.reminders = PLAN
    db.session.flush()
    return campaign


def owes(campaign, *, days=14, **person):
    person.setdefault("email", f"p{len(person)}{days}@city.example")
    return make_assignment(
        person=make_person(**person), campaign=campaign, due_on=TUESDAY + timedelta(days=days)
    )


def mails(name=None):
    with db.reading() as session:
        found = session.scalars(select(Mail).order_by(Mail.address)).all()
    return [mail for mail in found if name in {None, mail.name}]


def test_who_has_something_due_gets_one_mail_with_the_day(each_app, on):
    campaign = a_campaign()
    owes(campaign, full_name="Ada Lovelace", email="ada@city.example")
    owes(campaign, days=13, email="other@city.example")

    run = remind()

    assert (run.reminded, run.without_mail) == (1, 0)
    assert [mail.address for mail in mails()] == ["ada@city.example"]
    assert "December 15, 2026" in mails()[0].text
    assert mails()[0].event["due_on"] == "2026-12-15"


def test_a_day_that_was_looked_through_is_not_again(app, on):
    owes(a_campaign())

    remind()
    remind()

    assert len(mails()) == 1


def test_however_many_duties_there_is_one_message(app, on):
    person = make_person(email="ada@city.example")
    for _ in range(2):
        make_assignment(person=person, campaign=a_campaign(), due_on=TUESDAY + timedelta(days=14))

    run = remind()

    assert run.reminded == 1
    assert mails()[0].text.count("\n- ") == 2


@pytest.mark.parametrize("status", [Status.SIGNED, Status.WAIVED])
def test_who_has_finished_or_is_released_gets_none(app, on, status):
    duty = owes(a_campaign())
    duty.status = status

    assert remind().reminded == 0


def test_who_is_on_leave_gets_none(app, on):
    duty = owes(a_campaign())
    leaves.begin_leave(
        duty.person_id,
        begins_on=TUESDAY,
        ends_on=None,
        reason="Away",
        by=identify(make_hr()),
    )

    assert remind().reminded == 0


def test_who_signs_between_the_list_and_the_mail_gets_none(app, on, settings, monkeypatch):
    duty = owes(a_campaign())
    real = services._remind

    def sign_first(people, *rest):
        db.session.get_one(type(duty), duty.id).status = Status.SIGNED
        db.session.flush()
        real(people, *rest)

    monkeypatch.setattr(services, "_remind", sign_first)

    assert remind().reminded == 0
    assert mails() == []


def test_a_closed_campaign_and_a_draft_remind_nobody(app, on):
    closed, draft = a_campaign(), a_campaign()
    owes(closed)
    owes(draft)
    closed.closed_at, draft.launched_at = db.utc_now(), None

    assert remind().reminded == 0


def test_at_most_so_many_reminders_in_all(app, on):
    duty = owes(a_campaign(), days=-7)
    duty.reminded = 4

    assert remind().reminded == 0


def test_who_has_no_work_email_is_on_the_managers_list(app, on):
    manager = make_person("Morgan Dubois", email="morgan@city.example")
    owes(a_campaign(), full_name="Sam Whitehorse", email="", manager_id=manager.id)

    run = remind()

    assert (run.reminded, run.without_mail, run.lists) == (1, 1, 1)
    assert [mail.name for mail in mails()] == ["team-list"]
    assert "Sam Whitehorse" in mails()[0].text
    assert "(no work email)" in mails()[0].text


@pytest.mark.parametrize("none", ["n/a", "not known", "a@b.example, c@d.example"])
def test_an_address_that_is_none_stops_nobodys_reminder_and_counts_as_no_email(app, on, none):
    manager = make_person("Morgan Dubois", email="morgan@city.example")
    campaign = a_campaign()
    owes(campaign, full_name="Ada Lovelace", email="ada@city.example")
    owes(campaign, full_name="Bea Bad", email=none, manager_id=manager.id)

    run = remind()

    assert (run.reminded, run.without_mail, run.lists) == (2, 1, 1)
    assert [mail.address for mail in mails()] == ["ada@city.example", "morgan@city.example"]
    assert "Bea Bad" in mails("team-list")[0].text
    assert "(no work email)" in mails("team-list")[0].text


def test_a_managers_address_that_is_none_stops_no_other_list(app, on):
    campaign = a_campaign()
    for name, address in (("Al Bad", "n/a"), ("Morgan Dubois", "morgan@city.example")):
        boss = make_person(name, email=address)
        owes(campaign, full_name=f"Crew of {name}", email="", manager_id=boss.id)

    run = remind()

    assert (run.without_mail, run.lists) == (2, 1)
    assert [mail.address for mail in mails()] == ["morgan@city.example"]
    assert [each.full_name for each in lists.list_managers_without_mail()] == ["Al Bad"]


def test_words_that_fail_for_one_person_stop_nobody_elses_mail(app, on, monkeypatch):
    """A translation may ask for a word that it is not given."""
    real = services.mail.write

    def write(name, **words):
        if words["full_name"].startswith("Bad"):
            raise KeyError("nom")
        return real(name, **words)

    campaign = a_campaign()
    for each in ("Bad Boss", "Morgan Dubois"):
        manager = boss(each)
        for name in ("Bad", "Good"):
            full_name, address = f"{name} Of {each}", f"{name}@city.example"
            owes(campaign, full_name=full_name, email=address, manager_id=manager.id)
    monkeypatch.setattr(services.mail, "write", write)

    run = remind()

    assert (run.reminded, run.without_mail, run.lists) == (4, 2, 1)
    told = [(mail.name, mail.address) for mail in mails()]
    assert told == [
        ("reminder", "Good@city.example"),
        ("reminder", "Good@city.example"),
        ("team-list", "morgan@city.example"),
    ]
    assert "Bad Of Morgan Dubois" in mails("team-list")[0].text


def boss(name, **facts):
    facts.setdefault("email", f"{name.partition(' ')[0].lower()}@city.example")
    return make_person(name, **facts)


def test_the_list_of_a_manager_who_has_left_goes_to_the_next_above_who_works_here(each_app, on):
    top = boss("Top Person")
    middle = boss("Middle Person", manager_id=top.id, left_on=date(2026, 10, 1))
    gone = boss("Gone Person", manager_id=middle.id, left_on=date(2026, 11, 1))
    campaign = a_campaign()
    owes(campaign, full_name="Ada Late", days=-14, email="ada@city.example", manager_id=gone.id)
    owes(campaign, full_name="Sam Outside", email="", manager_id=middle.id)
    owes(campaign, full_name="Own Report", email="", manager_id=top.id)

    run = remind()

    assert run.lists == 1
    told = mails("team-list")[0]
    assert [mail.address for mail in mails("team-list")] == ["top@city.example"]
    for name in ("Ada Late", "Sam Outside", "Own Report"):
        assert name in told.text


def test_who_has_nobody_above_is_named_to_hr_and_to_no_mail(app, on, sign_in):
    one, other = boss("One Gone", left_on=date(2026, 11, 1)), boss("Other Gone")
    one.manager_id, other.manager_id, other.left_on = other.id, one.id, date(2026, 11, 1)  # a loop
    campaign = a_campaign()
    late = owes(campaign, full_name="Ada Late", days=-14, manager_id=one.id)
    owes(campaign, full_name="No Boss", email="")
    owes(campaign, full_name="Bad Address", email="n/a")
    owes(campaign, full_name="Not Late", email="not@city.example")
    hr = sign_in(make_hr())

    run = remind()

    assert (run.lists, mails("team-list")) == (0, [])
    db.session.refresh(late)
    assert late.escalated_on is None
    page = hr.get("/reminders/").text
    assert "No list reaches 3 people" in page
    crew = hr.get("/team/unreached").text
    for name in ("Ada Late", "No Boss", "Bad Address"):
        assert name in crew
    assert "Not Late" not in crew


def test_a_manager_without_email_prints_also_for_one_who_has_left(each_app, on):
    campaign = a_campaign()
    top = boss("Top Person", email="")
    gone = boss("Gone Person", manager_id=top.id, left_on=date(2026, 11, 1))
    owes(campaign, full_name="Sam Outside", email="", manager_id=gone.id)

    remind()

    assert [each.full_name for each in lists.list_managers_without_mail()] == ["Top Person"]
    assert lists.count_unreached(TUESDAY) == 0


@pytest.mark.parametrize("address", ["morgan@city.example", "", "n/a"])
def test_who_stands_in_for_a_manager_gets_the_list_too(each_app, on, address):
    morgan, deputy = boss("Morgan Dubois", email=address), boss("Acting Manager")
    team.delegate(identify(morgan), username=deputy.username, until=TUESDAY, today=TUESDAY)
    late = owes(a_campaign(), full_name="Ada Late", days=-14, manager_id=morgan.id)
    owes(late.campaign, full_name="Team Two", days=-14, manager_id=deputy.id)

    run = remind()

    texts = [mail.text for mail in mails("team-list") if "Ada Late" in mail.text]
    assert len(texts) == (2 if "@" in address else 1)
    assert any("you stand in for Morgan Dubois" in text for text in texts)
    assert run.lists == 2
    db.session.refresh(late)
    assert late.escalated_on == TUESDAY


def test_who_has_left_is_reminded_of_nothing_and_on_no_list(app, on):
    morgan = boss("Morgan Dubois")
    late = owes(a_campaign(), days=-14, manager_id=morgan.id)
    late.person.left_on = TUESDAY

    run = remind()

    assert (run.reminded, mails()) == (0, [])


def test_the_manager_is_told_once_after_so_many_days_in_one_list(app, on):
    manager = make_person("Morgan Dubois", email="morgan@city.example")
    campaign = a_campaign()
    for name in ("Late One", "Late Two"):
        owes(campaign, days=-10, full_name=name, email="l@city.example", manager_id=manager.id)
    owes(campaign, days=-9, full_name="Not Yet", email="n@city.example", manager_id=manager.id)

    remind()
    remind(TUESDAY + timedelta(days=1))

    first, second = mails("team-list")
    assert "Late One" in first.text + second.text
    assert (first.text + second.text).count("Late Two") == 1
    assert (first.text + second.text).count("Not Yet") == 1


def test_a_run_that_was_cut_goes_on_where_it_was(app, on, monkeypatch):
    monkeypatch.setattr(services, "BATCH", 1)
    campaign = a_campaign()
    for number in range(3):
        owes(campaign, full_name=f"P {number}", email=f"p{number}@city.example")
    real, calls = services._remind, []

    def cut(*args):
        calls.append(1)
        if len(calls) == 2:
            raise OSError("killed")
        real(*args)

    monkeypatch.setattr(services, "_remind", cut)
    with pytest.raises(OSError, match="killed"):
        remind()
    db.finish(keep=False)

    run = remind()

    assert run.reminded == 3
    assert len({mail.address for mail in mails()}) == len(mails()) == 3


def test_nothing_goes_out_at_night_on_weekends_and_on_holidays(app, on):
    on(TUESDAY, hour=6)
    assert REMIND.due(1) == []
    on(date(2026, 12, 5))
    assert REMIND.due(1) == []
    on(date(2026, 12, 25))
    assert REMIND.due(1) == []
    on(TUESDAY, hour=7)
    assert REMIND.due(1) == ["2026-12-01"]


def test_the_mail_is_queued_with_the_note_of_it_or_not_at_all(app, on, monkeypatch):
    owes(a_campaign())
    db.finish(keep=True)

    def full(*_args, **_words):
        raise OSError("the disk is full")

    monkeypatch.setattr(services.mail, "queue_mails", full)
    with pytest.raises(OSError, match="full"):
        services.remind(TUESDAY)
    db.finish(keep=False)

    assert mails() == []
    assert db.session.scalar(select(func.count()).select_from(Reminder)) == 0


def test_a_run_costs_the_same_statements_for_any_batch_but_for_one_mail_each(
    app, on, count_statements
):
    campaign = a_campaign()

    def statements(people, day):
        for number in range(people):
            make_assignment(
                person=make_person(email=f"{day}-{number}@city.example"),
                campaign=campaign,
                due_on=day + timedelta(days=14),
            )
        db.finish(keep=True)
        with count_statements() as seen:
            services.remind(day)
        return len([each for each in seen if "INSERT INTO mails" not in each])

    few = statements(2, TUESDAY)

    assert statements(40, TUESDAY + timedelta(days=1)) <= few + 1


def test_a_whole_year_with_leap_day_holidays_and_changed_clocks(app, on, settings):
    """From a launch in a leap year's January to the end of it, a run on each business day."""
    manager = make_person("Morgan Dubois", email="morgan@city.example")
    prompt = make_person("Prompt Person", email="prompt@city.example", manager_id=manager.id)
    late = make_person("Late Person", email="late@city.example", manager_id=manager.id)
    never = make_person("Never Signs", email="never@city.example", manager_id=manager.id)
    on(date(2028, 1, 10))
    campaign = a_campaign(opens_on=date(2028, 1, 10), due_on=date(2028, 3, 7))
    db.finish(keep=True)

    day, sent_on = date(2028, 1, 10), []
    while day.year == 2028:
        on(day)
        before = len(mails())
        jobs.run_once(FILL)
        jobs.run_once(leaves.SETTLE)
        jobs.run_once(REMIND)
        sent_on += [day] * (len(mails()) - before)
        for person, signs_on in ((prompt, date(2028, 1, 11)), (late, date(2028, 3, 20))):
            if day == signs_on:
                duty = make_assignment(person=person, campaign=campaign, done=True)
                attestations.sign(
                    duty.id,
                    person=identify(person),
                    typed_name=person.full_name,
                    settings=settings,
                )
                db.finish(keep=True)
        day += timedelta(days=1)

    by_person = {
        person.full_name: [mail for mail in mails() if mail.person_id == person.id]
        for person in (prompt, late, never, manager)
    }
    days = [mail.queued_at.astimezone(EDMONTON).date() for mail in by_person["Never Signs"]]
    assert by_person["Prompt Person"] == []
    assert days == [  # 14, 7 and 1 days before, then each week, four at most
        date(2028, 2, 22),
        date(2028, 2, 29),
        date(2028, 3, 6),
        date(2028, 3, 14),
    ]
    assert len(by_person["Late Person"]) == 4
    assert len([m for m in by_person["Morgan Dubois"] if m.name == "team-list"]) == 1
    assert all(day.weekday() < 5 and day not in settings.holidays for day in sent_on)
    assert all(7 <= mail.queued_at.astimezone(EDMONTON).hour <= 9 for mail in mails())


def test_hr_sees_what_goes_out_today_and_what_went(app, on, sign_in):
    owes(a_campaign())
    browser = sign_in(make_hr())
    assert "1 person gets a reminder" in browser.get("/reminders/").text

    remind()

    page = browser.get("/reminders/").text
    assert "Nobody gets a reminder today." in page
    assert "December 1, 2026" in page


def given_up(day):
    with db.transaction() as session:
        now = db.utc_now()
        session.add(Claim(job="remind", item=day.isoformat(), free_at=now, parked_at=now))


def test_hr_reads_that_the_days_reminders_were_given_up_and_what_to_do(app, on, sign_in):
    browser = sign_in(make_hr())
    given_up(TUESDAY)

    page = browser.get("/reminders/").text

    assert "The reminders of December 1, 2026 could not be finished" in page
    assert "portal doctor" in page

    on(TUESDAY + timedelta(days=1))
    remind(TUESDAY + timedelta(days=1))  # a later day makes up for it

    assert "could not be finished" not in browser.get("/reminders/").text


def test_a_record_that_is_signed_stops_the_messages(app, on):
    campaign = a_campaign()
    attestation = make_attestation(
        person=make_person("Ada Lovelace", email="ada@city.example"),
        campaign=campaign,
        due_on=TUESDAY + timedelta(days=14),
    )

    assert attestation.assignment.status is Status.SIGNED
    assert remind().reminded == 0
