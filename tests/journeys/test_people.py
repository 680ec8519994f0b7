"""Who comes in and who has to go: passwords, a dead directory, contractors, leavers, roles."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from ldap3 import MODIFY_REPLACE
from playwright.sync_api import expect

from portal.people.demo_people import everybody
from portal.people.ldap_values import PERMANENTLY_LOCKED
from tests import servers
from tests.documents.conformance import text_of
from tests.journeys.conftest import Portal, first_third, start_portal, stop_portal, untouched
from tests.journeys.walking import Walker, wait_for
from tests.journeys.watching import Watcher
from tests.people.provider import Provider, provider
from tests.people.proxy import Proxy

TODAY = datetime.now(ZoneInfo("America/Edmonton")).date()
MEMBERS = {member.username: member for member in everybody()}
HALF = "½ Glas Wasser"
MANNERS = [("phone", False), ("desktop", True)]


@dataclass
class City:
    """A portal with a directory of its own, which can be changed and cut off."""

    portal: Portal
    directory: servers.Slapd
    line: Proxy

    def cut(self, mode: str) -> None:
        """Let the directory die, in one of the proxy's ways."""
        self.line.mode = mode
        self.line.hang_up()

    def mend(self) -> None:
        """The directory is back."""
        self.line.mode = "pass"
        self.line.hang_up()


@pytest.fixture(scope="module")
def city(beginning) -> Iterator[City]:
    people = servers.slapd(first_third(), passwords={"lukasz.nguyen": HALF})
    with people as directory, Proxy(directory.port) as line:
        urls = (f"ldaps://localhost:{line.port}",)
        settings = replace(directory, settings=replace(directory.settings, urls=urls))
        portal = start_portal(beginning, **settings.environment)
        yield City(portal, directory, line)
        assert stop_portal(portal) == 0


@pytest.fixture(params=MANNERS, ids=["phone", "desktop"])
def open_page(request, new_page):
    """A browser, on a phone without JavaScript and on a desk with it."""
    kind, javascript = request.param
    return lambda: new_page(kind, javascript=javascript)


def _look(walker):
    """Ask axe about this page, where it can run."""
    if walker.page.evaluate("matchMedia('(scripting: enabled)').matches"):
        Watcher(walker.page).look()


@pytest.mark.parametrize(
    ("username", "words"),
    [
        ("riley.okafor", "Your password must be changed before you can sign in here."),
        ("drew.former", "This account can’t sign in. Contact IT."),
    ],
)
def test_who_cannot_sign_in_reads_why(portal_server, open_page, username, words):
    someone = Walker(open_page(), portal_server.url, "annual-attestation")

    someone.sign_in(username)

    expect(someone.page.get_by_role("alert")).to_contain_text(words)
    expect(someone.page.locator("#username-error")).to_contain_text(words)
    _look(someone)
    help_link = someone.page.get_by_role("link", name="Get help with your password")
    assert help_link.count() == (username == "riley.okafor")
    if help_link.count():
        help_link.click()
        expect(someone.heading).to_have_text("I cannot sign in")
        expect(someone.page.get_by_role("main")).to_contain_text("or it must be changed")
        _look(someone)
        someone.page.get_by_role("link", name="Back", exact=True).click()
    expect(someone.heading).to_have_text("Sign in")


def test_lukasz_signs_in_with_a_half_in_his_password(city, open_page):
    lukasz = Walker(open_page(), city.portal.url, "annual-attestation")

    lukasz.sign_in("lukasz.nguyen", HALF.replace("½", "1⁄2"))
    expect(lukasz.page.get_by_role("alert")).to_contain_text("The name or password is wrong.")
    lukasz.sign_in("lukasz.nguyen", HALF)

    expect(lukasz.heading).to_have_text("Your tasks")


