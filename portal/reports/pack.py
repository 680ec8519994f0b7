"""The audit pack: everything about one campaign in one ZIP that checks itself.

SHA256SUMS holds the digest of every other file, as `sha256sum -c` reads it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from portal import db
from portal.attestations.models import Refusal
from portal.audit.models import AuditEntry
from portal.campaigns import audience, deciding, previewing
from portal.campaigns.models import (
    STATUS_WORDS,
    Assignment,
    Campaign,
    DutyDecision,
    Exemption,
    Leave,
)
from portal.courses import services as courses
from portal.courses.models import CourseVersion
from portal.people.models import Person
from portal.reports import exports
from portal.reports.exports import RecordsZip
from portal.reports.queries import Filters
from portal.spreadsheets import BOM, csv_line

README = """Audit pack of one campaign.

campaign.json     what the campaign is: dates, audience as a rule and in words, exemptions
course/           the exact files of every course version that people had (ZIP, as published)
audience.csv      everybody in the directory: who has the duty, who has not, and why
people.csv        everybody who has the duty, with status and dates
decisions.csv     releases, extensions and leaves: what, why, by whom, when
refusals.csv      who did not agree, and why
records.zip       the sealed PDFs, with their own manifest, checkpoint and proofs
log.jsonl         the entries of the log about this campaign and its duties
SHA256SUMS        the digest of each file: sha256sum -c SHA256SUMS

