"""Which worker runs which tests: what is slow to start is started once, on one of them."""

import re

import pytest
from xdist.scheduler import LoadScopeScheduling

SLOW_TO_START = ("test_active_directory.py",)
"""Files whose tests share a server."""

_DATABASE = re.compile(r"\[(sqlite|postgresql)\b")


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps tests together that share a portal or a server; all others go wherever there is room.

    xdist gives out the largest groups first, so that the quick ones fill up the end.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if "/journeys/" in path:
            database = _DATABASE.search(nodeid)
            return database[1] if database else path
        return path if path.endswith(SLOW_TO_START) else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Sharing:
    """Our way of giving out tests."""
    return Sharing(config, log)