@pytest.mark.parametrize(
    ("kind", "javascript", "username", "dies"), [("phone", False, "avery.chen", "reset")]
)
def test_the_directory_dies_and_nobody_loses_what_they_did(
    city, new_page, kind, javascript, username, dies
):
    name = MEMBERS[username].full_name
    avery = Walker(new_page(kind, javascript=javascript), city.portal.url, "annual-attestation")
    avery.sign_in(username)
    avery.begin()
    for _ in range(5):
        avery.one_step()

    city.cut(dies)
    try:
        avery.walk()
        before = avery.page.locator("main dl").inner_text()
        begun = time.monotonic()
        answer = _try_to_sign(avery, name)
        assert time.monotonic() - begun < 10
        assert answer.status == 503
        expect(avery.heading).to_have_text("We cannot check your password right now")
        expect(avery.page.get_by_role("main")).to_contain_text("What you saved is safe.")
        expect(avery.page.locator("main .mono")).to_have_text(re.compile("^[0-9a-f]{8}$"))
        avery.page.get_by_role("link", name="Back to your tasks").click()
        avery.page.get_by_role("main").get_by_role("link", name="Check and sign").click()
        assert avery.page.locator("main dl").inner_text() == before
        stranger = Walker(new_page("phone"), city.portal.url, "annual-attestation")
        stranger.sign_in("morgan.dubois")
        expect(stranger.heading).to_have_text("Sign-in is not available right now")
    finally:
        city.mend()

    number = avery.sign(name)
    assert avery.download_receipt().startswith(b"%PDF-")
    assert number.startswith("MH-")


def _try_to_sign(walker, name):
    """Press the button; what the portal answers."""
    walker.page.get_by_role("checkbox").check()
    walker.page.get_by_label("Type your full name to sign").fill(name)
    walker.page.get_by_label("Password", exact=True).fill("portal-demo")
    with walker.page.expect_navigation() as answer:
        walker.page.get_by_role("button", name="Sign and finish").click()
    return answer.value


@pytest.mark.parametrize(
    ("kind", "javascript", "username", "at_home"),
    [("desktop", True, "morgan.dubois", untouched("employee").username)],
)
def test_leavers_are_out_with_one_reading(city, new_page, kind, javascript, username, at_home):
    """One has a browser open: the worker may see that within half a minute, before the reading."""
    members = [MEMBERS[username], MEMBERS[at_home]]
    leaver = Walker(new_page(kind, javascript=javascript), city.portal.url, "annual-attestation")
    leaver.sign_in(username)
    leaver.begin()
    taylor = Walker(new_page(kind, javascript=javascript), city.portal.url, "x")
    taylor.sign_in("taylor.bear")
    expect(taylor.heading).to_have_text("Your tasks")
    with city.directory.as_root() as root:
        for member in members:
            locked = {"pwdAccountLockedTime": [(MODIFY_REPLACE, [PERMANENTLY_LOCKED])]}
            root.modify(member.dn, locked)

    page = taylor.page
    main = page.get_by_role("main")
    for only_say in (True, False):
        page.get_by_role("link", name="Directory").first.click()
        expect(taylor.heading).to_have_text("The directory")
        _look(taylor)
        page.get_by_label("Only show what would change").set_checked(only_say)
        page.get_by_role("button", name="Read the directory").click()
        expect(main).to_contain_text("people read:", timeout=45_000)
        expect(main).to_contain_text(re.compile(r"people read:\s+[12] left\."))
        assert ("You only asked what would change" in main.inner_text()) is only_say
        expect(page.get_by_role("row").filter(has_text=members[1].full_name)).to_have_count(1)
        _look(taylor)
    leaver.page.reload()
    expect(leaver.heading).to_have_text("Sign in")
    leaver.sign_in(username)
    expect(leaver.page.get_by_role("alert")).to_contain_text("Contact IT")

    harper = Walker(new_page("desktop"), city.portal.url, "x")
    harper.sign_in("harper.singh")
    harper.page.get_by_role("link", name="Who has signed").first.click()
    for member in members:
        harper.page.get_by_label("Name", exact=True).fill(f"{member.family}, {member.given}")
        harper.page.get_by_role("button", name="Apply filters").click()
        harper.page.get_by_role("link", name=f"{member.family}, {member.given}").click()
        expect(harper.page.locator("main .scene")).to_contain_text("Left:")
        harper.page.get_by_role("link", name="Who has signed").first.click()


