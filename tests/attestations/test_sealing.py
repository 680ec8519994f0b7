import hashlib
import io
import json
import re
import zlib
from dataclasses import replace
from uuid import UUID

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from sqlalchemy import func, select

from portal import db
from portal.attestations import sealing
from portal.attestations.models import Evidence
from portal.attestations.record import canonical
from portal.audit.models import AuditEntry
from portal.config import Settings
from portal.documents import pades, seal
from portal.documents.inspecting import look
from portal.documents.pdf import CannotPrint
from tests.attestations.records import add_attestation, named, sample_record
from tests.documents.conformance import pdfsig, text_of, verapdf

NAMES = {
    "polish-vietnamese": "Łukasz Nguyễn-O’Neill",
    "han": "王小明 李",
    "arabic": "محمد بن علي",
    "hebrew": "משה כהן",
    "icelandic": "Ólafur Þórðarson",
    "inuktitut": "ᓄᓇᕗᑦ ᐃᓄᒃ",
    "cree": "ᓀᐦᐃᔭᐤ",
    "korean": "김민준",
    "japanese": "さくら タナカ",
    "devanagari": "प्रिया शर्मा",
    "gurmukhi": "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ",
    "tamil": "தமிழ்",
    "thai": "สมชาย",
    "greek-cyrillic": "Ώρα Ђорђе Щукин",
    "armenian-georgian": "Արամ გიორგი",
    "ethiopic": "አበበ",
    "combining": "Zo\u0308e\u0323 A\u030angstro\u0308m",
    "joiners": "می\u200cخواهم क्\u200dष \u200f\u200eA\u200bB",
    "emoji": "Avery 👩🏽‍🚒 ❤️ Chen 😀",
    "control": "A\x00v\x07e\u202ery \ufeff\ue123 \u2028x\u0085",
    "markup": "<script>alert(1)</script> & \"x\" 'y' ]]> &#x1F600; %s {{ 7*7 }}",
}
READ_BEFORE = [
    {
        "number": "MH-2025-7K4M-0001",
        "version": 2,
        "signed_at": "2025-01-14T16:42:07Z",
        "pages": ["Gifts and hospitality", "How to declare"],
    }
]
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 6

HARD_POLICY = """
<h1>One</h1><p>Text <em>it</em>, <strong>strong <em>both</em></strong>, <code>code</code>.<br>New
line&nbsp;here &amp; there &lt;tag&gt;.</p><h4>Four after one</h4><p>x</p><h2>Two</h2>
<ul><li>One<ul><li>Inner</li><li><p>Inner paragraph</p><ol><li>deep</li></ol></li></ul></li></ul>
<ul><li><p>Loose</p></li><li><p>Two</p><p>paragraphs</p><blockquote><p>q</p></blockquote></li><li>
<h3>Head</h3>text<table><tbody><tr><td>1</td><td>2</td></tr></tbody></table></li></ul>
<ol><li>First</li><li>Second</li></ol><blockquote><p>Quote</p></blockquote>
<table><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>
<p><a href="/learning/x">inside</a> <a href="https://example.ca/a?b=1&amp;c=2">outside</a>
<img src="https://example.ca/x.png"> <script>x</script><style>p{}</style></p><h6>Last</h6>
"""


def _hard_records():
    for kind, name in NAMES.items():
        yield kind, named(name)
    yield "long-name", named(LONG, organization=LONG, number="MH-" + "X" * 37)
    question = {"text": f"{LONG} {LONG}?", "chosen": ["王" * 80, LONG, "b"], "right": False}
    quiz = sample_record()["quizzes"][0]
    yield (
        "many-rows",
        sample_record(quizzes=[{**quiz, "questions": [question, *quiz["questions"] * 25]}] * 2),
    )
    policy = sample_record()["policy"]
    yield "long-policy", sample_record(policy={"title": "Long", "html": policy["html"] * 12})
    yield "hard-policy", sample_record(policy={"title": LONG, "html": HARD_POLICY})
    yield "read-before", sample_record(read=[], read_before=READ_BEFORE * 2)
    yield (
        "bare",
        sample_record(
            policy={"title": "", "html": ""},
            quizzes=[],
            answers=[],
            read=[],
            scenarios=[],
            collection_notice_html="",
            consent="",
            statement="",
        ),
    )


