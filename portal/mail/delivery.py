"""Delivers queued mail through SMTP; in a demo without a server, into a folder.

A mail is sent once. Only when the server took it and its answer, or our commit, was lost is it
sent again, with the same Message-ID, so that the reader's mail program can tell.
"""

import html
import logging
import re
import smtplib
import ssl
from contextlib import suppress
from datetime import date, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, formataddr
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import current_app
from sqlalchemy import or_, select

from portal import db
from portal.config import Settings
from portal.documents.calendar import due_date_event
from portal.jobs import Job
from portal.mail.models import Mail
from portal.mail.services import fill_link

log = logging.getLogger(__name__)

TIMEOUT = 10  # seconds for each answer of the server
GIVE_UP = timedelta(hours=48)
LONGEST_WAIT = timedelta(hours=1)
_LINK = re.compile(r"https?://[^\s<]+")


class _Refused(Exception):
    """The server will not take this mail, now or later; the message is its words."""


class _Later(Exception):
    """It did not work now; the message says why."""


def compose(mail: Mail, settings: Settings) -> EmailMessage:
    """The message as it goes out: plain text, the same as HTML, and the calendar file."""
    text = fill_link(mail)
    message = EmailMessage()
    host = urlsplit(settings.base_url).hostname or "localhost"
    message["From"] = settings.mail_from or formataddr((settings.name, f"no-reply@{host}"))
    message["To"] = mail.address
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.queued_at)
    message["Message-ID"] = f"<{mail.id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answers from machines
    if settings.mail_reply_to:
        message["Reply-To"] = settings.mail_reply_to
    message.set_content(text)
    message.add_alternative(_as_html(mail, text, settings), subtype="html")
    if mail.event:
        event = SimpleNamespace(
            id=mail.event["uid"],
            title=mail.event["title"],
            due_on=date.fromisoformat(mail.event["due_on"]),
        )
        calendar = due_date_event(event, link=mail.event["link"], now=mail.queued_at)
        message.add_attachment(
            calendar, maintype="text", subtype="calendar", filename="due-date.ics"
        )
    return message


def _as_html(mail: Mail, text: str, settings: Settings) -> str:
    """The text as paragraphs and lists, with our own addresses as links."""
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines()
        if all(line.startswith("- ") for line in lines):
            items = "".join(f"<li>{_line(line[2:], settings)}</li>" for line in lines)
            blocks.append(f"<ul>{items}</ul>")
        else:
            blocks.append(f"<p>{'<br>'.join(_line(line, settings) for line in lines)}</p>")
    return (
        f'<!doctype html><html lang="{mail.language}"><head><meta charset="utf-8">'
        f"<title>{html.escape(mail.subject)}</title></head>"
        '<body style="font: 17px/1.5 sans-serif; max-width: 38em; margin: 0 auto; padding: 1em">'
        f'<p style="border-bottom: 3px solid {settings.brand_colour}; padding-bottom: .5em">'
        f"<strong>{html.escape(settings.organization)}</strong><br>"
        f"{html.escape(settings.name)}</p>{''.join(blocks)}</body></html>"
    )


def _line(text: str, settings: Settings) -> str:
    def link(found: re.Match[str]) -> str:
        address = found[0]
        if not html.unescape(address).startswith(settings.base_url):
            return address
        return f'<a href="{address}">{address}</a>'

    return _LINK.sub(link, html.escape(text))


def _send(mail: Mail, settings: Settings) -> str:
    """Hand the mail over; returns the server's words. Raises _Refused or _Later."""
    message = compose(mail, settings)
    if not settings.smtp_host:
        return _file(message, mail, settings.data_dir / "mail")
    try:
        server = _server(settings)
        server.send_message(message, to_addrs=[mail.address])
    except smtplib.SMTPRecipientsRefused as fault:
        code, words = next(iter(fault.recipients.values()))
        _forget(server)
        raise (_Refused if code >= 500 else _Later)(_words(code, words)) from None
    except smtplib.SMTPDataError as fault:
        _forget(server)
        refused = fault.smtp_code >= 500
        raise (_Refused if refused else _Later)(_words(fault.smtp_code, fault.smtp_error)) from None
    except smtplib.SMTPResponseException as fault:
        _hang_up()
        raise _Later(_words(fault.smtp_code, fault.smtp_error)) from None
    except (smtplib.SMTPException, OSError) as fault:
        _hang_up()
        raise _Later(f"{type(fault).__name__}: {fault}") from None
    return "250"


def _file(message: EmailMessage, mail: Mail, folder: Path) -> str:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{mail.queued_at:%Y%m%d-%H%M%S}-{mail.name}-{mail.id.hex[:8]}.eml"
    path.write_bytes(message.as_bytes())
    return f"kept in {path.name}: the demonstration has no mail server"


def _server(settings: Settings) -> smtplib.SMTP:
    """The connection of this worker, opened where there is none or it has died."""
    kept: smtplib.SMTP | None = current_app.extensions.get("smtp")
    if kept is not None:
        with suppress(smtplib.SMTPException, OSError):
            if kept.noop()[0] == 250:
                return kept
        _hang_up()
    context = ssl.create_default_context(cafile=settings.smtp_ca_file or None)
    host, port = settings.smtp_host, settings.smtp_port
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    current_app.extensions["smtp"] = server
    if settings.smtp_security == "starttls":
        server.starttls(context=context)
    if settings.smtp_user:
        server.login(settings.smtp_user, Path(settings.smtp_password_file).read_text().strip())
    return server


def _forget(server: smtplib.SMTP) -> None:
    """End the transaction on the server, so that the next mail begins afresh."""
    with suppress(smtplib.SMTPException, OSError):
        server.rset()


def _hang_up() -> None:
    server: smtplib.SMTP | None = current_app.extensions.pop("smtp", None)
    if server is not None:
        server.close()


def _words(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {text}"[:500]


def _due(limit: int) -> list[str]:
    settings = db.settings()
    if not settings.smtp_host and not settings.is_demo:
        return []  # they wait until somebody says where the server is
    with db.reading() as session:
        found = session.scalars(
            select(Mail.id)
            .where(
                Mail.sent_at.is_(None),
                Mail.refused_at.is_(None),
                or_(Mail.next_try_at.is_(None), Mail.next_try_at <= db.utc_now()),
            )
            .order_by(Mail.queued_at)
            .limit(limit)
        )
        return [str(one) for one in found]


def _do(mail_id: str) -> None:
    """Send one mail. No transaction is open while the server takes its time."""
    with db.reading() as session:
        mail = session.get(Mail, UUID(mail_id))
    if mail is None or mail.sent_at or mail.refused_at:
        return
    now = db.utc_now()
    facts: dict[str, Any]
    try:
        facts = {"server_said": _send(mail, db.settings()), "sent_at": now}
    except _Refused as fault:
        facts = {"server_said": str(fault), "refused_at": now}
    except _Later as fault:
        log.warning("mail %s: %s", mail_id, fault)
        facts = {"server_said": str(fault), "next_try_at": now + _wait(mail.tries)}
        if now - mail.queued_at > GIVE_UP:
            facts["refused_at"] = now
    with db.transaction() as session:
        kept = session.get_one(Mail, UUID(mail_id))
        kept.tries += 1
        for name, value in facts.items():
            setattr(kept, name, value)


def _wait(tries: int) -> timedelta:
    """1, 2, 4 … minutes, at most an hour."""
    return min(timedelta(minutes=2 ** min(tries, 10)), LONGEST_WAIT)


MAIL = Job("mail", _due, _do)
"""Mail that waits."""
