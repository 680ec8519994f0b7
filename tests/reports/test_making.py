import csv
import hashlib
import json
import subprocess
import zipfile
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from sqlalchemy import func, select

from portal import db, jobs
from portal.attestations import sealing
from portal.audit.checkpoints import load_signer
from portal.campaigns import deciding
from portal.errors import Refused
from portal.mail.models import Mail
from portal.people.models import Person
from portal.people.services import identify
from portal.reports import downloads, making, verifying
from portal.reports.making import EXPORT
from portal.reports.models import Export
from portal.reports.queries import Filters
from tests.factories import make_assignment, make_attestation, make_campaign, make_hr, make_person

EVIL = "=cmd|' /C calc'!A0"


@pytest.fixture
def harper(app):
    person = make_hr()
    person.email = "harper@city.example"
    return identify(person)


def make(kind, campaign, harper, **filters):
    made = making.request_export(kind, campaign.id, Filters(**filters), by=harper)
    key = made.id
    db.finish(keep=True)
    jobs.run_once(EXPORT)
    with db.reading():
        return making.get_export(key)


def cells(path):
    """The texts of an Excel file's one sheet, row by row."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(path) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    return [
        ["".join(cell.itertext()) for cell in row.findall("m:c", space)]
        for row in sheet.iter(f"{{{space['m']}}}row")
    ], sheet


def test_a_file_that_was_given_up_says_so_on_its_page_and_can_be_asked_for_again(
    harper, sign_in, monkeypatch, clock
):
    def breaks(*_what):
        raise KeyError("oops")

    make_assignment(person=make_person(), campaign=(campaign := make_campaign()))
    monkeypatch.setitem(making._MAKERS, "people-csv", breaks)
    export = make("people-csv", campaign, harper)
    moment = db.utc_now()
    for hour in range(jobs.MAX_FAILURES):
        clock(moment + timedelta(hours=hour))
        jobs.run_once(EXPORT)

    page = sign_in(make_hr()).get(f"/reports/exports/{export.id}").text

    assert "The file could not be made" in page
    assert "portal doctor" in page
    again = making.request_export("people-csv", campaign.id, Filters(), by=harper)
    assert again.id != export.id


def test_an_address_that_is_none_does_not_keep_a_file_from_who_asked_for_it(harper):
    db.session.get_one(Person, harper.id).email = "n/a"
    make_assignment(person=make_person(), campaign=(campaign := make_campaign()))

    export = make("people-csv", campaign, harper)

    assert export.ready_at is not None
    assert db.session.scalars(select(Mail)).all() == []


def test_a_list_as_excel_has_dates_as_dates_and_no_formula(harper):
    campaign = make_campaign()
    make_assignment(person=make_person(EVIL), campaign=campaign)

    export = make("people-xlsx", campaign, harper)

    rows, sheet = cells(making.path_of(export))
    assert rows[0][0] == "Name"
    assert rows[1][0] == EVIL  # text, as the type of the cell says
    assert not list(sheet.iter("{http://schemas.openxmlformats.org/spreadsheetml/2006/main}f"))
    assert rows[1][4].isdigit()  # a day counted from 1900


def test_a_file_is_ready_with_its_digest_and_a_mail(harper):
    campaign = make_campaign()
    make_assignment(person=make_person("Ada Lovelace"), campaign=campaign)

    export = make("people-csv", campaign, harper)

    data = making.path_of(export).read_bytes()
    assert (export.size, export.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert "Ada Lovelace" in data.decode("utf-8-sig")
    assert making.path_of(export).stat().st_mode & 0o077 == 0
    mail = db.session.scalars(select(Mail)).one()
    assert (mail.name, mail.address) == ("export-ready", "harper@city.example")


def test_only_who_fits_the_filters_is_in_the_file(harper):
    campaign = make_campaign()
    make_assignment(person=make_person("Ada Lovelace", department="Finance"), campaign=campaign)
    make_assignment(person=make_person("Grace Hopper"), campaign=campaign)

    export = make("people-csv", campaign, harper, department="Finance")

    text = making.path_of(export).read_text("utf-8-sig")
    assert "Ada Lovelace" in text
    assert "Grace Hopper" not in text


def test_the_same_file_is_not_made_twice_at_once(harper):
    campaign = make_campaign()
    make_assignment(campaign=campaign)

    first = making.request_export("people-csv", campaign.id, Filters(), by=harper)
    second = making.request_export("people-csv", campaign.id, Filters(), by=harper)

    assert first.id == second.id


@pytest.mark.parametrize(
    ("kind", "filters", "words"),
    [
        ("nothing", {}, "no file of this kind"),
        ("people-csv", {"name": "nobody"}, "Nobody fits these filters"),
    ],
)
def test_what_cannot_be_made_is_refused_in_words(harper, kind, filters, words):
    campaign = make_campaign()
    make_assignment(campaign=campaign)

    with pytest.raises(Refused, match=words):
        making.request_export(kind, campaign.id, Filters(**filters), by=harper)


def test_a_full_disk_is_said_and_leaves_no_half_file(harper, monkeypatch):
    campaign = make_campaign()
    make_assignment(campaign=campaign)

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(making._MAKERS, "people-csv", full)
    export = make("people-csv", campaign, harper)

    assert export.failed == "No space left on device"
    assert list(making.path_of(export).parent.iterdir()) == []


def test_a_killed_worker_leaves_a_draft_that_is_written_anew(harper, monkeypatch):
    campaign = make_campaign()
    make_assignment(person=make_person("Ada Lovelace"), campaign=campaign)
    made = making.request_export("people-csv", campaign.id, Filters(), by=harper)
    key = str(made.id)
    draft = making.path_of(made).with_suffix(".draft")
    draft.parent.mkdir()
    draft.write_text("half of it" * 1000)
    db.finish(keep=True)

    EXPORT.do(key)

    with db.reading():
        export = making.get_export(made.id)
    assert "half of it" not in making.path_of(export).read_text()
    assert not draft.exists()


def test_a_file_is_removed_after_its_days_and_the_row_stays(harper, clock, sign_in):
    campaign = make_campaign()
    make_assignment(campaign=campaign)
    export = make("people-csv", campaign, harper)

    clock(db.utc_now() + timedelta(days=8))
    jobs.run_once(EXPORT)

    assert not making.path_of(export).exists()
    with db.reading():
        assert making.get_export(export.id).removed_at is not None
    assert EXPORT.due(1) == []


def test_any_range_of_a_file_can_be_asked_for(harper, sign_in):
    campaign = make_campaign()
    make_assignment(campaign=campaign)
    export = make("people-csv", campaign, harper)
    data = making.path_of(export).read_bytes()
    browser = sign_in(make_hr())
    address = f"/reports/exports/{export.id}/file"

    whole = browser.get(address)
    rest = browser.get(address, headers={"Range": "bytes=10-"})
    other = browser.get(address, headers={"Range": "bytes=10-", "If-Range": '"older"'})

    assert whole.data == data
    assert (rest.status_code, rest.data) == (206, data[10:])
    assert (other.status_code, other.data) == (200, data)


def test_hr_asks_for_a_file_and_sees_how_far_it_is(sign_in):
    campaign = make_campaign()
    make_assignment(campaign=campaign)
    browser = sign_in(make_hr())
    asked = browser.post(f"/reports/exports?campaign={campaign.id}", data={"kind": "people-xlsx"})

    waiting = browser.get(asked.location)
    jobs.run_once(EXPORT)
    ready = browser.get(asked.location)

    assert "Your file is being made" in waiting.text
    assert waiting.headers["Refresh"] == "3"
    assert "Your file is ready" in ready.text
    assert "Refresh" not in ready.headers
    assert "who-has-signed" in browser.get("/reports/exports").text


def test_an_audit_pack_checks_itself(harper, tmp_path, app):
    campaign = make_campaign()
    ada = make_attestation(person=make_person("Ada Lovelace"), campaign=campaign)
    released = make_assignment(person=make_person(EVIL), campaign=campaign)
    make_person("Casey Novak", kind="contractor")
    deciding.release(released, reason="Retires in May.", until=None, by=harper)
    db.finish(keep=True)
    sealing.do(str(ada.id))

    export = make("pack", campaign, harper)

    folder = tmp_path / "pack"
    with zipfile.ZipFile(making.path_of(export)) as archive:
        archive.extractall(folder)
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=False)
    definition = json.loads((folder / "campaign.json").read_text())
    out = list(csv.reader((folder / "audience.csv").read_text("utf-8-sig").splitlines()))
    decided = (folder / "decisions.csv").read_text()
    assert done.returncode == 0
    assert definition["audience_in_words"] == "Employees."
    assert [out[2][0], out[2][4]] == ["Casey Novak", "no"] or any(
        row[0] == "Casey Novak" and row[4] == "no" for row in out
    )
    assert "Retires in May." in decided
    assert f"'{EVIL}" in decided
    assert "campaign.launched" in (folder / "log.jsonl").read_text()
    signer = load_signer(app.extensions["settings"])
    assert verifying.verify_zip(folder / "records.zip", signer.verifier_key) == []
    assert (folder / "course" / "small-course-v1.zip").is_file()


def test_a_changed_file_of_the_pack_is_found(harper, tmp_path):
    campaign = make_campaign()
    make_assignment(campaign=campaign)
    export = make("pack", campaign, harper)
    with zipfile.ZipFile(making.path_of(export)) as archive:
        archive.extractall(tmp_path)
    people = tmp_path / "people.csv"
    people.write_text(people.read_text() + "One more\n")

    done = subprocess.run(
        ["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=False, capture_output=True
    )

    assert done.returncode == 1
    assert b"people.csv" in done.stdout


def test_a_third_download_at_once_is_asked_to_wait(app, sign_in):
    campaign = make_campaign()
    make_assignment(campaign=campaign)
    browser = sign_in(make_hr())
    for place in downloads.PLACES:
        assert jobs.claim(downloads.JOB, place, lease=jobs.LEASE)

    refused = browser.get(f"/reports/people.csv?campaign={campaign.id}")
    jobs.give_back(downloads.JOB, "1")
    taken = browser.get(f"/reports/people.csv?campaign={campaign.id}")
    again = browser.get(f"/reports/people.csv?campaign={campaign.id}")

    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "60"
    assert "Two downloads are running" in refused.text
    assert taken.status_code == again.status_code == 200


def test_the_place_of_a_killed_download_is_free_after_a_lease(app, clock):
    for place in downloads.PLACES:
        jobs.claim(downloads.JOB, place, lease=jobs.LEASE)

    clock(db.utc_now() + jobs.LEASE * 1.1)

    assert jobs.claim(downloads.JOB, "1", lease=jobs.LEASE)


def places_taken():
    db.finish(keep=False)
    counted = select(func.count()).select_from(jobs.Claim).where(jobs.Claim.job == downloads.JOB)
    return db.session.scalar(counted)


def test_a_download_holds_a_place_until_it_is_closed(app):
    with app.test_request_context("/"):
        chunks = downloads.limited(iter(["a", "b"]))
        assert [*chunks] == ["a", "b"]
        assert places_taken() == 1
    chunks.close()

    assert places_taken() == 0


@pytest.mark.parametrize("read", [0, 1])
def test_a_download_that_is_broken_off_gives_its_place_back(app, read):
    with app.test_request_context("/"):
        chunks = downloads.limited(iter(["a", "b"]))
        for _ in range(read):
            next(chunks)
    chunks.close()

    assert places_taken() == 0


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_who_only_asks_about_a_list_leaves_the_places_to_others(app, sign_in, method):
    make_assignment()
    browser = sign_in(make_hr())

    answers = [browser.open("/reports/people.csv", method=method) for _ in range(3)]

    assert {each.status_code for each in answers} == {200}
    assert places_taken() == 0


def test_asking_costs_one_row(harper):
    campaign = make_campaign()
    make_assignment(campaign=campaign)
    making.request_export("people-csv", campaign.id, Filters(), by=harper)

    assert db.session.scalar(select(func.count()).select_from(Export)) == 1
