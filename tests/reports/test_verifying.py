"""What an owner of the database may do to the facts, and what the log says then."""

import pytest
from sqlalchemy import delete, text, update

from portal import db
from portal.attestations import sealing
from portal.attestations.models import Attestation, Evidence
from portal.learning.models import Attempt
from portal.reports.verifying import compare_facts
from tests.factories import make_attestation


@pytest.fixture
def attestation(app):
    signed = make_attestation()
    db.finish(keep=True)
    sealing.do(str(signed.id))
    return signed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            update(Attestation).values(record=Attestation.record + " "),
            "the text of its record is not the one that was signed",
        ),
        (update(Attestation).values(record_sha256="0" * 64), "record_sha256 is not that of"),
        (update(Attestation).values(signed_at=db.datetime(2020, 1, 1, tzinfo=db.UTC)), "signed_at"),
        (update(Evidence).values(pdf=b"%PDF-forged"), "its bytes are not those of the log"),
        (update(Evidence).values(sha256="0" * 64), "sha256 is not that of the log"),
        (delete(Evidence), "in the log, and gone from the facts"),
        (update(Attempt).values(right=1), "right is not that of the log"),
    ],
)
def test_each_change_of_a_fact_is_named(attestation, change, words):
    assert compare_facts() == []
    db.session.execute(change)

    assert any(words in line for line in compare_facts())


def test_a_signature_that_was_deleted_is_missed(attestation):
    db.session.execute(text("DELETE FROM evidence"))
    db.session.execute(delete(Attestation))

    assert f"attestation {attestation.id}: in the log, and gone from the facts" in compare_facts()


def test_a_signature_that_the_log_does_not_know_is_named(attestation):
    from portal.audit.models import AuditEntry

    db.session.execute(delete(AuditEntry).where(AuditEntry.action == "attestation.signed"))

    assert any("the log does not know it" in line for line in compare_facts())
