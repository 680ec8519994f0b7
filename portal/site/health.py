"""Whether all that the portal needs is there."""

import logging
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from portal import db, jobs
from portal.config import Settings
from portal.documents import seal
from portal.people.door import current_door

log = logging.getLogger(__name__)


def check(settings: Settings) -> dict[str, bool]:
    """Ask database, directory, worker and seal; each is True when it answers as it should."""
    return {
        "database": _answers(lambda: db.session.scalar(select(1)) == 1),
        "directory": _answers(lambda: current_door().directory.find("") is None),
        "worker": _answers(jobs.is_alive),
        "seal": _answers(lambda: seal.load(settings).expires_at > db.utc_now()),
    }


def count_given_up() -> int:
    """How much work was given up: the portal is ready all the same, the doctor says why."""
    try:
        return len(jobs.list_parked())
    except DBAPIError:
        return 0


def _answers(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except Exception as fault:
        log.warning("not ready: %s", type(fault).__name__)
        return False
