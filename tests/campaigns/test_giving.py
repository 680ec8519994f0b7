import threading
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from portal import db, jobs
from portal.campaigns import audience, deciding, giving, planning, previewing
from portal.campaigns.audience import Audience, Fact, Part
from portal.campaigns.models import Assignment, Campaign, Kind
from portal.campaigns.previewing import Group
from portal.people.models import Person
from portal.people.services import identify
from tests.factories import (
    make_assignment,
    make_attestation,
    make_campaign,
    make_hr,
    make_person,
    publish,
)


def today() -> date:
    return db.today()


def a_draft(**facts) -> Campaign:
    publish()
    values = {
        "title": "Annual attestation 2026",
        "kind": "annual",
        "opens_on": today(),
        "due_on": today() + timedelta(days=30),
        **facts,
    }
    return planning.create(values, course="small-course", by=identify(make_hr()))


def look(campaign, group, *, name=""):
    counts, _departments = previewing.count(campaign)
    return previewing.list_people(campaign, group, counts=counts, name=name, page=1)


def people_of(campaign):
    return set(
        db.session.scalars(
            select(Assignment.person_id).where(Assignment.campaign_id == campaign.id)
        )
    )


def test_a_launch_gives_everyone_in_the_audience_their_duty_by_the_worker(app):
    ada = make_person("Ada Lovelace")
    make_person("Casey Novak", kind="contractor")
    campaign = a_draft()
    planning.launch(campaign, by=identify(make_hr()))
    db.finish(keep=True)

    jobs.run_once(giving.FILL)

    db.session.expire_all()
    assert people_of(campaign) == {ada.id}
    assert campaign.filled_at is not None
    assert giving.FILL.due(10) == []


def test_who_joins_while_a_launch_is_under_way_gets_the_duty_with_it(app, monkeypatch):
    ada = make_person("Ada Lovelace")
    campaign = a_draft()
    planning.launch(campaign, by=identify(make_hr()))
    db.finish(keep=True)
    give, joiners = giving._give, [UUID(int=1)]

    def give_and_let_join(*words):
        give(*words)
        while joiners:
            make_person("Grace Hopper", id=joiners.pop())  # before all others, by id

    monkeypatch.setattr(giving, "_give", give_and_let_join)
    jobs.run_once(giving.FILL)

    db.session.expire_all()
    assert people_of(campaign) == {ada.id, UUID(int=1)}


def test_a_campaign_that_hr_closes_during_its_launch_gives_no_further_duty(app, monkeypatch):
    for name in ("Ada Lovelace", "Bo Diddley", "Casey Novak"):
        make_person(name)
    campaign = a_draft()
    planning.launch(campaign, by=identify(make_hr()))
    db.finish(keep=True)
    give = giving._give

    def give_and_close(*words):
        give(*words)
        db.session.get_one(Campaign, campaign.id).closed_at = db.utc_now()

    monkeypatch.setattr(giving, "BATCH", 1)
    monkeypatch.setattr(giving, "_give", give_and_close)
    jobs.run_once(giving.FILL)

    assert len(people_of(campaign)) == 1


def test_a_draft_gives_nothing(app):
    make_person("Ada Lovelace")
    campaign = a_draft()
    db.finish(keep=True)

    jobs.run_once(giving.FILL)

    assert people_of(campaign) == set()


def test_who_joins_later_gets_the_duty_the_next_day_without_signing_in(app, clock):
    make_person("Ada Lovelace")
    campaign = a_draft()
    planning.launch(campaign, by=identify(make_hr()))
    db.finish(keep=True)
    jobs.run_once(giving.FILL)
    grace = make_person("Grace Hopper")
    db.finish(keep=True)

    clock(datetime.now(UTC) + timedelta(days=1))
    jobs.run_once(giving.FILL)

    assert grace.id in people_of(campaign)


