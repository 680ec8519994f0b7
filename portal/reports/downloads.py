"""Long downloads: two at once, so that the portal stays quick for everybody else.

The places are leases in the database, so they are counted over all processes; a place of a killed
process is free again when its lease is over.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from time import monotonic
from typing import TypeVar

from flask import current_app, stream_with_context
from flask.ctx import AppContext
from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wsgi import ClosingIterator

from portal import jobs

JOB, PLACES = "download", ("1", "2")
RENEW_AFTER = jobs.LEASE.total_seconds() / 3

T = TypeVar("T", str, bytes)


def limited(chunks: Iterable[T]) -> Iterator[T]:
    """The chunks, as long as there is a place. Raises ServiceUnavailable where there is none.

    Closing gives the place back, also when nothing was read: after a HEAD, or a line that broke.
    """
    for place in PLACES:
        if jobs.claim(JOB, place, lease=jobs.LEASE):
            stream = stream_with_context(_renewing(chunks, place))
            done = partial(_give_back, current_app.app_context(), place)
            return ClosingIterator(stream, done)  # type: ignore[arg-type, return-value] # text, too
    raise ServiceUnavailable(
        "Two downloads are running. Try again in a few minutes, or ask for the file to be made.",
        retry_after=60,
    )


def _renewing(chunks: Iterable[T], place: str) -> Iterator[T]:
    renewed = monotonic()
    for chunk in chunks:
        yield chunk
        if monotonic() - renewed > RENEW_AFTER:
            renewed = monotonic()
            jobs.renew(JOB, place)


def _give_back(context: AppContext, place: str) -> None:
    with context:
        jobs.give_back(JOB, place)
