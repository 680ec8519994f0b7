import io
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import db
from portal.contractors import bulk
from portal.errors import Refused
from portal.mail.models import Mail
from portal.people.models import LocalAccount
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
    for number, words in ((2, "name is missing"), (3, "starts_on"), (3, "ends_on"),
                          (4, "twice"), (5, "City account"), (6, "employed")):  # fmt: skip
        assert words in whys[number]
    assert db.session.scalar(select(func.count()).select_from(LocalAccount)) == 0


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
