"""What several tests of signatures and copies need."""

from threading import BoundedSemaphore

import pytest

from portal.documents import inspecting


@pytest.fixture
def all_places_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two other files are being looked into."""
    places = BoundedSemaphore(1)
    places.acquire()
    monkeypatch.setattr(inspecting, "_PLACES", places)
