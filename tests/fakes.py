"""A directory that answers at once, for the tests of what the portal makes of the answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from portal.people.directory import Entry, WrongCredentials

RIGHT = "right-password"


@dataclass
class FakeDirectory:
    """Knows the people it is given, all with one password. `fault` is raised instead."""

    people: dict[str, Entry] = field(default_factory=dict)
    fault: Exception | None = None
    asked: int = 0

    def put(self, entry: Entry) -> Entry:
        """Add or replace a person by the id."""
        self.people[entry.id] = entry
        return entry

    def authenticate(self, username: str, password: str) -> Entry:
        """As in Directory."""
        self._ask()
        for entry in self.people.values():
            if username.strip().casefold() in {entry.username, entry.email}:
                if password == RIGHT:
                    return entry
                raise WrongCredentials("password")
        raise WrongCredentials("no-entry")

    def confirm(self, entry_id: str, password: str) -> None:
        """As in Directory."""
        self._ask()
        if entry_id not in self.people:
            raise WrongCredentials("gone")
        if password != RIGHT:
            raise WrongCredentials("password")

    def find(self, entry_id: str) -> Entry | None:
        """As in Directory."""
        self._ask()
        return self.people.get(entry_id)

    def still_open(self, entry_ids: Sequence[str]) -> dict[str, bool]:
        """As in Directory."""
        self._ask()
        found = (self.people[each] for each in entry_ids if each in self.people)
        return {entry.id: not entry.is_closed for entry in found}

    def everyone(self) -> Iterator[Entry]:
        """As in Directory."""
        self._ask()
        yield from self.people.values()

    def _ask(self) -> None:
        self.asked += 1
        if self.fault:
            raise self.fault
