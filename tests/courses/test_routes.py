from collections.abc import Callable
from contextlib import AbstractContextManager
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal import db
from portal.courses import services
from portal.courses.models import CourseVersion
from portal.people.models import Person
from tests.factories import make_person, publish

SignIn = Callable[[Person], FlaskClient]


@pytest.fixture
def version(app: Flask) -> CourseVersion:
    found = publish()
    db.session.commit()
    return found


def author() -> Person:
    return make_person("Colby Marsh", roles=["author", "learner"])


def addresses(version: CourseVersion) -> list[str]:
    base = f"/courses/{version.id}"
    steps = [step.key for step in services.get_course(version.id).steps()]
    return ["/courses/", base, f"{base}/archive", *(f"{base}/{key}" for key in steps)]


@pytest.mark.parametrize("role", ["hr", "author"])
def test_hr_and_authors_see_every_page_of_a_version(
    role: str, version: CourseVersion, sign_in: SignIn
) -> None:
    browser = sign_in(make_person(roles=[role, "learner"]))

    for address in addresses(version):
        assert browser.get(address).status_code == 200, address


def test_learners_see_none_of_it(version: CourseVersion, sign_in: SignIn) -> None:
    browser = sign_in(make_person())

    assert {browser.get(address).status_code for address in addresses(version)} == {404}


def test_who_is_not_signed_in_gets_to_sign_in(version: CourseVersion, client: FlaskClient) -> None:
    for address in addresses(version):
        assert "/people/sign-in" in client.get(address).location


def test_the_archive_is_what_was_published(version: CourseVersion, sign_in: SignIn) -> None:
    answer = sign_in(author()).get(f"/courses/{version.id}/archive")

    assert answer.data == version.archive
    assert answer.headers["Content-Disposition"] == 'attachment; filename="small-course-v1.zip"'


def test_a_scenario_shows_every_choice_with_what_happens_next(
    version: CourseVersion, sign_in: SignIn
) -> None:
    page = sign_in(author()).get(f"/courses/{version.id}/rules/a-question-in-the-chat").text

    for words in ("They tell everyone.", "They call on Monday.", "They wonder.", "It comes out."):
        assert words in page


def test_a_quiz_shows_every_option_with_its_feedback(
    version: CourseVersion, sign_in: SignIn
) -> None:
    page = sign_in(author()).get(f"/courses/{version.id}/rules/quiz").text

    assert "What is work knowledge for?" in page
    assert "The look-up is logged." in page


def test_what_was_never_published_is_not_there(version: CourseVersion, sign_in: SignIn) -> None:
    browser = sign_in(author())

    for address in (f"/courses/{uuid4()}", f"/courses/{version.id}/rules/no-such-step"):
        assert browser.get(address).status_code == 404


def test_a_page_sends_few_statements(
    version: CourseVersion,
    sign_in: SignIn,
    count_statements: Callable[[], AbstractContextManager[list[str]]],
) -> None:
    browser = sign_in(author())
    for address in addresses(version):
        with count_statements() as statements:
            browser.get(address)
        assert len(statements) <= 6, statements
