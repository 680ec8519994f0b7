"""Looks at a PDF that HR uploads, before it is kept and sealed into a record.

A scan is pictures on pages. What can act (scripts, launches, forms that send, files inside) has no
business in one. The parsing runs in a process with limits, as all parsing of others' files does.
"""

import io
import subprocess
import sys
from typing import Any

from portal.documents import inspecting

MOST_PAGES = 20
_KEYS = {"/JS", "/XFA", "/EF", "/EmbeddedFiles", "/RichMediaContent"}
_ACTIONS = {"/JavaScript", "/Launch", "/ImportData", "/SubmitForm", "/RichMediaExecute", "/GoToR"}


def why_not(pdf: bytes) -> str:
    """Why the file cannot be kept as a scan: one word, empty if it can.

    "unreadable", "encrypted", "empty", "long" (more than MOST_PAGES pages) or "active".
    Raises ServiceUnavailable as `inspecting.ask`.
    """
    try:
        return inspecting.ask("portal.documents.scans", pdf).decode().strip()
    except subprocess.SubprocessError:
        return "unreadable"


def look(pdf: bytes) -> str:
    """The same in this process, without limits."""
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=False)
        if reader.encrypted:
            return "encrypted"
        pages = int(reader.root["/Pages"]["/Count"])
        if pages < 1:
            return "empty"
        if pages > MOST_PAGES:
            return "long"
        return "active" if _can_act(reader.root) else ""
    except Exception:  # a broken file may raise anything
        return "unreadable"


def _can_act(root: Any) -> bool:
    """Whether anything that the document leads to can act."""
    from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject

    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if isinstance(value, IndirectObject):
            if value.reference in seen:
                continue
            seen.add(value.reference)
            value = value.get_object()  # type: ignore[no-untyped-call]
        if isinstance(value, DictionaryObject):
            if _KEYS & value.keys() or ("/S" in value and value["/S"] in _ACTIONS):
                return True
            waiting += [value.raw_get(key) for key in value]
        elif isinstance(value, ArrayObject):
            waiting += [value.raw_get(at) for at in range(len(value))]
    return False


if __name__ == "__main__":
    data = sys.stdin.buffer.read()
    inspecting.limit()
    print(look(data))
