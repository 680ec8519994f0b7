"""A shared device with a browser as it comes: memory of pages, history and a profile on disk.

Playwright turns Chromium's back/forward cache off; here it is on, and a test says so.
"""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Error, Page, Playwright, expect

from tests import servers
from tests.journeys.conftest import FLAGS, Portal, start_portal, stop_portal
from tests.journeys.walking import Walker, wait_for

HIS = ("whitehorse", "sam.white", "Sam W")
"""What must be nowhere: parts of his name, as typed and as shown."""


class Elsewhere(BaseHTTPRequestHandler):
    """A page of another site that nobody may store, and that tells whether it was kept."""

    def do_GET(self) -> None:
        page = (
            b"<!doctype html><title>Elsewhere</title><form action=/next><input name=colour>"
            b"<button>Go</button></form><script>addEventListener('pageshow',"
            b"e => { window.kept = e.persisted })</script>"
        )
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Cache-Control", "no-store" if self.path == "/" else "max-age=60")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *_words: object) -> None:
        pass


@pytest.fixture(scope="module")
def portal(beginning: Path) -> Iterator[Portal]:
    """A portal of its own: these tests reach into its database to let time go by."""
    running = start_portal(beginning)
    yield running
    assert stop_portal(running) == 0


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """The folder in which the browser keeps what it keeps.

    The one setting is what README asks for: Chromium's password manager notes the name of whoever
    signs in, whatever the page says.
    """
    folder = tmp_path / "profile"
    (folder / "Default").mkdir(parents=True)
    (folder / "Default" / "Preferences").write_text('{"credentials_enable_service": false}')
    return folder


