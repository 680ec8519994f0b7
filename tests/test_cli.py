import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as pysqlite3
from sqlalchemy import func, select, update

from portal import db, jobs
from portal.app import create_app
from portal.attestations import sealing
from portal.attestations.models import Attestation, Evidence
from portal.campaigns.models import Assignment, Campaign, Status
from portal.jobs import Claim
from portal.people.models import Person
from tests import servers
from tests.conftest import ROOT
from tests.factories import make_attestation, make_person


@pytest.fixture
def run(app):
    """Runs a command and gives what it says and its exit code."""

    def command(*words):
        db.finish(keep=True)
        result = app.test_cli_runner().invoke(args=["portal", *map(str, words)])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output, result.exit_code

    return command


def test_a_database_that_does_not_answer_is_one_line_and_not_a_traceback(tmp_path):
    nobody = f"postgresql+psycopg://portal@127.0.0.1:{servers.free_port()}/portal"
    done = subprocess.run(
        [Path(sys.executable).with_name("flask"), "--app", "wsgi", "portal", "migrate"],
        cwd=ROOT,
        env=os.environ | {"PORTAL_DATABASE_URL": nobody, "PORTAL_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: Database: connection failed")
    assert "Traceback" not in done.stderr


NEED_TABLES = (
    ["work"],
    ["retry"],
    ["publish"],
    ["sync-people"],
    ["break-glass", "Pat Lee", "--reason=x"],
    [
        *("open-campaign", "k", "--title=T", "--kind=annual", "--course=annual-attestation"),
        *("--audience=employee", "--opens-on=2027-01-01", "--due-on=2027-01-30"),
    ],
    ["remind"],
    ["doctor"],
    ["verify-audit"],
    ["seed"],
)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def test_a_database_without_tables_is_one_line_with_the_remedy(settings, request, kind):
    url = f"sqlite:///{settings.data_dir}/new.sqlite3"
    if kind == "postgresql":
        server = request.getfixturevalue("postgres")
        servers.create_database(server, "bare")
        url = f"{server}/bare"
    app = create_app(replace(settings, database_url=url))

    for words in NEED_TABLES:
        result = app.test_cli_runner().invoke(args=["portal", *words])
        said = (result.output, result.exit_code)
        assert said == (
            "Error: The database does not have the tables of this version. Run: portal migrate\n",
            1,
        ), words
    app.extensions["engine"].dispose()


def test_a_migration_that_cannot_write_says_why_and_not_to_migrate(settings):
    file = settings.data_dir / "new.sqlite3"
    app = create_app(replace(settings, database_url=f"sqlite:///{file}"))
    with closing(pysqlite3.connect(file)) as writer:  # the portal's own: locks are a library's
        writer.execute("BEGIN EXCLUSIVE")
        result = app.test_cli_runner().invoke(args=["portal", "migrate"])

    assert (result.output, result.exit_code) == ("Error: Database: database is locked\n", 1)


def test_the_worker_waits_for_a_database_that_is_away(settings, monkeypatch):
    away = create_app(replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none"))
    begun = []
    monkeypatch.setattr(jobs, "run", lambda *_words, **_named: begun.append("work"))
    monkeypatch.setattr(os, "nice", lambda _by: 0)

    result = away.test_cli_runner().invoke(args=["portal", "work"])

    assert (begun, result.exit_code) == (["work"], 0)


def test_the_courses_of_the_repository_are_in_order(run):
    assert run("check-content") == ("The courses are in order.\n", 0)


def test_a_mistake_in_a_course_is_reported_with_file_line_and_remedy(run, app, tmp_path):
    course = tmp_path / "broken"
    course.mkdir()
    (course / "course.yaml").write_text("title: Broken\nminits: 5\n")
    app.extensions["settings"] = replace(app.extensions["settings"], content_dir=tmp_path)

    said, code = run("check-content")

    assert code == 1
    assert "broken/course.yaml:2:" in said
    assert "minutes" in said


def test_a_course_with_mistakes_is_not_published_and_each_is_a_line(run, app, tmp_path):
    course = tmp_path / "broken"
    course.mkdir()
    (course / "course.yaml").write_text("title: Broken\nminits: 5\n")
    app.extensions["settings"] = replace(app.extensions["settings"], content_dir=tmp_path)

    said, code = run("publish")

    assert code == 1
    assert said.startswith("Error: broken is not published.\nbroken/course.yaml")
    assert "Did you mean “minutes”?" in said


def test_publishing_twice_keeps_the_version(run):
    first, _ = run("publish", "annual-attestation")
    second, _ = run("publish", "annual-attestation")

    assert first == second
    assert first.startswith("annual-attestation: version 1")


def test_a_campaign_is_opened_by_command_and_gives_everyone_their_duty(run):
    make_person("Ada Lovelace")
    make_person("Casey Novak", kind="contractor")
    run("publish")

    said, code = run(
        "open-campaign",
        "annual-2026",
        "--title=Annual 2026",
        "--kind=annual",
        "--course=annual-attestation",
        "--audience=employee",
        "--opens-on=2026-11-01",
        "--due-on=2027-01-29",
    )

    assert (said, code) == ("Annual 2026 is open.\n", 0)
    assert db.session.scalar(select(func.count()).select_from(Assignment)) == 1


def test_a_campaign_without_a_due_date_is_refused(run):
    words = ["--title=x", "--kind=annual", "--course=x", "--audience=employee"]

    said, code = run("open-campaign", "x", *words, "--opens-on=2026-11-01")

    assert code == 2
    assert "Give either --due-on or --due-days." in said


def test_the_demonstration_is_seeded_once_and_its_records_say_so(run):
    for number in range(30):
        make_person(f"Person Number{number}", username=f"p{number}", department="Finance")
    run("publish")

    run("seed", "--today=2026-11-21")
    signed = db.session.scalar(select(func.count()).select_from(Attestation))
    run("seed", "--today=2026-11-21")

    assert signed
    assert db.session.scalar(select(func.count()).select_from(Attestation)) == signed
    assert db.session.scalar(select(func.count()).select_from(Campaign)) == 2
    assert "signed by nobody" in db.session.scalars(select(Attestation.record)).first()
    statuses = set(db.session.scalars(select(Assignment.status)))
    assert {Status.SIGNED, Status.NOT_STARTED} <= statuses


def test_the_log_is_checked_by_command(run, tmp_path):
    attestation = make_attestation()
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    assert run("verify-audit")[0].startswith("In order. Checked with 127.0.0.1/attestation-log+")

    with db.transaction() as session:
        session.execute(update(Evidence).values(pdf=b"%PDF-forged"))
    said, code = run("verify-audit")

    assert code == 1
    assert "its bytes are not those of the log" in said


def test_the_doctor_names_what_is_missing_and_changes_nothing(run):
    make_attestation()

    said, code = run("doctor")

    assert code == 1
    assert "1 signatures have no sealed PDF yet" in said
    assert "No worker is running" in said
    assert db.session.scalar(select(func.count()).select_from(Evidence)) == 0


def test_the_doctor_says_what_was_given_up_and_why(run):
    with db.transaction() as session:
        session.add(
            Claim(
                job="remind",
                item="2026-12-01",
                free_at=db.utc_now(),
                failures=8,
                last_error="OSError: the disk is full\nand more",
                parked_at=db.utc_now(),
            )
        )

    said, code = run("doctor")

    assert code == 1
    assert "remind 2026-12-01 was given up: OSError: the disk is full. " in said
    assert "portal retry" in said


def test_a_backup_holds_what_was_committed_and_can_be_opened(run, tmp_path):
    attestation = make_attestation()
    copy = tmp_path / "copy.sqlite3"

    run("backup", copy)

    with sqlite3.connect(copy) as opened:
        assert opened.execute("SELECT number FROM attestations").fetchall() == [
            (attestation.number,)
        ]


def test_a_backup_is_for_its_owner_alone_and_never_written_over(run, tmp_path):
    copy = tmp_path / "copy.sqlite3"
    before = os.umask(0o022)
    try:
        run("backup", copy)
        said, code = run("backup", copy)
    finally:
        os.umask(before)

    assert copy.stat().st_mode & 0o777 == 0o600
    assert (said, code) == (f"Error: {copy} is there already. Name a new file.\n", 1)


def test_a_backup_of_postgresql_can_be_restored(postgres_app, postgres, tmp_path):
    make_attestation()
    db.finish(keep=True)
    copy = tmp_path / "copy.dump"
    runner = postgres_app.test_cli_runner()

    result = runner.invoke(args=["portal", "backup", str(copy)])

    assert result.exit_code == 0, result.output
    servers.create_database(postgres, "restored")
    url = postgres.replace("postgresql+psycopg", "postgresql")
    binaries = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    restore = servers.find_program("pg_restore", *binaries)
    subprocess.run([restore, "--no-owner", f"--dbname={url}/restored", copy], check=True)
    engine = db.make_engine(f"{postgres}/restored")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Attestation)) == 1
    engine.dispose()


def test_people_are_imported_from_the_directory(run, app, slapd):
    from portal.people.door import make_door

    settings = app.extensions["settings"]
    object.__setattr__(settings, "ldap", slapd.settings)
    app.extensions["door"] = make_door(settings)

    said, _ = run("sync-people")
    again, _ = run("sync-people")

    assert said.endswith("326 people read. 1 closed, 325 joined.\n")
    assert again == "326 people read. Nothing changes.\n"
    harper = db.session.scalars(select(Person).filter_by(username="harper.singh")).one()
    assert "hr" in harper.roles


def test_every_command_says_what_it_does(app):
    said = app.test_cli_runner().invoke(args=["portal", "--help"]).output

    assert len(said.splitlines()) > 12