def test_a_campaign_that_opens_later_gives_nothing_before_its_first_day(app):
    make_person("Ada Lovelace")
    opens_on = today() + timedelta(days=5)
    campaign = a_draft(opens_on=opens_on, due_on=opens_on + timedelta(days=9))
    planning.launch(campaign, by=identify(make_hr()))

    assert giving.FILL.due(10) == []


def test_nothing_twice_who_owes_the_same_version_elsewhere_is_left_out(app):
    make_person("Ada Lovelace")
    make_campaign()
    second = a_draft()

    assert giving.give(second) == 0
    assert previewing.count(second)[0].same_duty == 1


def test_who_signed_within_the_minimum_interval_is_left_out_and_told_why(app):
    ada = make_person("Ada Lovelace")
    make_attestation(person=ada)
    campaign = a_draft(min_interval=6, opens_on=today() + timedelta(days=30))

    assert giving.give(campaign) == 0
    lines = look(campaign, Group.LEFT_OUT, name="lovelace")
    assert [line.why for line in lines] == ["They signed this course not long ago."]


def test_who_signed_longer_ago_gets_the_duty_again(app, clock):
    ada = make_person("Ada Lovelace")
    make_attestation(person=ada)
    campaign = a_draft(min_interval=6, opens_on=today() + timedelta(days=200))

    giving.give(campaign)

    assert people_of(campaign) == {ada.id}


def test_movers_keep_what_they_have_and_joiners_of_a_department_enter(app):
    ada = make_person("Ada Lovelace", department="Transit")
    campaign = a_draft()
    rule = Audience((Part({Fact.DEPARTMENT: ("Transit",)}),))
    campaign.audience = rule.to_json()
    giving.give(campaign)
    ada.department = "Finance"
    grace = make_person("Grace Hopper", department="Transit")

    giving.give(campaign)

    assert people_of(campaign) == {ada.id, grace.id}


def test_an_onboarding_counts_business_days_over_a_holiday(app):
    casey = make_person("Casey", kind="contractor", started_on=date(2026, 12, 23))
    campaign = a_draft(kind="onboarding", due_on=None, due_days=2, business_days=True)

    giving.give(campaign)

    due = db.session.scalars(select(Assignment.due_on).filter_by(person_id=casey.id)).one()
    assert due == date(2026, 12, 28)  # not Christmas Day, not the weekend


def test_a_preview_counts_everyone_once_and_says_why(each_app):
    make_person("Ada Lovelace")
    make_person("Exempt Person", groups=["council-office"])
    make_person("Casey Novak", kind="contractor")
    campaign = a_draft()  # by Harper, who is a contractor here
    campaign.audience = [{"facts": {"kind": ["employee"], "department": ["Transit", "Parks"]}}]
    rule = Audience((Part({Fact.GROUP: ("council-office",)}),))
    deciding.exempt(campaign, rule, reason="They have their own rules.", by=identify(make_hr()))

    counts, departments = previewing.count(campaign)
    out = look(campaign, Group.OUT, name="novak")

    assert (counts.inside, counts.exempt, counts.outside) == (1, 1, 3)
    assert out[0].why == "Not in the audience: it asks for employees."
    assert departments == [("Transit", 1)]


def test_a_preview_costs_the_same_statements_for_any_number_of_people(app, count_statements):
    campaign = a_draft()

    def count():
        db.session.expire_all()
        with count_statements() as seen:
            look(campaign, Group.IN)
        return len(seen)

    make_person()
    few = count()
    for _ in range(20):
        make_person()

    assert count() == few


def test_who_gets_the_duty_is_listed_before_a_launch_and_after_it(app):
    ada, grace = make_person("Ada Lovelace"), make_person("Grace Hopper")
    campaign = a_draft()

    def names(**asked):
        return [line.full_name for line in look(campaign, Group.IN, **asked)]

    before = names()
    planning.launch(campaign, by=identify(make_hr()))
    giving.give(campaign)
    assert names() == before == ["Grace Hopper", "Ada Lovelace"]

    make_person("Alan Turing")  # joins: gets it with the next round
    assert names() == ["Grace Hopper", "Ada Lovelace", "Alan Turing"]
    assert names(name="hopp") == ["Grace Hopper"]

    giving.give(campaign)
    assert names() == ["Grace Hopper", "Ada Lovelace", "Alan Turing"]
    assert names(name="love") == ["Ada Lovelace"]
    assert (ada.id, grace.id) == tuple(line.id for line in reversed(look(campaign, Group.IN)[:2]))


