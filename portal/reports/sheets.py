"""Lists as Excel files, row by row, so that memory does not grow with them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

import xlsxwriter
from flask_babel import gettext as _

from portal.errors import Refused

MOST_ROWS = 1_048_575  # of a sheet, below its head; what is more would be left out without a word


def write(
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
