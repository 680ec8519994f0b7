"""A city of 100,000 after four years: every table that grows has the rows that it would have.

What is derived from facts is made by the database itself (INSERT … SELECT): a minute, not an hour.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from sqlalchemy import Select, String, cast, event, func, insert, literal, null, select, update

from portal import db
from portal.attestations.models import Attestation, Evidence, RecordKind
from portal.audit import services as audit
from portal.campaigns.models import Assignment, Campaign, Status
from portal.courses import services as courses
from portal.courses.course import AboutYou, Quiz
from portal.learning.models import Answer, Attempt, StepDone
from portal.mail.models import Mail
from portal.people import demo_people
from portal.people.models import Person
from portal.reminders.models import Reminder, ReminderRun
from portal.retention.models import RetentionRule
from tests.factories import TODAY, make_campaign

BATCH = 5000
COURSE = "annual-attestation"
CHIEFS = 500  # of the 2,000 managers, report to the first person
SIGNED_AT_DEPOT, BEGUN_AT_YARD = "Depot", "Yard"  # what a third each does in this year's campaign
LOCATIONS = ("City Hall", SIGNED_AT_DEPOT, BEGUN_AT_YARD)


def seed_people(count: int, *, kind: str = "employee") -> list[UUID]:
    """So many people: 2,000 managers of 49 each, 500 of whom are below the first."""
    departments = list(demo_people.DEPARTMENTS)
    ids = [uuid4() for _ in range(count)]
    rows = [
        {
            "id": ids[i],
            "directory_id": f"{kind}-{i}",
            "username": f"{kind[0]}{i}",
            "full_name": f"Given{i % 997} Family{i}",
            "family_name": f"Family{i}",
            "sort_name": _sort_name(i),
            "email": f"u{i}@city.example",
            "department": departments[i % 12],
            "location": LOCATIONS[i % 3],
            "kind": kind,
            "firm": f"Firm {i % 300}" if kind == "contractor" else "",
            "roles": ["learner"],
            "audiences": [kind, "manager"] if i < 2000 else [kind],
            "manager_id": ids[i % 2000] if i >= 2000 else ids[0] if 0 < i <= CHIEFS else None,
        }
        for i in range(count)
    ]
    for start in range(0, count, BATCH):
        db.session.execute(insert(Person), rows[start : start + BATCH])
    return ids


def _sort_name(i: int) -> str:
    return f"family{i * 7919 % 100_000:06}, given{i % 997}"


def seed_duties(campaign: Campaign, ids: list[UUID], statuses: tuple[str, ...]) -> None:
    """A duty for each of these people; the statuses take turns."""
    departments = list(demo_people.DEPARTMENTS)
    begin = db.utc_now() - timedelta(days=30)
    rows = [
        {
            "campaign_id": campaign.id,
            "course_version_id": campaign.course_version_id,
            "person_id": ids[i],
            "sort_name": _sort_name(i),
            "kind": "employee",
            "department": departments[i % 12],
            "due_on": campaign.due_on or TODAY + timedelta(days=i % 60 - 20),
            "status": statuses[i % len(statuses)],
            "assigned_at": begin,
            "started_at": begin,
            "signed_at": begin + timedelta(minutes=i * 7 % 40_000)
            if statuses[i % len(statuses)] == Status.SIGNED
            else None,
        }
        for i in range(len(ids))
    ]
    for start in range(0, len(ids), BATCH):
        db.session.execute(insert(Assignment), rows[start : start + BATCH])


def seed_past(ids: list[UUID]) -> list[Campaign]:
    """Four campaigns that everybody signed: 400,000 records, and what led to them."""
    past = []
    for ago in (4, 3, 2, 1):
        due_on = TODAY - timedelta(days=365 * ago)
        with db.pretend(db.utc_now() - timedelta(days=365 * ago)):
            campaign = make_campaign(
                title=f"Annual {due_on.year}",
                course=COURSE,
                audience="contractor",
                due_on=due_on,
                opens_on=due_on - timedelta(days=60),
            )
            campaign.closed_at = db.utc_now()
            seed_duties(campaign, ids, (Status.SIGNED,))
            seed_records(campaign, walked=ago == 1)
            for times in range(2):
                _remind(campaign, due_on - timedelta(days=7 * times))
        past.append(campaign)
    db.session.add(RetentionRule(campaign_id=past[0].id, months=24, by_id=ids[0]))
    db.session.flush()
    return past


def seed_begun(campaign: Campaign) -> None:
    """A third signs, a third begins."""
    for location, values in (
        (SIGNED_AT_DEPOT, {"status": Status.SIGNED, "signed_at": db.utc_now()}),
        (BEGUN_AT_YARD, {"status": Status.IN_PROGRESS}),
    ):
        there = select(Person.id).where(Person.location == location)
        db.session.execute(
            update(Assignment)
            .where(Assignment.campaign_id == campaign.id, Assignment.person_id.in_(there))
            .values(**values, started_at=db.utc_now())
        )
    seed_records(campaign, walked=True)


def seed_records(campaign: Campaign, *, walked: bool) -> None:
    """Signature, sealed PDF, log, and what was declared, of who signed; if `walked`, every step."""
    duties = select(Assignment.id).where(
        Assignment.campaign_id == campaign.id, Assignment.status == Status.SIGNED
    )
    for step in courses.get_course(campaign.course_version_id).steps():
        if not walked and not isinstance(step, AboutYou):
            continue
        if isinstance(step, Quiz):
            _answer(step, duties)
            continue
        given, outcome = null(), null()
        if isinstance(step, AboutYou):
            outcome = literal(step.outcomes[0].id)
            answer = {"answers": {}, "outcome": step.outcomes[0].id, "comment": ""}
            given = literal(answer, StepDone.answer.type)
        row = duties.add_columns(
            literal(step.key), given, outcome, literal(True), literal(db.utc_now())
        )
        _insert(StepDone, ("assignment_id", "step", "answer", "outcome", "finished", "at"), row)
    number = cast(Assignment.id, String)
    at = Assignment.signed_at
    _insert(
        Attestation,
        ("id", "assignment_id", "kind", "number", "record", "record_sha256", "signed_at"),
        duties.add_columns(
            Assignment.id, literal(RecordKind.SIGNED, Attestation.kind.type), number,
            literal("{}" * 200), number, at,
        ),
    )  # fmt: skip
    _insert(
        Evidence,
        ("attestation_id", "file_name", "sha256", "size", "crc32", "sealed_at", "pdf"),
        duties.add_columns(
            number + ".pdf", number, literal(3), literal(0), at, literal(b"pdf", Evidence.pdf.type)
        ),
    )
    subjects = db.session.scalars(duties).all()
    for action, details in (
        ("assignment.created", {"campaign": str(campaign.id)}),
        ("attestation.signed", {"assignment": "", "record_sha256": ""}),
        ("attestation.sealed", {"sha256": ""}),
    ):
        audit.record_many(action, subjects=subjects, actor=None, **details)


def _answer(quiz: Quiz, duties: Select[Any]) -> None:
    """One attempt for each duty; its id is derived from the duty's, as that of the section's."""
    drawn = quiz.questions[: quiz.rules.draw]
    attempt = _new_id()
    now = literal(db.utc_now())
    columns = ("assignment_id", "id", "section", "number", "questions", "started_at",
               "submitted_at", "right", "passed")  # fmt: skip
    asked = literal([[each.id, [0, 1, 2]] for each in drawn], Attempt.questions.type)
    row = duties.add_columns(
        attempt, literal(quiz.key), literal(1), asked, now, now, literal(len(drawn)), literal(True)
    )
    _insert(Attempt, columns, row)
    attempts = select(Attempt.id).where(
        Attempt.section == quiz.key, Attempt.assignment_id.in_(duties)
    )
    for question in drawn:
        given = literal([0], Answer.chosen.type)
        row = attempts.add_columns(literal(question.id), given, literal(True), now)
        _insert(Answer, ("attempt_id", "question", "chosen", "right", "answered_at"), row)


def _remind(campaign: Campaign, day: Any) -> None:
    """The reminders of one day of a campaign, and their mails, which were sent."""
    mine = select(Assignment.person_id).where(Assignment.campaign_id == campaign.id)
    now, duties = literal(db.utc_now()), literal(["x" * 36], Reminder.assignments.type)
    columns = ("person_id", "id", "on", "kind", "assignments", "by_mail", "at")
    row = mine.add_columns(_new_id(), literal(day), literal("reminder"), duties, literal(True), now)
    _insert(Reminder, columns, row)
    key = literal(f"reminder:{day}:") + cast(Assignment.person_id, String)
    columns = ("person_id", "id", "key", "name", "address", "language", "subject", "text", "link",
               "queued_at", "tries", "sent_at", "server_said")  # fmt: skip
    row = mine.add_columns(
        _new_id(), key, literal("reminder"), Person.email, literal("en"),
        literal(f"Please sign by {day}: {campaign.title}"), literal("What it says. " * 40),
        literal(""), now, literal(1), now, literal("250 OK"),
    ).join(Person, Person.id == Assignment.person_id)  # fmt: skip
    _insert(Mail, columns, row)
    db.session.add(ReminderRun(day=day, reminded=100_000, without_mail=0, lists=0))
    db.session.flush()


def _insert(model: Any, columns: tuple[str, ...], row: Select[Any]) -> None:
    statement = insert(model).from_select(columns, row, include_defaults=False)
    db.session.execute(statement)


def _new_id() -> Any:
    if db.session.get_bind().dialect.name == "postgresql":
        return func.gen_random_uuid()
    return func.lower(func.hex(func.randomblob(16)))


@contextmanager
def seeding(app: Flask) -> Iterator[None]:
    """Meanwhile SQLite does not wait for the disk and has room in memory; afterwards as ever."""
    engine = app.extensions["engine"]
    in_haste = engine.dialect.name == "sqlite"

    def hurry(connection: Any, _record: Any) -> None:
        for pragma in ("synchronous=OFF", "cache_size=-800000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    if in_haste:
        event.listen(engine, "connect", hurry)
        engine.dispose()
    yield
    if in_haste:
        event.remove(engine, "connect", hurry)
        engine.dispose()
    tidy(app)


def tidy(app: Flask) -> None:
    """As PostgreSQL's autovacuum does a minute later, and our worker once a day on SQLite."""
    db.refresh_statistics()
    if app.extensions["engine"].dialect.name == "postgresql":
        with app.extensions["engine"].connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("VACUUM ANALYZE")


