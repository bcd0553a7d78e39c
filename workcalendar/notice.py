"""Reads a year's plan out of text: the State Council's own notice as pasted, or a list of one's own. Text in, days out.

    一、元旦：1月1日（周五）至3日（周日）放假调休，共3天。
    二、春节：2月5日至11日放假。1月31日（周日）、2月14日（周日）上班。
    国庆节 放假 2027-10-01 至 2027-10-07

Where a weekday stands beside a date, it has to be that date's: a notice of another year is found out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

DAY = timedelta(days=1)
LONGEST_BREAK = 20
LONGEST_TEXT = 5000
LONGEST_NAME = 20
WEEKDAYS = "一二三四五六日"

_YEAR, _MONTH = r"(?:(\d{4})年)?", r"(?:(\d{1,2})月)?"
_ASIDE = r"\s*(?:\(([^()]*)\))?\s*"
_DATE = rf"{_YEAR}\s*{_MONTH}\s*(\d{{1,2}})日{_ASIDE}"
SPAN = re.compile(rf"{_DATE}(?:(?:至|到|~|-|—|–)\s*{_DATE})?")
ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)")
SPOKEN = re.compile(r"(?:周|星期)([一二三四五六日天])")
NAME = re.compile(r"^\s*(?:[一二三四五六七八九十]+、|\d+[.、])?\s*([^\d:\s]{1,20}?)\s*(?:[:\s]|(?=\d))")
WORKED = re.compile("上班|补班")
FREE = re.compile("放假|补休|休息")


class CannotRead(Exception):
    """The message says which words cannot be a plan, and why."""


@dataclass(frozen=True)
class NamedDay:
    day: date
    is_working: bool
    name: str = ""


def read(text: str, year: int) -> list[NamedDay]:
    """The days that the text names, in order. Raises CannotRead."""
    if len(text) > LONGEST_TEXT:
        raise CannotRead(f"文字太长，请不要超过 {LONGEST_TEXT} 字。")
    found: dict[date, NamedDay] = {}
    for line in unicodedata.normalize("NFKC", text).splitlines():
        for named in _of_line(ISO.sub(r"\1年\2月\3日", line), year):
            known = found.setdefault(named.day, named)
            if known.is_working != named.is_working:
                raise CannotRead(f"{named.day:%Y-%m-%d} 既写了放假，又写了上班。")
    if not found:
        raise CannotRead("没有读到任何日期。请粘贴通知的正文，或每行写一个节日，例如：元旦：1月1日至3日放假。")
    return [found[day] for day in sorted(found)]


def _of_line(line: str, year: int) -> Iterator[NamedDay]:
    """Clauses of one line: dates wait for the word that says what they are, before it or after it."""
    name = ""
    for sentence in re.split(r"[。;]", line):
        named = NAME.match(sentence)
        name = named[1] if named and not (WORKED.search(named[1]) or FREE.search(named[1])) else name
        waiting: list[date] = []
        is_working: bool | None = None
        for clause in sentence.split(","):
            days = list(_days(clause, year))
            said = True if WORKED.search(clause) else False if FREE.search(clause) else None
            if said is None and days and is_working is not None and not waiting:
                said = is_working  # "放假：1月1日，1月2日"
            waiting += days
            if said is not None:
                yield from (NamedDay(day, said, name[:LONGEST_NAME]) for day in waiting)
                waiting, is_working = [], said
        if waiting:
            raise CannotRead(f"“{sentence.strip()[:60]}”没有写是放假还是上班。")
        if is_working is not None and re.search(r"\d月|\d日", SPAN.sub("", sentence)):
            raise CannotRead(f"“{sentence.strip()[:60]}”里有读不懂的日期。")


def _days(clause: str, year: int) -> Iterator[date]:
    month: int | None = None
    for span in SPAN.finditer(clause):
        first = _date(clause, span.group(1, 2, 3, 4), year, month)
        until = span.group(5, 6, 7, 8)
        last = _date(clause, until, first.year, first.month) if until[2] else first
        if not first <= last < first + DAY * LONGEST_BREAK:
            raise CannotRead(f"“{span[0].strip()}”不是一段不超过 {LONGEST_BREAK} 天的日期。")
        if not date(year - 1, 12, 1) <= first or last.year > year:
            raise CannotRead(f"“{span[0].strip()}”不属于 {year} 年的安排。")
        month = last.month
        yield from (first + DAY * number for number in range((last - first).days + 1))


def _date(clause: str, parts: tuple[str | None, ...], year: int, month: int | None) -> date:
    said_year, said_month, day, aside = parts
    if said_month is None and month is None:
        raise CannotRead(f"“{clause.strip()[:60]}”没有写是几月。")
    try:
        found = date(int(said_year or year), int(said_month or month or 0), int(day or 0))
    except ValueError:
        raise CannotRead(f"“{clause.strip()[:60]}”里有不存在的日期。") from None
    spoken = SPOKEN.search(aside or "")
    if spoken and spoken[1].replace("天", "日") != WEEKDAYS[found.weekday()]:
        raise CannotRead(f"{found:%Y-%m-%d} 是周{WEEKDAYS[found.weekday()]}，不是周{spoken[1]}：请核对年份与日期。")
    return found
