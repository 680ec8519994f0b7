"""axe-core finds nothing on any page: light and dark, phone and desk, with errors shown."""

import re

import pytest

from portal.demo import lot, pace
from portal.people.demo_people import everybody
from tests.conftest import ROOT
from tests.journeys.walking import Walker

AXE = (ROOT / "tests" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


# The contractor whom the demonstration's start has touched least.
UNTOUCHED = max(
    (member for member in everybody() if member.kind == "contractor" and not member.plays),
    key=lambda member: lot(member.username) - pace(member.department),
).username


class Watcher:
    """Looks at each new kind of page once."""

    def __init__(self, page):
        self.page = page
        self.seen = 0

    def look(self):
        self.page.evaluate(AXE)
        found = self.page.evaluate(
            "tags => axe.run({runOnly: tags}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | ')))",
            RULES,
        )
        assert found == [], f"{self.page.url}: {found}"
        wide = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
        assert not wide, f"{self.page.url} is wider than the window"
        self.seen += 1


@pytest.mark.parametrize(
    ("kind", "dark", "username", "course"),
    [
        ("phone", False, "colby.marsh", "annual-attestation"),
        ("desktop", True, UNTOUCHED, "contractor-onboarding"),
    ],
)
def test_a_learner_finds_no_barrier(portal_server, new_page, kind, dark, username, course):
    walker = Walker(new_page(kind, javascript=True, dark=dark), portal_server.url, course)
    watcher = Watcher(walker.page)
    walker.page.goto(portal_server.url)
    watcher.look()
    walker.page.get_by_role("button", name="Sign in").click()
    watcher.look()
    walker.sign_in(username)
    watcher.look()
    seen = set()
    walker.begin()
    for _ in range(300):
        shape = walker.page.locator("main form, main .outcome, main .scene").count()
        if (shape, walker.page.get_by_role("radio").count()) not in seen:
            seen.add((shape, walker.page.get_by_role("radio").count()))
            watcher.look()
        if walker.heading.inner_text().strip() in {"Check and sign", "You have signed"}:
            break
        walker.one_step()
    walker.page.get_by_role("button", name="Sign and finish").click()
    watcher.look()
    walker.page.get_by_role("link", name="Tell HR that you do not agree").click()
    watcher.look()
    walker.page.get_by_role("button", name="Send to HR").click()
    watcher.look()
    assert watcher.seen > 9


@pytest.mark.parametrize(("kind", "dark"), [("desktop", False), ("phone", True)])
def test_hr_and_visitors_find_no_barrier(portal_server, new_page, kind, dark):
    harper = Walker(new_page(kind, javascript=True, dark=dark), portal_server.url, "x")
    harper.sign_in("harper.singh")
    harper.page.wait_for_url("**/learning/")
    watcher = Watcher(harper.page)
    for path in (
        "/reports/",
        "/reports/?name=nobody-at-all",
        "/reports/?status=signed&sort=-name",
        "/audit/",
        "/audit/?action=checkpoint.signed",
        "/courses/",
        "/help",
        "/privacy",
        "/accessibility",
        "/verify",
        "/verify/MH-2026-AAAA-AAAA-AA",
        "/people/cannot-sign-in",
        "/people/kiosks",
        "/people/kiosk",
        "/campaigns/",
        "/campaigns/new",
        "/reminders/",
        "/mail/",
        "/reports/figures",
        "/reports/questions",
        "/reports/exports",
        "/no/such/page",
    ):
        harper.page.goto(portal_server.url + path)
        watcher.look()
    harper.page.goto(f"{portal_server.url}/reports/?status=signed")
    harper.page.locator("table a[href*='/reports/people/']").first.click()
    watcher.look()
    for name in ("Give more time", "Release", "Record a signature on paper", "Record a refusal"):
        harper.page.goto(f"{portal_server.url}/reports/?name=whitehorse")
        harper.page.get_by_role("link", name="Whitehorse, Sam").click()
        harper.page.get_by_role("link", name=re.compile(f"^{name}\\W")).first.click()
        watcher.look()
        harper.page.get_by_role("main").get_by_role("button").last.click()
        watcher.look()
    harper.page.goto(f"{portal_server.url}/campaigns/")
    harper.page.get_by_role("link", name="Annual attestation").first.click()
    watcher.look()
    here = harper.page.url
    for path in ("change", "audience", "reminders", "people", "extend", "close", "exempt"):
        harper.page.goto(f"{here}/{path}")
        watcher.look()
    harper.page.get_by_role("button", name="Take this group out").click()
    watcher.look()
    harper.page.goto(f"{portal_server.url}/verify")
    harper.page.get_by_role("button", name="Check the number").click()
    watcher.look()


@pytest.mark.parametrize(("kind", "dark"), [("phone", False), ("desktop", True)])
def test_a_manager_finds_no_barrier(portal_server, new_page, kind, dark):
    morgan = Walker(new_page(kind, javascript=True, dark=dark), portal_server.url, "x")
    morgan.sign_in("morgan.dubois")
    morgan.page.wait_for_url("**/learning/")
    watcher = Watcher(morgan.page)
    for path in ("/team/", "/team/?show=all", "/team/crew-list", "/team/deputy"):
        morgan.page.goto(portal_server.url + path)
        watcher.look()
    morgan.page.get_by_role("button", name="Save").click()
    watcher.look()
