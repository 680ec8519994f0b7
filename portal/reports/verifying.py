"""Where the log and the facts part; and a ZIP of records checked without any database."""

import csv
import io
import json
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select

from portal import db
from portal.attestations.models import Attestation, Disposal, Evidence, Refusal
from portal.audit import tree
from portal.audit.checkpoints import Signed, open_note
from portal.audit.models import AuditEntry
from portal.learning.models import Attempt


def compare_facts() -> list[str]:
    """Compare signatures, sealed PDFs, attempts and refusals with the log, both ways.

    Returns in words where they part. Reads every PDF once.
    """
    found: list[str] = []
    logged = _logged("attestation.signed") | _logged("attestation.recorded")
    disposals = _logged("record.disposed")
    disposed = {UUID(key) for key in disposals}
    found += _compare_tombstones(disposals)
    for key, number, text, kept, signed_at, duty in db.session.execute(
        select(
            Attestation.id,
            Attestation.number,
            Attestation.record,
            Attestation.record_sha256,
            Attestation.signed_at,
            Attestation.assignment_id,
        ).execution_options(yield_per=500)
    ):
        entry = logged.pop(str(key), None)
        name = f"attestation {number}"
        if entry is None:
            found.append(f"{name}: the log does not know it")
            continue
        wanted = entry["details"]["record_sha256"]
        if duty in disposed:
            if kept != wanted or text:
                found.append(f"{name}: its tombstone is not that of the log")
            continue
        if sha256(text.encode()).hexdigest() != wanted:
            found.append(f"{name}: the text of its record is not the one that was signed")
        elif json.loads(text)["signature"]["signed_at"] != f"{signed_at:%Y-%m-%dT%H:%M:%SZ}":
            found.append(f"{name}: signed_at is not that of its record")
        if kept != wanted:
            found.append(f"{name}: record_sha256 is not that of the log")
    found += [f"attestation {key}: in the log, and gone from the facts" for key in logged]
    found += _compare_evidence(disposed)
    found += _compare_attempts(disposals)
    refused = _logged("attestation.refused")
    for key in db.session.scalars(select(Refusal.id)):
        if refused.pop(str(key), None) is None:
            found.append(f"refusal {key}: the log does not know it")
    found += [f"refusal {key}: in the log, and gone from the facts" for key in refused]
    return found


def _compare_tombstones(logged: dict[str, dict[str, Any]]) -> list[str]:
    """What was let go, by the log; the tombstones must say the same."""
    found: list[str] = []
    missing = set(logged)
    for stone in db.session.scalars(select(Disposal)):
        key = str(stone.assignment_id)
        missing.discard(key)
        if key not in logged:
            found.append(f"tombstone of {key}: the log does not know it")
            continue
        entry = logged[key]
        said = {"rule": stone.rule, "removed": stone.removed, "records": stone.records}
        if entry["actor"] != str(stone.by_id) or any(
            entry["details"][name] != value for name, value in said.items()
        ):
            found.append(f"tombstone of {key}: it is not what the log says")
    return found + [f"tombstone of {key}: in the log, and gone from the facts" for key in missing]


def _compare_evidence(disposed: set[UUID]) -> list[str]:
    found: list[str] = []
    logged = _logged("attestation.sealed")
    gone = db.session.execute(select(Attestation.id, Attestation.assignment_id))
    for key, duty in gone:
        if duty in disposed:
            logged.pop(str(key), None)
    for key, kept, pdf in db.session.execute(
        select(Evidence.attestation_id, Evidence.sha256, Evidence.pdf).execution_options(
            yield_per=50
        )
    ):
        entry = logged.pop(str(key), None)
        if entry is None:
            found.append(f"sealed PDF of {key}: the log does not know it")
        elif sha256(pdf).hexdigest() != entry["details"]["sha256"]:
            found.append(f"sealed PDF of {key}: its bytes are not those of the log")
        elif kept != entry["details"]["sha256"]:
            found.append(f"sealed PDF of {key}: sha256 is not that of the log")
    return found + [f"sealed PDF of {key}: in the log, and gone from the facts" for key in logged]


def _compare_attempts(disposals: dict[str, dict[str, Any]]) -> list[str]:
    found: list[str] = []
    logged = _logged("attempt.submitted")
    for disposal in disposals.values():
        for gone in disposal["details"]["attempts"]:
            logged.pop(gone, None)
    rows = db.session.execute(
        select(Attempt.id, Attempt.section, Attempt.number, Attempt.right, Attempt.passed)
        .where(Attempt.submitted_at.is_not(None))
        .execution_options(yield_per=1000)
    )
    for key, *values in rows:
        entry = logged.pop(str(key), None)
        names = ("section", "number", "right", "passed")
        if entry is None:
            found.append(f"attempt {key}: the log does not know it")
            continue
        for name, value in zip(names, values, strict=True):
            if entry["details"][name] != value:
                found.append(f"attempt {key}: {name} is not that of the log")
    return found + [f"attempt {key}: in the log, and gone from the facts" for key in logged]


def _logged(action: str) -> dict[str, dict[str, Any]]:
    rows = db.session.execute(
        select(AuditEntry.subject, AuditEntry.leaf).where(AuditEntry.action == action)
    )
    return {subject: json.loads(leaf) for subject, leaf in rows}


def verify_zip(path: Path, verifier_key: str) -> list[str]:
    """Check a ZIP of records with its checkpoint, offline. Nothing found is an empty list.

    The key must come from elsewhere than the ZIP: whoever forges the one forges the other.
    """
    found: list[str] = []
    with zipfile.ZipFile(path) as archive:
        note = archive.read("checkpoint.txt").decode().split("\n\n", 1)[1]
        try:
            signed = open_note(note, verifier_key)
        except ValueError as fault:
            return [f"checkpoint.txt: {fault}"]
        proofs = {}
        for line in archive.read("proofs.jsonl").decode().splitlines():
            proof = json.loads(line)
            proofs[proof["file"]] = proof
        table = io.StringIO(archive.read("manifest.csv").decode("utf-8-sig"))
        manifest = {row["File"]: row["SHA-256"] for row in csv.DictReader(table)}
        records = {name for name in archive.namelist() if name.startswith("records/")}
        for name in sorted(records | manifest.keys() | proofs.keys()):
            if name not in records:
                found.append(f"{name}: in the lists, and not in the archive")
            elif name not in manifest or name not in proofs:
                found.append(f"{name}: in the archive, and not in its lists")
            else:
                found += _check_record(
                    name,
                    archive.read(name),
                    listed=manifest[name],
                    proof=proofs[name],
                    signed=signed,
                )
    return found


def _check_record(
    name: str, data: bytes, *, listed: str, proof: dict[str, Any], signed: Signed
) -> list[str]:
    digest = sha256(data).hexdigest()
    if digest != listed:
        return [f"{name}: its bytes are not those of manifest.csv"]
    if json.loads(proof["entry"])["details"].get("sha256") != digest:
        return [f"{name}: its bytes are not those of the log"]
    leaf = tree.leaf_hash(proof["entry"].encode())
    path = [bytes.fromhex(node) for node in proof["path"]]
    if not tree.is_included(leaf, proof["position"], signed.size, path, signed.root):
        return [f"{name}: its entry of the log is not under the checkpoint"]
    return []
