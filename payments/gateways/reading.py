"""Fields of a channel's answer, read strictly: an odd one makes the whole answer one that cannot be trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta, timezone
from typing import Any

CHINA = timezone(timedelta(hours=8))


class Odd(Exception):
    """A field that is missing, of another type, or about somebody else's number. The text names the field."""


def text(body: Mapping[str, Any], name: str, longest: int = 64) -> str:
    """A word or an address: printable ASCII without spaces."""
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(rf"[!-~]{{1,{longest}}}", value):
        raise Odd(name)
    return value


def text_or_nothing(body: Mapping[str, Any], name: str, longest: int = 64) -> str:
    """As ``text``; "" where it is missing or odd, for what no answer is distrusted for."""
    try:
        return text(body, name, longest)
    except Odd:
        return ""


def expect(body: Mapping[str, Any], name: str, ours: str | int) -> None:
    """Raises Odd unless the field is just this, type and all."""
    theirs = body.get(name)
    if type(theirs) is not type(ours) or theirs != ours:
        raise Odd(name)
