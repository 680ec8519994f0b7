import io
import json
import re
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select

from portal import db
from portal.attestations import printing, recording, sealing, services, verifying
from portal.attestations.models import Attestation, Evidence, Scan
from portal.attestations.verifying import Outcome
from portal.campaigns import deciding
from portal.campaigns.models import Status
from portal.courses import services as courses
from portal.errors import Refused
from portal.people.services import identify
from portal.reports import queries
from portal.reports import verifying as comparing
from portal.reports.queries import Filters
from tests.documents.conformance import text_of, verapdf
from tests.documents.test_scans import a_pdf, a_written_pdf, with_password, with_script
from tests.factories import make_assignment, make_attestation, make_hr, make_person

OPENED = date(2025, 10, 20)


@pytest.fixture
def harper(app):
    return identify(make_hr())


def record(assignment, harper, **changes):
    facts = {
        "signed_on": db.today(),
        "scan": a_pdf(),
        "witness": "Morgan Dubois",
        "note": "",
        "by": harper,
    }
    return recording.record_paper(assignment, **{**facts, **changes})


def seal(attestation):
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    with db.reading() as session:
        return session.scalars(
            select(Evidence.pdf).where(Evidence.attestation_id == attestation.id)
        ).one()


def test_a_signature_on_paper_discharges_the_duty_without_any_step(app, harper):
    duty = make_assignment()

    attestation = record(duty, harper)

    db.session.expire_all()
    kept = json.loads(attestation.record)
    assert duty.status is Status.SIGNED
    assert kept["kind"] == "paper"
    assert kept["paper"]["recorded_by"] == "Harper Singh"
    assert kept["read"] == []


def test_figures_count_from_the_day_on_the_paper(app, harper):
    duty = make_assignment()
    day = db.today() - timedelta(days=30)

    record(duty, harper, signed_on=day)

    db.session.expire_all()
    assert db.local_day(duty.signed_at) == day


@pytest.mark.parametrize(
    ("day", "words"),
    [(timedelta(days=1), "in the future"), (timedelta(days=-4000), "before the first day")],
)
def test_a_day_that_cannot_be_is_refused(app, harper, day, words):
    with pytest.raises(Refused, match=words):
        record(make_assignment(), harper, signed_on=db.today() + day)


def test_who_has_signed_is_not_recorded_again(app, harper):
    with pytest.raises(Refused, match="signed already"):
        record(make_attestation().assignment, harper)


def test_two_advisers_at_once_record_one_signature(each_app):
    harper = identify(make_hr())
    duty = make_assignment()
    record(duty, harper)
    duty.status = Status.NOT_STARTED  # what the slower one still saw
    db.session.flush()

    with pytest.raises(Refused, match="signed already"):
        record(duty, harper)

    assert db.session.scalar(select(func.count()).select_from(Scan)) == 1


@pytest.mark.server
def test_paper_and_refusals_are_sealed_as_the_checkers_ask_and_say_what_they_are(
    app, harper, tmp_path
):
    paper = record(make_assignment(), harper)
    person = make_person("Łukasz Nguyễn-O’Neill")
    refused = services.refuse(
        make_assignment(person=person).id,
        person=identify(person),
        comment="Page 3 is not clear to me.",
        said_on=db.today(),
        recorded_by=harper,
        witness="Morgan Dubois",
    )

    files = {"paper": seal(paper), "refused": seal(refused)}

    verapdf(files, tmp_path)
    assert "signed on paper" in text_of(files["paper"], tmp_path)
    assert "Record of a refusal" in text_of(files["refused"], tmp_path)
    assert "Page 3 is not clear to me." in text_of(files["refused"], tmp_path)
    assert verifying.verify_upload(files["paper"]).outcome is Outcome.OURS
    assert comparing.compare_facts() == []


def test_who_refused_may_sign_later_and_counts_once(app, harper):
    person = make_person()
    duty = make_assignment(person=person, done=True)
    services.refuse(duty.id, person=identify(person), comment="No.")
    services.refuse(duty.id, person=identify(person), comment="Still no.")
    signed = make_attestation(person=person)
    seal(signed)

    duties = queries.list_duties_of(person.id)
    total = queries.total(queries.count_by_department(duty.campaign_id))
    records = recording.list_records([duty.id])

    assert len(duties) == 1
    assert (total.signed, total.refused) == (1, 0)
    assert [each.kind for each in records] == ["refused", "refused", "signed"]
    today = db.today()
    assert len(queries.signed_records(duty.campaign_id, Filters(), today=today)) == 1


def test_what_hr_decided_is_in_the_record(app, harper):
    person = make_person()
    duty = make_assignment(person=person, done=True, due_on=date(2027, 1, 1))
    deciding.give_time(duty, due_on=date(2027, 2, 1), reason="On nights.", by=harper)

    attestation = make_attestation(person=person)

    decided = json.loads(attestation.record)["decisions"]
    assert decided[0]["reason"] == "On nights."
    assert decided[0]["due_after"] == "2027-02-01"
    assert b"%PDF" in seal(attestation)[:8]


