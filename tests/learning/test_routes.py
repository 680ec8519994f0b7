import re
from html import unescape

import pytest
from icalendar import Calendar

from portal import db
from portal.campaigns.models import Status
from portal.courses.course import Quiz
from portal.learning import services
from portal.learning.models import StepDone
from tests.factories import (
    make_assignment,
    make_attestation,
    make_campaign,
    make_person,
    progress_of,
)

MOST_STATEMENTS = 6


@pytest.fixture
def ada(app):
    make_campaign()
    return make_person("Ada Lovelace")


def address(assignment, key):
    return f"/learning/{assignment.id}/{key}"


def test_a_person_who_signs_in_for_the_first_time_finds_their_duty(ada, sign_in):
    page = sign_in(ada).get("/learning/")

    assert "Small campaign" in page.text
    assert "Start Small course" in page.text


def test_nothing_to_do_is_said_in_words(app, sign_in):
    page = sign_in(make_person()).get("/learning/")

    assert "There is nothing for you to do here right now." in page.text


def test_what_is_signed_stands_under_done_with_its_receipt(ada, sign_in):
    attestation = make_attestation(person=ada)

    page = sign_in(ada).get("/learning/")

    assert "You are up to date." in page.text
    assert f"/attestations/{attestation.assignment_id}/receipt" in page.text


def test_reading_leads_on_and_the_task_list_resumes_at_the_exact_step(ada, sign_in):
    assignment = make_assignment(person=ada)
    browser = sign_in(ada)

    answer = browser.post(address(assignment, "start/welcome"))

    assert answer.location == address(assignment, "start/who-you-are")
    assert browser.get(f"/learning/{assignment.id}/").location == answer.location


def test_a_step_ahead_leads_back_to_the_next_one(ada, sign_in):
    assignment = make_assignment(person=ada)

    answer = sign_in(ada).get(address(assignment, "rules/the-rule"))

    assert answer.location == address(assignment, "start/welcome")


def test_a_question_without_an_answer_says_so_at_the_field_and_above(ada, sign_in):
    assignment = make_assignment(person=ada)
    browser = sign_in(ada)
    browser.post(address(assignment, "start/welcome"))

    page = browser.post(address(assignment, "start/who-you-are"), data={"comment": "my words"})

    assert page.text.count("Choose an answer") == 2
    assert "There is a problem" in page.text
    assert "<title>Error: " in page.text
    assert "my words" in page.text


def test_the_back_button_after_an_answer_shows_its_result_and_not_the_question_again(ada, sign_in):
    assignment = make_assignment(person=ada)
    browser = sign_in(ada)
    browser.post(address(assignment, "start/welcome"))
    browser.post(address(assignment, "start/who-you-are"), data={"employer": "city"})
    browser.post(address(assignment, "rules/the-rule"))
    chat = address(assignment, "rules/a-question-in-the-chat")
    browser.post(chat, data={"scene": "chat", "choice": "1"})
    quiz = address(assignment, "rules/quiz")
    browser.post(quiz)
    question = progress_of(assignment).attempts[-1].questions[0][0]
    db.finish(keep=False)

    first = browser.post(quiz, data={"question": question, "chosen": ["1"]})
    again = browser.post(quiz, data={"question": question, "chosen": ["0"]})

    assert first.location == again.location == f"{quiz}/result?question={question}"
    assert "You chose" in browser.get(first.location).text


def back_of(page):
    return unescape(re.search(r'govuk-back-link" href="([^"]+)"', page.text)[1])


def test_every_result_leads_back_and_no_answer_is_given_again(ada, sign_in):
    assignment = make_assignment(person=ada)
    browser = sign_in(ada)
    browser.post(address(assignment, "start/welcome"))
    about = browser.post(address(assignment, "start/who-you-are"), data={"employer": "city"})
    browser.post(address(assignment, "rules/the-rule"))
    chat = address(assignment, "rules/a-question-in-the-chat")
    decided = browser.post(chat, data={"scene": "chat", "choice": "1"})
    quiz = address(assignment, "rules/quiz")
    browser.post(quiz)
    asked = [key for key, _order in progress_of(assignment).attempts[-1].questions]
    db.finish(keep=False)
    results = [browser.post(quiz, data={"question": key, "chosen": ["0"]}) for key in asked]
    pages = [browser.get(each.location) for each in results]

    assert back_of(browser.get(about.location)) == address(assignment, "start/who-you-are")
    assert back_of(browser.get(decided.location)) == f"{chat}?scene=chat"
    assert back_of(pages[0]) == chat
    assert [back_of(page) for page in pages[1:]] == [each.location for each in results[:-1]]
    assert back_of(browser.get(f"{quiz}/result")) == results[-1].location
    assert "You chose" in browser.get(back_of(pages[-1])).text


