import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import column, select, table, text
from sqlalchemy.exc import OperationalError

from portal import db, jobs, statistics
from portal.jobs import Claim, Job, WorkerBeat
from tests.conftest import ROOT
from tests.factories import make_person

MINUTE = timedelta(minutes=1)


@pytest.fixture
def work():
    """A job over a set of items; `fails` names those that raise."""

    class Work:
        def __init__(self):
            self.waiting = {"a", "b"}
            self.done = []
            self.fails = set()
            self.job = Job("work", lambda most: sorted(self.waiting)[:most], self._do)

        def _do(self, item):
            if item in self.fails:
                raise OSError("the disk is full")
            self.done.append(item)
            self.waiting.discard(item)

    return Work()


def test_what_is_due_is_done_once_and_its_claim_is_swept_away_later(each_app, work, clock):
    assert jobs.run_once(work.job) == 2
    assert jobs.run_once(work.job) == 0

    assert work.done == ["a", "b"]
    clock(db.utc_now() + 3 * jobs.LEASE)
    jobs._beat("worker")
    assert db.session.scalars(select(Claim)).all() == []


def test_two_workers_never_hold_the_same_item(each_app, clock):
    assert jobs.claim("work", "a", lease=MINUTE)
    assert not jobs.claim("work", "a", lease=MINUTE)
    clock(db.utc_now() + 2 * MINUTE)

    assert jobs.claim("work", "a", lease=MINUTE)


def test_who_asked_before_an_item_was_done_does_not_do_it_again(each_app, work):
    """Two workers ask at once; the slower one still has the item on its list."""
    jobs.run_once(work.job)
    stale = Job("work", lambda _most: ["a", "b"], work.job.do)

    jobs.run_once(stale)

    assert work.done == ["a", "b"]


def test_an_item_that_another_worker_holds_is_left_alone(each_app, work):
    jobs.claim("work", "a", lease=MINUTE)

    jobs.run_once(work.job)

    assert work.done == ["b"]


def test_what_a_killed_worker_held_is_free_again_when_its_lease_is_over(app, work, clock):
    jobs.claim("work", "a", lease=MINUTE)
    clock(db.utc_now() + 2 * MINUTE)

    jobs.run_once(work.job)

    assert work.done == ["a", "b"]


def test_a_failure_comes_again_later_and_does_not_hold_up_the_others(app, work, clock):
    work.fails = {"a"}
    jobs.run_once(work.job)
    assert work.done == ["b"]

    work.fails = set()
    jobs.run_once(work.job)
    assert work.done == ["b"]
    clock(db.utc_now() + MINUTE)
    jobs.run_once(work.job)
    assert work.done == ["b", "a"]


def test_after_eight_failures_an_item_is_parked_until_someone_frees_it(app, work, clock):
    work.fails, work.waiting = {"a"}, {"a"}
    moment = db.utc_now()
    for hour in range(jobs.MAX_FAILURES + 3):
        clock(moment + timedelta(hours=hour))
        jobs.run_once(work.job)
    claim = db.session.scalars(select(Claim)).one()
    assert (claim.failures, claim.last_error) == (8, "OSError: the disk is full")
    assert [each.item for each in jobs.list_parked()] == ["a"]
    db.finish(keep=False)

    with db.transaction():
        assert jobs.retry_parked() == 1
    work.fails = set()
    jobs.run_once(work.job)

    assert work.done == ["a"]


def test_what_follows_from_giving_up_is_noted_with_it(app, work, clock):
    given_up = []
    work.fails, work.waiting = {"a"}, {"a"}
    job = replace(work.job, gave_up=given_up.append)
    moment = db.utc_now()
    for hour in range(jobs.MAX_FAILURES):
        assert given_up == []
        clock(moment + timedelta(hours=hour))
        jobs.run_once(job)

    assert given_up == ["a"]


def test_a_worker_gives_signs_of_life_and_takes_them_back_when_it_stops(app, work, clock):
    stop = threading.Event()
    seen = []

    def do(_item):
        with db.reading():
            seen.append(jobs.is_alive())
        stop.set()

    jobs.run([Job("work", lambda _most: ["a"], do)], stop=stop)

    assert seen == [True]
    assert db.session.scalars(select(WorkerBeat)).all() == []
    assert not jobs.is_alive()


def test_a_worker_that_is_told_to_stop_finishes_the_item_in_hand(app):
    stop = threading.Event()
    done = []

    def do(item):
        stop.set()
        done.append(item)

    jobs.run([Job("work", lambda _most: ["a", "b"], do)], stop=stop)

    assert done == ["a"]


