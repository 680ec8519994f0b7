"""From the signed record to the sealed PDF: what is due, and doing it once.

The unsealed PDF follows from the record alone, byte for byte, so it can be made again and compared.
"""

import io
import json
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement
from zoneinfo import ZoneInfo

import nh3
import segno
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy import exists, func, select
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.attestations import record as records
from portal.attestations.models import Attestation, Evidence, Scan
from portal.audit import services as audit
from portal.config import ROOT
from portal.documents import dates, pdf, seal
from portal.documents.pdf import Attachment
from portal.jobs import Job

ATTACHMENT = "record.json"
SCAN = "scan.pdf"
CATALOGUES = ROOT / "translations"
STYLESHEET = ROOT / "templates" / "documents" / "attestation.css"

_TAGS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "strong", "em", "br", "code"),
    *("blockquote", "table", "thead", "tbody", "tr", "th", "td", "a"),
}
_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
_LINES = _HEADINGS | {"p", "tr"}
_BLOCKS = _LINES | {"blockquote", "table", "thead", "tbody", "th", "td"}


class RecordAltered(Exception):
    """The stored record is not what its hash says was signed: it must not be sealed."""


def render_record(
    record: dict[str, Any],
    *,
    development: bool = False,
    scan: bytes | None = None,
    catalogues: Path = CATALOGUES,
) -> bytes:
    """The record as an unsealed PDF; `development` prints the banner of the development seal.

    `scan` is the paper that was signed; it goes along inside the file. The same record gives the
    same bytes. Raises jinja2.UndefinedError when the record lacks a part that the page needs.
    """
    words = _words(record["course"]["language"], record["time_zone"], catalogues)
    title = words.title.format(number=record["number"], name=record["person"]["full_name"])
    html = words.template.render(
        record=record,
        title=title,
        development=development,
        headings=words.headings,
        kind=words.kinds.get(record["person"]["kind"], record["person"]["kind"]),
        decided=words.decided,
    )
    return pdf.render(
        html,
        attachment=Attachment(ATTACHMENT, records.canonical(record), words.attachment),
        title=title,
        identifier=record["number"],
        author=record["organization"],
        language=record["course"]["language"],
        created=_instant(record["signature"]["signed_at"]),
        stylesheet=STYLESHEET,
        images={"qr.png": qr_code(record["verify_url"])},
        source=(SCAN, scan, words.scan) if scan else None,
    )


def render_page(
    template: str, form: Any, *, language: str, zone: str, catalogues: Path
) -> tuple[str, str]:
    """Title and XHTML of another document in the same dress."""
    words = _words(language, zone, catalogues)
    page = words.environment.get_template(template)
    title = words.form.format(name=form.full_name)
    return title, page.render(form=form, title=title, language=language)


def file_name(record: dict[str, Any]) -> str:
    """What the file is called: course, version and number, nothing personal."""
    course = record["course"]
    what = "refusal" if "refusal" in record else "attestation"
    return f"{what}_{course['key']}_v{course['number']}_{record['number']}.pdf"


def warm() -> None:
    """Load printing and sealing now, so that the first record does not wait a second for it."""
    pdf.warm(STYLESHEET)
    seal.current().warm()


def due(limit: int) -> list[str]:
    """Attestations without a sealed PDF, the newest first, at most `limit`.

    Whoever has just signed waits on the receipt page; a backlog waits in the background.

    Asked several times a second: two counts tell that nothing is due (5 ms for 100,000 records),
    as no PDF is there without its attestation.
    """
    kept = Attestation.disposed_at.is_(None)
    signed = select(func.count()).select_from(Attestation).where(kept).scalar_subquery()
    sealed = select(func.count()).select_from(Evidence).scalar_subquery()
    unsealed = select(Attestation.id).where(kept).except_(select(Evidence.attestation_id))
    with db.reading() as reading:
        if not reading.scalar(select(signed - sealed)):
            return []
        found = reading.scalars(
            select(Attestation.id)
            .where(Attestation.id.in_(unsealed))
            .order_by(Attestation.signed_at.desc())
            .limit(limit)
        )
        return [str(one) for one in found]


def do(attestation_id: str) -> None:
    """Render, seal and keep the PDF of this attestation; nothing happens when it is there.

    Raises RecordAltered when the record no longer matches the hash made at signing.
    """
    key = UUID(attestation_id)
    with db.reading() as reading:
        row = reading.execute(
            select(Attestation.record, Attestation.record_sha256, Scan.pdf)
            .outerjoin(Scan, Scan.attestation_id == Attestation.id)
            .where(Attestation.id == key, ~exists().where(Evidence.attestation_id == key))
        ).one_or_none()
    if row is None:
        return
    record = json.loads(row.record)
    if records.digest(records.canonical(record)) != row.record_sha256:
        raise RecordAltered(f"The record of attestation {key} does not match its hash.")
    stamp = seal.current()
    sealed = stamp.apply(
        render_record(
            record,
            development=stamp.is_development,
            scan=row.pdf,
            catalogues=db.settings().translations_dir,
        )
    )
    evidence = Evidence(
        attestation_id=key,
        file_name=file_name(record),
        sha256=sha256(sealed).hexdigest(),
        size=len(sealed),
        crc32=zlib.crc32(sealed),
        pdf=sealed,
    )
    try:
        with db.transaction() as transaction:
            transaction.add(evidence)
            transaction.flush()
            audit.record("attestation.sealed", subject=key, actor=None, sha256=evidence.sha256)
    except IntegrityError:
        if not _has_evidence(key):
            raise  # not another worker that was faster


