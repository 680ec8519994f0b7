"""Compares the facts with what follows from them."""

from datetime import timedelta

from portal import db, jobs
from portal.attestations.sealing import EVIDENCE
from portal.config import Settings
from portal.documents import seal

FIXED_SQLITE = (3, 51, 3)  # the WAL-reset corruption is mended from here on
WARN_BEFORE = timedelta(days=60)
MOST = 10_000


def examine(settings: Settings) -> list[str]:
    """What is missing or close to its end, in sentences with what to do. Changes nothing."""
    found = []
    with db.reading():
        waiting = len(EVIDENCE.due(MOST))
        if waiting:
            found.append(f"{waiting} signatures have no sealed PDF yet. The worker makes them.")
        for each in jobs.list_parked():
            why = each.last_error.partition("\n")[0]
            found.append(
                f"{each.job} {each.item} was given up: {why}. When that is mended: portal retry."
            )
        if not jobs.is_alive():
            found.append("No worker is running. Start: flask --app wsgi portal work")
    ends = seal.load(settings).expires_at
    if ends - db.utc_now() < WARN_BEFORE:
        found.append(f"The seal ends on {ends:%Y-%m-%d}. Ask for a new certificate.")
    version = db.sqlite_version(settings.database)
    if version < FIXED_SQLITE:
        number = ".".join(map(str, version))
        found.append(f"SQLite {number} can corrupt its log of writes. Update pysqlite3.")
    return found
