"""axe-core finds nothing on any page: light and dark, phone and desk, with errors shown.

The pages are the same on both databases; their colours and widths are the style sheet's. So each is
looked at by light before SQLite and in the dark before PostgreSQL, once on a phone, once at a desk.
"""

import re
from datetime import timedelta

import pyotp
import pytest

from portal import db
from tests.journeys.conftest import untouched
from tests.journeys.walking import Walker
from tests.journeys.watching import Watcher

GUESTS_PASSWORD = "purple otters juggle lanterns"


@pytest.fixture
def is_dark(portal_server):
    return "PORTAL_DATABASE_URL" in portal_server.environment


@pytest.fixture
def first_on_a_phone(is_dark, new_page):
    """A browser: on a phone by light, at a desk in the dark."""
    return lambda: new_page("desktop" if is_dark else "phone", javascript=True, dark=is_dark)


@pytest.fixture
def first_at_a_desk(is_dark, new_page):
    """A browser: at a desk by light, on a phone in the dark."""
    return lambda: new_page("phone" if is_dark else "desktop", javascript=True, dark=is_dark)


def test_a_learner_finds_no_barrier(portal_server, first_on_a_phone, is_dark):
    username, course = (
        (untouched("contractor").username, "contractor-onboarding")
        if is_dark
        else ("colby.marsh", "annual-attestation")
    )
    walker = Walker(first_on_a_phone(), portal_server.url, course)
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


def test_hr_and_visitors_find_no_barrier(portal_server, first_at_a_desk):
    harper = Walker(first_at_a_desk(), portal_server.url, "x")
    harper.sign_in("harper.singh")
    harper.page.wait_for_url("**/learning/")
    watcher = Watcher(harper.page)
    for path in (
        "/reports/",
        "/reports/?name=nobody-at-all",
        "/reports/?status=signed&sort=-name",
        "/reports/log",
        "/reports/log?action=checkpoint.signed",
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
        "/reports/declared",
        "/reports/exports",
        "/courses/drafts",
        "/retention/",
        "/retention/holds/new",
        "/retention/my-data",
        "/people/sign-out",
        "/no/such/page",
    ):
        harper.page.goto(portal_server.url + path)
        watcher.look()
    harper.page.goto(f"{portal_server.url}/reports/?status=signed")
    harper.page.locator("table a[href*='/reports/people/']").first.click()
    watcher.look()
    for name in (
        "Give more time",
        "Release",
        "Record a signature on paper",
        "Record a refusal",
        "Note a leave of absence",
    ):
        harper.page.goto(f"{portal_server.url}/reports/?name=whitehorse")
        harper.page.get_by_role("link", name="Whitehorse, Sam").click()
        harper.page.get_by_role("link", name=re.compile(f"^{name}\\b")).first.click()
        watcher.look()
        harper.page.get_by_role("main").get_by_role("button").last.click()
        watcher.look()
    harper.page.goto(f"{portal_server.url}/courses/")
    harper.page.get_by_role("link", name="Annual attestation").first.click()
    watcher.look()
    harper.page.locator("main a[href*='/personal-accounts/']").first.click()
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
    harper.page.goto(here)
    harper.page.get_by_role("button", name="Copy").click()
    here = harper.page.url
    harper.page.goto(f"{here}/change")
    harper.page.get_by_label("Title").fill("W" * 200)
    harper.page.get_by_role("button", name="Save").click()
    harper.page.wait_for_url(here)
    for path in (here, f"{here}/change", f"{here}/people", "/campaigns/", "/retention/"):
        harper.page.goto(path if path.startswith(here) else portal_server.url + path)
        watcher.look()
    harper.page.goto(f"{portal_server.url}/verify")
    harper.page.get_by_role("button", name="Check the number").click()
    watcher.look()


def test_a_manager_finds_no_barrier(portal_server, first_on_a_phone):
    morgan = Walker(first_on_a_phone(), portal_server.url, "x")
    morgan.sign_in("morgan.dubois")
    morgan.page.wait_for_url("**/learning/")
    watcher = Watcher(morgan.page)
    for path in ("/team/", "/team/?show=all", "/team/crew-list", "/contractors/", "/team/deputy"):
        morgan.page.goto(portal_server.url + path)
        watcher.look()
    morgan.page.get_by_role("button", name="Save").click()
    watcher.look()


PEOPLE = (
    "name,email,firm,work,starts_on,ends_on,sponsor\n"
    "Good Row,,Long Name of a Firm and Sons,Surveys,2020-01-01,{later},avery.chen\n"
    ",not-an-address,,,30/01/2027,,nobody\n"
)


