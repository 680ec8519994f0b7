"""What JavaScript adds, under the content security policy; and the keyboard alone."""

import re

from playwright.sync_api import expect

from tests.journeys.walking import PASSWORD, Walker


def test_the_password_can_be_shown_and_nothing_is_blocked(portal_server, browser):
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(portal_server.url)
    field = page.get_by_label("Password", exact=True)

    page.get_by_role("button", name="Show").click()

    expect(field).to_have_attribute("type", "text")
    assert complaints == []
    page.close()


def test_who_has_only_a_keyboard_signs_in_and_begins(portal_server, new_page):
    morgan = Walker(new_page("desktop"), portal_server.url, "annual-attestation")
    page = morgan.page
    page.goto(portal_server.url)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    page.get_by_label("Username or work email").focus()

    page.keyboard.type("morgan.dubois")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(morgan.heading).to_have_text("Your tasks")
    button = page.get_by_role("main").locator("a.govuk-button").first
    for _ in range(20):
        page.keyboard.press("Tab")
        if button.evaluate("it => it === document.activeElement"):
            break
    page.keyboard.press("Enter")

    expect(page).to_have_url(re.compile("/learning/.+/.+/.+"))


def test_errors_are_announced_and_lead_to_the_field(portal_server, new_page):
    page = new_page("phone", javascript=True)
    page.goto(portal_server.url)

    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("link", name="Enter your username or work email").click()
    expect(page.get_by_label("Username or work email")).to_be_focused()
