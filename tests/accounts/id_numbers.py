"""ID numbers that nobody has: of an area that was never given out, with a check digit that is right."""

from __future__ import annotations

from accounts.realname.id_number import check_digit


def id_number(born: str = "19900307", order: int = 1) -> str:
    first_17 = f"990000{born}{order:03}"
    return first_17 + check_digit(first_17)
