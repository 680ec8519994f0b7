"""Looks at a PDF that HR uploads, before it is kept and sealed into a record.

A scan is pictures on pages. It may lead from page to page and have notes on it; whatever else can
act has no business in one, also what we have no word for. The parsing runs in a process with
limits, as all parsing of others' files does.
"""

import io
import subprocess
import sys
from typing import Any

from portal.documents import inspecting

MOST_PAGES = 20
_MOST_NODES = 1000
_MAY = {"/GoTo", "/Named"}  # to another place in the same document
_TURNS = {"/NextPage", "/PrevPage", "/FirstPage", "/LastPage"}  # other names are menus' commands
_NOTES = {
    *("/Link", "/Text", "/FreeText", "/Popup", "/Stamp", "/Ink", "/Caret"),
    *("/Highlight", "/Underline", "/Squiggly", "/StrikeOut"),
    *("/Line", "/Square", "/Circle", "/Polygon", "/PolyLine"),
}
_ACTION_AT = {"/A", "/PA", "/OpenAction", "/Next"}
_NEVER = {"/AA", "/JS", "/XFA", "/EF", "/EmbeddedFiles", "/RichMediaContent"}
_WORDS = {
    "script": {"/JavaScript", "/JS"},
    "link": {"/URI", "/GoToR", "/GoToE", "/Thread", "/Launch"},
    "form": {"/SubmitForm", "/ResetForm", "/ImportData", "/XFA", "/Widget"},
    "file": {"/EF", "/EmbeddedFiles", "/FileAttachment"},
    "film": {
        *("/Movie", "/Sound", "/Rendition", "/Screen", "/3D", "/GoTo3DView"),
        *("/RichMedia", "/RichMediaContent", "/RichMediaExecute"),
    },
}


def why_not(pdf: bytes) -> str:
    """Why the file cannot be kept as a scan: one word, empty if it can.

    "unreadable", "encrypted", "empty", "long" (more than MOST_PAGES pages), or what can act in it:
    "script", "link" (out of the document), "form", "file", "film", and "active" for anything else.
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
        pages = _count_pages(reader.root["/Pages"])
        if pages < 1:
            return "empty"
        return "long" if pages > MOST_PAGES else _acts(reader.root)
    except Exception:  # a broken file may raise anything
        return "unreadable"


def _count_pages(tree: Any) -> int:
    """The pages that the tree leads to, whatever it says itself; too many where it has no end."""
    waiting, pages = [tree], 0
    for _step in range(_MOST_NODES):
        if not waiting or pages > MOST_PAGES:
            return pages
        node = waiting.pop().get_object()
        if "/Kids" in node:
            waiting += node["/Kids"]
        else:
            pages += 1
    return MOST_PAGES + 1


def _acts(root: Any) -> str:
    """What can act, of all that the document leads to: a word as for `why_not`, or none.

    What a dictionary is depends on where it stands: /S names an action in one place and a border
    in another.
    """
    from pyhanko.pdf_utils.generic import ArrayObject, DictionaryObject, IndirectObject

    waiting, seen = [(root, "")], set()
    while waiting:
        value, at = waiting.pop()
        if isinstance(value, IndirectObject):
            place = (value.reference, at if at in _ACTION_AT | {"/Annots"} else "")
            if place in seen:
                continue
            seen.add(place)
            value = value.get_object()  # type: ignore[no-untyped-call]
        if isinstance(value, DictionaryObject):
            if found := _what_acts(value, at):
                return next((word for word, names in _WORDS.items() if found in names), "active")
            waiting += [(value.raw_get(key), key) for key in value]
        elif isinstance(value, ArrayObject):
            waiting += [(value.raw_get(index), at) for index in range(len(value))]
    return ""


def _what_acts(value: Any, at: str) -> str:
    """The name of what can act in a dictionary that stands at this key, or nothing."""
    if at in _ACTION_AT and "/S" in value:
        if value["/S"] not in _MAY:
            return str(value["/S"])
        if value["/S"] == "/Named" and value["/N"] not in _TURNS:
            return str(value["/N"])
    if at == "/Annots" and value["/Subtype"] not in _NOTES:
        return str(value["/Subtype"])
    return next(iter(_NEVER & value.keys()), "")


if __name__ == "__main__":
    data = sys.stdin.buffer.read()
    inspecting.limit()
    print(look(data))
