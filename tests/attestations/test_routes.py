import io
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from portal import db
from portal.attestations import sealing
from portal.attestations.models import Attestation, Evidence, Refusal
from portal.audit.models import AuditEntry
from portal.people import services as people
from portal.people.door import current_door
from tests.factories import make_assignment, make_attestation, make_person

ANSWER = {"agrees": "y", "typed_name": "Ada Lovelace", "password": "portal-demo"}


@pytest.fixture
def ada(app):
    return make_person("Ada Lovelace")


@pytest.fixture
def right_password(monkeypatch):
    """The directory says yes; the real ones are asked in the journeys."""
    monkeypatch.setattr(people, "confirm_password", lambda *_a, **_k: None)


def count(model):
    db.finish(keep=False)
    return db.session.scalar(select(func.count()).select_from(model))


def test_signing_leads_to_the_receipt(ada, sign_in, right_password):
    assignment = make_assignment(person=ada, done=True)

    page = sign_in(ada).post(
        f"/attestations/{assignment.id}/sign", data=ANSWER, follow_redirects=True
    )

    assert "You have signed" in page.text
    assert db.session.scalars(select(Attestation.number)).one() in page.text
    assert "We are making your PDF" in page.text


def test_a_form_that_is_sent_twice_gets_the_same_receipt(ada, sign_in, right_password):
    assignment = make_assignment(person=ada, done=True)
    browser = sign_in(ada)

    first = browser.post(f"/attestations/{assignment.id}/sign", data=ANSWER)
    second = browser.post(f"/attestations/{assignment.id}/sign", data=ANSWER)

    assert first.location == second.location
    assert count(Attestation) == 1


def test_a_signature_waits_for_the_disk_and_the_count_of_tries_does_not(
    app, ada, sign_in, monkeypatch
):
    monkeypatch.setattr(type(current_door().directory), "confirm", lambda *_: None)
    assignment = make_assignment(person=ada, done=True)
    browser = sign_in(ada)
    waited = []

    def note(connection):
        if connection.get_execution_options().get("writes"):
            waited.append(connection.info.get("synchronous", "FULL"))

    event.listen(app.extensions["engine"], "commit", note)
    try:
        browser.post(f"/attestations/{assignment.id}/sign", data=ANSWER)
    finally:
        event.remove(app.extensions["engine"], "commit", note)
    assert waited == ["NORMAL", "NORMAL", "FULL"]
    assert count(Attestation) == 1


def test_the_session_alone_never_signs(ada, sign_in, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise people.SignInRefused("The name or password is wrong.")

    monkeypatch.setattr(people, "confirm_password", refuse)
    assignment = make_assignment(person=ada, done=True)

    page = sign_in(ada).post(f"/attestations/{assignment.id}/sign", data=ANSWER)

    assert page.text.count("The name or password is wrong.") == 2
    assert 'value="Ada Lovelace"' in page.text
    assert "portal-demo" not in page.text
    assert count(Attestation) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"agrees": ""}, "Tick the box"),
        ({"typed_name": ""}, "Type your full name"),
        ({"typed_name": "Charles Babbage"}, "Type your name as we hold it: Ada Lovelace"),
        ({"password": ""}, "Enter your password"),
    ],
)
def test_what_is_missing_is_said_at_the_field_and_nothing_is_signed(
    ada, sign_in, right_password, change, words
):
    assignment = make_assignment(person=ada, done=True)
    given = {name: value for name, value in (ANSWER | change).items() if value}

    page = sign_in(ada).post(f"/attestations/{assignment.id}/sign", data=given)

    assert page.text.count(words) >= 2
    assert count(Attestation) == 0


def test_the_page_to_sign_opens_only_when_all_steps_are_done(ada, sign_in):
    assignment = make_assignment(person=ada)

    answer = sign_in(ada).get(f"/attestations/{assignment.id}/sign")

    assert answer.location == f"/learning/{assignment.id}/"


def test_who_does_not_agree_is_heard(ada, sign_in):
    assignment = make_assignment(person=ada, done=True)

    page = sign_in(ada).post(
        f"/attestations/{assignment.id}/disagree",
        data={"comment": "Not clear to me."},
        follow_redirects=True,
    )

    assert "HR has your message" in page.text
    assert db.session.scalars(select(Refusal.comment)).one() == "Not clear to me."


def test_the_sealed_pdf_is_the_owners_and_the_log_keeps_who_took_it(ada, sign_in):
    attestation = make_attestation(person=ada)
    db.finish(keep=True)
    sealing.do(str(attestation.id))

    file = sign_in(ada).get(f"/attestations/{attestation.assignment_id}/receipt.pdf")

    assert file.data.startswith(b"%PDF-")
    assert "Lovelace" not in file.headers["Content-Disposition"]
    entry = db.session.scalars(select(AuditEntry).filter_by(action="evidence.downloaded")).one()
    assert str(ada.id) in entry.leaf


