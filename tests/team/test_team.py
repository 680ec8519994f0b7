import csv
import io
import zipfile
from datetime import date, timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.errors import NotFound, Refused
from portal.mail.models import Mail
from portal.people.models import Delegation
from portal.people.services import identify
from portal.team import services
from tests.factories import make_assignment, make_attestation, make_campaign, make_hr, make_person

TODAY = date(2026, 11, 20)


def make_manager(name="Morgan Dubois", **facts):
    return make_person(name, audiences=["employee", "manager"], **facts)


@pytest.fixture
def morgan(app):
    return make_manager()


def member(manager, name="Sam Whitehorse", **facts):
    facts.setdefault("email", "sam@city.example")
    return make_person(name, manager_id=manager.id, **facts)


def names(person, show=services.ALL, today=TODAY):
    return [line.full_name for line in services.list_team(identify(person), show=show, today=today)]


def test_a_manager_sees_reports_and_their_reports_and_nobody_else(each_app):
    morgan = make_manager()
    lead = member(morgan, "Lead Person")
    make_assignment(person=lead)
    make_assignment(person=member(lead, "Crew Member"))
    make_assignment(person=make_person("Other Team"))
    make_assignment(person=morgan)

    assert names(morgan) == ["Lead Person", "Crew Member"] or names(morgan) == [
        "Crew Member",
        "Lead Person",
    ]


def test_a_loop_in_the_directory_does_not_hang_the_page(morgan):
    lead = member(morgan, "Lead Person")
    morgan.manager_id = lead.id
    make_assignment(person=lead)

    assert names(morgan) == ["Lead Person"]


def test_the_page_shows_status_and_never_answers_or_scores(morgan, sign_in):
    make_attestation(person=member(morgan))

    page = sign_in(morgan).get("/team/?show=all").text

    assert "Sam Whitehorse" in page
    assert "Signed" in page
    for word in ("out of", "%", "attempt", "answered"):
        assert word not in page.partition("<main")[2].partition("</main>")[0], word


def test_what_is_open_and_what_is_late(morgan):
    late = make_assignment(person=member(morgan, "Late"), due_on=TODAY - timedelta(days=1))
    make_assignment(person=member(morgan, "Open"), due_on=TODAY)
    make_attestation(person=member(morgan, "Done"))
    away = make_assignment(person=member(morgan, "Away"), due_on=TODAY - timedelta(days=9))
    away.paused_on = TODAY - timedelta(days=10)

    assert sorted(names(morgan, services.OPEN)) == ["Away", "Late", "Open"]
    assert names(morgan, services.LATE) == [late.person.full_name]
    counts = services.count(identify(morgan), today=TODAY)
    assert (counts.people, counts.signed, counts.open, counts.late) == (4, 1, 3, 1)


def test_a_person_is_nudged_once_a_day(morgan):
    sam = member(morgan)
    make_assignment(person=sam)
    by = identify(morgan)

    services.nudge(sam.id, by=by, today=TODAY)
    with pytest.raises(Refused, match="was reminded today"):
        services.nudge(sam.id, by=by, today=TODAY)
    services.nudge(sam.id, by=by, today=TODAY + timedelta(days=1))

    assert [mail.name for mail in db.session.scalars(select(Mail))] == ["nudge", "nudge"]


@pytest.mark.parametrize("none", ["", "n/a"])
def test_who_has_no_work_email_cannot_be_nudged(morgan, sign_in, none):
    sam = member(morgan, email=none)
    make_assignment(person=sam)

    with pytest.raises(Refused, match="no work email"):
        services.nudge(sam.id, by=identify(morgan), today=TODAY)
    assert "No work email: tell them yourself" in sign_in(morgan).get("/team/").text


