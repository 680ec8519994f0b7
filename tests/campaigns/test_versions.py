import shutil
from datetime import timedelta

import pytest

from portal import db
from portal.attestations import services as attestations
from portal.campaigns import deciding, giving, previewing, versions
from portal.campaigns.models import Kind, Status
from portal.campaigns.previewing import Group
from portal.campaigns.versions import Reach
from portal.courses import services as courses
from portal.courses.comparing import Difference
from portal.errors import Refused
from portal.learning import services as learning
from portal.people.services import identify
from tests.conftest import ROOT
from tests.factories import make_assignment, make_attestation, make_hr, make_person, progress_of

CHANGED = "rules/the-rule"


@pytest.fixture
def harper(app):
    return identify(make_hr())


@pytest.fixture
def publish_again(tmp_path):
    """Publishes the small course with other words in one of its pages."""

    def publish(words="Other words."):
        folder = tmp_path / words.replace(" ", "-").lower()
        shutil.copytree(ROOT / "tests/content", folder)
        page = next((folder / "small-course" / "rules").glob("*-the-rule.md"))
        page.write_text(page.read_text() + f"\n{words}\n")
        return courses.get_version(courses.publish(folder, "small-course").id)

    return publish


def decide(version, harper, change="material"):
    due_on = db.today() + timedelta(days=14)
    return versions.decide(version, change=change, due_on=due_on, title="What changed", by=harper)


def test_a_first_version_needs_no_decision_and_a_later_one_waits_for_it(app, publish_again):
    make_assignment()

    later = publish_again()

    assert [each.change for each in courses.list_versions()] == ["", "first"]
    assert later.change == ""


def test_hr_sees_how_many_signatures_a_version_reaches_before_deciding(app, publish_again):
    make_attestation()
    make_attestation()
    make_assignment(person=make_person(), status=Status.IN_PROGRESS)
    make_assignment(person=make_person())

    assert versions.count_reach(publish_again()) == Reach(signed=2, running=1, waiting=1)


def test_minor_who_has_not_begun_gets_it_and_who_has_begun_ends_what_they_began(
    app, harper, publish_again
):
    began = make_assignment(person=make_person(), status=Status.IN_PROGRESS)
    waits = make_assignment(person=make_person())
    signed = make_attestation().assignment
    first = began.course_version_id
    later = publish_again()

    assert decide(later, harper, "minor") is None

    db.session.expire_all()
    assert began.course_version_id == first
    assert signed.course_version_id == first
    assert waits.course_version_id == later.id
    assert waits.campaign.course_version_id == later.id


def test_a_record_names_the_version_that_was_signed(app, harper, publish_again):
    began = make_assignment(person=make_person(), done=True)
    decide(publish_again(), harper, "minor")

    attestation = make_attestation(person=began.person)

    assert '"number":1' in attestation.record


def test_material_who_signed_before_gets_only_what_changed(app, harper, publish_again):
    ada = make_attestation(person=make_person("Ada Lovelace")).assignment.person
    make_assignment(person=make_person("Not Yet"))
    campaign = decide(publish_again(), harper)

    assert giving.give(campaign) == 1

    db.session.expire_all()
    duty = next(each for each in learning.list_progress(identify(ada)) if each.duty.is_open)
    assert duty.duty.kind is Kind.UPDATE
    assert [step.key for _section, step in duty.walk] == [CHANGED]
    assert duty.difference is not None
    assert duty.difference.changed == (duty.walk[0][1].title,)


def test_what_changed_is_signed_and_the_record_names_only_what_was_read(
    app, harper, publish_again, settings
):
    ada = make_attestation(person=make_person("Ada Lovelace")).assignment.person
    campaign = decide(publish_again(), harper)
    giving.give(campaign)
    duty = make_assignment(person=ada, campaign=campaign)
    progress = progress_of(duty)

    learning.read(progress, progress.next)
    attestations.sign(duty.id, person=identify(ada), typed_name="Ada Lovelace", settings=settings)

    record = attestations.get_receipt(duty.id, person=identify(ada))
    assert record.version == 2
    assert giving.give(campaign) == 0


def test_who_signs_the_old_version_later_gets_what_changed_after_that(app, harper, publish_again):
    began = make_assignment(person=make_person(), done=True)
    campaign = decide(publish_again(), harper)
    assert giving.give(campaign) == 0

    make_attestation(person=began.person)

    assert giving.give(campaign) == 1


