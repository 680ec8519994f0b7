"""HTML to a PDF that is PDF/A-3a and PDF/UA-1 at once, with one file attached.

The same input gives the same bytes, in every process and on every machine with the same packages:
dates come from the caller, fonts from our own folder. WeasyPrint is imported at the first use, so
that a process that never prints does not pay for it.
"""

import gc
import os
import re
import unicodedata
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from portal.config import ROOT

if TYPE_CHECKING:
    from weasyprint.text.fonts import FontConfiguration

FONTS = ROOT / "static" / "fonts-pdf"
NUMBER_LINE = b"% record "
"""Begins the comment near the start of the file, which even a cut download still has."""

_FONTS_CONF = Path(__file__).with_name("fonts.conf")
_BROWSER_SHEET = Path(__file__).with_name("browser.css")
_SCHEME = "document:"
_PDFUA = """
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<pdfuaid:part>1</pdfuaid:part></rdf:Description>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:identifier>{identifier}</dc:identifier></rdf:Description>
<rdf:Description rdf:about=""
 xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"
 xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Part of ISO 14289 the file conforms to</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>
"""


@dataclass(frozen=True)
class Attachment:
    """The file inside the PDF that says the same as its pages, for machines."""

    name: str
    data: str
    description: str


class CannotPrint(Exception):
    """The page asks for something that is not ours to print, such as a picture of the web."""


_lock = Lock()
_font_configurations: dict[int, "FontConfiguration"] = {}


def render(
    xhtml: str,
    *,
    attachment: Attachment,
    title: str,
    identifier: str,
    author: str,
    language: str,
    created: datetime,
    stylesheet: Path,
    images: Mapping[str, bytes] | None = None,
    source: tuple[str, bytes, str] | None = None,
) -> bytes:
    """Print the page; its only pictures are `images`, addressed as `document:<name>`.

    `xhtml` is well-formed XML, from <html lang="…"> on, with the elements of browser.css.
    `identifier` (ASCII, no spaces) stands in the metadata and near the start of the file.
    `created` is an aware time; it is every date in the file. A character that no font of ours has
    is printed as its code, such as [U+1F600]; the attachment keeps it. `source` (name, bytes,
    description) is a second file inside, from which this one was made. Raises CannotPrint when
    the page asks for any other file or address, or is not well-formed.
    """
    created = created.astimezone(UTC)
    with _lock, _no_collection():
        fonts = _fonts()  # before the imports: Pango reads its configuration when it is loaded
        import weasyprint
        from weasyprint.urls import FatalURLFetchingError

        def attach(name: str, data: str | bytes, description: str, relationship: str) -> Any:
            return weasyprint.Attachment(
                string=data,
                name=name,
                description=description,
                relationship=relationship,
                created=created,
                modified=created,
            )

        attached = [attach(attachment.name, attachment.data, attachment.description, "Data")]
        if source is not None:
            attached.append(attach(*source, "Source"))
        try:
            document = _page(printable(xhtml), _fetcher(images or {})).render(
                font_config=fonts,
                stylesheets=[_stylesheet(stylesheet, os.getpid())],
                pdf_variant="pdf/a-3a",
            )
            about = document.metadata
            about.title, about.authors = printable(title), [printable(author)]
            about.lang = language
            about.created = about.modified = created.strftime("%Y-%m-%dT%H:%M:%SZ")
            about.attachments = []  # what the page itself would attach
            result: bytes = document.write_pdf(
                attachments=attached,
                pdf_variant="pdf/a-3a",
                pdf_identifier=False,  # the seal adds one; ours would render every object twice
                finisher=_Finisher(identifier),
            )
            del document  # before the collector is back, which would walk all of it
        except (FatalURLFetchingError, ElementTree.ParseError) as error:
            raise CannotPrint(str(error)) from error
        return result


def warm(stylesheet: Path) -> None:
    """Load everything the first page needs (about a second): call it when a worker starts."""
    render(
        '<html lang="en"><body><p>Aa <strong>Bb</strong> <em>Cc</em> ł ễ 王 م</p></body></html>',
        attachment=Attachment("x.json", "{}", "x"),
        title="x",
        identifier="x",
        author="x",
        language="en",
        created=datetime(2000, 1, 1, tzinfo=UTC),
        stylesheet=stylesheet,
    )
    gc.collect()
    gc.freeze()  # what is loaded now stays: later collections need not walk it


def printable(text: str) -> str:
    """The text with the code in place of each character that we have no glyph for.

    Characters that only steer (direction overrides, which can make one name look like another)
    are shown by their code too. Invisible ones without meaning on paper are left out.
    """
    strange = {char: _shown(char) for char in set(text) if char > "~" or char < " "}
    table = {ord(char): shown for char, shown in strange.items() if char != shown}
    return text.translate(table) if table else text


_INVISIBLE = re.compile("[\u00ad\u2060\ufeff\ufe00-\ufe0f\U000e0000-\U000e0fff]")
_BREAKS = frozenset("\u2028\u2029")
_JOINERS = frozenset("\u200b\u200c\u200d\u200e\u200f")


