"""The database: models' base, UTC times, the session, and the rule of who commits.

Services flush; the edge commits. A request that may write (POST) and every `transaction()` begins
with BEGIN IMMEDIATE on SQLite, because a transaction that reads first and writes later fails when
another writer came between. A GET reads only: a flush in it raises.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, cast

from flask import Flask, current_app, g, has_request_context, request
from sqlalchemy import (
    Connection,
    DateTime,
    Engine,
    MetaData,
    Row,
    Select,
    TypeDecorator,
    create_engine,
    event,
)
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session
from werkzeug.local import LocalProxy

from portal.config import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, always UTC, on databases that keep zones and on those that do not."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Refuse times without a zone with ValueError: they would be read as another hour."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be stored.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        """Give UTC back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all models; names every constraint, so that migrations can."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012 - SQLAlchemy's own protocol


class WroteInARead(RuntimeError):
    """A GET tried to write."""


def _system_now() -> datetime:
    return datetime.now(UTC)


_now = _system_now


def utc_now() -> datetime:
    """The time, aware, in UTC. Tests replace `_now`."""
    return _now()


def local_day(moment: datetime) -> date:
    """The day of a moment in the City's time zone."""
    return moment.astimezone(settings().zone).date()


def today() -> date:
    """Today's date in the City's time zone."""
    return local_day(utc_now())


@contextmanager
def pretend(moment: datetime) -> Iterator[None]:
    """Let it be this moment for a while: for demonstration data, which has a past."""
    global _now  # noqa: PLW0603 - the one clock of the portal
    real, _now = _now, lambda: moment
    try:
        yield
    finally:
        _now = real


def make_engine(url: str) -> Engine:
    """An engine for SQLite (WAL, durable, 2 s of patience) or PostgreSQL (psycopg 3)."""
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True)

        @event.listens_for(engine, "connect")
        def _interpret(connection: Any, _record: Any) -> None:
            """Compiling a statement first takes longer than all that a page asks."""
            connection.execute("SET jit TO off")
            connection.commit()

        @event.listens_for(engine, "begin")
        def _hurry(connection: Any) -> None:
            if connection.get_execution_options().get("hasty"):
                connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")

        return engine
    # Debian's and Python's SQLite are older than the fix of the WAL-reset corruption (3.51.3).
    import pysqlite3.dbapi2

    # Room for every statement of the portal: a full cache keeps the old and compiles the new anew.
    options = {"timeout": 2, "cached_statements": 1000}
    engine = create_engine(url, module=pysqlite3.dbapi2, connect_args=options)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Any) -> None:
        options = connection.get_execution_options()
        if not options.get("writes"):
            return  # each SELECT sees its own moment, as PostgreSQL's READ COMMITTED has it
        level = "NORMAL" if options.get("hasty") else "FULL"
        if connection.info.get("synchronous", "FULL") != level:
            connection.exec_driver_sql(f"PRAGMA synchronous={level}")
            connection.info["synchronous"] = level
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class _Databases:
    """One app's engine, once for reading and once for writing, on the same pool."""

    def __init__(self, engine: Engine) -> None:
        self.reading = engine
        self.writing = engine.execution_options(writes=True)
        self.hasty = engine.execution_options(writes=True, hasty=True)


def _databases() -> _Databases:
    return cast(_Databases, current_app.extensions["databases"])


def _open(*, writes: bool, hasty: bool = False) -> Session:
    databases = _databases()
    if writes:
        return Session(databases.hasty if hasty else databases.writing, expire_on_commit=False)
    return ReadingSession(g.get("db_connection") or databases.reading, expire_on_commit=False)


class ReadingSession(Session):
    """The session of a GET: it refuses to write with WroteInARead."""


@event.listens_for(ReadingSession, "before_flush")
def _refuse_flush(opened: Session, *_: Any) -> None:
    if opened.new or opened.dirty or opened.deleted:
        raise WroteInARead("A GET must not write: use POST, or db.transaction() for the log.")


@event.listens_for(ReadingSession, "do_orm_execute")
def _refuse_statement(state: ORMExecuteState) -> None:
    if not state.is_select:
        raise WroteInARead("A GET must not write: use POST, or db.transaction() for the log.")


def _reads_only() -> bool:
    return has_request_context() and request.method in SAFE_METHODS


def _current() -> Session:
    if "db_session" not in g:
        g.db_session = _open(writes=not _reads_only())
    return cast(Session, g.db_session)


session = cast(Session, LocalProxy(_current))
"""The session of this request, command or job."""


