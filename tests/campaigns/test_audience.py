from datetime import date
from itertools import product

import pytest
from sqlalchemy import select

from portal import db
from portal.campaigns import audience
from portal.campaigns.audience import Audience, Fact, Part
from portal.people.models import Person
from tests.factories import make_person

ASKED = {
    Fact.KIND: [("employee",), ("employee", "contractor")],
    Fact.DEPARTMENT: [("Transit",), ("Parks", "Transit")],
    Fact.LOCATION: [("City Hall",)],
    Fact.GROUP: [("council-office",), ("council", "x")],
    Fact.UNION_SCOPE: [("in",), ("out",)],
    Fact.MANAGER: [("yes",), ("no",)],
    Fact.HIRED_FROM: [("2020-02-29",)],
    Fact.HIRED_BEFORE: [("2020-02-29",)],
}


def a_city():
    groups = [[], ["council-office"], ['quote"d', "council"], ["council_office"]]
    days = [None, date(2020, 2, 28), date(2020, 2, 29)]
    for number, (kind, groups_of, started_on) in enumerate(
        product(["employee", "contractor"], groups, days)
    ):
        make_person(
            kind=kind,
            groups=groups_of,
            started_on=started_on,
            department="Transit" if number % 3 else "Parks",
            location="City Hall" if number % 2 else "",
            union_scope=("in", "out", "")[number % 3],
            audiences=[kind, "manager"] if number % 5 == 0 else [kind],
        )


def taken(rule: Audience) -> tuple[set, set]:
    by_sql = set(db.session.scalars(select(Person.id).where(rule.where())))
    by_python = {one.id for one in db.session.scalars(select(Person)) if rule.takes(one)}
    return by_sql, by_python


def test_the_database_and_the_portal_say_the_same_of_every_rule(each_app):
    a_city()
    everyone, _ = taken(Audience((Part(),)))
    assert len(everyone) == 24

    for fact, choices in ASKED.items():
        for values in choices:
            asked, same = taken(Audience((Part({fact: values}),)))
            excepted, same_again = taken(Audience((Part({}, {fact: values}),)))

            assert asked == same, (fact, values)
            assert excepted == same_again, (fact, values)
            assert asked | excepted == everyone, (fact, values)
            assert not asked & excepted, (fact, values)


def test_a_group_is_the_same_in_capitals_as_directories_have_it(each_app):
    people = {make_person(groups=[name]).id for name in ("council-office", "COUNCIL-Office")}
    make_person(groups=["council"])

    assert taken(Audience((Part({Fact.GROUP: ("Council-Office",)}),))) == (people, people)


def test_facts_are_joined_by_and_parts_by_or_and_exceptions_taken_out(app):
    bus = make_person(department="Transit")
    make_person(department="Transit", kind="contractor")
    boss = make_person(department="Parks", audiences=["employee", "manager"])
    make_person(department="Parks", audiences=["employee", "manager"], groups=["council"])
    rule = Audience(
        (
            Part({Fact.KIND: ("employee",), Fact.DEPARTMENT: ("Transit",)}),
            Part({Fact.MANAGER: ("yes",)}, {Fact.GROUP: ("council",)}),
        )
    )

    by_sql, by_python = taken(rule)

    assert by_sql == by_python == {bus.id, boss.id}


def test_an_audience_without_parts_is_nobody(app):
    make_person()

    assert taken(Audience()) == (set(), set())


def test_a_rule_is_stored_and_read_as_it_was():
    rule = Audience((Part({Fact.DEPARTMENT: ("Parks", "Transit")}, {Fact.MANAGER: ("yes",)}),))

    assert audience.read(rule.to_json()) == rule


def test_a_fact_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="shoe_size"):
        audience.read([{"facts": {"shoe_size": ["44"]}}])


def test_a_rule_is_explained_in_a_sentence(app):
    rule = Audience(
        (
            Part(
                {
                    Fact.KIND: ("employee",),
                    Fact.DEPARTMENT: ("Parks", "Transit"),
                    Fact.HIRED_BEFORE: ("2026-01-30",),
                },
                {Fact.GROUP: ("council-office",), Fact.MANAGER: ("yes",)},
            ),
            Part({Fact.KIND: ("contractor",), Fact.UNION_SCOPE: ("out",)}),
        )
    )

    assert rule.sentence() == (
        "Employees in Parks or Transit hired before January 30, 2026, except everyone in the "
        "group council-office; or everyone with people to manage; and contract employees out of "
        "scope of a union agreement."
    )


def test_a_person_who_is_not_in_gets_every_reason(app):
    casey = make_person(kind="contractor", audiences=["contractor", "manager"])
    rule = Audience((Part({Fact.KIND: ("employee",)}, {Fact.MANAGER: ("yes",)}),))

    assert audience.why_not(rule, casey) == (
        "it asks for employees; it leaves out everyone with people to manage"
    )
