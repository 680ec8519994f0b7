"""Every page × every role: who gets in, who is sent to sign in, who finds nothing."""

from datetime import date

import pytest
from sqlalchemy import select
from werkzeug.routing import Rule

from portal import db
from portal.attestations import sealing
from portal.audit.checkpoints import load_signer, sign_checkpoint
from portal.campaigns import deciding, leaves
from portal.campaigns.audience import Audience
from portal.config import Role
from portal.contractors import services as contractors
from portal.contractors.services import Guest
from portal.directory import syncing
from portal.mail.models import Mail
from portal.mail.services import queue_mail
from portal.people import kiosks, local
from portal.people.door import current_door
from portal.people.models import RoleGrant
from portal.people.services import identify
from portal.reports import making
from portal.reports.queries import Filters
from portal.retention import services as retention
from portal.retention.models import DisposalItem, DisposalList
from portal.team import services as team
from portal.web import access_of
from tests.factories import make_assignment, make_attestation, make_hr, make_person, publish

OPEN = {
    "site.index",
    "site.page",
    "site.verify",
    "site.verify_number",
    "people.set_up_kiosk",
    "people.second_step",
    "people.begin_sso",
    "people.sso_back",
    "site.theme",
    "contractors.welcome",
    "site.healthz",
    "site.readyz",
    "people.sign_in",
    "people.cannot_sign_in",
    "attestations.verify",
    "attestations.former_record",
    "attestations.verify_number",
    "attestations.verify_file",
}
# Whoever is signed in, for things of their own.
LEARNER = {
    "learning.tasks",
    "people.sign_out",
    "people.stay",
    "retention.my_data",
    "retention.my_data_zip",
}
OWNER = {
    "learning.resume",
    "learning.changes",
    "learning.due_date",
    "learning.step",
    "learning.result",
    "attestations.sign",
    "attestations.disagree",
    "attestations.disagreed",
    "attestations.policy",
    "attestations.receipt",
    "attestations.receipt_pdf",
}
FOR_HR = {
    "reports.who_has_signed",
    "reports.person",
    "reports.record",
    "reports.people_csv",
    "reports.records_zip",
    "reports.records_zip_at",
    "reports.figures",
    "reports.questions",
    "reports.list_declared",
    "reports.list_file",
    "reports.exports_made",
    "reports.request_export",
    "reports.export",
    "reports.export_file",
    "reports.log",
    "reports.checkpoint",
    "campaigns.overview",
    "campaigns.new",
    "campaigns.campaign",
    "campaigns.change",
    "campaigns.audience",
    "campaigns.reminders",
    "campaigns.preview",
    "campaigns.launch",
    "campaigns.extend",
    "campaigns.close",
    "campaigns.copy",
    "campaigns.delete",
    "campaigns.exempt",
    "campaigns.end_exemption",
    "campaigns.release",
    "campaigns.take_back",
    "campaigns.more_time",
    "campaigns.leave",
    "campaigns.back",
    "campaigns.version",
    "attestations.paper",
    "attestations.make_link",
    "attestations.paper_form",
    "attestations.refusal",
    "reminders.runs",
    "team.unreached",
    "people.shared_devices",
    "retention.overview",
    "retention.period",
    "retention.contract_period",
    "retention.hold",
    "retention.end_hold",
    "retention.make_list",
    "retention.disposal",
    "retention.keep",
    "people.end_kiosk",
    "contractors.invite_many",
    "contractors.decisions",
    "mail.log",
    "mail.message",
    "mail.again",
}
# For who manages people or stands in for somebody; 404 for others.
FOR_MANAGERS = {
    "team.people",
    "team.download",
    "team.crew_list",
    "team.deputy",
    "team.end_deputy",
    "team.nudge",
}
# For who has a password of their own here; 404 for people of the directory.
FOR_LOCAL = {"people.account", "people.set_code", "people.begin_code", "people.end_code"}
# For HR, and for the sponsor of a contractor.
FOR_SPONSORS = {
    "contractors.overview",
    "contractors.contractor",
    "contractors.send_link",
    "contractors.letter",
    "contractors.revoke",
    "contractors.extend",
    "contractors.end",
}
FOR_WHO_INVITES = {"contractors.invite"}  # HR and managers
# 404 without a person or a firm, and for a course that there is not.
NEEDS_A_QUESTION = {"contractors.decide", "courses.publish"}
# HR ends the grants of sponsors, and the one that is tried here is an author's.
FOR_ADMINS = {"directory.syncs", "directory.check", "directory.end_grant"}
FOR_HR_AND_ADMINS = {"directory.sync", "directory.list_roles"}
FOR_HR_AND_AUTHORS = {
    "courses.drafts",
    "courses.versions",
    "courses.version",
    "courses.step",
    "courses.archive",
}
# HR stands in for the manager here, and names no deputy of their own.
LEADS = {
    endpoint: {"manager"} if "deputy" in endpoint else {"manager", "hr"}
    for endpoint in FOR_MANAGERS
}
MAIL = {"full_name": "A", "manager": "B", "until": date(2030, 1, 30), "link": "/team/"}
# There may be no such checkpoint; a POST without a kind of file is refused.
MAY_BE_GONE = {"reports.records_zip_at", "reports.checkpoint"}
UNSET = {"site.mark", "people.sso_again"}  # 404 for everyone until a mark, or a provider, is set
NEEDS_SOMEBODY = UNSET - {"people.sso_again"}
DAY = date(2028, 1, 30)


