import io
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import db
from portal.contractors import bulk, contracts
from portal.documents import dates
from portal.errors import Refused
from portal.mail.models import Mail
from portal.people.models import LocalAccount, Person
from portal.people.services import identify
from tests.factories import make_hr, make_person

HEAD = "name,email,firm,work,starts_on,ends_on,sponsor"


@pytest.fixture
def harper(app):
    make_person("Avery Chen", username="avery.chen", email="avery@city.example")
    return identify(make_hr())


def rows(*lines):
    today, later = db.today(), db.today() + timedelta(days=30)
    return "\r\n".join([HEAD, *(line.replace("DAYS", f"{today},{later}") for line in lines)])


def test_every_row_gets_a_verdict_before_anything_happens(app, harper):
    found = bulk.read(
        rows(
            "Jo Kowal,jo@firm.example,Firm,Builds,DAYS,avery.chen",
            "Al Letter,,Firm,Builds,DAYS,AVERY.CHEN",
            ",x@firm.example,Firm,Builds,DAYS,avery.chen",
            "Bad Day,,Firm,Builds,30/01/2027,2027-02-30,avery.chen",
            "Twice,jo@firm.example,Firm,Builds,DAYS,avery.chen",
            "City,avery@city.example,Firm,Builds,DAYS,avery.chen",
            "Lost,,Firm,Builds,DAYS,nobody",
            "",
        ),
        by=harper,
    )

    assert [(row.number, bool(row.guest)) for row in found] == [
        (2, True), (3, True), (4, False), (5, False), (6, False), (7, False), (8, False),
    ]  # fmt: skip
    whys = [row.why_not for row in found]
    for number, words in ((2, "name is missing"), (3, "first day as"), (3, "last day as"),
                          (4, "twice"), (5, "City account"), (6, "employed")):  # fmt: skip
        assert words in whys[number]
    assert db.session.scalar(select(func.count()).select_from(LocalAccount)) == 0


@pytest.mark.parametrize(
    ("line", "mistakes"),
    [
        (
            ",jo@,Firm,Builds,soon,30/01/2027,nobody",
            ("name is missing", "first day as", "last day as", "email address, such", "employed"),
        ),
        ("Jo Kowal,,Firm,Builds,soon,2020-01-01,nobody", ("first day", "ended", "employed")),
        ("Jo Kowal,no,Firm,Builds,soon,never,avery.chen", ("first", "last", "address", "twice")),
        ("Al Guest,al@,Rink,Ice,DAYS,avery.chen", ("email address, such", "Al Guest was invited")),
    ],
)
def test_a_row_shows_all_its_mistakes_at_once(app, harper, line, mistakes):
    bulk.invite(rows("Al Guest,,Rink,Ice,DAYS,avery.chen"), by=harper)

    *_, row = bulk.read(rows("Jo Kowal,,Firm,Builds,never,never,avery.chen", line), by=harper)

    assert row.guest is None
    assert [words for words in mistakes if words not in row.why_not] == []


def test_who_has_the_address_of_who_is_invited_already_is_told_once(app, harper):
    line = rows("Jo Kowal,jo@firm.example,Firm,Builds,DAYS,avery.chen")
    bulk.invite(line, by=harper)

    (row,) = bulk.read(line, by=harper)

    assert row.why_not == "Jo Kowal has this address and is invited already."


def test_a_row_without_a_name_is_nobody_twice(app, harper):
    line = ",,Firm,Builds,DAYS,avery.chen"

    found = bulk.read(rows(line, line), by=harper)

    assert [row.why_not for row in found] == ["The name is missing."] * 2


def test_the_same_person_without_an_address_is_invited_once(app, harper):
    line = "Jo Kowal,,Prairie Builders,Builds,DAYS,avery.chen"
    again = "JO  Kowál,,prairie builders,Paints,DAYS,Avery.Chen"

    twice = bulk.read(rows(line, again), by=harper)
    assert bulk.invite(rows(line, again), by=harper) == (0, 1)
    later = bulk.read(rows(again), by=harper)

    assert [bool(row.guest) for row in twice] == [True, False]
    assert "This person is in the file twice" in twice[1].why_not
    invited = db.session.scalars(select(LocalAccount.person_id)).one()
    assert later[0].namesake == invited
    assert dates.day(db.today(), "en") in later[0].why_not
    assert bulk.invite(rows(again), by=harper) == (0, 0)