def test_an_audience_reads_the_same_after_a_round_through_the_database(app):
    campaign = a_draft()
    db.session.flush()
    db.session.expire_all()

    assert audience.read(campaign.audience).sentence() == "Employees."


def test_a_duty_goes_by_the_name_of_today_and_keeps_the_kind_of_its_day(each_app):
    ada = make_person("Ada Byron")
    assignment = make_assignment(person=ada)

    ada.full_name, ada.sort_name, ada.kind = "Ada Lovelace", "lovelace, ada", "contractor"
    db.session.flush()
    db.session.refresh(assignment)

    assert (assignment.sort_name, assignment.kind) == ("lovelace, ada", "employee")


def test_two_campaigns_on_one_version_that_give_at_once_give_one_duty(postgres_app):
    make_person("Ada Lovelace")
    first, second = a_draft(title="First"), a_draft(title="Second")
    for campaign in (first, second):
        planning.launch(campaign, by=identify(make_hr()))
    keys = [first.id, second.id]
    db.finish(keep=True)
    given = []

    def give(key):
        with postgres_app.app_context(), db.transaction() as session:
            given.append(giving.give(session.get_one(Campaign, key)))

    with db.transaction() as session:
        given.append(giving.give(session.get_one(Campaign, keys[0])))
        other = threading.Thread(target=give, args=(keys[1],))
        other.start()
        other.join(0.5)
        assert other.is_alive()  # it waits until we are done
    other.join(20)

    assert given == [1, 0]


def test_nobody_is_renamed_while_a_duty_is_given(postgres_app, monkeypatch):
    ada = make_person("Ada Byron")
    campaign = a_draft()
    planning.launch(campaign, by=identify(make_hr()))
    db.finish(keep=True)
    write = giving._give

    def rename():
        with postgres_app.app_context(), db.transaction() as session:
            session.get_one(Person, ada.id).sort_name = "lovelace, ada"

    other = threading.Thread(target=rename)

    def write_later(*given):
        other.start()
        other.join(0.5)
        assert other.is_alive()  # it waits until we are done
        write(*given)

    monkeypatch.setattr(giving, "_give", write_later)
    with db.transaction() as session:
        giving.give(session.get_one(Campaign, campaign.id), only=[ada.id])
    other.join(20)

    with db.reading() as session:
        assert session.scalars(select(Assignment.sort_name)).all() == ["lovelace, ada"]


def test_an_onboarding_that_runs_for_years_counts_the_interval_from_today(app, clock):
    ada = make_person("Ada Lovelace", kind="contractor")
    make_attestation(person=ada)
    campaign = a_draft(
        kind=Kind.ONBOARDING,
        due_on=None,
        due_days=14,
        min_interval=6,
        opens_on=today() - timedelta(days=900),
    )
    giving.give(campaign)
    assert ada.id not in people_of(campaign)

    clock(datetime.now(UTC) + timedelta(days=200))
    giving.give(campaign)

    assert ada.id in people_of(campaign)


def test_who_joins_a_campaign_that_is_open_has_two_weeks_at_least(app):
    make_person("Ada Lovelace")
    campaign = a_draft(due_on=today() + timedelta(days=3))
    planning.launch(campaign, by=identify(make_hr()))
    db.finish(keep=True)
    jobs.run_once(giving.FILL)
    joiner = make_person("Grace Hopper")
    db.session.refresh(campaign)

    giving.give(campaign)

    due = dict(db.session.execute(select(Assignment.person_id, Assignment.due_on)).all())
    assert due.pop(joiner.id) == today() + timedelta(days=14)
    assert set(due.values()) == {today() + timedelta(days=3)}
