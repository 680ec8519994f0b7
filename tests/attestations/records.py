"""Records as signing makes them, for tests that print, seal and check."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from portal import db
from portal.attestations.models import Attestation
from portal.attestations.record import canonical, digest
from portal.campaigns.models import Assignment, Campaign
from portal.courses.models import CourseVersion
from portal.people.models import Person

POLICY = """
<p>Social media is part of how the city talks. This policy says what the City asks of the people
who work for it when they use accounts of their own, and why. It does not try to shut down dissent
or to control personal accounts.</p>
<h2>Your rights</h2>
<p>On your own time, on your own account, you may say what you think. You may disagree with a
decision of council. You may be a member of a union and speak for it. Nobody at the City will ask
for your password, and nobody follows you.</p>
<h2>What to consider</h2>
<p>People may connect your account with your job, even without a uniform in the picture. Even on
your own platforms you still represent the City. So before you post, think of three things.</p>
<ul>
<li>Would a resident take this for the City’s word? Say that it is yours.</li>
<li>Does it show something that you only know from work? Then it is not yours to share.</li>
<li>Does it make one person smaller? Then it will also make you smaller.</li>
</ul>
<h2>What never</h2>
<p>Information that you have access to through work stays at work: files, addresses, plates,
health, who called and who complained. That holds in closed groups and in private messages, and
it holds after you leave. See <a href="/learning/x/y">what you know from work</a> and the
<a href="https://www.example.ca/policy">City’s page</a>.</p>
<h2>Official accounts</h2>
<p>Accounts of the City are set up in a secure way, with a name behind each of them. A shared
password that many people know is a risk for the City’s good name. If you find one, tell IT; you
are not in trouble for telling. When you leave, your access ends on your last day.</p>
<h2>Conflict of interest</h2>
<p>Existing conflict of interest guidelines might apply. A conflict is no wrongdoing; to hide it is
the problem. Declare what could look like one: an outside job, a relative who bids, a gift, a board
on which you sit. Your manager and HR read it, decide with you, and keep the answer.</p>
<h2>Questions and disagreement</h2>
<p>Ask your manager or HR. If you think the policy is wrong, say so: you may refuse to sign and say
why, and HR reads it. You may go around the chain of command without fear of reprisal.</p>
"""

NOTICE = """
<p>The City collects what this record holds to show that you were told of the policy and understood
it. The authority is section 4(c) of the Protection of Privacy Act. HR and you can see it.
Questions: <a href="mailto:privacy@example.ca">privacy@example.ca</a>, 403-555-0100.</p>
"""


def sample_record(**changes: Any) -> dict[str, Any]:
    """A whole record; each keyword replaces a part, or merges into it where both are mappings."""
    record: dict[str, Any] = {
        "format": "attestation/1",
        "number": "MH-2026-7K4M-0193",
        "organization": "City of Medicine Hat (demo)",
        "verify_url": "http://127.0.0.1:8000/attestations/verify/MH-2026-7K4M-0193",
        "time_zone": "America/Edmonton",
        "person": {
            "id": "0b8f5c0e-5f7c-4d3e-9a5b-1f2e3d4c5b6a",
            "directory_id": "4f6a2c9e-8d1b-103f-9c77-3b2a1d0e9f88",
            "username": "avery.chen",
            "full_name": "Avery Chen",
            "job_title": "Planner",
            "department": "Development Services",
            "kind": "employee",
        },
        "campaign": {
            "id": "5d2c8a70-1111-4222-8333-944455556666",
            "title": "Annual attestation 2026",
            "kind": "annual",
            "due_on": "2026-01-30",
        },
        "assignment": "9a1b2c3d-1111-4222-8333-944455556677",
        "course": {
            "key": "annual-attestation",
            "title": "Annual attestation",
            "number": 3,
            "content_hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "language": "en",
            "published_at": "2026-01-05T16:00:00Z",
        },
        "policy": {"title": "Social media: personal accounts", "html": POLICY},
        "read": [
            "Why there is a policy",
            "Your rights on your own time",
            "You still represent the City",
            "What you know from work stays at work",
            "Who this covers",
            "When the public argues back",
            "What a conflict is",
            "Gifts and hospitality",
            "How to declare",
        ],
        "scenarios": [
            "A neighbour asks when their permit comes",
            "A friend tags you as “City”",
            "A joke about a resident",
            "An old password that still works",
            "Hockey tickets from a contractor",
            "A cousin bids",
        ],
        "quizzes": [_quiz("Your personal accounts", 5), _quiz("Conflict of interest", 5, tries=2)],
        "answers": [
            {
                "records": "conflict-of-interest",
                "title": "Do you have an interest to tell us about?",
                "questions": [
                    {
                        "text": "Is there an interest that could touch your work?",
                        "answer": "I have nothing to declare today",
                    }
                ],
                "outcome": "Nothing to declare",
                "reason": "Nothing to declare today; a change is declared when it happens.",
                "comment": "",
            }
        ],
        "statement": (
            "I have read this year’s guidance on personal accounts and conflict of interest. "
            "I understand what it asks of me, and I know where to ask and how to disagree."
        ),
        "consent": (
            "By typing my name I agree that this record is made and kept in electronic form. "
            "I know that I may ask HR for a paper form instead."
        ),
        "collection_notice_html": NOTICE,
        "signature": {
            "typed_name": "Avery Chen",
            "signed_at": "2026-01-14T16:42:07Z",
            "method": "typed name, tick and directory password",
        },
    }
    for key, change in changes.items():
        known = record.get(key)
        merge = isinstance(change, Mapping) and isinstance(known, dict)
        record[key] = {**known, **change} if merge else change
    return record


def named(name: str, **changes: Any) -> dict[str, Any]:
    """The sample record of a person with this name, who typed it so."""
    return sample_record(
        person={"full_name": name, "username": "x"}, signature={"typed_name": name}, **changes
    )


def _quiz(section: str, questions: int, *, tries: int = 1) -> dict[str, Any]:
    asked = [
        {
            "text": f"A friend tags you as “City” under an angry thread ({i}). What comes first?",
            "chosen": ["Remove the tag and tell the friend why"],
            "right": i != 2,
        }
        for i in range(1, questions + 1)
    ]
    return {
        "section": section,
        "title": "Quiz",
        "right": questions - 1,
        "out_of": questions,
        "pass_mark": 80,
        "attempts": tries,
        "passed_at": "2026-01-14T16:30:00Z",
        "questions": asked,
    }


def add_attestation(record: dict[str, Any], **changes: Any) -> UUID:
    """Keep the record as a signed attestation of a new person; `changes` are columns of it."""
    key = uuid4().hex
    version = CourseVersion(key=key, number=1, title="Course", content_hash="0" * 64, archive=b"")
    person = Person(
        directory_id=key, username=key, full_name=record["person"]["full_name"], sort_name=key
    )
    campaign = Campaign(
        key=key,
        title="Campaign",
        kind="annual",
        course_version=version,
        audience=[{"facts": {"kind": ["employee"]}}],
        opens_on=date(2026, 1, 1),
        due_on=date(2026, 1, 30),
    )
    assignment = Assignment(
        campaign=campaign,
        person=person,
        sort_name=key,
        kind="employee",
        course_version=version,
        department="Parks",
        due_on=date(2026, 1, 30),
    )
    text = canonical(record)
    columns = {
        "number": record["number"],
        "record": text,
        "record_sha256": digest(text),
        "signed_at": datetime.fromisoformat(record["signature"]["signed_at"]),
        **changes,
    }
    attestation = Attestation(assignment=assignment, **columns)
    with db.transaction() as session:
        session.add_all([version, person, campaign, assignment, attestation])
        session.flush()
        return attestation.id
