import json

import pytest
from sqlalchemy import select

from portal import db
from portal.audit import services, tree
from portal.audit.models import AuditEntry, AuditHead


def record_some(count):
    for number in range(count):
        services.record("campaign.launched", subject=str(number), actor=None, key=f"k{number}")


def test_entries_are_numbered_and_hashed_into_the_tree_on_each_database(each_app):
    record_some(11)

    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.position)).all()
    head = db.session.scalars(select(AuditHead)).one()
    assert [entry.position for entry in entries] == list(range(11))
    edge = [bytes.fromhex(node) for node in head.edge]
    assert tree.edge_root(edge) == tree.root([tree.leaf_hash(e.leaf.encode()) for e in entries])


def test_an_entry_says_who_did_what_when(app):
    services.record("attestation.sealed", subject="s", actor="a", sha256="f00")

    leaf = json.loads(db.session.scalars(select(AuditEntry.leaf)).one())
    assert (leaf["action"], leaf["actor"], leaf["details"]) == (
        "attestation.sealed",
        "a",
        {"sha256": "f00"},
    )


@pytest.mark.parametrize(
    ("action", "details"),
    [
        ("attestation.sealed", {}),
        ("attestation.sealed", {"sha256": "x", "name": "Ada"}),
        ("attestation.sold", {}),
    ],
)
def test_an_action_with_other_details_than_its_own_is_refused(app, action, details):
    with pytest.raises(ValueError, match="carries"):
        services.record(action, subject="s", actor=None, **details)


def test_an_entry_goes_with_the_fact_when_the_transaction_is_rolled_back(app):
    services.record("campaign.launched", subject="1", actor=None, key="k")
    db.finish(keep=False)

    assert db.session.scalars(select(AuditEntry)).all() == []


def test_appending_costs_the_same_however_long_the_log_is(app, count_statements):
    record_some(3)
    with count_statements() as first:
        record_some(1)
    record_some(200)
    with count_statements() as later:
        record_some(1)

    assert len(first) == len(later) <= 3
