"""What the portal asks of a directory: who may sign in, and who people are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

LONGEST_NAME = 256
LONGEST_PASSWORD = 1024


class WrongCredentials(Exception):
    """No such name, or not this password. The reason is for the log, never for the page."""


class MustChangePassword(Exception):
    """The password is right and has to be changed first."""


class AccountClosed(Exception):
    """The account exists and may not sign in."""


class Unreachable(Exception):
    """No directory server gave an answer in time; the message says where and why."""


class Misbehaving(Exception):
    """A server answered with a fault: an alert for its operators."""


@dataclass(frozen=True)
class Entry:
    """One person as the directory has them. `id` survives renames and moves."""

    id: str
    dn: str
    username: str
    full_name: str
    family_name: str = ""
    email: str = ""
    language: str = ""
    department: str = ""
    job_title: str = ""
    kind: str = "employee"
    manager_dn: str = ""
    sponsor: str = ""
    started_on: date | None = None
    ends_on: date | None = None
    location: str = ""
    union_scope: str = ""  # "in" or "out" of scope of a union agreement; empty: not known
    manager_id: str | None = None  # the manager's own id; None: this answer does not say
    is_closed: bool = False
    is_manager: bool | None = None  # whether employees name them; None: this answer does not say
    groups: frozenset[str] = field(default_factory=frozenset)  # as our settings name them


class Directory(Protocol):
    """What the portal asks of a directory."""

    def authenticate(self, username: str, password: str) -> Entry:
        """Who signs in with this name and password.

        Raises WrongCredentials, MustChangePassword, AccountClosed, Unreachable or Misbehaving.
        """

    def confirm(self, entry_id: str, password: str) -> None:
        """Check the password of a person known by id. Raises as `authenticate`."""

    def find(self, entry_id: str) -> Entry | None:
        """The person with this id, None if they are gone. Raises Unreachable, Misbehaving."""

    def still_open(self, entry_ids: Sequence[str]) -> dict[str, bool]:
        """Of these ids, those that the directory knows, and whether the account is open.

        Raises Unreachable or Misbehaving.
        """

    def everyone(self) -> Iterator[Entry]:
        """All people, page by page. Raises Misbehaving where an answer is not complete."""
