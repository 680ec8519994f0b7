import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import current_app
from sqlalchemy import func, select

from portal import db
from portal.attestations import services
from portal.attestations.models import Attestation, Refusal
from portal.audit.models import AuditEntry
from portal.campaigns import services as campaigns
from portal.campaigns.models import Status
from portal.errors import NotFound, Refused
from portal.people.services import identify
from tests.factories import make_assignment, make_attestation, make_hr, make_person, progress_of


def sign(assignment, name=None):
    services.sign(
        assignment.id,
        person=identify(assignment.person),
        typed_name=name or assignment.person.full_name,
        settings=current_app.extensions["settings"],
    )


def test_nobody_signs_before_the_last_step(app):
    with pytest.raises(Refused, match="all the steps"):
        sign(make_assignment())


def test_the_signature_is_recorded_with_all_that_it_means(app):
    ada = make_person("Ada Lovelace", department="Transit")
    assignment = make_assignment(person=ada, done=True)

    sign(assignment, "ada lovelace")

    kept = db.session.scalars(select(Attestation)).one()
    record = json.loads(kept.record)
    assert record["person"]["full_name"] == "Ada Lovelace"
    assert record["signature"]["typed_name"] == "ada lovelace"
    assert record["statement"] == "I have read the small course."
    assert record["policy"]["title"] == "The small policy"
    assert record["quizzes"][0]["right"] == record["quizzes"][0]["out_of"] == 2
    assert record["answers"][0]["outcome"] == "You are in scope"
    assert record["course"]["content_hash"] == progress_of(assignment).course.content_hash
    assert kept.number in record["verify_url"]


def test_signing_twice_leaves_one_signature_and_the_same_number(app):
    assignment = make_assignment(done=True)

    sign(assignment)
    number = services.get_receipt(assignment.id, person=identify(assignment.person)).number
    sign(assignment)

    assert db.session.scalar(select(func.count()).select_from(Attestation)) == 1
    assert services.get_receipt(assignment.id, person=identify(assignment.person)).number == number


def test_the_database_has_the_last_word_when_two_tabs_sign_at_once(app, monkeypatch):
    assignment = make_assignment(done=True)
    before = services.learning.get_progress(assignment.id, person=identify(assignment.person))
    sign(assignment)
    monkeypatch.setattr(services.learning, "get_progress", lambda *_a, **_k: before)

    sign(assignment)

    assert db.session.scalar(select(func.count()).select_from(Attestation)) == 1
    assert (
        db.session.scalar(
            select(func.count()).select_from(AuditEntry).filter_by(action="attestation.signed")
        )
        == 1
    )


def test_another_name_is_refused_with_the_name_that_we_hold(app):
    assignment = make_assignment(person=make_person("Ada Lovelace"), done=True)

    with pytest.raises(Refused, match="Ada Lovelace"):
        sign(assignment, "Charles Babbage")


def test_signing_makes_the_duty_signed_and_leaves_an_entry_in_the_log(app):
    attestation = make_attestation()

    assert attestation.assignment.status is Status.SIGNED
    assert attestation.assignment.signed_at == attestation.signed_at
    entry = db.session.scalars(select(AuditEntry).filter_by(action="attestation.signed")).one()
    assert attestation.record_sha256 in entry.leaf


def test_who_does_not_agree_can_say_so_and_still_sign_later(app):
    assignment = make_assignment(done=True)

    services.refuse(assignment.id, person=identify(assignment.person), comment="  Not clear. ")

    assert db.session.scalars(select(Refusal.comment)).one() == "Not clear."
    assert progress_of(assignment).duty.status is Status.REFUSED
    sign(assignment)
    assert progress_of(assignment).duty.status is Status.SIGNED


def refuse(assignment, comment, **facts):
    return services.refuse(
        assignment.id, person=identify(assignment.person), comment=comment, **facts
    ).number


def test_who_says_the_same_again_has_refused_once(app, clock):
    assignment = make_assignment(done=True)
    began = db.utc_now()
    first = refuse(assignment, "No.")

    clock(began + timedelta(days=1))
    assert refuse(assignment, " No. ") == first
    assert db.session.scalar(select(func.count()).select_from(Refusal)) == 1

    other = refuse(assignment, "Page 3 is not clear.")
    clock(began + timedelta(days=2))
    assert len({first, other, refuse(assignment, "No.")}) == 3


def test_who_went_on_after_a_refusal_and_says_the_same_has_refused_again(app):
    assignment = make_assignment(done=True)
    first = refuse(assignment, "No.")

    campaigns.set_status(assignment.id, Status.READY)

    assert refuse(assignment, "No.") != first


def test_what_hr_heard_on_another_day_or_before_a_witness_is_another_refusal(app, clock):
    assignment = make_assignment(done=True)
    heard = {"recorded_by": identify(make_hr()), "said_on": db.today()}
    own, began = refuse(assignment, ""), db.utc_now()
    numbers = [own]

    for second, facts in enumerate(
        (heard, heard, heard | {"witness": "Mo"}, heard | {"said_on": db.today() - timedelta(1)})
    ):
        clock(began + timedelta(seconds=second + 1))
        numbers.append(refuse(assignment, "", **facts))

    assert numbers[1] == numbers[2]
    assert len(set(numbers)) == 4


def test_four_clicks_at_once_are_one_refusal(each_app):
    assignment = make_assignment(done=True)
    key, person = assignment.id, identify(assignment.person)
    db.finish(keep=True)

    def click(_):
        with each_app.app_context(), db.transaction():
            return services.refuse(key, person=person, comment="No.").number

    with ThreadPoolExecutor(4) as clicks:
        numbers = set(clicks.map(click, range(4)))

    assert len(numbers) == 1
    assert db.session.scalar(select(func.count()).select_from(Attestation)) == 1


def test_who_has_signed_cannot_refuse_any_more(app):
    attestation = make_attestation()

    with pytest.raises(Refused, match="already signed"):
        services.refuse(
            attestation.assignment_id, person=identify(attestation.assignment.person), comment="x"
        )


def test_a_receipt_is_for_its_owner_alone(app):
    attestation = make_attestation()

    with pytest.raises(NotFound):
        services.get_receipt(attestation.assignment_id, person=identify(make_person()))


def test_a_number_tells_that_the_record_exists_and_not_whose_it_is(app):
    attestation = make_attestation()

    fact = services.find_by_number(attestation.number.lower().replace("-", " "))

    assert fact is not None
    assert fact.title == "Small campaign"
    assert attestation.assignment.person.full_name not in repr(fact)
    assert services.find_by_number("MH-2026-AAAA-AAAA-AA") is None