@pytest.fixture
def city(app):
    """One signed record with its owner, and people of each role."""
    owner = make_person("Ada Lovelace")
    attestation = make_attestation(person=owner)
    version = publish()
    people = {
        "owner": owner,
        "colleague": make_person("Other Employee"),
        "manager": make_person("Their Manager", audiences=["employee", "manager"]),
        "author": make_person("Colby Marsh", roles=["author", "learner"]),
        "hr": make_hr(),
        "admin": make_person("Taylor Bear", roles=["admin", "learner"]),
        "sponsor": make_person("Avery Chen", email="avery@city.example"),
    }
    people["guest"] = contractors.invite(
        Guest(
            "Jo Kowal", "jo@firm.example", "Firm", "Builds", DAY, DAY, people["sponsor"].username
        ),
        by=identify(people["hr"]),
    )
    local.begin_second_step(people["guest"].id, key=current_door().key, issuer="x")
    for person in people.values():
        make_assignment(person=person)
    campaign = attestation.assignment.campaign
    by = identify(people["hr"])
    exemption = deciding.exempt(campaign, Audience(), reason="Nobody.", by=by)
    day = DAY
    owner.manager_id, owner.email = people["manager"].id, "ada@city.example"
    deputy = team.delegate(
        identify(people["manager"]),
        username=people["hr"].username,
        until=db.today(),
        today=db.today(),
    )
    queue_mail("deputy", to=None, address="a@city.example", key="k", language="en", **MAIL)
    leave = leaves.begin_leave(owner.id, begins_on=day, ends_on=None, reason="Later.", by=by)
    kiosks.offer("Tablet", "", by=by)
    kiosk = kiosks.list_kiosks()[0]
    held = retention.hold(campaign_id=campaign.id, username="", reason="x", by=by)
    gone = DisposalList(made_by=by.id)
    db.session.add(gone)
    db.session.flush()
    db.session.add(DisposalItem(list_id=gone.id, assignment_id=attestation.assignment_id, place=1))
    sync = syncing.ask(dry=True, force=False, by=by)
    grant = RoleGrant(person_id=owner.id, role="author", reason="x", until=day, made_by=by.id)
    db.session.add(grant)
    db.session.flush()
    export = making.request_export("people-csv", campaign.id, Filters(), by=by)
    db.finish(keep=True)
    sealing.do(str(attestation.id))
    making.EXPORT.do(str(export.id))
    return people, {
        "export_id": export.id,
        "campaign_id": campaign.id,
        "exemption_id": exemption.id,
        "leave_id": leave.id,
        "delegation_id": deputy.id,
        "kiosk_id": kiosk.id,
        "hold_id": held.id,
        "list_id": gone.id,
        "mail_id": db.session.scalars(select(Mail.id)).one(),
        "assignment_id": attestation.assignment_id,
        "item_id": attestation.assignment_id,
        "attestation_id": attestation.id,
        "person_id": owner.id,
        "version_id": version.id,
        "section": "rules",
        "slug": "the-rule",
        "number": attestation.number,
        "name": "help",
        "size": 1,
        "token": "x",
        "key": "nothing",
        "extension": "csv",
        "guest_id": people["guest"].id,
        "sync_id": sync.id,
        "grant_id": grant.id,
    }


def address(rule: Rule, values: dict[str, object]) -> str:
    path = rule.rule
    if rule.endpoint == "reports.list_file":
        values = values | {"name": "mail"}
    if rule.endpoint.startswith("contractors."):
        values = values | {"person_id": values["guest_id"]}
    for name in rule.arguments:
        for kind in ("uuid:", "int:", "any(help, privacy, accessibility):", "any(csv, xlsx):", ""):
            path = path.replace(f"<{kind}{name}>", str(values[name]))
    return path


def get(app, browser, rule, values):
    db.finish(keep=True)
    method = "GET" if "GET" in rule.methods else "POST"
    return browser.open(address(rule, values), method=method).status_code