To check the records against the log: flask portal verify-audit --zip records.zip --key KEY
"""
EACH = 500


def write(path: Path, campaign: Campaign, *, records: RecordsZip, tick: Callable[[], None]) -> None:
    """Write the pack of a campaign to this path. `tick` is called for each row."""
    sums: list[str] = []
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:

        def put(name: str, chunks: Iterable[bytes], *, packed: bool = False) -> None:
            digest = sha256()
            entry = _entry(name, packed=packed)
            with archive.open(entry, "w", force_zip64=True) as file:
                for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
                    tick()
            sums.append(f"{digest.hexdigest()}  {name}\n")

        put("README.txt", [README.encode()])
        put("campaign.json", [_definition(campaign)])
        for version in _versions(campaign.id):
            with db.reading():
                data = courses.get_archive(version.id)
            put(f"course/{version.key}-v{version.number}.zip", [data], packed=True)
        put("audience.csv", _audience(campaign))
        put("people.csv", _people(campaign))
        put("decisions.csv", _decisions(campaign.id))
        put("refusals.csv", _refusals(campaign.id))
        put("records.zip", records.archive.read(records.reader), packed=True)
        put("log.jsonl", _log(campaign.id))
        archive.writestr("SHA256SUMS", "".join(sums))


def _entry(name: str, *, packed: bool) -> ZipInfo:
    now = db.utc_now()
    entry = ZipInfo(name, (now.year, now.month, now.day, now.hour, now.minute, now.second))
    entry.compress_type = ZIP_STORED if packed else ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _definition(campaign: Campaign) -> bytes:
    with db.reading():
        exemptions = deciding.list_exemptions(campaign.id)
        told = {
            "id": str(campaign.id),
            "title": campaign.title,
            "kind": campaign.kind.value,
            "opens_on": campaign.opens_on.isoformat(),
            "due_on": campaign.due_on and campaign.due_on.isoformat(),
            "due_days": campaign.due_days,
            "business_days": campaign.business_days,
            "min_interval_months": campaign.min_interval,
            "reminders": campaign.reminders,
            "audience": campaign.audience,
            "audience_in_words": audience.read(campaign.audience).sentence(),
            "launched_at": _moment(campaign.launched_at),
            "closed_at": _moment(campaign.closed_at),
            "exemptions": [_exemption(each) for each in exemptions],
        }
    return json.dumps(told, ensure_ascii=False, indent=2).encode()


def _exemption(each: Exemption) -> dict[str, Any]:
    return {
        "rule": each.audience,
        "in_words": audience.read(each.audience).sentence(),
        "reason": each.reason,
        "by": each.by.full_name,
        "at": _moment(each.at),
        "ended_at": _moment(each.ended_at),
    }


def _versions(campaign_id: Any) -> Sequence[CourseVersion]:
    with db.reading() as session:
        used = select(Assignment.course_version_id).where(Assignment.campaign_id == campaign_id)
        own = select(Campaign.course_version_id).where(Campaign.id == campaign_id)
        return session.scalars(
            select(CourseVersion)
            .where(or_(CourseVersion.id.in_(used), CourseVersion.id.in_(own)))
            .order_by(CourseVersion.key, CourseVersion.number)
        ).all()


def _audience(campaign: Campaign) -> Iterator[bytes]:
    head = ["Name", "Username", "Department", "Kind", "Has the duty", "Why not"]
    yield (BOM + csv_line(head)).encode()
    with db.reading():
        for person, why in previewing.each_person(campaign):
            cells = [person.full_name, person.username, person.department, person.kind]
            yield csv_line([*cells, "no" if why else "yes", why]).encode()


def _people(campaign: Campaign) -> Iterator[bytes]:
    today = db.utc_now().astimezone(db.settings().zone).date()
    with db.reading():
        for line in exports.csv_of(
            campaign.id, Filters(), today=today, words=lambda key: str(STATUS_WORDS.get(key, key))
        ):
            yield line.encode()


def _decisions(campaign_id: Any) -> Iterator[bytes]:
    head = ["Name", "Decision", "Reason", "Until", "Due before", "Due after", "By", "At (UTC)"]
    yield (BOM + csv_line(head)).encode()
    with db.reading() as session:
        rows = session.execute(
            select(DutyDecision, Person.full_name)
            .join(Assignment, Assignment.id == DutyDecision.assignment_id)
            .join(Person, Person.id == Assignment.person_id)
            .where(Assignment.campaign_id == campaign_id)
            .options(joinedload(DutyDecision.by))
            .order_by(DutyDecision.at)
            .execution_options(yield_per=EACH)
        )
        for row, name in rows:
            by = row.by.full_name if row.by else "the portal"
            cells = [name, row.decision.value, row.reason, row.until, row.due_before]
            yield csv_line([*cells, row.due_after, by, _moment(row.at)]).encode()
        for leave, name in session.execute(
            select(Leave, Person.full_name)
            .join(Person, Person.id == Leave.person_id)
            .join(Assignment, Assignment.person_id == Person.id)
            .where(Assignment.campaign_id == campaign_id)
            .order_by(Leave.begins_on)
        ):
            span = f"{leave.begins_on} to {leave.ends_on or 'open'}"
            yield csv_line(
                [name, "leave", leave.reason, span, "", "", "", _moment(leave.at)]
            ).encode()


def _refusals(campaign_id: Any) -> Iterator[bytes]:
    yield (BOM + csv_line(["Name", "Comment", "At (UTC)"])).encode()
    with db.reading() as session:
        for name, comment, at in session.execute(
            select(Person.full_name, Refusal.comment, Refusal.at)
            .join(Assignment, Assignment.id == Refusal.assignment_id)
            .join(Person, Person.id == Assignment.person_id)
            .where(Assignment.campaign_id == campaign_id)
            .order_by(Refusal.at)
        ):
            yield csv_line([name, comment, _moment(at)]).encode()


def _log(campaign_id: Any) -> Iterator[bytes]:
    """Entries that name the campaign or one of its duties, as they were hashed."""
    mine = select(Assignment.id).where(Assignment.campaign_id == campaign_id)
    with db.reading() as session:
        ids = {str(campaign_id), *(str(one) for one in session.scalars(mine))}
        rows = session.execute(
            select(AuditEntry.subject, AuditEntry.leaf)
            .order_by(AuditEntry.position)
            .execution_options(yield_per=EACH)
        )
        for subject, leaf in rows:
            told = json.loads(leaf)["details"]
            if subject in ids or {told.get("assignment"), told.get("campaign")} & ids:
                yield (leaf + "\n").encode()


def _moment(value: Any) -> str | None:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}" if value else None