def test_before_it_is_sealed_there_is_no_pdf_yet(ada, sign_in):
    attestation = make_attestation(person=ada)

    answer = sign_in(ada).get(f"/attestations/{attestation.assignment_id}/receipt.pdf")

    assert answer.status_code == 404


def test_the_qr_code_leads_to_a_page_that_shows_no_name(ada, client):
    attestation = make_attestation(person=ada)
    db.finish(keep=True)

    page = client.get(f"/verify/{attestation.number}", follow_redirects=True)

    assert "This record exists" in page.text
    assert "Lovelace" not in page.text


def test_an_unknown_number_is_said_to_be_unknown(client):
    page = client.get("/attestations/verify/MH-2026-AAAA-AAAA-AA")

    assert page.status_code == 404
    assert "There is no record with this number" in page.text


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "Choose a PDF"), (b"hello", "This file is not a PDF")]
)
def test_an_upload_that_is_no_pdf_is_refused_in_words(client, data, words):
    given = {"file": (io.BytesIO(data), "a.pdf")} if data else {}

    page = client.post("/attestations/verify/file", data=given)

    assert page.status_code == 422
    assert words in page.text


def test_the_answer_to_a_copy_is_read_again_without_the_file(client, clock):
    sent = client.post("/attestations/verify/file", data={"file": (io.BytesIO(b"%PDF-1.7"), "a")})

    assert sent.status_code == 302
    for _ in range(2):
        assert "This is not one of our records" in client.get(sent.location).text
    clock(db.utc_now() + timedelta(minutes=16))
    assert client.get(sent.location).location == "/attestations/verify"


def test_the_page_of_one_copy_never_shows_the_answer_to_another(client):
    one, other = (
        client.post("/attestations/verify/file", data={"file": (io.BytesIO(pdf), "a.pdf")})
        for pdf in (b"%PDF-1.7 one", b"%PDF-1.7 other")
    )

    assert client.get(other.location).status_code == 200
    assert client.get(one.location).location == "/attestations/verify"


@pytest.fixture
def sealed(app):
    attestation = make_attestation()
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    yield db.session.scalars(select(Evidence.pdf)).one()
    db.finish(keep=True)


def check(browser, pdf):
    return browser.post("/attestations/verify/file", data={"file": (io.BytesIO(pdf), "a.pdf")})


def test_whoever_is_not_signed_in_waits_after_eight_files_that_are_not_ours(client, sealed):
    db.finish(keep=True)
    for _ in range(8):
        assert check(client, b"%PDF-1.7 other").status_code == 302

    waits = check(client, b"%PDF-1.7 other")

    assert waits.status_code == 429
    assert "There were too many tries. Wait 15 minutes" in waits.text
    assert "If you sign in, you need not wait" in waits.text
    assert check(client, sealed).status_code == 302


def test_whoever_is_signed_in_checks_as_many_files_as_they_like(ada, sign_in):
    browser = sign_in(ada)

    assert {check(browser, b"%PDF-1.7 other").status_code for _ in range(10)} == {302}


def test_a_copy_that_comes_while_two_are_looked_into_is_not_kept_waiting(client, all_places_taken):
    page = check(client, b"%PDF-1.7 % record MH-2026-7K4M-0193\n")

    assert page.status_code == 503
    assert page.headers["Retry-After"] == "60"
    assert "Too many files are being checked. Try again in a minute." in page.text


def test_our_own_bytes_and_files_without_a_trace_of_us_need_no_place(
    client, sealed, all_places_taken
):
    db.finish(keep=True)

    for pdf, words in ((sealed, "our record, unchanged"), (b"%PDF-1.7 letter", "not one of our")):
        assert words in client.get(check(client, pdf).location).text


def test_a_copy_larger_than_any_other_request_is_answered(client):
    sent = check(client, b"%PDF-1.7 " + bytes(30 * 1024 * 1024))

    assert "It is larger than any record of ours" in client.get(sent.location).text


def test_the_answer_names_the_record_and_its_time(client):
    attestation = make_attestation()
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    pdf = db.session.scalars(select(Evidence.pdf)).one()
    db.finish(keep=True)

    sent = check(client, pdf)
    page = client.get(sent.location)

    assert "This is our record, unchanged" in page.text
    assert attestation.number in page.text
    assert attestation.number not in sent.location


@pytest.mark.parametrize("typed", ["MH/2026/AAAA", "..", "/"])
def test_what_cannot_be_a_number_is_told_at_the_field_not_as_a_page_that_is_not_found(
    app, client, typed
):
    page = client.post("/attestations/verify", data={"number": typed})

    assert page.text.count("Write the number as it stands on the receipt") == 2
    assert f'value="{typed}"' in page.text
