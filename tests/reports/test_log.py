import re
from datetime import timedelta

import pytest

from portal import db
from portal.audit import services as audit
from portal.campaigns import deciding
from portal.people import services as people
from portal.people.models import PersonChange
from portal.people.services import identify
from portal.reports import log, log_words
from portal.retention import services as retention
from tests.factories import (
    TODAY,
    make_assignment,
    make_attestation,
    make_campaign,
    make_hr,
    make_person,
)


def lines(**asked):
    found, _more = log.list_lines(**{"page": 1, "action": "", "subject": "", **asked})
    return found


def test_every_action_and_every_detail_of_the_log_is_known_to_its_page():
    assert log_words.ACTIONS.keys() == audit.ACTIONS.keys()
    assert log_words.FIELDS.keys() <= {
        *set().union(*audit.ACTIONS.values()),
        *("title", "opens_on", "due_on", "due_days"),  # what a campaign was before and after
        "returned",  # of earlier entries
        *("status", "waived_until", "paused_on"),  # what a duty was before and after
    }


def test_a_signature_is_told_with_its_number_its_person_and_its_campaign(each_app):
    ada = make_person("Ada Lovelace")
    number = make_attestation(person=ada).number

    told = {each.what: each for each in lines()}

    assert told["Signed"].who == "Ada Lovelace"
    assert told["Signed"].about == f"{number}, Ada Lovelace"
    assert told["Signed"].details == [("duty", "Ada Lovelace, Small campaign")]
    assert told["Launched a campaign"].about == "Small campaign"
    assert told["Launched a campaign"].who == "The portal"


def test_a_decision_is_told_in_words_with_its_day_and_reason(app):
    sponsor, casey = make_person("Pat Sponsor"), make_person("Casey Novak")
    audit.record(
        "role.granted",
        subject="grant",
        actor=sponsor.id,
        person=str(casey.id),
        role="sponsor",
        until="2027-01-30",
        reason="Covers a leave.",
    )

    assert lines()[0].details == [
        ("reason", "Covers a leave."),
        ("person", "Casey Novak"),
        ("role", "sponsor"),
        ("last day", "January 30, 2027"),
    ]


def test_what_a_campaign_was_and_is_stands_side_by_side(app):
    campaign = make_campaign()
    audit.record(
        "campaign.changed",
        subject=campaign.id,
        actor=None,
        before={"due_on": "2027-01-05", "audience": [{}]},
        after={"due_on": "2027-01-12", "audience": [{"facts": {}}]},
    )

    assert lines()[0].details == [("due", "January 5, 2027 → January 12, 2027")]


def test_how_somebody_did_in_the_questions_is_told_of_nobody(app):
    ada = make_person("Ada Lovelace")
    make_assignment(person=ada, done=True)

    told = next(each for each in lines() if each.what == "Answered the questions")

    assert (told.who, told.about) == ("A person", "Small campaign")
    assert (told.details, told.recorded) == ([], "")
    assert "Ada" not in str(told)


def test_everything_that_entries_are_about_has_a_name(app):
    harper = make_hr()
    duty = make_assignment(person=make_person("Ada Lovelace"))
    deciding.give_time(
        duty, due_on=TODAY + timedelta(days=400), reason="Busy.", by=identify(harper)
    )

    told = lines()[0]

    assert (told.what, told.who) == ("Decided about a duty", "Harper Singh")
    assert told.about == "Ada Lovelace, Small campaign"
    assert ("decision", "more time") in told.details


def test_a_decision_about_a_duty_is_told_with_what_was_and_what_is(app):
    harper = identify(make_hr())
    duty = make_assignment(person=make_person("Ada Lovelace"), due_on=TODAY)
    deciding.give_time(duty, due_on=TODAY + timedelta(days=9), reason="Busy.", by=harper)
    deciding.release(duty, reason="x", until=TODAY + timedelta(days=9), by=harper)
    deciding.take_back(duty, reason="x", by=harper)

    taken_back, released, extended = (dict(each.details) for each in lines(action="duty.decided"))

    assert extended["due"] == "November 21, 2026 → November 30, 2026"
    assert released["status"] == "Not started → released"
    assert released["released up to"] == "November 30, 2026"
    assert taken_back["status"] == "released → Not started"
    assert taken_back["released up to"] == "November 30, 2026 → none"


def test_an_entry_of_an_earlier_version_is_told_as_it_was_written(app, monkeypatch):
    monkeypatch.setitem(audit.ACTIONS, "leave.ended", frozenset({"ends_on"}))
    audit.record("leave.ended", subject="leave", actor=None, ends_on="2027-01-05")

    assert lines()[0].details == [("first day back", "January 5, 2027")]


def test_a_hold_is_told_with_what_it_holds_and_without_why(app):
    harper, ada = identify(make_hr()), make_person("Ada Lovelace")
    campaign = make_campaign()
    retention.hold(campaign_id=campaign.id, username="", reason="Court", by=harper)
    retention.hold(campaign_id=None, username=ada.username, reason="Court", by=harper)

    assert [each.details for each in lines(action="retention.held")] == [
        [("person", "Ada Lovelace")],
        [("campaign", "Small campaign")],
    ]


def test_names_are_asked_for_once_however_many_entries_there_are(app, count_statements):
    for _ in range(3):
        make_attestation()
    db.finish(keep=True)

    with db.reading(), count_statements() as seen:
        lines()

    assert len(seen) == 2


def test_hr_sees_words_and_finds_what_was_recorded(app, sign_in):
    harper = make_hr()
    ada = make_person("Ada Lovelace")
    make_attestation(person=ada)
    browser = sign_in(harper)

    page = browser.get("/reports/log")

    assert "Ada Lovelace" in page.text
    seen = re.sub(r"<code.*?</code>|<option.*?</option>", "", page.text)
    assert not re.search(r"attestation\.signed|[0-9a-f]{8}-", seen)
    assert "&#34;action&#34;:&#34;attestation.signed&#34;" in page.text


def test_the_log_of_one_campaign_holds_that_campaign_alone(app, sign_in):
    harper = make_hr()
    one, other = make_campaign(title="The one"), make_campaign(title="The other")
    browser = sign_in(harper)

    page = browser.get("/reports/log", query_string={"about": str(one.id)})

    assert "Only what is about this: The one" in page.text
    assert "The other" not in page.text
    assert "Nothing fits these filters." in browser.get("/reports/log?about=nothing").text
    assert other.id != one.id


@pytest.mark.parametrize("page", ["0", "-3", "x", "9" * 20])
def test_a_page_that_there_is_not_is_the_first(app, sign_in, page):
    browser = sign_in(make_hr())

    assert browser.get(f"/reports/log?page={page}").status_code == 200


def test_an_address_with_a_nul_is_no_fault_of_ours(each_app):
    hr = make_hr()
    db.finish(keep=True)
    with db.transaction():
        token = people.open_session(hr)
    browser = each_app.test_client()
    with browser.session_transaction() as kept:
        kept["_user_id"] = token

    assert browser.get("/reports/log?about=%00").status_code in {200, 400}


def test_a_persons_history_tells_days_in_words(app, sign_in):
    ada = make_person("Ada Lovelace")
    for what, before, after in (
        ("returned", "2026-01-30", ""),
        ("contract", "2026-02-28", "2026-03-31"),
    ):
        db.session.add(PersonChange(person_id=ada.id, what=what, before=before, after=after))
    browser = sign_in(make_hr())

    page = browser.get(f"/reports/people/{ada.id}").text

    assert "came back (had left January 30, 2026)" in page
    assert "last day: February 28, 2026 → March 31, 2026" in page
