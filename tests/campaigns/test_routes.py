import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db, jobs
from portal.campaigns import deciding, giving
from portal.campaigns.models import Campaign
from portal.people import services as people
from tests.factories import make_campaign, make_hr, make_person, publish


@pytest.fixture
def hr(each_app):
    """HR's browser, on each database."""
    make_person("Ada Lovelace", groups=["council-office"], location="City Hall")
    make_person("Casey Novak", kind="contractor")
    publish()
    person = make_hr()
    db.finish(keep=True)
    with db.transaction():
        token = people.open_session(person)
    browser = each_app.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = token
    return browser


def plan(**changes):
    return {
        "title": "Annual attestation 2027",
        "kind": "annual",
        "course": "small-course",
        "opens_on": db.today().isoformat(),
        "due_on": (db.today() + timedelta(days=30)).isoformat(),
        **changes,
    }


def seen(page):
    return re.search(r'name="seen"[^>]*value="([^"]*)"', page)[1]


def begin(hr, **changes):
    answer = hr.post("/campaigns/new", data=plan(**changes))
    return answer.location.removesuffix("/audience")


def test_a_campaign_goes_from_draft_to_launch_to_close_in_the_browser(hr):
    here = begin(hr)
    form = hr.get(f"{here}/audience").text
    rule = {
        "seen": seen(form),
        "parts-0-facts-kind": "employee",
        "parts-0-facts-department": "Transit",
        "parts-0-facts-group": "council-office",
        "parts-0-facts-hired_before": "",
        "parts-0-unless-location": "Nowhere",
    }

    wrong = hr.post(f"{here}/audience", data=rule).text
    del rule["parts-0-unless-location"]
    right = hr.post(f"{here}/audience", data=rule, follow_redirects=True).text
    launched = hr.post(f"{here}/launch", follow_redirects=True).text
    twice = hr.post(f"{here}/launch")
    closed = hr.post(f"{here}/close", follow_redirects=True).text

    assert "Not a valid choice" in wrong or "Nobody in the directory has" in wrong
    assert "Employees in Transit in the group council-office." in right
    assert "is launched" in launched
    assert twice.status_code == 409
    assert "is closed" in closed


def test_while_people_get_their_duty_the_page_says_how_many_have_it(hr):
    bo = make_person("Bo Diddley").id
    db.finish(keep=True)
    here = begin(hr)
    hr.post(f"{here}/launch")
    with db.transaction() as session:
        giving.give(session.scalars(select(Campaign)).one(), only=[bo])

    filling = hr.get(here)
    jobs.run_once(giving.FILL)
    filled = hr.get(here)

    assert "1 of 2 people so far." in filling.text
    assert "Refresh" in filling.headers
    assert "so far" not in filled.text
    assert "Refresh" not in filled.headers