@pytest.fixture
def device(playwright: Playwright, profile: Path) -> Iterator[BrowserContext]:
    """Chromium with a profile on disk and its back/forward cache."""
    context = playwright.chromium.launch_persistent_context(
        profile,
        executable_path=servers.find_program("chromium"),
        args=FLAGS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context.set_default_timeout(15_000)
    context.add_init_script(
        "addEventListener('pageshow', e => e.persisted && console.log('kept', location.pathname))"
    )
    yield context
    context.close()


@pytest.fixture
def tablet(portal: Portal, device: BrowserContext, new_page) -> Page:
    """Its one page, at the sign-in page of a shared device."""
    harper = Walker(new_page("desktop"), portal.url, "x")
    harper.sign_in("harper.singh")
    harper.page.goto(f"{portal.url}/people/kiosks")
    harper.page.get_by_label("Name of the device").fill("Tablet in the yard")
    harper.page.get_by_role("button", name="Get a code").click()
    code = harper.page.locator("main p.mono").inner_text()

    page = device.pages[0]
    page.goto(f"{portal.url}/people/kiosk")
    page.get_by_label("Code from HR").fill(code)
    page.get_by_role("button", name="Make this a shared device").click()
    expect(page.get_by_role("main")).to_contain_text("This device is shared")
    return page


def enter(page: Page, username: str) -> None:
    """Sign in on the page that is there."""
    page.get_by_label("Username or work email").fill(username)
    page.get_by_label("Password", exact=True).fill("portal-demo")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your tasks")


def sam_was_here(portal: Portal, page: Page) -> None:
    """Sam signs in and opens pages."""
    enter(page, "sam.whitehorse")
    sam = Walker(page, portal.url, "annual-attestation")
    sam.begin()
    sam.one_step()
    sam.one_step()
    page.goto(f"{portal.url}/learning/")
    assert "Whitehorse" in page.content()


def ask(page: Page, question: str) -> bool:
    """What the page that is there says; no, while another one comes."""
    try:
        return bool(page.evaluate(question))
    except Error:
        return False


def go_back(page: Page) -> str:
    """Press Back; returns what is shown. Playwright's own waits for a load that may not come."""
    page.evaluate("window.before = true; setTimeout(() => history.back())")
    page.wait_for_timeout(1000)  # asked while it is on its way, a page from memory gives no answer
    wait_for(lambda: ask(page, "!window.before && document.readyState == 'complete'"), 15)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page.content()


def pages_from_memory(page: Page) -> list[str]:
    """A list that gets the path of each page that the browser shows as it was."""
    found: list[str] = []
    page.on(
        "console", lambda said: found.append(said.text[5:]) if said.text[:5] == "kept " else None
    )
    return found


def let_time_go_by(portal: Portal, minutes: int) -> None:
    """As if nobody had touched anything for so long."""
    with closing(sqlite3.connect(portal.folder / "portal.sqlite3", timeout=15)) as database:
        database.execute(
            "UPDATE sessions SET last_seen_at = datetime(last_seen_at, ?)", (f"-{minutes} minutes",)
        )
        database.commit()


def test_this_browser_keeps_pages_in_memory_and_what_is_typed_on_disk(device, profile):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = device.pages[0]
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    page.get_by_role("textbox").fill("ultramarine")
    page.get_by_role("button", name="Go").click()
    page.wait_for_url("**/next*")
    kept = pages_from_memory(page)
    page.evaluate("setTimeout(() => history.back())")
    page.wait_for_timeout(1000)

    assert wait_for(lambda: ask(page, "window.kept === true"), 15)
    assert kept == ["/"]

    page.wait_for_timeout(1000)
    device.close()
    server.shutdown()
    server.server_close()
    assert b"ultramarine" in (profile / "Default" / "Web Data").read_bytes()


def test_back_after_signing_out_shows_nothing_of_the_last_person(portal, tablet):
    kept = pages_from_memory(tablet)
    sam_was_here(portal, tablet)
    tablet.get_by_role("button", name="Sign out and hand over").click()
    expect(tablet.get_by_role("heading", level=1)).to_have_text("Sign in")

    for _ in range(4):
        shown = go_back(tablet)
        assert "Whitehorse" not in shown
        assert tablet.get_by_role("heading", level=1).inner_text() == "Sign in"
        assert tablet.get_by_label("Username or work email").input_value() == ""
    assert [path for path in kept if not path.startswith("/people/")] == []


def test_back_after_the_time_is_over_shows_nothing_of_the_last_person(portal, tablet):
    kept = pages_from_memory(tablet)
    sam_was_here(portal, tablet)
    tablet.clock.install()
    tablet.reload()
    let_time_go_by(portal, 4)
    tablet.clock.fast_forward("03:02")
    expect(tablet.get_by_role("heading", level=1)).to_have_text("Sign in")

    for _ in range(4):
        shown = go_back(tablet)
        assert "Whitehorse" not in shown
        assert tablet.get_by_role("heading", level=1).inner_text() == "Sign in"
    assert [path for path in kept if not path.startswith("/people/")] == []


def test_the_same_holds_where_the_page_left_by_itself_without_a_script(portal, tablet):
    kept = pages_from_memory(tablet)
    tablet.route("**/static/*.js", lambda route: route.abort())
    sam_was_here(portal, tablet)
    let_time_go_by(portal, 4)
    tablet.evaluate("setTimeout(() => location.assign('/people/sign-in'))")  # as Refresh does
    expect(tablet.get_by_role("heading", level=1)).to_have_text("Sign in")

    for _ in range(4):
        assert "Whitehorse" not in go_back(tablet)
        assert tablet.get_by_role("heading", level=1).inner_text() == "Sign in"
    assert [path for path in kept if not path.startswith("/people/")] == []


def test_the_next_person_gets_their_own_pages_and_back_ends_at_them(portal, tablet):
    sam_was_here(portal, tablet)
    tablet.get_by_role("link", name=re.compile("Annual attestation")).first.click()
    his = tablet.evaluate("location.href")
    tablet.goto(f"{portal.url}/learning/")
    tablet.get_by_role("button", name="Sign out and hand over").click()
    enter(tablet, "lukasz.nguyen")
    assert "Whitehorse" not in tablet.content()

    for _ in range(4):
        assert "Whitehorse" not in go_back(tablet)
    tablet.goto(his)
    expect(tablet.get_by_role("heading", level=1)).to_have_text("Page not found")


def test_nothing_of_the_last_person_is_kept_in_the_browser_or_on_its_disk(
    portal, tablet, device, profile
):
    sam_was_here(portal, tablet)
    during = {cookie["name"]: cookie["value"] for cookie in device.cookies()}
    tablet.get_by_role("button", name="Sign out and hand over").click()
    expect(tablet.get_by_role("heading", level=1)).to_have_text("Sign in")

    cookies = {cookie["name"]: cookie["value"] for cookie in device.cookies()}
    assert cookies.keys() <= {"kiosk", "portal"}
    assert cookies.get("portal") != during["portal"]
    assert cookies["kiosk"] == during["kiosk"]
    assert tablet.evaluate("localStorage.length + sessionStorage.length") == 0
    assert tablet.evaluate("caches.keys().then(keys => keys.length)") == 0
    assert tablet.evaluate("indexedDB.databases().then(found => found.length)") == 0

    tablet.wait_for_timeout(1000)
    device.close()
    files = [path for path in profile.rglob("*") if path.is_file()]
    holding = [
        (path.relative_to(profile).as_posix(), name)
        for path in files
        for name in HIS
        for code in ("utf-8", "utf-16-le")
        if name.lower().encode(code) in path.read_bytes().lower()
    ]
    assert holding == []
    cached = b"".join(path.read_bytes() for path in files if "Cache_Data" in path.parts)
    addresses = set(re.findall(re.escape(portal.url.encode()) + rb"(/[\x21-\x7e]*)", cached))
    assert [each for each in addresses if not each.startswith(b"/static/")] == []
    with closing(sqlite3.connect(profile / "Default" / "History")) as history:
        titles = [row[0] for row in history.execute("SELECT title FROM urls")]
    assert any(title.startswith("Your tasks") for title in titles)
