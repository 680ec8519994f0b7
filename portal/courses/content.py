"""A folder of Markdown and YAML to a frozen Course, its hash, and every mistake in it (pure)."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from portal.courses.assembly import SAME_AS, SHARED, Assembly
from portal.courses.course import Course
from portal.courses.reading import Mistake

__all__ = ["ContentInvalid", "Mistake", "check", "collect", "content_hash", "read_course"]

SITE = "site"  # the portal's own pages, beside the courses


class ContentInvalid(Exception):
    """A course cannot be published as it is; `mistakes` are all that is wrong, in reading order."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


def collect(folder: Path, key: str) -> dict[str, bytes]:
    """The files that make the course `key`, by their path below `folder`: its own and shared ones.

    Hidden files and an editor's copies (`~`) are no part of it.
    """
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted((folder / key).rglob("*"))
        if path.is_file() and not path.is_symlink() and not _is_hidden(path.relative_to(folder))
    }
    for data in list(files.values()):
        for match in SAME_AS.finditer(data):
            name = match[1].decode("utf-8", "replace")
            path = folder / name
            if SHARED.fullmatch(name) and path.is_file() and not path.is_symlink():
                files[name] = path.read_bytes()
    return dict(sorted(files.items()))


def content_hash(files: Mapping[str, bytes]) -> str:
    """SHA-256, in hex, over the lines "path sha256" of all files, sorted by path."""
    lines = (f"{path} {sha256(files[path]).hexdigest()}\n" for path in sorted(files))
    return sha256("".join(lines).encode()).hexdigest()


def read_course(files: Mapping[str, bytes], key: str) -> Course:
    """The course that these files make. Raises ContentInvalid with every mistake there is."""
    course, mistakes = _assemble(files, key)
    if mistakes:
        raise ContentInvalid(mistakes)
    return course


def read_published(files: Mapping[str, bytes], key: str) -> Course:
    """The course of files that were valid when published, even if checks got stricter since."""
    return _assemble(files, key)[0]


def check(folder: Path) -> list[Mistake]:
    """Every mistake in every course below `folder`; an empty list where all can be published."""
    found: set[Mistake] = set()
    for key in list_keys(folder):
        found.update(_assemble(collect(folder, key), key)[1])
    return sorted(found)


def list_keys(folder: Path) -> list[str]:
    """The keys of all courses below `folder`."""
    return sorted(
        path.name
        for path in folder.iterdir()
        if path.is_dir() and path.name != SITE and not _is_hidden(Path(path.name))
    )


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part.endswith("~") for part in path.parts)


def _assemble(files: Mapping[str, bytes], key: str) -> tuple[Course, list[Mistake]]:
    return Assembly(files, key, content_hash(files)).read()
