"""Is this file one of ours, and is it unchanged? The answer for whoever holds a copy.

The register comes first: only bytes with a SHA-256 that we kept are ours and unchanged. Everything
else is compared with the file that the number inside it leads to, and its seal is checked.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from flask_babel import gettext, ngettext
from sqlalchemy import String, cast, select

from portal import db
from portal.attestations.models import Attestation, Disposal, Evidence
from portal.documents import seal
from portal.documents.inspecting import Inspection, inspect
from portal.documents.pdf import NUMBER_LINE
from portal.documents.seal import Check

_: Callable[..., str] = gettext

MOST_BYTES = 11 * 1024 * 1024
"""Longer files are not ours: a record has some 200 KB, and a scan of at most 10 MB in it."""

KEPT = timedelta(minutes=15)
"""How long an answer can be read again without the file."""

_NUMBER = re.compile(
    re.escape(NUMBER_LINE) + rb"([!-~]{1,40})\r?\n"
    rb"|<dc:identifier>([!-~]{1,40}?)</dc:identifier>"
)
_TRACE = re.compile(_NUMBER.pattern + rb"|/ByteRange|/EmbeddedFile")
"""Of a file of ours: its number, its seal, or what is attached. They stand in the open, whatever
else a program that wrote the file anew has packed."""
_MOST_NUMBERS = 20  # that are looked up; a file of ours claims one
_FEW = 64  # differing bytes that are counted one by one


class Outcome(StrEnum):
    """What a file turned out to be."""

    OURS = "ours"
    CHANGED = "changed"
    UNREGISTERED = "unregistered"  # our seal is whole, but this register has no such file
    NOT_OURS = "not_ours"


class Change(StrEnum):
    """What was done to a file of ours."""

    ALTERED = "altered"  # some bytes differ, the length is the same
    UPDATED = "updated"  # a page, a note or a field was appended as PDF programs do
    TRAILING = "trailing"  # bytes that are no PDF follow the end
    CUT = "cut"  # the end is missing
    REWRITTEN = "rewritten"  # another program wrote the file anew, or our record is in another file


@dataclass(frozen=True)
class Verdict:
    """The answer, with its reasons in words; `number` and `signed_at` when the record is known."""

    outcome: Outcome
    reasons: tuple[str, ...]
    change: Change | None = None
    number: str | None = None
    signed_at: datetime | None = None
    development: bool = False  # ours, but under a development seal, which proves nothing

    @property
    def title(self) -> str:
        """The answer in one line."""
        return {
            Outcome.OURS: _("This is our record, unchanged"),
            Outcome.CHANGED: _("This is our record, but it was changed"),
            Outcome.UNREGISTERED: _("Our seal is on it, but it is not in our register"),
            Outcome.NOT_OURS: _("This is not one of our records"),
        }[self.outcome]

    def to_session(self) -> dict[str, Any]:
        """Plain values for the browser's session, where the answer waits for its page."""
        return {**asdict(self), "at": db.utc_now()}

    @classmethod
    def from_session(cls, kept: dict[str, Any] | None) -> "Verdict | None":
        """What `to_session` gave; None where there is nothing, or nothing of late."""
        if kept is None or db.utc_now() - kept["at"] > KEPT:
            return None
        values = {name: value for name, value in kept.items() if name != "at"}
        values["outcome"] = Outcome(kept["outcome"])
        return cls(**values | {"change": Change(kept["change"]) if kept["change"] else None})


@dataclass(frozen=True)
class _Registered:
    number: str
    signed_at: datetime
    pdf: bytes


def verify_upload(pdf: bytes) -> Verdict:
    """Tell whether the file is ours and unchanged, ours but changed, or not ours.

    Reads the database in short looks that hold no lock. A file that has a trace of us and is not in
    the register is looked into in a process with limits, which takes about a second; raises
    ServiceUnavailable while too many are. The number and time of a record are told only to who
    holds a file with that number in it.
    """
    if registered := find_registered(pdf):
        return registered
    development = seal.is_development_sealed(pdf)
    if removed := _find_removed(hashlib.sha256(pdf).hexdigest()):
        return Verdict(
            Outcome.OURS,
            (_("It is as we sealed it. The City has removed its own copy under its rule."),),
            number=removed.number,
            signed_at=removed.signed_at,
            development=development,
        )
    if len(pdf) > MOST_BYTES:
        return Verdict(Outcome.NOT_OURS, (_("It is larger than any record of ours."),))
    if not _TRACE.search(pdf):
        return _stranger(Inspection(readable=b"%PDF-" in pdf[:1024]), development=development)
    inspection = inspect(pdf, seal.current().certificates)
    for number in islice(dict.fromkeys(_numbers(pdf, inspection)), _MOST_NUMBERS):
        if claimed := _find(number):
            return _compare(pdf, claimed, inspection, development=development)
    return _stranger(inspection, development=development)


