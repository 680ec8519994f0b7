"""Shared devices: a browser becomes one by a code from HR, and stops when HR says so."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from flask import request
from flask_babel import gettext as _
from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

from portal import db
from portal.audit import services as audit
from portal.errors import NotFound, Refused
from portal.people.door import Door
from portal.people.limits import forget, knock
from portal.people.models import Kiosk, Session
from portal.people.services import Identity, digest

CODE_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"  # none that look alike
CODE_LENGTH = 8
CODE_LASTS = timedelta(minutes=15)


def offer(name: str, location: str, *, by: Identity) -> str:
    """A new shared device; returns the code to type there, of which only the SHA-256 is kept."""
    code = "".join(secrets.choice(CODE_LETTERS) for _each in range(CODE_LENGTH))
    kiosk = Kiosk(
        name=name,
        location=location,
        code_hash=digest(code),
        code_until=db.utc_now() + CODE_LASTS,
        made_by=by.id,
    )
    db.session.add(kiosk)
    db.session.flush()
    audit.record("kiosk.offered", subject=kiosk.id, actor=by.id)
    return code


def set_up(door: Door, code: str, *, address: str) -> str:
    """Make this browser the shared device of a code; returns the token for its cookie.

    Refuses a code that is wrong, used or older than CODE_LASTS, and too many tries. Works in
    transactions of its own, so that tries count.
    """
    tries = knock(door, door.subject("kiosk", address), door.subject("address", address))
    tidy = code.upper().replace(" ", "").replace("-", "")
    token = secrets.token_urlsafe(32)
    with db.transaction() as session:
        kiosk = session.scalar(
            select(Kiosk)
            .where(
                Kiosk.code_hash == digest(tidy),
                Kiosk.code_until > db.utc_now(),
                Kiosk.ended_at.is_(None),
            )
            .with_for_update()
        )
        if kiosk is None:
            raise Refused(_("This code is wrong or too old. Ask HR for a new one."))
        kiosk.code_hash, kiosk.token_hash, kiosk.set_up_at = None, digest(token), db.utc_now()
        audit.record("kiosk.set_up", subject=kiosk.id, actor=None)
    forget(tries)
    return token


def cookie_name() -> str:
    """Of the cookie that makes a browser a shared device."""
    return "kiosk" if db.settings().is_demo else "__Host-kiosk"


def here() -> Kiosk | None:
    """The shared device that sent this request, if it is one."""
    with db.reading():  # no lock is held while the directory answers
        return find(request.cookies.get(cookie_name()))


def find(token: str | None) -> Kiosk | None:
    """The shared device that this browser is, if it is one."""
    if not token:
        return None
    return db.session.scalar(
        select(Kiosk).where(Kiosk.token_hash == digest(token), Kiosk.ended_at.is_(None))
    )


def list_kiosks() -> Sequence[Kiosk]:
    """All shared devices, those in use first."""
    return db.session.scalars(
        select(Kiosk)
        .options(joinedload(Kiosk.maker))
        .order_by(Kiosk.ended_at.is_not(None), Kiosk.made_at.desc())
    ).all()


def end(kiosk_id: UUID, *, by: Identity) -> Kiosk:
    """Make it an ordinary browser again; who is signed in there is signed out.

    Raises NotFound for one that is not there or has ended.
    """
    kiosk = db.session.get(Kiosk, kiosk_id, with_for_update=True)
    if kiosk is None or kiosk.ended_at is not None:
        raise NotFound
    kiosk.ended_at, kiosk.code_hash = db.utc_now(), None
    db.session.execute(delete(Session).where(Session.kiosk_id == kiosk_id))
    db.session.flush()
    audit.record("kiosk.ended", subject=kiosk_id, actor=by.id)
    return kiosk
