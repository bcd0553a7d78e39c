"""Files as shops make them: CSV in any encoding, workbooks with text, numbers, dates and formulas."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any


def csv(*lines: str, encoding: str = "utf-8", end: str = "\r\n") -> bytes:
    return "".join(line + end for line in lines).encode(encoding)


def xlsx(rows: Iterable[Sequence[Any]], *, more_sheets: Sequence[Iterable[Sequence[Any]]] = ()) -> bytes:
    """What openpyxl writes: text as text, numbers as numbers, whatever begins with = as a formula."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for sheet_rows in (rows, *more_sheets):
        sheet = book.create_sheet()
        for row in sheet_rows:
            sheet.append(list(row))
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def codes(count: int, prefix: str = "CARD") -> list[str]:
    return [f"{prefix}-{number:06d}-QX7Z" for number in range(count)]
