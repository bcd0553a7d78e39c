"""表格: rows for a spreadsheet program, as CSV or XLSX, however many. What people typed is never a formula."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import IO
from unicodedata import normalize

Cell = str | int | Decimal | date | datetime | None
MOST_XLSX_ROWS = 1_000_000  # a sheet holds 1,048,576
AT_ONCE = 500
IN_MEMORY = 1 << 20
BOM = "\ufeff"  # by it Excel knows UTF-8
STARTS_A_FORMULA = ("=", "+", "-", "@", "|", "%")
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def safe(text: str) -> str:
    """What a program would take for a formula becomes text (CSV knows no other way to say so): also behind blanks, or
    written in full width, which some programs make plain before they look (X5)."""
    first = normalize("NFKC", text.lstrip()[:1])
    return f"'{text}" if first.startswith(STARTS_A_FORMULA) or text.startswith(("\t", "\r", "\n")) else text


def yuan_number(fen: int) -> Decimal:
    """-1230 → -12.30: a number that a program can add up."""
    return Decimal(fen).scaleb(-2)


def as_csv(rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """CSV in pieces of bounded size."""
    text = io.StringIO(BOM, newline="")
    text.seek(0, io.SEEK_END)
    writer = csv.writer(text)
    for number, row in enumerate(rows, 1):
        writer.writerow([safe(cell) if isinstance(cell, str) else _plain(cell) for cell in row])
        if number % AT_ONCE == 0:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def as_xlsx(rows: Iterable[Sequence[Cell]], *, title: str) -> IO[bytes]:
    """An open file at its beginning, to be closed by whoever gets it; the rows are never all in memory.

    Raises ValueError for more rows than a sheet holds.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    book = Workbook(write_only=True)
    sheet = book.create_sheet(title)
    for number, row in enumerate(rows, 1):
        if number > MOST_XLSX_ROWS:
            raise ValueError(f"as_xlsx: more than {MOST_XLSX_ROWS} rows")
        cells = [WriteOnlyCell(sheet, value=_as_a_sheet_has_it(cell)) for cell in row]
        for cell in cells:
            if cell.data_type == "f":
                cell.data_type = "s"
        sheet.append(cells)
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  handed on
    book.save(file)
    file.seek(0)
    return file


def _plain(cell: Cell) -> str | int | None:
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    return str(cell) if isinstance(cell, Decimal | date) else cell


def _as_a_sheet_has_it(cell: Cell) -> Cell:
    """It knows no time zone: the caller has chosen one. Nor has it a place for control characters, as XML."""
    if isinstance(cell, str):
        return NOT_IN_XML.sub("", cell)
    return cell.replace(tzinfo=None) if isinstance(cell, datetime) else cell
