"""Fields of the channel's JSON, read strictly: one that is odd makes the whole answer one that cannot be trusted."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from payments.gateways.reading import Odd, text

Body = dict[str, Any]


def json_object(raw: str | bytes) -> Body:
    """Return the JSON object in ``raw``; an empty one for anything else, such as a proxy's HTML page."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def number(body: Body, name: str) -> str:
    """A number of ours or theirs: letters and digits."""
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Za-z]{1,64}", value):
        raise Odd(name)
    return value


def yuan_amount(body: Body) -> Body:
    amount = body.get("amount")
    if not isinstance(amount, dict) or amount.get("currency") != "CNY":
        raise Odd("amount")
    return amount


def fen(amount: Body, name: str) -> int:
    value = amount.get(name)
    if type(value) is not int or not 0 < value < 2**53:  # bool is an int too
        raise Odd(name)
    return value


def moment(body: Body, name: str) -> datetime:
    """RFC 3339, such as 2026-11-20T13:45:00+08:00."""
    try:
        read = datetime.fromisoformat(text(body, name))
    except ValueError:
        raise Odd(name) from None
    if read.tzinfo is None:
        raise Odd(name)
    return read
