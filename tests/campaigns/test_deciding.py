import json
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from portal import db, jobs
from portal.attestations import recording
from portal.audit.models import AuditEntry
from portal.campaigns import deciding, giving, leaves
from portal.campaigns.audience import Audience, Fact, Part
from portal.campaigns.models import Decision, Status
from portal.errors import Refused
from portal.people.models import Person
from portal.people.services import identify
from tests.factories import make_assignment, make_attestation, make_hr, make_person

DAY = date(2026, 12, 1)
OPEN = [Status.IN_PROGRESS, Status.REFUSED, Status.READY]
EMPLOYEES = Audience((Part({Fact.KIND: ("employee",)}),))


@pytest.fixture
def harper(app):
    return identify(make_hr())


@pytest.fixture
def harper_of(each_app):
    """The same, on each database."""
    return identify(make_hr())


@pytest.fixture
def on(clock):
    def set_to(day):
        clock(datetime(day.year, day.month, day.day, 18, tzinfo=UTC))

    set_to(DAY)
    return set_to


def decisions_of(assignment):
    return [each.decision for each in deciding.list_decisions([assignment.id])]


def log_of(action):
    """The details of these entries, oldest first."""
    leaves = select(AuditEntry.leaf).where(AuditEntry.action == action)
    found = db.session.scalars(leaves.order_by(AuditEntry.position))
    return [json.loads(leaf)["details"] for leaf in found]


def settle():
    db.finish(keep=True)
    jobs.run_once(leaves.SETTLE)
    db.session.expire_all()


def test_a_release_discharges_the_duty_and_keeps_who_and_why(app, harper):
    duty = make_assignment()

    deciding.release(duty, reason="Retires in May.", until=None, by=harper)

    assert duty.status is Status.WAIVED
    kept = deciding.list_decisions([duty.id])[0]
    assert (kept.reason, kept.by_id, kept.status_before) == (
        "Retires in May.",
        harper.id,
        Status.NOT_STARTED,
    )


def test_who_has_signed_cannot_be_released(app, harper):
    attestation = make_attestation()

    with pytest.raises(Refused, match="signed or is released"):
        deciding.release(attestation.assignment, reason="x", until=None, by=harper)


def test_ending_a_release_brings_the_duty_back_as_it_was(app, harper):
    duty = make_assignment(done=True)
    deciding.release(duty, reason="x", until=None, by=harper)

    deciding.take_back(duty, reason="Stays after all.", by=harper)

    assert duty.status is Status.READY
    assert decisions_of(duty) == [Decision.WAIVED, Decision.RETURNED]


def test_a_release_up_to_a_day_ends_by_itself_the_day_after(app, harper, on):
    duty = make_assignment()
    deciding.release(duty, reason="x", until=DAY, by=harper)
    settle()
    assert duty.status is Status.WAIVED

    on(DAY + timedelta(days=1))
    settle()

    assert duty.status is Status.NOT_STARTED
    assert leaves.SETTLE.due(10) == []


def test_who_signed_on_paper_during_a_release_has_signed_when_it_is_over(app, harper, on):
    duty = make_assignment(done=True)
    deciding.release(duty, reason="x", until=DAY + timedelta(days=3), by=harper)
    recording.record_paper(
        duty, signed_on=DAY, scan=b"%PDF-1.7", witness="Jo Field", note="", by=harper
    )
    db.finish(keep=True)

    on(DAY + timedelta(days=4))

    assert (duty.status, duty.waived_until) == (Status.SIGNED, None)
    assert leaves.SETTLE.due(10) == []


def test_who_signed_while_hr_released_them_has_signed_when_the_release_is_over(app, harper, on):
    duty = make_attestation().assignment
    duty.waived_until = DAY
    db.finish(keep=True)

    on(DAY + timedelta(days=1))
    leaves.settle(duty.id, today=db.today())

    assert duty.status is Status.SIGNED
    assert leaves.SETTLE.due(10) == []


def test_who_works_here_again_has_the_duty_again_whatever_was_decided_about_others(app, harper, on):
    duty = make_assignment(person=make_person(left_on=DAY))
    settle()
    on(DAY + timedelta(days=1))
    other = make_assignment(person=make_person())
    deciding.release(other, reason="x", until=None, by=harper)

    duty.person.left_on = None
    settle()

    assert duty.status is Status.NOT_STARTED


def test_one_person_gets_more_time_and_both_days_are_kept(app, harper):
    duty = make_assignment(due_on=DAY)

    deciding.give_time(duty, due_on=DAY + timedelta(days=9), reason="On nights.", by=harper)

    kept = deciding.list_decisions([duty.id])[0]
    assert duty.due_on == date(2026, 12, 10)
    assert (kept.due_before, kept.due_after) == (DAY, date(2026, 12, 10))


