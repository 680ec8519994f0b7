from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations.models import Attestation
from portal.contractors import scope, services
from portal.contractors.services import Guest
from portal.errors import NotFound, Refused
from portal.learning import services as learning
from portal.people.services import identify
from tests.factories import make_assignment, make_campaign, make_hr, make_person, progress_of

ANSWERS = {"employer": "group", "taken-for-city": "sometimes", "sees": "neither"}


@pytest.fixture
def harper(app):
    return identify(make_hr())


@pytest.fixture
def jo(app, harper):
    make_person("Avery Chen", username="avery.chen")
    today = db.today()
    guest = Guest(
        "Jo Kowal", "", "Curling Club", "Ice", today, today + timedelta(days=9), "avery.chen"
    )
    return services.invite(guest, by=harper)


@pytest.fixture
def duty(app, jo):
    campaign = make_campaign(
        kind="onboarding",
        course="contractor-onboarding",
        audience="contractor",
        due_on=None,
        due_days=14,
    )
    return make_assignment(person=jo, campaign=campaign)


def sections(duty):
    db.session.expire_all()
    return {section.title for section, _step in progress_of(duty).walk}


def answer(duty, answers):
    progress = progress_of(duty)
    while progress.next.key != "start/your-place":
        learning.read(progress, progress.next)
        progress = progress_of(duty)
    learning.declare(progress, progress.next, answers, comment="We clean the ice at night.")


def test_the_way_does_not_get_longer_when_the_answers_are_known(app, duty):
    before = progress_of(duty)
    answer(duty, ANSWERS)
    db.session.expire_all()

    after = progress_of(duty)

    assert after.total == before.total == len(after.walk) + 1
    assert after.minutes_left < before.minutes_left


def test_answers_that_settle_nothing_wait_for_hr_with_their_comment(app, duty, jo, harper):
    answer(duty, ANSWERS)

    (case,) = scope.list_cases()

    assert case.person.id == jo.id
    assert case.answers == [
        (
            "Who employs you?",
            "A club, society or other group that serves people in City spaces or for the City",
        ),
        ("Would a resident take you for the City?", "Sometimes, or I am not sure"),
        ("Do you see the City’s information or hold one of its accounts?", "Neither"),
    ]
    assert case.comment == "We clean the ice at night."
    assert "Conflict of interest" in sections(duty)


def test_hrs_word_counts_at_once_for_what_the_person_reads(app, duty, jo, harper):
    answer(duty, ANSWERS)

    scope.decide(person_id=jo.id, firm="", outcome=scope.OUT, reason="Their own club.", by=harper)

    assert scope.list_cases() == []
    assert sections(duty) == {"Before you start", "When your contract ends"}


def test_hrs_word_counts_over_the_persons_own_answers(app, duty, jo, harper):
    answer(duty, {"employer": "firm", "taken-for-city": "no", "sees": "neither"})
    assert "Conflict of interest" not in sections(duty)

    scope.decide(person_id=jo.id, firm="", outcome=scope.IN, reason="Has a desk.", by=harper)

    assert "Conflict of interest" in sections(duty)


def test_a_group_is_decided_once_for_those_who_are_there_and_those_who_come(app, jo, harper):
    scope.decide(
        person_id=None, firm="Curling Club", outcome=scope.OUT, reason="Council.", by=harper
    )
    today = db.today()
    late = services.invite(
        Guest("Al New", "", "Curling Club", "Ice", today, today, "avery.chen"), by=harper
    )
    scope.inherit(late)

    assert (jo.scope, late.scope) == (scope.OUT, scope.OUT)
    assert scope.list_firms() == [("Curling Club", 2)]


def test_a_word_on_the_person_counts_over_the_one_on_their_group(app, jo, harper):
    scope.decide(person_id=jo.id, firm="", outcome=scope.IN, reason="Desk.", by=harper)
    scope.decide(
        person_id=None, firm="Curling Club", outcome=scope.OUT, reason="Council.", by=harper
    )

    assert jo.scope == scope.IN
    assert scope.find_decision(jo.id).reason == "Desk."


def test_the_decision_its_reason_and_decider_are_in_the_record(app, duty, jo, harper):
    answer(duty, ANSWERS)
    scope.decide(
        person_id=None, firm="Curling Club", outcome=scope.OUT, reason="Own club.", by=harper
    )

    from portal.attestations.services import refuse

    refuse(duty.id, person=identify(jo), comment="No.")

    text = db.session.scalars(select(Attestation.record)).one()
    assert '"scope_decision":{"about":"Curling Club"' in text
    assert '"by":"Harper Singh"' in text
    assert '"reason":"Own club."' in text


def test_a_decision_survives_the_next_reading_of_the_directory(app, harper):
    from portal.people.door import current_door
    from portal.people.registering import facts_of
    from tests.people.conftest import ADA

    facts = facts_of(current_door(), replace(ADA, kind="contractor"), scope=scope.OUT)

    assert facts["audiences"] == ["contractor", "out_of_scope"]


def test_nonsense_is_refused(app, jo, harper):
    employee = make_person("Ada Lovelace")

    with pytest.raises(NotFound):
        scope.decide(person_id=employee.id, firm="", outcome=scope.IN, reason="x", by=harper)
    with pytest.raises(Refused, match="Nobody belongs"):
        scope.decide(person_id=None, firm="Nowhere", outcome=scope.IN, reason="x", by=harper)
    with pytest.raises(Refused, match="Choose"):
        scope.decide(person_id=jo.id, firm="", outcome="maybe", reason="x", by=harper)


def test_hr_decides_in_the_browser(app, duty, jo, sign_in):
    answer(duty, ANSWERS)
    browser = sign_in(make_hr())

    waiting = browser.get("/contractors/scope").text
    page = f"/contractors/scope/decide?person={jo.id}"
    blank = browser.post(page, data={"reason": "  "}).text
    done = browser.post(
        page, data={"outcome": "out_of_scope", "reason": "Own club."}, follow_redirects=True
    ).text

    assert "We clean the ice at night." in waiting
    assert "Choose in scope or not in scope" in blank
    assert "Write a reason" in blank
    assert "Nobody is waiting." in done
    assert browser.get("/contractors/scope/decide").status_code == 404