def find_registered(pdf: bytes) -> Verdict | None:
    """That the file is ours and unchanged, if it is: one look into the register."""
    with db.reading() as reading:
        row = reading.execute(
            select(Attestation.number, Attestation.signed_at)
            .join(Evidence, Evidence.attestation_id == Attestation.id)
            .where(Evidence.sha256 == hashlib.sha256(pdf).hexdigest())
        ).one_or_none()
    if row is None:
        return None
    return Verdict(
        Outcome.OURS,
        (_("Every byte is as we sealed it: its fingerprint is in our register."),),
        number=row.number,
        signed_at=row.signed_at,
        development=seal.is_development_sealed(pdf),
    )


def _numbers(pdf: bytes, inspection: Inspection) -> Iterator[str]:
    """Receipt numbers that the file claims, the likeliest first."""
    for match in _NUMBER.finditer(pdf):
        yield (match[1] or match[2]).decode("ascii")
    for text in inspection.attached.values():
        try:
            record = json.loads(text)
        except (ValueError, RecursionError):
            continue
        number = record.get("number") if isinstance(record, dict) else None
        if isinstance(number, str) and len(number) <= 40:
            yield number


def _find(number: str) -> _Registered | None:
    with db.reading() as reading:
        row = reading.execute(
            select(Attestation.number, Attestation.signed_at, Evidence.pdf)
            .join(Evidence, Evidence.attestation_id == Attestation.id)
            .where(Attestation.number == number)
        ).one_or_none()
    return _Registered(row.number, row.signed_at, bytes(row.pdf)) if row else None


def _compare(
    pdf: bytes, registered: _Registered, inspection: Inspection, *, development: bool
) -> Verdict:
    change, what = difference(pdf, registered.pdf)
    return Verdict(
        Outcome.CHANGED,
        (
            _("It holds record %(number)s, but not as we sealed it.", number=registered.number),
            what,
            _seal_says(inspection.check),
        ),
        change=change,
        number=registered.number,
        signed_at=registered.signed_at,
        development=development,
    )


def difference(pdf: bytes, original: bytes) -> tuple[Change, str]:
    """What sets two different files apart, with a sentence for people."""
    if pdf.startswith(original):
        added = pdf[len(original) :]
        size = ngettext("%(num)d byte", "%(num)d bytes", len(added))
        if b"startxref" in added and b"%%EOF" in added:
            return Change.UPDATED, _(
                "Something was added after our seal, such as a page or a note: %(size)s.", size=size
            )
        return Change.TRAILING, _("%(size)s were put after the end of the file.", size=size)
    if original.startswith(pdf):
        return Change.CUT, _(
            "The file was cut off: %(here)d of %(all)d bytes are there. Download it again.",
            here=len(pdf),
            all=len(original),
        )
    if len(pdf) == len(original):
        places = [at for at, (a, b) in enumerate(zip(pdf, original, strict=True)) if a != b]
        if len(places) <= _FEW:
            return Change.ALTERED, ngettext(
                "One byte differs from our file, at position %(first)d.",
                "%(num)d bytes differ from our file, the first at position %(first)d.",
                len(places),
                first=places[0],
            )
        return Change.ALTERED, _(
            "%(count)d bytes differ from our file, which has the same length.", count=len(places)
        )
    return Change.REWRITTEN, _(
        "The file was written anew by another program, or our record was put into another file."
    )


def _seal_says(check: Check) -> str:
    """What the seal alone shows, whatever the register says."""
    if not check.sealed:
        return _("It has no seal that can be read.")
    if not check.ours:
        return _("The seal on it is not ours.")
    if not check.intact:
        return _("Our seal is on it and is broken: what was sealed has changed.")
    if not check.whole_file:
        return _("Our seal is on it, but it does not cover the whole file.")
    return _("The seal on it is ours and whole.")


def _stranger(inspection: Inspection, *, development: bool) -> Verdict:
    check = inspection.check
    if check.good:
        return Verdict(
            Outcome.UNREGISTERED,
            (
                _("The seal on it is ours and whole."),
                _("Our register has no such file. Tell HR: they will want to know why."),
            ),
            development=development,
        )
    if check.ours:
        reasons = (_seal_says(check), _("The number of a record of ours is not in it."))
        return Verdict(Outcome.CHANGED, reasons, change=Change.REWRITTEN, development=development)
    if not inspection.readable:
        return Verdict(Outcome.NOT_OURS, (_("It cannot be read as a PDF file."),))
    return Verdict(
        Outcome.NOT_OURS,
        (
            _seal_says(check),
            _("It holds no number of a record of ours. A print or a scan cannot be checked."),
        ),
    )


def _find_removed(digest: str) -> Attestation | None:
    """The record of a PDF that was let go, by what its tombstone kept."""
    with db.reading() as reading:
        rows = reading.scalars(
            select(Disposal.records).where(
                cast(Disposal.records, String).contains(f'"{digest}"', autoescape=True)
            )
        )
        numbers = [number for records in rows for number, kept in records if kept == digest]
        return reading.scalar(select(Attestation).where(Attestation.number.in_(numbers)))