@pytest.fixture
def manner(portal_server, new_page):
    """A browser: on a phone with JavaScript before SQLite, at a desk without before PostgreSQL."""
    is_phone = "PORTAL_DATABASE_URL" not in portal_server.environment
    return lambda: new_page("phone" if is_phone else "desktop", javascript=is_phone)


def test_taylor_gives_harper_a_role_for_a_time_and_takes_it_back(portal_server, manner):
    harper = Walker(manner(), portal_server.url, "x")
    harper.sign_in("harper.singh")
    expect(harper.heading).to_have_text("Your tasks")
    taylor = Walker(manner(), portal_server.url, "x")
    taylor.sign_in("taylor.bear")
    page = taylor.page
    page.get_by_role("link", name="Directory").first.click()
    page.get_by_role("link", name="Who may do what").click()
    page.get_by_role("button", name="Give the role").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose the last day")
    _look(taylor)
    page.get_by_label("Username").fill("harper.singh")
    page.get_by_label("Role").select_option(label="Administrator: the directory and roles")
    page.get_by_label("Last day").fill((TODAY - timedelta(days=1)).isoformat())
    page.get_by_label("Reason").fill("Stands in for Taylor.")
    page.get_by_role("button", name="Give the role").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a last day from today")
    page.get_by_label("Last day").fill((TODAY + timedelta(days=30)).isoformat())
    page.get_by_role("button", name="Give the role").click()
    hers = page.locator("main section", has_text="Harper Singh")
    expect(hers).to_contain_text("Administrator: the directory and roles")
    expect(hers).to_contain_text("by Taylor Bear: Stands in for Taylor.")
    _look(taylor)

    harper.page.reload()  # her session had the roles of before
    expect(harper.heading).to_have_text("Sign in")
    harper.sign_in("harper.singh")
    harper.page.get_by_role("link", name="Directory").first.click()
    expect(harper.heading).to_have_text("The directory")

    hers.get_by_role("button", name="End it now").click()
    expect(page.locator("main section", has_text="Harper Singh")).not_to_contain_text(
        "Administrator"
    )
    expect(page.get_by_role("main")).to_contain_text(
        "Harper Singh: Administrator: the directory and roles, ended"
    )
    harper.page.reload()
    expect(harper.heading).to_have_text("Sign in")


def test_taylor_checks_the_directory_and_all_is_good(portal_server, manner):
    taylor = Walker(manner(), portal_server.url, "x")
    taylor.sign_in("taylor.bear")
    page = taylor.page
    page.get_by_role("link", name="Directory").first.click()
    page.get_by_role("link", name="Check the directory").click()
    page.get_by_label("Username or work email (optional)").fill("harper.singh@medicinehat.example")

    page.get_by_role("button", name="Check now").click()

    his, whole = page.get_by_role("table").all()
    assert his.get_by_role("row").count() > 8
    assert whole.get_by_role("row").count() > 8
    for row in page.locator("tbody tr").all():  # the demo's own directory tells of no lock-out
        state = row.locator("td").first.inner_text().strip().lower()
        assert state == "good" or row.locator("th").inner_text() == "Lock-out", row.inner_text()
    _look(taylor)


