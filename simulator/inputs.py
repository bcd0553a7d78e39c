"""Reading what strangers send: a JSON object of plain text and numbers, or a clear error."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 32


class BadInput(Exception):
    """What was sent cannot be used; the text says what is wrong and what to send."""


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; BadInput for anything else, NUL characters and halves of characters included."""
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"不是有效的 JSON / not valid JSON: {str(error)[:100]}") from None
    if not isinstance(data, dict):
        raise BadInput("请发送一个 JSON 对象 / send one JSON object, like {}")
    _check(data, 0)
    return data


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise BadInput(f"嵌套超过 {DEEPEST} 层 / nested deeper than {DEEPEST} levels")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check(name, depth)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)
    elif isinstance(value, str) and any(char == "\x00" or "\ud800" <= char <= "\udfff" for char in value):
        raise BadInput("不能包含 NUL 或残缺字符 / NUL and halves of characters are not allowed")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