def test_nobody_is_nudged_for_a_campaign_that_is_closed(morgan):
    sam = member(morgan)
    closed = make_assignment(person=sam)
    closed.campaign.closed_at = db.utc_now()

    with pytest.raises(Refused, match="owes nothing"):
        services.nudge(sam.id, by=identify(morgan), today=TODAY)
    make_campaign(title="Open campaign")
    services.nudge(sam.id, by=identify(morgan), today=TODAY)

    text = db.session.scalars(select(Mail.text)).one()
    assert "Open campaign" in text
    assert "Small campaign" not in text


def test_a_deputy_whose_address_is_none_stands_in_without_a_mail(morgan):
    deputy = make_person("Acting Manager", email="n/a")

    services.delegate(identify(morgan), username=deputy.username, until=TODAY, today=TODAY)

    assert len(services.list_deputies(identify(morgan), today=TODAY)) == 1
    assert db.session.scalars(select(Mail)).all() == []


def test_somebody_of_another_team_cannot_be_nudged(morgan):
    other = make_assignment(person=make_person(email="x@city.example"))

    with pytest.raises(NotFound):
        services.nudge(other.person_id, by=identify(morgan), today=TODAY)


def test_a_deputy_sees_the_team_up_to_the_last_day(morgan):
    make_assignment(person=member(morgan))
    deputy = make_person("Acting Manager", email="a@city.example")
    services.delegate(identify(morgan), username=deputy.username.upper(), until=TODAY, today=TODAY)

    assert names(deputy) == ["Sam Whitehorse"]
    assert names(deputy, today=TODAY + timedelta(days=1)) == []
    assert "Morgan Dubois asked" in db.session.scalars(select(Mail.text)).one()


@pytest.mark.parametrize("who", ["morgan", "deputy"])
def test_a_delegation_ends_when_either_of_the_two_has_left(morgan, who):
    make_assignment(person=member(morgan))
    deputy = make_person("Acting Manager")
    services.delegate(identify(morgan), username=deputy.username, until=TODAY, today=TODAY)

    (morgan if who == "morgan" else deputy).left_on = TODAY

    assert names(deputy) == []
    assert not services.leads_a_team(identify(deputy), today=TODAY)
    assert services.list_deputies(identify(morgan), today=TODAY) == []


def test_a_username_that_was_given_anew_names_who_works_here(morgan):
    make_person("Gone Namesake", username="jo.smith", left_on=TODAY)
    here = make_person("New Namesake", username="jo.smith")

    kept = services.delegate(identify(morgan), username="jo.smith", until=TODAY, today=TODAY)

    assert kept.deputy_id == here.id


def test_ending_a_delegation_takes_the_team_away(morgan):
    make_assignment(person=member(morgan))
    deputy = make_person("Acting Manager")
    kept = services.delegate(identify(morgan), username=deputy.username, until=TODAY, today=TODAY)

    services.end_delegation(kept.id, by=identify(morgan))

    assert names(deputy) == []
    with pytest.raises(NotFound):
        services.end_delegation(kept.id, by=identify(morgan))


def test_a_delegation_is_ended_by_who_made_it(morgan):
    deputy = make_person("Acting Manager")
    kept = services.delegate(identify(morgan), username=deputy.username, until=TODAY, today=TODAY)

    with pytest.raises(NotFound):
        services.end_delegation(kept.id, by=identify(deputy))


@pytest.mark.parametrize(
    ("username", "days", "field", "words"),
    [
        ("nobody.here", 0, "username", "Nobody has this username"),
        (None, 0, "username", "other than yourself"),
        ("gone", 0, "username", "Gone Person does not work here any more"),
        ("deputy", -1, "until", "from today on"),
        ("deputy", 367, "until", "within a year"),
    ],
)
def test_a_deputy_that_cannot_be_is_said_beside_the_field(
    morgan, sign_in, username, days, field, words
):
    make_person("Deputy Person", username="deputy")
    make_person("Gone Person", username="gone", left_on=TODAY)
    day = db.today() + timedelta(days=days)
    browser = sign_in(morgan)
    data = {"username": username or morgan.username, "until": day.isoformat()}

    page = browser.post("/team/deputy", data=data).text

    assert words in page.partition(f'id="{field}-error"')[2].partition("</p>")[0]
    assert f'value="{data["username"]}"' in page
    assert db.session.scalars(select(Delegation)).all() == []


