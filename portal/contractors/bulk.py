"""Many invitations from one CSV file, with a verdict for every row before anything happens."""

import csv
import io
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask_babel import gettext as _

from portal.contractors import invitations, services
from portal.contractors.services import Guest
from portal.errors import Refused
from portal.people.services import Identity

COLUMNS = ("name", "email", "firm", "work", "starts_on", "ends_on", "sponsor")
MOST_ROWS = 500


@dataclass(frozen=True)
class Row:
    """One line of the file: what it asks for, or why it cannot be."""

    number: int
    name: str
    guest: Guest | None
    why_not: str
    namesake: UUID | None  # who is invited already, and may be the same person


def read(text: str, *, by: Identity) -> list[Row]:
    """The rows with their verdicts. Refuses a file without our columns, or with too many rows."""
    table = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), restkey="more")
    heads = [(each or "").strip().casefold() for each in table.fieldnames or ()]
    if missing := [each for each in COLUMNS if each not in heads]:
        raise Refused(_("These columns are missing: %(names)s.", names=", ".join(missing)))
    table.fieldnames = heads
    rows: list[Row] = []
    mails: set[str] = set()
    people: dict[tuple[str, ...], list[str]] = {}
    for number, line in enumerate(table, start=2):
        if number > MOST_ROWS + 1:
            raise Refused(_("The file has more than %(most)s rows.", most=MOST_ROWS))
        cells = {name: " ".join((line.get(name) or "").split())[:200] for name in COLUMNS}
        if not any(cells.values()):
            continue
        rows.append(_row(number, cells, mails, people, by))
    if not rows:
        raise Refused(_("The file has no rows under its columns."))
    return rows


def _row(
    number: int,
    cells: dict[str, str],
    mails: set[str],
    people: dict[tuple[str, ...], list[str]],
    by: Identity,
) -> Row:
    """A row's verdict; `mails` and `people` (their addresses) are those of the rows before."""
    guest = Guest(
        full_name=cells["name"],
        email=cells["email"],
        firm=cells["firm"],
        job_title=cells["work"],
        started_on=_day(cells["starts_on"]),
        ends_on=_day(cells["ends_on"]),
        sponsor=cells["sponsor"],
    )
    found = services.why_not(guest, by=by)
    namesake = services.find_namesake(guest) if "full_name" in found else None
    why = list(found.values())
    email, same = guest.email.lower(), people.setdefault(guest.key, [])
    if email and email in mails:
        why.append(_("This address is in the file twice."))
    elif guest.full_name and any(services.may_be_one(email, other) for other in same):
        why.append(_("This person is in the file twice."))
    mails.add(email)
    same.append(email)
    return Row(
        number,
        cells["name"],
        None if why else guest,
        " ".join(why),
        namesake.id if namesake else None,
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def invite(text: str, *, by: Identity) -> tuple[int, int]:
    """Invite everybody whose row is good; returns how many by mail, and how many need a letter."""
    mailed = letters = 0
    for row in read(text, by=by):
        if row.guest is None:
            continue
        person = services.invite(row.guest, by=by)
        if row.guest.email:
            invitations.send_link(person, by=by)
            mailed += 1
        else:
            letters += 1
    return mailed, letters