def test_nobody_gets_a_duty_before_the_campaign_opens_and_its_page_does_not_say_so(hr):
    here = begin(hr, opens_on=(db.today() + timedelta(days=1)).isoformat())
    hr.post(f"{here}/launch")

    page = hr.get(here)

    assert "are getting their duty now" not in page.text
    assert "Refresh" not in page.headers


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": ""}, "Write a title"),
        ({"title": "long " * 41}, "Write at most 200 characters"),
        ({"due_on": "2020-01-01"}, "The due date must come after the first day"),
        ({"due_on": ""}, "Choose the due date"),
        ({"opens_on": "tomorrow"}, "Write the day as 2027-01-30"),
        ({"opens_on": "0001-01-01", "min_interval": "12"}, "Choose a year from 2000 to 2100"),
        ({"due_on": "9999-12-31"}, "Choose a year from 2000 to 2100"),
        ({"kind": "onboarding", "due_days": ""}, "Write how many days each person has"),
        ({"kind": "onboarding", "due_days": "many"}, "Write a whole number"),
        ({"min_interval": "99"}, "Write a number from 1 to 60"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_the_rest_is_kept(app, sign_in, changes, words):
    publish()
    browser = sign_in(make_hr())

    page = browser.post("/campaigns/new", data=plan(**{"title": "Kept title", **changes})).text

    assert words in page
    assert changes.get("title") == "" or f'value="{changes.get("title", "Kept title")}"' in page
    assert db.session.scalars(select(Campaign)).all() == []


def test_of_a_campaign_that_is_launched_the_title_can_be_changed_and_nothing_else(hr):
    here = begin(hr)
    hr.post(f"{here}/launch")
    form = hr.get(f"{here}/change").text

    change = {"title": "Another title", "due_on": "2099-01-01", "seen": seen(form)}
    empty = hr.post(f"{here}/change", data={"title": "", "seen": seen(form)}).text
    hr.post(f"{here}/change", data=change)
    saved = hr.get(here).text

    assert empty.count('<li><a href="#') == 1
    assert '<li><a href="#title">Write a title</a></li>' in empty
    assert "Another title" in saved
    assert "2099" not in saved


def test_a_group_that_asks_for_nothing_is_told_at_its_facts(hr):
    here = begin(hr)

    two = {"parts-0-facts-hired_from": "", "parts-1-facts-kind": "employee"}
    page = hr.post(f"{here}/exempt", data={"reason": "Away", **two}).text

    words = "Choose at least one fact: an empty rule would take out all"
    assert f'<a href="#parts-0-facts-kind">{words}</a>' in page
    assert page.count(words) == 2
    assert ">\nAway</textarea>" in page


@pytest.mark.parametrize("page", ["new", "{here}/audience", "{here}/exempt"])
def test_the_browser_may_stop_a_day_that_is_half_typed_or_it_would_send_none(hr, page):
    form = hr.get(f"/campaigns/{page}".replace("/campaigns/{here}", begin(hr))).text

    assert 'type="date"' in form
    assert "novalidate" not in form


def test_people_hired_in_the_last_century_are_asked_for_and_no_year_before(hr):
    here = begin(hr)
    form = {"seen": seen(hr.get(f"{here}/audience").text), "parts-0-facts-kind": "employee"}

    wrong = hr.post(f"{here}/audience", data={**form, "parts-0-facts-hired_before": "0197-01-01"})
    right = hr.post(
        f"{here}/audience",
        data={**form, "parts-0-facts-hired_before": "1997-01-01"},
        follow_redirects=True,
    )

    assert "Choose a year from 1900 to 2100" in wrong.text
    assert "hired before January 1, 1997" in right.text


def test_a_draft_is_deleted_and_the_log_keeps_its_title(hr):
    here = begin(hr)
    hr.post(f"{here}/exempt", data={"reason": "Own code.", "parts-0-facts-group": "council-office"})

    button = hr.get(here).text
    deleted = hr.post(f"{here}/delete", follow_redirects=True).text

    assert "Delete this draft" in button
    assert "The draft Annual attestation 2027 is deleted." in deleted
    assert hr.get(here).status_code == 404
    assert "Deleted a draft" in hr.get("/reports/log").text


def test_a_campaign_that_was_launched_is_not_deleted(hr):
    here = begin(hr)
    hr.post(f"{here}/launch")

    page = hr.get(here).text
    refused = hr.post(f"{here}/delete")

    assert "Delete this draft" not in page
    assert refused.status_code == 409
    assert hr.get(here).status_code == 200


def test_a_draft_that_is_held_stays(hr):
    here = begin(hr)
    held = hr.post("/retention/holds/new", data={"campaign": here[-36:], "reason": "Court"})

    refused = hr.post(f"{here}/delete")

    assert held.status_code == 302
    assert (refused.status_code, hr.get(here).status_code) == (409, 200)


def test_who_was_slower_is_told_who_changed_the_campaign_and_loses_nothing(hr):
    here = begin(hr)
    first, second = hr.get(f"{here}/change").text, hr.get(f"{here}/change").text
    hr.post(f"{here}/change", data=plan(title="Mine", seen=seen(first)))

    page = hr.post(f"{here}/change", data=plan(title="Yours", seen=seen(second))).text

    assert "<li>Harper Singh changed this campaign in the meantime." in page  # it leads to no field
    assert 'value="Yours"' in page


@pytest.mark.parametrize("page", ["audience", "exempt"])
def test_enter_in_a_day_saves_and_adds_no_part(hr, page):
    form = hr.get(f"{begin(hr)}/{page}").text.partition('<form method="post">')[2]

    assert re.search(r'<button type="submit"[^>]*>', form)[0] == '<button type="submit" hidden>'


def test_parts_of_an_audience_are_added_and_removed_without_a_script(hr):
    here = begin(hr)
    form = {"seen": seen(hr.get(f"{here}/audience").text), "parts-0-facts-kind": "contractor"}

    two = hr.post(f"{here}/audience", data={**form, "part": "add"}).text
    both = {**form, "parts-1-facts-location": "City Hall"}
    page = hr.post(f"{here}/audience", data=both, follow_redirects=True).text

    assert "And people who are" in two
    assert "Contract employees; and everyone at City Hall." in page


def test_the_preview_says_who_and_why_not(hr):
    here = begin(hr)

    inside = hr.get(f"{here}/people").text
    out = hr.get(f"{here}/people?group=out&name=novak").text
    nobody = hr.get(f"{here}/people?name=nobody").text

    assert "Ada Lovelace" in inside
    assert "Not in the audience: it asks for employees." in out
    assert "Nobody fits these filters." in nobody


def test_an_empty_exemption_is_refused_because_it_would_take_out_all(hr):
    here = begin(hr)

    page = hr.post(f"{here}/exempt", data={"reason": "All"}).text

    assert "an empty rule would take out all" in page


def test_an_exemption_is_made_and_ended(hr):
    here = begin(hr)
    rule = {"reason": "Own code.", "parts-0-facts-group": "council-office"}

    made = hr.post(f"{here}/exempt", data=rule, follow_redirects=True).text
    address = re.search(r'action="(/campaigns/exemptions/[^"]+)"', made)[1]
    jobs.run_once(deciding.EXEMPT)
    done = hr.get(here)
    ended = hr.post(address, follow_redirects=True).text

    assert "Everyone in the group council-office." in made
    assert "Own code." in made
    assert "The duties are being changed now." in made
    assert "The duties are being changed now." not in done.text
    assert "Refresh" not in done.headers
    assert "Ended" in ended


def test_more_time_that_would_be_over_already_is_refused_beside_the_number(hr):
    campaign = make_campaign(due_on=db.today() - timedelta(days=9)).id
    db.finish(keep=True)
    address = f"/campaigns/{campaign}/extend"

    refused = hr.post(address, data={"days": "8"}).text
    given = hr.post(address, data={"days": "9"}, follow_redirects=True).text

    assert "That day is over already. Give more days." in refused
    assert "gets 9 days more" in given


def test_the_list_of_campaigns_shows_where_each_stands(hr):
    begin(hr)

    page = hr.get("/campaigns/").text

    assert "Draft" in page
    assert "Annual attestation 2027" in page


def test_a_new_version_waits_until_hr_has_decided(app, sign_in, tmp_path):
    import shutil

    from portal.courses import services as courses
    from tests.conftest import ROOT

    make_campaign()
    shutil.copytree(ROOT / "tests/content", tmp_path / "content")
    page = next((tmp_path / "content/small-course/rules").glob("*-the-rule.md"))
    page.write_text(page.read_text() + "\nMore.\n")
    version = courses.publish(tmp_path / "content", "small-course")
    browser = sign_in(make_hr())
    address = f"/campaigns/versions/{version.id}"

    waits = browser.get("/campaigns/").text
    empty = browser.post(address, data={"change": "material"}).text
    decided = browser.post(address, data={"change": "minor"}, follow_redirects=True).text

    assert "A new version waits for you" in waits
    assert "Choose the due date" in empty
    assert "A new version waits for you" not in decided
    assert "a minor change" in browser.get(address).text
