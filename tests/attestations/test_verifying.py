import io
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from pyhanko.pdf_utils import generic, writer
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from portal import db
from portal.attestations import sealing, verifying
from portal.attestations.models import Evidence
from portal.attestations.verifying import Change, Outcome, difference, verify_upload
from portal.config import Settings
from portal.documents import seal
from portal.documents.inspecting import Inspection, inspect, look
from tests.attestations.records import add_attestation, sample_record
from tests.documents.conformance import qpdf

NUMBER = "MH-2026-7K4M-0193"


@pytest.fixture
def sealed(app):
    with app.app_context():
        key = add_attestation(sample_record())
        sealing.do(str(key))
        with db.reading() as reading:
            pdf = reading.get_one(Evidence, key).pdf
        yield pdf


def flip(pdf: bytes, at: int) -> bytes:
    return pdf[:at] + bytes([pdf[at] ^ 4]) + pdf[at + 1 :]


def with_another_page(pdf: bytes) -> bytes:
    """The file with a page appended in an incremental update, as PDF programs do it."""
    output = io.BytesIO()
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    writer.insert_page(
        generic.DictionaryObject(
            {
                generic.pdf_name("/Type"): generic.pdf_name("/Page"),
                generic.pdf_name("/MediaBox"): generic.ArrayObject(
                    map(generic.NumberObject, (0, 0, 612, 792))
                ),
                generic.pdf_name("/Resources"): generic.DictionaryObject(),
                generic.pdf_name("/Contents"): writer.add_object(
                    generic.StreamObject(stream_data=b"")
                ),
            }
        )
    )
    writer.write(output)
    return output.getvalue()


def changed(verdict, change):
    assert verdict.outcome is Outcome.CHANGED
    assert verdict.change is change
    assert verdict.number == NUMBER
    assert verdict.signed_at == datetime(2026, 1, 14, 16, 42, 7, tzinfo=UTC)
    assert all(reason.endswith((".", "?")) for reason in verdict.reasons)
    return " ".join(verdict.reasons)


def test_our_own_bytes_are_ours_and_unchanged(sealed):
    verdict = verify_upload(sealed)
    assert verdict.outcome is Outcome.OURS
    assert verdict.number == NUMBER
    assert verdict.development
    assert verdict.change is None
    assert verdict.title == "This is our record, unchanged"


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.05, 0.3, 0.6, 0.85, 0.97, 0.9999])
def test_one_flipped_bit_is_told_with_its_place(sealed, share):
    at = int(len(sealed) * share)
    words = changed(verify_upload(flip(sealed, at)), Change.ALTERED)
    assert f"One byte differs from our file, at position {at}." in words


def test_a_flipped_bit_in_the_number_is_told_by_the_other_places_that_hold_it(sealed):
    for place in (sealed.find(b"% record ") + 10, sealed.find(b"<dc:identifier>") + 16):
        changed(verify_upload(flip(sealed, place)), Change.ALTERED)


