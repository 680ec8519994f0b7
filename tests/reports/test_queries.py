from datetime import timedelta

import pytest

from portal.campaigns.models import Status
from portal.reports import queries
from portal.reports.queries import MANY, Filters, Sort
from tests.factories import TODAY, make_assignment, make_campaign, make_person


@pytest.mark.parametrize("filters", [Filters(), Filters(department="Parks"), Filters(name="o")])
@pytest.mark.parametrize("descending", [False, True])
def test_a_list_that_is_long_shows_the_same_as_one_that_is_short(
    each_app, monkeypatch, filters, descending
):
    monkeypatch.setattr(queries, "PER_PAGE", 3)
    campaign, past = make_campaign(), make_campaign(title="Last year")
    for number, name in enumerate(("Ada Low", "Bo Die", "Cy Fox", "Di Orr", "Ed Low", "Ian Ox")):
        person = make_person(name, department="Parks" if number % 2 else "Transit")
        make_assignment(
            person=person,
            campaign=campaign,
            status=Status.IN_PROGRESS,
            due_on=TODAY + timedelta(days=number),
        )
        make_assignment(person=person, campaign=past)
    make_assignment(person=make_person("Jo Past"), campaign=past)

    def pages(count):
        return [
            [
                (row.full_name, row.due_on)
                for row in queries.list_people(
                    campaign.id,
                    filters,
                    today=TODAY,
                    sort=Sort.NAME,
                    descending=descending,
                    page=page,
                    count=count,
                )
            ]
            for page in (1, 2, 3)
        ]

    assert pages(MANY) == pages(1)
    assert pages(1)[0]
