import hashlib
import io
import multiprocessing
import os
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from portal.config import ROOT
from portal.documents import pdf
from portal.documents.inspecting import look
from portal.documents.pdf import Attachment, CannotPrint
from tests.documents.conformance import text_of

WHEN = datetime(2026, 1, 14, 16, 42, 7, tzinfo=UTC)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    path = tmp_path / "sheet.css"
    path.write_text('html { font-family: "Source Sans 3", "Noto Sans" }')
    return path


def print_page(body, sheet, *, created=WHEN, images=None, head=""):
    return pdf.render(
        f'<html lang="en"><head>{head}</head><body>{body}</body></html>',
        attachment=Attachment("record.json", '{"name":"Łukasz"}', "The record"),
        title="A page",
        identifier="MH-2026-7K4M",
        author="City",
        language="en",
        created=created,
        stylesheet=sheet,
        images=images,
    )


def test_another_process_prints_the_same_bytes(sheet):
    program = (
        "import hashlib, pathlib, sys; from tests.documents.test_pdf import print_page;"
        "made = print_page('<p>Łukasz 王 م</p>', pathlib.Path(sys.argv[1]));"
        "print(hashlib.sha256(made).hexdigest())"
    )
    here = hashlib.sha256(print_page("<p>Łukasz 王 م</p>", sheet)).hexdigest()
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", program, sheet],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here


def _print_into(queue, sheet):
    queue.put(print_page("<p>Łukasz 王</p>", sheet))


def test_a_forked_child_prints_the_same_bytes_as_its_parent(sheet):
    before = print_page("<p>Łukasz 王</p>", sheet)
    forking = multiprocessing.get_context("fork")
    queue = forking.Queue()
    for _ in range(2):
        child = forking.Process(target=_print_into, args=(queue, sheet))
        child.start()
        assert queue.get(timeout=30) == before
        child.join(30)
    assert print_page("<p>Łukasz 王</p>", sheet) == before


def test_the_same_moment_in_another_zone_gives_the_same_bytes(sheet):
    elsewhere = WHEN.astimezone(timezone(timedelta(hours=-7)))
    assert print_page("<p>x</p>", sheet, created=elsewhere) == print_page("<p>x</p>", sheet)


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("", '<img src="http://127.0.0.1:1/x.png" alt="x"/>'),
        ("", '<img src="https://example.ca/x.png" alt="x"/>'),
        ("", '<img src="file:///etc/hostname" alt="x"/>'),
        ("", '<img src="/etc/hostname" alt="x"/>'),
        ("", '<img src="document:other.png" alt="x"/>'),
        ("", '<img src="document:../../../etc/hostname" alt="x"/>'),
        ("", '<img src="data:image/png;base64,AAAA" alt="x"/>'),
        ("", '<p style="background: url(file:///etc/hostname)">x</p>'),
        ('<link rel="stylesheet" href="file:///etc/hostname"/>', "<p>x</p>"),
        ("<style>@import url(http://127.0.0.1:1/x.css);</style>", "<p>x</p>"),
    ],
)
def test_nothing_is_loaded_but_the_pictures_that_were_handed_in(sheet, head, body):
    with pytest.raises(CannotPrint, match="may not load"):
        print_page(body, sheet, head=head)


def test_a_page_cannot_attach_a_file_of_this_machine(sheet):
    with pytest.raises(CannotPrint, match="may not load"):
        print_page('<p><a rel="attachment" href="file:///etc/hostname">x</a></p>', sheet)
    made = print_page("<p>x</p>", sheet, head='<link rel="attachment" href="file:///etc/passwd"/>')
    assert look(made, ()).attached == {"record.json": '{"name":"Łukasz"}'}


def test_a_page_that_is_not_well_formed_is_refused(sheet):
    with pytest.raises(CannotPrint):
        print_page("<p>one<p>two", sheet)


def test_the_attachment_is_data_and_listed_once(sheet):
    reader = PdfFileReader(io.BytesIO(print_page("<p>x</p>", sheet)))
    assert len(reader.root["/AF"]) == 1
    attached = reader.root["/AF"][0].get_object()
    assert attached["/AFRelationship"] == "/Data"
    assert attached["/UF"] == "record.json"
    assert attached["/EF"]["/F"].data == '{"name":"Łukasz"}'.encode()


def test_the_metadata_can_be_read_without_a_pdf_program(sheet):
    made = print_page("<p>x</p>", sheet)
    assert made.count(b"<rdf:RDF") == 1
    for words in (
        b"<pdfuaid:part>1</pdfuaid:part>",
        b'pdfaid:part="3"',
        b'pdfaid:conformance="A"',
        b"<dc:identifier>MH-2026-7K4M</dc:identifier>",
        b"<xmp:CreateDate>2026-01-14T16:42:07Z</xmp:CreateDate>",
    ):
        assert words in made


def test_the_number_stands_near_the_start_of_the_file(sheet):
    made = print_page("<p>x</p>", sheet)
    assert pdf.NUMBER_LINE + b"MH-2026-7K4M\n" in made[:64]


def test_blanks_between_blocks_print_nothing_and_those_between_words_stay(sheet, tmp_path):
    words = "<em>One</em> two <strong>three</strong> <em>four</em>"
    bare = print_page(f"<div><p>{words}</p><ul><li>five</li></ul></div>", sheet)
    aired = print_page(
        f"\n <div>\n  <p>\n {words}</p>\n <ul>\n <li>\n five</li> </ul>\n</div>\n", sheet
    )
    assert bare == aired
    assert "One two three four" in text_of(bare, tmp_path)


def test_characters_without_a_glyph_are_printed_as_their_code(sheet, tmp_path):
    assert pdf.printable("Avery 😀") == "Avery [U+1F600]"
    assert pdf.printable("Ave\u202ery") == "Ave[U+202E]ry"
    assert pdf.printable("\x00\ue000") == "[U+0000][U+E000]"
    assert pdf.printable("co\u00adop\ufeff") == "coop"
    made = print_page("<p>Avery 😀</p>", sheet)
    assert "Avery [U+1F600]" in text_of(made, tmp_path)


@pytest.mark.parametrize(
    "name", ["Łukasz Nguyễn-O’Neill", "王小明", "محمد علي", "Ólafur Þór", "ᓄᓇᕗᑦ", "Ђорђе", "Ώρα"]
)
def test_names_in_any_script_are_left_as_they_are(name):
    assert pdf.printable(name) == name


def test_other_programs_keep_their_own_fonts(sheet):
    print_page("<p>x</p>", sheet)
    assert "fonts.conf" not in os.environ.get("FONTCONFIG_FILE", "")


def test_printing_much_does_not_grow_the_process(sheet):
    body = "<p>Łukasz 王 said something of some length.</p>" * 30
    for _ in range(10):
        print_page(body, sheet)
    before = _resident()
    for _ in range(30):
        print_page(body, sheet)
    assert _resident() - before < 6 * 1024 * 1024


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
