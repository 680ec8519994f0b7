"""A ZIP whose every byte has its place before anything is read (APPNOTE 6.3, stored, zip64).

Because sizes and CRCs are kept with the records, length, ETag and any range are known up front:
a download that was cut goes on byte for byte, and memory does not grow with the archive.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate

_DOS_TIME = struct.pack("<HH", 0, 0x0021)  # 1980-01-01: an archive of the same files is the same
_UTF8, _STORED = 0x0800, 0
_LIMIT = 0xFFFFFFFF
_MOST_FILES = 0xFFFF


@dataclass(frozen=True)
class File:
    """One file of the archive: `key` is what `read` is asked for; size in bytes."""

    name: str
    size: int
    crc32: int
    key: str


Reader = Callable[[Sequence[File]], Iterator[bytes]]
"""Gives the bytes of the files asked for, in their order."""


class Archive:
    """The layout of one archive."""

    def __init__(self, files: Sequence[File]) -> None:
        self._files = files
        lengths = (len(_local(file)) + file.size for file in files)
        self._starts = list(accumulate(lengths, initial=0))
        self._tail = self._directory()
        self.size = self._starts[-1] + len(self._tail)

    @property
    def etag(self) -> str:
        """A strong validator: other files, other sizes or other bytes give another one."""
        return sha256(self._tail).hexdigest()[:32]

    def read(self, reader: Reader, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes from `start` up to, not including, `stop`."""
        stop = self.size if stop is None else stop
        wanted = [
            index
            for index in range(len(self._files))
            if self._starts[index] < stop and self._starts[index + 1] > start
        ]
        chunks = reader([self._files[index] for index in wanted])
        for index, data in zip(wanted, chunks, strict=True):
            file, place = self._files[index], self._starts[index]
            if len(data) != file.size:
                raise ValueError(f"{file.name} has {len(data)} bytes, not {file.size}.")
            yield from _slice(_local(file), place, start, stop)
            yield from _slice(data, place + len(_local(file)), start, stop)
        yield from _slice(self._tail, self._starts[-1], start, stop)

    def _directory(self) -> bytes:
        records = b"".join(
            _central(file, start) for file, start in zip(self._files, self._starts, strict=False)
        )
        start, count = self._starts[-1], len(self._files)
        end = b""
        if count > _MOST_FILES or start + len(records) > _LIMIT:
            end = struct.pack(
                "<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, count, count, len(records), start
            ) + struct.pack("<IIQI", 0x07064B50, 0, start + len(records), 1)
        return (
            records
            + end
            + struct.pack(
                "<IHHHHIIH",
                0x06054B50,
                0,
                0,
                min(count, _MOST_FILES),
                min(count, _MOST_FILES),
                min(len(records), _LIMIT),
                min(start, _LIMIT),
                0,
            )
        )


def _slice(data: bytes, place: int, start: int, stop: int) -> Iterator[bytes]:
    """The part of `data`, which begins at `place`, that is within start and stop."""
    part = data[max(0, start - place) : max(0, stop - place)]
    if part:
        yield part


def _local(file: File) -> bytes:
    name = file.name.encode()
    return (
        struct.pack("<IHHH", 0x04034B50, 20, _UTF8, _STORED)
        + _DOS_TIME
        + struct.pack("<IIIHH", file.crc32, file.size, file.size, len(name), 0)
        + name
    )


def _central(file: File, start: int) -> bytes:
    name = file.name.encode()
    extra = struct.pack("<HHQ", 1, 8, start) if start >= _LIMIT else b""
    return (
        struct.pack("<IHHHH", 0x02014B50, 45, 45 if extra else 20, _UTF8, _STORED)
        + _DOS_TIME
        + struct.pack("<III", file.crc32, file.size, file.size)
        + struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0, min(start, _LIMIT))
        + name
        + extra
    )
