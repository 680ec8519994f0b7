from datetime import timedelta

import pytest

from portal import db
from portal.campaigns.models import Status
from portal.reports import queries
from portal.reports.queries import Filters, Sort
from tests.factories import TODAY, make_assignment, make_campaign, make_person

DEPARTMENTS = ("Parks", "Transit", "Fire")
STATUSES = (Status.SIGNED, Status.IN_PROGRESS, Status.NOT_STARTED)


@pytest.fixture
def campaign(each_app):
    """Twenty-three people, of whom many have one name, one day or one department."""
    made = make_campaign()
    for number in range(23):
        status = STATUSES[number % 5 % 3]
        make_assignment(
            person=make_person(f"Jo Kowal{number % 4}"),
            campaign=made,
            department=DEPARTMENTS[number % 3],
            status=status,
            due_on=TODAY + timedelta(days=number % 2),
            signed_at=db.utc_now() - timedelta(days=number % 4)
            if status is Status.SIGNED
            else None,
        )
    return made


def pages(campaign, sort, descending, filters):
    """Every page of a list, one after the other."""
    today = TODAY + timedelta(days=1)
    count = queries.count_people(campaign.id, filters, today=today)
    listed = []
    for page in range(1, -(-count // queries.PER_PAGE) + 1):
        listed += queries.list_people(
            campaign.id,
            filters,
            today=today,
            sort=sort,
            descending=descending,
            page=page,
        )
    return listed


@pytest.mark.parametrize("filters", [Filters(), Filters(kind="employee", status="overdue")])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", list(Sort))
def test_the_pages_of_a_list_are_the_list_in_its_order(
    campaign, monkeypatch, sort, descending, filters
):
    whole = pages(campaign, sort, descending, filters)

    monkeypatch.setattr(queries, "PER_PAGE", 4)

    assert len(whole) > queries.PER_PAGE
    assert pages(campaign, sort, descending, filters) == whole
