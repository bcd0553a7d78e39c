"""Reading the business parameters of a call (biz_content), and writing amounts and times as Alipay does."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from simulator.alipay.answers import Refusal
from simulator.store import BEIJING

SMALLEST_FEN, LARGEST_FEN = 1, 100_000_000 * 100
AMOUNT = re.compile(r"(\d{1,9})(?:\.(\d{1,2})0*)?")
OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_]{1,64}")
TIMEOUT = re.compile(r"([1-9]\d{0,4})([mhdc])")
MINUTES = {"m": 1, "h": 60, "d": 1440}
LONGEST_TIMEOUT_SECONDS = 15 * 86400.0


def text(biz: dict[str, Any], name: str, longest: int, *, required: bool = False) -> str | None:
    """A string of at most `longest` characters; None if it is missing or empty and may be."""
    value = biz.get(name)
    if value is None or value == "":
        if required:
            raise invalid(name, "不能为空")
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise invalid(name, f"须为不超过{longest}个字符的字符串")
    return value


def fen(biz: dict[str, Any], name: str) -> int:
    """An amount in yuan with at most two decimals, as a string or a number; answers fen."""
    value = biz.get(name)
    match = (
        AMOUNT.fullmatch(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else None
    )
    amount = int(match[1]) * 100 + int((match[2] or "").ljust(2, "0")) if match else 0
    if not SMALLEST_FEN <= amount <= LARGEST_FEN:
        raise invalid(name, "须为0.01至100000000之间、精确到小数点后两位的金额")
    return amount


def out_trade_no(biz: dict[str, Any]) -> str:
    value = text(biz, "out_trade_no", 64, required=True) or ""
    if not OUT_TRADE_NO.fullmatch(value):
        raise invalid("out_trade_no", "只能使用字母、数字、下划线")
    return value


def subject(biz: dict[str, Any]) -> str:
    value = text(biz, "subject", 256, required=True) or ""
    if set(value) & set("/=&"):
        raise invalid("subject", "不可使用特殊字符，如 /，=，& 等")
    return value


def options(biz: dict[str, Any]) -> set[str]:
    """query_options: which optional parts the answer should carry."""
    value = biz.get("query_options") or []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise invalid("query_options", "须为字符串数组")
    return set(value)


def only(biz: dict[str, Any], known: Collection[str]) -> None:
    """Undocumented fields may make a refund fail or happen twice, Alipay says; here they are refused."""
    unknown = sorted(set(biz) - set(known))
    if unknown:
        raise invalid(unknown[0][:64], "未知参数，请只传接口文档列出的参数")


def timeout_seconds(biz: dict[str, Any], now: float) -> float:
    """timeout_express: 1m to 15d, or 1c for the end of the day; 15 days if it is not given."""
    value = text(biz, "timeout_express", 6)
    if value is None:
        return LONGEST_TIMEOUT_SECONDS
    match = TIMEOUT.fullmatch(value)
    if match and match[2] == "c":
        today = datetime.fromtimestamp(now, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0)
        return (today + timedelta(days=1)).timestamp() - now
    seconds = int(match[1]) * MINUTES[match[2]] * 60.0 if match else 0.0
    if not 60 <= seconds <= LONGEST_TIMEOUT_SECONDS:
        raise invalid("timeout_express", "取值范围：1m～15d")
    return seconds


def time_expire(biz: dict[str, Any]) -> float | None:
    """An absolute time, Beijing's."""
    value = text(biz, "time_expire", 32)
    if value is None:
        return None
    try:
        return parse_time(value)
    except ValueError:
        raise invalid("time_expire", "格式为yyyy-MM-dd HH:mm:ss") from None


def http_url(value: str, name: str, longest: int) -> str | None:
    """Plain http is allowed here; '' is None."""
    if not value:
        return None
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or len(value) > longest or not re.fullmatch(r"[!-~]+", value):
        raise invalid(name, "须为完整的http(s)地址")
    return value


def invalid(name: str, issue: str) -> Refusal:
    return Refusal("ACQ.INVALID_PARAMETER", f"参数无效：{name}{issue}")


def yuan(amount_fen: int) -> str:
    sign = "-" if amount_fen < 0 else ""
    return f"{sign}{abs(amount_fen) // 100}.{abs(amount_fen) % 100:02d}"


def beijing(at: float, *, fraction: bool = False) -> str:
    """As Alipay writes times: no zone, always Beijing's; gmt_refund alone carries milliseconds."""
    moment = datetime.fromtimestamp(at, BEIJING)
    return moment.strftime("%Y-%m-%d %H:%M:%S") + (f".{moment.microsecond // 1000:03d}" if fraction else "")


def parse_time(value: str) -> float:
    """Seconds since 1970 of a Beijing time without a zone; ValueError."""
    moment = datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)
    if not 2000 <= moment.year <= 2200:
        raise ValueError("out of range")
    return moment.timestamp()