@lru_cache(maxsize=4096)
def _shown(char: str) -> str:
    if char in "\t\n\r" or char in _JOINERS:
        return char
    if _INVISIBLE.match(char):
        return ""
    if char in _BREAKS:
        return " "
    if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn"} or ord(char) not in _covered():
        return f"[U+{ord(char):04X}]"
    return char


@cache
def _covered() -> frozenset[int]:
    """Every code point that one of our fonts has a glyph for."""
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    found: set[int] = set()
    for path in sorted(FONTS.glob("*.ttf")):
        with TTFont(path, lazy=True) as font:
            found.update(font.getBestCmap())
    return frozenset(found)


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector from walking the page's tree of boxes again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _fonts() -> "FontConfiguration":
    """This process's fonts. After a fork they are made anew: the parent's are not safe to use."""
    here = os.getpid()
    if here not in _font_configurations:
        before = os.environ.get("FONTCONFIG_FILE")
        os.environ["FONTCONFIG_FILE"] = str(_FONTS_CONF)
        try:
            from weasyprint.text.fonts import FontConfiguration

            made = FontConfiguration()
        finally:
            # Other programs that this process starts (a browser in a test) keep their own fonts.
            if before is None:
                del os.environ["FONTCONFIG_FILE"]
            else:
                os.environ["FONTCONFIG_FILE"] = before
        _font_configurations.clear()
        _font_configurations[here] = made
    return _font_configurations[here]


@lru_cache(maxsize=8)
def _stylesheet(path: Path, _process: int) -> Any:
    import weasyprint

    return weasyprint.CSS(
        string=path.read_text("utf-8"),
        base_url=_SCHEME,
        url_fetcher=_fetcher({}),
        font_config=_fonts(),
    )


def _page(xhtml: str, fetcher: Any) -> Any:
    """The parsed page, for a tenth less of the whole cost than WeasyPrint's own way.

    Its HTML5 parser is pure Python, and its sheet for all of HTML is matched against each element;
    our pages are XML of few elements.
    """
    import cssselect2  # type: ignore[import-untyped]
    import weasyprint

    class Page(weasyprint.HTML):  # type: ignore[misc]
        def __init__(self) -> None:
            root = ElementTree.fromstring(xhtml)  # noqa: S314 - our own template's output
            _drop_blanks(root)
            self.base_url, self.url_fetcher, self.media_type = _SCHEME, fetcher, "print"
            self.wrapper_element = cssselect2.ElementWrapper.from_html_root(
                root, content_language=None
            )
            self.etree_element = root

        def _ua_stylesheets(self, forms: bool = False) -> list[Any]:
            return [_stylesheet(_BROWSER_SHEET, os.getpid())]

    return Page()


def _drop_blanks(root: ElementTree.Element) -> None:
    """Take out the blanks beside blocks, which print nothing but cost a box each."""
    for element in root.iter():
        if element.tag in _BLOCKS:
            element.text = (element.text or "").lstrip(_BLANKS)
            element.tail = (element.tail or "").lstrip(_BLANKS)


_BLANKS = " \t\n\r"
_BLOCKS = frozenset(
    {"html", "head", "title", "body", "div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote"}
    | {"ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"}
)


def _fetcher(images: Mapping[str, bytes]) -> Any:
    """Hands out these pictures and refuses everything else: no network, no files."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    class OwnImages(URLFetcher):  # type: ignore[misc]
        def fetch(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
            image = images.get(url.removeprefix(_SCHEME))
            if image is None or not url.startswith(_SCHEME):
                raise FatalURLFetchingError(f"A document may not load {url[:200]}")
            return URLFetcherResponse(url, body=image, headers={"Content-Type": "image/png"})

    return OwnImages(allowed_protocols=())


def _compress(stream: Any) -> None:
    """As pydyf does, which takes three times as long for the last two per cent."""
    stream.compress = False
    plain = stream.data.partition(b"\nstream\n")[2].removesuffix(b"\nendstream")
    stream.stream = [zlib.compress(plain, 6)]
    stream.extra["Filter"] = "/FlateDecode"


class _Finisher:
    """What WeasyPrint leaves out to be PDF/A-3a and PDF/UA-1 at the same time."""

    def __init__(self, identifier: str) -> None:
        self._identifier = identifier.encode("ascii")

    def __call__(self, _document: Any, pdf: Any) -> None:
        metadata = pdf.objects[int(pdf.catalog["Metadata"].split()[0])]
        xmp = b"".join(metadata.stream)
        head, end, tail = xmp.rpartition(b"</rdf:RDF>")
        ours = _PDFUA.format(identifier=escape(self._identifier.decode())).encode()
        metadata.stream = [head, ours, end, tail]
        metadata.compress = False  # a reader that knows no PDF must find it
        files = pdf.catalog["AF"]
        files[:] = dict.fromkeys(files)
        for each in pdf.objects:
            if getattr(each, "compress", False):
                _compress(each)
        self._number_the_head(pdf)

    def _number_the_head(self, pdf: Any) -> None:
        """Write the identifier as a comment after the two lines of the header."""
        plain = pdf.write_line

        def write_line(content: bytes, output: Any) -> None:
            plain(content, output)
            if content.startswith(b"%\xf0"):
                pdf.write_line = plain
                plain(NUMBER_LINE + self._identifier, output)

        pdf.write_line = write_line
