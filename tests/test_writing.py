"""On SQLite one writes at a time, others wait two seconds: no job may write much at once."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event

from portal import db, jobs
from portal.campaigns import deciding, extending, giving
from portal.campaigns.audience import Audience, Fact, Part
from portal.campaigns.deciding import EXEMPT
from portal.campaigns.extending import EXTEND
from portal.campaigns.giving import FILL
from portal.directory import syncing
from portal.people.models import Person
from portal.people.registering import sort_name
from portal.people.services import identify
from portal.reminders import services as reminders
from tests.factories import TODAY, make_assignment, make_campaign, make_hr
from tests.people.conftest import ADA, door, fake, ldap_settings

__all__ = ["door", "fake", "ldap_settings"]
PEOPLE = 500
MOST = 3 * 200 + 50  # rows: of 200 people, with their history and entries in the log


@pytest.fixture
def writes(app):
    """How many rows each transaction has written, in turn."""
    engine, seen, begun = app.extensions["engine"], [], {}

    def changes(connection):
        return connection.connection.driver_connection.total_changes

    def begin(connection):
        begun[connection.connection.driver_connection] = changes(connection)

    def commit(connection):
        seen.append(changes(connection) - begun[connection.connection.driver_connection])

    event.listen(engine, "begin", begin)
    event.listen(engine, "commit", commit)
    yield seen
    event.remove(engine, "begin", begin)
    event.remove(engine, "commit", commit)


def make_people(**facts):
    for number in range(PEOPLE):
        name = f"Person Number{number}"
        db.session.add(
            Person(
                directory_id=str(uuid4()),
                username=f"person{number}",
                full_name=name,
                family_name=name,
                sort_name=sort_name(name, name),
                kind="employee",
                audiences=["employee"],
                roles=["learner"],
                email=f"person{number}@city.example",
                **facts,
            )
        )
    db.session.flush()


def test_a_launch_gives_duties_a_few_at_a_time(app, writes):
    campaign = make_campaign(opens_on=TODAY - timedelta(days=1))
    make_people()
    campaign.filled_at = None
    db.finish(keep=True)
    writes.clear()

    assert jobs.run_once(FILL) == 1

    assert sum(writes) > 2 * PEOPLE  # the duty, and its entry in the log
    assert max(writes) <= MOST


def test_a_group_is_taken_out_and_given_back_a_few_at_a_time(app, writes):
    campaign = make_campaign()
    make_people()
    giving.give(campaign)
    by = identify(make_hr())
    rule = Audience((Part({Fact.KIND: ("employee",)}),))
    exemption = deciding.exempt(campaign, rule, reason="Own code.", by=by)
    for act in (lambda: None, lambda: deciding.end_exemption(exemption, by=by)):
        act()
        db.finish(keep=True)
        writes.clear()

        assert jobs.run_once(EXEMPT) == 1

        assert sum(writes) > 2 * PEOPLE  # the decision, and the duty
        assert max(writes) <= MOST


def test_everyone_gets_more_time_a_few_at_a_time(app, writes):
    campaign = make_campaign(due_on=TODAY + timedelta(days=14))
    make_people()
    giving.give(campaign)
    extending.extend(campaign, days=14, by=identify(make_hr()))
    db.finish(keep=True)
    writes.clear()

    assert jobs.run_once(EXTEND) == 1

    assert sum(writes) > PEOPLE
    assert max(writes) <= MOST


def test_reminders_go_out_a_few_at_a_time(app, writes):
    campaign = make_campaign(due_on=TODAY + timedelta(days=14))
    campaign.reminders = {"before": [14], "at_most": 8}
    make_people()
    for person in db.session.query(Person):
        make_assignment(person=person, campaign=campaign, due_on=TODAY + timedelta(days=14))
    db.finish(keep=True)
    writes.clear()

    assert reminders.remind(TODAY).reminded == PEOPLE

    assert sum(writes) > 3 * PEOPLE  # the reminder, its mail, and the count at the duty
    assert max(writes) <= MOST


@pytest.mark.parametrize("again", [False, True])
def test_a_reading_is_written_a_few_people_at_a_time(app, door, fake, writes, again):
    ids = [str(uuid4()) for _ in range(PEOPLE)]
    for number, each in enumerate(ids):
        fake.put(replace(ADA, id=each, username=f"p{number}", email="", full_name=f"P {number}"))
    if again:
        syncing.run_now(door)
        for each in ids:
            fake.put(replace(fake.people[each], department="Finance"))
    db.finish(keep=True)
    writes.clear()

    syncing.run_now(door)

    assert sum(writes) > 3 * PEOPLE  # the person, the history, the entry in the log
    assert max(writes) <= MOST