def pages(campaign: UUID, past: UUID, disposal: UUID) -> dict[str, tuple[str, str]]:
    """HR's, an administrator's and a manager's lists: what -> (who looks, where)."""
    hr = {
        "dashboard": f"reports/?campaign={campaign}",
        "who has signed, past": f"reports/?campaign={past}",
        "who has signed, last page": f"reports/?campaign={campaign}&page=2000",
        "who has signed, late in a department": (
            f"reports/?campaign={campaign}&department=Transit&status=overdue"
        ),
        "who has signed, by name": f"reports/?campaign={campaign}&name=family0001",
        "who has signed, by kind": f"reports/?campaign={campaign}&kind=employee&page=1000",
        "who has signed, by status": f"reports/?campaign={campaign}&status=in_progress&page=600",
        **{
            f"who has signed, sorted by {each}": (
                f"reports/?campaign={campaign}&sort={each}&page=1000"
            )
            for each in ("-name", "department", "status", "-due", "-signed")
        },
        "figures": f"reports/figures?campaign={campaign}",
        "figures, past": f"reports/figures?campaign={past}",
        "questions": f"reports/questions?campaign={past}",
        "declared": f"reports/declared?campaign={past}",
        "declared, everything": f"reports/declared?campaign={past}&all=1&page=1000",
        "exports": "reports/exports",
        "campaigns": "campaigns/",
        "campaign": f"campaigns/{campaign}",
        "campaign, past": f"campaigns/{past}",
        "its audience": f"campaigns/{campaign}/audience",
        "who gets it": f"campaigns/{campaign}/people",
        "who gets it, last page": f"campaigns/{campaign}/people?page=2000",
        "who is left out": f"campaigns/{campaign}/people?group=left-out",
        "who is not in it": f"campaigns/{campaign}/people?group=out",
        "who is not in it, by name": f"campaigns/{campaign}/people?group=out&name=family0001",
        "contractors": "contractors/",
        "contractors, last page": "contractors/?page=100",
        "contractors, by firm": "contractors/?search=firm+7",
        "scope": "contractors/scope",
        "mails": "mail/",
        "mails, refused": "mail/?state=refused",
        "mails, queued": "mail/?state=queued",
        "mails, deep": "mail/?state=sent&page=1000",
        "mails, by address": "mail/?search=u77",
        "mails, to nobody": "mail/?search=nobody",
        "log": "reports/log",
        "log, deep": "reports/log?page=2000",
        "log, one action": "reports/log?action=attestation.signed&page=1000",
        "log, a rare action": "reports/log?action=campaign.closed",
        "reminders": "reminders/",
        "retention": "retention/",
        "disposal list": f"retention/lists/{disposal}",
        "shared devices": "people/kiosks",
        "roles": "directory/roles",
    }
    manager = {
        "team": "team/",
        "team, all, deep": "team/?show=all&page=400",
        "team, late": "team/?show=late",
        "crew list": "team/crew-list",
    }
    small = {f"small {what}": path for what, path in manager.items() if what != "team, all, deep"}
    return {
        what: (who, f"/{path}")
        for who, paths in (
            ("hr", hr),
            ("admin", {"readings": "directory/"}),
            ("chief", manager),
            ("manager", small),
        )
        for what, path in paths.items()
    }
