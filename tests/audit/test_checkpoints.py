from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from portal import db
from portal.audit import checkpoints, services
from portal.audit.models import AuditEntry, AuditHead, Checkpoint


@pytest.fixture
def signer(app, settings):
    return checkpoints.load_signer(settings)


def record_some(count, start=0):
    for number in range(start, start + count):
        services.record("campaign.launched", subject=str(number), actor=None, key=f"k{number}")


def rewrite(position):
    """What an owner of the database does: change an entry, and all hashes after it."""
    entry = db.session.get_one(AuditEntry, position)
    rows = db.session.scalars(select(AuditEntry).order_by(AuditEntry.position)).all()
    edge = []
    for size, row in enumerate(rows):
        if row is entry:
            row.leaf = row.leaf.replace("k", "forged")
        row.leaf_hash = checkpoints.tree.leaf_hash(row.leaf.encode())
        edge = checkpoints.tree.append(edge, size, row.leaf_hash)
    db.session.scalars(select(AuditHead)).one().edge = [node.hex() for node in edge]
    db.session.flush()


def test_a_checkpoint_is_signed_and_opens_with_its_key_alone(signer, tmp_path):
    record_some(5)

    note = checkpoints.sign_checkpoint(signer).note

    signed = checkpoints.open_note(note, signer.verifier_key)
    assert (signed.origin, signed.size) == ("127.0.0.1/attestation-log", 5)
    with pytest.raises(ValueError, match="not signed"):
        checkpoints.open_note(note.replace("\n5\n", "\n6\n"), signer.verifier_key)


def test_a_log_in_order_gives_nothing_to_say(signer):
    record_some(9)
    checkpoints.sign_checkpoint(signer)
    record_some(4, start=9)

    assert checkpoints.verify_log(signer.verifier_key) == []


def test_a_changed_entry_is_named(signer):
    record_some(9)
    db.session.execute(update(AuditEntry).where(AuditEntry.position == 4).values(leaf="{}"))

    found = checkpoints.verify_log(signer.verifier_key)

    assert "entry 4: its text is not the one that was hashed" in found


def test_a_missing_entry_is_named(signer):
    record_some(9)
    db.session.execute(delete(AuditEntry).where(AuditEntry.position == 4))

    assert "entry 4 is missing" in checkpoints.verify_log(signer.verifier_key)[0]


def test_a_log_that_was_rewritten_whole_does_not_fit_the_checkpoint_kept_outside(signer):
    record_some(9)
    outside = checkpoints.sign_checkpoint(signer).note
    db.session.execute(delete(Checkpoint))
    rewrite(3)

    assert checkpoints.verify_log(signer.verifier_key) == []
    found = checkpoints.verify_log(signer.verifier_key, outside=[outside])
    assert found == ["the first 9 entries are not those of the checkpoint over them"]


def test_a_log_that_was_cut_is_shorter_than_the_checkpoint(signer):
    record_some(9)
    outside = checkpoints.sign_checkpoint(signer).note
    db.session.execute(delete(Checkpoint))
    db.session.execute(delete(AuditEntry).where(AuditEntry.position >= 6))

    assert "a checkpoint covers 9 entries, the log has 6" in checkpoints.verify_log(
        signer.verifier_key, outside=[outside]
    )


def test_a_checkpoint_is_due_once_a_day_while_the_log_grows(signer, clock):
    assert not checkpoints.is_due()
    record_some(1)
    assert checkpoints.is_due()
    moment = db.utc_now()
    checkpoints.sign_checkpoint(signer)
    db.finish(keep=True)

    assert not checkpoints.is_due()
    clock(moment + timedelta(hours=25))
    assert checkpoints.is_due()


def test_the_key_of_the_demo_is_made_once_and_readable_by_its_owner_alone(signer, settings):
    path = settings.data_dir / "keys" / "checkpoint.pem"

    assert path.stat().st_mode & 0o777 == 0o600
    assert checkpoints.load_signer(settings).verifier_key == signer.verifier_key
