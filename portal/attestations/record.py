"""Everything that one signature means, as one canonical JSON: the signed fact (pure).

The sealed PDF is made from this text alone, so that it can be made again, byte for byte.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Any

from portal.attestations.models import RecordKind
from portal.campaigns.models import DutyDecision
from portal.config import Settings
from portal.courses.course import AboutYou, Outcome, Page, Quiz, Scenario
from portal.courses.models import CourseVersion
from portal.learning.models import Attempt
from portal.learning.services import Progress

FORMAT = "attestation/1"
N_ = str  # marks what the record keeps as it is and the document translates
METHOD = N_("typed name, tick and directory password")
OWN_PASSWORD = N_("typed name, tick and the person's own password of the portal")
SINGLE_SIGN_ON = N_("typed name, tick and single sign-on, asked anew")
ON_PAPER = N_("signed on paper; recorded by HR")
REFUSED_HERE = N_("written in the portal while signed in")
TOLD_HR = N_("said to HR; recorded by HR")


def canonical(record: dict[str, Any]) -> str:
    """The one text of a record: keys sorted, no spaces, UTF-8 as it is."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """SHA-256 of a canonical record, in hex."""
    return sha256(text.encode()).hexdigest()


def compose(
    progress: Progress,
    version: CourseVersion,
    settings: Settings,
    *,
    number: str,
    typed_name: str,
    method: str,
    signed_at: datetime,
) -> dict[str, Any]:
    """The record of one signature; times are UTC with seconds, dates ISO 8601."""
    duty, person, course = progress.duty, progress.person, progress.course
    steps = [step for _, step in progress.walk if step.key in progress.done]
    return {
        "format": FORMAT,
        "number": number,
        "organization": settings.organization,
        "verify_url": f"{settings.base_url}/verify/{number}",
        "time_zone": settings.time_zone,
        "person": {
            "id": str(person.id),
            "directory_id": person.directory_id,
            "username": person.username,
            "full_name": person.full_name,
            "job_title": person.job_title,
            "department": person.department,
            "kind": person.kind,
        },
        "assignment": str(duty.id),
        "campaign": {
            "id": str(duty.campaign_id),
            "title": duty.title,
            "kind": duty.kind,
            "due_on": duty.due_on.isoformat(),
        },
        "course": {
            "key": course.key,
            "title": course.title,
            "number": version.number,
            "content_hash": version.content_hash,
            "language": course.language,
            "published_at": _utc(version.published_at),
        },
        "policy": {"title": course.policy_title, "html": course.policy_html},
        "read": [step.title for step in steps if isinstance(step, Page)],
        "scenarios": [step.title for step in steps if isinstance(step, Scenario)],
        "quizzes": [
            _quiz(section.title, quiz, attempt) for section, quiz, attempt in progress.passed
        ],
        "answers": [
            _answer(step, outcome, progress.done[step.key]) for step, outcome in progress.declared
        ],
        "statement": course.statement,
        "consent": course.consent,
        "collection_notice_html": course.notice_html,
        "signature": {
            "typed_name": typed_name,
            "signed_at": _utc(signed_at),
            "method": method,
        },
    }


def on_paper(
    record: dict[str, Any],
    *,
    signed_on: date,
    recorded_by: str,
    witness: str,
    note: str,
    scan_sha256: str,
) -> dict[str, Any]:
    """The record of a signature on paper: `signed_at` is when HR recorded it."""
    return record | {
        "kind": RecordKind.PAPER.value,
        "paper": {
            "signed_on": signed_on.isoformat(),
            "recorded_by": recorded_by,
            "witness": witness,
            "note": note,
            "scan_sha256": scan_sha256,
        },
    }


def of_refusal(
    record: dict[str, Any], *, comment: str, said_on: date, recorded_by: str, witness: str
) -> dict[str, Any]:
    """The record of a refusal; `recorded_by` is empty where the person wrote it in the portal."""
    return record | {
        "kind": RecordKind.REFUSED.value,
        "refusal": {
            "comment": comment,
            "said_on": said_on.isoformat(),
            "recorded_by": recorded_by,
            "witness": witness,
        },
    }


def read_before(parts: Sequence[tuple[str, int, datetime, Sequence[Page]]]) -> dict[str, Any]:
    """The pages that were not asked again, as a part of the record; nothing where all were asked.

    Each part has number, version and time of the earlier record under which its pages were read.
    """
    kept = [
        {
            "number": number,
            "version": version,
            "signed_at": _utc(signed_at),
            "pages": [page.title for page in pages],
        }
        for number, version, signed_at, pages in parts
    ]
    return {"read_before": kept} if kept else {}


def decisions(rows: Sequence[DutyDecision]) -> dict[str, Any]:
    """What HR decided about the duty, as a part of its record; nothing where there was nothing."""
    kept = [
        {
            "decision": row.decision.value,
            "reason": row.reason,
            "by": row.by.full_name if row.by else "",
            "at": _utc(row.at),
            "until": row.until.isoformat() if row.until else None,
            "due_before": row.due_before.isoformat() if row.due_before else None,
            "due_after": row.due_after.isoformat() if row.due_after else None,
        }
        for row in rows
    ]
    return {"decisions": kept} if kept else {}


def _utc(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _quiz(section: str, quiz: Quiz, passed: Attempt) -> dict[str, Any]:
    return {
        "section": section,
        "title": quiz.title,
        "right": passed.right,
        "out_of": len(passed.questions),
        "pass_mark": quiz.rules.pass_mark,
        "attempts": passed.number,
        "passed_at": _utc(passed.submitted_at) if passed.submitted_at else None,
        "questions": [
            {
                "text": quiz.get_question(answer.question).text,
                "chosen": [
                    quiz.get_question(answer.question).options[index].text
                    for index in answer.chosen
                ],
                "right": answer.right,
            }
            for answer in passed.answers
        ],
    }


def _answer(step: AboutYou, outcome: Outcome, given: dict[str, Any]) -> dict[str, Any]:
    return {
        "records": step.records,
        "title": step.title,
        "questions": [
            {
                "text": question.text,
                "answer": next(
                    option.text
                    for option in question.options
                    if option.id == given["answers"][question.id]
                ),
            }
            for question in step.questions
        ],
        "outcome": outcome.title,
        "reason": outcome.reason,
        "comment": given["comment"],
    }
