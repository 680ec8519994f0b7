import csv
import io
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.audit.models import AuditEntry
from portal.campaigns import deciding
from portal.learning.models import StepDone
from portal.people.services import identify
from portal.reports import declared
from portal.reports.lists import KINDS
from tests.factories import make_assignment, make_attestation, make_campaign, make_hr, make_person


@pytest.fixture
def campaign(app):
    return make_campaign(course="annual-attestation")


def declare(name, campaign, outcome, *, comment="", **facts):
    duty = make_assignment(person=make_person(name, **facts), campaign=campaign)
    key = "conflict-of-interest/anything-to-declare"
    for answer in ({"outcome": "nothing-to-declare"}, {"outcome": outcome, "comment": comment}):
        db.session.add(StepDone(assignment_id=duty.id, step=key, answer={"answers": {}, **answer}))
        db.session.flush()
    return duty


def read_csv(answer):
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_hr_sees_what_may_need_them_and_the_latest_answer_counts(campaign):
    declare("Ada Lovelace", campaign, "wants-to-declare", comment="My cousin bids.")
    declare("Bo Diddley", campaign, "nothing-to-declare")

    (line,), _last = declared.list_lines(campaign.id, everything=False, page=1)
    everything, _last = declared.list_lines(campaign.id, everything=True, page=1)

    assert line.full_name == "Ada Lovelace"
    assert line.outcome == "Please tell your manager or HR"
    assert line.comment == "My cousin bids."
    assert [each.full_name for each in everything] == ["Bo Diddley", "Ada Lovelace"]


@pytest.mark.parametrize("everything", [True, False])
def test_a_page_of_what_was_declared_holds_so_many_people(campaign, monkeypatch, everything):
    monkeypatch.setattr(declared, "PER_PAGE", 2)
    for name in ("Ada Lovelace", "Bo Diddley", "Cy Young"):
        declare(name, campaign, "wants-to-talk")
    make_assignment(person=make_person("Al Aaron"), campaign=campaign)

    pages = [declared.list_lines(campaign.id, everything=everything, page=page) for page in (1, 2)]

    assert [([each.full_name for each in lines], is_last) for lines, is_last in pages] == [
        (["Bo Diddley", "Ada Lovelace"], False),
        (["Cy Young"], True),
    ]


def test_the_page_of_what_was_declared_and_its_empty_state(app, campaign, sign_in):
    browser = sign_in(make_hr())
    empty = browser.get("/reports/declared").text
    db.finish(keep=True)
    declare("Ada <b>Lovelace</b>", campaign, "wants-to-talk", comment="=1+1")
    db.finish(keep=True)
    page = browser.get("/reports/declared").text

    assert "Nobody has declared anything that may need you." in empty
    assert "Ada &lt;b&gt;" in page
    assert "Please talk to HR" in page


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_list_comes_as_csv_and_as_excel(app, campaign, sign_in, name):
    duty = declare("=Ada", campaign, "wants-to-talk", comment="=cmd()")
    deciding.give_time(
        duty,
        due_on=duty.due_on + timedelta(days=9),
        reason="@x",
        by=identify(make_hr()),
    )
    db.finish(keep=True)
    browser = sign_in(make_hr())

    head, *rows = read_csv(browser.get(f"/reports/lists/{name}.csv?campaign={campaign.id}"))
    excel = browser.get(f"/reports/lists/{name}.xlsx?campaign={campaign.id}")

    assert head == [str(each) for each in KINDS[name].head()]
    assert all(len(row) == len(head) for row in rows)
    assert rows or name in {"mail", "contractors"}
    assert not any(cell[:1] in {"=", "@"} for row in rows for cell in row)
    assert "xl/worksheets/sheet1.xml" in zipfile.ZipFile(io.BytesIO(excel.data)).namelist()


def test_the_log_keeps_who_took_a_list_and_how_many_rows(app, campaign, sign_in):
    make_attestation(person=make_person("Ada Lovelace"), campaign=campaign)
    harper = make_hr()
    sign_in(harper).get(f"/reports/lists/audience.csv?campaign={campaign.id}")

    entry = db.session.scalars(select(AuditEntry).filter_by(action="list.exported")).one()
    assert '"rows":2' in entry.leaf
    assert str(harper.id) in entry.leaf


def test_a_list_that_there_is_not_is_not_found(app, campaign, sign_in):
    browser = sign_in(make_hr())

    assert browser.get("/reports/lists/passwords.csv").status_code == 404
    assert browser.get("/reports/lists/mail.pdf").status_code == 404
    assert browser.get("/reports/lists/audience.csv").status_code == 404


def test_contractors_and_mail_need_no_campaign(app, sign_in):
    make_person("Jo Kowal", kind="contractor", firm="=Firm")
    browser = sign_in(make_hr())

    rows = read_csv(browser.get("/reports/lists/contractors.csv"))

    assert ["Jo Kowal", "'=Firm"] in [[row[0], row[3]] for row in rows]
    assert read_csv(browser.get("/reports/lists/mail.csv"))
