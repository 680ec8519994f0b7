"""Appends to the log in the transaction of the fact, and reads it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.audit import tree
from portal.audit.models import AuditEntry, AuditHead

ACTIONS: dict[str, frozenset[str]] = {
    "person.signed_in": frozenset(),
    "person.sign_in_failed": frozenset({"reason"}),
    "person.signed_out": frozenset(),
    "person.break_glass_made": frozenset({"reason", "until"}),
    "person.break_glass_used": frozenset(),
    "person.password_chosen": frozenset(),
    "person.second_step_set": frozenset({"on"}),
    "contractor.invited": frozenset({"sponsor"}),
    "invitation.made": frozenset({"person"}),
    "invitation.revoked": frozenset(),
    "invitation.used": frozenset({"by_mail"}),
    "contract.changed": frozenset({"before", "after"}),
    "scope.decided": frozenset({"outcome", "people"}),
    "role.granted": frozenset({"person", "role", "until", "reason"}),
    "role.ended": frozenset({"person", "role"}),
    "person.joined": frozenset({"sync"}),
    "person.moved": frozenset({"sync"}),
    "person.left": frozenset(),
    "sync.asked": frozenset({"dry", "forced"}),
    "sync.ended": frozenset({"stopped"}),
    "person.returned": frozenset(),
    "person.roles_changed": frozenset({"before", "after"}),
    "course.published": frozenset({"key", "number", "content_hash"}),
    "campaign.changed": frozenset({"before", "after"}),
    "campaign.launched": frozenset({"key"}),
    "campaign.closed": frozenset(),
    "campaign.deleted": frozenset({"title"}),
    "duty.decided": frozenset({"assignment", "decision", "before", "after"}),
    "leave.noted": frozenset({"person", "begins_on", "ends_on"}),
    "leave.ended": frozenset({"person", "before", "after"}),
    "exemption.made": frozenset({"campaign", "rule"}),
    "exemption.ended": frozenset(),
    "exemption.carried_out": frozenset({"decision", "duties"}),
    "kiosk.offered": frozenset(),
    "kiosk.set_up": frozenset(),
    "kiosk.ended": frozenset(),
    "retention.period_set": frozenset({"before", "after"}),
    "retention.held": frozenset({"campaign", "person"}),
    "retention.hold_ended": frozenset(),
    "retention.listed": frozenset({"duties", "people"}),
    "retention.taken_off": frozenset({"list"}),
    "retention.approved": frozenset(),
    "record.disposed": frozenset({"rule", "removed", "records", "attempts"}),
    "person.disposed": frozenset({"rule"}),
    "person.data_downloaded": frozenset(),
    "person.nudged": frozenset(),
    "team.delegated": frozenset({"deputy", "until"}),
    "team.delegation_ended": frozenset(),
    "mail.queued_again": frozenset(),
    "course.decided": frozenset({"change", "campaigns", "released"}),
    "assignment.created": frozenset({"campaign"}),
    "attempt.submitted": frozenset({"section", "number", "right", "out_of", "passed"}),
    "answer.declared": frozenset({"records", "outcome"}),
    "attestation.signed": frozenset({"assignment", "record_sha256"}),
    "attestation.refused": frozenset({"assignment"}),
    "attestation.recorded": frozenset({"assignment", "kind", "record_sha256"}),
    "attestation.sealed": frozenset({"sha256"}),
    "evidence.downloaded": frozenset(),
    "record.link_made": frozenset(),
    "record.link_used": frozenset(),
    "evidence.exported": frozenset({"records", "checkpoint"}),
    "export.requested": frozenset({"kind", "rows"}),
    "export.downloaded": frozenset(),
    "list.exported": frozenset({"rows"}),
    "checkpoint.signed": frozenset({"size"}),
}
"""Each action with exactly the details it carries from now on; older entries may have others."""


def record(action: str, *, subject: UUID | str, actor: UUID | str | None, **details: Any) -> int:
    """Append one entry to the log and return its position.

    `subject` is what it is about, `actor` who did it (None: the portal itself). The entry
    becomes durable with the fact, in the current transaction; from here to the commit the
    head of the log is locked, so call it last. Raises ValueError for an unknown action and for
    details that are not exactly those of the action.
    """
    return record_many(action, subjects=[subject], actor=actor, **details)


def record_many(
    action: str, *, subjects: Iterable[UUID | str], actor: UUID | str | None, **details: Any
) -> int:
    """Append one entry for each subject, as `record` does; returns the position of the last."""
    if action not in ACTIONS or ACTIONS[action] != details.keys():
        raise ValueError(f"{action} carries {sorted(ACTIONS.get(action, ()))}, not {details}")
    db.session.flush()  # the fact comes first, with what may be wrong with it
    position, nodes = _lock_head()
    at = db.utc_now()
    edge = [bytes.fromhex(node) for node in nodes]
    rows = []
    for subject in subjects:
        leaf = canonical(
            {
                "position": position,
                "at": at.isoformat(),
                "action": action,
                "subject": str(subject),
                "actor": str(actor) if actor else None,
                "details": details,
            }
        )
        hashed = tree.leaf_hash(leaf.encode())
        edge = tree.append(edge, position, hashed)
        rows.append(
            {
                "position": position,
                "action": action,
                "subject": str(subject),
                "at": at,
                "leaf": leaf,
                "leaf_hash": hashed,
            }
        )
        position += 1
    if rows:
        connection = db.session.connection()  # without the ORM: every fact passes here
        connection.execute(_APPEND, rows)
        connection.execute(_MOVE_HEAD, {"size": position, "edge": [node.hex() for node in edge]})
    return position - 1


_APPEND = insert(AuditEntry)
_LOCK_HEAD = select(AuditHead.size, AuditHead.edge).where(AuditHead.id == 1).with_for_update()
_MOVE_HEAD = update(AuditHead).where(AuditHead.id == 1)


def canonical(entry: dict[str, Any]) -> str:
    """The one text of an entry, which is hashed."""
    return json.dumps(entry, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def list_entries(
    *, page: int, per_page: int = 50, action: str = "", subject: str = ""
) -> list[tuple[int, datetime, str, str, str]]:
    """A page of the log, newest first: position, time, action, subject, leaf. Pages count from 1.

    One more row than `per_page` means that there is a next page.
    """
    query = select(
        AuditEntry.position, AuditEntry.at, AuditEntry.action, AuditEntry.subject, AuditEntry.leaf
    )
    if action:
        query = query.where(AuditEntry.action == action)
    if subject:
        query = query.where(AuditEntry.subject == subject)
    rows = db.session.execute(
        query.order_by(AuditEntry.position.desc()).offset((page - 1) * per_page).limit(per_page + 1)
    )
    return [tuple(row) for row in rows]  # type: ignore[misc]


def each_batch(size: int) -> Iterator[Sequence[tuple[int, datetime, str]]]:
    """The whole log, newest first, so many entries at once: position, time, leaf."""
    rows = db.session.execute(
        select(AuditEntry.position, AuditEntry.at, AuditEntry.leaf)
        .order_by(AuditEntry.position.desc())
        .execution_options(yield_per=size)
    )
    for batch in rows.partitions():
        yield [tuple(row) for row in batch]  # type: ignore[misc]


def _lock_head() -> tuple[int, list[str]]:
    """Size and edge of the log, locked until the transaction ends; made when they are missing."""
    connection = db.session.connection()
    head = connection.execute(_LOCK_HEAD).first()
    if head is None:
        with suppress(IntegrityError), connection.begin_nested():  # another process made it first
            connection.execute(insert(AuditHead), {"id": 1, "size": 0, "edge": []})
        head = connection.execute(_LOCK_HEAD).one()
    return head.size, head.edge