def test_every_kind_of_work_has_its_turn_however_much_the_first_has(app):
    stop = threading.Event()
    endless = Job("endless", lambda _most: ["a"], lambda _item: None)
    other = Job("other", lambda _most: ["b"], lambda _item: stop.set())
    watchdog = threading.Timer(10, stop.set)
    watchdog.start()

    jobs.run([endless, other], stop=stop)

    assert watchdog.is_alive()
    watchdog.cancel()


def test_a_database_that_is_away_for_a_while_does_not_end_the_worker(app, monkeypatch):
    monkeypatch.setattr(jobs, "AWAY_SECONDS", 0.01)
    stop = threading.Event()
    asked = []

    def due(_most):
        asked.append(1)
        if len(asked) < 3:
            raise OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))
        return ["a"]

    jobs.run([Job("work", due, lambda _item: stop.set())], stop=stop)

    assert len(asked) == 3


WORKER = """
import sys, time
from flask import Flask
from sqlalchemy import column, select, table, text
from sqlalchemy.exc import IntegrityError
from portal import db, jobs, statistics
from datetime import timedelta

jobs.LEASE = timedelta(seconds=1)
app = Flask("worker")  # the whole portal would be loading still when it is killed
db.init_app(app, sys.argv[1])

def due(most):
    item = column("item")
    made = select(item).select_from(table("made"))
    left = select(item).select_from(table("todo")).where(item.not_in(made)).limit(most)
    with db.reading() as session:
        return list(session.scalars(left))

def do(item):
    with db.transaction() as session:
        session.execute(text("INSERT INTO begun VALUES (:item)"), {"item": item})
    time.sleep(0.01)
    try:
        with db.transaction() as session:
            session.execute(text("INSERT INTO made VALUES (:item)"), {"item": item})
    except IntegrityError:
        pass  # the constraint has the last word

with app.app_context():
    jobs.run([jobs.Job("make", due, do)], stop=jobs.stop_on_signals())
"""


@pytest.mark.server
def test_killed_workers_lose_nothing_and_seldom_do_a_thing_twice(each_app):
    """Two workers, killed again and again; `begun` has an item as often as it was taken up."""
    items, kills = 150, 8
    with db.transaction() as session:
        session.execute(text("CREATE TABLE todo (item VARCHAR PRIMARY KEY)"))
        session.execute(text("CREATE TABLE made (item VARCHAR PRIMARY KEY)"))
        session.execute(text("CREATE TABLE begun (item VARCHAR)"))
        for number in range(items):
            session.execute(text("INSERT INTO todo VALUES (:item)"), {"item": f"{number:03}"})
    command = [sys.executable, "-c", WORKER, each_app.extensions["settings"].database]

    def start():
        return subprocess.Popen(command, cwd=ROOT)

    workers = [start(), start()]
    chance = random.Random()
    try:
        for kill in range(kills):
            time.sleep(chance.uniform(0.7, 1.5))
            workers[kill % 2].kill()
            workers[kill % 2].wait()
            workers[kill % 2] = start()
        until = time.monotonic() + 60
        while len(items_of("made")) < items and time.monotonic() < until:
            time.sleep(0.1)
        workers[kills % 2].terminate()  # the one that was not started just now
        assert workers[kills % 2].wait(20) in {0, -signal.SIGTERM}  # or still on its way in
    finally:
        for worker in workers:
            worker.kill()

    made = items_of("made")
    assert sorted(made) == sorted(items_of("todo"))
    assert len(items_of("begun")) <= items * 1.2 + kills  # leases keep workers off each other


def items_of(name):
    with db.reading() as session:
        return session.scalars(select(column("item")).select_from(table(name))).all()


def test_a_job_with_nothing_to_do_rests_for_its_time(app, monkeypatch):
    moments, asked, stop = [0.0], [], threading.Event()
    monkeypatch.setattr(jobs.time, "monotonic", lambda: moments[0])

    def due(_limit):
        asked.append(moments[0])
        return []

    def rest(_seconds):
        moments[0] += 1
        if moments[0] > 10:
            stop.set()

    monkeypatch.setattr(stop, "wait", rest)
    jobs.run([Job("rests", due, print, every=5)], stop=stop)

    assert asked == [0, 5, 10]


def test_sqlite_learns_once_a_day_how_its_tables_have_grown(app, monkeypatch):
    monkeypatch.setattr(statistics, "_done", set())

    def known():
        with db.reading() as session:
            names = select(column("name")).select_from(table("sqlite_master"))
            return "sqlite_stat1" in session.scalars(names).all()

    make_person("Ada Lovelace")
    db.finish(keep=True)
    assert not known()

    assert jobs.run_once(statistics.STATISTICS) == 1

    assert known()
    assert statistics.STATISTICS.due(1) == []
    with db.pretend(db.utc_now() + timedelta(days=1)):
        assert len(statistics.STATISTICS.due(1)) == 1