def connection() -> Connection:
    """The connection under the session, for the statements of every page, which make no objects.

    A GET that asks nothing else does without a session, which costs more than such a statement.
    """
    if not _reads_only() or "db_session" in g:
        return session.connection()
    if "db_connection" not in g:
        g.db_connection = _databases().reading.connect()
    return cast(Connection, g.db_connection)


@contextmanager
def transaction(*, hasty: bool = False) -> Iterator[Session]:
    """A unit of work of its own: committed at the end, rolled back when something raises.

    `hasty`: the commit does not wait for the disk. For what may be lost when the power fails, such
    as a count of tries; never for a fact that somebody was told.

    Commands and jobs work in it. A request uses it for what must be kept whatever the answer
    is (a failed sign-in, a download in the log). Raises RuntimeError when the request's own
    transaction may already hold SQLite's one write lock: it would wait for itself.
    """
    outer: Session | None = g.get("db_session")
    if outer is not None and _is_writing(outer):
        raise RuntimeError("Commit or finish the transaction that is open before you begin one.")
    if outer is not None:
        outer.rollback()  # a reading request sees afterwards what was written here
    with _instead(_open(writes=True, hasty=hasty)) as inner, inner.begin():
        yield inner


def _is_writing(opened: Session) -> bool:
    """Whether its transaction may hold SQLite's one write lock."""
    return opened.in_transaction() and bool(opened.get_bind().get_execution_options().get("writes"))


@contextmanager
def joined_transaction() -> Iterator[Session]:
    """The transaction that is open for writing, or one of its own."""
    opened: Session | None = g.get("db_session")
    if opened is not None and _is_writing(opened):
        yield opened
        return
    with transaction() as inner:
        yield inner


@contextmanager
def reading() -> Iterator[Session]:
    """A short look at the database. A request that reads anyway looks with its own session."""
    if _reads_only():
        _current()
    open_now: Session | None = g.get("db_session")
    if isinstance(open_now, ReadingSession):
        yield open_now
        return
    with _instead(_open(writes=False)) as inner:
        yield inner


def look(statement: Select[*tuple[Any, ...]], **asked: Any) -> Sequence[Row[*tuple[Any, ...]]]:
    """All rows of a statement that makes no objects, as `reading()` would find them."""
    if _reads_only():
        return connection().execute(statement, asked).all()
    with reading() as opened:
        return opened.connection().execute(statement, asked).all()


@contextmanager
def _instead(inner: Session) -> Iterator[Session]:
    """Make `inner` the current session for a while."""
    outer: Session | None = g.get("db_session")
    g.db_session = inner
    try:
        with inner:
            yield inner
    finally:
        if outer is None:
            g.pop("db_session", None)
        else:
            g.db_session = outer


@contextmanager
def aside() -> Iterator[Connection]:
    """A short write beside what is open, which goes on reading: progress, and leases."""
    with _databases().writing.begin() as connection:
        yield connection


def refresh_statistics() -> None:
    """Estimate anew what the indexes of SQLite hold: a second for a large city.

    PostgreSQL does it by itself. Each table is a write of its own, so that others go on.
    """
    engine = _databases().reading
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA analysis_limit=400")
            connection.exec_driver_sql("PRAGMA optimize=0x10002")  # all tables, not the recent ones


def settings() -> Settings:
    """The settings of the app that works now: for jobs, which nobody passes them to."""
    return cast(Settings, current_app.extensions["settings"])


def sqlite_version(url: str) -> tuple[int, ...]:
    """The version of the SQLite library in use; of a higher one than any for PostgreSQL."""
    if not url.startswith("sqlite"):
        return (99,)
    import pysqlite3.dbapi2

    return tuple(pysqlite3.dbapi2.sqlite_version_info)


def finish(*, keep: bool) -> None:
    """End the request's transaction: commit if `keep`, else roll back."""
    opened: Session | None = g.get("db_session")
    if opened is None:
        return
    if keep:
        opened.commit()
    else:
        opened.rollback()


def init_app(app: Flask, url: str) -> None:
    """Give the app its engine and close its session when a request or command ends."""
    engine = make_engine(url)
    app.extensions["databases"] = _Databases(engine)
    app.extensions["engine"] = engine

    @app.teardown_appcontext
    def _close(_error: BaseException | None) -> None:
        for name in ("db_session", "db_connection"):
            opened: Session | Connection | None = g.pop(name, None)
            if opened is not None:
                opened.close()