def test_after_the_signature_pages_can_be_read_and_answers_stay(ada, sign_in):
    attestation = make_attestation(person=ada)
    assignment = attestation.assignment
    browser = sign_in(ada)

    assert browser.get(address(assignment, "rules/the-rule")).status_code == 200
    answer = browser.post(address(assignment, "start/who-you-are"), data={"employer": "firm"})

    assert answer.status_code == 409
    assert "your answers stay as they are" in answer.text


def test_the_due_date_goes_into_a_calendar(ada, sign_in):
    assignment = make_assignment(person=ada)

    file = sign_in(ada).get(f"/learning/{assignment.id}/due-date.ics")

    event = Calendar.from_ical(file.data).walk("VEVENT")[0]
    assert event["DTSTART"].dt == assignment.due_on
    assert "Small campaign" in event["SUMMARY"]


@pytest.mark.parametrize(
    "path",
    ["/learning/", "start/welcome", "start/who-you-are", "rules/the-rule", "rules/quiz/result"],
)
def test_a_page_asks_the_database_at_most_six_things(app, ada, sign_in, count_statements, path):
    assignment = make_assignment(person=ada, done=True)
    browser = sign_in(ada)
    address_ = path if path.startswith("/") else address(assignment, path)

    with count_statements() as statements:
        assert browser.get(address_).status_code == 200

    assert len(statements) <= MOST_STATEMENTS, statements


def test_no_page_is_kept_by_a_browser_or_framed_by_another_site(ada, sign_in):
    headers = sign_in(ada).get("/learning/").headers

    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]


def test_a_get_that_tries_to_write_fails(app, ada, monkeypatch, sign_in):
    assignment = make_assignment(person=ada)
    browser = sign_in(ada)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    real = services.get_progress

    def writes(*args, **kwargs):
        progress = real(*args, **kwargs)
        services.read(progress, progress.next)
        return progress

    monkeypatch.setattr(services, "get_progress", writes)

    with pytest.raises(db.WroteInARead):
        browser.get(address(assignment, "start/welcome"))


def test_a_quiz_that_did_not_work_out_offers_another_try(ada, sign_in, clock):
    assignment = make_assignment(person=ada)
    browser = sign_in(ada)
    browser.post(address(assignment, "start/welcome"))
    browser.post(address(assignment, "start/who-you-are"), data={"employer": "city"})
    progress = progress_of(assignment)
    quiz = next(step for _section, step in progress.walk if isinstance(step, Quiz))
    for _section, step in progress.walk:
        if step is quiz:
            break
        if step.key not in progress.done:
            db.session.add(StepDone(assignment_id=assignment.id, step=step.key, answer={}))
    db.session.flush()
    services.start_attempt(progress_of(assignment), quiz)
    for key, _order in progress_of(assignment).attempts[0].questions:
        question = quiz.get_question(key)
        wrong = next(at for at in range(len(question.options)) if at not in question.correct)
        services.answer(progress_of(assignment), quiz, key, [wrong])
    db.finish(keep=True)
    clock(db.utc_now() + quiz.rules.delay)

    page = browser.get(address(assignment, quiz.key) + "/result").text
    again = browser.post(address(assignment, quiz.key), follow_redirects=True).text

    assert "Not enough right answers yet" in page
    assert "Try the questions again" in page
    assert "Check my answer" in again


def test_who_signed_before_sees_first_that_nothing_changed(app, sign_in):
    person = make_person("Ada Lovelace")
    make_attestation(person=person)
    duty = make_assignment(person=person, campaign=make_campaign(title="Next year"))
    browser = sign_in(person)

    page = browser.get(f"/learning/{duty.id}/", follow_redirects=True).text

    assert "What changed since you last signed" in page
    assert "Nothing changed." in page


def test_who_is_released_has_nothing_to_do(ada, sign_in):
    assignment = make_assignment(person=ada)
    assignment.status = Status.WAIVED
    first = address(assignment, progress_of(assignment).walk[0][1].key)
    browser = sign_in(ada)

    tasks = browser.get("/learning/").text
    refused = browser.post(first)

    assert "HR has released you." in tasks
    assert "There is nothing to do." in tasks
    assert refused.status_code == 409


def test_the_tasks_of_who_has_begun_nothing_take_two_looks_at_the_database(
    app, sign_in, count_statements
):
    ada = make_person("Ada Lovelace")
    assignment = make_assignment(person=ada)
    welcome, browser = address(assignment, "start/welcome"), sign_in(ada)
    db.finish(keep=True)

    def look():
        with count_statements() as seen:
            assert "Small campaign" in browser.get("/learning/").text
        return len(seen)

    look()  # the course is read once
    assert look() == 2

    browser.post(welcome)
    assert look() == 3