def test_a_contractor_comes_by_invitation_signs_and_goes(
    portal_server, post_office, new_page, manner, tmp_path
):
    javascript = "PORTAL_DATABASE_URL" not in portal_server.environment
    email = f"jo@{portal_server.url.rpartition(':')[2]}.example"
    password = "seven herons over the coulee"
    reason = "Sits with the planners, and residents ask her."
    harper = Walker(manner(), portal_server.url, "x")
    harper.sign_in("harper.singh")
    desk = harper.page

    # HR invites.
    desk.get_by_role("link", name="Contractors").first.click()
    desk.get_by_role("link", name="Invite somebody").click()
    _look(harper)
    desk.get_by_role("button", name="Invite").click()
    expect(desk.get_by_role("alert")).to_contain_text("Write the name")
    _look(harper)
    desk.get_by_label("Full name").fill("Jo Kowalczyk")
    desk.get_by_label("Email (optional)").fill(email)
    desk.get_by_label("What they do").fill("Drafts maps")
    desk.get_by_label("First day").fill(TODAY.isoformat())
    desk.get_by_label("Last day").fill((TODAY - timedelta(days=1)).isoformat())
    desk.get_by_label("Sponsor’s username").fill("nobody.here")
    desk.get_by_role("button", name="Invite").click()
    expect(desk.get_by_role("alert")).to_contain_text("The contract has ended already.")
    expect(desk.get_by_role("alert")).to_contain_text("Nobody who is employed by the City")
    desk.get_by_label("Last day").fill((TODAY + timedelta(days=90)).isoformat())
    desk.get_by_label("Sponsor’s username").fill("avery.chen")
    desk.get_by_role("button", name="Invite").click()
    expect(desk.get_by_role("main")).to_contain_text(f"An invitation to {email} is on its way.")
    _look(harper)
    about_jo = desk.url

    # Jo opens the link on a phone, and chooses a password.
    letter = wait_for(lambda: [each for each in post_office.letters if each["To"] == email])[0]
    text = letter.get_body(("plain",)).get_content()
    assert "Avery Chen of the City of Medicine Hat (demo) invites you" in text
    link = re.search(r"http://\S+/contractors/welcome/\S+", text).group()
    jo = Walker(
        new_page("phone", javascript=javascript), portal_server.url, "contractor-onboarding"
    )
    page = jo.page
    page.goto(link)
    expect(jo.heading).to_have_text("Welcome, Jo Kowalczyk")
    _look(jo)
    for weak, words in (
        ("maps", "Use at least 12 characters."),
        ("jokowalczyk1", "This password is common, or close to one."),
    ):
        page.get_by_label("Choose a password").fill(weak)
        page.get_by_role("button", name="Save the password and continue").click()
        expect(page.locator("#password-error")).to_contain_text(words)
        _look(jo)
    page.get_by_label("Choose a password").fill(password)
    page.get_by_role("button", name="Save the password and continue").click()
    expect(jo.heading).to_have_text("Your tasks")
    _look(jo)

    # Her answers do not settle whether the guidance is for her: HR does.
    jo.begin()
    jo.walk(until="How you work with the City")
    _look(jo)
    page.get_by_role("button", name="Save my answer").click()
    expect(page.get_by_role("alert")).to_be_visible()
    _look(jo)
    page.get_by_label("An agency that placed me in a City team").check()
    page.get_by_label("Sometimes, or I am not sure").check()
    page.get_by_label("I see information").check()
    page.get_by_label("Is there anything HR should know").fill("I sit beside the planners.")
    page.get_by_role("button", name="Save my answer").click()
    expect(jo.heading).to_have_text("HR decides how much is for you")
    _look(jo)
    desk.get_by_role("link", name="Contractors").first.click()
    desk.get_by_role("link", name="Decide who is in scope").click()
    expect(desk.get_by_role("main")).to_contain_text("I sit beside the planners.")
    _look(harper)
    desk.get_by_role("link", name=re.compile("^Decide.*Jo Kowalczyk")).click()
    desk.get_by_role("button", name="Save the decision").click()
    expect(desk.get_by_role("alert")).to_contain_text("Write a reason")
    _look(harper)
    desk.get_by_label("In scope", exact=True).check()
    desk.get_by_label("Reason").fill(reason)
    desk.get_by_role("button", name="Save the decision").click()
    expect(desk.get_by_role("table")).to_contain_text(reason)
    expect(desk.get_by_role("link", name=re.compile("^Decide.*Jo Kowalczyk"))).to_have_count(0)
    _look(harper)

    # She finishes and signs; her record says what HR decided.
    jo.walk()
    _look(jo)
    number = jo.sign("Jo Kowalczyk", password)
    receipt = jo.download_receipt()
    _look(jo)
    desk.goto(about_jo)
    expect(desk.get_by_role("main")).to_contain_text(reason)
    desk.get_by_role("link", name="Duties and records").click()
    _look(harper)
    with desk.expect_download() as record:
        desk.get_by_role("link", name=re.compile(rf"^Download record.*{number}")).click()
    data = Path(record.value.path()).read_bytes()
    assert data == receipt
    printed = " ".join(text_of(data, tmp_path).split())
    assert f"In scope. {reason}" in printed
    assert "Harper Singh" in printed

    # The contract ends, and with it the session.
    avery = Walker(manner(), portal_server.url, "x")
    avery.sign_in("avery.chen")
    avery.page.get_by_role("link", name="Contractors", exact=True).click()
    _look(avery)
    avery.page.get_by_role("link", name="Jo Kowalczyk").click()
    _look(avery)
    avery.page.get_by_role("link", name="End the contract now").click()
    _look(avery)
    avery.page.get_by_role("button", name="End the contract").click()
    expect(avery.page.get_by_role("main")).to_contain_text(
        "The contract of Jo Kowalczyk has ended."
    )
    _look(avery)
    page.get_by_role("link", name="Back to your tasks").click()
    expect(jo.heading).to_have_text("Sign in")
    jo.sign_in("c-jo.kowalczyk", password)
    expect(page.get_by_role("alert")).to_contain_text("Your contract ended on")
    _look(jo)
    page.goto(link)
    expect(jo.heading).to_have_text("This link is not good any more")


