"""Once a day, the database learns how its tables have grown."""

from portal import db
from portal.jobs import Job

_done: set[str] = set()


def _due(_limit: int) -> list[str]:
    today = db.today().isoformat()
    return [] if today in _done else [today]


def _do(day: str) -> None:
    db.refresh_statistics()
    _done.add(day)


STATISTICS = Job("statistics", _due, _do, every=60)
"""What SQLite finds its way by."""
