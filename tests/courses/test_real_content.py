"""The courses in content/ keep what content/README.md promises to the people who read them."""

import html
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal.config import ROOT
from portal.courses import markdown
from portal.courses.content import check, collect, list_keys, read_course, read_published
from portal.courses.course import (
    SCOPE,
    AboutYou,
    Course,
    Page,
    Question,
    Quiz,
    Scenario,
    Step,
    Verdict,
)
from portal.learning import scoring

CONTENT = ROOT / "content"
KEYS = list_keys(CONTENT)
COURSES = {key: read_published(collect(CONTENT, key), key) for key in KEYS}
STOCK = re.compile(
    r"zero[- ]tolerance|up to and including|disciplinary action|all of the above"
    r"|under penalty|strictly prohibited|failure to comply",
    re.IGNORECASE,
)
READING_SPEED = 238  # words per minute, silent reading of English (Brysbaert 2019)
SECONDS_TO_CHOOSE = 8
GRADE = 8.5  # grade 8, with a little for how syllables are counted here


def steps(kind: type[Any]) -> list[Any]:
    return [
        pytest.param(step, id=f"{key}/{step.key}")
        for key, course in COURSES.items()
        for step in course.steps()
        if isinstance(step, kind)
    ]


def questions(key: str) -> list[Question]:
    return [
        each for step in COURSES[key].steps() if isinstance(step, Quiz) for each in step.questions
    ]


def own_files(suffix: str) -> list[Path]:
    return [
        path
        for key in KEYS
        for path in sorted((CONTENT / key).glob(f"*/*{suffix}"))
        if not re.search(r"^same_as:", path.read_text("utf-8"), re.MULTILINE)
    ]


def front(path: Path) -> dict[str, Any]:
    text = path.read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(
        markdown.split(text)[0] if path.suffix == ".md" else text
    )
    return found


def plain(source: str) -> str:
    """The words of some HTML, each block ending as a sentence does."""
    blocks = re.sub(r"([^.!?:\s])\s*</(p|li|h2|h3|td|th)>", r"\1. ", source)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", blocks)))


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'’-]*", text)


def syllables(word: str) -> int:
    word = re.sub(r"[^a-z]", "", word.lower())
    if len(word) <= 3:
        return 1
    word = re.sub(r"(?:[^laeiouy]es|[^aeioutd]ed|[^laeiouy]e)$", "", word)
    return max(1, len(re.findall(r"[aeiouy]+", word)))


def grade(source: str) -> float:
    """The Flesch-Kincaid grade of what is said in sentences: no headings and no tables."""
    spoken = re.sub(r"<(h2|h3|table)\b.*?</\1>", " ", source, flags=re.DOTALL)
    text = plain(spoken) + " "
    sentences = [part for part in re.split(r"[.!?]+[”\"’)]*\s", text) if words(part)]
    found = words(text)
    per_word = sum(map(syllables, found)) / len(found)
    return 0.39 * len(found) / len(sentences) + 11.8 * per_word - 15.59


def seconds(step: Step) -> float:
    """How long a careful reader takes for one step."""
    if isinstance(step, Page):
        return 60 * len(words(plain(step.html))) / READING_SPEED
    if isinstance(step, Scenario):
        scene = step.scenes[0]
        read = [plain(scene.html), *(choice.text for choice in scene.choices)]
        read += [plain(scene.better.next_html), step.rule.text]
        return 60 * len(words(" ".join(read))) / READING_SPEED + SECONDS_TO_CHOOSE
    if isinstance(step, AboutYou):
        read = [plain(step.intro_html), plain(step.outcomes[0].html)]
        for question in step.questions:
            read += [question.text, question.hint, *(option.text for option in question.options)]
        waits = SECONDS_TO_CHOOSE * len(step.questions)
        return 60 * len(words(" ".join(read))) / READING_SPEED + waits
    each = []
    for item in step.questions:
        right = next(option for option in item.options if option.correct)
        read = [item.text, plain(right.feedback_html), *(option.text for option in item.options)]
        each.append(60 * len(words(" ".join(read))) / READING_SPEED + SECONDS_TO_CHOOSE)
    return step.rules.draw * sum(each) / len(each)


def longest_is_right(question: Question) -> bool:
    lengths = [len(option.text) for option in question.options]
    right = max(lengths[index] for index in question.correct)
    return right == max(lengths) and lengths.count(right) == 1


