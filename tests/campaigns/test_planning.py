from datetime import date, timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.audit.models import AuditEntry
from portal.campaigns import extending, giving, planning, schedule
from portal.campaigns.audience import Audience, Fact, Part
from portal.errors import Refused
from portal.people.services import identify
from tests.campaigns.test_giving import a_draft, people_of, today
from tests.factories import (
    make_assignment,
    make_campaign,
    make_hr,
    make_person,
)


@pytest.fixture
def harper(app):
    return identify(make_hr())


def test_a_draft_begins_with_all_employees_on_the_newest_version(app):
    campaign = a_draft()

    assert campaign.launched_at is None
    assert campaign.audience == [{"facts": {"kind": ["employee"]}}]


def test_a_change_is_in_the_log_with_before_and_after(app, harper):
    campaign = a_draft()
    seen = planning.stamp(campaign)

    planning.change(campaign, {"title": "Another title"}, by=harper, seen=seen)

    leaf = db.session.scalars(
        select(AuditEntry.leaf)
        .where(AuditEntry.action == "campaign.changed")
        .order_by(AuditEntry.position.desc())
    ).first()
    assert '"before":{"title":"Annual attestation 2026"}' in leaf
    assert '"after":{"title":"Another title"}' in leaf
    assert campaign.changed_by == harper.id


def test_who_saves_over_somebody_elses_change_is_told_who(app, harper):
    campaign = a_draft()
    seen = planning.stamp(campaign)
    planning.change(campaign, {"title": "Mine"}, by=harper, seen=seen)

    with pytest.raises(Refused, match="Harper Singh changed this campaign"):
        planning.change(campaign, {"title": "Yours"}, by=harper, seen=seen)


def test_a_campaign_is_launched_once(app, harper):
    make_person()
    campaign = a_draft()
    planning.launch(campaign, by=harper)

    with pytest.raises(Refused, match="launched already"):
        planning.launch(campaign, by=harper)


def test_an_empty_audience_is_not_launched(app, harper):
    campaign = a_draft()
    campaign.audience = Audience((Part({Fact.DEPARTMENT: ("Transit",)}),)).to_json()
    make_person(department="Finance")

    with pytest.raises(Refused, match="Nobody in the directory has “Transit”"):
        planning.launch(campaign, by=harper)


def test_a_rule_that_nobody_fits_is_not_launched(app, harper):
    campaign = a_draft()

    with pytest.raises(Refused, match="Nobody is in the audience"):
        planning.launch(campaign, by=harper)


def test_a_campaign_that_leaves_everybody_out_is_not_launched(app, harper):
    make_campaign()
    make_assignment(person=make_person())
    campaign = a_draft()

    with pytest.raises(Refused, match="Nobody would get it"):
        planning.launch(campaign, by=harper)

    later = a_draft(opens_on=today() + timedelta(days=1), due_on=today() + timedelta(days=40))
    planning.launch(later, by=harper)
    assert later.launched_at


def test_a_group_that_is_gone_is_named(app, harper):
    make_person(groups=["council-office"])
    campaign = a_draft()
    campaign.audience = Audience((Part({Fact.GROUP: ("councel",)}),)).to_json()
    db.session.flush()

    with pytest.raises(Refused, match="“councel”"):
        planning.launch(campaign, by=harper)


def test_a_due_date_that_is_over_is_not_launched(app, harper):
    make_person()
    campaign = a_draft(due_on=today() - timedelta(days=1))

    with pytest.raises(Refused, match="due date is over"):
        planning.launch(campaign, by=harper)


def test_a_closed_campaign_gives_no_duties_and_keeps_those_it_gave(app, harper):
    make_person()
    campaign = make_campaign()
    planning.close(campaign, by=harper)
    make_person()
    db.finish(keep=True)

    assert giving.FILL.due(10) == []
    assert len(people_of(campaign)) == 1


def test_a_closed_campaign_is_not_changed_extended_or_closed_again(app, harper):
    campaign = make_campaign()
    planning.close(campaign, by=harper)

    for act in (
        lambda: planning.change(campaign, {"title": "x"}, by=harper, seen=planning.stamp(campaign)),
        lambda: extending.extend(campaign, days=1, by=harper),
        lambda: planning.close(campaign, by=harper),
    ):
        with pytest.raises(Refused):
            act()


def test_next_years_copy_has_dates_a_year_later_and_is_a_draft(app, harper):
    campaign = a_draft(opens_on=date(2028, 2, 29), due_on=date(2028, 3, 31))

    again = planning.copy(campaign, by=harper)

    assert again.title == "Annual attestation 2027"
    assert (again.opens_on, again.due_on) == (date(2029, 2, 28), date(2029, 3, 31))
    assert again.launched_at is None
    assert again.key != campaign.key


def test_a_leap_day_a_year_and_months_earlier():
    assert schedule.months_before(date(2028, 2, 29), 12) == date(2027, 2, 28)
    assert schedule.months_before(date(2027, 1, 31), 2) == date(2026, 11, 30)
    assert schedule.months_before(date(2027, 1, 31), 13) == date(2025, 12, 31)
