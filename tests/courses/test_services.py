import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from portal import db
from portal.audit.models import AuditEntry
from portal.courses import services
from portal.courses.content import ContentInvalid, collect, content_hash
from portal.courses.models import CourseVersion
from portal.errors import NotFound

SMALL = Path(__file__).parent.parent / "content"
KEY = "small-course"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SMALL, tmp_path / "content")
    return tmp_path / "content"


def publish(folder: Path) -> CourseVersion:
    with db.transaction():
        return services.publish(folder, KEY)


def edit(folder: Path, text: str) -> None:
    page = folder / KEY / "start" / "10-welcome.md"
    page.write_text(page.read_text("utf-8") + text, "utf-8")


def test_publishing_keeps_the_exact_bytes(app: Flask, folder: Path) -> None:
    version = publish(folder)

    kept = services.unpack(services.get_archive(version.id))
    assert kept == collect(folder, KEY)
    assert content_hash(kept) == version.content_hash


def test_publishing_the_same_again_changes_nothing(app: Flask, folder: Path) -> None:
    first = publish(folder)
    second = publish(folder)

    assert second.id == first.id
    assert len(services.list_versions()) == 1


def test_a_changed_course_is_the_next_version_and_the_old_one_stays(
    app: Flask, folder: Path
) -> None:
    first = publish(folder)
    edit(folder, "\nOne more sentence.\n")
    second = publish(folder)

    assert (first.number, second.number) == (1, 2)
    assert services.latest(KEY).id == second.id
    assert "One more" not in str(services.get_course(first.id))
    assert "One more" in str(services.get_course(second.id))


def test_an_older_state_that_comes_back_is_a_new_version(app: Flask, folder: Path) -> None:
    publish(folder)
    edit(folder, "\nOne more sentence.\n")
    publish(folder)
    shutil.rmtree(folder)
    shutil.copytree(SMALL, folder)

    third = publish(folder)

    assert third.number == 3
    assert services.latest(KEY).id == third.id


def test_a_course_with_mistakes_is_not_published(app: Flask, folder: Path) -> None:
    (folder / KEY / "policy.md").unlink()

    with pytest.raises(ContentInvalid, match=r"policy\.md"):
        publish(folder)

    assert services.list_versions() == []


def test_the_log_keeps_what_was_published(app: Flask, folder: Path) -> None:
    version = publish(folder)

    entry = db.session.scalars(select(AuditEntry).filter_by(action="course.published")).one()
    assert entry.subject == str(version.id)
    assert version.content_hash in entry.leaf


def test_the_archive_is_the_same_on_every_day_and_machine() -> None:
    files = {"b/two.md": b"2", "a/one.md": b"1"}

    packed = services.pack(files)

    assert services.unpack(packed) == files
    assert sha256(packed).hexdigest() == (
        "7606a2e163fb27055aeb69519fabbafae761d7e839c51e7f1d23ae951ad86ffd"
    )


def test_a_course_that_was_read_once_costs_no_statement(
    app: Flask, folder: Path, count_statements: Callable[[], Any]
) -> None:
    version = publish(folder)
    services.get_course(version.id)

    with count_statements() as statements:
        course = services.get_course(version.id)

    assert course.content_hash == version.content_hash
    assert statements == []


def test_bytes_that_were_changed_in_the_database_are_not_shown(app: Flask, folder: Path) -> None:
    version = publish(folder)
    files = collect(folder, KEY)
    files[f"{KEY}/policy.md"] += b"\nMore.\n"
    with db.transaction() as session:
        session.get_one(CourseVersion, version.id).archive = services.pack(files)

    with pytest.raises(services.ArchiveChanged):
        services.get_course(version.id)


def test_what_was_never_published_is_not_found(app: Flask) -> None:
    for ask in (services.get_course, services.get_version, services.get_archive):
        with pytest.raises(NotFound):
            ask(uuid4())
    with pytest.raises(NotFound):
        services.latest("nothing")