def test_somebody_else_of_hr_decides_about_the_duties_of_hr(app, harper):
    duty = make_assignment(person=db.session.get(Person, harper.id), due_on=DAY)
    sam = identify(make_hr("Sam Silva"))
    week = {"begins_on": DAY, "ends_on": DAY + timedelta(days=7), "reason": "x"}
    leave = leaves.begin_leave(harper.id, **week, by=sam)
    own = [
        lambda by: leaves.end_leave(leave, ends_on=DAY + timedelta(days=9), by=by),
        lambda by: leaves.begin_leave(
            harper.id, begins_on=date(2027, 5, 3), ends_on=None, reason="x", by=by
        ),
        lambda by: deciding.give_time(duty, due_on=date(2027, 5, 3), reason="x", by=by),
        lambda by: deciding.release(duty, reason="x", until=None, by=by),
    ]

    for decide in own:
        with pytest.raises(Refused, match="Somebody else of HR has to decide this for you"):
            decide(harper)
        decide(sam)

    assert duty.status is Status.WAIVED


def test_an_earlier_day_is_no_extension(app, harper):
    with pytest.raises(Refused, match="after the one"):
        deciding.give_time(make_assignment(due_on=DAY), due_on=DAY, reason="x", by=harper)


def test_a_leave_stops_the_clock_and_gives_the_days_back(app, harper, on):
    duty = make_assignment(due_on=DAY + timedelta(days=10))
    leaves.begin_leave(
        duty.person_id,
        begins_on=DAY + timedelta(days=5),
        ends_on=DAY + timedelta(days=25),
        reason="Away",
        by=harper,
    )
    settle()
    assert duty.paused_on is None

    on(DAY + timedelta(days=12))
    settle()
    assert duty.paused_on == DAY + timedelta(days=5)

    on(DAY + timedelta(days=25))
    settle()
    assert duty.paused_on is None
    assert duty.due_on == DAY + timedelta(days=30)
    assert decisions_of(duty) == [Decision.PAUSED, Decision.RESUMED]


def test_a_leave_without_an_end_goes_on_until_hr_says_so(app, harper, on):
    duty = make_assignment(due_on=DAY + timedelta(days=1))
    leave = leaves.begin_leave(
        duty.person_id, begins_on=DAY, ends_on=None, reason="Away", by=harper
    )
    on(DAY + timedelta(days=100))
    settle()
    assert duty.paused_on == DAY

    leaves.end_leave(leave, ends_on=DAY + timedelta(days=100), by=harper)

    assert duty.paused_on is None
    assert duty.due_on == DAY + timedelta(days=101)


def test_a_duty_that_came_during_the_leave_gets_back_only_its_own_days(app, harper, on):
    person = make_person()
    leaves.begin_leave(
        person.id,
        begins_on=DAY - timedelta(days=30),
        ends_on=DAY + timedelta(days=3),
        reason="Away",
        by=harper,
    )
    duty = make_assignment(person=person, due_on=DAY + timedelta(days=10))
    duty.assigned_at = datetime(2026, 12, 1, 18, tzinfo=UTC)
    settle()

    on(DAY + timedelta(days=3))
    settle()

    assert duty.due_on == DAY + timedelta(days=13)


@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [(0, 0, "after the first day away"), (5, 8, "Another leave"), (-9, None, "Another leave")],
)
def test_leaves_that_cross_are_refused(app, harper, on, begins, ends, words):
    person = make_person()
    day = DAY + timedelta(days=1)
    leaves.begin_leave(
        person.id, begins_on=day, ends_on=day + timedelta(days=7), reason="x", by=harper
    )

    with pytest.raises(Refused, match=words):
        leaves.begin_leave(
            person.id,
            begins_on=day + timedelta(days=begins),
            ends_on=None if ends is None else day + timedelta(days=ends),
            reason="x",
            by=harper,
        )


COUNCIL_OFFICE = Audience((Part({Fact.GROUP: ("council-office",)}),))


def carry_out():
    db.finish(keep=True)
    done = jobs.run_once(deciding.EXEMPT)
    db.session.expire_all()
    return done


def test_an_exemption_releases_who_has_the_duty_and_keeps_it_from_joiners(app, harper):
    clerk = make_assignment(person=make_person(groups=["council-office"]))
    other = make_assignment(person=make_person())

    exemption = deciding.exempt(clerk.campaign, COUNCIL_OFFICE, reason="Own code.", by=harper)
    carry_out()
    make_person(groups=["council-office"])

    assert clerk.status is Status.WAIVED
    assert other.status is Status.NOT_STARTED
    assert giving.give(clerk.campaign) == 0

    deciding.end_exemption(exemption, by=harper)
    carry_out()

    assert clerk.status is Status.NOT_STARTED
    assert decisions_of(clerk) == [Decision.EXEMPTED, Decision.RETURNED]
    assert [each.by_id for each in deciding.list_decisions([clerk.id])] == [harper.id, harper.id]
    assert giving.give(clerk.campaign) == 1
    assert deciding.EXEMPT.due(10) == []