def test_the_courses_have_no_mistakes() -> None:
    assert [str(mistake) for mistake in check(CONTENT)] == []
    assert {"annual-attestation", "contractor-onboarding"} <= set(KEYS)


def test_the_annual_course_is_as_large_as_promised() -> None:
    course = COURSES["annual-attestation"]
    kinds = [type(step) for step in course.steps()]

    assert kinds.count(Page) >= 14
    assert kinds.count(Scenario) >= 14
    assert kinds.count(Quiz) == 2
    assert len(questions("annual-attestation")) >= 24


def test_the_contractors_course_is_as_large_as_promised() -> None:
    walk = [step for _, step in COURSES["contractor-onboarding"].walk({"contractor", "in_scope"})]
    kinds = [type(step) for step in walk]

    assert kinds.count(Scenario) >= 6
    assert kinds.count(Quiz) == 1
    assert len(questions("contractor-onboarding")) >= 12


def test_the_contractors_course_asks_for_the_scope_first() -> None:
    course = COURSES["contractor-onboarding"]
    before = [step for _, step in course.walk({"contractor"})][:2]

    assert [type(step) for step in before] == [Page, AboutYou]
    scope = before[1]
    assert isinstance(scope, AboutYou)
    assert {outcome.id for outcome in scope.outcomes} == set(SCOPE)


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        (("city", "yes", "both"), "in_scope"),
        (("city", "no", "neither"), "in_scope"),
        (("firm", "no", "neither"), "out_of_scope"),
        (("own", "no", "neither"), "out_of_scope"),
        (("firm", "sometimes", "neither"), "hr_decides"),
        (("firm", "no", "accounts"), "hr_decides"),
        (("agency", "no", "neither"), "hr_decides"),
        (("group", "no", "neither"), "hr_decides"),
    ],
)
def test_the_scope_follows_what_was_said_in_council(answers: tuple[str, ...], outcome: str) -> None:
    step = next(s for s in COURSES["contractor-onboarding"].steps() if isinstance(s, AboutYou))
    given = dict(zip([question.id for question in step.questions], answers, strict=True))

    assert step.outcome(given).id == outcome


def test_who_is_out_of_scope_has_a_short_walk_without_a_quiz() -> None:
    course = COURSES["contractor-onboarding"]
    whole = course.walk({"contractor", "in_scope"})
    short = course.walk({"contractor", "out_of_scope"})

    assert not any(isinstance(step, Quiz) for _, step in short)
    assert len(short) <= len(whole) / 2
    assert len(course.walk({"contractor", "hr_decides"})) >= len(whole)


@pytest.mark.parametrize("path", own_files(".md"), ids=lambda path: str(path.relative_to(CONTENT)))
def test_a_page_says_on_which_facts_it_stands(path: Path) -> None:
    facts = front(path).get("facts")

    assert facts
    assert all(1 <= fact <= 22 for fact in facts)


def test_the_grade_is_measured_as_elsewhere() -> None:
    known = (
        "<p>The Australian platypus is seemingly a hybrid of a mammal and reptilian creature.</p>"
    )

    assert grade(known) == pytest.approx(11.3, abs=1)


@pytest.mark.parametrize("step", steps(Page))
def test_a_page_is_plain_and_short(step: Page) -> None:
    text = plain(step.html)

    assert grade(step.html) <= GRADE, f"grade {grade(step.html):.1f}"
    assert len(words(text)) <= 260


@pytest.mark.parametrize("step", steps(Page))
def test_a_page_says_honestly_how_long_it_takes(step: Page) -> None:
    assert abs(seconds(step) / 60 - step.minutes) <= 0.75


@pytest.mark.parametrize("step", steps(Scenario))
def test_a_scenario_is_plain_and_offers_real_choices(step: Scenario) -> None:
    for scene in step.scenes:
        stories = [choice.next_html for choice in scene.choices]
        assert grade(" ".join([scene.html, *stories])) <= GRADE
        assert len({choice.verdict for choice in scene.choices}) >= 2
        assert Verdict.FINE in {choice.verdict for choice in scene.choices}
        assert all(len(words(plain(story))) >= 8 for story in stories)


@pytest.mark.parametrize("key", KEYS)
def test_two_scenarios_of_the_annual_course_branch_and_one_of_the_other(key: str) -> None:
    branching = [
        step for step in COURSES[key].steps() if isinstance(step, Scenario) and len(step.scenes) > 1
    ]

    assert len(branching) >= (2 if key == "annual-attestation" else 1)


