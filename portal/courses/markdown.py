"""Markdown to sanitized HTML, with the links and the mistakes that are in it (pure)."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

_WRITER = MarkdownIt("commonmark", {"html": False}).enable("table")
_FINDER = MarkdownIt("commonmark", {"html": True}).enable("table")  # only to find raw HTML
_TAGS = {"p", "h2", "h3", "ul", "ol", "li", "strong", "em", "a", "blockquote", "br", "hr"} | {
    "table", "thead", "tbody", "tr", "th", "td"
}  # fmt: skip
_ATTRIBUTES = {"a": {"href"}, "h2": {"id"}, "th": {"scope"}, "ol": {"start"}}
_SCHEMES = {"https", "mailto", "tel"}
_STEP = re.compile(r"step:([a-z0-9-]+)/([a-z0-9-]+)(?:#([a-z0-9-]+))?")
_TITLE = re.compile(r"^title:\s*(.+)", re.MULTILINE)

Fault = tuple[int, str, str]
"""A line (from 0), what is wrong there, and what to do about it."""


@dataclass(frozen=True)
class Link:
    """A link to another step of the course, on a line (from 0) of the text."""

    line: int
    step: str
    anchor: str


@dataclass(frozen=True)
class Prose:
    """A text that was read. `headings` are (anchor, text) of its second-level headings."""

    html: str
    headings: tuple[tuple[str, str], ...]
    links: tuple[Link, ...]
    faults: tuple[Fault, ...]


def read(text: str, *, up: int = 1) -> Prose:
    """Read one text. A link `step:section/slug` becomes relative to the page that shows it.

    `up` is how far that page lies below the course's own address: 1 for a step, 2 for its result.
    """
    tokens = _WRITER.parse(text)
    headings: list[tuple[str, str]] = []
    links: list[Link] = []
    faults: list[Fault] = list(_raw_html(text))
    for block, following in zip(tokens, [*tokens[1:], None], strict=True):
        line = block.map[0] if block.map else 0
        if block.type == "heading_open" and following is not None:
            faults += _heading_faults(block, headings, line)
            if block.tag == "h2":
                words = _words(following)
                block.attrSet("id", _anchor(words, {anchor for anchor, _ in headings}))
                headings.append((str(block.attrGet("id")), words))
        if block.type == "th_open":
            block.attrSet("scope", "col")
        for token in block.children or ():
            if token.type == "image":
                faults.append((line, "Pictures are not supported.", "Describe it in words."))
            if token.type == "link_open":
                target = str(token.attrGet("href"))
                found = _STEP.fullmatch(target)
                if found:
                    section, slug, anchor = found.groups(default="")
                    links.append(Link(line, f"{section}/{slug}", anchor))
                    tail = f"#{anchor}" if anchor else ""
                    token.attrSet("href", f"{'../' * up}{section}/{slug}{tail}")
                elif target.partition(":")[0] not in _SCHEMES:
                    faults.append(
                        (
                            line,
                            f"The link “{target}” leads nowhere.",
                            "Write step:section/page for a page of this course, "
                            "or an address that begins with https:, mailto: or tel:.",
                        )
                    )
    html = _WRITER.renderer.render(tokens, _WRITER.options, {})
    return Prose(_clean(html), tuple(headings), tuple(links), tuple(faults))


def render(text: str) -> str:
    """The text as sanitized HTML; what is wrong in it is left out without a word."""
    return read(text).html


def page(text: str) -> tuple[str, str]:
    """Title and sanitized HTML of a text with `title:` in its front matter.

    Raises ValueError where there is none.
    """
    front, _line, body = split(text)
    title = _TITLE.search(front)
    if title is None:
        raise ValueError("The page has no title: begin it with ---, title: …, ---.")
    return title[1].strip().strip("\"'"), render(body)


def split(text: str) -> tuple[str, int, str]:
    """Front matter, the line (from 0) where the body begins, and the body.

    Raises ValueError, in words for the author, where the front matter is missing or open.
    """
    lines = text.split("\n")
    if lines[0].rstrip() != "---":
        raise ValueError("The front matter is missing.")
    ends = [at for at, line in enumerate(lines) if at and line.rstrip() == "---"]
    if not ends:
        raise ValueError("The front matter does not end.")
    return "\n".join(lines[1 : ends[0]]), ends[0] + 1, "\n".join(lines[ends[0] + 1 :])


def _clean(html: str) -> str:
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel=None,  # nothing opens in a new window
    ).strip()


def _raw_html(text: str) -> Iterator[Fault]:
    if "<" not in text:
        return
    for block in _FINDER.parse(text):
        inside = [token.content for token in block.children or () if token.type == "html_inline"]
        pieces = [block.content.strip().split("\n")[0]] if block.type == "html_block" else inside
        for piece in pieces[:1]:
            yield (
                block.map[0] if block.map else 0,
                f"Raw HTML is not shown: “{piece}”.",
                "Use Markdown: ## for a heading, **bold**, - for a list.",
            )


def _heading_faults(block: Token, headings: list[tuple[str, str]], line: int) -> Iterator[Fault]:
    if block.tag == "h1":
        yield line, "The page's title is its only first-level heading.", "Write ## instead of #."
    elif block.tag not in {"h2", "h3"}:
        yield line, "This heading is too deep.", "Use ## and, below it, ###."
    elif block.tag == "h3" and not headings:
        yield line, "A ### heading comes before any ## heading.", "Write ## instead."


def _words(inline: Token) -> str:
    return "".join(
        " " if token.type == "softbreak" else token.content for token in inline.children or ()
    )


def _anchor(words: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", words).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-") or "part"
    anchor, number = base, 2
    while anchor in taken or anchor in {"main", "need-help"}:  # ids of the frame
        anchor, number = f"{base}-{number}", number + 1
    return anchor
