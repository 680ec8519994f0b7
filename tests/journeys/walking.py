"""Walks a course in a browser as a person would: by the words on the page."""

import time
from functools import cached_property
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from portal.courses import content
from portal.courses.course import AboutYou, Course, Quiz, Scenario

PASSWORD = "portal-demo"
CONTENT = Path(__file__).parents[2] / "content"


def wait_for(found, seconds=60):
    """Wait until a question has an answer."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := found():
            return answer
        time.sleep(0.2)
    raise AssertionError("it did not come")


class Walker:
    """One person in one browser, who knows what the course says."""

    def __init__(self, page: Page, url: str, course: str) -> None:
        self.page = page
        self.url = url
        self._key = course

    @cached_property
    def course(self) -> Course:
        return content.read_course(content.collect(CONTENT, self._key), self._key)

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        self.page.goto(self.url)
        self.page.get_by_label("Username or work email").fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in").click()

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Sign out").click()

    def begin(self) -> None:
        """Press the one main button of the task list."""
        self.page.get_by_role("main").get_by_role("link", name=self.course.title).first.click()

    def walk(self, *, until: str = "Check and sign", wrong: bool = False, limit: int = 300) -> None:
        """Go step by step until a page with this heading."""
        for _ in range(limit):
            if self.heading.inner_text().strip() == until:
                return
            self.one_step(wrong=wrong)
        raise AssertionError(f"{until!r} did not come; the page is {self.heading.inner_text()!r}")

    @property
    def heading(self) -> Locator:
        return self.page.get_by_role("heading", level=1).first

    def one_step(self, *, wrong: bool = False) -> None:
        """Do what the page asks for."""
        main = self.page.get_by_role("main")
        radios = main.get_by_role("radio")
        if main.get_by_role("button", name="Check my answer").count():
            if main.get_by_text("Choose one. This is not marked.").count():
                radios.first.check()
            else:
                self._answer(main, wrong=wrong)
            main.get_by_role("button", name="Check my answer").click()
        elif main.get_by_role("button", name="Save my answer").count():
            for group in main.get_by_role("group").all():
                group.get_by_role("radio").first.check()
            main.get_by_role("button", name="Save my answer").click()
        else:
            onward = main.get_by_role("button").or_(main.locator("a.govuk-button"))
            onward.first.click()

    def _answer(self, main: Locator, *, wrong: bool) -> None:
        """Choose the right options, or, to fail on purpose, one that is not."""
        asked = main.get_by_role("group").first.inner_text()
        question = next(q for q in self._questions if q.text in asked)
        role = "checkbox" if question.multiple else "radio"
        for option in question.options:
            if option.correct is not wrong:
                main.get_by_role(role, name=option.text, exact=True).check()
                if wrong or not question.multiple:
                    return

    @cached_property
    def _questions(self):
        return [q for step in self.course.steps() if isinstance(step, Quiz) for q in step.questions]

    def sign(self, name: str, password: str = PASSWORD) -> str:
        """Tick, type, password; returns the receipt number."""
        self.page.get_by_role("checkbox").check()
        self.page.get_by_label("Type your full name to sign").fill(name)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign and finish").click()
        expect(self.heading).to_have_text("You have signed")
        row = self.page.locator(".govuk-summary-list__row", has_text="Receipt number")
        return row.locator("dd").first.inner_text().strip()

    def download_receipt(self) -> bytes:
        """Wait for the sealed PDF and take it."""
        link = self.page.get_by_role("link", name="Download receipt (PDF)")
        link.wait_for(timeout=30_000)
        with self.page.expect_download() as download:
            link.click()
        return Path(download.value.path()).read_bytes()


def steps_of(course: Course, kind: type[AboutYou | Scenario | Quiz]) -> int:
    return sum(isinstance(step, kind) for step in course.steps())
