"""HR runs a campaign, a manager follows up, a crew signs at a shared device."""

import re
import zipfile
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from tests.journeys.walking import Walker, wait_for

TODAY = datetime.now(ZoneInfo("America/Edmonton")).date()
TITLE = "Refresher for Parks"


def test_harper_runs_a_campaign_from_the_draft_to_the_end(portal_server, post_office, new_page):
    harper = Walker(new_page("desktop"), portal_server.url, "x")
    harper.sign_in("harper.singh")
    page = harper.page
    tomorrow = TODAY + timedelta(days=1)  # today's reminders may be out already
    due_on = tomorrow + timedelta(days=14)

    # A draft, and who it is for.
    page.get_by_role("link", name="Campaigns").first.click()
    page.get_by_role("link", name="New campaign").click()
    page.get_by_role("button", name="Save and choose the people").click()
    expect(page.get_by_role("alert")).to_contain_text("Write a title")
    page.get_by_label("Title").fill(TITLE)
    page.get_by_label("Annual: everyone by one date").check()
    page.get_by_label("Course").select_option(label="Contractor onboarding")
    page.get_by_label("First day").fill(TODAY.isoformat())
    page.get_by_label("Due date").fill(due_on.isoformat())
    page.get_by_role("button", name="Save and choose the people").click()
    page.get_by_text("Department", exact=True).first.click()
    page.get_by_label("Parks and Recreation").first.check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text("Employees in Parks and Recreation.")

    # The preview says who, and why not.
    page.get_by_role("link", name="See the people, and why").click()
    expect(page.get_by_role("main")).to_contain_text("Sam Whitehorse")
    page.get_by_label("Show").select_option("out")
    page.get_by_label("Name").fill("chen, avery")
    page.get_by_role("button", name="Apply filters").click()
    expect(page.get_by_role("main")).to_contain_text("it asks for everyone in Parks")

    # Reminders, launch.
    page.get_by_role("link", name=TITLE).first.click()
    page.get_by_role("link", name="Change the reminders").click()
    page.get_by_label("Days before the due date").fill("14, seven")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("Write days from 1 to 90")
    page.get_by_label("Days before the due date").fill("14, 7, 1")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("main")).to_contain_text(f"{TITLE} is launched.")
    campaign = page.url
    wait_for(lambda: page.reload() and page.get_by_text("Open", exact=True).count())

    # One person is released, everyone gets more time.
    page.goto(f"{portal_server.url}/reports/?name=whitehorse")
    page.get_by_role("link", name="Whitehorse, Sam").click()
    page.get_by_role("link", name=re.compile(f"^Release.*{TITLE}")).click()
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("alert")).to_contain_text("Write a reason")
    page.get_by_label("Reason").fill("Teaches it himself.")
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("main")).to_contain_text("Teaches it himself.")

    # Mail goes out, to everyone but Sam.
    printed = portal_server.command("remind", "--today", tomorrow.isoformat())
    assert int(printed.split()[0]) > 10
    wait_for(lambda: any(TITLE in letter["Subject"] for letter in post_office.letters))
    letter = next(letter for letter in post_office.letters if TITLE in letter["Subject"])
    assert "/learning/" in letter.get_body(("plain",)).get_content()
    assert not any("whitehorse" in (mail["To"] or "") for mail in post_office.letters)
    page.goto(f"{portal_server.url}/mail/")
    expect(page.get_by_role("main")).to_contain_text(TITLE)

    # More time, a file, the end.
    page.goto(campaign)
    page.get_by_role("link", name="Give everyone more time").click()
    page.get_by_label("How many more days?").fill("7")
    page.get_by_role("button", name="Give more time").click()
    expect(page.get_by_role("main")).to_contain_text("gets 7 days more")
    page.get_by_role("link", name="See who has signed").click()
    page.get_by_role("button", name="Excel (XLSX)").click()
    expect(page.get_by_role("link", name="Download")).to_be_visible(timeout=60_000)  # by itself
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as book:
        assert "Whitehorse" in book.read("xl/worksheets/sheet1.xml").decode()
    page.goto(campaign)
    page.get_by_role("link", name="Close the campaign").click()
    page.get_by_role("button", name="Close the campaign").click()
    expect(page.get_by_role("main")).to_contain_text(f"{TITLE} is closed.")


def test_morgan_sees_the_team_and_reminds_one_person(portal_server, post_office, new_page):
    morgan = Walker(new_page("phone"), portal_server.url, "x")
    morgan.sign_in("morgan.dubois")
    page = morgan.page

    page.get_by_role("link", name="Your team").click()
    expect(page.get_by_role("main")).to_contain_text("Sam Whitehorse")
    expect(page.get_by_role("main")).to_contain_text("No work email: tell them yourself")
    button = page.get_by_role("button", name=re.compile("^Send a reminder to ")).first
    name = button.inner_text().split(" to ", 1)[1].strip()
    button.click()

    expect(page.get_by_role("main")).to_contain_text(f"A reminder to {name} is on its way.")
    wait_for(
        lambda: any("Your manager asks" in letter["Subject"] for letter in post_office.letters)
    )


def test_a_crew_signs_in_one_after_another_and_leaves_no_trace(portal_server, new_page):
    harper = new_page("desktop")
    hr = Walker(harper, portal_server.url, "x")
    hr.sign_in("harper.singh")
    harper.goto(f"{portal_server.url}/people/kiosks")
    harper.get_by_label("Name of the device").fill("Parks yard tablet")
    harper.get_by_role("button", name="Get a code").click()
    code = harper.locator("main p.mono").inner_text()

    tablet = new_page("desktop", javascript=True)
    tablet.goto(f"{portal_server.url}/people/kiosk")
    tablet.get_by_label("Code from HR").fill(code)
    tablet.get_by_role("button", name="Make this a shared device").click()
    expect(tablet.get_by_role("main")).to_contain_text("This device is shared: Parks yard tablet.")
    sam = Walker(tablet, portal_server.url, "annual-attestation")
    sam.sign_in("sam.whitehorse")
    sam.begin()
    sam.one_step()
    sam.one_step()
    his = tablet.url
    tablet.goto(f"{portal_server.url}/learning/")
    tablet.get_by_role("button", name="Sign out and hand over").click()
    expect(sam.heading).to_have_text("Sign in")

    for _ in range(3):  # back leads to no page of his, from memory or from the server
        tablet.go_back()
        expect(tablet.get_by_role("heading", level=1)).to_have_text("Sign in")
        assert "Whitehorse" not in tablet.content()
    assert tablet.evaluate("caches.keys().then(k => k.length)") == 0
    assert tablet.evaluate("localStorage.length + sessionStorage.length") == 0

    avery = Walker(tablet, portal_server.url, "annual-attestation")
    avery.sign_in("lukasz.nguyen")
    expect(avery.heading).to_have_text("Your tasks")
    assert "Whitehorse" not in tablet.content()
    tablet.goto(his)
    expect(avery.heading).to_have_text("Page not found")
