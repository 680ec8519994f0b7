from datetime import date, timedelta

import pytest
from sqlalchemy import select

from portal import db, jobs
from portal.campaigns import deciding, extending, giving
from portal.campaigns.models import Assignment, Status
from portal.errors import Refused
from portal.people.services import identify
from tests.campaigns.test_giving import today
from tests.factories import (
    make_assignment,
    make_attestation,
    make_campaign,
    make_hr,
    make_person,
)


@pytest.fixture
def harper(each_app):
    return identify(make_hr())


def move():
    db.finish(keep=True)
    jobs.run_once(extending.EXTEND)
    db.session.expire_all()


def test_more_time_moves_open_duties_and_not_those_that_are_later_already(app, harper):
    campaign = make_campaign(due_on=date(2027, 1, 30))
    signed = make_attestation(person=make_person()).assignment
    make_person()
    giving.give(campaign)
    later = db.session.scalars(
        select(Assignment).where(Assignment.person_id != signed.person_id)
    ).first()
    later.due_on = date(2027, 6, 1)
    make_person()
    giving.give(campaign)
    db.session.flush()

    extending.extend(campaign, days=10, by=harper)

    move()
    dates = sorted(db.session.scalars(select(Assignment.due_on)))
    assert campaign.due_on == date(2027, 2, 9)
    assert date(2027, 6, 1) in dates
    assert date(2027, 2, 9) in dates


def test_more_time_in_an_onboarding_moves_each_day_once(app, harper):
    for day in (1, 2, 3):
        make_person(kind="contractor", started_on=today() + timedelta(days=day))
    campaign = make_campaign(
        kind="onboarding", audience="contractor", due_on=None, due_days=5, opens_on=today()
    )
    before = sorted(db.session.scalars(select(Assignment.due_on)))

    extending.extend(campaign, days=1, by=harper)

    db.session.expire_all()
    after = sorted(db.session.scalars(select(Assignment.due_on)))
    assert after == [day + timedelta(days=1) for day in before]
    assert campaign.due_days == 6


def test_who_is_released_up_to_a_day_has_the_time_that_everyone_got_when_it_is_over(harper):
    campaign = make_campaign(due_on=date(2026, 12, 10))
    duty = make_assignment(campaign=campaign, due_on=date(2026, 12, 10))
    deciding.release(duty, reason="x", until=date(2026, 12, 20), by=harper)

    extending.extend(campaign, days=30, by=harper)
    move()

    assert (duty.status, duty.due_on) == (Status.WAIVED, date(2027, 1, 9))
    assert extending.EXTEND.due(10) == []


def test_a_worker_that_is_killed_in_an_extension_ends_it_later(harper, monkeypatch):
    campaign = make_campaign(due_on=date(2026, 12, 10))
    duties = [
        make_assignment(person=make_person(), campaign=campaign, due_on=campaign.due_on)
        for _ in range(5)
    ]
    extending.extend(campaign, days=30, by=harper)
    db.finish(keep=True)
    monkeypatch.setattr(giving, "BATCH", 2)
    with monkeypatch.context() as killed:
        killed.setattr(jobs, "renew", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            extending.EXTEND.do(str(campaign.id))

    move()

    assert {each.due_on for each in duties} == {date(2027, 1, 9)}


def test_more_time_that_would_be_over_already_is_refused(harper, clock):
    campaign = make_campaign(due_on=today() - timedelta(days=20))

    with pytest.raises(Refused, match="That day is over already"):
        extending.extend(campaign, days=19, by=harper)

    assert campaign.due_on == today() - timedelta(days=20)
    extending.extend(campaign, days=20, by=harper)
    assert campaign.due_on == today()


def test_more_time_in_business_days_leaves_weekends_out(harper):
    campaign = make_campaign(
        kind="onboarding", audience="contractor", due_on=None, due_days=5, opens_on=today()
    )
    campaign.business_days = True
    friday, monday = date(2026, 12, 4), date(2026, 12, 7)
    duties = [
        make_assignment(person=make_person(), campaign=campaign, due_on=day)
        for day in (friday, monday)
    ]

    extending.extend(campaign, days=1, by=harper)

    db.session.expire_all()
    assert [each.due_on for each in duties] == [monday, monday + timedelta(days=1)]
