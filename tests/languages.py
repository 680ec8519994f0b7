"""Catalogues made for tests, and a reader that finds what nobody translated."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo

from tests.conftest import ROOT

OPEN, CLOSE = "⟦", "⟧"
SPOKEN = ("aria-label", "alt", "placeholder", "title", "data-label", "data-show", "data-hide")
STRIPPED = " .,:;–—()•→“”"
SILENT = {"script", "style", "svg", "template"}


def messages() -> Iterator[str | tuple[str, ...]]:
    """Every message of code and templates, as `pybabel extract` finds it."""
    mappings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["babel"]["mappings"]
    methods = [(each["pattern"], each["method"]) for each in mappings]
    options = {each["pattern"]: {"trimmed": "false"} for each in mappings}
    keywords = {"_": None, "_l": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
    for folder in ("portal", "templates"):
        found = extract_from_dir(
            ROOT / folder,
            [
                (pattern.partition("/")[2], how)
                for pattern, how in methods
                if pattern.startswith(folder)
            ],
            {pattern.partition("/")[2]: each for pattern, each in options.items()},
            keywords=keywords,
        )
        for _file, _line, message, _comments, _context in found:
            yield message


def write_catalogue(folder: Path, language: str, words: Mapping[object, object]) -> None:
    """A compiled catalogue below `folder`, where Flask-Babel looks for it."""
    catalogue = Catalog(locale=language)
    for message, translation in words.items():
        catalogue.add(message, translation)
    place = folder / language / "LC_MESSAGES"
    place.mkdir(parents=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    (place / "messages.mo").write_bytes(compiled.getvalue())


def pseudo() -> dict[object, object]:
    """Every message translated to itself in brackets, so that what has none stands out."""
    return {
        message: tuple(f"{OPEN}{each}{CLOSE}" for each in message)
        if isinstance(message, tuple)
        else f"{OPEN}{message}{CLOSE}"
        for message in messages()
        if message
    }


class Reader(HTMLParser):
    """Collects what a page says outside of brackets: text, and attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self._depth = 0
        self._silent: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT or ("class", "prose") in attrs or self._silent:
            self._silent.append(tag)
        self.said += [
            re.sub(f"{OPEN}.*{CLOSE}", "", value or "", flags=re.DOTALL)
            for name, value in attrs
            if name in SPOKEN
        ]

    def handle_endtag(self, tag: str) -> None:
        if self._silent and tag in self._silent:
            while self._silent.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        said = ""
        for letter in data:
            self._depth += (letter == OPEN) - (letter == CLOSE)
            said += letter if not self._depth and letter != CLOSE else "\0"
        self.said += said.split("\0")


def untranslated(html: str) -> list[str]:
    """What a page in pseudo-language says in plain words, data too."""
    reader = Reader()
    reader.feed(html)
    said = (" ".join(each.split()).strip(STRIPPED) for each in reader.said)
    return [each for each in said if re.search(r"[A-Za-z]{2}", each)]
