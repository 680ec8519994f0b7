"""Fails each test in which a password or a session's token gets into a log, output or error page.

The passwords are those that tests type, and those of service accounts; the tokens are all that
are made while the tests run. The demonstration's own password is printed on purpose by `make run`
and stands on the demo's sign-in page; in a log it is as wrong as any other.
"""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.people import demo_keys, demo_people, services
from tests import fakes, servers

PASSWORDS = {fakes.RIGHT, servers.ROOT_PASSWORD, "a wrong password", "correct-horse"}
TOKENS: set[str] = set()
FOUND: list[str] = []
_TOKEN = re.compile(r"[\w-]{43}")


def look_at(where: str, text: str) -> None:
    """Note what `text` must not hold."""
    if any(password in text for password in PASSWORDS):
        FOUND.append(f"a password is in {where}")
    if not TOKENS.isdisjoint(_TOKEN.findall(text)):
        FOUND.append(f"a session's token is in {where}")


class _Listener(logging.Handler):
    """Looks at every record that any logger gives."""

    def emit(self, record: logging.LogRecord) -> None:
        text = self.format(record)  # with the traceback, if there is one
        look_at(f"the log of {record.name}", text)
        if demo_people.PASSWORD in text:
            FOUND.append(f"the demo's password is in the log of {record.name}")


def listen() -> None:
    """Listen from now on."""
    logging.getLogger().addHandler(_Listener())
    logging.getLogger("portal").setLevel(logging.DEBUG)
    services.open_session = _noting(services.open_session, TOKENS.add)
    demo_keys.prepare = _noting_password(demo_keys.prepare)


def _noting(make: Callable[..., str], note: Callable[[str], None]) -> Callable[..., str]:
    def made(*words: object, **named: object) -> str:
        token = make(*words, **named)
        note(token)
        return token

    return made


def _noting_password(prepare: Callable[[Path], None]) -> Callable[[Path], None]:
    def prepared(folder: Path) -> None:
        prepare(folder)
        PASSWORDS.add((folder / "demo-directory-password").read_text())

    return prepared


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """Fail the test whose secrets were seen; under xdist, too, each in its own process."""
    report = yield
    if call.when == "teardown":
        for name, text in report.sections:
            if "log" not in name:  # which was listened to
                look_at(name, text)
    if FOUND and report.outcome == "passed":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: {'; '.join(sorted(set(FOUND)))}"
    FOUND.clear()
    return report