def test_who_signed_the_new_version_elsewhere_is_not_asked(app, harper, publish_again):
    make_attestation(person=make_person("Ada Lovelace"))
    waits = make_assignment(person=make_person("Grace Hopper"))
    campaign = decide(publish_again(), harper)
    db.session.expire_all()
    make_attestation(person=waits.person)

    assert giving.give(campaign) == 1  # Ada alone


def test_a_second_material_version_asks_for_all_that_changed_in_one_go(app, harper, publish_again):
    ada = make_attestation(person=make_person("Ada Lovelace")).assignment.person
    first = decide(publish_again("One."), harper)
    giving.give(first)

    second = decide(publish_again("Two."), harper)
    giving.give(second)

    db.session.expire_all()
    open_duties = [each for each in learning.list_progress(identify(ada)) if each.duty.is_open]
    assert len(open_duties) == 1
    assert open_duties[0].duty.course_version_id == second.course_version_id
    assert first.closed_at is not None


def test_a_version_that_goes_back_asks_only_who_signed_what_was_between(each_app, publish_again):
    hr = identify(make_hr())
    ada = make_attestation(person=make_person("Ada Lovelace")).assignment.person
    grace = make_attestation(person=make_person("Grace Hopper")).assignment.person
    update = decide(publish_again(), hr)
    giving.give(update)
    duty = make_assignment(person=grace, campaign=update)
    learning.read(progress_of(duty), progress_of(duty).next)
    make_attestation(person=grace, campaign=update)
    back = go_back()

    assert versions.count_reach(back).signed == 1
    campaign = decide(back, hr)
    counts, _departments = previewing.count(campaign)
    lines = {
        each.full_name: each.why
        for each in previewing.list_people(campaign, Group.OUT, counts=counts, name="", page=1)
    }

    assert counts.inside == 1
    assert "this text already" in lines["Ada Lovelace"]
    assert giving.give(campaign) == 1
    db.session.expire_all()
    assert not [each for each in learning.list_progress(identify(ada)) if each.duty.is_open]
    (open_duty,) = [each for each in learning.list_progress(identify(grace)) if each.duty.is_open]
    assert not open_duty.difference.is_empty


def test_who_waits_with_an_update_that_was_taken_back_is_released(app, harper, publish_again):
    ada = make_attestation(person=make_person("Ada Lovelace")).assignment.person
    began = make_attestation(person=make_person("Grace Hopper")).assignment.person
    update = decide(publish_again(), harper)
    giving.give(update)
    make_assignment(person=began, campaign=update, status=Status.IN_PROGRESS)
    waits = make_assignment(person=ada, campaign=update)

    campaign = decide(go_back(), harper)

    db.session.expire_all()
    assert waits.status is Status.WAIVED
    (decision,) = deciding.list_decisions([waits.id])
    assert decision.reason == "The text is again the one that they signed."
    assert make_assignment(person=began, campaign=update).status is Status.IN_PROGRESS
    assert giving.give(campaign) == 0


def go_back():
    """The small course as it was at first, as a new version."""
    return courses.get_version(courses.publish(ROOT / "tests/content", "small-course").id)


def test_a_version_is_decided_once(app, harper, publish_again):
    make_assignment()
    version = publish_again()
    decide(version, harper, "minor")

    with pytest.raises(Refused, match="decided about this version already"):
        decide(version, harper)


def test_only_the_newest_version_is_decided_about(app, harper, publish_again):
    make_assignment()
    older = publish_again("One.")
    publish_again("Two.")

    with pytest.raises(Refused, match="newer version"):
        decide(older, harper)


def test_five_changes_are_shown_and_the_rest_on_request(app):
    pages = tuple(f"Page {number}" for number in range(6))
    difference = Difference(pages, (), (), policy_changed=True, statement_changed=False, rows=())

    with app.test_request_context():
        html = str(app.jinja_env.get_template("macros/ui.html").module.changes(difference, ""))

    shown, rest = html.split("<details")
    assert shown.count("<li>") == 5
    assert "The text of the policy" in shown
    assert "Show 2 more" in rest
    assert "Page 5" in rest
