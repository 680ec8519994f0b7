"""Runs the migrations on the connection that it is given."""

from importlib import import_module

from alembic import context

from portal.db import Base

for room in (
    "people",
    "courses",
    "contractors",
    "campaigns",
    "learning",
    "attestations",
    "audit",
    "mail",
    "reminders",
    "reports",
    "retention",
):
    import_module(f"portal.{room}.models")
import_module("portal.jobs")

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    user_module_prefix="db.",
)
with context.begin_transaction():
    context.run_migrations()
