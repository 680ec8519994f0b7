"""Which steps a person gets: scenarios are drawn, and nothing is asked twice."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations import recording
from portal.attestations.models import Attestation
from portal.campaigns import deciding
from portal.campaigns import services as campaigns
from portal.campaigns.models import Assignment, Status
from portal.campaigns.services import Plan
from portal.courses import services as courses
from portal.courses.course import Page, Scenario
from portal.demo import walk
from portal.learning import services
from portal.learning.models import StepDone
from portal.people.services import identify
from tests.conftest import ROOT
from tests.factories import make_attestation, make_hr, make_person, progress_of

NOON = datetime(2026, 11, 21, 19, tzinfo=UTC)
SCENARIOS = [f"rules/story-{number}" for number in range(1, 7)]
PAGES = {"start/welcome", "rules/the-rule"}
OUTCOME = "start/who-you-are"


class Author:
    """Writes the small course with more scenarios, and opens campaigns on what is written."""

    def __init__(self, folder, clock):
        self.clock, self.years = clock, 0
        self.course = folder / "small-course"
        shutil.copytree(ROOT / "tests/content/small-course", self.course)
        (self.course / "rules/20-a-question-in-the-chat.yaml").rename(self.story(1))
        for number in range(2, 7):
            shutil.copy(self.story(1), self.story(number))
        self.say("scenarios: 2")

    def story(self, number):
        return self.course / f"rules/2{number}-story-{number}.yaml"

    def say(self, line):
        """Add a line to course.yaml."""
        path = self.course / "course.yaml"
        path.write_text(f"{line}\n{path.read_text()}")

    def change(self, *files):
        """Other words in these steps."""
        for name in files:
            path = self.course / name
            text = path.read_text()
            more = "\nOther words.\n" if name.endswith(".md") else ""
            path.write_text(text.replace("title: ", "title: New ", 1) + more)

    def open(self, kind="annual"):
        """Publish what is written and give it to everyone, a year after the last time."""
        self.years += 1
        self.clock(NOON.replace(year=NOON.year + self.years))
        courses.publish(self.course.parent, "small-course")
        plan = Plan(
            key=f"{kind}-{self.years}",
            title="Campaign",
            kind=kind,
            course="small-course",
            audience="employee",
            opens_on=db.today(),
            due_on=db.today() + timedelta(days=40),
        )
        return campaigns.open_campaign(plan)


@pytest.fixture
def author(app, tmp_path, clock):
    return Author(tmp_path, clock)


@pytest.fixture
def ada(app):
    return make_person("Ada Lovelace")


def duty_of(person, campaign):
    db.session.expire_all()
    return db.session.scalars(
        select(Assignment).filter_by(person_id=person.id, campaign_id=campaign.id)
    ).one()


def sign(person, campaign):
    db.session.expire_all()
    return make_attestation(person=person, campaign=campaign)


def keys(duty, kind=object):
    db.session.expire_all()
    return [step.key for _, step in progress_of(duty).walk if isinstance(step, kind)]


def note(duty, *done, finished=True):
    """As if these steps were done."""
    for key in done:
        answer = {"answers": {"employer": "city"}, "outcome": "in_scope", "comment": ""}
        scene = {"scene": "chat", "choice": 0, "leads_to": None if finished else "later"}
        given = {OUTCOME: answer}.get(key) or (scene if "story" in key else None)
        db.session.add(StepDone(assignment_id=duty.id, step=key, answer=given, finished=finished))
    if duty.status is Status.NOT_STARTED:
        duty.status = Status.IN_PROGRESS
    db.session.flush()


def drawn(duty):
    """The scenarios of somebody who has said that they are in scope."""
    note(duty, "start/welcome", OUTCOME)
    return keys(duty, Scenario)


def test_each_person_gets_so_many_scenarios_in_the_authors_order_and_always_the_same(author):
    people = [make_person() for _ in range(12)]
    campaign = author.open()

    got = [drawn(duty_of(person, campaign)) for person in people]

    assert all(len(each) == 2 and each == sorted(each) for each in got)
    assert len(set(map(tuple, got))) > 1
    assert keys(duty_of(people[0], campaign), Scenario) == got[0]


def test_without_a_number_everyone_gets_all_scenarios(author, ada):
    path = author.course / "course.yaml"
    path.write_text(path.read_text().replace("scenarios: 2\n", ""))

    assert drawn(duty_of(ada, author.open())) == SCENARIOS


def test_a_section_says_for_itself_how_many(author, ada):
    path = author.course / "course.yaml"
    path.write_text(f"{path.read_text()}    scenarios: 4\n")

    assert len(drawn(duty_of(ada, author.open()))) == 4


def test_only_scenarios_for_the_person_are_drawn(author, ada):
    for number in range(1, 6):
        text = author.story(number).read_text()
        author.story(number).write_text(text.replace("[in_scope]", "[manager]"))

    assert drawn(duty_of(ada, author.open())) == [SCENARIOS[5]]


def test_what_is_done_or_begun_stays_and_counts_towards_the_number(author, ada):
    duty = duty_of(ada, author.open())
    first, *_ = (key for key in SCENARIOS if key not in drawn(duty))

    note(duty, first, finished=False)
    assert first in keys(duty, Scenario)
    assert len(keys(duty, Scenario)) == 2
    note(duty, *SCENARIOS[:4])
    assert set(SCENARIOS[:4]) <= set(keys(duty, Scenario)) <= {*SCENARIOS[:4], first}


def test_the_next_years_draw_scenarios_that_the_person_has_not_met(author, ada):
    seen = []
    for _year in range(3):
        campaign = author.open()
        seen += drawn(duty_of(ada, campaign))
        sign(ada, campaign)

    assert sorted(seen) == SCENARIOS
    assert len(drawn(duty_of(ada, author.open()))) == 2


def test_pages_that_are_as_they_were_are_not_asked_again_but_all_questions_are(author, ada):
    first = author.open()
    sign(ada, first)

    duty = duty_of(ada, author.open())

    assert keys(duty) == [OUTCOME]
    note(duty, OUTCOME)
    assert len(keys(duty, Scenario)) == 2
    assert [key for key in keys(duty) if "story" not in key] == [OUTCOME, "rules/quiz"]
    assert set(progress_of(duty).spared) == PAGES
    assert set(keys(duty_of(ada, first))) >= PAGES


def test_a_page_that_changed_is_asked_again_also_when_it_is_as_it_was_long_ago(author, ada):
    old = (author.course / "rules/10-the-rule.md").read_text()
    sign(ada, author.open())
    author.change("rules/10-the-rule.md")
    second = author.open()
    assert keys(duty_of(ada, second), Page) == ["rules/the-rule"]
    sign(ada, second)
    (author.course / "rules/10-the-rule.md").write_text(old)

    third = duty_of(ada, author.open())

    assert keys(third, Page) == ["rules/the-rule"]
    assert set(progress_of(third).spared) == {"start/welcome"}


def test_what_was_read_two_signatures_ago_is_still_read(author, ada):
    for _year in range(2):
        sign(ada, author.open())

    assert keys(duty_of(ada, author.open()), Page) == []


def test_a_signed_way_stays_as_it_was_whatever_is_signed_later(author, ada):
    sign(ada, author.open())
    second = author.open()
    sign(ada, second)
    before = keys(duty_of(ada, second))
    author.change("rules/10-the-rule.md")
    sign(ada, author.open())

    assert keys(duty_of(ada, second)) == before
    assert progress_of(duty_of(ada, second)).next is None


def test_a_course_may_ask_for_all_pages_each_time(author, ada):
    author.say("repeat: whole")
    sign(ada, author.open())

    duty = duty_of(ada, author.open())

    assert set(keys(duty, Page)) == PAGES
    assert not progress_of(duty).spared


@pytest.mark.parametrize("kind", ["annual", "update"])
def test_who_is_a_manager_since_the_last_signature_gets_the_managers_page(author, ada, kind):
    sign(ada, author.open())
    ada.audiences = ["employee", "manager"]
    author.change("rules/10-the-rule.md")

    duty = duty_of(ada, author.open(kind))

    assert keys(duty, Page) == ["start/managers", "rules/the-rule"]


def test_a_page_that_was_read_in_this_duty_stays_in_it(author, ada):
    sign(ada, author.open())
    duty = duty_of(ada, author.open())

    note(duty, "start/welcome")

    assert keys(duty, Page) == ["start/welcome"]
    assert set(progress_of(duty).spared) == {"rules/the-rule"}


def test_an_update_draws_from_the_scenarios_that_changed_and_asks_no_others(author, ada):
    sign(ada, author.open())
    names = [author.story(number).relative_to(author.course) for number in (1, 2, 3)]
    author.change(*map(str, names))

    duty = duty_of(ada, author.open("update"))

    assert keys(duty) == [OUTCOME]  # whether they are for this person follows from it
    note(duty, OUTCOME)
    asked = keys(duty)[1:]
    assert len(asked) == 2
    assert set(asked) < set(SCENARIOS[:3])


def test_who_signed_on_paper_reads_the_pages_next_year_and_in_an_update_what_changed(author, ada):
    hr = identify(make_hr())
    first = author.open()
    recording.record_paper(
        deciding.get_assignment(duty_of(ada, first).id),
        signed_on=db.today(),
        scan=b"%PDF-1.7",
        witness="",
        note="",
        by=hr,
    )
    assert set(keys(duty_of(ada, author.open()), Page)) == PAGES
    author.change("start/10-welcome.md")

    update = duty_of(ada, author.open("update"))

    assert keys(update, Page) == ["start/welcome"]


def test_of_two_first_duties_the_second_asks_only_what_is_not_as_it_was_signed(author, ada):
    first = author.open()
    author.change("start/10-welcome.md")
    second = author.open("onboarding")
    assert set(keys(duty_of(ada, second), Page)) == PAGES

    signed = sign(ada, first)

    assert keys(duty_of(ada, second), Page) == ["start/welcome"]
    assert progress_of(duty_of(ada, second)).difference.changed == ("New Welcome",)
    (part,) = json.loads(sign(ada, second).record)["read_before"]
    assert (part["number"], part["pages"]) == (signed.number, ["The rule"])


def test_what_an_update_asks_is_not_asked_when_it_was_signed_elsewhere_meanwhile(author, ada):
    sign(ada, author.open())
    author.change("rules/10-the-rule.md")
    update = author.open("update")
    assert keys(duty_of(ada, update)) == ["rules/the-rule"]
    author.say("changes: [{topic: The rule, before: Words, now: Other words}]")

    sign(ada, author.open())

    assert keys(duty_of(ada, update)) == []


def test_the_minutes_follow_what_the_walk_holds(author, ada):
    fresh = author.open()
    first = progress_of(duty_of(ada, fresh)).minutes_left
    sign(ada, fresh)

    again = progress_of(duty_of(ada, author.open()))

    assert first == again.course.minutes == 5
    assert again.minutes_left < first
    assert again.total == 1 + len(PAGES) + 2 + 1 - len(PAGES) + 1


def test_one_who_has_begun_before_is_at_the_end_when_nothing_more_is_asked(author, ada):
    sign(ada, author.open())
    author.say("changes: [{topic: Nothing, before: Nothing, now: Nothing}]")
    duty = duty_of(ada, author.open("update"))

    progress = progress_of(duty)

    assert (progress.next, progress.at, progress.duty.status) == (None, 1, Status.NOT_STARTED)
    sign(ada, duty.campaign)


def test_the_record_says_which_pages_were_read_for_which_earlier_receipt(author, ada):
    first = sign(ada, author.open())
    author.change("start/10-welcome.md")
    second = sign(ada, author.open())
    third = sign(ada, author.open())

    read_before = [json.loads(each.record).get("read_before") for each in (first, second, third)]

    assert read_before[0] is None
    assert [(part["number"], part["pages"]) for part in read_before[1]] == [
        (first.number, ["The rule"])
    ]
    assert [(part["number"], part["version"], part["pages"]) for part in read_before[2]] == [
        (first.number, 1, ["The rule"]),
        (second.number, 2, ["New Welcome"]),
    ]
    assert json.loads(third.record)["read"] == []
    assert len(json.loads(third.record)["scenarios"]) == 2


def test_the_task_list_and_a_step_agree_on_the_way_of_who_signed_before(author, ada):
    sign(ada, author.open())
    duty = duty_of(ada, author.open())
    db.session.expire_all()

    listed = next(each for each in services.list_progress(identify(ada)) if each.duty.id == duty.id)

    assert [step.key for _, step in listed.walk] == keys(duty)
    assert db.session.scalar(select(Attestation.number)) is not None


@pytest.fixture
def again(author, ada):
    """Ada's second year: nothing changed, and she has begun."""
    sign(ada, author.open())
    duty = duty_of(ada, author.open())
    note(duty, OUTCOME)
    db.finish(keep=True)
    return duty


