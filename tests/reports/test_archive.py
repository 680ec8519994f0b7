import io
import zipfile
from random import Random
from zlib import crc32

import pytest

from portal.reports.archive import Archive, File

CONTENTS = {
    "a.txt": b"hello",
    "records/ünï.pdf": b"%PDF" * 5000,
    "empty": b"",
    "b": bytes(range(256)) * 9,
}
FILES = [File(name, len(data), crc32(data), name) for name, data in CONTENTS.items()]


def read(files):
    return (CONTENTS[file.key] for file in files)


WHOLE = b"".join(Archive(FILES).read(read))


def test_every_unzip_finds_each_file_unchanged():
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == CONTENTS


def test_the_length_is_known_before_anything_is_read():
    assert Archive(FILES).size == len(WHOLE)


def test_any_range_is_the_same_part_of_the_whole():
    chance = Random(7)
    for _ in range(300):
        start, stop = sorted(chance.sample(range(len(WHOLE) + 1), 2))
        assert b"".join(Archive(FILES).read(read, start, stop)) == WHOLE[start:stop]


def test_only_files_within_a_range_are_read():
    asked = []

    def note(files):
        asked.extend(file.name for file in files)
        return read(files)

    list(Archive(FILES).read(note, len(WHOLE) - 10, len(WHOLE)))

    assert asked == []


def test_the_same_files_have_the_same_validator_and_others_another():
    other = [*FILES[:-1], File("b", FILES[-1].size, FILES[-1].crc32 ^ 1, "b")]

    assert Archive(FILES).etag == Archive(list(FILES)).etag != Archive(other).etag


def test_a_file_that_is_not_as_long_as_it_was_said_is_refused():
    wrong = [File("a.txt", 4, 0, "a.txt")]

    with pytest.raises(ValueError, match="5 bytes, not 4"):
        list(Archive(wrong).read(read))


def test_more_files_than_a_plain_zip_can_count_are_counted():
    many = [File(f"{number}", 0, 0, "empty") for number in range(70_000)]

    data = b"".join(Archive(many).read(read))

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.namelist()) == 70_000


def test_an_archive_longer_than_four_gigabytes_has_its_places_right():
    """Only the tail is made: the places in it are those of a 6 GB archive."""
    big = [File(f"{number}", 2 << 30, 0, "none") for number in range(3)] + [FILES[0]]
    archive = Archive(big)

    tail = b"".join(archive.read(read, archive.size - 200, archive.size))
    place = int.from_bytes(tail[tail.rindex(b"a.txt") + 9 :][:8], "little")

    assert place == 3 * ((2 << 30) + 31)
