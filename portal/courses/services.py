"""Publishes courses, and finds what was published."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from uuid import UUID
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from sqlalchemy import Row, Select, select
from sqlalchemy.exc import IntegrityError

from portal import db
from portal.audit import services as audit
from portal.courses.content import (
    ContentInvalid,
    Mistake,
    collect,
    list_keys,
    read_course,
    read_published,
)
from portal.courses.course import Course
from portal.courses.models import CourseVersion
from portal.errors import NotFound

KEPT = 32
"""Courses that a process keeps ready; each takes some hundred kilobytes."""

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment a ZIP can tell


class ArchiveChanged(Exception):
    """The bytes kept of a course are not those that were published."""


@dataclass(frozen=True)
class Version:
    """A published version without its bytes."""

    id: UUID
    key: str
    number: int
    title: str
    content_hash: str
    published_at: datetime
    change: str  # "first", "minor", "material", or empty: HR has not decided

    @property
    def file_name(self) -> str:
        """What its archive is called."""
        return f"{self.key}-v{self.number}.zip"


@dataclass(frozen=True)
class Draft:
    """A course as its files stand now, beside what was published of it."""

    key: str
    title: str
    published: Version | None
    is_changed: bool
    mistakes: list[Mistake]


def list_drafts(folder: Path) -> list[Draft]:
    """Every course below `folder`, by key."""
    newest: dict[str, Version] = {}
    for version in list_versions():
        newest.setdefault(version.key, version)
    drafts = []
    for key in list_keys(folder):
        published = newest.get(key)
        try:
            course = read_course(collect(folder, key), key)
        except ContentInvalid as fault:
            title = published.title if published else key
            drafts.append(Draft(key, title, published, True, fault.mistakes))
        else:
            changed = published is None or published.content_hash != course.content_hash
            drafts.append(Draft(key, course.title, published, changed, []))
    return drafts


def publish(folder: Path, key: str, *, by: UUID | None = None) -> CourseVersion:
    """Publish the course `key` as it stands below `folder`, with its exact bytes.

    What is published last already is not published again; an older state that comes back is a new
    version. Raises ContentInvalid with every mistake.
    """
    files = collect(folder, key)
    course = read_course(files, key)
    newest = _find_newest(key)
    if newest is not None and newest.content_hash == course.content_hash:
        return newest
    version = CourseVersion(
        key=key,
        number=newest.number + 1 if newest else 1,
        title=course.title,
        content_hash=course.content_hash,
        archive=pack(files),
        change="" if newest else "first",
    )
    try:
        with db.session.begin_nested():
            db.session.add(version)
    except IntegrityError:
        newest = _find_newest(key)
        if newest is None or newest.content_hash != course.content_hash:
            raise
        return newest  # another process was faster with the same course
    audit.record(
        "course.published",
        subject=version.id,
        actor=by,
        key=key,
        number=version.number,
        content_hash=version.content_hash,
    )
    return version


@lru_cache(KEPT)
def get_course(version_id: UUID) -> Course:
    """The course of one version; once read, it costs no statement. Raises NotFound.

    Raises ArchiveChanged where the bytes are not those that were published.
    """
    version = get_version(version_id)
    course = read_published(unpack(get_archive(version_id)), version.key)
    if course.content_hash != version.content_hash:
        raise ArchiveChanged(f"{version.file_name} is not what was published.")
    return course


@lru_cache(KEPT)
def get_number(version_id: UUID) -> int:
    """Which of its course's versions it is; once read, it costs no statement. Raises NotFound."""
    return get_version(version_id).number


def get_version(version_id: UUID) -> Version:
    """What is known of one version, without its bytes. Raises NotFound."""
    row = db.session.execute(_versions().where(CourseVersion.id == version_id)).first()
    if row is None:
        raise NotFound
    return _version(row)


def list_versions() -> list[Version]:
    """All versions, by course, newest first."""
    rows = db.session.execute(_versions().order_by(CourseVersion.key, CourseVersion.number.desc()))
    return [_version(row) for row in rows]


def list_undecided() -> list[Version]:
    """The newest version of each course where HR has not said whether to sign it again."""
    newest: dict[str, Version] = {}
    for version in list_versions():
        newest.setdefault(version.key, version)
    return [version for version in newest.values() if not version.change]


def latest(key: str) -> Version:
    """The newest version of a course. Raises NotFound for a course that was never published."""
    row = db.session.execute(
        _versions().where(CourseVersion.key == key).order_by(CourseVersion.number.desc()).limit(1)
    ).first()
    if row is None:
        raise NotFound
    return _version(row)


def find_before(version: Version) -> Version | None:
    """The version of the same course before this one, if there is one."""
    row = db.session.execute(
        _versions()
        .where(CourseVersion.key == version.key, CourseVersion.number < version.number)
        .order_by(CourseVersion.number.desc())
        .limit(1)
    ).first()
    return _version(row) if row else None


def get_archive(version_id: UUID) -> bytes:
    """The ZIP with the exact files of one version, the same bytes every time. Raises NotFound."""
    archive = db.session.scalar(select(CourseVersion.archive).where(CourseVersion.id == version_id))
    if archive is None:
        raise NotFound
    return archive


def pack(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of these files whose bytes depend on nothing else: stored, sorted, without times."""
    packed = io.BytesIO()
    with ZipFile(packed, "w", ZIP_STORED) as archive:
        for path in sorted(files):
            entry = ZipInfo(path, _LONG_AGO)
            entry.create_system = 3  # or it would name the system it was made on
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[path])
    return packed.getvalue()


def unpack(archive: bytes) -> dict[str, bytes]:
    """The files of a ZIP made by `pack`."""
    with ZipFile(io.BytesIO(archive)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def _find_newest(key: str) -> CourseVersion | None:
    return db.session.scalar(
        select(CourseVersion)
        .where(CourseVersion.key == key)
        .order_by(CourseVersion.number.desc())
        .limit(1)
    )


def _versions() -> Select[UUID, str, int, str, str, datetime, str]:
    return select(
        CourseVersion.id,
        CourseVersion.key,
        CourseVersion.number,
        CourseVersion.title,
        CourseVersion.content_hash,
        CourseVersion.published_at,
        CourseVersion.change,
    )


def _version(row: Row[UUID, str, int, str, str, datetime, str]) -> Version:
    return Version(*row)
