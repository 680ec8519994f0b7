import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import isclose
from zoneinfo import ZoneInfo, available_timezones

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations import services as attestations
from portal.campaigns import deciding
from portal.campaigns.models import Assignment, Status
from portal.courses import services as courses
from portal.courses.course import Quiz
from portal.learning.models import Answer, Attempt
from portal.people.services import identify
from portal.reports import figures, item_analysis, queries, questions
from portal.reports.item_analysis import Sums
from tests.factories import make_assignment, make_attestation, make_campaign, make_hr, make_person


def at(day, hour=18):
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def duty(campaign, given, **facts):
    made = make_assignment(person=make_person(), campaign=campaign, **facts)
    made.assigned_at = given
    db.session.flush()
    return made


def test_a_day_counts_what_was_so_at_its_end(each_app):
    campaign = make_campaign(due_on=date(2026, 3, 10))
    first = date(2026, 3, 2)
    duty(campaign, at(first), status=Status.SIGNED, signed_at=at(date(2026, 3, 4)))
    duty(
        campaign,
        at(first),
        status=Status.IN_PROGRESS,
        started_at=at(date(2026, 3, 3)),
        due_on=date(2026, 3, 10),
    )
    duty(campaign, at(date(2026, 3, 5)), due_on=date(2026, 3, 10))

    days = {each.day: each for each in figures.over_time(campaign, today=date(2026, 3, 12))}

    assert (days[first].people, days[first].signed) == (2, 0)
    assert days[date(2026, 3, 3)].in_progress == 1
    assert days[date(2026, 3, 4)].signed == 1
    assert days[date(2026, 3, 5)].people == 3
    assert days[date(2026, 3, 10)].overdue == 0
    assert days[date(2026, 3, 11)].overdue == 2
    assert days[date(2026, 3, 12)].not_started == 1


def test_a_day_is_one_of_the_city_also_when_the_clocks_change(app):
    campaign = make_campaign()
    late_evening = datetime(2026, 3, 9, 5, 30, tzinfo=UTC)  # still Sunday, March 8, in Edmonton
    duty(campaign, at(date(2026, 3, 7)), status=Status.SIGNED, signed_at=late_evening)

    days = {each.day: each for each in figures.over_time(campaign, today=date(2026, 3, 10))}

    assert days[date(2026, 3, 7)].signed == 0
    assert days[date(2026, 3, 8)].signed == 1


