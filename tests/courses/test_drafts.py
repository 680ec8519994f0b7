import shutil
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from portal import db
from portal.courses import services
from portal.courses.models import CourseVersion
from tests.conftest import ROOT
from tests.factories import make_hr, make_person


@pytest.fixture
def settings(settings, tmp_path):
    shutil.copytree(ROOT / "tests" / "content", tmp_path / "content")
    shutil.copytree(ROOT / "content" / "site", tmp_path / "content" / "site")
    return replace(settings, content_dir=tmp_path / "content")


@pytest.fixture
def page(settings):
    return settings.content_dir / "small-course" / "rules" / "10-the-rule.md"


def count():
    found = db.session.scalar(select(func.count()).select_from(CourseVersion))
    db.finish(keep=True)
    return found


def test_hr_publishes_what_changed_and_is_led_to_the_question_that_follows(app, page, sign_in):
    browser = sign_in(make_hr())
    never = browser.get("/courses/drafts").text
    browser.post("/courses/drafts/small-course")
    same = browser.get("/courses/drafts").text
    page.write_text(page.read_text() + "\nOne more sentence.\n")
    changed = browser.get("/courses/drafts").text
    answer = browser.post("/courses/drafts/small-course")

    assert "Never published." in never
    assert "Nothing has changed since." in same
    assert "Publish version 2" in changed
    assert count() == 2
    newest = services.latest("small-course")
    db.finish(keep=True)
    assert answer.location == f"/campaigns/versions/{newest.id}"


def test_an_author_publishes_and_hr_is_asked_later(app, page, sign_in):
    browser = sign_in(make_person("Colby Marsh", roles=["author", "learner"]))
    browser.post("/courses/drafts/small-course")
    page.write_text(page.read_text() + "\nOne more sentence.\n")

    done = browser.post("/courses/drafts/small-course", follow_redirects=True).text

    assert "Version 2 of" in done
    assert [version.number for version in services.list_undecided()] == [2]


def test_a_course_with_mistakes_names_them_and_is_not_published(app, page, sign_in):
    page.write_text("no front matter")
    browser = sign_in(make_hr())

    shown = browser.get("/courses/drafts").text
    refused = browser.post("/courses/drafts/small-course")

    assert "10-the-rule.md" in shown
    assert "Publish version" not in shown
    assert refused.status_code == 409
    assert count() == 0


def test_what_is_no_course_cannot_be_published(app, sign_in):
    browser = sign_in(make_hr())

    assert browser.post("/courses/drafts/..").status_code == 404
    assert browser.post("/courses/drafts/nothing").status_code == 404
