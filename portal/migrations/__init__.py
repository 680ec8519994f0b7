"""Migrations of the database, with Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

FOLDER = Path(__file__).parent


def upgrade(engine: Engine) -> None:
    """Bring the database to the newest version; a second time changes nothing.

    On SQLite a table is changed by making it anew, and its name must not stay empty for those that
    point to it: so foreign keys are off meanwhile, and checked before the end. Raises RuntimeError
    when one leads nowhere, and changes nothing then.
    """
    if is_current(engine):
        return  # the check of a large database takes seconds
    with engine.connect() as connection, _without_foreign_keys(connection), connection.begin():
        command.upgrade(config(connection), "head")
        if connection.dialect.name == "sqlite":
            astray = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if astray:
                raise RuntimeError(f"Rows of {astray[0][0]} point to what is not there.")


def is_current(engine: Engine) -> bool:
    """Whether the database is at the newest version."""
    with engine.connect() as connection:
        here = MigrationContext.configure(connection).get_current_heads()
        return set(here) == set(ScriptDirectory.from_config(config(connection)).get_heads())


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Outside a transaction: within one, SQLite takes no notice of it."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw = connection.connection.driver_connection
    raw.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
    try:
        yield
    finally:
        raw.execute("PRAGMA foreign_keys=ON")  # type: ignore[union-attr]


def config(connection: object) -> Config:
    """Alembic's configuration for one open connection."""
    made = Config()
    made.set_main_option("script_location", str(FOLDER))
    made.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    made.attributes["connection"] = connection
    return made