@pytest.mark.parametrize("key", KEYS)
def test_the_right_option_is_not_known_by_its_length(key: str) -> None:
    told = [question.id for question in questions(key) if longest_is_right(question)]

    assert len(told) <= len(questions(key)) / 2, told


@pytest.mark.parametrize("key", KEYS)
def test_the_right_option_is_not_known_by_its_place(key: str) -> None:
    first = [question.id for question in questions(key) if 0 in question.correct]

    assert len(first) < len(questions(key))


def minutes(key: str, *kinds: type[Any]) -> float:
    """What a walk takes, of these kinds of steps; of scenarios, the mean over all draws."""
    audiences = {"contractor", "in_scope"} if "contractor" in key else {"employee"}
    total = 0.0
    for section, step in COURSES[key].walk(audiences):
        if isinstance(step, kinds or (Page, Scenario, AboutYou, Quiz)):
            is_drawn = isinstance(step, Scenario) and section.scenarios
            chance = min(1, section.scenarios / section.written) if is_drawn else 1
            total += chance * seconds(step) / 60
    return total


@pytest.mark.parametrize("key", KEYS)
def test_a_course_says_honestly_how_long_it_takes(key: str) -> None:
    measured = minutes(key)

    assert abs(measured - COURSES[key].minutes) <= 1, f"{measured:.1f} minutes"


def test_the_annual_course_takes_as_long_as_its_welcome_says() -> None:
    first = minutes("annual-attestation")
    again = minutes("annual-attestation", Scenario, AboutYou, Quiz)
    welcome = next(iter(COURSES["annual-attestation"].steps()))

    said = re.search(r"about (\d+) minutes the first time, and about (\d+) when", welcome.html)

    assert said is not None
    assert int(said[1]) - 1 < first <= int(said[1]), f"{first:.2f} minutes"
    assert int(said[2]) - 1 < again <= int(said[2]), f"{again:.2f} minutes"


@pytest.mark.parametrize("key", KEYS)
def test_the_portal_counts_the_minutes_of_a_step_as_a_reader_does(key: str) -> None:
    """What `minutes_left` adds up beside what is measured, page by page."""
    walk = COURSES[key].walk({"contractor", "in_scope"} if "contractor" in key else {"employee"})
    questions_only = [each for each in walk if not isinstance(each[1], Page)]
    signing = 1
    counted = (scoring.effort(questions_only) + signing) / (scoring.effort(walk) + signing)

    assert counted * COURSES[key].minutes == pytest.approx(
        minutes(key, Scenario, AboutYou, Quiz) + 0.5, abs=1
    )


@pytest.mark.parametrize("key", KEYS)
def test_a_course_neither_threatens_nor_uses_stock_phrases(key: str) -> None:
    for file, data in collect(CONTENT, key).items():
        found = STOCK.search(data.decode())
        assert found is None, f"{file}: {found}"


@pytest.mark.parametrize("key", KEYS)
def test_the_policy_fits_on_the_record(key: str) -> None:
    assert 300 <= len(words(plain(COURSES[key].policy_html))) <= 500


@pytest.mark.parametrize("key", KEYS)
def test_the_statement_is_a_receipt_in_the_first_person(key: str) -> None:
    course: Course = COURSES[key]

    assert course.statement.startswith("I ")
    assert "disagree" in course.statement
    assert "disciplin" not in course.statement


def test_the_examples_of_the_readme_make_a_course() -> None:
    text = (CONTENT / "README.md").read_text("utf-8")
    indented = re.findall(r"(?:^ {4}.*\n(?:\n(?= {4}))?)+", text, re.MULTILINE)
    blocks = [textwrap.dedent(block) for block in indented]

    def example(begin: str) -> bytes:
        return next(block for block in blocks if block.startswith(begin)).encode()

    page = example("---\ntitle")
    files = {
        "a/course.yaml": example("title: Annual").replace(b"draw: 5", b"draw: 1"),
        "a/policy.md": page.replace(b"](step:personal-accounts/your-rights)", b"](tel:1)"),
        "a/start/10-welcome.md": b"---\ntitle: Hello\n---\nHello.\n",
        "a/personal-accounts/10-your-rights.md": b"---\ntitle: Rights\n---\nYours.\n",
        "a/personal-accounts/20-what-you-know.md": page,
        "a/personal-accounts/30-the-deck-permit.yaml": example("title: A neighbour"),
        "a/personal-accounts/quiz.yaml": example("questions:"),
    }

    assert len(list(read_course(files, "a").steps())) == 5
