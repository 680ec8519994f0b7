"""Reads a quiz: its pool of questions, and whether there are enough of them (pure)."""

from dataclasses import dataclass
from datetime import timedelta

from portal.courses.course import Option, Question, Quiz, QuizRules
from portal.courses.reading import Record, Source
from portal.courses.steps import AUTHORS, note_facts, read_audiences, read_rule

QUIZ_KEYS = ("draw", "pass_mark", "attempts", "delay_minutes")


@dataclass(frozen=True)
class QuizFrame:
    """What a quiz takes from its course: rules, a title where it has none, and the ids taken."""

    rules: QuizRules
    title: str
    taken: dict[str, str]


def read_quiz(source: Source, key: str, frame: QuizFrame) -> Quiz:
    """Read the questions at the end of a section."""
    record = Record(
        source,
        source.mapping(),
        "quiz",
        required=("questions",),
        optional=("title", "only_for", *AUTHORS),
    )
    note_facts(record)
    only_for = read_audiences(record)
    written = record.records(
        "questions",
        what="question",
        required=("id", "text", "options", "rule"),
        optional=("kind", "only_for", *AUTHORS),
        count=(1, 200),
    )
    questions = tuple(_read_question(source, each) for each in written)
    for each, question in zip(written, questions, strict=True):
        other = frame.taken.setdefault(question.id, f"{source.file}:{each.line_of('id')}")
        if question.id and other != f"{source.file}:{each.line_of('id')}":
            each.note(
                "id", f"The question “{question.id}” is in {other} too.", "Give one another id."
            )
    return Quiz(
        key=key,
        title=record.text("title", frame.title),
        only_for=only_for,
        questions=questions,
        rules=frame.rules,
    )


def read_rules(record: Record, default: QuizRules) -> QuizRules:
    """Read draw, pass_mark, attempts and delay_minutes; what is not said stays as it was."""
    minutes = int(default.delay.total_seconds()) // 60
    return QuizRules(
        draw=record.number("draw", default.draw, low=1, high=50),
        pass_mark=record.number("pass_mark", default.pass_mark, low=1, high=100),
        attempts=record.number("attempts", default.attempts, low=1, high=100),
        delay=timedelta(minutes=record.number("delay_minutes", minutes, low=0, high=10_080)),
    )


def too_few(quiz: Quiz) -> list[tuple[str, int]]:
    """The audiences for which the pool is smaller than the draw, with the size of their pool."""
    kinds = sorted(quiz.only_for) or ["contractor", "employee"]  # everyone is one of the two
    sizes = [
        (kind, sum(not each.only_for or kind in each.only_for for each in quiz.questions))
        for kind in kinds
    ]
    return [(kind, size) for kind, size in sizes if size < quiz.rules.draw]


def _read_question(source: Source, record: Record) -> Question:
    source.readers = read_audiences(record)
    note_facts(record)
    kind = record.one_of("kind", ("single", "multiple"), "single")
    written = record.records(
        "options", what="option", required=("text", "feedback"), optional=("correct",), count=(3, 4)
    )
    options = tuple(
        Option(
            text=each.text("text"),
            correct=each.flag("correct"),
            feedback_html=each.prose("feedback", up=2),
        )
        for each in written
    )
    right = sum(option.correct for option in options)
    if written and kind == "single" and right != 1:
        record.note(
            "options",
            f"{right} options are correct; a single question has exactly one.",
            "Write “correct: true” at one option"
            + (", or “kind: multiple” at the question." if right else "."),
        )
    if written and kind == "multiple" and not 2 <= right < len(options):
        record.note(
            "options",
            f"{right} of {len(options)} options are correct.",
            "A multiple question has two or more that are, and at least one that is not.",
        )
    texts = [option.text for option in options]
    for each, text in zip(written, texts, strict=True):
        if text and texts.count(text) > 1:
            each.note("text", "Two options say the same.", "Write them so that they differ.")
    return Question(
        id=record.slug("id"),
        text=record.text("text"),
        multiple=kind == "multiple",
        only_for=source.readers,
        options=options,
        rule=read_rule(record),
    )
