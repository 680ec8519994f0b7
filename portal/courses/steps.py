"""Reads one step of a course: a guidance page, a scenario or an about-you step (pure)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from yaml.nodes import Node

from portal.courses.course import (
    AUDIENCES,
    SCOPE,
    AboutYou,
    Choice,
    Outcome,
    Page,
    Rule,
    Scenario,
    Scene,
    SelfOption,
    SelfQuestion,
    Step,
    Verdict,
)
from portal.courses.reading import Record, Source

WORDS_PER_MINUTE = 200
AUTHORS = ("facts", "note")  # keys kept for authors, never shown to learners
_PAGE = re.compile(r"([a-z0-9-]+/[a-z0-9-]+)(?:#([a-z0-9-]+))?")
_TAKEN_BY_FORMS = {"comment", "csrf-token", "data", "errors", "meta", "process", "validate"}


def read_page(source: Source, key: str) -> Page:
    """Read a guidance page: front matter, then Markdown."""
    node, line, body = source.front_matter()
    record = Record(
        source,
        node,
        "guidance page",
        required=("title",),
        optional=("minutes", "only_for", *AUTHORS),
    )
    note_facts(record)
    only_for = read_audiences(record)
    source.readers = only_for
    prose = source.prose(body, line=line)
    if node is not None and not body.strip():
        source.note(line, "The page has no text.", "Write it below the second line of ---.")
    words = len(re.findall(r"\w+", body))
    return Page(
        key=key,
        title=record.text("title"),
        minutes=record.number("minutes", max(1, round(words / WORDS_PER_MINUTE)), low=1, high=30),
        only_for=only_for,
        html=prose.html,
        headings=prose.headings,
    )


def read_yaml(source: Source, key: str) -> Step:
    """Read a scenario or an about-you step: `kind: about-you` tells them apart."""
    node = source.mapping()
    if node is not None and any(name.value == "kind" for name, _ in node.value):
        return _read_about_you(source, node, key)
    return _read_scenario(source, node, key)


def read_audiences(record: Record) -> frozenset[str]:
    """Read `only_for`: the groups that see something; empty where everyone does."""
    return frozenset(record.names("only_for", AUDIENCES))


def note_duplicates(records: Sequence[Record], ids: Iterable[str], what: str) -> None:
    """Note every id that stands a second time."""
    seen: Counter[str] = Counter()
    for record, name in zip(records, ids, strict=True):
        seen[name] += 1
        if name and seen[name] == 2:
            record.note("id", f"The {what} “{name}” is here twice.", "Give one another id.")


def note_facts(record: Record) -> None:
    """Note facts that there are not: `facts` are the numbers of what a text stands on."""
    for number in record.names("facts"):
        if not (number.isascii() and number.isdigit() and 1 <= int(number) <= 22):
            record.note("facts", f"There is no fact {number}.", "Facts have numbers from 1 to 22.")


def read_rule(record: Record) -> Rule:
    """Read `rule`: its words, and the page (and heading) that explains it."""
    rule = record.record("rule", what="rule", required=("text", "page"))
    page = rule.text("page")
    found = _PAGE.fullmatch(page)
    if page and not found:
        rule.note("page", f"“{page}” is no step.", "Write section/page, without number and .md.")
    step, anchor = found.groups(default="") if found else ("", "")
    if step:
        record.source.refer(rule.line_of("page"), step, anchor)
    return Rule(text=rule.text("text"), step=step, anchor=anchor)


def _read_scenario(source: Source, node: Node | None, key: str) -> Scenario:
    record = Record(
        source,
        node,
        "scenario",
        required=("title", "scenes", "rule"),
        optional=("only_for", "start", *AUTHORS),
    )
    note_facts(record)
    only_for = read_audiences(record)
    source.readers = only_for
    parts = record.records(
        "scenes",
        what="scene",
        required=("id", "scene", "choices"),
        optional=("question",),
        count=(1, 6),
    )
    choices = [_choice_records(part) for part in parts]
    scenes = [_read_scene(part, found) for part, found in zip(parts, choices, strict=True)]
    note_duplicates(parts, (scene.id for scene in scenes), "scene")
    return Scenario(
        key=key,
        title=record.text("title"),
        only_for=only_for,
        scenes=_in_order(record, parts, choices, scenes),
        rule=read_rule(record),
    )


def _choice_records(part: Record) -> list[Record]:
    return part.records(
        "choices",
        what="choice",
        required=("text", "verdict", "next"),
        optional=("leads_to",),
        count=(3, 4),
    )


def _read_scene(part: Record, found: list[Record]) -> Scene:
    choices = tuple(
        Choice(
            text=choice.text("text"),
            verdict=Verdict(choice.one_of("verdict", tuple(Verdict), Verdict.DONT)),
            next_html=choice.prose("next", up=2),
            leads_to=choice.slug("leads_to") or None,
        )
        for choice in found
    )
    verdicts_are_known = all(choice.text("verdict") in set(Verdict) for choice in found)
    if found and verdicts_are_known and all(each.verdict is not Verdict.FINE for each in choices):
        part.note(
            "choices", "No choice of this scene is fine.", "Give at least one the verdict “fine”."
        )
    return Scene(
        id=part.slug("id"),
        html=part.prose("scene"),
        question=part.text("question", "What do you do?"),
        choices=choices,
    )


def _in_order(
    record: Record, parts: list[Record], choices: list[list[Record]], scenes: list[Scene]
) -> tuple[Scene, ...]:
    """The scenes, the first one first. Notes what leads nowhere, in a circle, or is never seen."""
    by_id = {scene.id: scene for scene in scenes if scene.id}
    start = record.slug("start")
    if start and start not in by_id:
        record.note("start", f"There is no scene “{start}”.", "Write the id of a scene below.")
    first = by_id.get(start) or (scenes[0] if scenes else None)
    for scene, found in zip(scenes, choices, strict=True):
        for choice, written in zip(scene.choices, found, strict=True):
            if choice.leads_to and choice.leads_to not in by_id:
                written.note(
                    "leads_to",
                    f"There is no scene “{choice.leads_to}”.",
                    "Write the id of a scene of this file.",
                )
            elif choice.leads_to and scene.id in _reached(by_id, choice.leads_to):
                written.note(
                    "leads_to",
                    f"From “{choice.leads_to}” the story comes back to “{scene.id}”.",
                    "Let it lead forward, or end: remove leads_to.",
                )
    if first is None:
        return ()
    seen = _reached(by_id, first.id)
    for scene, part in zip(scenes, parts, strict=True):
        if scene.id and scene is not first and scene.id not in seen:
            part.note(
                "id",
                f"No choice leads to the scene “{scene.id}”.",
                f"Write “leads_to: {scene.id}” at a choice, or remove the scene.",
            )
    return (first, *(scene for scene in scenes if scene is not first))


def _reached(by_id: dict[str, Scene], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here not in seen and here in by_id:
            seen.add(here)
            waiting += [choice.leads_to for choice in by_id[here].choices if choice.leads_to]
    return seen


def _read_about_you(source: Source, node: Node, key: str) -> AboutYou:
    record = Record(
        source,
        node,
        "about-you step",
        required=("kind", "title", "records", "intro", "questions", "outcomes"),
        optional=("only_for", "comment", *AUTHORS),
    )
    note_facts(record)
    record.one_of("kind", ("about-you",), "about-you")
    only_for = read_audiences(record)
    source.readers = only_for
    parts = record.records(
        "questions",
        what="question",
        required=("id", "text", "options"),
        optional=("hint",),
        count=(1, 4),
    )
    questions = [_read_self_question(part) for part in parts]
    note_duplicates(parts, (question.id for question in questions), "question")
    records = record.one_of("records", ("scope", "conflict-of-interest"), "conflict-of-interest")
    written = record.records(
        "outcomes",
        what="outcome",
        required=("id", "title", "text", "reason"),
        optional=("when", "settled"),
        count=(1, 20),
    )
    outcomes = [_read_outcome(each, questions) for each in written]
    note_duplicates(written, (outcome.id for outcome in outcomes), "outcome")
    _check_outcomes(written, outcomes, records)
    return AboutYou(
        key=key,
        title=record.text("title"),
        only_for=only_for,
        records=records,
        intro_html=record.prose("intro"),
        questions=tuple(questions),
        comment=record.text("comment"),
        outcomes=tuple(outcomes),
    )


def _read_self_question(part: Record) -> SelfQuestion:
    written = part.records(
        "options", what="option", required=("id", "text"), optional=("hint",), count=(2, 8)
    )
    options = tuple(
        SelfOption(id=each.slug("id"), text=each.text("text"), hint=each.text("hint"))
        for each in written
    )
    note_duplicates(written, (option.id for option in options), "option")
    name = part.slug("id")
    if name in _TAKEN_BY_FORMS:
        part.note("id", f"“{name}” has a meaning of its own in forms.", "Choose another id.")
    return SelfQuestion(id=name, text=part.text("text"), hint=part.text("hint"), options=options)


def _read_outcome(written: Record, questions: list[SelfQuestion]) -> Outcome:
    options = {each.id: {option.id for option in each.options} for each in questions}
    when = written.answers("when")
    for name, answers in when.items():
        if name not in options:
            written.note("when", f"There is no question “{name}”.", "Write the id of a question.")
        for answer in answers:
            if answer not in options.get(name, {answer}):
                written.note(
                    "when",
                    f"The question “{name}” has no option “{answer}”.",
                    f"Its options are {', '.join(sorted(options[name]))}.",
                )
    return Outcome(
        id=_outcome_id(written),
        when={name: frozenset(answers) for name, answers in when.items()},
        title=written.text("title"),
        html=written.prose("text", up=2),
        reason=written.text("reason"),
        is_settled=written.flag("settled"),
    )


def _outcome_id(written: Record) -> str:
    name = written.text("id")
    return name if name in SCOPE else written.slug("id")


def _check_outcomes(written: list[Record], outcomes: list[Outcome], records: str) -> None:
    for each, outcome in zip(written, outcomes, strict=True):
        is_last = each is written[-1]
        if is_last and "when" in each:
            each.note(
                "when",
                "The last outcome has a condition, so some answers lead nowhere.",
                "Remove “when” here, or add an outcome without it at the end.",
            )
        if not is_last and not outcome.when:
            each.note(
                "id", f"“{outcome.id}” fits always: what follows is never reached.", "Add “when”."
            )
        if records == "scope" and outcome.id and outcome.id not in SCOPE:
            each.note(
                "id", f"“{outcome.id}” is no outcome of a scope.", f"Use one of {', '.join(SCOPE)}."
            )
        if records != "scope" and outcome.id in AUDIENCES:
            each.note("id", f"“{outcome.id}” is the name of an audience.", "Choose another id.")
