from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import db
from portal.campaigns import deciding, services
from portal.campaigns.audience import Audience, Fact, Part
from portal.campaigns.models import Assignment
from portal.campaigns.services import Plan
from portal.errors import NotFound, Refused
from portal.people.services import identify
from tests.factories import TODAY, make_assignment, make_campaign, make_hr, make_person


def count():
    return db.session.scalar(select(func.count()).select_from(Assignment))


def test_opening_gives_everyone_in_the_audience_their_duty(app):
    make_person("Ada Lovelace")
    make_person("Casey Novak", kind="contractor")

    make_campaign()

    assert count() == 1


def test_opening_again_only_adds_who_has_joined(app):
    make_person("Ada Lovelace")
    make_campaign(key="one")
    make_person("Grace Hopper")

    make_campaign(key="one")

    assert count() == 2


def test_a_course_that_is_not_published_is_refused(app):
    plan = Plan("k", "T", "annual", "no-such-course", "employee", TODAY, due_on=TODAY)

    with pytest.raises(Refused, match="Publish the course"):
        services.open_campaign(plan)


def test_a_joiner_gets_the_duty_at_the_first_look_at_their_tasks_and_once(app):
    make_campaign()
    ada = identify(make_person("Ada Lovelace"))
    db.finish(keep=True)

    given = services.assign_open(ada, today=TODAY)
    again = services.assign_open(ada, today=TODAY)

    assert given == again == services.list_duties(ada)
    assert count() == 1


def test_who_is_left_out_of_a_campaign_looks_at_their_tasks_without_a_write(app, monkeypatch):
    campaign = make_campaign()
    rule = Audience((Part({Fact.GROUP: ("council-office",)}),))
    deciding.exempt(campaign, rule, reason="Rules of their own.", by=identify(make_hr()))
    ada = identify(make_person("Ada Lovelace", groups=["council-office"]))
    db.finish(keep=True)
    monkeypatch.setattr(db, "transaction", lambda: pytest.fail("it wrote"))

    assert services.assign_open(ada, today=TODAY) == []


def test_an_onboarding_is_due_after_the_contractors_start(app):
    make_campaign(
        kind="onboarding",
        audience="contractor",
        due_on=None,
        due_days=14,
        opens_on=TODAY - timedelta(days=30),
    )
    casey = make_person("Casey Novak", kind="contractor", started_on=TODAY - timedelta(days=5))
    db.finish(keep=True)

    services.assign_open(identify(casey), today=TODAY)

    assert services.list_duties(identify(casey))[0].due_on == TODAY + timedelta(days=9)


def test_a_campaign_that_opens_later_is_not_seen_yet(app):
    make_campaign(opens_on=TODAY + timedelta(days=1))
    ada = identify(make_person("Ada Lovelace"))
    db.finish(keep=True)

    services.assign_open(ada, today=TODAY)

    assert services.list_duties(ada) == []


def test_somebody_elses_duty_is_not_found(app):
    assignment = make_assignment()

    with pytest.raises(NotFound):
        services.get_duty(assignment.id, person=identify(make_person()))


def test_a_duty_is_overdue_the_day_after_its_date_until_it_is_signed(app):
    assignment = make_assignment(due_on=TODAY)
    duty = services.get_duty(assignment.id, person=identify(assignment.person))

    assert not duty.is_overdue(TODAY)
    assert duty.is_overdue(TODAY + timedelta(days=1))
