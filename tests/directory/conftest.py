"""The fake directory and its door, and the real ones, as the tests of people use them."""

from tests.people.conftest import demo, door, fake, ldap_settings

__all__ = ["demo", "door", "fake", "ldap_settings"]
