from collections.abc import Callable
from pathlib import Path

import pytest

from portal.courses.content import ContentInvalid, check, collect, content_hash, read_course
from portal.courses.course import AboutYou, Page, Quiz, Scenario, Verdict

COURSE = """\
title: Small course
language: en
minutes: 3
summary: A course to test with.
statement: I have read it.
consent: I sign by typing.
collection_notice: |
  We keep **this**.
quiz:
  draw: 2
sections:
  - folder: start
    title: Start
  - folder: rules
    title: Rules
    only_for: [in_scope, hr_decides]
"""
POLICY = "---\ntitle: The policy\n---\nThe **text**.\n"
WELCOME = "---\ntitle: Welcome\nfacts: [1, 2]\n---\nHello.\n"
SCOPE = """\
kind: about-you
title: Who are you?
records: scope
intro: Two questions.
questions:
  - id: employer
    text: Who pays you?
    options:
      - {id: city, text: The City}
      - {id: firm, text: A firm}
outcomes:
  - id: in_scope
    when: {employer: [city]}
    title: In
    text: You are in.
    reason: City pays.
  - id: out_of_scope
    when: {employer: [firm]}
    title: Out
    text: You are out.
    reason: Firm pays.
  - id: hr_decides
    title: HR
    text: HR decides.
    reason: Not clear.
"""
PAGE = """\
---
title: The rule
---
## Work knowledge

It is for work. See [the start](step:start/welcome).
"""
SCENARIO = """\
title: In the chat
scenes:
  - id: chat
    scene: Somebody asks.
    choices:
      - text: Tell
        verdict: dont
        next: All know. See [the rule](step:rules/the-rule).
        leads_to: later
      - text: Point to the counter
        verdict: fine
        next: They call.
      - text: Wait
        verdict: think
        next: They wonder.
  - id: later
    scene: On Monday.
    choices:
      - text: Talk
        verdict: fine
        next: It helps.
      - text: Delete
        verdict: dont
        next: Others have it.
      - text: Wait
        verdict: think
        next: It grows.
rule:
  text: It is for work.
  page: rules/the-rule#work-knowledge
"""
QUIZ = """\
questions:
  - id: one
    text: What for?
    options:
      - text: Work
        correct: true
        feedback: Yes.
      - text: Play
        feedback: No.
      - text: Friends
        feedback: No.
    rule:
      text: For work.
      page: rules/the-rule
  - id: two
    text: Which two?
    kind: multiple
    options:
      - {text: A, correct: true, feedback: Yes.}
      - {text: B, correct: true, feedback: Yes.}
      - {text: C, feedback: No.}
    rule: {text: For work., page: rules/the-rule}
"""
FILES = {
    "small/course.yaml": COURSE,
    "small/policy.md": POLICY,
    "small/start/10-welcome.md": WELCOME,
    "small/start/20-scope.yaml": SCOPE,
    "small/rules/10-the-rule.md": PAGE,
    "small/rules/20-in-the-chat.yaml": SCENARIO,
    "small/rules/quiz.yaml": QUIZ,
}


