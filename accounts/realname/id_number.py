"""身份证号: 18 characters by GB 11643-1999: area, day of birth, order, check digit. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import date

_SHAPE = re.compile(r"[1-9][0-9]{16}[0-9X]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS = "10X98765432"


def normalized(text: str) -> str:
    """As typed in: full-width digits and a small x are read as what they mean."""
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).upper()


def is_valid(number: str) -> bool:
    """Its shape, its day of birth and its check digit are right; whose it is nobody can tell from that."""
    return bool(_SHAPE.fullmatch(number)) and birthday(number) is not None and number[17] == check_digit(number[:17])


def check_digit(first_17: str) -> str:
    """ISO 7064 MOD 11-2."""
    return _CHECKS[sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_17, strict=True)) % 11]


def birthday(number: str) -> date | None:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def age_on(day: date, born: date) -> int:
    """Whole years. Who was born on a February 29 grows older on March 1 in other years."""
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
