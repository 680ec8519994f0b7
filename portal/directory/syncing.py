"""Reads the whole directory: who joined, moved, left, came back. With brakes.

A reading that looks wrong changes nothing at all: an answer that is not complete, far fewer people
than the last time, more leavers than a City has in a day, an id that comes twice. Who is disabled
has left at once; who is absent has left after two readings in a row. Nobody is ever deleted.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import TypeVar
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from portal import db, jobs
from portal.audit import services as audit
from portal.config import LdapSettings
from portal.directory.sync_plan import Known, Plan
from portal.errors import NotFound, Refused
from portal.jobs import Job
from portal.people.directory import AccountClosed, Entry, Misbehaving, Unreachable
from portal.people.door import Door, current_door
from portal.people.models import LocalAccount, Person, PersonChange, RoleGrant, Session, Sync
from portal.people.registering import come_back, in_force, leave
from portal.people.services import Identity

log = logging.getLogger(__name__)
T = TypeVar("T")

AT_NIGHT = time(2)  # the clock's reading, in the City's time
LEAST_SHARE = 90  # per cent of the last good reading
ALWAYS_ALLOWED = 5  # leavers in one reading, however small the City
BATCH = 200  # people in one transaction: others want to write, too
LONGEST = timedelta(minutes=8)  # that a reading may take
WATCH_EVERY = timedelta(seconds=30)


def ask(*, dry: bool, force: bool, by: Identity | None) -> Sync:
    """Ask for a reading; the worker does it. Refuses while another one waits or runs."""
    sync = Sync(is_dry=dry, is_forced=force, under_way=True, asked_by=by.id if by else None)
    try:
        with db.session.begin_nested():
            db.session.add(sync)
    except IntegrityError:
        raise Refused(_("The directory is being read already.")) from None
    audit.record("sync.asked", subject=sync.id, actor=by.id if by else None, dry=dry, forced=force)
    return sync


def get_sync(sync_id: UUID) -> Sync:
    """One reading. Raises NotFound."""
    found = db.session.get(Sync, sync_id, options=[joinedload(Sync.asker)])
    if found is None:
        raise NotFound
    return found


def list_syncs() -> Sequence[Sync]:
    """The latest readings, newest first."""
    return db.session.scalars(
        select(Sync).options(joinedload(Sync.asker)).order_by(Sync.asked_at.desc()).limit(30)
    ).all()


def list_changes(person_id: UUID) -> Sequence[PersonChange]:
    """A person's history, newest first."""
    return db.session.scalars(
        select(PersonChange)
        .where(PersonChange.person_id == person_id)
        .order_by(PersonChange.at.desc())
    ).all()


def run(sync_id: UUID, door: Door) -> None:
    """Do one reading that was asked for, in transactions of its own."""
    with db.reading() as session:
        sync = session.get_one(Sync, sync_id)
        force, dry = sync.is_forced, sync.is_dry
    try:
        entries = list(door.directory.everyone())
        plan = Plan(door, _known()).read(entries)
        stopped = _brake(door, entries, plan, force=force)
    except (Unreachable, Misbehaving, AccountClosed) as fault:
        log.error("directory not read: %s", fault)
        entries, plan, stopped = [], Plan(door, Known()), str(fault)
    if not stopped and not dry:
        _apply(plan, sync_id)
    with db.transaction() as session:
        sync = session.get_one(Sync, sync_id)
        sync.people, sync.stopped_because, sync.under_way = len(entries), stopped, None
        sync.bases = _count_by_base(door, entries)
        sync.counts, sync.lines = dict(plan.counts), plan.lines
        sync.ended_at = db.utc_now()
        audit.record("sync.ended", subject=sync_id, actor=None, stopped=bool(stopped))


def run_now(door: Door, *, dry: bool = False, force: bool = False) -> Sync:
    """Ask for a reading and do it at once, for a command. Refuses while another one runs."""
    with db.transaction():
        sync_id = ask(dry=dry, force=force, by=None).id
    if not jobs.claim("sync", str(sync_id), lease=LONGEST):
        raise Refused(_("The directory is being read already."))
    run(sync_id, door)
    with db.reading():
        return get_sync(sync_id)


