"""Makes the files that take a while: the worker writes them, the page shows how far it is."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from hashlib import file_digest, sha256
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from flask import current_app
from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from portal import db, jobs
from portal.audit import services as audit
from portal.audit.checkpoints import load_signer
from portal.campaigns.models import STATUS_WORDS, Campaign
from portal.errors import NotFound, Refused
from portal.jobs import Job
from portal.mail import services as mail
from portal.people.models import Person
from portal.people.services import Identity, identify
from portal.reports import exports, pack, queries
from portal.reports.models import Export
from portal.reports.queries import Filters
from portal.spreadsheets import write_excel

KINDS = ("people-csv", "people-xlsx", "records", "pack")
NAMES = {
    "people-csv": "who-has-signed-{day}.csv",
    "people-xlsx": "who-has-signed-{day}.xlsx",
    "records": "records-{day}.zip",
    "pack": "audit-pack-{day}.zip",
}
JOB = "export"
Tick = Callable[[], None]


def request_export(kind: str, campaign_id: UUID, filters: Filters, *, by: Identity) -> Export:
    """Ask for a file; the same one that is being made already is not asked for twice.

    Refuses a kind that there is not, and filters that nobody fits.
    """
    if kind not in KINDS:
        raise Refused(_("There is no file of this kind."))
    today = db.today()
    rows = queries.count_people(campaign_id, filters, today=today)
    if not rows:
        raise Refused(_("Nobody fits these filters: there is nothing to download."))
    asked = asdict(filters)
    words = json.dumps([kind, str(campaign_id), asked, str(by.id)], sort_keys=True)
    export = Export(
        kind=kind,
        campaign_id=campaign_id,
        filters=asked,
        under_way=sha256(words.encode()).hexdigest(),
        person_id=by.id,
        rows=rows,
        file_name=NAMES[kind].format(day=today),
    )
    try:
        with db.session.begin_nested():
            db.session.add(export)
    except IntegrityError:
        return db.session.scalars(select(Export).filter_by(under_way=export.under_way)).one()
    audit.record("export.requested", subject=export.id, actor=by.id, kind=kind, rows=rows)
    return export


def get_export(export_id: UUID) -> Export:
    """One file that HR asked for. Raises NotFound."""
    export = db.session.get(Export, export_id, options=[joinedload(Export.person)])
    if export is None:
        raise NotFound
    return export


def list_exports() -> Sequence[Export]:
    """The last files that HR asked for, newest first."""
    return db.session.scalars(
        select(Export).options(joinedload(Export.person)).order_by(Export.asked_at.desc()).limit(50)
    ).all()


def path_of(export: Export) -> Path:
    """Where the file lies, whether it is there or not."""
    return db.settings().data_dir / "exports" / str(export.id)


def _due(limit: int) -> list[str]:
    """Files to make, and files that are kept no longer."""
    with db.reading() as session:
        found = session.scalars(
            select(Export.id)
            .where(
                or_(
                    Export.under_way.is_not(None),
                    (Export.kept_until < db.utc_now()) & Export.removed_at.is_(None),
                )
            )
            .order_by(Export.asked_at)
            .limit(limit)
        )
        return [str(one) for one in found]


def _do(export_id: str) -> None:
    """Make the file, or remove it. A half file of a killed worker is written anew."""
    with db.reading():
        export = get_export(UUID(export_id))
        person = identify(export.person)
    path = path_of(export)
    if export.under_way is None:
        path.unlink(missing_ok=True)
        _note(export_id, removed_at=db.utc_now())
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        with force_locale(db.settings().language_for(person.language)):
            _MAKERS[export.kind](export, draft, person, _ticker(export_id))
    except OSError as fault:
        draft.unlink(missing_ok=True)
        _note(export_id, failed=f"{fault.strerror or fault}", under_way=None)
        return
    with draft.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    draft.rename(path)
    now = db.utc_now()
    kept_until = now + timedelta(days=db.settings().export_days)
    with db.transaction() as session:
        made = session.get_one(Export, export.id)
        made.ready_at, made.kept_until, made.under_way = now, kept_until, None
        made.size, made.sha256, made.done = path.stat().st_size, digest, made.rows
        _tell(made, session.get_one(Person, made.person_id))


def _give_up(export_id: str) -> None:
    export = get_export(UUID(export_id))
    with force_locale(db.settings().language_for(export.person.language)):
        why = _("a fault of the portal, which IT can see with “portal doctor”")
    export.failed, export.under_way = str(why), None
    db.session.flush()


EXPORT = Job(JOB, _due, _do, gave_up=_give_up)
"""Files for HR."""


def _tell(export: Export, person: Person) -> None:
    settings = db.settings()
    if mail.is_address(person.email) and export.kept_until:
        mail.queue_mail(
            "export-ready",
            to=person.id,
            address=person.email,
            key=f"export:{export.id}",
            language=settings.language_for(person.language),
            full_name=person.full_name,
            title=export.file_name,
            link=f"{settings.base_url}/reports/exports/{export.id}",
            kept_until=db.local_day(export.kept_until),
        )


def _ticker(export_id: str) -> Tick:
    """Notes the progress at most once a second, and keeps the lease alive."""
    state = {"done": 0, "said": monotonic()}

    def tick() -> None:
        state["done"] += 1
        if monotonic() - state["said"] > 1:
            state["said"] = monotonic()
            _note(export_id, done=int(state["done"]))
            jobs.renew(JOB, export_id)

    return tick


def _note(export_id: str, **facts: Any) -> None:
    with db.aside() as connection:
        connection.execute(update(Export).where(Export.id == UUID(export_id)).values(**facts))


def _make_csv(export: Export, path: Path, _by: Identity, tick: Tick) -> None:
    with db.reading(), path.open("w", encoding="utf-8", newline="") as file:
        for line in exports.csv_of(
            export.campaign_id,
            Filters(**export.filters),
            today=db.today(),
            words=_status,
        ):
            file.write(line)
            tick()


def _make_xlsx(export: Export, path: Path, _by: Identity, tick: Tick) -> None:
    filters = Filters(**export.filters)
    with db.reading():
        found = queries.each_person(export.campaign_id, filters, today=db.today())
        rows = (
            (
                row.full_name,
                row.username,
                row.department,
                _status(row.status),
                row.due_on,
                row.signed_at,
            )
            for row in found
        )
        write_excel(path, exports.head(), rows, title=_("People"), tick=tick)


def _make_records(export: Export, path: Path, by: Identity, tick: Tick) -> None:
    layout = _layout(export, by)
    with path.open("wb") as file:
        for chunk in layout.archive.read(layout.reader):
            file.write(chunk)
            tick()


def _make_pack(export: Export, path: Path, by: Identity, tick: Tick) -> None:
    with db.reading() as session:
        campaign = session.get_one(Campaign, export.campaign_id)
    pack.write(path, campaign, records=_layout(export, by), tick=tick)


def _layout(export: Export, by: Identity) -> exports.RecordsZip:
    filters, today = Filters(**export.filters), db.today()
    signer = load_signer(db.settings())
    size = exports.begin_zip(export.campaign_id, filters, by=by, signer=signer, today=today)
    with db.reading():
        return exports.lay_out_zip(
            export.campaign_id,
            filters,
            size=size,
            signer=signer,
            engine=current_app.extensions["engine"],
            today=today,
        )


def _status(key: str) -> str:
    return str(STATUS_WORDS.get(key, key))


_MAKERS: dict[str, Callable[[Export, Path, Identity, Tick], None]] = {
    "people-csv": _make_csv,
    "people-xlsx": _make_xlsx,
    "records": _make_records,
    "pack": _make_pack,
}
