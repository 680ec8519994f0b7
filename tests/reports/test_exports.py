import csv
import io
import json
import zipfile
from hashlib import sha256

import pytest
from flask import current_app

from portal import db
from portal.attestations import sealing
from portal.audit.checkpoints import load_signer
from portal.people.services import identify
from portal.reports import exports, verifying
from portal.reports.queries import Filters
from portal.spreadsheets import safe_cell
from tests.factories import (
    TODAY,
    make_assignment,
    make_attestation,
    make_campaign,
    make_hr,
    make_person,
)


@pytest.mark.parametrize("evil", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", " =1"])
def test_a_cell_that_begins_like_a_formula_is_made_harmless(evil):
    assert safe_cell(evil) == f"'{evil}"


@pytest.mark.parametrize("plain", ["Ada", "", "3=3", "O’Neill", "2026-01-30"])
def test_other_cells_stay_as_they_are(plain):
    assert safe_cell(plain) == plain


def rows_of(campaign, **filters):
    text = "".join(
        exports.csv_of(campaign.id, Filters(**filters), today=TODAY, words=lambda key: key)
    )
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_list_holds_everyone_by_name_with_status_and_dates(app):
    campaign = make_campaign()
    make_assignment(person=make_person("Zoe Young"), campaign=campaign)
    make_attestation(person=make_person("Ada =Lovelace"))

    rows = rows_of(campaign)

    assert [row["Name"] for row in rows] == ["Ada =Lovelace", "Zoe Young"]
    assert [row["Status"] for row in rows] == ["signed", "not_started"]
    assert rows[0]["Signed (UTC)"]


def test_a_name_that_begins_with_an_equals_sign_is_harmless_in_the_list(app):
    campaign = make_campaign()
    make_assignment(person=make_person("=HYPERLINK(1) Evil"), campaign=campaign)

    assert rows_of(campaign)[0]["Name"] == "'=HYPERLINK(1) Evil"


@pytest.fixture
def archive(app, tmp_path):
    """A ZIP of two records, with the key that checks it."""
    campaign = make_campaign()
    signed = [make_attestation(person=make_person(name)) for name in ("Ada Byron", "Łukasz Ñ")]
    hr = identify(make_hr())
    make_assignment(person=make_person("Not Signed"), campaign=campaign)
    db.finish(keep=True)
    for attestation in signed:
        sealing.do(str(attestation.id))
    settings = current_app.extensions["settings"]
    signer = load_signer(settings)
    size = exports.begin_zip(campaign.id, Filters(), by=hr, signer=signer, today=TODAY)
    layout = exports.lay_out_zip(
        campaign.id,
        Filters(),
        size=size,
        signer=signer,
        engine=current_app.extensions["engine"],
        today=TODAY,
    )
    path = tmp_path / "records.zip"
    path.write_bytes(b"".join(layout.archive.read(layout.reader)))
    return path, signer.verifier_key


def test_the_zip_holds_each_signed_record_and_a_manifest_with_its_fingerprint(archive):
    with zipfile.ZipFile(archive[0]) as found:
        table = io.StringIO(found.read("manifest.csv").decode("utf-8-sig"))
        manifest = list(csv.DictReader(table))
        assert {row["Name"] for row in manifest} == {"Ada Byron", "Łukasz Ñ"}
        for row in manifest:
            assert sha256(found.read(row["File"])).hexdigest() == row["SHA-256"]


def test_the_zip_is_checked_offline_with_its_checkpoint(archive):
    assert verifying.verify_zip(*archive) == []


def rewritten(path, change):
    """The ZIP with one file changed."""
    other = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return other


def flip_record(name, data):
    return data[:-1] + bytes([data[-1] ^ 1]) if name.startswith("records/") else data


def drop_record(name, data):
    return None if name.startswith("records/") else data


def forge_log(name, data):
    """Change the file's fingerprint everywhere but in the signed checkpoint."""
    if name == "proofs.jsonl":
        lines = [json.loads(line) for line in data.decode().splitlines()]
        for line in lines:
            entry = json.loads(line["entry"])
            entry["actor"] = "someone else"
            line["entry"] = json.dumps(entry)
        return "\n".join(json.dumps(line) for line in lines).encode()
    return data


def forge_checkpoint(name, data):
    if name == "checkpoint.txt":
        lines = data.decode().split("\n")
        lines[3] = str(int(lines[3]) + 1)
        return "\n".join(lines).encode()
    return data


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (flip_record, "its bytes are not those of manifest.csv"),
        (drop_record, "in the lists, and not in the archive"),
        (forge_log, "its entry of the log is not under the checkpoint"),
        (forge_checkpoint, "not signed by this key"),
    ],
)
def test_a_zip_that_was_changed_is_told_apart(archive, change, words):
    path, key = archive

    found = verifying.verify_zip(rewritten(path, change), key)

    assert found
    assert all(words in line for line in found)


def test_a_zip_under_another_key_is_refused(archive, settings, tmp_path):
    other = load_signer(type(settings)(data_dir=tmp_path / "elsewhere"))

    assert "not signed by this key" in verifying.verify_zip(archive[0], other.verifier_key)[0]
