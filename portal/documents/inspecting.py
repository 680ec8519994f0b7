"""Looks into a PDF that a stranger sent, in a process of its own with little to lose.

`python -m portal.documents.inspecting` reads one line of JSON (our certificates, base64) and then
the file from standard input, and writes one line of JSON. Parsers of PDF can be made to loop or to
eat memory; here that ends this process and nothing else.
"""

import base64
import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from threading import BoundedSemaphore
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from flask_babel import gettext as _
from werkzeug.exceptions import ServiceUnavailable

from portal.config import ROOT
from portal.documents.seal import Check

SECONDS = 3  # of the processor's time; one of ours takes a third of it
MEMORY = 1024 * 1024 * 1024  # bytes of address space
_MOST_ATTACHED = 4 * 1024 * 1024  # bytes of all attached text; ours have some 20,000
_PLACES = BoundedSemaphore(2)  # of the four threads of a web process: the others answer pages


@dataclass(frozen=True)
class Inspection:
    """What a file holds: its seal, and the JSON files attached to it, by their names."""

    readable: bool = False
    check: Check = field(default_factory=Check)
    attached: dict[str, str] = field(default_factory=dict)


def inspect(pdf: bytes, certificates: Sequence[x509.Certificate]) -> Inspection:
    """Look into the file as `ask` does; what cannot be read so is not readable."""
    known = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in certificates]
    try:
        answer = ask("portal.documents.inspecting", json.dumps(known).encode() + b"\n" + pdf)
        found: dict[str, Any] = json.loads(answer)
    except (subprocess.SubprocessError, ValueError):
        return Inspection()
    sealed_at = found["check"].pop("sealed_at")
    return Inspection(
        readable=found["readable"],
        check=Check(
            **found["check"], sealed_at=datetime.fromisoformat(sealed_at) if sealed_at else None
        ),
        attached=found["attached"],
    )


def ask(module: str, data: bytes) -> bytes:
    """What `python -m module` answers about these bytes, within SECONDS and MEMORY.

    Raises SubprocessError where that is not enough, and ServiceUnavailable while two others are
    looked into: a page that waited here would keep a thread from everybody else.
    """
    if not _PLACES.acquire(blocking=False):
        raise ServiceUnavailable(_("Too many files are being checked. Try again in a minute."))
    try:
        return subprocess.run(  # noqa: S603 - a module of ours
            [sys.executable, "-m", module],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=SECONDS + 5,
            cwd=ROOT,
            check=True,
        ).stdout
    finally:
        _PLACES.release()


def look(pdf: bytes, certificates: Sequence[x509.Certificate]) -> Inspection:
    """The same in this process, without limits: for files that we made."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    from portal.documents.pades import check

    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=False)
        readable = int(reader.root["/Pages"]["/Count"]) > 0
    except Exception:  # a broken file may raise anything
        return Inspection()
    return Inspection(readable, check(pdf, certificates), dict(_attached(reader)))


def _attached(reader: Any) -> Iterator[tuple[str, str]]:
    """Attached files that are text, with their names."""
    room = _MOST_ATTACHED
    try:
        names = reader.root["/Names"]["/EmbeddedFiles"]["/Names"]
        for at in range(0, len(names) - 1, 2):  # name, file, name, file …
            data = names[at + 1]["/EF"]["/F"].data
            if len(data) <= room:
                room -= len(data)
                yield str(names[at]), data.decode()
    except Exception:  # see above
        return


def limit() -> None:
    """Let this process use little from now on, and that after those who answer pages."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _main() -> None:
    certificates = [
        x509.load_der_x509_certificate(base64.b64decode(text))
        for text in cast(list[str], json.loads(sys.stdin.buffer.readline()))
    ]
    pdf = sys.stdin.buffer.read()
    limit()
    found = asdict(look(pdf, certificates))
    json.dump(found, sys.stdout, default=lambda moment: moment.isoformat())


if __name__ == "__main__":
    _main()