def test_who_invites_and_who_is_invited_find_no_barrier(portal_server, first_at_a_desk):
    harper = Walker(first_at_a_desk(), portal_server.url, "x")
    harper.sign_in("harper.singh")
    harper.page.wait_for_url("**/learning/")
    page, watcher = harper.page, Watcher(harper.page)
    main = page.get_by_role("main")
    later = db.utc_now().date() + timedelta(days=7)
    for path in ("", "?search=nobody-at-all", "scope", "bulk"):
        page.goto(f"{portal_server.url}/contractors/{path}")
        watcher.look()
    file = {"name": "people.csv", "mimeType": "text/csv", "buffer": b"x"}
    for text in ("x", PEOPLE.format(later=later)):
        page.get_by_label("CSV file").set_input_files({**file, "buffer": text.encode()})
        main.get_by_role("button", name="Check the rows").click()
        watcher.look()
    page.goto(f"{portal_server.url}/contractors/invite")
    main.get_by_role("button", name="Invite").click()
    watcher.look()
    page.get_by_label("Full name").fill("Robin Brook")
    page.get_by_label("Firm or group (optional)").fill("Curling Club")
    page.get_by_label("What they do").fill("Ice")
    page.get_by_label("First day").fill(db.utc_now().date().isoformat())
    page.get_by_label("Last day").fill(later.isoformat())
    page.get_by_label("Sponsor’s username").fill("avery.chen")
    main.get_by_role("button", name="Invite").click()
    watcher.look()
    here = page.url
    page.get_by_role("button", name="Print a letter").click()
    watcher.look()
    link = main.get_by_text("/contractors/welcome/").inner_text()
    username = main.get_by_text(re.compile(r"^c-robin\.")).inner_text()
    for path in (here, f"{here}/end", f"{here}/extend"):
        page.goto(path)
        watcher.look()
    main.get_by_role("button").click()
    watcher.look()

    guest = Walker(first_at_a_desk(), portal_server.url, "x")
    page, watcher = guest.page, Watcher(guest.page)
    main = page.get_by_role("main")
    page.goto(link)
    watcher.look()
    page.get_by_label("Choose a password").fill("short")
    main.get_by_role("button", name="Save the password").click()
    watcher.look()
    page.get_by_label("Choose a password").fill(GUESTS_PASSWORD)
    main.get_by_role("button", name="Save the password").click()
    page.wait_for_url("**/learning/")
    watcher.look()
    page.goto(link)
    watcher.look()
    page.goto(f"{portal_server.url}/people/account")
    watcher.look()
    main.get_by_role("button", name="Change the password").click()
    watcher.look()
    main.get_by_role("button", name="Ask me for a code").click()
    watcher.look()
    main.get_by_role("button", name="Turn on the code").click()
    watcher.look()
    key = main.get_by_text(re.compile("^[A-Z2-7]{32}$")).inner_text()
    page.get_by_label("Code", exact=True).fill(pyotp.TOTP(key).now())
    main.get_by_role("button", name="Turn on the code").click()
    watcher.look()
    guest.sign_out()
    guest.sign_in(username, GUESTS_PASSWORD)
    watcher.look()
    main.get_by_role("button", name="Sign in").click()
    watcher.look()

    page, watcher = harper.page, Watcher(harper.page)
    main = page.get_by_role("main")
    page.goto(here)
    watcher.look()
    page.get_by_role("link", name="Decide if they are in scope").click()
    watcher.look()
    main.get_by_role("button").click()
    watcher.look()
    page.get_by_label("Not in scope").check()
    page.get_by_label("Reason").fill("Their own club.")
    main.get_by_role("button").click()
    watcher.look()
    page.goto(f"{here}/end")
    main.get_by_role("button").click()
    watcher.look()


def test_an_administrator_finds_no_barrier(portal_server, first_on_a_phone):
    taylor = Walker(first_on_a_phone(), portal_server.url, "x")
    taylor.sign_in("taylor.bear")
    taylor.page.wait_for_url("**/learning/")
    page, watcher = taylor.page, Watcher(taylor.page)
    main = page.get_by_role("main")
    page.goto(f"{portal_server.url}/directory/")
    watcher.look()
    page.get_by_role("table").get_by_role("link").last.click()
    watcher.look()
    page.goto(f"{portal_server.url}/directory/check")
    watcher.look()
    page.get_by_label("Username or work email (optional)").fill("drew.former")
    main.get_by_role("button", name="Check now").click()
    watcher.look()
    page.goto(f"{portal_server.url}/directory/roles")
    main.get_by_role("button", name="Give the role").click()
    watcher.look()
    page.get_by_label("Username").fill("lukasz.nguyen")
    page.get_by_label("Last day").fill(db.utc_now().date().isoformat())
    page.get_by_label("Reason").fill("Covers a leave.")
    main.get_by_role("button", name="Give the role").click()
    watcher.look()
    main.get_by_role("button", name="End it now").first.click()
    watcher.look()
