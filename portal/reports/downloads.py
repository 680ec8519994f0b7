"""Long downloads: two at once, so that the portal stays quick for everybody else.

The places are leases in the database, so they are counted over all processes; a place of a killed
process is free again when its lease is over.
"""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

from flask import stream_with_context
from werkzeug.exceptions import ServiceUnavailable

from portal import jobs

JOB, PLACES = "download", ("1", "2")
RENEW_AFTER = jobs.LEASE.total_seconds() / 3

T = TypeVar("T", str, bytes)


def limited(chunks: Iterable[T]) -> Iterator[T]:
    """The chunks, as long as there is a place. Raises ServiceUnavailable where there is none."""
    for place in PLACES:
        if jobs.claim(JOB, place, lease=jobs.LEASE):
            return stream_with_context(_held(chunks, place))
    raise ServiceUnavailable(
        "Two downloads are running. Try again in a few minutes, or ask for the file to be made.",
        retry_after=60,
    )


def _held(chunks: Iterable[T], place: str) -> Iterator[T]:
    renewed = monotonic()
    try:
        for chunk in chunks:
            yield chunk
            if monotonic() - renewed > RENEW_AFTER:
                renewed = monotonic()
                jobs.renew(JOB, place)
    finally:
        jobs.give_back(JOB, place)
