"""Reading the control plane's JSON: each reader answers one field's value, or says what to send (BadInput)."""

from __future__ import annotations

import re
from typing import Any

from simulator.inputs import BadInput
from simulator.store import parse_rfc3339

LARGEST_FEN = 10**9


def only(data: dict[str, Any], *names: str) -> None:
    unknown = sorted(set(data) - set(names))
    if unknown:
        raise BadInput(f"未知字段 / unknown field: {', '.join(unknown)[:200]}; 可用 / known: {', '.join(names)}")


def text(data: dict[str, Any], name: str, pattern: str = r"(?s).{1,64}") -> str:
    value = data.get(name)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise BadInput(f"{name} 缺失或格式错误 / {name} is missing or wrong: a string that matches {pattern}")
    return value


def one_of(data: dict[str, Any], name: str, known: dict[str, Any]) -> str:
    value = data.get(name)
    if not isinstance(value, str) or value not in known:
        raise BadInput(f"{name} 须为其一 / {name} must be one of: {', '.join(known)}")
    return value


def flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise BadInput(f"{name} 须为 true 或 false / {name} must be true or false")
    return value


def number(data: dict[str, Any], name: str, least: float, most: float, default: float | None = None) -> float:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise BadInput(f"{name} 须为范围内的数字 / {name} must be a number from {least} to {most}")
    return float(value)


def amount_fen(data: dict[str, Any]) -> int:
    value = data.get("amount_fen")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_FEN:
        raise BadInput(f"amount_fen 须为正整数（分）/ amount_fen must be an integer of fen from 1 to {LARGEST_FEN}")
    return value


def moment(data: dict[str, Any], name: str) -> float:
    value = data.get(name)
    try:
        return parse_rfc3339(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise BadInput(f"{name} 须为带时区的时间 / {name} must be a time like 2026-06-08T10:34:56+08:00") from None


def payer_name(data: dict[str, Any]) -> str | None:
    """Who pays, by any name; None is somebody new."""
    return text(data, "payer") if data.get("payer") is not None else None


def rows(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{name} 须为对象列表 / {name} must be a list of objects")
    return rows