EVIDENCE = Job("evidence", due, do)


def _has_evidence(key: UUID) -> bool:
    with db.reading() as reading:
        return bool(reading.scalar(select(exists().where(Evidence.attestation_id == key))))


class _Words:
    """The template and the fixed words of the document in one language and time zone."""

    def __init__(self, language: str, zone: str, catalogues: Path) -> None:
        translations = Translations.load(catalogues, [language.replace("-", "_")])
        _ = translations.ugettext if isinstance(translations, Translations) else _untranslated
        environment = Environment(
            loader=FileSystemLoader(ROOT / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        install = environment.install_gettext_translations  # type: ignore[attr-defined]
        install(translations, newstyle=True)
        environment.filters.update(
            moment=partial(_moment, zone=ZoneInfo(zone), language=language),
            day=partial(_day, zone=ZoneInfo(zone), language=language),
            paper=paper,
        )
        self.environment = environment
        self.template = environment.get_template("documents/attestation.html")
        self.form: str = _("Attestation on paper: {name}")
        self.title: str = _("Attestation {number}, {name}")
        self.attachment: str = _("The record as canonical JSON")
        self.scan: str = _("The paper that was signed, as it was scanned")
        self.headings = {
            "conflict-of-interest": _("Conflict of interest"),
            "scope": _("Whether the policy applies"),
        }
        self.decided = {
            "waived": _("Released"),
            "exempted": _("Released by a rule"),
            "left": _("Left"),
            "returned": _("Release ended"),
            "extended": _("More time"),
            "paused": _("The clock stands"),
            "resumed": _("The clock goes on"),
        }
        self.kinds = {"employee": _("employee"), "contractor": _("contract employee")}


@lru_cache(maxsize=16)
def _words(language: str, zone: str, catalogues: Path) -> _Words:
    return _Words(language, zone, catalogues)


def _untranslated(text: str) -> str:
    return str(NullTranslations().gettext(text))


def _instant(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"The record has a time without a zone: {text}")
    return moment


def _moment(text: str, *, zone: ZoneInfo, language: str) -> str:
    """An ISO time with its zone, as people read it."""
    return dates.moment(_instant(text), language, zone)


def _day(text: str, *, zone: ZoneInfo, language: str) -> str:
    """An ISO date, or the day of an ISO time in this zone."""
    day = date.fromisoformat(text) if len(text) == 10 else _instant(text).astimezone(zone).date()
    return dates.day(day, language)


@lru_cache(maxsize=32)
def paper(html: str) -> Markup:
    """HTML made fit for paper: sanitized again, well-formed, and as PDF/UA asks.

    A link to a page of the portal becomes its words; a link to the web gets its address behind it.
    Headings begin at the third level and skip none. List items hold text and lists only.
    """
    clean = nh3.clean(html, tags=_TAGS, attributes={"a": {"href"}}, link_rel=None)
    clean = pdf.printable(clean.replace("<br>", "<br/>").replace("&nbsp;", "\u00a0"))
    root = ElementTree.fromstring(f"<div>{clean}</div>")  # noqa: S314 - cleaned above
    for item in root.iter("li"):
        _flatten(item)
    level = 2
    for element in root.iter():
        if element.tag == "a":
            _unlink(element)
        elif element.tag in _HEADINGS:
            level = min(max(int(element.tag[1]) + 1, 3), level + 1, 6)
            element.tag = f"h{level}"
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - cleaned above


def _unlink(link: Element) -> None:
    address = link.attrib.pop("href", "")
    bare = address.removeprefix("mailto:")
    link.tag = "span"
    if address.startswith(("https://", "http://", "mailto:")) and bare not in "".join(
        link.itertext()
    ):
        SubElement(link, "span").text = f" ({bare})"


def _flatten(item: Element) -> None:
    """Turn blocks in a list item into lines: PDF/UA allows no paragraph right in an item."""
    for block in list(_blocks(item)):
        first = block is item[0] and not (item.text or "").strip()
        if block.tag in _LINES and not first:
            line = Element("br")
            line.tail, block.text = block.text, None
            block.insert(0, line)
        block.tag = "span"
        block.tail = f" {block.tail or ''}"


def _blocks(element: Element) -> Iterator[Element]:
    """The blocks in a list item, without those in the lists inside it."""
    for child in element:
        if child.tag not in {"ul", "ol"}:
            if child.tag in _BLOCKS:
                yield child
            yield from _blocks(child)


def qr_code(url: str) -> bytes:
    """A 1-bit PNG of the address; the mask is fixed, so that it is always the same picture."""
    picture = io.BytesIO()
    segno.make(url, error="m", mask=3, micro=False, boost_error=False).save(
        picture, kind="png", scale=4, border=4
    )
    return picture.getvalue()