def test_every_page_is_in_exactly_one_list(app):
    groups = [OPEN, LEARNER, OWNER, FOR_HR, FOR_MANAGERS, FOR_HR_AND_AUTHORS, UNSET]
    groups += [FOR_ADMINS, FOR_HR_AND_ADMINS, FOR_LOCAL, FOR_SPONSORS, FOR_WHO_INVITES]
    groups += [NEEDS_A_QUESTION]
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()}

    assert endpoints == set().union(*groups)
    assert sum(map(len, groups)) == len(endpoints)


def test_every_page_says_who_may_see_it(app):
    for endpoint, view in app.view_functions.items():
        roles = access_of(view)
        assert (roles is None) == (endpoint in OPEN | NEEDS_SOMEBODY), endpoint


def test_who_is_not_signed_in_is_led_to_the_sign_in_page_and_nowhere_else(app, city):
    _people, values = city
    for rule in app.url_map.iter_rules():
        if rule.endpoint in OPEN | UNSET:
            continue
        method = "GET" if "GET" in rule.methods else "POST"
        answer = app.test_client().open(address(rule, values), method=method)
        assert answer.status_code == 302, rule
        assert answer.location.startswith("/people/sign-in"), rule


@pytest.mark.parametrize(
    "role", ["owner", "colleague", "manager", "author", "hr", "admin", "sponsor", "guest"]
)
def test_each_role_gets_what_is_for_it_and_404_elsewhere(app, city, sign_in, role):
    people, values = city
    for rule in app.url_map.iter_rules():
        if rule.endpoint in OPEN | UNSET | {"people.sign_out"} | NEEDS_A_QUESTION:
            continue
        allowed = (
            rule.endpoint in LEARNER
            or (rule.endpoint in OWNER and role == "owner")
            or (rule.endpoint in FOR_HR and role == "hr")
            or (rule.endpoint in FOR_MANAGERS and role in LEADS[rule.endpoint])
            or (rule.endpoint in FOR_HR_AND_AUTHORS and role in {"hr", "author"})
            or (rule.endpoint in FOR_ADMINS and role == "admin")
            or (rule.endpoint in FOR_SPONSORS and role in {"hr", "sponsor"})
            or (rule.endpoint in FOR_WHO_INVITES and role in {"hr", "manager"})
            or (rule.endpoint == "contractors.overview" and role == "manager")
            or (rule.endpoint in FOR_LOCAL and role == "guest")
            or (rule.endpoint in FOR_HR_AND_ADMINS and role in {"hr", "admin"})
        )
        status = get(app, sign_in(people[role]), rule, values)
        if rule.endpoint in MAY_BE_GONE and allowed:
            assert status in {200, 404}, rule  # there may be no such checkpoint
        else:
            got_in = status < 400 or status == 409  # 409: a rule said no, and not to this role
            assert got_in is allowed, f"{rule} gave {role} {status}"
            assert allowed or status == 404, f"{rule} gave {role} {status}"


def test_roles_are_those_that_the_settings_know():
    assert {role.value for role in Role} == {"learner", "hr", "author", "admin", "sponsor"}


@pytest.mark.parametrize("zeros", [9, 25])
def test_a_number_larger_than_anything_is_counted_leads_to_no_page(app, city, sign_in, zeros):
    people, values = city
    rules = [rule for rule in app.url_map.iter_rules() if "<int:" in rule.rule]
    browser = sign_in(people["hr"])

    assert rules
    for rule in rules:
        path = address(rule, values | dict.fromkeys(rule.arguments, f"1{'0' * zeros}"))
        assert browser.get(path).status_code == 404, rule


FILES = {
    "attestations.receipt_pdf",
    "courses.archive",
    "learning.due_date",
    "reports.checkpoint",
    "reports.export_file",
    "reports.list_file",
    "reports.people_csv",
    "reports.record",
    "reports.records_zip_at",
    "retention.my_data_zip",
    "team.download",
}


@pytest.mark.parametrize("role", ["owner", "manager", "author", "hr", "admin", "sponsor", "guest"])
def test_a_shared_device_gets_no_file_whatever_the_page_and_whoever_is_there(
    app, city, sign_in, role
):
    people, values = city
    db.finish(keep=True)
    with db.transaction():
        values["size"] = sign_checkpoint(load_signer(app.extensions["settings"])).size
    own = sign_in(people[role])
    shared = sign_in(people[role], kiosk=values["kiosk_id"])
    files = set()
    for rule in app.url_map.iter_rules():
        if "GET" not in rule.methods:
            continue
        answer = own.get(address(rule, values))
        if not answer.headers.get("Content-Disposition", "").startswith("attachment"):
            continue
        files.add(rule.endpoint)
        refused = shared.get(address(rule, values))
        assert refused.status_code == 409, rule
        assert "Content-Disposition" not in refused.headers, rule
        assert "A file would stay on this shared device" in refused.text, rule

    assert files <= FILES
    assert "retention.my_data_zip" in files
    assert role != "hr" or files == FILES - {"attestations.receipt_pdf", "learning.due_date"}