def test_a_record_without_decisions_has_no_word_of_them(app):
    assert "decisions" not in json.loads(make_attestation().record)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "Choose the scan, a PDF"),
        (b"GIF89a", "This file is not a PDF"),
        (b"%PDF-1.7 " + b"x" * recording.MOST_BYTES, "larger than 10 MB"),
        (a_pdf(change=with_script), "holds a script. Print it and scan the print"),
        (a_written_pdf(b"/OpenAction 5 0 R"), "holds a link that leads out of it"),
        (a_pdf(change=with_password), "has a password"),
    ],
    ids=["none", "gif", "large", "script", "link", "password"],
)
def test_a_bad_scan_is_said_beside_the_field_and_the_rest_is_kept(app, sign_in, data, words):
    duty = make_assignment()
    browser = sign_in(make_hr())
    form = {"signed_on": "2026-11-01", "witness": "Morgan Dubois", "note": "In the yard."}
    if data:
        form["scan"] = (io.BytesIO(data), "scan.pdf")

    page = browser.post(f"/attestations/paper/{duty.id}", data=form).text

    assert words in page
    assert 'value="Morgan Dubois"' in page
    assert "In the yard." in page
    assert db.session.scalar(select(func.count()).select_from(Attestation)) == 0


@pytest.mark.parametrize("day", ["", "2000-01-01", "2199-01-01"])
def test_a_good_scan_is_asked_for_again_where_something_else_is_wrong(app, sign_in, day):
    duty = make_assignment()
    form = {"signed_on": day, "scan": (io.BytesIO(a_pdf()), "scan.pdf")}

    page = sign_in(make_hr()).post(f"/attestations/paper/{duty.id}", data=form).text

    assert '<a href="#signed_on">' in page
    assert '<a href="#scan">Choose the scan again</a>' in page


def test_a_scan_larger_than_any_other_request_is_said_beside_the_field_too(app, sign_in):
    app.config["WTF_CSRF_ENABLED"] = True
    address = f"/attestations/paper/{make_assignment().id}"
    browser = sign_in(make_hr())
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(address).text)[1]
    form = {"signed_on": "2026-11-01", "note": "In the yard.", "csrf_token": token}
    form["scan"] = (io.BytesIO(b"%PDF-1.7 " + bytes(30 * 1024 * 1024)), "scan.pdf")

    page = browser.post(address, data=form)

    assert page.status_code == 200
    assert "The scan is larger than 10 MB" in page.text
    assert "In the yard." in page.text


def test_a_scan_that_comes_while_two_files_are_looked_into_is_said_beside_the_field(
    app, sign_in, all_places_taken
):
    duty = make_assignment()
    form = {"signed_on": "2026-11-01", "note": "In the yard."}
    form["scan"] = (io.BytesIO(a_pdf()), "scan.pdf")

    page = sign_in(make_hr()).post(f"/attestations/paper/{duty.id}", data=form).text

    assert "Too many files are being checked. Try again in a minute." in page
    assert "In the yard." in page
    assert db.session.scalar(select(func.count()).select_from(Attestation)) == 0


def test_hr_records_paper_and_finds_it_on_the_persons_page(app, sign_in):
    duty = make_assignment(person=make_person("Sam Whitehorse"))
    browser = sign_in(make_hr())
    form = {"signed_on": "2026-11-01", "scan": (io.BytesIO(a_pdf()), "scan.pdf")}

    page = browser.post(f"/attestations/paper/{duty.id}", data=form, follow_redirects=True).text

    assert "Signed on paper" in page


def test_hr_records_a_refusal(app, sign_in):
    duty = make_assignment(person=make_person("Sam Whitehorse"))
    browser = sign_in(make_hr())
    form = {"said_on": "2026-11-01", "comment": "I do not want to.", "witness": "Morgan Dubois"}

    page = browser.post(f"/attestations/refusal/{duty.id}", data=form, follow_redirects=True).text

    assert "Did not agree" in page
    assert "I do not want to." in page


def test_a_refusal_in_the_future_is_said_beside_the_field(app, sign_in):
    duty = make_assignment()
    form = {"said_on": "2099-01-01", "comment": "Not yet."}

    page = sign_in(make_hr()).post(f"/attestations/refusal/{duty.id}", data=form).text

    assert "The day is in the future" in page
    assert "Not yet." in page


def test_the_paper_form_is_printed_with_a_code_that_leads_back(app, sign_in):
    duty = make_assignment(person=make_person("Łukasz Nguyễn-O’Neill"))

    answer = sign_in(make_hr()).get(f"/attestations/paper/{duty.id}/form.pdf")

    assert answer.mimetype == "application/pdf"
    assert answer.data.startswith(b"%PDF-")


@pytest.mark.server
def test_the_paper_form_holds_the_whole_policy_above_the_words_that_are_signed(app, tmp_path):
    duty = make_assignment()
    course = courses.get_course(duty.course_version_id)

    form = printing.paper_form(duty, link="https://portal.example/1", settings=db.settings())

    text = " ".join(text_of(form, tmp_path).split())
    assert "The small policy What you know through work is for work." in text
    assert "We collect your answers for this test." in text
    assert text.index("for work.") < text.index(course.statement) < text.index("Signature")


def test_anyone_with_the_number_reads_what_kind_of_record_it_is(app, harper, client):
    attestation = record(make_assignment(), harper)
    seal(attestation)

    page = client.get(f"/attestations/verify/{attestation.number}").text

    assert "Signed on paper" in page
    assert "Morgan Dubois" not in page
