import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import db, jobs
from portal.jobs import Claim, Job, WorkerBeat

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


def test_what_is_due_is_done_once_and_leaves_no_claim(each_app, work):
    assert jobs.run_once(work.job) == 2
    assert jobs.run_once(work.job) == 0

    assert work.done == ["a", "b"]
    assert db.session.scalars(select(Claim)).all() == []


def test_two_workers_never_hold_the_same_item(each_app):
    assert jobs.claim("work", "a", lease=MINUTE)
    assert not jobs.claim("work", "a", lease=MINUTE)
    jobs.release("work", "a")

    assert jobs.claim("work", "a", lease=MINUTE)


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
    assert jobs.count_parked() == 1
    db.finish(keep=False)

    with db.transaction():
        assert jobs.retry_parked() == 1
    work.fails = set()
    jobs.run_once(work.job)

    assert work.done == ["a"]


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
