import csv
import io
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db, spreadsheets
from portal.audit.models import AuditEntry
from portal.campaigns import deciding
from portal.contractors import scope
from portal.learning.models import StepDone
from portal.people.services import identify
from portal.reminders.models import ReminderRun
from portal.reports import declared
from portal.reports.lists import KINDS
from portal.retention import lists as disposals
from portal.retention import services as retention
from tests.factories import (
    TODAY,
    make_assignment,
    make_attestation,
    make_campaign,
    make_hr,
    make_person,
)


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


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"disposal"}))
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

    head, *rows = read_csv(browser.get(f"/reports/lists/{name}.csv?of={campaign.id}"))
    excel = browser.get(f"/reports/lists/{name}.xlsx?of={campaign.id}")

    assert head == [str(each) for each in KINDS[name].head()]
    assert all(len(row) == len(head) for row in rows)
    assert rows or name in {"mail", "contractors", "holds", "reminders", "scope"}
    assert not any(cell[:1] in {"=", "@"} for row in rows for cell in row)
    assert "xl/worksheets/sheet1.xml" in zipfile.ZipFile(io.BytesIO(excel.data)).namelist()


def test_the_lists_of_the_city_hold_what_their_pages_show(app, campaign, sign_in):
    hr = make_hr()
    ada = make_person("Ada Lovelace", kind="contractor", firm="Quokkaworks")
    retention.hold(campaign_id=None, username=ada.username, reason="Grievance", by=identify(hr))
    scope.decide(
        person_id=ada.id, firm="", outcome="in_scope", reason="=Works here", by=identify(hr)
    )
    db.session.add(ReminderRun(day=TODAY, reminded=3, without_mail=1, lists=0))
    db.finish(keep=True)
    browser = sign_in(hr)

    def rows(name):
        return read_csv(browser.get(f"/reports/lists/{name}.csv"))[1:]

    assert rows("holds")[0][:3] == ["Ada Lovelace", "Grievance", hr.full_name]
    assert rows("scope")[0][:3] == ["Ada Lovelace", "in_scope", "'=Works here"]
    assert rows("reminders")[0][:4] == [TODAY.isoformat(), "3", "1", "0"]
    assert rows("campaigns")[0][0] == campaign.title
    assert ["Placed a hold", hr.full_name, "Ada Lovelace"] in [row[1:4] for row in rows("log")]


def test_a_disposal_list_comes_as_a_file_in_its_order(app, campaign, sign_in, monkeypatch):
    monkeypatch.setattr(disposals, "MANY", 2)
    hr = identify(make_hr())
    for name in ("Ada Lovelace", "Grace Hopper", "Joan Clarke"):
        make_assignment(person=make_person(name), campaign=campaign)
    campaign.closed_at = db.utc_now()
    db.session.flush()
    retention.set_period(campaign.id, 1, by=hr)
    made = disposals.make_list(by=hr, today=TODAY + timedelta(days=400))
    db.finish(keep=True)

    _head, *rows = read_csv(sign_in(make_hr()).get(f"/reports/lists/disposal.csv?of={made.id}"))

    names = [row[0] for row in rows]
    assert [name for name in names if name in ("Ada Lovelace", "Grace Hopper", "Joan Clarke")] == [
        "Joan Clarke",
        "Grace Hopper",
        "Ada Lovelace",
    ]


def test_a_list_that_is_too_long_for_excel_is_refused_not_cut(app, campaign, sign_in, monkeypatch):
    monkeypatch.setattr(spreadsheets, "MOST_ROWS", 1)
    for name in ("Ada Lovelace", "Grace Hopper"):
        make_assignment(person=make_person(name), campaign=campaign)
    browser = sign_in(make_hr())

    answer = browser.get(f"/reports/lists/audience.xlsx?of={campaign.id}")

    assert answer.status_code == 409
    assert "too long for Excel" in answer.text
    assert browser.get(f"/reports/lists/audience.csv?of={campaign.id}").status_code == 200


def test_the_log_keeps_who_took_a_list_and_how_many_rows(app, campaign, sign_in):
    make_attestation(person=make_person("Ada Lovelace"), campaign=campaign)
    harper = make_hr()
    sign_in(harper).get(f"/reports/lists/audience.csv?of={campaign.id}")

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
