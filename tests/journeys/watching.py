"""Looks at pages with axe-core."""

import re
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from playwright.sync_api import Page

from tests.conftest import ROOT

AXE = (ROOT / "tests" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
UNSEEN = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"  # ids in addresses
    r'|(?<=name="csrf_token" value=")[^"]+'
    r"|(?<=http://127.0.0.1:)\d+"
)
"""What differs on the same page of another portal, and nobody sees."""


class Watcher:
    """Finds barriers on the pages that one browser shows."""

    looked_at: ClassVar[Path]  # a file for each page without barriers, of all portals of this run

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen = 0

    def look(self) -> None:
        """Fail where axe finds something, or the page is wider than the window.

        Portals on both databases show the same pages: what is the same to the letter, in a window
        of the same width and colours, axe looks at once.
        """
        state = self.looked_at / self._state()
        if not state.exists():
            assert self._barriers() == [], self.page.url
            state.touch()
        wide = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
        assert not wide, f"{self.page.url} is wider than the window"
        self.seen += 1

    def _barriers(self) -> list[str]:
        self.page.evaluate(AXE)
        found: list[str] = self.page.evaluate(
            "tags => axe.run({runOnly: tags}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | ')))",
            RULES,
        )
        return found

    def _state(self) -> str:
        """A name for this page as it is: its elements, and how they are shown."""
        page = self.page.evaluate(
            "[innerWidth, innerHeight, matchMedia('(prefers-color-scheme: dark)').matches,"
            " document.documentElement.outerHTML].join(' ')"
        )
        return sha256(UNSEEN.sub("", page).encode()).hexdigest()