def test_a_broken_seal_is_named_broken(sealed):
    words = changed(verify_upload(flip(sealed, len(sealed) // 3)), Change.ALTERED)
    assert "is broken" in words


def test_an_appended_page_is_told_apart(sealed):
    words = changed(verify_upload(with_another_page(sealed)), Change.UPDATED)
    assert "added after our seal" in words
    assert "does not cover the whole file" in words


@pytest.mark.parametrize("tail", [b"\n", b"\x00" * 4096, b"Hello, this was not here before."])
def test_trailing_bytes_are_told_apart(sealed, tail):
    words = changed(verify_upload(sealed + tail), Change.TRAILING)
    assert "after the end of the file" in words


@pytest.mark.parametrize("kept", [100, 5_000, 20_000, -1])
def test_a_cut_file_is_told_apart(sealed, kept):
    words = changed(verify_upload(sealed[:kept]), Change.CUT)
    assert "Download it again" in words


def test_a_rewrite_by_another_program_is_told_apart(sealed, tmp_path):
    (tmp_path / "in.pdf").write_bytes(sealed)
    qpdf(tmp_path / "in.pdf", tmp_path / "out.pdf")
    changed(verify_upload((tmp_path / "out.pdf").read_bytes()), Change.REWRITTEN)
    qpdf("--qdf", "--object-streams=disable", tmp_path / "in.pdf", tmp_path / "plain.pdf")
    changed(verify_upload((tmp_path / "plain.pdf").read_bytes()), Change.REWRITTEN)


def test_a_page_appended_by_qpdf_is_told_apart(sealed, tmp_path):
    (tmp_path / "in.pdf").write_bytes(sealed)
    both = [tmp_path / "in.pdf", "1-z", tmp_path / "in.pdf", "1"]
    qpdf(tmp_path / "in.pdf", "--pages", *both, "--", tmp_path / "out.pdf")
    changed(verify_upload((tmp_path / "out.pdf").read_bytes()), Change.REWRITTEN)


def test_our_record_under_the_seal_of_another_is_not_unchanged(sealed, tmp_path):
    forger = seal.load(Settings(data_dir=tmp_path / "forger"))
    forged = forger.apply(sealing.render_record(sample_record(statement="I never read it.")))
    words = changed(verify_upload(forged), Change.REWRITTEN)
    assert "The seal on it is not ours." in words


def test_our_seal_on_a_record_that_is_not_in_the_register_is_told(sealed):
    record = sample_record(number="MH-2026-LOST-0001")
    lost = seal.current().apply(sealing.render_record(record, development=True))
    verdict = verify_upload(lost)
    assert verdict.outcome is Outcome.UNREGISTERED
    assert verdict.number is None


def test_our_broken_seal_without_a_number_is_a_changed_file(sealed):
    record = sample_record(number="MH-2026-LOST-0001")
    lost = seal.current().apply(sealing.render_record(record, development=True))
    assert verify_upload(flip(lost, len(lost) // 3)).outcome is Outcome.CHANGED


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Hello",
        b"%PDF-1.7\n%%EOF\n",
        b"%PDF-1.7\n% record MH-2026-NOBODY\n",
        b"\x00" * 100_000,
        b"%PDF-1.7\n1 0 obj\n" + b"[" * 50_000,
    ],
)
def test_files_that_are_nothing_are_not_ours(sealed, data):
    verdict = verify_upload(data)
    assert verdict.outcome is Outcome.NOT_OURS
    assert verdict.number is None
    assert verdict.reasons


def test_a_stranger_s_sealed_pdf_is_not_ours(sealed, tmp_path):
    stranger = seal.load(Settings(data_dir=tmp_path / "stranger"))
    record = sample_record(number="XX-1")
    verdict = verify_upload(stranger.apply(sealing.render_record(record)))
    assert verdict.outcome is Outcome.NOT_OURS
    assert "The seal on it is not ours." in verdict.reasons


def test_a_file_too_large_to_be_ours_is_not_looked_into(sealed, monkeypatch):
    monkeypatch.setattr(verifying, "inspect", pytest.fail)
    assert verify_upload(b"x" * (verifying.MOST_BYTES + 1)).outcome is Outcome.NOT_OURS


def test_a_file_that_claims_thousands_of_numbers_is_asked_about_a_few(sealed, monkeypatch):
    asked = []
    monkeypatch.setattr(verifying, "_find", asked.append)
    monkeypatch.setattr(verifying, "inspect", lambda *_: Inspection())

    verify_upload(b"%PDF-1.7\n" + b"".join(b"%% record MH-%d\n" % n for n in range(5_000)))

    assert len(asked) == 20


def test_a_file_that_unpacks_to_a_lot_of_text_hands_back_little_of_it():
    made = writer.PdfFileWriter()
    made.insert_page(
        writer.PageObject(made.add_object(generic.StreamObject(stream_data=b"")), (0, 0, 9, 9))
    )
    text = generic.StreamObject(stream_data=b"x" * 3_000_000)
    text.compress()
    held = generic.DictionaryObject({generic.pdf_name("/F"): made.add_object(text)})
    file = generic.DictionaryObject({generic.pdf_name("/EF"): held})
    names = generic.ArrayObject(
        each for n in range(3) for each in (generic.TextStringObject(f"{n}.json"), file)
    )
    files = generic.DictionaryObject({generic.pdf_name("/Names"): names})
    made.root[generic.pdf_name("/Names")] = generic.DictionaryObject(
        {generic.pdf_name("/EmbeddedFiles"): files}
    )
    out = io.BytesIO()
    made.write(out)

    assert sum(map(len, look(out.getvalue(), []).attached.values())) == 3_000_000


def test_who_looks_into_a_file_has_three_seconds_of_the_processor_and_comes_after_the_pages():
    says = "limit(); print(resource.getrlimit(resource.RLIMIT_CPU)[1], os.nice(0))"
    code = f"import os, resource; from portal.documents.inspecting import limit; {says}"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    seconds, niceness = map(int, done.stdout.split())
    assert seconds == 3
    assert niceness >= os.nice(0) + 10


def test_looking_into_a_file_in_its_own_process_finds_the_same(sealed):
    certificates = seal.current().certificates
    inspection = inspect(sealed, certificates)
    assert inspection == look(sealed, certificates)
    assert inspection.check.good
    assert set(inspection.attached) == {"record.json"}


def test_what_takes_too_much_memory_or_time_is_not_readable(sealed, monkeypatch):
    monkeypatch.setattr("portal.documents.inspecting.SECONDS", -4.99)
    assert inspect(sealed, seal.current().certificates) == Inspection()


def test_equal_length_with_many_changes_is_counted():
    change, words = difference(b"a" * 500, b"b" * 500)
    assert change is Change.ALTERED
    assert "500 bytes differ" in words
