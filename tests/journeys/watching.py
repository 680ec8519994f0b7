"""Looks at pages with axe-core."""

from playwright.sync_api import Page

from tests.conftest import ROOT

AXE = (ROOT / "tests" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Watcher:
    """Looks at each new kind of page once."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.seen = 0

    def look(self) -> None:
        """Fail where axe finds something, a page is wider than the window, or paper has buttons."""
        self.page.wait_for_load_state()  # a click waits for the next page to begin, not for its end
        self.page.evaluate(AXE)
        found = self.page.evaluate(
            "tags => axe.run({runOnly: tags}).then(r => r.violations.map("
            "v => v.id + ': ' + v.nodes.map(n => n.html.slice(0, 120)).join(' | ')))",
            RULES,
        )
        assert found == [], f"{self.page.url}: {found}"
        wide = self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1")
        assert not wide, f"{self.page.url} is wider than the window"
        self.page.emulate_media(media="print")
        buttons = self.page.locator("button:visible").all_inner_texts()
        self.page.emulate_media(media="screen")
        assert buttons == [], f"{self.page.url} prints {buttons}"
        self.seen += 1
