"""Fields of a call's body: each reader answers the value or refuses with PARAM_ERROR and the field's name."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

from simulator.store import parse_rfc3339
from simulator.wechat.calls import param_error

LARGEST_FEN = 10**9


def text(data: dict[str, Any], name: str, longest: int, *, required: bool = True) -> str | None:
    value = data.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise param_error(name, value, f"须为1至{longest}个字符的字符串")
    return value


def matching(data: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise param_error(name, value, f"不符合格式 {pattern.pattern}")
    return value


def object_(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if not isinstance(value, dict):
        raise param_error(name, value, "须为对象")
    return value


def fen(amount: dict[str, Any], name: str) -> int:
    value = amount.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_FEN:
        raise param_error(f"amount/{name}", value, "金额须为正整数，单位为分")
    return value


def cny(amount: dict[str, Any], *, required: bool) -> None:
    currency = amount.get("currency")
    if currency != "CNY" and (required or currency is not None):
        raise param_error("amount/currency", currency, "货币类型须为CNY")


def url(data: dict[str, Any], longest: int, *, required: bool) -> str | None:
    """Plain http is allowed here, unlike at the real WeChat Pay, since shops in development have no https."""
    value = text(data, "notify_url", longest, required=required)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", value) or "?" in value or "#" in value or "@" in value:
        raise param_error("notify_url", value, "须为完整的http(s)地址，且不能携带参数")
    return value


def time_expire(data: dict[str, Any]) -> float | None:
    value = text(data, "time_expire", 64, required=False)
    if value is None:
        return None
    try:
        return parse_rfc3339(value)
    except ValueError:
        raise param_error("time_expire", value, "须为rfc3339格式，如2018-06-08T10:34:56+08:00") from None


def fingerprint(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
