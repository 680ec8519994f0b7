"""The portal as `make run` starts it, and a real browser."""

import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from portal.demo import lot, pace
from portal.people.demo_people import CAST, Member, everybody
from tests import servers
from tests.conftest import ROOT
from tests.journeys.walking import wait_for

VIEWPORTS = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}
UNUSED = (
    # A process kept ready for the next site: each browser here opens one only.
    "SpareRendererForSitePerProcess",
    # The address bar's suggestions: two processes for each page, half of what a page costs.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    # What Playwright turns off; the last such list counts.
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-site-isolation-trials",  # for the same reason
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=" + ",".join(UNUSED),
]

expect.set_options(timeout=15_000)  # two browsers, servers and a worker share two cores


@dataclass
class Portal:
    """A running portal."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]
    environment: dict[str, str]

    def command(self, *words: str) -> str:
        """Run `flask portal …` beside it; returns what it printed."""
        done = subprocess.run(
            [Path(sys.executable).with_name("flask"), "--app", "wsgi", "portal", *words],
            cwd=ROOT,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout


def untouched(kind: str) -> Member:
    """The employee or contractor whom the demonstration's start has touched least."""
    return max(
        (member for member in everybody() if member.kind == kind and not member.plays),
        key=lambda member: lot(member.username) - pace(member.department),
    )


def first_third() -> list[Member]:
    """A third of the city: the cast, everybody's managers, who has not begun, and some others.

    Where the portal begins with them alone, a third of the signatures waits for a sealed PDF.
    """
    members = everybody()
    wanted = {member.manager for member in members} | {member.username for member in CAST}
    wanted |= {untouched(kind).username for kind in ("employee", "contractor")}
    return [
        member
        for number, member in enumerate(members)
        if member.username in wanted or number % 4 == 0
    ]


def start_portal(beginning: Path | None = None, **environment: str) -> Portal:
    """Start everything as `make run` does, and wait until it is ready.

    `beginning`: the data folder of another, to go on with a copy of it.
    """
    folder = Path(tempfile.mkdtemp(prefix="portal-journey-"))
    if beginning:
        shutil.copytree(beginning, folder, dirs_exist_ok=True)
    port = servers.free_port()
    everything = {
        **os.environ,
        "PORT": str(port),
        "PORTAL_DATA_DIR": str(folder),
        "PYTHONWARNINGS": "ignore",
        **environment,
    }
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "portal.running"],
            cwd=ROOT,
            env=everything,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    portal = Portal(f"http://127.0.0.1:{port}", folder, process, everything)
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            urlopen(f"{portal.url}/readyz", timeout=5).close()
        except (URLError, OSError):
            time.sleep(0.2)
        else:
            return portal
    process.terminate()
    raise RuntimeError((folder / "log").read_text())


def stop_portal(portal: Portal, *, keep: Path | None = None) -> int:
    """Ctrl-C; returns the exit code. `keep`: where its data folder goes."""
    portal.process.send_signal(signal.SIGINT)
    code = portal.process.wait(60)
    if keep:
        shutil.move(portal.folder, keep)
    shutil.rmtree(portal.folder, ignore_errors=True)
    return code


def all_is_sealed(folder: Path) -> bool:
    """Whether each signature in this data folder has its PDF."""
    with closing(sqlite3.connect(folder / "portal.sqlite3", timeout=15)) as database:
        question = "SELECT (SELECT count(*) FROM attestations), (SELECT count(*) FROM evidence)"
        signed, sealed = database.execute(question).fetchone()
    return bool(signed) and signed == sealed


@pytest.fixture(scope="session")
def third_of_the_city() -> Iterator[servers.Slapd]:
    """An OpenLDAP that knows a third of the city."""
    with servers.slapd(first_third()) as server:
        yield server


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """The data folder of a demonstration in which a third of the city has begun, and all is sealed.

    Made once in a run, on SQLite, by the first process that asks; the others wait for it.
    """
    mine = tmp_path_factory.getbasetemp()
    shared = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    folder = shared / "beginning"
    with (shared / "beginning.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            directory = request.getfixturevalue("third_of_the_city")
            portal = start_portal(**directory.environment)
            wait_for(lambda: all_is_sealed(portal.folder), seconds=300)
            assert stop_portal(portal, keep=folder) == 0
    return folder


@pytest.fixture(scope="package", params=["sqlite", "postgresql"])
def portal_server(request: pytest.FixtureRequest) -> Iterator[Portal]:
    """The whole portal: on SQLite with the demo directory; on PostgreSQL from nothing and slapd."""
    post = request.getfixturevalue("post_office")
    environment = {
        "PORTAL_SMTP_HOST": "localhost",
        "PORTAL_SMTP_PORT": str(post.port),
        "PORTAL_SMTP_CA_FILE": post.ca_file,
    }
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres")
        servers.create_database(server, "journeys")
        environment["PORTAL_DATABASE_URL"] = f"{server}/journeys"
        environment |= request.getfixturevalue("third_of_the_city").environment
        portal = start_portal(**environment)
    else:
        portal = start_portal(request.getfixturevalue("beginning"), **environment)
    yield portal
    assert stop_portal(portal) == 0


@pytest.fixture(scope="session")
def post_office() -> Iterator[servers.Mailbox]:
    """The mail server of the running portal."""
    with servers.smtp() as server:
        yield server


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Drives the browser. It ends with the journeys: beside its event loop nothing is sealed."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium from Debian."""
    chromium = playwright.chromium.launch(
        executable_path=servers.find_program("chromium"), args=FLAGS
    )
    yield chromium
    chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page in a browser of its own: phone or desktop, without JavaScript unless asked."""
    contexts: list[BrowserContext] = []

    def open_page(kind: str, *, javascript: bool = False, dark: bool = False) -> Page:
        context = browser.new_context(
            viewport=VIEWPORTS[kind],  # type: ignore[arg-type]
            java_script_enabled=javascript,
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
            bypass_csp=javascript,  # axe is put into the page by the test
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
