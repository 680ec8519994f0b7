"""The commands: flask portal …

Each opens one transaction and calls one service. What a command needs is imported when it runs,
so that the web server does not carry it.
"""

import os
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, ProgrammingError

from portal import db
from portal.config import Settings


class Commands(AppGroup):
    """Our commands; a database that does not answer, or has no tables yet, is one line."""

    def invoke(self, ctx: click.Context) -> object:
        """Raises ClickException where the database does not answer or was not migrated."""
        try:
            return super().invoke(ctx)
        except (OperationalError, ProgrammingError) as fault:
            engine = ctx.ensure_object(ScriptInfo).load_app().extensions["engine"]
            if ctx.invoked_subcommand != migrate.name and _is_behind(engine):
                raise click.ClickException(BEHIND) from fault
            raise click.ClickException(f"Database: {fault.orig}") from fault


def _is_behind(engine: Engine) -> bool:
    """Whether the database answers and is not at this version."""
    from portal.migrations import is_current

    with suppress(OperationalError):
        return not is_current(engine)
    return False


BEHIND = "The database does not have the tables of this version. Run: portal migrate"
group = Commands("portal", help="Run and check the portal.")
FILE = click.Path(path_type=Path, exists=True)
DAY = click.DateTime(["%Y-%m-%d"])


def init_app(app: Flask) -> None:
    """Add the commands."""
    app.cli.add_command(group)


@group.command()
def migrate() -> None:
    """Bring the database to this version of the portal."""
    from portal.migrations import upgrade

    upgrade(current_app.extensions["engine"])


@group.command()
def work() -> None:
    """Do what is due, until stopped: seal records, sign checkpoints."""
    from portal import jobs
    from portal.attestations import sealing
    from portal.worker import JOBS

    if _is_behind(current_app.extensions["engine"]):
        raise click.ClickException(BEHIND)  # a database that is away, it waits for
    os.nice(10)
    stop = jobs.stop_on_signals()
    sealing.warm()
    jobs.run(JOBS, stop=stop)


@group.command()
def retry() -> None:
    """Free the work that was given up after too many failures."""
    from portal import jobs

    with db.transaction():
        click.echo(f"{jobs.retry_parked()} items are free again.")


@group.command("check-content")
def check_content() -> None:
    """Report every mistake in the courses, with file, line and remedy."""
    from portal.courses import content

    mistakes = content.check(_settings().content_dir)
    for mistake in mistakes:
        click.echo(mistake)
    if mistakes:
        sys.exit(1)
    click.echo("The courses are in order.")


@group.command()
@click.argument("keys", nargs=-1)
def publish(keys: tuple[str, ...]) -> None:
    """Publish the courses named, or all; what has not changed stays as it is."""
    from portal.courses import content, services

    folder = _settings().content_dir
    for key in keys or content.list_keys(folder):
        try:
            with db.transaction():
                version = services.publish(folder, key)
        except content.ContentInvalid as fault:
            raise click.ClickException(f"{key} is not published.\n{fault}") from None
        click.echo(f"{key}: version {version.number}, {version.content_hash[:12]}")


@group.command("sync-people")
@click.option("--dry-run", is_flag=True, help="Only say what would change.")
@click.option("--force", is_flag=True, help="Believe a reading that looks wrong.")
def sync_people(*, dry_run: bool, force: bool) -> None:
    """Read everybody from the directory: joiners, movers, leavers; the worker does it nightly."""
    from portal.directory import syncing
    from portal.people.door import current_door

    sync = syncing.run_now(current_door(), dry=dry_run, force=force)
    if sync.stopped_because:
        raise click.ClickException(f"Nothing was changed. {sync.stopped_because}")
    for what, name, before, after in sync.lines:
        click.echo("  ".join(filter(None, (f"{what:9}", name, before, after and f"-> {after}"))))
    counted = ", ".join(f"{number} {what}" for what, number in sorted(sync.counts.items()))
    click.echo(f"{sync.people} people read. {counted or 'Nothing changes'}.")


@group.command("check-directory")
@click.option("--user", "username", help="Follow this person's sign-in, without a password.")
def check_directory(username: str | None) -> None:
    """Say of each thing that the directory must give whether it does, and the remedy."""
    from portal.directory import checking
    from portal.people.door import current_door

    checks = [*checking.check(current_door())]
    if username:
        checks += checking.trace(current_door(), username)
    for each in checks:
        remedy = f"  -> {each.remedy}" if each.remedy else ""
        click.echo(f"{each.state:4}  {each.what}: {each.said}{remedy}")
    if any(each.state == "bad" for each in checks):
        sys.exit(1)


@group.command("break-glass")
@click.argument("name")
@click.option("--reason", required=True, help="Stands in the log.")
def break_glass(name: str, reason: str) -> None:
    """Make an administrator for an emergency, for a day; each use is an alarm in the log."""
    from portal.people import local

    with db.transaction():
        username, password = local.break_glass(name, reason=reason)
    click.echo(f"username  {username}\npassword  {password}\nShown once. It ends tomorrow.")


