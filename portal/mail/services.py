"""Queues mail in the transaction of its cause, and finds what became of it."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from babel.support import Translations
from flask_babel import gettext as _
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from portal import db
from portal.audit import services as audit
from portal.config import ROOT
from portal.documents import dates
from portal.errors import NotFound, Refused
from portal.mail.models import Mail

log = logging.getLogger(__name__)

PER_PAGE = 50
STATES = ("queued", "retrying", "sent", "refused")
_ATOMS = r"[^\s@<>()\[\]:;,.\\\"]+(\.[^\s@<>()\[\]:;,.\\\"]+)*"
_ADDRESS = re.compile(rf"{_ATOMS}@{_ATOMS}")
LONGEST_ADDRESS = 320


def queue_mail(name: str, **words: Any) -> bool:
    """Queue one mail, as `write` makes it; it is sent when the caller commits.

    False when a mail of the same cause is there already.
    """
    return queue_mails([write(name, **words)]) == 1


def queue_mails(rows: Sequence[dict[str, Any]]) -> int:
    """Queue what `write` made, in one go; returns how many were new."""
    if not rows:
        return 0
    connection = db.session.connection()  # without the ORM: a night has a hundred thousand
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(Mail).on_conflict_do_nothing(index_elements=["key"])
    return connection.execute(new, rows, execution_options={"preserve_rowcount": True}).rowcount


def write(
    name: str,
    *,
    to: UUID | None,
    address: str,
    key: str,
    language: str,
    event: Mapping[str, str] | None = None,
    secret: str = "",
    **words: Any,
) -> dict[str, Any]:
    """The mail `name` (a folder in templates/mail) in a person's language, ready to be queued.

    `key` tells its cause: a second mail with the same key is not queued. `event` (uid, title,
    due_on, link) goes along as a calendar file. `secret` names a link of `LINKS`, which takes
    the place of LINK_MARK when the mail is sent. Raises ValueError for an address that is none:
    whoever queues asks `is_address` first, and treats such a person as one without mail.
    """
    if not is_address(address):
        raise ValueError("This is no mail address.")
    settings = db.settings()
    subject, body = _templates(name, language, settings.translations_dir)
    words |= {"settings": settings, "address": settings.base_url, "link_mark": LINK_MARK}
    return {
        "id": uuid4(),
        "key": key,
        "name": name,
        "person_id": to,
        "address": address,
        "language": language,
        "subject": " ".join(subject.render(words).split())[:300],
        "text": body.render(words).strip() + "\n",
        "link": secret,
        "event": dict(event) if event else None,
        "queued_at": db.utc_now(),
        "tries": 0,
        "server_said": "",
    }


def write_among_many(name: str, **words: Any) -> dict[str, Any] | None:
    """As `write`; None where there is no address, or the words fail: nobody else's mail waits."""
    if not is_address(words["address"]):
        return None
    try:
        return write(name, **words)
    except Exception:  # a translation, say, that asks for a word which it is not given
        log.exception("the mail %s to %s could not be written", name, words["to"])
        return None


LINKS: dict[str, Callable[[str], str]] = {}
"""Makers of secret links, by the first word of `Mail.link`. What they make is in no table."""

LINK_MARK = "[[link]]"


def fill_link(mail: Mail) -> str:
    """The mail's text as it is sent, with its secret link if it has one."""
    if not mail.link:
        return mail.text
    maker, _colon, key = mail.link.partition(":")
    return mail.text.replace(LINK_MARK, LINKS[maker](key))


def is_address(text: str) -> bool:
    """Whether mail can go there, as far as its form tells: people write "n/a", and two at once."""
    return len(text) <= LONGEST_ADDRESS and bool(_ADDRESS.fullmatch(text))


def has_address(text: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """The same, asked of the database."""
    return text.regexp_match(rf"\A{_ADDRESS.pattern}\Z")


def list_mails(*, state: str, search: str, page: int) -> list[Mail]:
    """A page of the log, newest first; pages count from 1. One more row: a next page."""
    newest = (Mail.queued_at.desc(), Mail.id.desc())
    found = select(Mail.id).order_by(*newest)
    if state in STATES:
        found = found.where(_is(state))
    if search:
        address = func.lower(Mail.address)
        found = found.where(address.contains(search.lower(), autoescape=True))
    ids = found.offset((page - 1) * PER_PAGE).limit(PER_PAGE + 1).subquery()
    mails = select(Mail).join(ids, ids.c.id == Mail.id).order_by(*newest)
    return list(db.session.scalars(mails))


def count_unsent() -> dict[str, int]:
    """How many mails are in each other state: those that were sent grow without end."""
    numbers = (func.count().filter(is_so).label(state) for state, is_so in _UNSENT.items())
    row = db.session.execute(select(*numbers).where(Mail.sent_at.is_(None))).one()
    return dict(row._mapping)


def get_mail(mail_id: UUID) -> Mail:
    """One mail. Raises NotFound."""
    mail = db.session.get(Mail, mail_id)
    if mail is None:
        raise NotFound
    return mail


def try_again(mail: Mail, *, by: UUID) -> None:
    """Queue a refused mail anew. Refuses one that was sent, still waits, or was let go."""
    db.session.refresh(mail, with_for_update=True)
    if not mail.text:
        raise Refused(_("The words of this mail were let go with the duties that it named."))
    if mail.refused_at is None:
        raise Refused(_("This mail was not refused."))
    mail.refused_at, mail.next_try_at, mail.tries = None, None, 0
    mail.queued_at = db.utc_now()
    db.session.flush()
    audit.record("mail.queued_again", subject=mail.id, actor=by)


_UNSENT: dict[str, ColumnElement[bool]] = {
    "queued": and_(Mail.refused_at.is_(None), Mail.tries == 0),
    "retrying": and_(Mail.refused_at.is_(None), Mail.tries > 0),
    "refused": Mail.refused_at.is_not(None),
}


def _is(state: str) -> ColumnElement[bool]:
    if state == "sent":
        return Mail.sent_at.is_not(None)
    return and_(Mail.sent_at.is_(None), _UNSENT[state])


@lru_cache(maxsize=64)
def _templates(name: str, language: str, catalogues: Path) -> tuple[Template, Template]:
    """Subject and text in one language; compiled once, for a hundred thousand people."""
    environment = Environment(
        loader=FileSystemLoader(ROOT / "templates" / "mail"),
        autoescape=False,  # noqa: S701 - plain text; delivery makes the HTML and escapes there
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]
        Translations.load(catalogues, [language]), newstyle=True
    )
    environment.filters["day"] = lambda day: dates.day(day, language)
    return (
        environment.get_template(f"{name}/subject.txt"),
        environment.get_template(f"{name}/body.txt"),
    )
