"""Makes people, duties and signatures that are valid; a test says only what it is about."""

from datetime import date, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from flask import current_app
from sqlalchemy import select

from portal import db
from portal.attestations import services as attestations
from portal.attestations.models import Attestation, RecordKind
from portal.campaigns import services as campaigns
from portal.campaigns.models import Assignment, Campaign, Status
from portal.campaigns.services import Plan
from portal.courses import services as courses
from portal.courses.models import CourseVersion
from portal.demo import walk
from portal.learning import services as learning
from portal.people.models import Person
from portal.people.registering import sort_name
from portal.people.services import identify
from tests.conftest import ROOT

_numbers = count(1)
TODAY = date(2026, 11, 21)


def make_person(full_name: str = "", **facts: Any) -> Person:
    """Someone from the directory; "Ada Lovelace" gets a family name and a username."""
    number = next(_numbers)
    name = full_name or f"Person Number{number}"
    family = name.rpartition(" ")[2]
    values: dict[str, Any] = {
        "directory_id": str(uuid4()),
        "username": f"{name.lower().replace(' ', '.')}.{number}",
        "family_name": family,
        "sort_name": sort_name(name, family),
        "department": "Transit",
        "job_title": "Bus operator",
        "kind": "employee",
        "roles": ["learner"],
    }
    values |= facts
    values.setdefault("audiences", [values["kind"]])
    person = Person(full_name=name, **values)
    db.session.add(person)
    db.session.flush()
    return person


def make_hr(full_name: str = "Harper Singh") -> Person:
    """Someone from HR, who is in no campaign for employees."""
    return make_person(
        full_name, kind="contractor", department="Human Resources", roles=["hr", "learner"]
    )


def publish(key: str = "small-course") -> CourseVersion:
    """A published course: the small one of the tests, or one from content/."""
    folder = ROOT / ("tests/content" if key == "small-course" else "content")
    return courses.publish(folder, key)


def make_campaign(**plan: Any) -> Campaign:
    """An open annual campaign for employees on the small course."""
    values: dict[str, Any] = {
        "key": f"campaign-{next(_numbers)}",
        "title": "Small campaign",
        "kind": "annual",
        "course": "small-course",
        "audience": "employee",
        "opens_on": TODAY - timedelta(days=400),
        "due_on": TODAY + timedelta(days=40),
    }
    values |= plan
    publish(values["course"])
    return campaigns.open_campaign(Plan(**values))


def make_assignment(
    *,
    person: Person | None = None,
    campaign: Campaign | None = None,
    done: bool = False,
    **facts: Any,
) -> Assignment:
    """A duty; `done`: all steps are done, so that only the signature is missing."""
    person = person or make_person()
    campaign = campaign or db.session.scalar(select(Campaign)) or make_campaign()
    assignment = db.session.scalar(
        select(Assignment).filter_by(campaign_id=campaign.id, person_id=person.id)
    )
    if assignment is None:
        assignment = Assignment(
            campaign_id=campaign.id,
            person_id=person.id,
            sort_name=person.sort_name,
            kind=person.kind,
            course_version_id=campaign.course_version_id,
            department=person.department,
            due_on=TODAY + timedelta(days=40),
        )
        db.session.add(assignment)
    for name, value in facts.items():
        setattr(assignment, name, value)
    db.session.flush()
    db.session.refresh(assignment)
    if done and assignment.status in {Status.NOT_STARTED, Status.IN_PROGRESS}:
        walk(assignment.id, identify(person))
    return assignment


def make_attestation(*, person: Person | None = None, **facts: Any) -> Attestation:
    """A signature, through the service that records it."""
    person = person or make_person()
    assignment = make_assignment(person=person, done=True, **facts)
    attestations.sign(
        assignment.id,
        person=identify(person),
        typed_name=person.full_name,
        settings=current_app.extensions["settings"],
    )
    db.session.expire(assignment)
    return db.session.scalars(
        select(Attestation).filter_by(assignment_id=assignment.id, kind=RecordKind.SIGNED)
    ).one()


def progress_of(assignment: Assignment) -> learning.Progress:
    """How far the person is."""
    return learning.get_progress(assignment.id, person=identify(assignment.person))
