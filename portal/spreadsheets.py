"""Lists as CSV and Excel files that open without harm, row by row: memory does not grow."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import BinaryIO

import xlsxwriter
from flask_babel import gettext as _

from portal import db
from portal.errors import Refused

TYPES = {
    "csv": "text/csv",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
BOM = "\ufeff"  # without it spreadsheets take UTF-8 for something else
MOST_ROWS = 1_048_575  # of a sheet, below its head; what is more would be left out without a word


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula (OWASP CSV injection)."""
    text = "" if value is None else str(value)
    return (
        f"'{text}"
        if text.lstrip()[:1] in {"=", "+", "-", "@"} or text[:1] in {"\t", "\r"}
        else text
    )


def csv_line(cells: Sequence[object]) -> str:
    """One line, every cell safe."""
    line = io.StringIO()
    csv.writer(line).writerow([safe_cell(cell) for cell in cells])
    return line.getvalue()


def make_file(
    extension: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, title: str
) -> tuple[BinaryIO, int]:
    """A list as an open file at its start, of one of `TYPES`, and how many rows it has.

    Refuses more rows than Excel takes.
    """
    folder = db.settings().data_dir / "exports"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    counted = _Counted(rows)
    with tempfile.NamedTemporaryFile(dir=folder) as draft:
        if extension == "csv":
            draft.write((BOM + csv_line(head)).encode())
            draft.writelines(csv_line(row).encode() for row in counted)
            draft.flush()
        else:
            write_excel(Path(draft.name), head, counted, title=title)
        opened = open(draft.name, "rb")  # noqa: SIM115 - the answer closes it
    return opened, counted.number


class _Counted:
    """Rows, and how many went by."""

    def __init__(self, rows: Iterable[Sequence[object]]) -> None:
        self._rows, self.number = rows, 0

    def __iter__(self) -> Iterator[Sequence[object]]:
        for row in self._rows:
            self.number += 1
            yield row


def write_excel(
    path: Path,
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Write one sheet with a frozen head; dates are dates, and no text becomes a formula.

    `tick` is called for each row. Refuses more rows than Excel takes.
    """
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_date_format": "yyyy-mm-dd",
    }
    book = xlsxwriter.Workbook(path, options)
    bold = book.add_format({"bold": True, "bottom": 1})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet = book.add_worksheet(title[:31])
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(head) - 1, 22)
    for column, text in enumerate(head):
        sheet.write_string(0, column, text, bold)
    for line, row in enumerate(rows, start=1):
        if line > MOST_ROWS:
            raise Refused(_("This list is too long for Excel. Download it as CSV."))
        for column, value in enumerate(row):
            if isinstance(value, datetime):
                sheet.write_datetime(line, column, value.replace(tzinfo=None), moment)
            elif isinstance(value, date):
                sheet.write_datetime(line, column, value, day)
            elif value is not None:
                sheet.write_string(line, column, str(value))
        tick()
    book.close()
