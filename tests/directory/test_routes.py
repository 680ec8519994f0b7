"""Administrators' pages of the directory."""

import pytest

from portal import db
from portal.directory import syncing
from tests.factories import make_person


@pytest.fixture
def taylor(app, door, sign_in):
    return sign_in(make_person("Taylor Bear", roles=["admin", "learner"]))


def test_the_readings_say_in_words_what_changed(taylor, door, fake):
    syncing.run_now(door)

    page = taylor.get("/directory/").text

    assert "1 joined, 1 is missing for the first time" in page  # she has no entry


def test_one_reading_says_it_too(taylor, door):
    sync = syncing.run_now(door)
    db.finish(keep=True)

    page = taylor.get(f"/directory/syncs/{sync.id}").text

    assert "1 person read:" in page
    assert "1 joined" in page


def test_a_reading_that_waits_says_so(taylor, door):
    answer = taylor.post("/directory/", data={"dry": "y"}, follow_redirects=True)

    assert "The directory is being read." in answer.text
    assert "Being read" in taylor.get("/directory/").text