@pytest.mark.server
def test_every_hard_record_is_pdf_a_and_pdf_ua_when_sealed(tmp_path):
    stamp = seal.load(Settings(data_dir=tmp_path))
    sealed = {
        name: stamp.apply(sealing.render_record(record, development=True))
        for name, record in _hard_records()
    }
    verapdf(sealed, tmp_path)
    for pdf in sealed.values():
        assert pades.check(pdf, stamp.certificates).good


@pytest.mark.parametrize("kind", ["polish-vietnamese", "han", "icelandic", "inuktitut", "korean"])
def test_names_can_be_read_on_the_page_and_in_the_footer_stands_the_number(tmp_path, kind):
    record = named(NAMES[kind])
    text = text_of(sealing.render_record(record), tmp_path)
    assert NAMES[kind] in text
    for page in text.rstrip("\f").split("\f"):
        assert re.search(rf"{record['number']} · .*Page \d+ / \d+", page)


def test_the_page_says_who_signed_what_and_when(tmp_path):
    text = " ".join(text_of(sealing.render_record(sample_record()), tmp_path).split())
    for words in (
        "Avery Chen signed this attestation on January 14, 2026",
        "2026-01-14T16:42:07Z",
        "MH-2026-7K4M-0193",
        "version 3",
        "SHA-256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "I have read this year’s guidance",
        "typed name, tick and directory password",
        "I have nothing to declare today",
        "4 of 5 right; needed to pass: 80%",
        "after 2 attempts",
        "What never",
        "City’s page (https://www.example.ca/policy)",
        "By typing my name I agree",
        "section 4(c) of the Protection of Privacy Act",
        "a simple electronic signature",
        "It is not the person’s signature",
    ):
        assert words in text
    assert "DEVELOPMENT" not in text


def test_the_page_says_which_pages_were_read_for_an_earlier_record(tmp_path):
    record = sample_record(read=[], read_before=READ_BEFORE)
    text = " ".join(text_of(sealing.render_record(record), tmp_path).split())

    assert "MH-2025-7K4M-0001 of January 14, 2025 (version 2)" in text
    assert "so not asked again: Gifts and hospitality · How to declare" in text
    assert "Scenarios worked through" in text
    before = " ".join(text_of(sealing.render_record(sample_record()), tmp_path).split())
    assert "not asked again" not in before


def test_a_development_seal_is_announced_on_the_page(tmp_path):
    text = text_of(sealing.render_record(sample_record(), development=True), tmp_path)
    assert "DEVELOPMENT – NOT VALID" in text


def test_the_attached_json_is_the_signed_record():
    record = named("Łukasz 王 😀")
    attached = look(sealing.render_record(record), ()).attached
    assert attached == {"record.json": canonical(record)}


def test_the_same_record_gives_the_same_bytes():
    assert sealing.render_record(sample_record()) == sealing.render_record(sample_record())


def test_the_sizes_of_letters_let_a_line_be_one_string():
    reader = PdfFileReader(io.BytesIO(sealing.render_record(sample_record())))
    kids = reader.root["/Pages"]["/Kids"]
    pages = [kid.get_object()["/Contents"].data for kid in kids]
    assert any(b"TJ" in page for page in pages)
    assert not any(b">0<" in page for page in pages)


def test_a_record_of_another_language_prints_its_dates_so(tmp_path):
    record = sample_record(course={"language": "fr"})
    assert "14 janvier 2026" in text_of(sealing.render_record(record), tmp_path)


def test_a_policy_with_a_picture_prints_without_it():
    html = '<p>Before <img src="http://127.0.0.1:1/x.png"> after</p>'
    sealing.render_record(sample_record(policy={"title": "x", "html": html}))


def test_paper_nests_headings_and_turns_links_to_text():
    made = sealing.paper(
        '<h1>A</h1><h4>B</h4><h2>C</h2><p><a href="/x">in</a> <a href="https://a.ca/">out</a> '
        '<a href="https://a.ca">https://a.ca</a><br>x&nbsp;y</p><script>bad()</script>'
    )
    assert made == (
        "<div><h3>A</h3><h4>B</h4><h3>C</h3><p><span>in</span> "
        "<span>out<span> (https://a.ca/)</span></span> <span>https://a.ca</span><br />x\u00a0y</p>"
        "</div>"
    )


