from datetime import timedelta

import pytest

from portal import db, jobs
from portal.audit import services as audit
from portal.learning.models import Answer, Attempt
from portal.reports import tallies
from portal.reports.tallies import TALLY
from tests.factories import make_assignment, make_campaign, make_hr, make_person


@pytest.fixture
def large(each_app, monkeypatch):
    """A campaign as large as those that are counted ahead, on each database."""
    monkeypatch.setattr(tallies, "MANY", 2)
    return make_answered()


def make_answered():
    campaign = make_campaign()
    for right in (True, True, True, False, True, True):
        answer(campaign, right=right)
    db.finish(keep=True)
    return campaign


def count(campaign):
    """What is known of the answers, and since when."""
    with db.reading():
        given, at = tallies.get_answers(campaign.id)
        return sorted(map(repr, given)), at, sum(each.people for each in given)


def answer(campaign, *, right):
    made = make_assignment(person=make_person(), campaign=campaign)
    attempt = Attempt(
        assignment_id=made.id,
        section="rules/quiz",
        number=1,
        questions=[],
        submitted_at=db.utc_now(),
        right=2,
        passed=True,
    )
    db.session.add(attempt)
    db.session.flush()
    db.session.add(Answer(attempt_id=attempt.id, question="q", chosen=[0, 2], right=right))
    audit.record(
        "attempt.submitted",
        subject=attempt.id,
        actor=made.person_id,
        section="rules/quiz",
        number=1,
        right=2,
        out_of=2,
        passed=True,
    )


def test_a_count_made_ahead_says_what_a_look_would(large):
    live, at, people = count(large)
    assert (at, people) == (None, 6)

    jobs.run_once(TALLY)

    kept, at, _people = count(large)
    assert kept == live
    assert at is not None


def test_figures_counted_ahead_are_those_of_a_look(large):
    boss = make_person("Grace Hopper")
    report = make_person(manager_id=boss.id, kind="contractor")
    make_assignment(person=report, campaign=large, status="in_progress", started_at=db.utc_now())
    db.finish(keep=True)
    with db.reading():
        live, at = tallies.get_figures(large, today=db.today())
    assert at is None
    assert [each.key for each in live.kinds] == ["contractor", "employee"]

    jobs.run_once(TALLY)

    with db.reading():
        kept, at = tallies.get_figures(large, today=db.today())
    assert kept == live
    assert at is not None


def test_a_large_campaign_is_counted_again_after_new_answers_but_not_at_once(large):
    jobs.run_once(TALLY)
    assert TALLY.due(5) == []

    with db.pretend(db.utc_now() + timedelta(minutes=5)):
        answer(large, right=True)
        db.finish(keep=True)
        assert TALLY.due(5) == []

    with db.pretend(db.utc_now() + timedelta(minutes=11)):
        assert TALLY.due(5) == [str(large.id)]
        TALLY.do(str(large.id))

    assert count(large)[2] == 7


def test_a_large_campaign_where_nothing_happened_is_not_counted_again(large):
    jobs.run_once(TALLY)

    with db.pretend(db.utc_now() + timedelta(days=2)):
        assert TALLY.due(5) == []


def test_a_closed_campaign_is_counted_once_a_day(large):
    jobs.run_once(TALLY)
    large.closed_at = db.utc_now()
    with db.pretend(db.utc_now() + timedelta(minutes=5)):
        answer(large, right=True)
    db.finish(keep=True)

    with db.pretend(db.utc_now() + timedelta(hours=1)):
        assert TALLY.due(5) == []
    with db.pretend(db.utc_now() + timedelta(hours=25)):
        assert TALLY.due(5) == [str(large.id)]


def test_a_small_campaign_is_counted_at_each_look(large, monkeypatch):
    monkeypatch.setattr(tallies, "MANY", 7)

    assert TALLY.due(5) == []


@pytest.mark.parametrize("page", ["questions", "figures"])
def test_the_page_says_when_a_large_campaign_was_counted(app, monkeypatch, sign_in, page):
    monkeypatch.setattr(tallies, "MANY", 2)
    browser, path = sign_in(make_hr()), f"/reports/{page}?campaign={make_answered().id}"
    assert "Numbers as of" not in browser.get(path).text

    jobs.run_once(TALLY)

    assert "Numbers as of" in browser.get(path).text
