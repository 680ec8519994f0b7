from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from portal import db
from portal.attestations import services as attestations
from portal.audit.models import AuditEntry
from portal.campaigns.models import Status
from portal.courses.course import AboutYou, Quiz, Scenario
from portal.errors import NotFound, Refused
from portal.learning import services
from portal.learning.models import Attempt
from portal.people.services import identify
from tests.factories import make_assignment, make_person, progress_of

NOON = datetime(2026, 11, 21, 19, tzinfo=UTC)


def step(progress, key):
    return progress.get_step(key)[1]


def declare(assignment, employer="city"):
    progress = progress_of(assignment)
    about = step(progress, "start/who-you-are")
    assert isinstance(about, AboutYou)
    return services.declare(progress, about, {"employer": employer}, comment=" hello ")


def go_to_quiz(assignment):
    services.read(progress_of(assignment), step(progress_of(assignment), "start/welcome"))
    declare(assignment)
    services.read(progress_of(assignment), step(progress_of(assignment), "rules/the-rule"))
    progress = progress_of(assignment)
    scenario = step(progress, "rules/a-question-in-the-chat")
    services.decide(progress, scenario, scenario.scenes[0], 1)
    return step(progress_of(assignment), "rules/quiz")


def take(assignment, quiz, *, right: bool):
    services.start_attempt(progress_of(assignment), quiz)
    attempt = progress_of(assignment).attempts_at(quiz)[-1]
    for key, _order in attempt.questions:
        question = quiz.get_question(key)
        chosen = question.correct if right else {0, 1, 2} - question.correct
        services.answer(progress_of(assignment), quiz, key, sorted(chosen))
    return progress_of(assignment).attempts_at(quiz)[-1]


def test_a_new_assignment_starts_at_the_first_step(app):
    progress = progress_of(make_assignment())

    assert progress.next.key == "start/welcome"
    assert (progress.at, progress.duty.status) == (1, Status.NOT_STARTED)


def test_reading_a_page_leads_to_the_next_step_and_twice_changes_nothing(app):
    assignment = make_assignment()
    welcome = step(progress_of(assignment), "start/welcome")

    services.read(progress_of(assignment), welcome)
    services.read(progress_of(assignment), welcome)

    assert progress_of(assignment).next.key == "start/who-you-are"
    assert progress_of(assignment).duty.status is Status.IN_PROGRESS


def test_nobody_jumps_ahead(app):
    progress = progress_of(make_assignment())

    with pytest.raises(Refused, match="before this one"):
        services.read(progress, step(progress, "rules/the-rule"))


def test_a_page_for_managers_is_theirs_alone(app):
    manager = make_person(audiences=["employee", "manager"])

    assert "start/managers" not in [s.key for _, s in progress_of(make_assignment()).walk]
    assert "start/managers" in [s.key for _, s in progress_of(make_assignment(person=manager)).walk]


def test_the_scope_answer_decides_which_steps_follow(app):
    inside, outside = make_assignment(), make_assignment()
    for assignment, employer in ((inside, "city"), (outside, "firm")):
        services.read(progress_of(assignment), step(progress_of(assignment), "start/welcome"))
        declare(assignment, employer)

    assert "rules/quiz" in [s.key for _, s in progress_of(inside).walk]
    assert [s.key for _, s in progress_of(outside).walk][2:] == ["rules/the-rule"]


def test_what_a_person_says_about_themself_is_kept_with_its_reason(app):
    assignment = make_assignment()
    services.read(progress_of(assignment), step(progress_of(assignment), "start/welcome"))

    outcome = declare(assignment, "firm")

    assert outcome.reason == "A separate firm employs you."
    (_step, kept) = progress_of(assignment).declared[0]
    assert kept.id == "out_of_scope"
    assert progress_of(assignment).done["start/who-you-are"]["comment"] == "hello"


def test_an_answer_about_oneself_can_be_changed_until_the_signature(app):
    assignment = make_assignment()
    services.read(progress_of(assignment), step(progress_of(assignment), "start/welcome"))
    declare(assignment, "firm")

    declare(assignment, "city")

    assert progress_of(assignment).declared[0][1].id == "in_scope"


def test_a_choice_may_lead_to_a_second_scene_where_the_person_goes_on(app):
    assignment = make_assignment()
    go_to_quiz(assignment)
    other = make_assignment()
    services.read(progress_of(other), step(progress_of(other), "start/welcome"))
    declare(other)
    services.read(progress_of(other), step(progress_of(other), "rules/the-rule"))
    scenario = step(progress_of(other), "rules/a-question-in-the-chat")
    assert isinstance(scenario, Scenario)

    services.decide(progress_of(other), scenario, scenario.scenes[0], 0)

    assert progress_of(other).next is scenario
    assert progress_of(other).scene_of(scenario).id == "later"
    services.decide(progress_of(other), scenario, scenario.scenes[1], 0)
    assert progress_of(other).next.key == "rules/quiz"


