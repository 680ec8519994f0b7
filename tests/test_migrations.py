import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from portal import db
from portal.attestations.models import Attestation, RecordKind
from portal.campaigns import audience
from portal.campaigns.models import Assignment, Exemption, Leave
from portal.migrations import _without_foreign_keys, config, upgrade
from portal.retention.models import DisposalItem, DisposalPerson
from tests import servers


def differences(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, db.Base.metadata)


def test_migrating_from_nothing_gives_exactly_the_models(each_app):
    engine = each_app.extensions["engine"]

    assert differences(engine) == []


def test_migrating_twice_changes_nothing(each_app):
    engine = each_app.extensions["engine"]

    upgrade(engine)

    assert differences(engine) == []


ADA, VERSION, CAMPAIGN, DUTY, RECORD, LIST = (f"{number:032x}" for number in range(1, 7))
AT = "2026-11-20 12:00:00"


def a_portal_of_the_first_release(engine):
    """One signed record, as version 0001 of the database held it."""
    with engine.begin() as connection:
        command.upgrade(config(connection), "0001")
    rows = {
        "people": {
            "id": ADA,
            "directory_id": "ada",
            "username": "ada",
            "full_name": "Ada Lovelace",
            "family_name": "Lovelace",
            "sort_name": "lovelace, ada",
            "email": "",
            "department": "Transit",
            "job_title": "",
            "kind": "employee",
            "sponsor": "",
            "roles": '["learner"]',
            "audiences": '["employee"]',
            "seen_at": AT,
        },
        "course_versions": {
            "id": VERSION,
            "key": "course",
            "number": 1,
            "title": "Course",
            "content_hash": "0" * 64,
            "archive": b"",
            "published_at": AT,
        },
        "campaigns": {
            "id": CAMPAIGN,
            "key": "annual-2026",
            "title": "Annual",
            "kind": "annual",
            "course_version_id": VERSION,
            "audience": "employee",
            "opens_on": "2026-11-01",
            "due_on": "2026-12-31",
        },
        "assignments": {
            "id": DUTY,
            "campaign_id": CAMPAIGN,
            "person_id": ADA,
            "department": "Transit",
            "due_on": "2026-12-31",
            "status": "signed",
            "assigned_at": AT,
            "signed_at": AT,
        },
        "attestations": {
            "id": RECORD,
            "assignment_id": DUTY,
            "number": "MH-1",
            "record": "{}",
            "record_sha256": "0" * 64,
            "signed_at": AT,
        },
    }
    insert(engine, rows)


def insert(engine, rows):
    """Rows by their tables, as an older version of the database has them."""
    with engine.begin() as connection:
        for name, row in rows.items():
            names = ", ".join(f'"{column}"' for column in row)
            values = ", ".join(f":{column}" for column in row)
            connection.execute(text(f"INSERT INTO {name} ({names}) VALUES ({values})"), row)


@pytest.fixture(params=["sqlite", "postgresql"])
def unmigrated(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'old.sqlite3'}"
    else:
        server = request.getfixturevalue("postgres")
        servers.create_database(server, "first_release")
        url = f"{server}/first_release"
    engine = db.make_engine(url)
    yield engine
    engine.dispose()


def test_a_portal_of_the_first_release_keeps_what_was_signed(unmigrated):
    a_portal_of_the_first_release(unmigrated)

    upgrade(unmigrated)

    assert differences(unmigrated) == []
    with Session(unmigrated) as session:
        attestation = session.scalars(select(Attestation)).one()
        assignment = attestation.assignment
        assert attestation.kind is RecordKind.SIGNED
        assert assignment.course_version_id == assignment.campaign.course_version_id
        assert assignment.course_version.change == "first"
        assert assignment.campaign.is_open
        assert assignment.campaign.filled_at is not None
        assert audience.read(assignment.campaign.audience).takes(assignment.person)
        assert assignment.person.groups == []


def test_a_list_of_before_is_in_order_by_name(unmigrated):
    a_portal_of_the_first_release(unmigrated)
    with unmigrated.connect() as connection, _without_foreign_keys(connection), connection.begin():
        command.upgrade(config(connection), "0006")
        connection.execute(text("UPDATE people SET left_on = '2027-01-01'"))
    insert(
        unmigrated,
        {
            "disposal_lists": {"id": LIST, "made_by": ADA, "made_at": AT},
            "disposal_items": {"list_id": LIST, "assignment_id": DUTY, "kept_because": ""},
            "disposal_people": {"list_id": LIST, "person_id": ADA, "kept_because": ""},
        },
    )

    upgrade(unmigrated)

    assert differences(unmigrated) == []
    with Session(unmigrated) as session:
        assert session.scalars(select(DisposalItem.place)).all() == [1]
        assert session.scalars(select(DisposalPerson.place)).all() == [2]
        assert session.scalars(select(Assignment.sort_name)).all() == ["lovelace, ada"]


def test_an_exemption_of_before_is_carried_out_and_a_leave_is_looked_at_once_more(unmigrated):
    a_portal_of_the_first_release(unmigrated)
    with unmigrated.connect() as connection, _without_foreign_keys(connection), connection.begin():
        command.upgrade(config(connection), "0007")
    theirs = {"reason": "x", "by_id": ADA, "at": AT}
    insert(
        unmigrated,
        {
            "exemptions": {"id": LIST, "campaign_id": CAMPAIGN, "audience": "[]", **theirs},
            "leaves": {"id": LIST, "person_id": ADA, "begins_on": "2026-11-01", **theirs},
        },
    )

    upgrade(unmigrated)

    assert differences(unmigrated) == []
    with Session(unmigrated) as session:
        exemption = session.scalars(select(Exemption)).one()
        assert exemption.carried_out_at == exemption.at
        assert session.scalars(select(Leave.given_back_on)).all() == [None]
