"""The fake directory and its door, as the tests of people use them."""

from tests.people.conftest import door, fake

__all__ = ["door", "fake"]
