"""Reads the YAML and Markdown that authors write, and notes every mistake with its line (pure).

Nothing here raises on what an author wrote: a value that is wrong or missing is noted and replaced
by an empty one, so that one run shows all there is to mend.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from portal.courses import markdown
from portal.courses.markdown import Prose

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_PROSE = Prose("", (), (), ())


@dataclass(frozen=True, order=True)
class Mistake:
    """Something an author has to mend: where, what, and how. Lines count from 1."""

    file: str
    line: int
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message} {self.remedy}"


@dataclass(frozen=True)
class Reference:
    """A link to another step, and the audiences that read it (empty: all who see the step)."""

    line: int
    step: str
    anchor: str
    readers: frozenset[str]


@dataclass
class Source:
    """One file while it is read; `readers` are the audiences of what is read just now."""

    file: str
    text: str
    mistakes: list[Mistake]
    links: list[Reference] = field(default_factory=list)
    readers: frozenset[str] = frozenset()
    is_broken: bool = False  # noted already: nothing more to say about it

    @classmethod
    def decode(cls, file: str, data: bytes, mistakes: list[Mistake]) -> "Source":
        """Read bytes as UTF-8; what is not is a mistake, and an empty file."""
        try:
            text = data.decode("utf-8-sig").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            mistakes.append(
                Mistake(file, line, "The file is not UTF-8 text.", "Save it again as UTF-8.")
            )
            return cls(file, "", mistakes, is_broken=True)
        return cls(file, text, mistakes)

    def note(self, line: int, message: str, remedy: str) -> None:
        """Note a mistake on a line of this file."""
        self.mistakes.append(Mistake(self.file, line, message, remedy))

    def refer(self, line: int, step: str, anchor: str) -> None:
        """Remember a link to another step; the whole course says later whether it is there."""
        self.links.append(Reference(line, step, anchor, self.readers))

    def front_matter(self) -> tuple[MappingNode | None, int, str]:
        """The front matter of a Markdown file, the line where its body begins, and the body."""
        if self.is_broken:
            return None, 1, ""
        try:
            front, begins, body = markdown.split(self.text)
        except ValueError as problem:
            self.note(1, str(problem), "Begin the file with a line ---, then title: …, then ---.")
            return None, 1, self.text
        return self.mapping(front, before=1), begins + 1, body

    def mapping(self, text: str | None = None, *, before: int = 0) -> MappingNode | None:
        """The YAML of this file, or of a part that begins after `before` lines; None if broken."""
        if self.is_broken:
            return None
        whole = "\n" * before + (self.text if text is None else text)  # so that lines are right
        try:
            root = _compose(whole)
        except yaml.MarkedYAMLError as error:
            marks = [error.problem_mark, error.context_mark]
            if "stream end" in str(error.problem) or "end of stream" in str(error.problem):
                marks.reverse()  # what was opened there and never closed
            line = next((mark.line + 1 for mark in marks if mark), 1)
            self.note(line, f"This is not valid YAML: {error.problem}.", _yaml_remedy(error))
            return None
        except yaml.YAMLError as error:
            reason = str(error).partition("\n")[0]
            self.note(1 + before, f"This is not valid YAML: {reason}.", "Remove that character.")
            return None
        if not isinstance(root, MappingNode):
            self.note(1 + before, "Here belong lines like “title: …”.", "See content/README.md.")
            return None
        return root

    def prose(self, text: str, *, line: int, up: int = 1, links: bool = True) -> Prose:
        """Markdown that begins on `line`; `links` says whether it may lead to other steps."""
        if not text.strip():
            return _NO_PROSE
        read = markdown.read(text, up=up)
        for offset, message, remedy in read.faults:
            self.note(line + offset, message, remedy)
        for link in read.links:
            if links:
                self.refer(line + link.line, link.step, link.anchor)
            else:
                self.note(
                    line + link.line,
                    "This text is also printed in the record, where no page can be opened.",
                    "Say it in words instead of the link.",
                )
        return read


def _compose(text: str) -> Node | None:
    try:
        return yaml.compose(text, Loader=_FAST)
    except yaml.YAMLError:
        return yaml.compose(text, Loader=yaml.SafeLoader)  # says it better


def _yaml_remedy(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "mapping values are not allowed" in problem:
        return "Put quotes around a text that contains a colon."
    if "'\\t'" in problem or "'\\\\t'" in problem:
        return "Indent with spaces, not with tabs."
    if "another document" in problem:
        return "Remove the line of three hyphens."
    if "expected <block end>" in problem or "could not find expected ':'" in problem:
        return "Check the indentation and the colon of this line and the one above."
    if "undefined alias" in problem or "cannot start any token" in problem:
        return "Put quotes around a text that begins with * & ! @ ` or %."
    return "Check quotes, brackets and indentation here."


class Record:
    """A group of `key: value` lines, read key by key. `what` names it in messages."""

    def __init__(
        self,
        source: Source,
        node: Node | None,
        what: str,
        *,
        required: Sequence[str] = (),
        optional: Sequence[str] = (),
    ) -> None:
        self.source = source
        self.what = what
        self.line = node.start_mark.line + 1 if node is not None else 1
        self._values: dict[str, Node] = {}
        self._lines: dict[str, int] = {}
        if node is None:
            return
        if not isinstance(node, MappingNode):
            source.note(self.line, f"{_a(what)} is a group of lines “key: …”.", _example(required))
            return
        self._read(node, (*required, *optional))
        for key in required:
            if key not in self._lines:
                source.note(self.line, f"{_a(what)} needs “{key}”.", f"Add a line “{key}: …”.")

    def _read(self, node: MappingNode, known: Sequence[str]) -> None:
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value if isinstance(key_node, ScalarNode) else "?"
            if key in self._lines:
                self.source.note(line, f"“{key}” is here twice.", "Remove one of the two.")
            elif key not in known:
                self._lines[key] = line
                self.source.note(
                    line, f"“{key}” is not a key of {_a(self.what).lower()}.", nearest(key, known)
                )
            else:
                self._lines[key] = line
                if _is_empty(value):
                    self.source.note(line, f"“{key}” is empty.", "Write its value, or remove it.")
                else:
                    self._values[key] = value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def line_of(self, key: str) -> int:
        """The line where this key stands, or where the record begins."""
        return self._lines.get(key, self.line)

    def note(self, key: str, message: str, remedy: str) -> None:
        """Note a mistake where this key stands."""
        self.source.note(self.line_of(key), message, remedy)

    def text(self, key: str, default: str = "") -> str:
        """A text; a number or a word like yes is taken as it is written."""
        node = self._values.get(key)
        if node is None:
            return default
        if not isinstance(node, ScalarNode):
            self.note(key, f"“{key}” is not a text.", "Put quotes around the text.")
            return default
        return str(node.value).strip()

    def prose(self, key: str, *, up: int = 1, links: bool = True) -> str:
        """Markdown as sanitized HTML. See `Source.prose`."""
        text = self.text(key)
        if not text:
            return ""
        node = self._values[key]
        in_block = isinstance(node, ScalarNode) and node.style in {"|", ">"}
        line = node.start_mark.line + (2 if in_block else 1)
        return self.source.prose(text, line=line, up=up, links=links).html

    def slug(self, key: str) -> str:
        """A name for addresses and records: small letters, digits and hyphens."""
        text = self.text(key)
        if text and not _SLUG.fullmatch(text):
            self.note(
                key,
                f"“{text}” cannot be used as “{key}”.",
                "Use small letters, digits and hyphens, like deck-permit.",
            )
            return ""
        return text

    def number(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number between two bounds, both included."""
        node = self._values.get(key)
        if node is None:
            return default
        if isinstance(node, ScalarNode) and re.fullmatch(r"\d{1,6}", str(node.value)):
            value = int(node.value)
            if low <= value <= high:
                return value
        self.note(key, f"“{key}” is not a whole number.", f"Write one from {low} to {high}.")
        return default

    def flag(self, key: str) -> bool:
        """True or false; false where it is not said."""
        text = self.text(key, "false").lower()
        if text not in {"true", "false"}:
            self.note(key, f"“{key}” is neither true nor false.", "Write true, or remove the line.")
        return text == "true"

    def one_of(self, key: str, allowed: Sequence[str], default: str) -> str:
        """One of some words."""
        text = self.text(key, default)
        if key in self and text not in allowed:
            self.note(key, f"“{text}” is no {key} we know.", nearest(text, allowed))
            return default
        return text

    def names(self, key: str, allowed: Collection[str] = ()) -> tuple[str, ...]:
        """A list of words, all of them `allowed` where that is given."""
        names = []
        for node in self._items(key, "[one, two]"):
            if not isinstance(node, ScalarNode):
                self.note(key, f"“{key}” is not a list of words.", "Write it as [one, two].")
            elif allowed and node.value not in allowed:
                self.note(key, f"“{node.value}” cannot stand here.", nearest(node.value, allowed))
            else:
                names.append(str(node.value))
        return tuple(names)

    def record(
        self, key: str, *, what: str, required: Sequence[str] = (), optional: Sequence[str] = ()
    ) -> "Record":
        """A group of lines under this key; an empty one where there is none."""
        node = self._values.get(key)
        record = Record(self.source, node, what, required=required, optional=optional)
        if node is None:
            record.line = self.line_of(key)
        return record

    def records(
        self,
        key: str,
        *,
        what: str,
        required: Sequence[str] = (),
        optional: Sequence[str] = (),
        count: tuple[int, int],
    ) -> list["Record"]:
        """The groups of a list under this key; `count` is how few and how many it may have."""
        nodes = list(self._items(key, f"a list: “- {required[0]}: …”"))
        low, high = count
        if key in self and isinstance(self._values[key], SequenceNode):
            if len(nodes) < low:
                self.note(key, f"“{key}” has {len(nodes)} of at least {low}.", "Add more.")
            if len(nodes) > high:
                self.note(
                    key, f"“{key}” has {len(nodes)}, more than {high}.", "Take some away, or split."
                )
        return [
            Record(self.source, node, what, required=required, optional=optional) for node in nodes
        ]

    def answers(self, key: str) -> dict[str, tuple[str, ...]]:
        """Lines `name: [word, word]` under this key."""
        node = self._values.get(key)
        if node is None:
            return {}
        if not isinstance(node, MappingNode):
            self.note(key, f"“{key}” is not a group of lines.", "Write {question: [answer]}.")
            return {}
        known = [str(name.value) for name, _ in node.value]
        inner = Record(self.source, node, "condition", optional=known)
        return {name: inner.names(name) for name in known}

    def _items(self, key: str, form: str) -> Iterator[Node]:
        node = self._values.get(key)
        if isinstance(node, SequenceNode):
            yield from node.value
        elif node is not None:
            self.note(key, f"“{key}” is not a list.", f"Write it as {form}.")


def _is_empty(node: Node) -> bool:
    if isinstance(node, ScalarNode):
        return node.tag == "tag:yaml.org,2002:null" or not str(node.value).strip()
    return not node.value


def nearest(word: str, known: Collection[str]) -> str:
    """A remedy for a word that is not known: the one that was probably meant, or all there are."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"Did you mean “{close[0]}”?" if close else f"Known are: {', '.join(sorted(known))}."


def _a(what: str) -> str:
    return what if what.startswith("The ") else f"{'An' if what[0] in 'aeiou' else 'A'} {what}"


def _example(required: Sequence[str]) -> str:
    return f"Begin it with “{required[0]}: …”." if required else "See content/README.md."
