"""Lists as CSV that spreadsheets open without harm."""

import csv
import io
from collections.abc import Sequence

BOM = "\ufeff"  # without it spreadsheets take UTF-8 for something else


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