def _known() -> Known:
    """What we hold of everybody who came from the directory."""
    with db.reading() as session:
        rows = session.execute(
            select(Person.__table__).where(
                Person.id.not_in(select(LocalAccount.person_id)),
                Person.directory_id.not_like("removed-%"),
            )
        )
        known = Known({row.directory_id: row._asdict() for row in rows})
        grants = select(RoleGrant.person_id, RoleGrant.role).where(in_force(db.today()))
        for person_id, role in session.execute(grants):
            known.grants.setdefault(person_id, []).append(role)
        known.sponsors.update(
            session.scalars(
                select(Person.sponsor_id)
                .join(LocalAccount, LocalAccount.person_id == Person.id)
                .where(Person.sponsor_id.is_not(None), Person.left_on.is_(None))
            )
        )
    return known


def _brake(door: Door, entries: Sequence[Entry], plan: Plan, *, force: bool) -> str:
    """Why a reading must not count, in words; empty if it may."""
    rules: LdapSettings = door.ldap
    with db.reading() as session:
        here = session.scalars(
            select(func.count()).select_from(Person).where(Person.left_on.is_(None))
        ).one()
        last = session.scalar(
            select(Sync)
            .where(Sync.ended_at.is_not(None), Sync.stopped_because == "", Sync.is_dry.is_(False))
            .order_by(Sync.ended_at.desc())
            .limit(1)
        )
    now = Counter(_count_by_base(door, entries))
    most = max(ALWAYS_ALLOWED, here * rules.sync_max_leavers // 100)
    why = ""
    if not entries:
        why = _("The directory gave nobody.")
    elif force:
        pass
    elif last and (empty := [base for base in last.bases if last.bases[base] and not now[base]]):
        why = _("The directory gave nobody below %(bases)s.", bases="; ".join(empty))
    elif len(entries) < rules.sync_min_users:
        why = _(
            "The directory gave %(count)s people; the setting SYNC_MIN_USERS asks for %(least)s.",
            count=len(entries),
            least=rules.sync_min_users,
        )
    elif last and len(entries) * 100 < last.people * LEAST_SHARE:
        why = _(
            "The directory gave %(count)s people, and %(last)s the last time.",
            count=len(entries),
            last=last.people,
        )
    elif plan.candidates > most:
        why = _(
            "%(count)s people would have left or are missing; more than %(most)s is not believed.",
            count=plan.candidates,
            most=most,
        )
    return why


def _count_by_base(door: Door, entries: Sequence[Entry]) -> dict[str, int]:
    dns = [entry.dn.lower() for entry in entries]
    return {
        base: sum(dn.endswith("," + base.lower()) for dn in dns) for base in door.ldap.user_bases
    }


def _apply(plan: Plan, sync_id: UUID) -> None:
    """Write the plan, a batch in each transaction; a second time changes what is left to do."""
    links = ("manager_id", "sponsor_id")
    for batch in _batches(plan.joiners):
        with db.transaction() as session:
            # Those above them may come in a later batch: who reports to whom is set afterwards.
            session.execute(insert(Person), [{**row, **dict.fromkeys(links)} for row in batch])
            came = [row["id"] for row in batch if row["left_on"] is None]
            rows = [{"person_id": key, "what": "joined", "sync_id": sync_id} for key in came]
            if rows:
                session.execute(insert(PersonChange), rows)
                audit.record_many("person.joined", subjects=came, actor=None, sync=str(sync_id))
            _note_roles(plan, [row["id"] for row in batch])
    above = [
        {"id": row["id"], **{name: row[name] for name in links}}
        for row in plan.joiners
        if row["manager_id"] or row["sponsor_id"]
    ]
    for batch in _batches(above):
        with db.transaction() as session:
            session.execute(update(Person), batch)
    # A change, its history and its log in one transaction: the next reading would not see it again.
    # By id, as all who write about many people take them: then nobody waits for each other.
    for batch in _batches([{"id": key, **row} for key, row in sorted(plan.changed.items())]):
        with db.transaction() as session:
            session.execute(update(Person), batch)
            history = [
                {**line, "sync_id": sync_id}
                for row in batch
                for line in plan.history.get(row["id"], ())
            ]
            if history:
                session.execute(insert(PersonChange), history)
                moved = dict.fromkeys(line["person_id"] for line in history)
                audit.record_many("person.moved", subjects=moved, actor=None, sync=str(sync_id))
            _note_roles(plan, [row["id"] for row in batch])
    for key in plan.leavers:
        with db.transaction() as session:
            leave(session.get_one(Person, key), sync_id=sync_id)
    for key in plan.returned:
        with db.transaction() as session:
            come_back(session.get_one(Person, key), sync_id=sync_id)
    with db.reading() as session:
        seen = session.scalars(
            select(Person.id).where(Person.left_on.is_(None), Person.missed == 0)
        ).all()
    now = db.utc_now()
    for keys in _batches(seen):
        with db.transaction() as session:
            session.execute(update(Person).where(Person.id.in_(keys)).values(seen_at=now))


def _note_roles(plan: Plan, keys: Sequence[UUID]) -> None:
    """Log other roles, and end the sessions that were opened with the old ones."""
    for key in keys:
        if key in plan.new_roles:
            before, after = plan.new_roles[key]
            db.session.execute(delete(Session).where(Session.person_id == key))
            audit.record(
                "person.roles_changed", subject=key, actor=None, before=before, after=after
            )


def _batches(rows: Sequence[T]) -> Iterable[Sequence[T]]:
    return (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))


