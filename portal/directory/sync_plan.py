"""What one reading of the directory would change (pure: it reads and writes no database)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Self
from uuid import UUID, uuid4

from portal import db
from portal.config import Role
from portal.mail import services as mail
from portal.people.directory import Entry, Misbehaving
from portal.people.door import Door
from portal.people.registering import HISTORY, facts_of, roles_of

MISSED = 2  # readings in a row without somebody: then they have left
MOST_LINES = 2000  # of a report; the counts are always whole


@dataclass(frozen=True)
class Known:
    """What we hold: people's rows by the directory's id, and roles granted here."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    grants: dict[UUID, list[str]] = field(default_factory=dict)
    sponsors: set[UUID] = field(default_factory=set)  # of those whom the directory does not know


class Plan:
    """Joiners, movers, leavers and those who are back, with the report in words."""

    def __init__(self, door: Door, known: Known) -> None:
        self._door, self._known = door, known
        self.joiners: list[dict[str, Any]] = []
        self.changed: dict[UUID, dict[str, Any]] = {}
        self.history: dict[UUID, list[dict[str, Any]]] = {}
        self.leavers: list[UUID] = []
        self.returned: list[UUID] = []
        self.new_roles: dict[UUID, tuple[list[str], list[str]]] = {}
        self.candidates = 0  # leavers, and those who are absent for the first time
        self.counts: Counter[str] = Counter()
        self.lines: list[list[str]] = []  # what, name, before, after
        self._ids: dict[str, UUID] = {}
        self._names: dict[UUID | None, str] = {}
        self._sponsors: set[UUID | None] = set()

    def read(self, entries: Sequence[Entry]) -> Self:
        """Compare the directory's people with ours. Raises Misbehaving for an id that repeats."""
        people: dict[str, Entry] = {}
        for entry in entries:
            if entry.id in people:
                raise Misbehaving(f"the id {entry.id} comes twice")
            people[entry.id] = entry
        rows = self._known.rows
        self._ids = {each: rows[each]["id"] if each in rows else uuid4() for each in people}
        self._names = {row["id"]: row["full_name"] for row in rows.values()}
        self._names |= {self._ids[each]: entry.full_name for each, entry in people.items()}
        contractors = (entry for entry in entries if entry.kind == "contractor")
        self._sponsors = {*self._known.sponsors}
        self._sponsors |= {self._ids.get(entry.manager_id or "") for entry in contractors}
        for each, entry in people.items():
            if is_excluded(entry, self._door.excluded):
                self._say("filtered", entry.username or entry.full_name, after=entry.dn)
            elif each in rows:
                self._compare(entry, rows[each])
            else:
                self._join(entry)
        for each, row in rows.items():
            if row["left_on"] is None and each not in people:
                self._miss(row)
        for entry in entries:
            if entry.email and not mail.is_address(entry.email) and not entry.is_closed:
                self._say("unmailable", entry.full_name, after=entry.email)
        return self

    def _facts(self, entry: Entry, scope: str = "") -> dict[str, Any]:
        above = self._ids.get(entry.manager_id or "")
        link = "sponsor_id" if entry.kind == "contractor" else "manager_id"
        return {
            **facts_of(
                self._door, entry, scope=scope, vouches=self._ids[entry.id] in self._sponsors
            ),
            "manager_id": None,
            "sponsor_id": None,
            link: above,
        }

    def _join(self, entry: Entry) -> None:
        """A closed account is known from now on, and not as somebody who works here."""
        roles = roles_of(self._door, entry)
        if roles != [Role.LEARNER]:
            self.new_roles[self._ids[entry.id]] = [Role.LEARNER.value], roles
        self.joiners.append(
            {
                **self._facts(entry),
                "id": self._ids[entry.id],
                "directory_id": entry.id,
                "roles": roles,
                "left_on": db.today() if entry.is_closed else None,
            }
        )
        what = "closed" if entry.is_closed else "joined"
        self._say(what, entry.full_name, after=entry.department)

    def _compare(self, entry: Entry, row: dict[str, Any]) -> None:
        key = row["id"]
        facts = self._facts(entry, row["scope"])
        changes = {name: value for name, value in facts.items() if row[name] != value}
        for what in (each for each in HISTORY if each in changes):
            before, after = row[what], changes[what]
            if what == "manager_id":
                before, after = self._names.get(before, ""), self._names.get(after, "")
            self.history.setdefault(key, []).append(
                {
                    "person_id": key,
                    "what": what.removesuffix("_id"),
                    "before": before,
                    "after": after,
                }
            )
            self._say("moved", entry.full_name, before, after)
        roles = roles_of(self._door, entry, self._known.grants.get(key, ()))
        if roles != row["roles"]:
            changes["roles"] = roles
            self.new_roles[key] = row["roles"], roles
            self._say("roles", entry.full_name, ", ".join(row["roles"]), ", ".join(roles))
        if row["missed"]:
            changes["missed"] = 0
        if changes:
            self.changed[key] = changes
        if entry.is_closed and row["left_on"] is None:
            self.candidates += 1
            self.leavers.append(key)
            self._say("left", entry.full_name, before=row["department"])
        elif not entry.is_closed and row["left_on"] is not None:
            self.returned.append(key)
            self._say("returned", entry.full_name, before=row["left_on"].isoformat())

    def _miss(self, row: dict[str, Any]) -> None:
        """Somebody is absent: the first time it is noted, the second time they have left."""
        self.candidates += 1
        self.changed[row["id"]] = {"missed": row["missed"] + 1}
        if row["missed"] + 1 >= MISSED:
            self.leavers.append(row["id"])
            self._say("left", row["full_name"], before=row["department"])
        else:
            self._say("absent", row["full_name"], before=row["department"])

    def _say(self, what: str, name: str, before: str = "", after: str = "") -> None:
        """Count a change, and keep its line while there is room."""
        self.counts[what] += 1
        if len(self.lines) < MOST_LINES:
            self.lines.append([what, name, before, after])


def is_excluded(entry: Entry, patterns: Sequence[str]) -> bool:
    """Whether this is a service account or a device by the settings' patterns."""
    names = (entry.username.casefold(), entry.dn.casefold())
    return any(fnmatchcase(name, each.casefold()) for each in patterns for name in names)
