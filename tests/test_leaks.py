import logging

import pytest

from portal.people import services
from tests import leaks
from tests.factories import make_person
from tests.fakes import RIGHT


@pytest.mark.parametrize("level", [logging.DEBUG, logging.CRITICAL])
def test_a_password_or_a_token_in_a_log_is_noticed(app, level):
    token = services.open_session(make_person())
    for secret in (RIGHT, token, f"x={token};", "portal-demo"):
        logging.getLogger("portal.somewhere").log(level, "typed %s", secret)
        assert leaks.FOUND
        leaks.FOUND.clear()
    logging.getLogger("portal.somewhere").log(level, "nothing of the kind")

    assert leaks.FOUND == []
