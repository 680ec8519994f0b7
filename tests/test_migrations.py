from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from portal import db
from portal.migrations import upgrade


def differences(engine):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, db.Base.metadata)


def test_migrating_from_nothing_gives_exactly_the_models(each_app):
    engine = each_app.extensions["engine"]

    assert differences(engine) == []


def test_migrating_twice_changes_nothing(each_app):
    engine = each_app.extensions["engine"]

    upgrade(engine)

    assert differences(engine) == []
