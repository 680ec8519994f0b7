"""Lists as CSV, and signed records as one ZIP with all that proves them."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID
from zlib import crc32

from flask_babel import gettext as _
from sqlalchemy import Engine, select

from portal import db
from portal.attestations.models import Evidence
from portal.audit import checkpoints, tree
from portal.audit import services as audit
from portal.audit.checkpoints import Signer
from portal.audit.models import AuditEntry, Checkpoint
from portal.errors import NotFound
from portal.people.services import Identity
from portal.reports import queries
from portal.reports.archive import Archive, File, Reader
from portal.reports.queries import Filters
from portal.spreadsheets import BOM, csv_line

BATCH = 32  # records read at once
README = """Signed records, as sealed PDFs.

manifest.csv    each record with its number and the SHA-256 of its file
checkpoint.txt  the state of the portal's log at this export, signed
proofs.jsonl    for each record: the entry of the log that holds its SHA-256, and the path from it
                to the checkpoint (RFC 6962)

To check all of it without the portal's database:
  flask portal verify-audit --zip THIS.zip --key KEY
KEY is the public key that the portal's operator gave you, not one from this file.
"""


@dataclass(frozen=True)
class RecordsZip:
    """A ZIP that is laid out: length, validator, and bytes of any range."""

    archive: Archive
    reader: Reader


def csv_of(
    campaign_id: UUID, filters: Filters, *, today: date, words: Callable[[str], str]
) -> Iterator[str]:
    """The filtered list as CSV, in pieces. `words` gives a status in the reader's language."""
    yield BOM + csv_line(head())
    for row in queries.each_person(campaign_id, filters, today=today):
        yield csv_line(
            [
                row.full_name,
                row.username,
                row.department,
                words(row.status),
                row.due_on.isoformat(),
                row.signed_at.strftime("%Y-%m-%d %H:%M:%S") if row.signed_at else "",
            ]
        )


def head() -> list[str]:
    """The columns of the list."""
    return [
        _("Name"),
        _("Username"),
        _("Department"),
        _("Status"),
        _("Due"),
        _("Signed (UTC)"),
    ]


def begin_zip(
    campaign_id: UUID, filters: Filters, *, by: Identity, signer: Signer, today: date
) -> int:
    """Sign a checkpoint over all that is sealed now, and note who takes the records.

    Returns the checkpoint's size: it names this very ZIP, so that a cut download can go on.
    """
    with db.transaction():
        records = len(queries.signed_records(campaign_id, filters, today=today))
        checkpoint = checkpoints.sign_checkpoint(signer)
        audit.record(
            "evidence.exported",
            subject=campaign_id,
            actor=by.id,
            records=records,
            checkpoint=checkpoint.size,
        )
        return checkpoint.size


def lay_out_zip(
    campaign_id: UUID,
    filters: Filters,
    *,
    size: int,
    signer: Signer,
    engine: Engine,
    today: date,
) -> RecordsZip:
    """The ZIP of the records that the checkpoint of this size covers.

    Raises NotFound for a checkpoint that there is not.
    """
    checkpoint = db.session.get(Checkpoint, size)
    if checkpoint is None:
        raise NotFound
    sealed = _sealed_entries(size)
    rows = [
        row
        for row in queries.signed_records(campaign_id, filters, today=today)
        if str(row[0]) in sealed
    ]
    texts = {
        "README.txt": README,
        "manifest.csv": _manifest(rows),
        "checkpoint.txt": f"{signer.verifier_key}\n\n{checkpoint.note}",
        "proofs.jsonl": _proofs(rows, sealed, size),
    }
    own = {name: text.encode() for name, text in texts.items()}
    files = [File(name, len(data), crc32(data), name) for name, data in own.items()]
    files += [File(f"records/{row[6]}", row[7], row[8], str(row[0])) for row in rows]
    return RecordsZip(Archive(files), _reader(engine, own))


def _reader(engine: Engine, own: dict[str, bytes]) -> Reader:
    """Reads PDFs from the database some at a time; no transaction stays open between."""

    def read(files: Sequence[File]) -> Iterator[bytes]:
        for start in range(0, len(files), BATCH):
            batch = files[start : start + BATCH]
            ids = [UUID(file.key) for file in batch if file.key not in own]
            with engine.connect() as connection:
                found = dict(
                    connection.execute(
                        select(Evidence.attestation_id, Evidence.pdf).where(
                            Evidence.attestation_id.in_(ids)
                        )
                    ).all()
                )
            for file in batch:
                yield own[file.key] if file.key in own else found[UUID(file.key)]

    return read


def _sealed_entries(size: int) -> dict[str, tuple[int, str]]:
    """Attestation id -> position and text of the entry that holds its file's SHA-256."""
    rows = db.session.execute(
        select(AuditEntry.subject, AuditEntry.position, AuditEntry.leaf).where(
            AuditEntry.action == "attestation.sealed", AuditEntry.position < size
        )
    )
    return {subject: (position, leaf) for subject, position, leaf in rows}


def _manifest(rows: Sequence[tuple[object, ...]]) -> str:
    head = ["Number", "Name", "Username", "Department", "Signed (UTC)", "File", "SHA-256"]
    lines = [csv_line(head)]
    for _id, number, name, username, department, signed_at, file, _size, _crc, digest in rows:
        signed = f"{signed_at:%Y-%m-%d %H:%M:%S}"
        lines.append(
            csv_line([number, name, username, department, signed, f"records/{file}", digest])
        )
    return BOM + "".join(lines)


def _proofs(
    rows: Sequence[tuple[object, ...]], sealed: dict[str, tuple[int, str]], size: int
) -> str:
    """One line of JSON for each record."""
    leaves = db.session.scalars(
        select(AuditEntry.leaf_hash).where(AuditEntry.position < size).order_by(AuditEntry.position)
    ).all()
    prover = tree.Prover(leaves)
    lines = []
    for row in rows:
        position, leaf = sealed[str(row[0])]
        path = [node.hex() for node in prover.prove(position)]
        proof = {"file": f"records/{row[6]}", "entry": leaf, "position": position, "path": path}
        lines.append(json.dumps(proof, ensure_ascii=False) + "\n")
    return "".join(lines)
