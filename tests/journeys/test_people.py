"""Who comes in and who has to go: passwords, a dead directory, contractors, leavers, roles."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from ldap3 import MODIFY_REPLACE
from playwright.sync_api import expect

from portal.demo import lot, pace
from portal.people.demo_people import everybody
from portal.people.ldap_values import PERMANENTLY_LOCKED
from tests import servers
from tests.journeys.conftest import Portal, start_portal, stop_portal
from tests.journeys.test_accessible import Watcher
from tests.journeys.walking import Walker
from tests.people.proxy import Proxy

TODAY = datetime.now(ZoneInfo("America/Edmonton")).date()
MEMBERS = {member.username: member for member in everybody()}
# The employee whom the demonstration's start has touched least.
UNTOUCHED = max(
    (each for each in MEMBERS.values() if each.kind == "employee" and not each.plays),
    key=lambda member: lot(member.username) - pace(member.department),
).username
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
def city() -> Iterator[City]:
    passwords = {"lukasz.nguyen": HALF}
    with servers.slapd(passwords=passwords) as directory, Proxy(directory.port) as line:
        urls = (f"ldaps://localhost:{line.port}",)
        settings = replace(directory, settings=replace(directory.settings, urls=urls))
        portal = start_portal(**settings.environment)
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
        someone.page.get_by_role("link", name="Back", exact=True).click()
    expect(someone.heading).to_have_text("Sign in")


def test_lukasz_signs_in_with_a_half_in_his_password(city, open_page):
    lukasz = Walker(open_page(), city.portal.url, "annual-attestation")

    lukasz.sign_in("lukasz.nguyen", HALF.replace("½", "1⁄2"))
    expect(lukasz.page.get_by_role("alert")).to_contain_text("The name or password is wrong.")
    lukasz.sign_in("lukasz.nguyen", HALF)

    expect(lukasz.heading).to_have_text("Your tasks")


@pytest.mark.parametrize(
    ("kind", "javascript", "username", "dies"),
    [("phone", False, "avery.chen", "reset"), ("desktop", True, "sam.whitehorse", "silent")],
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
        expect(avery.heading).to_have_text("Sign-in is not available right now")
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
    [
        ("phone", False, "colby.marsh", "riley.okafor"),
        ("desktop", True, "morgan.dubois", UNTOUCHED),
    ],
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
        page.get_by_label("Only say what would change").set_checked(only_say)
        page.get_by_role("button", name="Read the directory").click()
        expect(main).to_contain_text("people read:", timeout=45_000)
        expect(main).to_contain_text(re.compile(r"people read:\s+[12] left\."))
        assert ("This was a dry run" in main.inner_text()) is only_say
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
