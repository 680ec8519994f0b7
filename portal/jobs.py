"""Work in the background, derived from facts.

What is due is a question to the facts ("attestations without a sealed PDF"), never the only copy
in a queue. Each kind of work is a `Job`: `due()` lists ids, `do(id)` is idempotent, and a unique
constraint has the last word. A claim is a lease on one item, so that two workers do not do the
same; what a killed worker held is free again when its lease is over.
"""

import logging
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType

from sqlalchemy import String, Text, delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from portal import db
from portal.db import Base, utc_now

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
BEAT_EVERY = timedelta(seconds=5)
IDLE_SECONDS = 0.2
AWAY_SECONDS = 1.0
BATCH = 20
MAX_FAILURES = 8


@dataclass(frozen=True)
class Job:
    """One kind of work. `due(n)` lists at most n ids; `do(id)` may be repeated.

    `every`: seconds to wait before asking again where nothing was due. `gave_up(id)` notes what
    follows for the fact, in the transaction that parks it.
    """

    name: str
    due: Callable[[int], Sequence[str]]
    do: Callable[[str], None]
    every: float = 0
    gave_up: Callable[[str], None] = lambda item: None


class Claim(Base):
    """A lease on one item, and how often it failed."""

    __tablename__ = "claims"

    job: Mapped[str] = mapped_column(String(60), primary_key=True)
    item: Mapped[str] = mapped_column(String(100), primary_key=True)
    free_at: Mapped[datetime]  # when somebody else may try
    failures: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")
    parked_at: Mapped[datetime | None]  # given up; `flask portal retry` frees it


class WorkerBeat(Base):
    """When a worker was last alive."""

    __tablename__ = "worker_beats"

    worker: Mapped[str] = mapped_column(String(100), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=utc_now)


def run(jobs: Sequence[Job], *, stop: threading.Event) -> None:
    """Work until told to stop; the item in hand is finished first. Needs an app context.

    A database that is busy or away for a while does not end the worker: it asks again.
    """
    name = f"{socket.gethostname()}:{os.getpid()}"
    rests: dict[str, float] = {}
    next_beat = time.monotonic()  # not the clock on the wall, which may jump
    while not stop.is_set():
        try:
            if time.monotonic() >= next_beat:
                _beat(name)
                next_beat = time.monotonic() + BEAT_EVERY.total_seconds()
            done = [_ask(job, rests, stop) for job in jobs]  # each, however much the first has
        except (OperationalError, InterfaceError) as fault:
            log.warning("the database does not answer: %s", type(fault.orig).__name__)
            stop.wait(AWAY_SECONDS)
            continue
        if not any(done):
            stop.wait(IDLE_SECONDS)
    with suppress(OperationalError, InterfaceError), db.transaction() as session:
        session.execute(delete(WorkerBeat).where(WorkerBeat.worker == name))


def _ask(job: Job, rests: dict[str, float], stop: threading.Event) -> int:
    """Do what is due, unless the job rests because nothing was due a moment ago."""
    if time.monotonic() < rests.get(job.name, 0):
        return 0
    done = run_once(job, stop=stop)
    rests[job.name] = 0 if done else time.monotonic() + job.every
    return done


def run_once(job: Job, *, stop: threading.Event | None = None) -> int:
    """Do what is due of one kind now, at most a batch; returns how many items were done."""
    with db.reading() as session:
        now = utc_now()
        busy = set(
            session.scalars(
                select(Claim.item).where(
                    Claim.job == job.name, or_(Claim.free_at > now, Claim.parked_at.is_not(None))
                )
            )
        )
        due = [item for item in job.due(BATCH + len(busy)) if item not in busy][:BATCH]
    done = 0
    for item in due:
        if stop is not None and stop.is_set():
            break
        if claim(job.name, item, lease=LEASE):
            done += _attempt(job, item)
    return done


def claim(job: str, item: str, *, lease: timedelta) -> bool:
    """Take the lease on an item; False when somebody else holds it."""
    now = utc_now()
    try:
        with db.transaction() as session:
            taken = session.execute(
                update(Claim)
                .where(
                    Claim.job == job,
                    Claim.item == item,
                    Claim.free_at <= now,
                    Claim.parked_at.is_(None),
                )
                .values(free_at=now + lease)
            )
            if not taken.rowcount:  # type: ignore[attr-defined]
                session.execute(insert(Claim).values(job=job, item=item, free_at=now + lease))
    except IntegrityError:
        return False
    return True


def renew(job: str, item: str, *, lease: timedelta = LEASE) -> None:
    """Keep the lease of an item that takes longer than one."""
    with db.aside() as connection:
        connection.execute(
            update(Claim)
            .where(Claim.job == job, Claim.item == item)
            .values(free_at=utc_now() + lease)
        )


def give_back(job: str, item: str) -> None:
    """End a lease before its time: somebody else may take the item now."""
    with db.aside() as connection:
        connection.execute(delete(Claim).where(Claim.job == job, Claim.item == item))


def keep_done(job: str, item: str) -> None:
    """Note that an item is done, and keep others off it for the time of a lease.

    They may have asked what is due before it was done. `run` sweeps such claims away.
    """
    with db.transaction() as session:
        session.execute(
            update(Claim)
            .where(Claim.job == job, Claim.item == item)
            .values(free_at=utc_now() + LEASE, failures=0, last_error="")
        )


def list_parked() -> Sequence[Claim]:
    """What was given up, each with its last error."""
    return db.session.scalars(
        select(Claim).where(Claim.parked_at.is_not(None)).order_by(Claim.job, Claim.item)
    ).all()


def retry_parked() -> int:
    """Free everything that was given up; returns how many items."""
    freed = db.session.execute(delete(Claim).where(Claim.parked_at.is_not(None)))
    return int(freed.rowcount)  # type: ignore[attr-defined]


def is_alive(*, within: timedelta = BEAT_EVERY * 4) -> bool:
    """Whether some worker gave a sign of life lately."""
    latest = db.session.scalar(select(func.max(WorkerBeat.at)))
    return latest is not None and utc_now() - latest < within


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def _stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    return stop


def _attempt(job: Job, item: str) -> int:
    """Do one item. A failure is noted, comes again later, and is parked in the end."""
    try:
        job.do(item)
    except Exception as fault:
        log.exception("%s %s failed", job.name, item)
        _note_failure(job, item, f"{type(fault).__name__}: {fault}")
        return 0
    keep_done(job.name, item)
    return 1


def _note_failure(job: Job, item: str, error: str) -> None:
    now = utc_now()
    with db.transaction() as session:
        kept = session.get(Claim, (job.name, item))
        failures = kept.failures + 1 if kept else 1
        wait = timedelta(seconds=2**failures * random.uniform(0.5, 1))  # noqa: S311 - jitter
        session.merge(
            Claim(
                job=job.name,
                item=item,
                free_at=now + wait,
                failures=failures,
                last_error=error[:2000],
                parked_at=now if failures >= MAX_FAILURES else None,
            )
        )
        if failures >= MAX_FAILURES:
            job.gave_up(item)


def _beat(worker: str) -> None:
    now = utc_now()
    with db.transaction() as session:
        session.merge(WorkerBeat(worker=worker, at=now))
        session.execute(delete(WorkerBeat).where(WorkerBeat.at < now - timedelta(days=1)))
        session.execute(delete(Claim).where(Claim.free_at < now - LEASE, Claim.failures == 0))