def test_a_choice_that_there_is_not_is_refused(app):
    assignment = make_assignment()
    quiz = go_to_quiz(assignment)
    scenario = step(progress_of(assignment), "rules/a-question-in-the-chat")

    with pytest.raises(Refused, match="Choose one"):
        services.decide(progress_of(assignment), scenario, scenario.scenes[0], 7)
    assert isinstance(quiz, Quiz)


def test_passing_the_quiz_makes_the_assignment_ready_to_sign(app):
    assignment = make_assignment()

    attempt = take(assignment, go_to_quiz(assignment), right=True)

    assert (attempt.right, attempt.passed) == (2, True)
    progress = progress_of(assignment)
    assert (progress.next, progress.duty.status) == (None, Status.READY)
    assert progress.at == progress.total


def test_a_failed_quiz_can_be_taken_again_after_the_delay_with_other_questions(app, clock):
    clock(NOON)
    assignment = make_assignment()
    quiz = go_to_quiz(assignment)
    first = take(assignment, quiz, right=False)

    with pytest.raises(Refused, match="10 minutes"):
        services.start_attempt(progress_of(assignment), quiz)
    clock(NOON + timedelta(minutes=11))
    second = take(assignment, quiz, right=True)

    assert first.passed is False
    assert not {q for q, _ in first.questions} & {q for q, _ in second.questions}


def test_the_tries_are_counted(app, clock):
    assignment = make_assignment()
    clock(NOON)
    quiz = go_to_quiz(assignment)
    for hour in range(3):
        clock(NOON + timedelta(hours=hour))
        take(assignment, quiz, right=False)

    clock(NOON + timedelta(hours=9))
    with pytest.raises(Refused, match="all 3 tries"):
        services.start_attempt(progress_of(assignment), quiz)


def test_the_first_answer_stands(app):
    assignment = make_assignment()
    quiz = go_to_quiz(assignment)
    services.start_attempt(progress_of(assignment), quiz)
    key = progress_of(assignment).attempts_at(quiz)[-1].questions[0][0]
    wrong = sorted({0, 1, 2} - quiz.get_question(key).correct)

    services.answer(progress_of(assignment), quiz, key, wrong)
    services.answer(progress_of(assignment), quiz, key, sorted(quiz.get_question(key).correct))

    (given,) = progress_of(assignment).attempts_at(quiz)[-1].answers
    assert given.right is False


def test_an_open_attempt_goes_on_instead_of_a_new_one(app):
    assignment = make_assignment()
    quiz = go_to_quiz(assignment)

    services.start_attempt(progress_of(assignment), quiz)
    services.start_attempt(progress_of(assignment), quiz)

    assert len(progress_of(assignment).attempts_at(quiz)) == 1


def test_a_question_of_another_attempt_is_refused(app):
    assignment = make_assignment()
    quiz = go_to_quiz(assignment)
    services.start_attempt(progress_of(assignment), quiz)
    drawn = {q for q, _ in progress_of(assignment).attempts_at(quiz)[-1].questions}
    other = next(q.id for q in quiz.questions if q.id not in drawn)

    with pytest.raises(Refused, match="another try"):
        services.answer(progress_of(assignment), quiz, other, [0])


def test_a_submitted_attempt_is_in_the_log_with_its_score(app):
    from portal import db

    assignment = make_assignment()
    take(assignment, go_to_quiz(assignment), right=True)

    attempt = db.session.scalars(select(Attempt)).one()
    entry = db.session.scalars(select(AuditEntry).filter_by(action="attempt.submitted")).one()
    assert entry.subject == str(attempt.id)
    assert '"right":2' in entry.leaf


def test_nobody_reaches_the_assignment_of_somebody_else(app):
    assignment = make_assignment()

    with pytest.raises(NotFound):
        services.get_progress(assignment.id, person=identify(make_person()))


def test_a_tab_of_before_the_signature_keeps_nothing_and_takes_nothing_back(each_app):
    assignment = make_assignment(done=True)
    before = progress_of(assignment)
    scenario = step(before, "rules/a-question-in-the-chat")
    attestations.sign(
        assignment.id,
        person=identify(assignment.person),
        typed_name=assignment.person.full_name,
        settings=each_app.extensions["settings"],
    )
    db.finish(keep=True)

    with pytest.raises(Refused, match="You have signed"):
        services.decide(before, scenario, scenario.scenes[0], 0)

    db.session.refresh(assignment)
    assert assignment.status is Status.SIGNED
    assert assignment.signed_at is not None


def test_a_release_that_came_in_between_stays(app):
    assignment = make_assignment()
    before = progress_of(assignment)
    assignment.status = Status.WAIVED
    db.session.flush()

    with pytest.raises(Refused, match="released you"):
        services.read(before, step(before, "start/welcome"))

    db.session.refresh(assignment)
    assert assignment.status is Status.WAIVED
