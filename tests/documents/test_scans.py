import io

import pytest
from pyhanko.pdf_utils import generic, writer

from portal.documents import scans


def a_pdf(*, pages=1, change=None) -> bytes:
    """A small PDF, written with the library that also reads it."""
    made = writer.PdfFileWriter()
    for _ in range(pages):
        page = writer.PageObject(
            contents=made.add_object(generic.StreamObject(stream_data=b"0 0 m 9 9 l S")),
            media_box=(0, 0, 200, 200),
        )
        made.insert_page(page)
    if change:
        change(made)
    out = io.BytesIO()
    made.write(out)
    return out.getvalue()


def name(text):
    return generic.NameObject(text)


def with_script(made):
    made.root[name("/OpenAction")] = generic.DictionaryObject(
        {
            name("/S"): name("/JavaScript"),
            name("/JS"): generic.TextStringObject("app.alert(1)"),
        }
    )


def with_hidden_launch(made):
    action = made.add_object(generic.DictionaryObject({name("/S"): name("/Launch")}))
    made.root[name("/AA")] = generic.DictionaryObject({name("/WC"): action})


def with_files(made):
    made.root[name("/Names")] = generic.DictionaryObject(
        {name("/EmbeddedFiles"): generic.DictionaryObject()}
    )


def with_password(made):
    made.encrypt("owner", "user")


@pytest.mark.parametrize(
    ("pdf", "why"),
    [
        (a_pdf(), ""),
        (a_pdf(pages=20), ""),
        (a_pdf(pages=21), "long"),
        (a_pdf(change=with_script), "script"),
        (a_pdf(change=with_hidden_launch), "active"),
        (a_pdf(change=with_files), "file"),
        (a_pdf(change=with_password), "encrypted"),
        (b"%PDF-1.7\nnothing", "unreadable"),
        (b"", "unreadable"),
    ],
    ids=["fine", "20", "21", "script", "launch", "files", "password", "broken", "empty"],
)
def test_a_scan_holds_pages_and_nothing_that_acts(pdf, why):
    assert scans.look(pdf) == why


def test_the_look_into_a_scan_happens_in_another_process():
    assert scans.why_not(a_pdf()) == ""
    assert scans.why_not(a_pdf(change=with_script)) == "script"


def a_written_pdf(catalog=b"", *, page=b"", pages=b"/Kids[3 0 R]/Count 1") -> bytes:
    """A PDF of one page, as the bytes that one would write by hand."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + catalog + b">>",
        b"<</Type/Pages" + pages + b">>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]" + page + b">>",
        b"/JavaScript",
        b"<</S/URI/URI(http://x.example)>>",
    ]
    out, places = b"%PDF-1.7\n", b""
    for number, each in enumerate(objects, start=1):
        places += b"%010d 00000 n \n" % len(out)
        out += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    head = b"xref\n0 6\n0000000000 65535 f \n" + places + b"trailer\n<</Size 6/Root 1 0 R>>\n"
    return out + head + b"startxref\n%d\n%%%%EOF\n" % len(out)


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (b"<</S/GoTo/D[3 0 R/Fit]>>", ""),
        (b"[3 0 R/Fit]", ""),
        (b"<</S/Named/N/NextPage>>", ""),
        (b"<</S/Named/N/Print>>", "active"),
        (b"<</S/J#61vaScript/J#53(app.alert(1))>>", "script"),
        (b"<</S 4 0 R>>", "script"),
        (b"<</S/URI/URI(http://x.example)>>", "link"),
        (b"5 0 R", "link"),
        (b"<</S/GoToR/F(x)>>", "link"),
        (b"<</S/GoToE>>", "link"),
        (b"<</S/Thread/F(x)>>", "link"),
        (b"<</S/Launch/F(x)>>", "link"),
        (b"<</S/SubmitForm>>", "form"),
        (b"<</S/ResetForm>>", "form"),
        (b"<</S/Rendition>>", "film"),
        (b"<</S/Movie>>", "film"),
        (b"<</S/Sound>>", "film"),
        (b"<</S/GoTo3DView>>", "film"),
        (b"<</S/SetOCGState>>", "active"),
        (b"<</S/WhatNobodyKnowsYet>>", "active"),
        (b"<</S/GoTo/D[3 0 R/Fit]/Next<</S/URI/URI(x)>>>>", "link"),
        (b"<</S/GoTo/D[3 0 R/Fit]/Next[<</S/Named/N/LastPage>> 5 0 R]>>", "link"),
    ],
)
def test_a_scan_may_lead_from_page_to_page_and_nowhere_else(action, why):
    note = b"/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/BS<</S/D>>/A " + action + b">>]"

    assert scans.look(a_written_pdf(b"/OpenAction " + action)) == why
    if not action.startswith(b"["):
        assert scans.look(a_written_pdf(page=note)) == why
        by_event = b"/AA<</O " + action + b">>"
        assert scans.look(a_written_pdf(page=by_event)) != ""


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (b"Highlight", ""),
        (b"Widget", "form"),
        (b"FileAttachment", "file"),
        (b"Movie", "film"),
        (b"3D", "film"),
        (b"WhatNobodyKnowsYet", "active"),
    ],
)
def test_a_scan_may_have_notes_on_it_and_no_films_forms_or_files(kind, why):
    note = b"/Annots[<</Type/Annot/Rect[0 0 9 9]/Subtype/" + kind + b">>]"

    assert scans.look(a_written_pdf(page=note)) == why


def test_what_is_harmless_in_one_place_is_seen_as_an_action_in_another():
    assert scans.look(a_written_pdf(b"/Extra 5 0 R/OpenAction 5 0 R")) == "link"
    assert scans.look(a_written_pdf(b"/OpenAction 5 0 R/Extra 5 0 R")) == "link"
    assert scans.look(a_written_pdf(page=b"/Group<</S/Transparency>>/Trans<</S/Wipe>>")) == ""


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        (b"/Kids[" + b"3 0 R " * 500 + b"]/Count 1", "long"),
        (b"/Kids[3 0 R]/Count 500", ""),
        (b"/Kids[]/Count 1", "empty"),
        (b"/Kids[2 0 R]/Count 1", "long"),
    ],
    ids=["more", "fewer", "none", "circle"],
)
def test_the_pages_of_a_scan_are_counted_whatever_it_says_itself(pages, why):
    assert scans.look(a_written_pdf(pages=pages)) == why