def test_paper_turns_paragraphs_of_a_list_item_to_lines():
    made = sealing.paper("<ul><li><p>One</p><p>Two</p><ul><li>In</li></ul></li></ul>")
    assert made == (
        "<div><ul><li><span>One</span> <span><br />Two</span> <ul><li>In</li></ul></li></ul></div>"
    )


def test_the_file_name_holds_nothing_personal():
    name = sealing.file_name(sample_record())
    assert name == "attestation_annual-attestation_v3_MH-2026-7K4M-0193.pdf"


def _count(model) -> int:
    with db.reading() as reading:
        return reading.scalar(select(func.count()).select_from(model)) or 0


def test_what_is_signed_is_due_and_then_sealed_once(each_app, tmp_path):
    with each_app.app_context():
        record = sample_record()
        key = add_attestation(record)
        assert sealing.due(10) == [str(key)]
        sealing.do(str(key))
        assert sealing.due(10) == []
        sealing.do(str(key))
        with db.reading() as reading:
            evidence = reading.get_one(Evidence, key)
            pdf = evidence.pdf
            entry = reading.scalars(select(AuditEntry)).one()
        assert _count(Evidence) == 1
        assert evidence.sha256 == hashlib.sha256(pdf).hexdigest()
        assert evidence.size == len(pdf)
        assert evidence.crc32 == zlib.crc32(pdf)
        assert evidence.file_name == sealing.file_name(record)
        assert entry.action == "attestation.sealed"
        assert json.loads(entry.leaf)["details"] == {"sha256": evidence.sha256}
        assert pades.check(pdf, seal.current().certificates).good
        assert "Signature is Valid" in pdfsig(pdf, tmp_path)
        unsealed = sealing.render_record(record, development=True)
        assert pdf.startswith(unsealed)  # a re-render proves the match


def test_the_newest_are_due_first_and_no_more_than_asked(each_app):
    with each_app.app_context():
        keys = {
            day: add_attestation(
                sample_record(
                    number=f"MH-{day}", signature={"signed_at": f"2026-01-{day:02}T00:00:00Z"}
                )
            )
            for day in (20, 5, 12)
        }
        assert sealing.due(2) == [str(keys[20]), str(keys[12])]


def test_the_slower_of_two_workers_changes_nothing(each_app, monkeypatch):
    with each_app.app_context():
        key = add_attestation(sample_record())
        apply = seal.Seal.apply

        def slow(stamp, pdf):
            monkeypatch.setattr(seal.Seal, "apply", apply)
            sealing.do(str(key))  # the other worker, while this one seals
            return apply(stamp, pdf)

        monkeypatch.setattr(seal.Seal, "apply", slow)
        sealing.do(str(key))
        assert _count(Evidence) == 1
        assert _count(AuditEntry) == 1


def test_a_record_that_was_altered_in_the_database_is_not_sealed(app):
    with app.app_context():
        key = add_attestation(sample_record(), record_sha256="0" * 64)
        with pytest.raises(sealing.RecordAltered):
            sealing.do(str(key))
        assert _count(Evidence) == 0


def test_an_attestation_that_is_not_there_is_nothing_to_do(app):
    with app.app_context():
        sealing.do(str(UUID(int=0)))
        assert _count(Evidence) == 0


def test_warming_up_prints_a_page_and_loads_the_seal(app, tmp_path):
    app.extensions["settings"] = replace(app.extensions["settings"], data_dir=tmp_path)
    with app.app_context():
        sealing.warm()
    assert (tmp_path / "keys").is_dir()


def test_a_template_that_reaches_out_is_refused(monkeypatch):
    monkeypatch.setattr(sealing, "qr_code", lambda _url: b"not a picture")
    sealing.render_record(sample_record())
    words = sealing._words("en", "America/Edmonton", sealing.CATALOGUES)
    monkeypatch.setattr(words, "template", _Reaching())
    with pytest.raises(CannotPrint):
        sealing.render_record(sample_record())


class _Reaching:
    def render(self, **_words: object) -> str:
        return '<html><body><img src="file:///etc/hostname" alt="x"/></body></html>'