@pytest.mark.parametrize(
    ("zone", "last_second"),
    [
        ("America/St_Johns", datetime(2026, 3, 9, 2, 29, 59, 999_999, tzinfo=UTC)),
        ("Asia/Kathmandu", datetime(2026, 3, 8, 18, 14, 59, 999_999, tzinfo=UTC)),
        ("Pacific/Chatham", datetime(2026, 3, 8, 10, 14, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_a_day_ends_at_midnight_where_that_is_no_full_hour_of_utc(each_app, zone, last_second):
    each_app.extensions["settings"] = replace(each_app.extensions["settings"], time_zone=zone)
    campaign = make_campaign(opens_on=date(2026, 3, 1), due_on=date(2026, 3, 8))
    given = at(date(2026, 3, 7), hour=1)
    first_second = last_second + timedelta(microseconds=1)
    for moment in (last_second, first_second):
        duty(
            campaign,
            given,
            status=Status.SIGNED,
            started_at=moment,
            signed_at=moment,
            due_on=date(2026, 3, 8),
        )

    days = {each.day: each for each in figures.over_time(campaign, today=date(2026, 3, 10))}

    assert [days[date(2026, 3, n)].signed for n in (7, 8, 9)] == [0, 1, 2]
    assert [days[date(2026, 3, n)].overdue for n in (8, 9)] == [0, 0]


def test_every_zone_has_days_of_whole_quarters_of_an_hour():
    moments = [datetime(year, month, 1, tzinfo=UTC) for year in (2026, 2036) for month in (1, 7)]

    assert not [
        zone
        for zone in available_timezones()
        for moment in moments
        if moment.astimezone(ZoneInfo(zone)).utcoffset().total_seconds() % figures.QUARTER
    ]


def test_releases_and_refusals_go_up_and_down(app, clock):
    campaign = make_campaign()
    clock(at(date(2026, 3, 2)))
    hr = identify(make_hr())
    released = duty(campaign, at(date(2026, 3, 2)))
    person = make_person()
    refuses = make_assignment(person=person, campaign=campaign, done=True)
    refuses.assigned_at = at(date(2026, 3, 2))
    clock(at(date(2026, 3, 3)))
    deciding.release(released, reason="x", until=None, by=hr)
    attestations.refuse(refuses.id, person=identify(person), comment="No.")
    clock(at(date(2026, 3, 5)))
    deciding.take_back(released, reason="x", by=hr)
    make_attestation(person=person)

    days = {each.day: each for each in figures.over_time(campaign, today=date(2026, 3, 6))}

    assert [(days[date(2026, 3, n)].waived, days[date(2026, 3, n)].refused) for n in (2, 3, 5)] == [
        (0, 0),
        (1, 1),
        (0, 0),
    ]


def test_the_last_day_says_what_the_list_says(each_app):
    campaign = make_campaign()
    hr = identify(make_hr())
    begun = {"status": Status.IN_PROGRESS, "started_at": db.utc_now()}
    makers = {
        "untouched": {},
        "begun": begun,
        "begun, released": begun,
        "released": {},
        "released, back": {},
        "begun, released, back": begun,
    }
    duties = {name: duty(campaign, db.utc_now(), **facts) for name, facts in makers.items()}
    for name, made in duties.items():
        if "released" in name:
            deciding.release(made, reason="x", until=None, by=hr)
        if "back" in name:
            deciding.take_back(made, reason="x", by=hr)
    refuses = make_person("Ada Lovelace")
    asked = make_assignment(person=refuses, campaign=campaign, done=True)
    attestations.refuse(asked.id, person=identify(refuses), comment="No.")
    make_attestation(person=make_person("Grace Hopper"))

    last = figures.over_time(campaign, today=db.today())[-1]
    listed = queries.total(queries.count_by_department(campaign.id))

    names = ("signed", "in_progress", "not_started", "refused", "waived")
    assert [getattr(last, name) for name in names] == [getattr(listed, name) for name in names]
    assert last.people == listed.total + listed.waived
    assert [getattr(last, name) for name in names] == [1, 2, 2, 1, 2]


def test_a_campaign_of_years_ago_shows_its_own_days(app):
    campaign = make_campaign(due_on=date(2022, 3, 10))
    duty(campaign, at(date(2022, 3, 2)), status=Status.SIGNED, signed_at=at(date(2022, 3, 4)))
    campaign.closed_at = at(date(2022, 3, 20))
    db.session.flush()

    days = figures.over_time(campaign, today=date(2026, 11, 26))

    assert (days[0].day, days[-1].day) == (date(2022, 3, 2), date(2022, 3, 20))
    assert figures.draw(days, due_on=campaign.due_on, names=("signed",)).due_x


def test_the_page_shows_some_managers_and_the_file_all(app, sign_in, monkeypatch):
    monkeypatch.setattr(figures, "MOST_MANAGERS", 1)
    campaign = make_campaign()
    for name in ("Boss One", "Boss Two"):
        make_assignment(person=make_person(manager_id=make_person(name).id), campaign=campaign)
    browser = sign_in(make_hr())

    page = browser.get(f"/reports/figures?campaign={campaign.id}").text
    file = browser.get(f"/reports/lists/managers.csv?of={campaign.id}").text

    assert "The first 1. The files have all of them." in page
    assert "Boss One" in file
    assert "Boss Two" in file


def test_the_lines_stay_in_their_box_and_the_due_date_has_its_place(app):
    campaign = make_campaign(due_on=date(2026, 4, 1))
    duty(campaign, at(date(2026, 3, 2)), status=Status.SIGNED, signed_at=at(date(2026, 3, 4)))
    days = figures.over_time(campaign, today=date(2026, 3, 20))

    curve = figures.draw(days, due_on=campaign.due_on, names=("people", "signed", "refused"))

    numbers = [tuple(map(float, point.split(","))) for point in curve.lines["signed"].split()]
    assert all(50 <= x <= 930 and 20 <= y <= 280 for x, y in numbers)
    assert curve.due_x == 930
    assert "refused" not in curve.lines


def test_a_campaign_without_people_says_so(app, sign_in):
    make_campaign()

    assert "Nobody has the duty yet." in sign_in(make_hr()).get("/reports/figures").text


def test_every_link_in_the_figures_leads_to_as_many_people_as_it_says(app, sign_in):
    campaign = make_campaign()
    boss = make_person("Morgan Dubois", department="Parks", audiences=["employee", "manager"])
    for number in range(3):
        make_assignment(
            person=make_person(manager_id=boss.id, department="Parks"), campaign=campaign
        )
        make_attestation(person=make_person(department=f"D&D {number}"), campaign=campaign)
    make_assignment(
        person=make_person(), campaign=campaign, due_on=db.today() - timedelta(days=2)
    ).assigned_at = db.utc_now() - timedelta(days=9)
    db.session.flush()
    browser = sign_in(make_hr())

    page = browser.get(f"/reports/figures?campaign={campaign.id}").text
    rows = re.findall(
        r'<th scope="row"[^>]*><a class="govuk-link" href="([^"]+)">.*?</th>(.*?)</tr>', page, re.S
    )
    links = re.findall(r'<a class="govuk-link tap" href="([^"]+status=[^"]+)">(\d+) ', page)

    assert len(rows) >= 7
    for address, cells in rows:
        numbers = [int(n) for n in re.findall(r">(\d+)</td>", cells)]
        shown = browser.get(address.replace("&amp;", "&")).text
        assert f"{sum(numbers)} pe" in shown, address
    assert links
    for address, number in links:
        assert f"{number} pe" in browser.get(address.replace("&amp;", "&")).text


def test_the_figures_cost_the_same_statements_for_any_number_of_people(
    app, sign_in, count_statements
):
    campaign = make_campaign()
    browser = sign_in(make_hr())

    def look():
        db.finish(keep=True)
        with count_statements() as seen:
            browser.get(f"/reports/figures?campaign={campaign.id}")
        return len(seen)

    make_assignment(person=make_person(), campaign=campaign)
    few = look()
    for _ in range(20):
        make_assignment(person=make_person(), campaign=campaign)

    assert look() == few


def answer(campaign, right, others_right, chosen, **person):
    """One first attempt: whether question q is right, and how many of four others are."""
    made = make_assignment(person=make_person(**person), campaign=campaign)
    attempt = Attempt(
        assignment_id=made.id,
        section="rules/quiz",
        number=1,
        questions=[],
        submitted_at=db.utc_now(),
        right=others_right + right,
        passed=False,
    )
    db.session.add(attempt)
    db.session.flush()
    db.session.add(
        Answer(attempt_id=attempt.id, question=asked(), chosen=[chosen], right=bool(right))
    )
    db.session.flush()


@pytest.fixture
def campaign(app):
    return make_campaign()


def the_question():
    """A question with one right option, of the small course."""
    course = courses.get_course(courses.latest("small-course").id)
    quizzes = [step for step in course.steps() if isinstance(step, Quiz)]
    return next(each for quiz in quizzes for each in quiz.questions if not each.multiple)


def asked():
    return the_question().id


def line_of(campaign):
    text = the_question().text
    lines, _at = questions.analyse(campaign.id)
    return next(line for line in lines if line.text == text)


def right_option():
    return min(the_question().correct)


def test_under_five_people_nothing_of_a_question_is_shown(campaign, sign_in):
    for _ in range(4):
        answer(campaign, 1, 4, right_option())

    page = sign_in(make_hr()).get(f"/reports/questions?campaign={campaign.id}").text

    assert not line_of(campaign).is_shown
    assert "Fewer than 5 people have answered: not shown." in page


def test_how_often_right_first_time_and_which_wrong_answer_draws(campaign):
    good = right_option()
    bad = 1 if good == 0 else 0
    for _ in range(5):
        answer(campaign, 1, 4, good)
    for _ in range(8):
        answer(campaign, 0, 2, bad)

    line = line_of(campaign)

    assert (line.answered, line.right, line.percent) == (13, 5, 38)
    assert line.options[bad].chosen == 8
    assert line.options[bad].by_kind == {"employee": 8}
    assert "Fewer than half are right the first time." in line.warnings
    assert "A wrong answer draws more people than the right one." in line.warnings


def test_one_who_is_wrong_among_many_cannot_be_made_out(campaign, sign_in):
    good = right_option()
    for number in range(20):
        answer(campaign, int(number > 0), 4, good if number else 1 - good)

    line = line_of(campaign)
    page = sign_in(make_hr()).get(f"/reports/questions?campaign={campaign.id}").text

    assert line.percent is None
    assert line.discrimination is None
    assert {option.chosen for option in line.options} == {None}
    assert "20 people have answered. Nearly all alike: how many is not shown." in page
    assert "95%" not in page


def test_a_question_that_misleads_those_who_know_the_rest_is_marked(campaign):
    good = right_option()
    bad = 1 if good == 0 else 0
    for number in range(40):
        knows = number % 2
        answer(campaign, 0 if knows else 1, 4 if knows else 1, bad if knows else good)

    line = line_of(campaign)

    assert line.discrimination is not None
    assert line.discrimination < 0
    assert any("it may mislead" in words for words in line.warnings)


def test_only_the_first_attempt_counts(campaign):
    good = right_option()
    for _ in range(5):
        answer(campaign, 1, 4, good)
    retake = Attempt(
        assignment_id=db.session.scalars(select(Assignment.id)).first(),
        section="rules/quiz",
        number=2,
        questions=[],
        submitted_at=db.utc_now(),
        right=0,
        passed=False,
    )
    db.session.add(retake)
    db.session.flush()
    db.session.add(Answer(attempt_id=retake.id, question=asked(), chosen=[good], right=True))
    db.session.flush()

    assert line_of(campaign).answered == 5


@pytest.mark.parametrize(
    ("counts", "shown", "others"),
    [
        ({"a": 9, "b": 5, "c": 0}, {"a": 9, "b": 5}, 0),
        ({"a": 9, "b": 4}, {}, 13),
        ({"a": 9, "b": 7, "c": 4}, {"a": 9}, 11),
        ({"a": 9, "b": 3, "c": 4}, {"a": 9}, 7),
        ({"a": 2}, {}, 2),
        ({}, {}, 0),
    ],
)
def test_what_is_hidden_cannot_be_found_by_subtraction(counts, shown, others):
    assert item_analysis.hide_few(counts) == (shown, others)


def test_discrimination_is_the_correlation_with_the_rest():
    # (right, others right): (1,4) (1,3) (0,2) (0,1), worked out by hand
    sums = Sums(n=4, x=2, y=10, xy=7, yy=30)

    assert isclose(item_analysis.discrimination(sums), 8 / (4 * 20) ** 0.5)


def test_without_a_difference_there_is_no_discrimination():
    assert item_analysis.discrimination(Sums(n=4, x=4, y=10, xy=10, yy=30)) is None
    assert item_analysis.discrimination(Sums(n=4, x=2, y=8, xy=4, yy=16)) is None
