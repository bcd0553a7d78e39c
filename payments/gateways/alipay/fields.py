"""Reading one field of Alipay's, and writing one of ours: money, times, numbers, texts.

Alipay writes money as yuan with at most two decimals and times as China time without a zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from payments.gateways.base import NeverSent, PaymentOrder, RefundRequest
from payments.gateways.reading import CHINA, Odd

# --- Theirs --------------------------------------------------------------------------------------------------------


def number(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Za-z_-]{1,64}", value):
        raise Odd(name)
    return value


def fen(body: Mapping[str, Any], name: str) -> int:
    """``"88.80"`` → 8880; not negative."""
    return fen_of(body.get(name), name)


def optional_fen(body: Mapping[str, Any], name: str) -> int | None:
    return fen(body, name) if body.get(name) not in (None, "") else None


def fen_of(value: Any, name: str) -> int:
    """Digits, no float anywhere: JSON numbers are not how Alipay writes money."""
    match = re.fullmatch(r"([0-9]{1,11})(?:\.([0-9]{1,2}))?", value) if isinstance(value, str) else None
    if match is None:
        raise Odd(name)
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def time(body: Mapping[str, Any], name: str) -> datetime | None:
    """``2026-11-20 20:05:00``, perhaps with fractions of a second; None when it is not said. Raises Odd."""
    value = body.get(name)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise Odd(name)
    return time_of(value, name)


def time_of(value: str, name: str) -> datetime:
    match = re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?", value)
    try:
        if match is None:
            raise ValueError
        return datetime.fromisoformat(f"{match[1]}T{match[2]}+08:00")
    except ValueError:
        raise Odd(name) from None


# --- Ours ----------------------------------------------------------------------------------------------------------


def yuan(amount_fen: int) -> str:
    """8880 → ``"88.80"``."""
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


def china_time(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a time must be timezone-aware")
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")


def plain_text(value: str, longest: int) -> str:
    """A text for people that no parser on the way trips over, at most ``longest`` characters.

    Braces break the SDK's search for what is signed, values that begin with ``@`` are left out of PHP's signatures,
    ``/ = &`` are forbidden in a subject, commas, quotes and line ends would break the bill, and what is left of angle
    brackets looks like an attack. Their full-width twins read the same to people.
    """
    twins = value.translate(_TWINS)
    return " ".join("".join(sign if sign.isprintable() else " " for sign in twins).split())[:longest].strip()


_TWINS = str.maketrans("/=&{}@,\"'\\<>#", "／＝＆｛｝＠，”’＼＜＞＃")


def require_order(order: PaymentOrder) -> None:
    require_payment_no(order.payment_no)
    _require_fen(order.amount_fen)
    _require_address("notify_url", order.notify_url)
    if order.return_url:
        _require_address("return_url", order.return_url, query_allowed=True)
    if not plain_text(order.description, 1):
        raise NeverSent("description", "the description is empty")


def require_refund(request: RefundRequest) -> None:
    require_payment_no(request.payment_no)
    if not re.fullmatch(r"[0-9A-Za-z_]{1,64}", request.request_no):
        raise NeverSent("request_no", f"must be 1 to 64 letters and digits: {request.request_no!r}")
    _require_fen(request.amount_fen)
    _require_fen(request.payment_total_fen)
    if request.amount_fen > request.payment_total_fen:
        raise NeverSent("amount_fen", "more than was paid")
    if request.channel_transaction_id and not re.fullmatch(r"[0-9A-Za-z]{1,64}", request.channel_transaction_id):
        raise NeverSent("channel_transaction_id", "must be letters and digits")


def require_payment_no(payment_no: str) -> None:
    if not re.fullmatch(r"[0-9A-Za-z_]{1,64}", payment_no):
        raise NeverSent("payment_no", f"must be 1 to 64 letters, digits and underscores: {payment_no!r}")


def _require_fen(amount_fen: int) -> None:
    if type(amount_fen) is not int or not 1 <= amount_fen <= 10_000_000_000:
        raise NeverSent("amount_fen", f"must be an integer from 1 fen to 100,000,000 yuan: {amount_fen!r}")


def _require_address(name: str, address: str, *, query_allowed: bool = False) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.netloc or len(address) > 256:
        raise NeverSent(name, f"must be an http(s) address of at most 256 characters: {address!r}")
    if parts.query and not query_allowed:
        raise NeverSent(name, f"must have no query: {address!r}")
