from random import Random

import pytest

from portal.courses.course import Option, Question, Quiz, QuizRules, Rule
from portal.learning import scoring

RULE = Rule("A rule.", "a/page")


def question(name: str, right: str = "100", only_for: frozenset[str] = frozenset()) -> Question:
    options = tuple(Option(f"{name}{i}", mark == "1", "") for i, mark in enumerate(right))
    return Question(name, name, right.count("1") > 1, only_for, options, RULE)


def quiz(*questions: Question, draw: int = 2) -> Quiz:
    return Quiz("a/quiz", "Quiz", frozenset(), questions, QuizRules(draw=draw))


def test_as_many_questions_are_drawn_as_the_rules_say():
    drawn = scoring.draw(
        quiz(*map(question, "abcdef"), draw=4), seen=(), audiences=set(), chance=Random(1)
    )

    assert len({key for key, _ in drawn}) == 4


def test_a_retake_prefers_questions_not_seen_before():
    pool = quiz(*map(question, "abcdef"), draw=3)

    for chance in range(20):
        drawn = scoring.draw(pool, seen="abc", audiences=set(), chance=Random(chance))
        assert {key for key, _ in drawn} == set("def")


def test_seen_questions_fill_up_when_the_pool_is_used_up():
    drawn = scoring.draw(
        quiz(*map(question, "abcd"), draw=3), seen="abc", audiences=set(), chance=Random(1)
    )

    assert "d" in {key for key, _ in drawn}
    assert len(drawn) == 3


def test_questions_for_others_are_never_drawn():
    pool = quiz(question("m", only_for=frozenset({"manager"})), question("a"), question("b"))

    for chance in range(20):
        drawn = scoring.draw(pool, seen=(), audiences={"employee"}, chance=Random(chance))
        assert "m" not in {key for key, _ in drawn}


def test_options_are_shuffled_and_none_is_lost():
    pool = quiz(question("a", "10000000"), draw=1)
    orders = {
        tuple(scoring.draw(pool, seen=(), audiences=set(), chance=Random(i))[0][1])
        for i in range(20)
    }

    assert len(orders) > 10
    assert all(sorted(order) == list(range(8)) for order in orders)


@pytest.mark.parametrize(
    ("right", "chosen", "expected"),
    [
        ("100", [0], True),
        ("100", [1], False),
        ("110", [0, 1], True),
        ("110", [0], False),
        ("110", [0, 1, 2], False),
        ("110", [], False),
    ],
)
def test_an_answer_is_right_when_exactly_the_right_options_are_chosen(right, chosen, expected):
    assert scoring.is_right(question("a", right), chosen) is expected


@pytest.mark.parametrize(
    ("right", "out_of", "mark", "expected"),
    [(4, 5, 80, True), (3, 5, 80, False), (2, 3, 66, True), (2, 3, 67, False), (0, 0, 0, False)],
)
def test_the_pass_mark_is_met_without_rounding(right, out_of, mark, expected):
    assert scoring.passes(right, out_of=out_of, pass_mark=mark) is expected


@pytest.mark.parametrize(("out_of", "mark", "needed"), [(5, 80, 4), (3, 67, 3), (4, 75, 3)])
def test_the_page_says_how_many_right_answers_are_needed(out_of, mark, needed):
    assert scoring.needed(out_of, mark) == needed
    assert scoring.passes(needed, out_of=out_of, pass_mark=mark)
    assert not scoring.passes(needed - 1, out_of=out_of, pass_mark=mark)


def draw_scenarios(
    names: str, number: int, *, seed: str = "", begun: str = "", met: str = ""
) -> str:
    drawn = scoring.draw_scenarios(
        tuple(names), number, seed=seed, begun=frozenset(begun), met=frozenset(met)
    )
    return "".join(sorted(drawn))


def test_each_seed_draws_its_own_scenarios_and_all_come_up():
    drawn = [draw_scenarios("abcdef", 2, seed=str(person)) for person in range(60)]

    assert {len(each) for each in drawn} == {2}
    assert set("".join(drawn)) == set("abcdef")
    assert drawn == [draw_scenarios("fedcba", 2, seed=str(person)) for person in range(60)]


def test_scenarios_not_met_come_first_and_those_begun_stay():
    assert draw_scenarios("abcdef", 3, met="abc") == "def"
    assert set("def") < set(draw_scenarios("abcdef", 4, met="abc"))
    assert draw_scenarios("abcdef", 2, begun="abc", met="abc") == "abc"
    assert "a" in draw_scenarios("abcdef", 2, begun="a", met="abc")


def test_a_scenario_more_leaves_the_order_of_the_others():
    for person in map(str, range(20)):
        with_g = draw_scenarios("abcdefg", 3, seed=person)
        assert set(with_g) - {"g"} <= set(draw_scenarios("abcdef", 3, seed=person))
