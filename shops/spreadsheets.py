"""上传的表格: the rows of a CSV or XLSX file, one after the other, never evaluated and never written anywhere.

A workbook is a program's worth of XML in an archive: it is read in a child process with little time and memory, so
that one made to hurt (X2) can only hurt that child. The child is this very file, run on its own: at the top it must
import nothing but the standard library, and below only openpyxl. Rows come back through a pipe, not through a file.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import enum
import io
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

MAX_BYTES = 10 * 1024 * 1024
MAX_UNPACKED_BYTES = 96 * 1024 * 1024
MOST_ROWS = 100_000
MOST_COLUMNS = 16
CHILD_CPU_SECONDS = 90
CHILD_MEMORY_BYTES = 512 * 1024 * 1024
CHILD_SECONDS = 300  # by the wall clock: a busy machine is not the shop's fault


class Odd(enum.Enum):
    """A cell that is no text: it is refused, not guessed at."""

    FORMULA = "formula"
    NUMBER = "number"  # Excel drops leading zeros, and digits after the fifteenth
    BROKEN = "broken"


Cell = str | date | Odd


@dataclass(frozen=True)
class Row:
    """``number`` is the line that the shop sees in its editor, from 1. ``cells`` never show in a log."""

    number: int
    cells: Sequence[Cell] = field(repr=False)


class UnusableFile(Exception):
    """The file as a whole cannot be read. ``code`` is a key of ``shops/stock_lines.py``'s PROBLEMS."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def examine(data: bytes) -> int:
    """How many lines there may be; 0 if only reading would tell. Quick. Raises UnusableFile."""
    if not data.strip():
        raise UnusableFile("file_empty")
    if len(data) > MAX_BYTES:
        raise UnusableFile("file_too_large")
    if data.startswith(b"\xd0\xcf\x11\xe0"):  # Excel 97, and workbooks with a password
        raise UnusableFile("file_xls")
    if is_workbook(data):
        return 0
    _encoding(data)
    count = data.count(b"\n") + 1
    if count > 2 * MOST_ROWS:
        raise UnusableFile("file_too_many_lines")
    return count


def rows(data: bytes) -> Generator[Row, None, None]:
    """Every row that is not blank, at most ``MOST_ROWS`` and a heading. Raises UnusableFile, maybe half-way.

    Whoever stops early closes the iterator, which ends the child.
    """
    for count, row in enumerate(_workbook(data) if is_workbook(data) else _csv(data)):
        if count > MOST_ROWS:
            raise UnusableFile("file_too_many_lines")
        yield row


def is_workbook(data: bytes) -> bool:
    return data.startswith(b"PK\x03\x04")


# --- CSV --------------------------------------------------------------------------------------------------------------


def _csv(data: bytes) -> Iterator[Row]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding=_encoding(data), newline="")
    reader = csv.reader(text, delimiter=_delimiter(data), strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells: list[Cell] = [*next(reader)]
        except StopIteration:
            return
        except csv.Error:  # a quotation mark too many, or a field without an end
            cells = [Odd.BROKEN]
        if len(cells) > MOST_COLUMNS:
            cells = [Odd.BROKEN]
        if any(not isinstance(cell, str) or cell.strip(" ") for cell in cells):
            yield Row(number, cells)


def _encoding(data: bytes) -> str:
    """UTF-8, with or without its mark, or the GB18030 that Excel writes in China. Decodes all of it, bit by bit."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data:
        raise UnusableFile("file_unreadable")
    for encoding in ("utf-8-sig", "gb18030"):
        decoder = codecs.getincrementaldecoder(encoding)()
        try:
            for start in range(0, len(data), 65536):
                decoder.decode(data[start : start + 65536])
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return encoding
    raise UnusableFile("file_unreadable")


def _delimiter(data: bytes) -> str:
    first = data[:4096].lstrip().partition(b"\n")[0]
    return "\t" if b"\t" in first and b"," not in first else ","


# --- XLSX -------------------------------------------------------------------------------------------------------------


def _workbook(data: bytes) -> Iterator[Row]:
    command = [sys.executable, "-I", __file__, str(CHILD_CPU_SECONDS), str(CHILD_MEMORY_BYTES)]
    child = subprocess.Popen(  # noqa: S603 - our own interpreter and file, no shell
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/", env={}
    )
    assert child.stdin is not None
    assert child.stdout is not None
    ending = threading.Timer(CHILD_SECONDS, child.kill)
    ending.daemon = True
    ending.start()
    try:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.write(data)
            child.stdin.close()
        for line in child.stdout:
            said = json.loads(line)
            if said == "end":
                return
            if isinstance(said, str):
                raise UnusableFile(said)
            yield Row(said[0], [_read(cell) for cell in said[1]])
        raise UnusableFile("file_unreadable")  # it was ended: too much time, too much memory, or not a workbook at all
    finally:
        ending.cancel()
        child.kill()
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
        child.stdout.close()
        child.wait()


def _read(cell: Any) -> Cell:
    if isinstance(cell, str):
        return cell
    ((kind, value),) = cell.items()
    return date.fromisoformat(value) if kind == "date" else Odd(value)


# --- In the child -----------------------------------------------------------------------------------------------------


def _main() -> None:
    _limit_ourselves(cpu_seconds=int(sys.argv[1]), memory_bytes=int(sys.argv[2]))
    say = sys.stdout.write
    try:
        for number, cells in _cells(sys.stdin.buffer.read()):
            say(json.dumps([number, cells]) + "\n")
        said = "end"
    except UnusableFile as unusable:
        said = unusable.code
    except Exception:  # openpyxl raises KeyError, ValueError, BadZipFile, ParseError …
        said = "file_unreadable"
    say(json.dumps(said) + "\n")


def _limit_ourselves(*, cpu_seconds: int, memory_bytes: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":  # macOS refuses this limit
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _cells(data: bytes) -> Iterator[tuple[int, list[Any]]]:
    import warnings

    from openpyxl import load_workbook

    warnings.simplefilter("ignore")
    _look_inside(data)
    book = load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
    sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
    if not sheets:
        raise UnusableFile("file_unreadable")
    for other in sheets[1:]:
        if any(cell.value is not None for row in other.iter_rows(max_row=20, max_col=MOST_COLUMNS) for cell in row):
            raise UnusableFile("file_several_sheets")
    found = 0
    for number, row in enumerate(sheets[0].iter_rows(max_col=MOST_COLUMNS), start=1):
        cells = [_plain(cell) for cell in row]
        while cells and cells[-1] == "":
            cells.pop()
        if not any(not isinstance(cell, str) or cell.strip(" ") for cell in cells):
            continue
        found += 1
        if found > MOST_ROWS + 1:
            raise UnusableFile("file_too_many_lines")
        yield number, cells


def _look_inside(data: bytes) -> None:
    """What it would unpack to. ``zipfile`` reads no more of a part than its directory says, so this bounds it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    if len(parts) > 1000 or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise UnusableFile("file_too_large")


def _plain(cell: Any) -> Any:
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return {"odd": Odd.FORMULA.value}
    if isinstance(value, datetime | date):
        return {"date": (value.date() if isinstance(value, datetime) else value).isoformat()}
    if isinstance(value, str) and cell.data_type != "e":
        return value
    return {"odd": (Odd.BROKEN if cell.data_type == "e" else Odd.NUMBER).value}


if __name__ == "__main__":
    _main()
