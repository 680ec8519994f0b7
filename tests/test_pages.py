"""What holds on every page, whoever reads it."""

import re
from collections import defaultdict
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from portal import db
from tests.test_access import address, city

__all__ = ["city"]
EXAMPLE = "2027-01-30"  # how a day is written into a file or a field
MACHINES = {"code", "script", "style", "svg", "textarea"}
STREAMS = {"reports.records_zip_at"}


class Page(HTMLParser):
    """The text that people read, and the levels of the headings in the main part."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.levels: list[int] = []
        self._machines = 0
        self._main = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._machines += tag in MACHINES
        self._main |= tag == "main"
        if self._main and re.fullmatch("h[1-6]", tag) and ("id", "problem") not in attrs:
            self.levels.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        self._machines -= tag in MACHINES
        self._main &= tag != "main"

    def handle_data(self, data: str) -> None:
        if not self._machines:
            self.text += f" {data}"

    def mistakes(self):
        yield from set(re.findall(r"(?<![-\w])\d{4}-\d\d-\d\d\b", self.text)) - {EXAMPLE}
        yield from re.findall(r"\b[0-9a-f]{8}-[0-9a-f]{4}-\S+", self.text)
        if self.levels.count(1) != 1 or self.levels[0] != 1:
            yield f"headings {self.levels}"
        if any(after - before > 1 for before, after in pairwise(self.levels)):
            yield f"headings {self.levels}"


@pytest.mark.parametrize("role", ["hr", "manager", "owner", "author", "admin", "guest", None])
def test_a_page_speaks_of_days_and_names_and_its_headings_go_step_by_step(app, city, sign_in, role):
    people, values = city
    found = defaultdict(set)
    browser = sign_in(people[role]) if role else app.test_client()
    for method in ("GET", "POST"):
        for rule in app.url_map.iter_rules():
            if method not in rule.methods or rule.endpoint in STREAMS | {"people.sign_out"}:
                continue
            db.finish(keep=True)
            answer = browser.open(address(rule, values), method=method)
            if answer.mimetype == "text/html" and "<main" in answer.text:
                for mistake in Page(answer.text).mistakes():
                    found[mistake].add(f"{method} {rule.endpoint}")

    assert not found
