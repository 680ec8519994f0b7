"""How often one may knock: counted beforehand, so that no number of processes lets more through."""

from datetime import datetime, timedelta
from typing import Any

from flask_babel import ngettext
from sqlalchemy import delete, func, select

from portal import db
from portal.errors import Refused
from portal.people.door import Door
from portal.people.models import FailedSignIn

WINDOW = timedelta(minutes=15)


class SignInRefused(Refused):
    """The door stays shut; the message is for the person, `help_url` may lead on."""

    def __init__(self, message: str, help_url: str = "") -> None:
        super().__init__(message)
        self.help_url = help_url


def knock(door: Door, name: bytes, address: bytes) -> list[int]:
    """Count a try for the name and for the address. Raises SignInRefused over either limit."""
    now = db.utc_now()
    with db.transaction() as session:
        session.execute(delete(FailedSignIn).where(FailedSignIn.at < now - WINDOW))
        for subject, limit in ((name, door.tries), (address, door.tries_address)):
            if session.get_bind().dialect.name == "postgresql":
                lock = int.from_bytes(subject[:7], "big")
                session.execute(select(func.pg_advisory_xact_lock(lock)))
            earlier = session.scalars(
                select(FailedSignIn.at)
                .where(FailedSignIn.subject == subject)
                .order_by(FailedSignIn.at)
            ).all()
            if len(earlier) >= limit:
                raise SignInRefused(_too_many(earlier[0], now), door.help_url)
        rows = [FailedSignIn(subject=name, at=now), FailedSignIn(subject=address, at=now)]
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def _too_many(first: datetime, now: datetime) -> str:
    minutes = max(1, -int((now - first - WINDOW).total_seconds() // 60))
    words: str = ngettext(
        "There were too many tries. Wait %(num)s minute, then try again.",
        "There were too many tries. Wait %(num)s minutes, then try again.",
        minutes,
    )
    return words


def forget(which: Any) -> None:
    """Take back tries that need not count any more."""
    with db.transaction() as session:
        session.execute(delete(FailedSignIn).where(which))