def test_who_manages_nobody_finds_no_page(sign_in):
    browser = sign_in(make_person())

    for path in ("/team/", "/team/team.csv", "/team/crew-list", "/team/deputy"):
        assert browser.get(path).status_code == 404, path


def test_the_list_as_csv_is_safe_for_spreadsheets(morgan, sign_in):
    make_assignment(person=member(morgan, "=cmd|' /C calc'!A0"))

    answer = sign_in(morgan).get("/team/team.csv")

    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0][0] == "Name"
    assert rows[1][0].startswith("'=")


def test_the_crew_list_has_who_still_has_to_sign(morgan, sign_in):
    make_assignment(person=member(morgan, "Open Person"))
    make_attestation(person=member(morgan, "Done Person"))

    page = sign_in(morgan).get("/team/crew-list").text

    assert "Open Person" in page
    assert "Done Person" not in page


def test_the_list_of_the_team_comes_as_excel_too(morgan, sign_in):
    make_assignment(person=member(morgan, "Open Person"))

    answer = sign_in(morgan).get("/team/team.xlsx?show=all")

    with zipfile.ZipFile(io.BytesIO(answer.data)) as book:
        assert "Open Person" in book.read("xl/worksheets/sheet1.xml").decode()


def test_a_long_crew_list_goes_on_on_a_next_page(app, sign_in, monkeypatch):
    monkeypatch.setattr(services, "PER_CREW_LIST", 2)
    boss = make_person("Boss Without", audiences=["employee", "manager"])
    for name in ("Ann Adams", "Bea Burns", "Cyd Clark"):
        make_assignment(person=make_person(name, manager_id=boss.id))
    hr = sign_in(make_hr())

    first = hr.get(f"/team/crew-list?manager={boss.id}").text
    later = f"/team/crew-list?manager={boss.id}&amp;page=2"
    second = hr.get(later.replace("&amp;", "&")).text

    assert "Bea Burns" in first
    assert "Cyd Clark" not in first
    assert later in first
    assert "Cyd Clark" in second
    assert "page=3" not in second


def test_a_team_without_duties_says_so(morgan, sign_in):
    member(morgan)

    assert "Nobody of your team has something to sign." in sign_in(morgan).get("/team/").text


def test_the_page_costs_the_same_statements_for_any_team(morgan, sign_in, count_statements):
    browser = sign_in(morgan)

    def look():
        db.finish(keep=True)
        with count_statements() as seen:
            browser.get("/team/")
        return len(seen)

    make_assignment(person=member(morgan))
    few = look()
    for number in range(20):
        make_assignment(person=member(morgan, f"Person {number}"))

    assert look() == few <= 6


def test_hr_prints_the_crew_list_of_a_manager_without_email(app, sign_in):
    boss = make_person("Boss Without", audiences=["employee", "manager"])
    crew = make_person("Crew Member", manager_id=boss.id)
    make_assignment(person=crew)
    hr = sign_in(make_hr())

    runs = hr.get("/reminders/").text
    page = hr.get(f"/team/crew-list?manager={boss.id}").text
    stranger = sign_in(make_person("Other Employee")).get(f"/team/crew-list?manager={boss.id}")

    assert "Crew list of Boss Without" in runs
    assert "Crew Member" in page
    assert "The team of Boss Without." in page
    assert stranger.status_code == 404


def test_a_last_day_that_is_over_is_told_at_the_day(morgan, sign_in):
    make_person("Avery Chen", username="avery.chen")
    browser = sign_in(morgan)

    page = browser.post("/team/deputy", data={"username": "avery.chen", "until": "2020-01-01"}).text

    assert '<a href="#until">Choose a day from today on</a>' in page
    assert 'value="avery.chen"' in page