def address(duty, key):
    return f"/learning/{duty.id}/{key}"


def rows():
    with db.reading() as session:
        return len(session.scalars(select(StepDone.id)).all())


def test_before_they_begin_they_read_what_is_not_asked_again_and_open_it(author, ada, sign_in):
    sign(ada, author.open())
    duty = duty_of(ada, author.open())
    browser = sign_in(ada)

    page = browser.get(f"/learning/{duty.id}/", follow_redirects=True).text

    assert "2 pages of the course are as they were when you last signed" in page
    assert "What is left takes about 4 minutes." in page
    for key in PAGES:
        assert address(duty, key) in page


def test_a_page_that_is_not_asked_again_is_read_plainly_and_nothing_is_noted(again, ada, sign_in):
    browser = sign_in(ada)
    before = rows()

    page = browser.get(address(again, "rules/the-rule"))
    answer = browser.post(address(again, "rules/the-rule"))

    assert page.status_code == 200
    assert "What you know through work is for work." in page.text
    assert "Step " not in page.text
    assert "<form" not in page.text.partition("<main")[2].partition("</main>")[0]
    assert f'href="/learning/{again.id}/"' in page.text
    assert answer.location == address(again, keys(again, Scenario)[0])
    assert rows() == before


def test_the_rule_after_an_answer_leads_to_a_page_that_is_not_asked_again(again, ada, sign_in):
    story = keys(again, Scenario)[0]

    answer = sign_in(ada).post(
        address(again, story), data={"scene": "chat", "choice": "1"}, follow_redirects=True
    )

    assert f'href="{address(again, "rules/the-rule")}"' in answer.text


def test_a_page_for_others_and_a_scenario_that_was_not_drawn_cannot_be_opened(again, ada, sign_in):
    browser = sign_in(ada)
    others = [key for key in SCENARIOS if key not in keys(again, Scenario)]

    for key in ["start/managers", *others]:
        assert browser.get(address(again, key)).status_code == 404


def test_who_checks_and_signs_sees_how_many_pages_were_not_asked_again(again, ada, sign_in):
    walk(again.id, identify(ada))
    browser = sign_in(ada)

    page = browser.get(f"/attestations/{again.id}/sign").text

    assert "2 pages, as they were when you last signed" in page
    assert f"/learning/{again.id}/changes" in page


@pytest.mark.parametrize("path", ["", "rules/the-rule", OUTCOME])
def test_a_page_of_who_signed_before_asks_the_database_at_most_six_things(
    again, ada, sign_in, count_statements, path
):
    browser = sign_in(ada)
    where = address(again, path) if path else "/learning/"
    browser.get(where)

    with count_statements() as statements:
        assert browser.get(where).status_code == 200

    assert len(statements) <= 6, statements
