"""Every page with a list: what it asks of the database does not grow with its rows."""

from datetime import timedelta

import pytest

from portal import db
from portal.attestations.models import Attestation, Evidence, RecordKind, Refusal
from portal.audit import services as audit
from portal.campaigns.models import Campaign, Decision, DutyDecision, Exemption, Leave, Status
from portal.contractors.models import Invitation, ScopeDecision
from portal.courses.models import CourseVersion
from portal.learning.models import StepDone
from portal.mail.models import Mail
from portal.people.models import Delegation, Kiosk, LocalAccount, PersonChange, RoleGrant, Sync
from portal.reminders.models import ReminderRun
from portal.reports.models import Export
from portal.retention.models import (
    DisposalItem,
    DisposalList,
    DisposalPerson,
    LegalHold,
    RetentionRule,
)
from tests.factories import TODAY, make_assignment, make_campaign, make_hr, make_person

PAGES = [
    "/campaigns/",
    "/campaigns/{campaign}",
    "/campaigns/{campaign}/audience",
    "/campaigns/{campaign}/exempt",
    "/campaigns/{campaign}/people?group=in",
    "/campaigns/{campaign}/people?group=left-out",
    "/campaigns/{campaign}/people?group=out",
    "/contractors/",
    "/contractors/{contractor}",
    "/contractors/scope",
    "/courses/",
    "/directory/",
    "/directory/roles",
    "/directory/syncs/{sync}",
    "/learning/",
    "/mail/",
    "/people/kiosks",
    "/reminders/",
    "/reports/",
    "/reports/?status=overdue&sort=-due",
    "/reports/declared?all=1",
    "/reports/exports",
    "/reports/figures",
    "/reports/log",
    "/reports/people/{person}",
    "/reports/questions",
    "/retention/",
    "/retention/lists/{disposal}",
    "/team/?show=all",
    "/team/crew-list",
    "/team/deputy",
    "/team/unreached",
]
FEW, MANY = 3, 60


@pytest.fixture
def harper(app):
    """HR, an administrator and a manager in one."""
    person = make_hr()
    person.roles, person.audiences = ["admin", "hr", "learner"], ["contractor", "manager"]
    return person


@pytest.fixture
def places(app, harper):
    """What the addresses name: each page has rows of its own."""
    campaign = make_campaign()
    casey = make_person("Casey Novak", kind="contractor")
    disposal, sync = DisposalList(made_by=harper.id), Sync(ended_at=db.utc_now())
    db.session.add_all([disposal, sync])
    db.session.flush()
    return {
        "campaign": campaign.id,
        "contractor": casey.id,
        "person": harper.id,
        "disposal": disposal.id,
        "sync": sync.id,
    }


def add_a_row_to_each(number, places, harper):
    """One more of everything, each by somebody else: whose name the pages say."""
    now, session = db.utc_now(), db.session
    somebody, other = make_person(manager_id=harper.id), make_person(f"Jo Kowal{number}")
    guest = make_person(f"Guest N{number}", kind="contractor", sponsor_id=other.id, firm="Curling")
    leaver = make_person(f"Leaver N{number}", kind="contractor", left_on=TODAY)
    first = session.get_one(Campaign, places["campaign"])
    version = session.get_one(CourseVersion, first.course_version_id)
    session.add(
        CourseVersion(
            key=f"course-{number}",
            number=1,
            title=version.title,
            content_hash=version.content_hash,
            archive=version.archive,
            change="minor",
        )
    )
    campaign = make_campaign(audience="nobody")
    campaign.closed_at, campaign.changed_by = now, other.id
    late = {"due_on": TODAY - timedelta(days=900), "started_at": now, "assigned_at": now}
    for person in (somebody, guest):
        duty = make_assignment(person=person, campaign=first, status=Status.IN_PROGRESS, **late)
        said = {"answers": {"employer": "firm"}, "outcome": "undecided", "comment": ""}
        session.add(StepDone(assignment_id=duty.id, step="start/who-you-are", answer=said))
    owes = make_assignment(person=harper, campaign=campaign, status=Status.SIGNED, signed_at=now)
    signed = Attestation(
        assignment_id=owes.id,
        kind=RecordKind.SIGNED,
        number=f"N{number}",
        record="{}",
        record_sha256="",
    )
    session.add(signed)
    session.flush()
    session.add_all(
        [
            Evidence(
                attestation_id=signed.id,
                file_name="a.pdf",
                sha256=str(number),
                size=1,
                crc32=0,
                pdf=b"",
            ),
            Refusal(assignment_id=owes.id, comment="No."),
            DutyDecision(
                assignment_id=owes.id,
                decision=Decision.EXTENDED,
                reason="Ill",
                by_id=other.id,
                due_after=TODAY,
            ),
            Exemption(
                campaign_id=first.id,
                audience=[{"facts": {"department": [f"Nowhere {number}"]}}],
                reason="Theirs",
                by_id=other.id,
            ),
            Leave(person_id=harper.id, begins_on=TODAY, reason="Ill", by_id=other.id),
            PersonChange(person_id=harper.id, what="department"),
            LocalAccount(person_id=guest.id, username=f"c-{number}"),
            Invitation(
                person_id=places["contractor"],
                token_hash=str(number).encode(),
                by_mail=True,
                made_by=other.id,
                expires_at=now,
            ),
            ScopeDecision(person_id=leaver.id, outcome="in_scope", reason="Ours", by_id=other.id),
            mail_to(number),
            Kiosk(name="Depot", made_by=other.id),
            RoleGrant(
                person_id=somebody.id, role="author", reason="Writes", until=TODAY, made_by=other.id
            ),
            Sync(asked_by=other.id, ended_at=now),
            Delegation(
                manager_id=harper.id,
                deputy_id=other.id,
                until=TODAY + timedelta(days=900),
                by_id=harper.id,
            ),
            Export(
                kind="people-csv",
                campaign_id=first.id,
                filters={},
                person_id=other.id,
                failed="Full",
            ),
            RetentionRule(campaign_id=campaign.id, months=12, by_id=other.id),
            LegalHold(campaign_id=campaign.id, reason="Court", by_id=other.id),
            LegalHold(person_id=somebody.id, reason="Court", by_id=other.id),
            DisposalList(made_by=other.id),
            DisposalItem(list_id=places["disposal"], assignment_id=owes.id, place=1),
            DisposalPerson(list_id=places["disposal"], person_id=leaver.id, place=1),
            ReminderRun(day=TODAY - timedelta(days=number), reminded=1, without_mail=0, lists=0),
        ]
    )
    somebody.roles = ["author", "learner"]
    session.get_one(Sync, places["sync"]).lines = [["joined", "Ada", "", ""]] * number
    audit.record("retention.held", subject=owes.id, actor=other.id, campaign=None, person=None)


def mail_to(number):
    return Mail(
        key=str(number),
        name="reminder",
        address=f"n{number}@city.example",
        language="en",
        subject="Please sign",
        text="Please",
    )


def test_a_page_asks_the_database_as_often_for_many_rows_as_for_few(
    harper, places, sign_in, count_statements
):
    browser = sign_in(harper)

    def look(rows):
        for number in rows:
            add_a_row_to_each(number, places, harper)
        db.finish(keep=True)
        asked = {}
        for page in PAGES:
            browser.get(page.format(**places))  # what is kept in memory is read once
            with count_statements() as seen:
                answer = browser.get(page.format(**places))
            assert answer.status_code == 200, page
            asked[page] = len(seen)
        return asked

    few = look(range(FEW))

    assert look(range(FEW, MANY)) == few
    assert max(few.values()) <= 20