def _due(_limit: int) -> list[str]:
    """What was asked for; and once a night, the clock's own reading."""
    with db.reading() as session:
        waiting = [
            str(one) for one in session.scalars(select(Sync.id).where(Sync.under_way.is_(True)))
        ]
        return waiting or (["nightly"] if _is_night_over() else [])


def _is_night_over() -> bool:
    """Whether tonight's hour is past, and nobody has read the directory since."""
    zone = db.settings().zone
    now = db.utc_now().astimezone(zone)
    tonight = datetime.combine(now.date(), AT_NIGHT, tzinfo=zone)
    if now < tonight:
        tonight -= timedelta(days=1)
    latest = db.session.scalar(select(func.max(Sync.asked_at)).where(Sync.is_dry.is_(False)))
    return latest is None or latest < tonight


def _do(item: str) -> None:
    if item == "nightly":
        with db.transaction():
            if not _is_night_over():
                return
            item = str(ask(dry=False, force=False, by=None).id)
    jobs.renew("sync", item, lease=LONGEST)
    run(UUID(item), current_door())


SYNC = Job("sync", _due, _do, every=1)
"""Readings that were asked for, and one each night."""


def _due_watch(_limit: int) -> list[str]:
    """One look in each half minute in which somebody is signed in."""
    with db.reading() as session:
        if session.scalar(select(Session.person_id).limit(1)) is None:
            return []
    slot = int(db.utc_now().timestamp() // WATCH_EVERY.total_seconds())
    return [str(slot)]


def _watch(_slot: str) -> None:
    """End the sessions of those whom the directory has closed or does not know any more."""
    with db.reading() as session:
        rows = session.execute(
            select(Person.directory_id, Person.id)
            .join(Session, Session.person_id == Person.id)
            .where(Person.id.not_in(select(LocalAccount.person_id)))
        ).all()
    signed_in: dict[str, UUID] = {row.directory_id: row.id for row in rows}
    if not signed_in:
        return
    try:
        open_ones = current_door().directory.still_open(list(signed_in))
    except (Unreachable, Misbehaving) as fault:  # sessions live on through an outage
        log.warning("accounts not checked: %s", fault)
        return
    for each in signed_in.keys() - open_ones.keys():
        with db.transaction() as session:
            session.execute(delete(Session).where(Session.person_id == signed_in[each]))
    for each, is_open in open_ones.items():
        if not is_open:
            with db.transaction() as session:
                person = session.get_one(Person, signed_in[each])
                if person.left_on is None:
                    leave(person)


WATCH = Job("watch", _due_watch, _watch, every=5)
"""Leavers' sessions end within a minute, not at night."""