@group.command("open-campaign")
@click.argument("key")
@click.option("--title", required=True)
@click.option("--kind", type=click.Choice(["annual", "onboarding"]), required=True)
@click.option("--course", required=True, help="Key of a published course.")
@click.option("--audience", type=click.Choice(["employee", "contractor"]), required=True)
@click.option("--opens-on", type=DAY, required=True)
@click.option("--due-on", type=DAY, help="For an annual campaign.")
@click.option("--due-days", type=int, help="For an onboarding: days after the person's start.")
def open_campaign(
    *, opens_on: datetime, due_on: datetime | None, due_days: int | None, **words: str
) -> None:
    """Open a campaign on the newest version of a course; again: add who has joined."""
    from portal.campaigns import services

    if (due_on is None) is (due_days is None):
        raise click.UsageError("Give either --due-on or --due-days.")
    fixed = due_on.date() if due_on else None
    plan = services.Plan(**words, opens_on=opens_on.date(), due_on=fixed, due_days=due_days)
    with db.transaction():
        services.open_campaign(plan)
    click.echo(f"{plan.title} is open.")


@group.command()
@click.option("--today", type=DAY, help="Pretend it is this day.")
def remind(today: datetime | None) -> None:
    """Send the reminders of a day now; the worker does it each working day at seven."""
    from portal.reminders import services

    day = today.date() if today else db.today()
    run = services.remind(day)
    click.echo(f"{run.reminded} people, {run.without_mail} without email, {run.lists} lists.")


@group.command()
def doctor() -> None:
    """Compare the facts with what follows from them; say what is missing and what to do."""
    from portal import doctor as consulting

    found = consulting.examine(_settings())
    for line in found or ["Nothing is missing."]:
        click.echo(line)
    sys.exit(1 if found else 0)


@group.command()
@click.argument("file", type=click.Path(path_type=Path))
def backup(file: Path) -> None:
    """Take a consistent copy of the database while the portal runs, for its owner alone."""
    if file.exists():
        raise click.ClickException(f"{file} is there already. Name a new file.")
    engine = current_app.extensions["engine"]
    os.umask(0o077)  # the copy holds what the database holds
    if engine.dialect.name == "postgresql":
        url = engine.url
        where = {"HOST": url.host, "PORT": url.port, "USER": url.username}
        where |= {"PASSWORD": url.password, "DATABASE": url.database}
        given = {f"PG{name}": str(value) for name, value in where.items() if value}
        subprocess.run(  # noqa: S603 - our own words; the password is not among them
            ["pg_dump", "--format=custom", f"--file={file}"],  # noqa: S607 - from PATH
            env={**os.environ, **given},
            check=True,
        )
    else:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            raw = connection.connection.driver_connection
            raw.execute("VACUUM INTO ?", [str(file)])
    for path in (file, file.absolute().parent):  # the bytes, and that there is such a file
        opened = os.open(path, os.O_RDONLY)
        os.fsync(opened)
        os.close(opened)
    click.echo(f"{file}: {file.stat().st_size:,} bytes.")


@group.command("verify-audit")
@click.option(
    "--checkpoint",
    "outside",
    type=click.Path(path_type=Path, exists=True),
    multiple=True,
    help="A checkpoint kept elsewhere; may be given several times.",
)
@click.option(
    "--zip",
    "archive",
    type=click.Path(path_type=Path, exists=True),
    help="Check a ZIP of records instead, without the database.",
)
@click.option("--key", help="Public key of the checkpoints; default: this portal's own.")
def verify_audit(outside: tuple[Path, ...], archive: Path | None, key: str | None) -> None:
    """Say where the log, its checkpoints and the facts part."""
    from portal.audit import checkpoints
    from portal.reports import verifying

    verifier = key or checkpoints.load_signer(_settings()).verifier_key
    if archive is not None:
        found = verifying.verify_zip(archive, verifier)
    else:
        notes = [path.read_text().partition("\n\n")[2] for path in outside]
        with db.reading():
            found = checkpoints.verify_log(verifier, outside=notes) + verifying.compare_facts()
    for line in found:
        click.echo(line)
    if found:
        sys.exit(1)
    click.echo(f"In order. Checked with {verifier}")


@group.command()
@click.option("--today", type=DAY, help="Pretend it is this day.")
def seed(today: datetime | None) -> None:
    """Open the demonstration's campaigns and let the generated people have begun."""
    from portal import demo

    if not _settings().is_demo:
        raise click.ClickException("Production has no demonstration data.")
    with db.transaction():
        demo.open_campaigns((today or datetime.now(UTC).astimezone(_settings().zone)).date())
    with db.transaction():
        signed = demo.seed(_settings())
    click.echo(f"{signed} demonstration records.")


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings
