import csv
import io
import zipfile
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations import sealing, services
from portal.audit.models import AuditEntry
from portal.people.services import identify
from tests.factories import (
    TODAY,
    make_assignment,
    make_attestation,
    make_campaign,
    make_hr,
    make_person,
)


@pytest.fixture
def hr(app, sign_in):
    person = make_hr()
    return lambda: sign_in(person)


def sealed(person):
    attestation = make_attestation(person=person)
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    return attestation


def test_without_a_campaign_the_page_says_what_will_be_here(hr):
    assert "There is no campaign yet." in hr().get("/reports/").text


def test_the_key_figures_count_everyone_once(hr, app):
    campaign = make_campaign()
    make_attestation(person=make_person("Ada Lovelace"))
    make_assignment(person=make_person("In Progress"), status="in_progress")
    late = make_assignment(person=make_person("Late Person"), due_on=TODAY - timedelta(days=900))
    refuses = make_assignment(person=make_person("Not Agreeing"), done=True)
    services.refuse(refuses.id, person=identify(refuses.person), comment="No.")

    page = hr().get(f"/reports/?campaign={campaign.id}").text

    assert "<b>25%</b> signed (1 of 4)" in page
    assert "<b>1</b> in progress" in page
    assert "<b>1</b> overdue" in page
    assert "<b>1</b> do not agree" in page
    assert late.person.full_name.split()[1] in page


def test_the_chart_says_who_is_furthest_behind_and_has_its_numbers_as_a_table(hr):
    make_campaign()
    make_attestation(person=make_person(department="Finance"))
    make_assignment(person=make_person(department="Transit"))

    page = hr().get("/reports/").text

    assert "Transit is furthest behind: 0% have signed" in page
    assert "Show the numbers as a table" in page
    assert "department=Transit" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=love", ["Lovelace, Ada"]),
        ("name=ada+lovelace", ["Lovelace, Ada"]),
        ("name=LOVELACE, ada", ["Lovelace, Ada"]),
        ("name=nguyen", ["Nguyễn, Łukasz"]),
        ("name=lukasz", ["Nguyễn, Łukasz"]),
        ("name=%25", []),
        ("department=Finance", ["Nguyễn, Łukasz"]),
        ("status=signed", ["Lovelace, Ada"]),
        ("status=overdue", ["Nguyễn, Łukasz"]),
        ("status=nonsense", ["Lovelace, Ada", "Nguyễn, Łukasz"]),
        ("name=nobody", []),
    ],
)
def test_filters_find_who_is_meant(hr, query, found):
    make_campaign()
    make_attestation(person=make_person("Ada Lovelace"))
    make_assignment(
        person=make_person("Łukasz Nguyễn", department="Finance"),
        due_on=TODAY - timedelta(days=900),
    )

    page = hr().get(f"/reports/?{query}").text

    for name in ("Lovelace, Ada", "Nguyễn, Łukasz"):
        assert (f">{name}</a>" in page) is (name in found), query
    assert ("Nobody fits these filters." in page) is (not found)


@pytest.mark.parametrize("key", ["name", "department", "status", "due", "signed"])
def test_the_list_is_sorted_on_the_server_both_ways(hr, key):
    make_campaign()
    make_attestation(person=make_person("Ada Lovelace", department="A"))
    make_assignment(
        person=make_person("Zoe Young", department="Z"), due_on=TODAY + timedelta(days=90)
    )

    up = hr().get(f"/reports/?sort={key}").text
    down = hr().get(f"/reports/?sort=-{key}").text

    def order(page):
        return page.index("Lovelace, Ada") < page.index("Young, Zoe")

    assert 'aria-sort="ascending"' in up
    assert 'aria-sort="descending"' in down
    if key == "signed":
        assert order(up)
        assert order(down)
    else:
        assert order(up) is not order(down)


def test_a_filter_that_is_too_long_is_told_above_the_page_too(hr):
    make_campaign()

    page = hr().get(f"/reports/?name={'n' * 201}").text

    assert '<a href="#name">Write at most 200 characters</a>' in page


def test_a_long_list_comes_in_pages(hr):
    campaign = make_campaign()
    for number in range(120):
        make_assignment(person=make_person(f"Person N{number:03}"), campaign=campaign)
    browser = hr()

    first = browser.get("/reports/").text
    last = browser.get("/reports/?page=3").text
    beyond = browser.get("/reports/?page=99").text

    assert "N000, Person" in first
    assert "N119, Person" in last
    assert "page 3 of 3" in beyond


def test_the_page_asks_the_database_the_same_few_things_however_many_people(hr, count_statements):
    campaign = make_campaign()
    for number in range(60):
        make_assignment(person=make_person(f"Person N{number:03}"), campaign=campaign)
    browser = hr()

    with count_statements() as statements:
        browser.get("/reports/")

    assert len(statements) <= 6, statements


def test_a_persons_page_shows_the_record_and_why_they_did_not_agree(hr):
    ada = make_person("Ada Lovelace")
    assignment = make_assignment(person=ada, done=True)
    services.refuse(assignment.id, person=identify(ada), comment="Page <3> is not clear.")
    attestation = sealed(ada)

    page = hr().get(f"/reports/people/{ada.id}").text

    assert "Page &lt;3&gt; is not clear." in page
    assert f"/reports/records/{attestation.id}.pdf" in page
    assert attestation.number in page


def test_the_list_downloads_as_csv_and_the_log_keeps_it(hr):
    campaign = make_campaign()
    make_assignment(person=make_person("Ada Lovelace"), campaign=campaign)

    file = hr().get("/reports/people.csv?name=ada")

    rows = list(csv.DictReader(io.StringIO(file.data.decode("utf-8-sig"))))
    assert [row["Name"] for row in rows] == ["Ada Lovelace"]
    assert rows[0]["Status"] == "Not started"
    assert db.session.scalars(select(AuditEntry).filter_by(action="list.exported")).one()


@pytest.fixture
def archive(hr):
    """The address of a ZIP with two records, and a browser that may take it."""
    for name in ("Ada Lovelace", "Charles Babbage"):
        sealed(make_person(name))
    browser = hr()
    return browser, browser.get("/reports/records.zip").location


def test_the_zip_has_its_exact_length_and_opens(archive):
    browser, address = archive

    answer = browser.get(address)

    assert answer.content_length == len(answer.data)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as records:
        assert records.testzip() is None
        assert len([n for n in records.namelist() if n.startswith("records/")]) == 2


def test_a_cut_download_goes_on_byte_for_byte(archive):
    browser, address = archive
    whole = browser.get(address)
    etag = whole.headers["ETag"]

    rest = browser.get(address, headers={"Range": "bytes=1000-", "If-Range": etag})

    assert rest.status_code == 206
    assert whole.data[:1000] + rest.data == whole.data
    assert rest.headers["Content-Range"] == f"bytes 1000-{len(whole.data) - 1}/{len(whole.data)}"


def test_a_download_that_has_changed_since_begins_anew(archive):
    browser, address = archive

    answer = browser.get(address, headers={"Range": "bytes=1000-", "If-Range": '"other"'})

    assert answer.status_code == 200


def test_a_range_beyond_the_end_is_refused(archive):
    browser, address = archive

    assert browser.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416


def test_a_head_request_tells_the_length_without_the_bytes(archive):
    browser, address = archive

    answer = browser.head(address)

    assert answer.content_length > 10_000
    assert answer.data == b""


def test_records_that_are_signed_later_do_not_change_a_zip_that_was_begun(archive):
    browser, address = archive
    before = browser.get(address).data
    sealed(make_person("Grace Hopper"))

    assert browser.get(address).data == before
