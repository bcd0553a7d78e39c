"""入库的每一行: from a row of a shop's file to the text of one code, or to the problem with it.

Pure: no database, no clock. Nothing is repaired by guessing: a line that is not plainly a code is refused with its
line number, and the shop mends its file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from django.utils.translation import gettext_lazy as _

from shops.models import ProductKind
from shops.spreadsheets import Cell, Odd, Row, UnusableFile

LONGEST = 256
#: Spreadsheets run a cell that begins so, whoever opens an export of it one day (X5).
RUNS = ("=", "+", "-", "@")
#: Controls, direction marks, private and unassigned characters: nobody can type them where a code is redeemed.
UNTYPABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

#: Problem → what the shop reads beside the line's number. ``file_…`` is about the file as a whole.
PROBLEMS = {
    "empty": _("缺少卡密（账号商品须同时填写账号和密码）"),
    "too_long": _("超过 256 个字符"),
    "formula": _("以 = + - @ 或制表符开头，或是公式：表格软件会把它当公式运行"),
    "number": _("单元格是数字格式：Excel 会丢掉开头的 0 和第 15 位以后的数字。请设为文本格式后重新填写"),
    "characters": _("含有不可见的字符或换行"),
    "columns": _("列数不对，或引号不成对"),
    "date": _("有效期不是日期，应写作 2026-12-31"),
    "expired": _("已过有效期"),
    "repeated": _("与本文件中前面的一行相同"),
    "known_here": _("本店已有同样的卡密"),
    "known_elsewhere": _("平台上已有同样的卡密，不能重复出售"),
    "file_empty": _("文件是空的。"),
    "file_too_large": _("文件过大：最多 10 MB，展开后最多 96 MB。请分成几个文件。"),
    "file_too_many_lines": _("超过 100,000 行。请分成几个文件。"),
    "file_xls": _("这是旧版 Excel 或加密的文件。请另存为不加密的 .xlsx 或 CSV。"),
    "file_unreadable": _("读不出内容。请上传 .xlsx，或以 UTF-8 或 GB18030 编码的 CSV。"),
    "file_several_sheets": _("有多个工作表填了内容。请只留一个。"),
    "file_heading": _("表头里有不认识的列，或缺少必填的列。"),
}  # fmt: skip

#: Column → how shops head it. Compared without blanks, in lower case.
HEADINGS: dict[str, frozenset[str]] = {
    "code": frozenset({"卡密", "激活码", "兑换码", "code"}),
    "account": frozenset({"账号", "帐号", "account"}),
    "password": frozenset({"密码", "password"}),
    "valid_until": frozenset({"有效期至", "有效期", "到期日", "validuntil"}),
}
DATE = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[ T]00:00(?::00)?)?|(\d{4})(\d{2})(\d{2})"
)


@dataclass(frozen=True)
class Line:
    """A line that was read: ``text`` is what will be sealed, empty with a ``problem``. Shows no text."""

    number: int
    text: str = field(repr=False, default="")
    valid_until: date | None = None
    problem: str = ""


class _Bad(Exception):
    def __init__(self, problem: str) -> None:
        self.problem = problem


def columns_of(kind: str) -> tuple[str, ...]:
    """The columns of a file without a heading, in their order; all but the last must be filled."""
    return ("account", "password", "valid_until") if kind == ProductKind.ACCOUNT else ("code", "valid_until")


def read(rows: Iterable[Row], *, kind: str, today: date) -> Iterator[Line]:
    """Each line of a product of this kind, as it stands on that day. Raises UnusableFile."""
    places: Mapping[str, int] | None = None
    for row in rows:
        if places is None:
            places = _heading(row.cells, kind)
            if places is not None:
                continue
            places = {name: place for place, name in enumerate(columns_of(kind))}
        yield _line(row, places, kind, today)


def _heading(cells: Sequence[Cell], kind: str) -> Mapping[str, int] | None:
    """Where each column stands, None if the first row is a code already. Raises UnusableFile."""
    names = [_named(cell) for cell in cells]
    if not any(names):
        return None
    places = {name: place for place, name in enumerate(names) if name}
    strange = [cell for cell, name in zip(cells, names, strict=True) if not name and cell != ""]
    needed = columns_of(kind)
    if strange or len(places) != len([name for name in names if name]):
        raise UnusableFile("file_heading")
    if set(places) - set(needed) or set(needed[:-1]) - set(places):
        raise UnusableFile("file_heading")
    return places


def _named(cell: Cell) -> str:
    if not isinstance(cell, str):
        return ""
    said = re.sub(r"[\s_]", "", unicodedata.normalize("NFKC", cell)).lower()
    return next((name for name, headings in HEADINGS.items() if said in headings), "")


def _line(row: Row, places: Mapping[str, int], kind: str, today: date) -> Line:
    try:
        if any(cell is Odd.BROKEN for cell in row.cells):
            raise _Bad("columns")
        if any(cell != "" for place, cell in enumerate(row.cells) if place not in places.values()):
            raise _Bad("columns")
        text = _text(row, places, kind)
        valid_until = _date(_at(row, places, "valid_until"))
        if valid_until and valid_until < today:
            raise _Bad("expired")
    except _Bad as bad:
        return Line(row.number, problem=bad.problem)
    return Line(row.number, text, valid_until)


def _text(row: Row, places: Mapping[str, int], kind: str) -> str:
    if kind == ProductKind.ACCOUNT:
        account, password = (_part(_at(row, places, name)) for name in ("account", "password"))
        text = f"账号：{account} 密码：{password}"
    else:
        text = _part(_at(row, places, "code"))
    if len(text) > LONGEST:
        raise _Bad("too_long")
    return text


def _part(cell: Cell) -> str:
    """A cell that must hold text: a code, an account or a password."""
    if cell is Odd.FORMULA:
        raise _Bad("formula")
    if not isinstance(cell, str):
        raise _Bad("number")  # a date here was a number that Excel took for one
    if cell[:1] in {"\t", "\r"} or unicodedata.normalize("NFKC", cell).strip().startswith(RUNS):
        raise _Bad("formula")
    text = cell.strip()
    if not text:
        raise _Bad("empty")
    if any(unicodedata.category(character) in UNTYPABLE for character in text):
        raise _Bad("characters")
    return text


def _date(cell: Cell) -> date | None:
    if cell == "":
        return None
    if isinstance(cell, date):
        return cell
    if cell is Odd.FORMULA:
        raise _Bad("formula")
    if not isinstance(cell, str):
        raise _Bad("date")
    said = unicodedata.normalize("NFKC", cell).strip()
    if not said:
        return None
    match = DATE.fullmatch(said)
    try:
        return date(*(int(part) for part in match.groups() if part is not None)) if match else _not_a_date()
    except ValueError:
        return _not_a_date()


def _not_a_date() -> date:
    raise _Bad("date")


def _at(row: Row, places: Mapping[str, int], name: str) -> Cell:
    place = places.get(name)
    return row.cells[place] if place is not None and place < len(row.cells) else ""