def encode(files: dict[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in files.items()}


def mistakes_of(files: dict[str, str]) -> list[str]:
    with pytest.raises(ContentInvalid) as caught:
        read_course(encode(files), "small")
    return [f"{m.file.removeprefix('small/')}:{m.line} {m.message}" for m in caught.value.mistakes]


def change(file: str, old: str, new: str) -> Callable[[dict[str, str]], None]:
    def apply(files: dict[str, str]) -> None:
        assert files[f"small/{file}"].count(old) >= 1, (file, old)
        files[f"small/{file}"] = files[f"small/{file}"].replace(old, new, 1)

    return apply


def add(file: str, text: str) -> Callable[[dict[str, str]], None]:
    return lambda files: files.update({f"small/{file}": text})


def remove(file: str) -> Callable[[dict[str, str]], None]:
    def apply(files: dict[str, str]) -> None:
        del files[f"small/{file}"]

    return apply


CHAT = "rules/20-in-the-chat.yaml"
RULE = "rules/10-the-rule.md"
QUIZ_FILE = "rules/quiz.yaml"
SCOPE_FILE = "start/20-scope.yaml"

MISTAKES = [
    # YAML and files
    (change("course.yaml", "title: Small", "title: A: small"), "course.yaml:1 This is not valid"),
    (change(CHAT, "    scene: Somebody", "\tscene: Somebody"), f"{CHAT}:4 This is not valid YAML"),
    (change(CHAT, "text: Tell", 'text: "Tell'), f"{CHAT}:6 This is not valid YAML"),
    (change("start/10-welcome.md", "title: Welcome", "title: *x"), "start/10-welcome.md:2 This is"),
    (change("course.yaml", COURSE, "- a\n"), "course.yaml:1 Here belong lines"),
    (change("course.yaml", "minutes: 3", "minutes: 3\nminutes: 4"), "course.yaml:4 “minutes” is h"),
    (add("start/notes.txt", "x"), "start/notes.txt:1 The file is no part"),
    (add("start/welcome.md", WELCOME), "start/welcome.md:1 The file is no part"),
    (add("start/quiz.yml", QUIZ), "start/quiz.yml:1 The file is no part"),
    (add("other/10-a.md", WELCOME), "other/10-a.md:1 The file is no part"),
    (add("start/10-hello.md", WELCOME), "start/10-welcome.md:1 10-hello.md has the number 10 too"),
    (add("start/30-welcome.md", WELCOME), "start/30-welcome.md:1 10-welcome.md has the name"),
    (add("start/90-quiz.md", WELCOME), "start/90-quiz.md:1 quiz.yaml has the name “quiz” too"),
    # keys and types
    (change("course.yaml", "summary:", "sumary:"), "course.yaml:4 “sumary” is not a key of a cour"),
    (
        change("course.yaml", "consent: I sign by typing.\n", ""),
        "course.yaml:1 A course needs “con",
    ),
    (
        change("course.yaml", "consent: I sign by typing.", "consent:"),
        "course.yaml:6 “consent” is e",
    ),
    (
        change("course.yaml", "minutes: 3", "minutes: soon"),
        "course.yaml:3 “minutes” is not a whole",
    ),
    (change("course.yaml", "draw: 2", "draw: 0"), "course.yaml:10 “draw” is not a whole number"),
    (change("course.yaml", "draw: 2", "drawn: 2"), "course.yaml:10 “drawn” is not a key of a quiz"),
    (
        change("course.yaml", "language: en", "language: English"),
        "course.yaml:2 “English” is no la",
    ),
    (
        change("course.yaml", "title: Small course", f"title: {'x' * 201}"),
        "course.yaml:1 The title",
    ),
    (
        change("course.yaml", "title: Small course", "title: [a]"),
        "course.yaml:1 “title” is not a t",
    ),
    (
        change("course.yaml", "folder: start", "folder: Start it"),
        "course.yaml:12 “Start it” cannot",
    ),
    (change("course.yaml", "folder: rules", "folder: start"), "course.yaml:14 The section “start”"),
    (
        change("course.yaml", "folder: rules", "folder: ruls"),
        "course.yaml:14 The folder small/ruls",
    ),
    (
        change("course.yaml", "title: Start", "title: Start\n    quiz: {draw: 3}"),
        "course.yaml:14 The section “start” has no quiz.yaml",
    ),
    (
        change("course.yaml", "[in_scope, hr", "[inscope, hr"),
        "course.yaml:16 “inscope” cannot stan",
    ),
    (change("course.yaml", "[in_scope, hr_decides]", "in_scope"), "course.yaml:16 “only_for” is n"),
    (
        change("start/10-welcome.md", "[1, 2]", "[1, 23]"),
        "start/10-welcome.md:3 There is no fact 23",
    ),
    (
        change("start/10-welcome.md", "---\ntitle", "title"),
        "start/10-welcome.md:1 The front matter",
    ),
    (
        change("start/10-welcome.md", "]\n---\n", "]\n"),
        "start/10-welcome.md:1 The front matter doe",
    ),
    (change("start/10-welcome.md", "Hello.\n", ""), "start/10-welcome.md:5 The page has no text"),
    (
        change("start/10-welcome.md", "title: Welcome\n", ""),
        "start/10-welcome.md:2 A guidance page",
    ),
    (remove("policy.md"), "policy.md:1 There is no policy.md"),
    (remove("course.yaml"), "course.yaml:1 There is no course.yaml"),
    (change("policy.md", "The **text**.\n", ""), "policy.md:4 The policy has no text"),
    # Markdown and links
    (change(RULE, "It is for", "It <b>is</b> for"), f"{RULE}:6 Raw HTML is not shown: “<b>”"),
    (change(RULE, "## Work", "<div>\n\n## Work"), f"{RULE}:4 Raw HTML is not shown: “<div>”"),
    (change(RULE, "## Work", "# Work"), f"{RULE}:4 The page's title is its only"),
    (change(RULE, "## Work", "### Work"), f"{RULE}:4 A ### heading comes before"),
    (change(RULE, "## Work", "## Ok\n\n#### Work"), f"{RULE}:6 This heading is too deep"),
    (change(RULE, "It is for", "![A cat](cat.png) is for"), f"{RULE}:6 Pictures are not"),
    (change(RULE, "step:start/welcome", "welcome"), f"{RULE}:6 The link “welcome” leads nowhere"),
    (
        change(RULE, "step:start/welcome", "http://x.ca"),
        f"{RULE}:6 The link “http://x.ca” leads no",
    ),
    (change(RULE, "step:start/welcome", "step:start/x"), f"{RULE}:6 There is no step start/x"),
    (change(RULE, "step:start/welcome", "step:rules/in-the-chat"), f"{RULE}:6 rules/in-the-chat c"),
    (change(RULE, "step:start/welcome", "step:start/welcome#hi"), f"{RULE}:6 start/welcome has no"),
    (
        change("start/10-welcome.md", "facts", "only_for: [employee]\nfacts"),
        f"{RULE}:6 start/welcome is for employee, and others read this",
    ),
    (change("policy.md", "**text**", "[a](step:start/welcome)"), "policy.md:4 This text is also p"),
    (
        change("course.yaml", "**this**", "[a](step:start/welcome)"),
        "course.yaml:8 This text is also printed",
    ),
    (
        change(CHAT, "step:rules/the-rule", "step:rules/rule"),
        f"{CHAT}:8 There is no step rules/rule",
    ),
    # scenarios
    (change(CHAT, "verdict: fine", "verdict: think"), f"{CHAT}:5 No choice of this scene is fine"),
    (change(CHAT, "verdict: dont", "verdict: don't"), f"{CHAT}:7 “don't” is no verdict we know"),
    (change(CHAT, "leads_to: later", "leads_to: latr"), f"{CHAT}:9 There is no scene “latr”"),
    (
        change(CHAT, "        leads_to: later\n", ""),
        f"{CHAT}:15 No choice leads to the scene “later",
    ),
    (
        change(CHAT, "next: It helps.", "next: It helps.\n        leads_to: chat"),
        f"{CHAT}:22 From “chat” the story comes back to “later”",
    ),
    (
        change(CHAT, "leads_to: later", "leads_to: chat"),
        f"{CHAT}:9 From “chat” the story comes back to “chat”",
    ),
    (change(CHAT, "title: In the chat", "title: A\nstart: x"), f"{CHAT}:2 There is no scene “x”"),
    (change(CHAT, "id: later", "id: chat"), f"{CHAT}:16 The scene “chat” is here twice"),
    (change(CHAT, "page: rules/the-rule", "page: rules/rule"), f"{CHAT}:30 There is no step rules"),
    (
        change(CHAT, "page: rules/the-rule", "page: the-rule"),
        f"{CHAT}:30 “the-rule#work-knowledge”",
    ),
    (change(CHAT, "#work-knowledge", "#work"), f"{CHAT}:30 rules/the-rule has no heading #work"),
    (
        change(
            CHAT, "      - text: Wait\n        verdict: think\n        next: They wonder.\n", ""
        ),
        f"{CHAT}:5 “choices” has 2 of at least 3",
    ),
    (change(CHAT, "rule:\n  text: It is for work.\n", "rule:\n"), f"{CHAT}:29 A rule needs “text”"),
    (
        change(CHAT, "title:", "only_for: [employee]\ntitle:"),
        f"{CHAT}:1 The step is for employee, its section for hr_decides, in_scope only",
    ),
    # what is drawn, and what is asked again
    (
        change("course.yaml", "minutes: 3", "scenarios: all\nminutes: 3"),
        "course.yaml:3 “scenarios” is",
    ),
    (
        change("course.yaml", "minutes: 3", "scenarios: 0\nminutes: 3"),
        "course.yaml:3 “scenarios” is n",
    ),
    (
        change("course.yaml", "title: Rules", "title: Rules\n    scenarios: some"),
        "course.yaml:16 “scenarios” is not a whole number",
    ),
    (
        change("course.yaml", "title: Rules", "title: Rules\n    scenarios: 2"),
        "course.yaml:16 The section “rules” has 1 scenarios, but 2 are drawn",
    ),
    (
        change("course.yaml", "minutes: 3", "repeat: hole\nminutes: 3"),
        "course.yaml:3 “hole” is no re",
    ),
    (
        lambda files: [
            change(QUIZ_FILE, "page: rules/the-rule", "page: rules/in-the-chat")(files),
            change("course.yaml", "minutes: 3", "minutes: 3\nscenarios: 1")(files),
            add("rules/25-again.yaml", SCENARIO)(files),
        ],
        f"{QUIZ_FILE}:14 rules/in-the-chat is drawn: not everyone gets it",
    ),
    # about you
    (change(SCOPE_FILE, "kind: about-you", "kind: about"), f"{SCOPE_FILE}:1 “about” is no kind"),
    (
        change(SCOPE_FILE, "employer: [city]", "boss: [city]"),
        f"{SCOPE_FILE}:13 There is no question",
    ),
    (change(SCOPE_FILE, "[city]", "[town]"), f"{SCOPE_FILE}:13 The question “employer” has no opt"),
    (
        change(
            SCOPE_FILE, "  - id: hr_decides", "  - id: hr_decides\n    when: {employer: [city]}"
        ),
        f"{SCOPE_FILE}:23 The last outcome has a condition",
    ),
    (
        change(SCOPE_FILE, "    when: {employer: [firm]}\n", ""),
        f"{SCOPE_FILE}:17 “out_of_scope” fits always",
    ),
    (
        change(SCOPE_FILE, "id: out_of_scope", "id: out"),
        f"{SCOPE_FILE}:17 “out” is no outcome of a",
    ),
    (
        change(SCOPE_FILE, "id: out_of_scope", "id: in_scope"),
        f"{SCOPE_FILE}:17 The outcome “in_sco",
    ),
    (change(SCOPE_FILE, "records: scope", "records: scop"), f"{SCOPE_FILE}:3 “scop” is no records"),
    (change(SCOPE_FILE, "id: employer", "id: data"), f"{SCOPE_FILE}:6 “data” has a meaning of its"),
    (change(SCOPE_FILE, "{id: firm", "{id: city"), f"{SCOPE_FILE}:10 The option “city” is here tw"),
    (
        remove(SCOPE_FILE),
        f"{RULE}:1 The step is for hr_decides, in_scope, but the scope is not kno",
    ),
    (add("rules/30-again.yaml", SCOPE), "rules/30-again.yaml:1 The scope is asked a second time"),
    (
        add("start/30-c.yaml", SCOPE.replace("records: scope", "records: conflict-of-interest")),
        "start/30-c.yaml:12 “in_scope” is the name of an audience",
    ),
    # quiz
    (
        change(QUIZ_FILE, "text: Play", "text: Play\n        correct: true"),
        f"{QUIZ_FILE}:4 2 options are correct; a single question has exactly one",
    ),
    (
        change(QUIZ_FILE, "        correct: true\n", ""),
        f"{QUIZ_FILE}:4 0 options are correct; a single question has exactly one",
    ),
    (
        change(QUIZ_FILE, "{text: B, correct: true", "{text: B"),
        f"{QUIZ_FILE}:18 1 of 3 options are",
    ),
    (
        change(QUIZ_FILE, "{text: C,", "{text: C, correct: true,"),
        f"{QUIZ_FILE}:18 3 of 3 options a",
    ),
    (
        change(QUIZ_FILE, "correct: true\n", "correct: sure\n"),
        f"{QUIZ_FILE}:6 “correct” is neither",
    ),
    (change(QUIZ_FILE, "text: Play", "text: Friends"), f"{QUIZ_FILE}:10 Two options say the same"),
    (change(QUIZ_FILE, "        feedback: No.\n", ""), f"{QUIZ_FILE}:8 An option needs “feedback”"),
    (change(QUIZ_FILE, "id: two", "id: one"), f"{QUIZ_FILE}:15 The question “one” is in small/rul"),
    (add("start/quiz.yaml", QUIZ), f"{QUIZ_FILE}:2 The question “one” is in small/start/quiz.yaml"),
    (
        change("course.yaml", "draw: 2", "draw: 3"),
        f"{QUIZ_FILE}:1 The pool for hr_decides has 2",
    ),
    (
        change(QUIZ_FILE, "kind: multiple", "only_for: [in_scope]\n    kind: multiple"),
        f"{QUIZ_FILE}:1 The pool for hr_decides has 1, but 2 are drawn",
    ),
    # shared steps
    (
        add("rules/30-s.md", "---\nsame_as: big/rules/10-x.md\n---\n"),
        "rules/30-s.md:2 There is no file big/rules/10-x.md",
    ),
    (
        add("rules/30-s.md", "---\nsame_as: ../etc/passwd\n---\n"),
        "rules/30-s.md:2 “../etc/passwd” is no step of the same kind",
    ),
    (
        add("rules/30-s.yaml", "same_as: small/rules/10-the-rule.md\n"),
        "rules/30-s.yaml:1 “small/rules/10-the-rule.md” is no step of the same kind",
    ),
    (
        add("rules/30-s.md", "---\nsame_as: small/rules/10-the-rule.md\n---\nMore.\n"),
        "rules/30-s.md:2 A shared page has no text of its own",
    ),
    (
        add("rules/30-s.md", "---\nsame_as: small/rules/10-the-rule.md\ntitle: X\n---\n"),
        "rules/30-s.md:3 “title” is not a key of a shared step",
    ),
    (
        lambda files: files.update(
            {
                "small/rules/30-s.md": "---\nsame_as: small/rules/40-t.md\n---\n",
                "small/rules/40-t.md": "---\nsame_as: small/rules/10-the-rule.md\n---\n",
            }
        ),
        "rules/30-s.md:2 small/rules/40-t.md is shared itself",
    ),
]


@pytest.mark.parametrize(("spoil", "expected"), MISTAKES, ids=[case[1][:60] for case in MISTAKES])
def test_a_mistake_is_named_with_its_file_and_line(
    spoil: Callable[[dict[str, str]], None], expected: str
) -> None:
    files = dict(FILES)
    spoil(files)

    found = mistakes_of(files)

    assert [each for each in found if each.startswith(expected)], "\n".join(found)


def test_every_mistake_is_told_at_once_and_in_order() -> None:
    files = dict(FILES)
    for spoil, _ in (MISTAKES[13], MISTAKES[36], MISTAKES[51]):
        spoil(files)

    found = mistakes_of(files)

    assert len(found) >= 3
    assert found == sorted(found, key=lambda each: each.partition(":")[0])


def test_one_wrong_verdict_is_one_mistake_not_three() -> None:
    files = dict(FILES)
    change(CHAT, "verdict: fine", "verdict: good")(files)

    assert len(mistakes_of(files)) == 1


def test_a_file_that_is_not_utf8_is_named_with_its_line() -> None:
    files = encode(FILES)
    files["small/rules/10-the-rule.md"] = "---\ntitle: Café\n---\nText\n".encode("latin-1")

    with pytest.raises(ContentInvalid) as caught:
        read_course(files, "small")

    (mistake,) = caught.value.mistakes[:1]
    assert (mistake.line, mistake.message) == (2, "The file is not UTF-8 text.")


def test_a_misspelt_key_gets_the_right_one_proposed() -> None:
    files = dict(FILES)
    change(CHAT, "verdict: fine", "verdct: fine")(files)

    with pytest.raises(ContentInvalid, match="Did you mean “verdict”"):
        read_course(encode(files), "small")


def test_a_valid_course_is_read_whole() -> None:
    course = read_course(encode(FILES), "small")

    assert [step.key for step in course.steps()] == [
        "start/welcome",
        "start/scope",
        "rules/the-rule",
        "rules/in-the-chat",
        "rules/quiz",
    ]
    assert [type(step) for step in course.steps()] == [Page, AboutYou, Page, Scenario, Quiz]
    assert course.notice_html == "<p>We keep <strong>this</strong>.</p>"
    assert (course.policy_title, course.policy_html) == (
        "The policy",
        "<p>The <strong>text</strong>.</p>",
    )


def test_the_audiences_of_a_section_are_those_of_its_steps() -> None:
    course = read_course(encode(FILES), "small")

    keys = [step.key for _, step in course.walk({"contractor", "out_of_scope"})]

    assert keys == ["start/welcome", "start/scope"]


def test_a_page_has_anchors_for_its_headings_and_links_that_work_beside_it() -> None:
    course = read_course(encode(FILES), "small")
    page = next(step for step in course.steps() if step.key == "rules/the-rule")

    assert isinstance(page, Page)
    assert page.headings == (("work-knowledge", "Work knowledge"),)
    assert '<h2 id="work-knowledge">' in page.html
    assert 'href="../../start/welcome"' not in page.html
    assert 'href="../start/welcome"' in page.html


def test_a_consequence_is_shown_one_level_deeper_and_links_accordingly() -> None:
    course = read_course(encode(FILES), "small")
    scenario = next(step for step in course.steps() if isinstance(step, Scenario))

    assert 'href="../../rules/the-rule"' in scenario.scenes[0].choices[0].next_html
    assert scenario.scenes[0].better.verdict is Verdict.FINE
    assert scenario.rule.anchor == "work-knowledge"


def test_the_story_begins_where_the_author_says() -> None:
    files = dict(FILES)
    scenes = SCENARIO.replace("        leads_to: later\n", "").replace("- id: chat", "- id: end")
    scenes = scenes.replace("- id: later", "- id: begin")
    scenes = scenes.replace("next: It helps.", "next: It helps.\n        leads_to: end")
    files[f"small/{CHAT}"] = "start: begin\n" + scenes

    course = read_course(encode(files), "small")

    scenario = next(step for step in course.steps() if isinstance(step, Scenario))
    assert [scene.id for scene in scenario.scenes] == ["begin", "end"]


def test_words_that_yaml_takes_for_something_else_stay_words() -> None:
    files = dict(FILES)
    change(SCOPE_FILE, "{id: city, text: The City}", "{id: no, text: No}")(files)
    change(SCOPE_FILE, "employer: [city]", "employer: [no]")(files)

    course = read_course(encode(files), "small")

    step = next(step for step in course.steps() if isinstance(step, AboutYou))
    assert step.questions[0].options[0].id == "no"
    assert step.outcome({"employer": "no"}).id == "in_scope"


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


def test_a_shared_page_brings_its_bytes_and_keeps_the_place_of_the_file_that_shares(
    tmp_path: Path,
) -> None:
    write(tmp_path, encode(FILES))
    other = {path.replace("small/", "other/"): data for path, data in encode(FILES).items()}
    other["other/rules/10-the-rule.md"] = b"---\nsame_as: small/rules/10-the-rule.md\n---\n"
    write(tmp_path, other)

    files = collect(tmp_path, "other")
    course = read_course(files, "other")

    assert files["small/rules/10-the-rule.md"] == PAGE.encode()
    assert "small/course.yaml" not in files
    page = next(step for step in course.steps() if step.key == "rules/the-rule")
    assert page.title == "The rule"


def test_a_shared_page_whose_link_leads_nowhere_here_is_named_where_it_is_shared(
    tmp_path: Path,
) -> None:
    write(tmp_path, encode(FILES))
    other = {path.replace("small/", "other/"): data for path, data in encode(FILES).items()}
    other["other/rules/10-the-rule.md"] = b"---\nsame_as: small/rules/10-the-rule.md\n---\n"
    other["other/start/10-hello.md"] = other.pop("other/start/10-welcome.md")
    write(tmp_path, other)

    found = check(tmp_path)

    assert [(each.file, each.line) for each in found] == [("other/rules/10-the-rule.md", 2)]
    assert "start/welcome" in found[0].message


def test_hidden_files_and_copies_of_an_editor_are_no_part_of_a_course(tmp_path: Path) -> None:
    write(tmp_path, encode(FILES))
    write(tmp_path, {"small/start/.10-welcome.md.swp": b"x", "small/policy.md~": b"x"})

    assert set(collect(tmp_path, "small")) == set(FILES)


def test_check_reads_every_course_but_not_the_pages_of_the_site(tmp_path: Path) -> None:
    write(tmp_path, encode(FILES))
    write(tmp_path, {"site/en/help.md": b"no course", "broken/policy.md": b"x"})

    assert {each.file.partition("/")[0] for each in check(tmp_path)} == {"broken"}


def test_the_hash_knows_every_byte_and_every_name() -> None:
    files = encode(FILES)
    base = content_hash(files)

    assert content_hash(dict(reversed(files.items()))) == base
    assert content_hash({**files, "small/policy.md": files["small/policy.md"] + b"\n"}) != base
    renamed = dict(files)
    renamed["small/start/11-welcome.md"] = renamed.pop("small/start/10-welcome.md")
    assert content_hash(renamed) != base


def test_the_hash_can_be_made_again_with_sha256sum() -> None:
    # printf 'a/b %s\n' "$(printf x | sha256sum | cut -d' ' -f1)" | sha256sum
    assert content_hash({"a/b": b"x"}) == (
        "dc8d7646b9e86e6a533814a9543f9a500efb75dc8a3837eb7313433aefcd6890"
    )


def test_a_course_says_how_many_scenarios_are_drawn_and_a_section_may_say_it_otherwise() -> None:
    more = {"small/rules/30-more.yaml": SCENARIO, "small/rules/40-even-more.yaml": SCENARIO}
    files = {**FILES, **more}
    said = {**files, "small/course.yaml": f"scenarios: 1\nrepeat: whole\n{COURSE}"}
    own = {**said, "small/course.yaml": f"{said['small/course.yaml']}    scenarios: 3\n"}

    every, one, three = (read_course(encode(each), "small") for each in (files, said, own))

    assert [section.scenarios for section in every.sections] == [None, None]
    assert [section.scenarios for section in one.sections] == [1, 1]
    assert [section.scenarios for section in three.sections] == [1, 3]
    assert (every.repeats_whole, one.repeats_whole) == (False, True)