@pytest.mark.parametrize(
    "other",
    [
        "Jo Kowal,,Another Firm,Builds,DAYS,avery.chen",
        "Jo Kowal,,Prairie Builders,Builds,DAYS,kim.lee",
        "Al Kowal,,Prairie Builders,Builds,DAYS,avery.chen",
        "Jo Kowal,jo.b@firm.example,Prairie Builders,Builds,DAYS,avery.chen",
    ],
)
def test_somebody_else_is_invited_beside_them(app, harper, other):
    make_person("Kim Lee", username="kim.lee")
    first = "Jo Kowal,jo.a@firm.example,Prairie Builders,Builds,DAYS,avery.chen"
    if "@" not in other:
        first = first.replace("jo.a@firm.example", "")

    assert all(row.guest for row in bulk.read(rows(first, other), by=harper))
    assert sum(bulk.invite(rows(first), by=harper)) == 1
    assert sum(bulk.invite(rows(other), by=harper)) == 1


def test_who_was_invited_and_has_gone_can_be_invited_anew(app, harper):
    line = rows("Jo Kowal,,Prairie Builders,Builds,DAYS,avery.chen")
    bulk.invite(line, by=harper)
    (jo,) = db.session.scalars(select(Person).filter_by(kind="contractor", full_name="Jo Kowal"))
    contracts.end_contract(jo, by=harper)

    assert bulk.invite(line, by=harper) == (0, 1)


def test_good_rows_are_invited_by_mail_or_wait_for_a_letter(app, harper):
    text = rows(
        "Jo Kowal,jo@firm.example,Firm,Builds,DAYS,avery.chen",
        "Al Letter,,Firm,Builds,DAYS,avery.chen",
        "Lost,,Firm,Builds,DAYS,nobody",
    )

    assert bulk.invite(text, by=harper) == (1, 1)
    assert db.session.scalars(select(Mail.address)).all() == ["jo@firm.example"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns are missing"),
        ("name,email\n", "columns are missing: firm"),
        (HEAD, "no rows"),
        (HEAD + "\n" + "x,,,,,,\n" * 501, "more than 500"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(app, harper, text, words):
    with pytest.raises(Refused, match=words):
        bulk.read(text, by=harper)


def test_hr_looks_at_the_rows_and_confirms_in_the_browser(app, harper, sign_in):
    browser = sign_in(make_hr())
    text = rows("Jo <b>Kowal</b>,jo@firm.example,=Firm,Builds,DAYS,avery.chen")

    none = browser.post("/contractors/bulk", data={}).text
    binary = browser.post("/contractors/bulk", data={"file": (io.BytesIO(b"\xff\xfe\0"), "x")}).text
    page = browser.post(
        "/contractors/bulk", data={"file": (io.BytesIO(text.encode()), "people.csv")}
    ).text
    assert db.session.scalar(select(func.count()).select_from(LocalAccount)) == 0
    db.finish(keep=True)
    done = browser.post(
        "/contractors/bulk", data={"text": text, "confirm": "y"}, follow_redirects=True
    ).text

    assert "Choose a CSV file" in none
    assert "UTF-8" in binary
    assert "Jo &lt;b&gt;Kowal" in page
    assert "1 of 1 row is good" in page
    assert "1 invitation is on its way" in done


def test_a_file_larger_than_any_other_request_is_said_beside_the_field(app, sign_in):
    large = (io.BytesIO(bytes(30 * 1024 * 1024)), "people.xlsx")

    page = sign_in(make_hr()).post("/contractors/bulk", data={"file": large})

    assert page.status_code == 200
    assert "The file is larger than 200 KB" in page.text


def test_a_long_list_comes_back_whole_when_it_is_confirmed(app, harper, sign_in):
    browser = sign_in(make_hr())
    gone = f",,{'Łódź ' * 20},Builds,2020-01-01,2020-02-01,nobody"
    text = rows("Al Letter,,Firm,Builds,DAYS,avery.chen", *[gone] * 499)
    file = {"file": (io.BytesIO(text.encode()), "people.csv")}

    page = browser.post("/contractors/bulk", data=file).text
    encoding = re.search(r'<form method="post" enctype="([^"]+)" novalidate>', page)[1]
    answer = browser.post(
        "/contractors/bulk", data={"text": text, "confirm": "y"}, content_type=encoding
    )

    assert answer.status_code == 302