def test_an_exemption_that_ends_gives_each_duty_back_as_it_was(each_app):
    harper = identify(make_hr())
    duties = [make_assignment(person=make_person(), status=status) for status in OPEN]
    signed = make_assignment(person=make_person(), status=Status.SIGNED)
    exemption = deciding.exempt(signed.campaign, EMPLOYEES, reason="x", by=harper)
    carry_out()
    again = duties.pop()
    deciding.take_back(again, reason="Not this one.", by=harper)

    deciding.end_exemption(exemption, by=harper)
    carry_out()

    assert [each.status for each in duties] == OPEN[:-1]
    assert (again.status, signed.status) == (OPEN[-1], Status.SIGNED)
    assert decisions_of(duties[0]) == decisions_of(again) == [Decision.EXEMPTED, Decision.RETURNED]
    assert decisions_of(signed) == []


def test_an_exemption_touches_no_signature(app, harper):
    attestation = make_attestation()
    rule = Audience((Part({Fact.KIND: ("employee",)}),))

    deciding.exempt(attestation.assignment.campaign, rule, reason="x", by=harper)
    carry_out()

    assert attestation.assignment.status is Status.SIGNED


def test_who_was_given_back_the_duty_or_released_again_stays_so_when_the_exemption_ends(
    app, harper
):
    duties = [make_assignment(person=make_person(groups=["council-office"])) for _ in range(3)]
    back, released, exempt = duties
    exemption = deciding.exempt(back.campaign, COUNCIL_OFFICE, reason="Own code.", by=harper)
    carry_out()
    deciding.take_back(back, reason="Not there any more.", by=harper)
    deciding.take_back(released, reason="Not there any more.", by=harper)
    deciding.release(released, reason="Retires.", until=None, by=harper)
    assert carry_out() == 0

    deciding.end_exemption(exemption, by=harper)
    carry_out()

    assert [each.status for each in duties] == [
        Status.NOT_STARTED,
        Status.WAIVED,
        Status.NOT_STARTED,
    ]
    assert decisions_of(exempt) == [Decision.EXEMPTED, Decision.RETURNED]


@pytest.mark.parametrize("ends", [False, True])
def test_a_worker_that_is_killed_in_an_exemption_leaves_nothing_undone_or_done_twice(
    each_app, harper_of, monkeypatch, ends
):
    people = [make_person(groups=["council-office"]) for _ in range(5)]
    duties = [make_assignment(person=each) for each in people]
    exemption = deciding.exempt(
        duties[0].campaign, COUNCIL_OFFICE, reason="Own code.", by=harper_of
    )
    if ends:
        carry_out()
        deciding.end_exemption(exemption, by=harper_of)
    monkeypatch.setattr(giving, "BATCH", 2)
    db.finish(keep=True)
    with monkeypatch.context() as killed:
        killed.setattr(jobs, "renew", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            deciding.EXEMPT.do(deciding.EXEMPT.due(1)[0])

    deciding.EXEMPT.do(deciding.EXEMPT.due(1)[0])
    db.session.expire_all()

    decisions = [Decision.EXEMPTED, Decision.RETURNED][: 1 + ends]
    assert {each.status for each in duties} == {Status.NOT_STARTED if ends else Status.WAIVED}
    assert all(decisions_of(each) == decisions for each in duties)
    logged = log_of("exemption.carried_out")[-1]
    assert logged == {"decision": decisions[-1].value, "duties": len(duties)}
    assert deciding.EXEMPT.due(1) == []


def test_an_exemption_that_ended_before_it_was_carried_out_releases_nobody(app, harper):
    clerk = make_assignment(person=make_person(groups=["council-office"]))
    exemption = deciding.exempt(clerk.campaign, COUNCIL_OFFICE, reason="x", by=harper)

    deciding.end_exemption(exemption, by=harper)
    carry_out()

    assert decisions_of(clerk) == []


def test_every_decision_is_in_the_log_with_who_took_it_and_what_it_changed(app, harper):
    duty = make_assignment(due_on=DAY)
    later = DAY + timedelta(days=9)
    deciding.give_time(duty, due_on=later, reason="Private words", by=harper)
    deciding.release(duty, reason="Private words", until=later, by=harper)

    leaves_of_log = db.session.scalars(
        select(AuditEntry.leaf).where(AuditEntry.action == "duty.decided")
    ).all()
    extended, released = log_of("duty.decided")

    assert all(str(harper.id) in leaf for leaf in leaves_of_log)
    assert not any("Private words" in leaf for leaf in leaves_of_log)
    assert (extended["before"], extended["after"]) == (
        {"due_on": "2026-12-01"},
        {"due_on": "2026-12-10"},
    )
    assert (released["before"], released["after"]) == (
        {"status": "not_started", "waived_until": None},
        {"status": "waived", "waived_until": "2026-12-10"},
    )