@pytest.fixture(scope="module")
def single_sign_on(
    beginning: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Portal, Provider]]:
    """A portal with the demo directory and a real OpenID provider beside it."""
    port, secret = servers.free_port(), tmp_path_factory.mktemp("sso") / "secret"
    secret.write_text("provider-tests-only-0123456789abcdef")
    portal = start_portal(
        beginning,
        PORTAL_OIDC_ISSUER=f"http://localhost:{port}",
        PORTAL_OIDC_CLIENT_ID="portal",
        PORTAL_OIDC_CLIENT_SECRET_FILE=str(secret),
    )
    accounts = {
        name: {"sub": f"subject of {name}", "directory_id": member.id}
        for name, member in MEMBERS.items()
    }
    with provider(accounts, f"{portal.url}/people/sso/back", port=port) as running:
        yield portal, running
    assert stop_portal(portal) == 0


@pytest.mark.parametrize(
    ("kind", "javascript", "username"),
    [("phone", False, "avery.chen")],
)
def test_avery_comes_and_signs_with_single_sign_on(
    single_sign_on, new_page, kind, javascript, username
):
    portal, there = single_sign_on
    name = MEMBERS[username].full_name
    avery = Walker(new_page(kind, javascript=javascript), portal.url, "annual-attestation")
    page = avery.page
    page.goto(portal.url)
    page.get_by_role("button", name="Use single sign-on").click()
    _say_who(page, there, username)
    expect(avery.heading).to_have_text("Your tasks")

    avery.begin()
    avery.walk()
    expect(page.get_by_label("Password", exact=True)).to_have_count(0)
    page.get_by_role("button", name="Sign and finish").click()
    expect(page.get_by_role("alert")).to_be_visible()
    _look(avery)
    if javascript:  # the provider's own page between two people needs it
        page.get_by_role("link", name="Confirm that it is you").click()
        _say_who(page, there, "morgan.dubois")
        expect(page.get_by_role("main")).to_contain_text("Somebody else signed in there.")
        page.get_by_role("link", name="Back to your tasks").click()
        page.get_by_role("main").get_by_role("link", name="Check and sign").click()
    page.get_by_role("link", name="Confirm that it is you").click()
    _say_who(page, there, username)
    expect(avery.heading).to_have_text("Check and sign")
    _look(avery)
    expect(page.get_by_role("link", name="Confirm that it is you")).to_have_count(0)
    page.get_by_role("checkbox").check()
    page.get_by_label("Type your full name to sign").fill(name)
    page.get_by_role("button", name="Sign and finish").click()
    expect(avery.heading).to_have_text("You have signed")
    assert avery.download_receipt().startswith(b"%PDF-")


def _say_who(page, there, username):
    """Fill in the provider's own login page."""
    page.wait_for_url(f"{there.issuer}/**")
    page.get_by_label("Account").fill(username)
    page.get_by_label("Password").fill("any")
    page.get_by_role("button", name="Sign in").click()
