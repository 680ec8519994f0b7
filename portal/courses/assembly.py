"""Puts a course together from its files, and notes what does not fit together (pure)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from portal.courses.course import (
    SCOPE,
    AboutYou,
    Change,
    Course,
    Page,
    QuizRules,
    Scenario,
    Section,
    Step,
)
from portal.courses.questions import QUIZ_KEYS, QuizFrame, read_quiz, read_rules, too_few
from portal.courses.reading import Mistake, Record, Reference, Source, nearest
from portal.courses.steps import read_audiences, read_page, read_yaml

MOST_CHANGES = 5  # more is no summary
MOST_SCENARIOS = 50
SAME_AS = re.compile(rb"^same_as:[ \t]*['\"]?([^\s'\"#]+)", re.MULTILINE)
SHARED = re.compile(r"[a-z0-9-]+/[a-z0-9-]+/\d+-[a-z0-9-]+\.(md|yaml)")
_STEP_FILE = re.compile(r"(\d{1,3})-([a-z0-9]+(?:-[a-z0-9]+)*)\.(md|yaml)")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")


@dataclass(frozen=True)
class Placed:
    """A step with the file that puts it into this course, and what it links to."""

    step: Step
    file: str
    links: tuple[Reference, ...]


class Assembly:
    """Reads one course once."""

    def __init__(self, files: Mapping[str, bytes], key: str, content_hash: str) -> None:
        self.files = files
        self.key = key
        self.mistakes: list[Mistake] = []
        self.placed: list[Placed] = []
        self.content_hash = content_hash
        self.used = {f"{key}/course.yaml", f"{key}/policy.md"}
        self.taken: dict[str, str] = {}  # question id -> where
        self.drawn: set[str] = set()  # scenarios that not everyone gets

    def read(self) -> tuple[Course, list[Mistake]]:
        """The course, as far as it can be read, and all mistakes in reading order."""
        source = self._open("course.yaml", "Add course.yaml: see content/README.md.")
        record = Record(
            source,
            source.mapping(),
            "course",
            required=(
                "title",
                "language",
                "minutes",
                "summary",
                "statement",
                "consent",
                "collection_notice",
                "sections",
            ),
            optional=("quiz", "scenarios", "repeat", "changes", "note"),
        )
        language = record.text("language", "en")
        if not _LANGUAGE.fullmatch(language):
            record.note("language", f"“{language}” is no language code.", "Write en or fr.")
        if len(record.text("title")) > 200:
            record.note("title", "The title is too long.", "Use at most 200 characters.")
        policy_title, policy_html = self._read_policy()
        course = Course(
            key=self.key,
            title=record.text("title"),
            language=language,
            minutes=record.number("minutes", 1, low=1, high=240),
            summary=record.text("summary"),
            statement=record.text("statement"),
            consent=record.text("consent"),
            notice_html=record.prose("collection_notice", links=False),
            policy_title=policy_title,
            policy_html=policy_html,
            sections=tuple(self._read_sections(record)),
            content_hash=self.content_hash,
            changes=tuple(self._read_changes(record)),
            repeats_whole=record.one_of("repeat", ("changed", "whole"), "changed") == "whole",
        )
        self._check_walk()
        if course.sections:  # else every file would be one
            self._check_strays()
        return course, sorted(set(self.mistakes))

    def _open(self, name: str, remedy: str) -> Source:
        file = f"{self.key}/{name}"
        if file not in self.files:
            self.mistakes.append(Mistake(file, 1, f"There is no {name}.", remedy))
            return Source(file, "", self.mistakes, is_broken=True)
        return Source.decode(file, self.files[file], self.mistakes)

    def _read_policy(self) -> tuple[str, str]:
        source = self._open("policy.md", "Add the text that people sign for.")
        node, line, body = source.front_matter()
        record = Record(source, node, "policy", required=("title",), optional=("facts", "note"))
        if node is not None and not body.strip():
            source.note(line, "The policy has no text.", "Write it below the second line of ---.")
        return record.text("title"), source.prose(body, line=line, links=False).html

    def _read_changes(self, course: Record) -> Iterator[Change]:
        names = ("topic", "before", "now")
        rows = course.records("changes", what="change", required=names, count=(0, MOST_CHANGES))
        for row in rows:
            yield Change(*(row.text(name) for name in names))

    def _read_sections(self, course: Record) -> Iterator[Section]:
        quiz = course.record("quiz", what="quiz rule", optional=QUIZ_KEYS)
        default = read_rules(quiz, QuizRules())
        scenarios = course.number("scenarios", 0, low=1, high=MOST_SCENARIOS) or None
        seen: set[str] = set()
        for record in course.records(
            "sections",
            what="section",
            required=("folder", "title"),
            optional=("quiz", "scenarios", "only_for"),
            count=(1, 20),
        ):
            folder = record.slug("folder")
            if folder in seen:
                record.note("folder", f"The section “{folder}” is here twice.", "Remove one.")
            elif folder:
                seen.add(folder)
                section = self._read_section(record, folder, default)
                yield replace(section, scenarios=self._read_scenarios(record, section, scenarios))

    def _read_scenarios(self, record: Record, section: Section, default: int | None) -> int | None:
        """How many scenarios of the section each person gets; None for all."""
        own = record.number("scenarios", 0, low=1, high=MOST_SCENARIOS)
        if own > section.written:
            has = f"The section “{section.key}” has {section.written} scenarios"
            record.note(
                "scenarios",
                f"{has}, but {own} are drawn.",
                "Write more of them, or draw fewer.",
            )
        number = own or default
        if number and number < section.written:
            self.drawn.update(s.key for s in section.steps if isinstance(s, Scenario))
        return number

    def _read_section(self, record: Record, folder: str, default: QuizRules) -> Section:
        only_for = read_audiences(record)
        rules = read_rules(record.record("quiz", what="quiz rule", optional=QUIZ_KEYS), default)
        prefix = f"{self.key}/{folder}/"
        names = sorted(
            path.removeprefix(prefix)
            for path in self.files
            if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
        )
        numbered: list[tuple[int, str, str]] = []
        for name in names:
            match = _STEP_FILE.fullmatch(name)
            if match:
                numbered.append((int(match[1]), match[2], name))
                self.used.add(prefix + name)
        numbered.sort()
        self._check_names(prefix, numbered)
        steps = [
            self._place(prefix + name, f"{folder}/{slug}", only_for) for _, slug, name in numbered
        ]
        frame = QuizFrame(rules=rules, title=f"Questions: {record.text('title')}", taken=self.taken)
        if "quiz.yaml" in names:
            self.used.add(f"{prefix}quiz.yaml")
            steps.append(self._place_quiz(f"{prefix}quiz.yaml", f"{folder}/quiz", frame, only_for))
        elif "quiz" in record:
            record.note("quiz", f"The section “{folder}” has no quiz.yaml.", "Add it.")
        if not steps:
            record.note(
                "folder",
                f"The folder {prefix} has no steps.",
                "Add a file like 10-welcome.md, or remove the section.",
            )
        return Section(folder, record.text("title"), tuple(steps))

    def _check_names(self, prefix: str, numbered: list[tuple[int, str, str]]) -> None:
        by_number: dict[int, str] = {}
        by_slug: dict[str, str] = {"quiz": "quiz.yaml"}
        for number, slug, name in numbered:
            if number in by_number:
                self._note(
                    prefix + name,
                    f"{by_number[number]} has the number {number} too.",
                    "Number the files in the order of reading.",
                )
            if slug in by_slug:
                self._note(
                    prefix + name,
                    f"{by_slug[slug]} has the name “{slug}” too.",
                    "Rename one: the name is the step's address.",
                )
            by_number.setdefault(number, name)
            by_slug.setdefault(slug, name)

    def _place(self, file: str, key: str, only_for: frozenset[str]) -> Step:
        is_shared, text_file = self._find_text(file)
        if text_file is None:  # noted: a page in its place keeps links to it from being noted too
            placeholder = Page(key, "", 1, only_for, "")
            self.placed.append(Placed(placeholder, file, ()))
            return placeholder
        source = Source.decode(text_file, self.files[text_file], self.mistakes)
        step: Step = (read_page if file.endswith(".md") else read_yaml)(source, key)
        return self._finish(step, file, source, only_for, shared=is_shared)

    def _place_quiz(self, file: str, key: str, frame: QuizFrame, only_for: frozenset[str]) -> Step:
        source = Source.decode(file, self.files[file], self.mistakes)
        quiz = read_quiz(source, key, frame)
        step = self._finish(quiz, file, source, only_for, shared=False)
        if quiz.questions:
            for kind, size in too_few(replace(quiz, only_for=step.only_for)):
                self._note(
                    file,
                    f"The pool for {kind} has {size}, but {quiz.rules.draw} are drawn.",
                    "Write more of them, or draw fewer.",
                )
        return step

    def _finish(
        self, step: Step, file: str, source: Source, only_for: frozenset[str], *, shared: bool
    ) -> Step:
        """Give the step the audiences of its section, and remember what it links to."""
        if only_for and not step.only_for <= only_for:
            self._note(
                file,
                f"The step is for {_list(step.only_for)}, its section for {_list(only_for)} only.",
                "Take a part of the section's audiences, or remove only_for here.",
            )
        step = replace(step, only_for=step.only_for or only_for)
        links = tuple(
            replace(
                link,
                line=2 if shared and file.endswith(".md") else 1 if shared else link.line,
                readers=link.readers or step.only_for,
            )
            for link in source.links
        )
        self.placed.append(Placed(step, file, links))
        return step

    def _find_text(self, file: str) -> tuple[bool, str | None]:
        """Whether the step is shared (`same_as`), and the file with its text; None if broken."""
        if not SAME_AS.search(self.files[file]):
            return False, file
        source = Source.decode(file, self.files[file], [])
        node, _, body = source.front_matter() if file.endswith(".md") else (source.mapping(), 1, "")
        if node is None or all(name.value != "same_as" for name, _ in node.value):
            return False, file
        source.mistakes = self.mistakes
        record = Record(source, node, "shared step", required=("same_as",))
        name = record.text("same_as")
        if body.strip():
            record.note("same_as", "A shared page has no text of its own.", "Remove the text.")
        if not name:
            return True, None
        if not SHARED.fullmatch(name) or not name.endswith(Path(file).suffix):
            record.note(
                "same_as",
                f"“{name}” is no step of the same kind.",
                f"Write course/section/10-name{Path(file).suffix}, as below content/.",
            )
        elif name not in self.files:
            record.note("same_as", f"There is no file {name}.", "Write a path below content/.")
        elif SAME_AS.search(self.files[name]):
            record.note("same_as", f"{name} is shared itself.", "Name the file that has the text.")
        else:
            self.used.add(name)
            return True, name
        return True, None

    def _check_walk(self) -> None:
        """Check what steps mean to each other: links, audiences and the scope questions."""
        order = {placed.step.key: at for at, placed in enumerate(self.placed)}
        scope_at: int | None = None
        for at, placed in enumerate(self.placed):
            for link in placed.links:
                self._check_link(placed, link, order, at)
            step = placed.step
            if isinstance(step, AboutYou) and step.records == "scope":
                if scope_at is not None:
                    self._note(placed.file, "The scope is asked a second time.", "Ask it once.")
                scope_at = at
            elif step.only_for & set(SCOPE) and scope_at is None:
                self._note(
                    placed.file,
                    f"The step is for {_list(step.only_for)}, but the scope is not known here.",
                    "Put an about-you step with “records: scope” before it.",
                )

    def _check_link(self, placed: Placed, link: Reference, order: dict[str, int], at: int) -> None:
        if link.step not in order:
            self._note(
                placed.file,
                f"There is no step {link.step} in this course.",
                nearest(link.step, order),
                link.line,
            )
            return
        target = self.placed[order[link.step]].step
        anchors = {anchor for anchor, _ in target.headings} if isinstance(target, Page) else set()
        if link.anchor and link.anchor not in anchors:
            self._note(
                placed.file,
                f"{link.step} has no heading #{link.anchor}.",
                f"Its headings are {', '.join(sorted(anchors))}." if anchors else "Remove it.",
                link.line,
            )
        if link.step in self.drawn:
            self._note(
                placed.file,
                f"{link.step} is drawn: not everyone gets it.",
                "Link to a page.",
                link.line,
            )
        if order[link.step] >= at:
            self._note(
                placed.file,
                f"{link.step} comes later, so the reader cannot open it yet.",
                "Link to a step before this one.",
                link.line,
            )
        if target.only_for and not (link.readers and link.readers <= target.only_for):
            self._note(
                placed.file,
                f"{link.step} is for {_list(target.only_for)}, and others read this.",
                "Link to a step that all of them see.",
                link.line,
            )

    def _check_strays(self) -> None:
        for file in self.files:
            if file not in self.used and file.startswith(f"{self.key}/"):
                self._note(
                    file,
                    "The file is no part of the course.",
                    "Name it like 10-welcome.md, in a folder that course.yaml lists; or remove it.",
                )

    def _note(self, file: str, message: str, remedy: str, line: int = 1) -> None:
        self.mistakes.append(Mistake(file, line, message, remedy))


def _list(audiences: frozenset[str]) -> str:
    return ", ".join(sorted(audiences)) or "everyone"
