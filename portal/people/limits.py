"""How often one may knock: counted beforehand, so that no number of processes lets more through."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from flask_babel import ngettext
from sqlalchemy import Table, bindparam, delete, func, insert, or_, select

from portal import db
from portal.errors import Refused
from portal.people.door import Door
from portal.people.models import FailedSignIn

WINDOW = timedelta(minutes=15)
_TRIES = cast(Table, FailedSignIn.__table__)
_EARLIER = (
    select(_TRIES.c.subject, _TRIES.c.at)
    .where(
        _TRIES.c.subject.in_((bindparam("name"), bindparam("address"))),
        _TRIES.c.at >= bindparam("since"),
    )
    .order_by(_TRIES.c.at)
)


class SignInRefused(Refused):
    """The door stays shut; the message is for the person, `help_url` may lead on."""

    def __init__(self, message: str, help_url: str = "") -> None:
        super().__init__(message)
        self.help_url = help_url


def knock(door: Door, name: bytes, address: bytes) -> list[int]:
    """Count a try for the name and for the address. Raises SignInRefused over either limit."""
    now = db.utc_now()
    with db.transaction(hasty=True) as session:
        connection = session.connection()  # without the ORM: this is asked before each sign-in
        if connection.dialect.name == "postgresql":
            for subject in (name, address):
                lock = int.from_bytes(subject[:7], "big")
                connection.execute(select(func.pg_advisory_xact_lock(lock)))
        asked = {"name": name, "address": address, "since": now - WINDOW}
        earlier = connection.execute(_EARLIER, asked).all()
        for subject, limit in ((name, door.tries), (address, door.tries_address)):
            times = [at for of, at in earlier if of == subject]
            if len(times) >= limit:
                raise SignInRefused(_too_many(times[0], now), door.help_url)
        rows = [{"subject": name, "at": now}, {"subject": address, "at": now}]
        return list(connection.scalars(insert(_TRIES).returning(_TRIES.c.id), rows))


def _too_many(first: datetime, now: datetime) -> str:
    minutes = max(1, -int((now - first - WINDOW).total_seconds() // 60))
    words: str = ngettext(
        "There were too many tries. Wait %(num)s minute, then try again.",
        "There were too many tries. Wait %(num)s minutes, then try again.",
        minutes,
    )
    return words


def forget(tries: Sequence[int], name: bytes = b"") -> None:
    """Take back tries that need not count any more; with `name`, all tries for it.

    Those that are too old to count go as well.
    """
    old = _TRIES.c.at < db.utc_now() - WINDOW
    which = or_(_TRIES.c.id.in_(tries), _TRIES.c.subject == name, old)
    with db.joined_transaction() as session:
        session.connection().execute(delete(_TRIES).where(which))
