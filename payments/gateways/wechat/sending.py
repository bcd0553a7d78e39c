"""What we may send. NeverSent here is a mistake of our own, never of the channel, and nothing has left us."""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import urlsplit

from payments.gateways.base import NeverSent, RefundRequest
from payments.gateways.reading import CHINA


def require_payment_no(payment_no: str) -> None:
    # Only letters and digits survive every channel's path and signature unchanged.
    if not re.fullmatch(r"[0-9A-Za-z]{6,32}", payment_no):
        raise NeverSent("payment_no", f"must be 6 to 32 letters and digits: {payment_no!r}")


def require_request_no(request_no: str) -> None:
    if not re.fullmatch(r"[0-9A-Za-z]{1,64}", request_no):
        raise NeverSent("request_no", f"must be 1 to 64 letters and digits: {request_no!r}")


def require_refund(request: RefundRequest) -> None:
    require_request_no(request.request_no)
    require_payment_no(request.payment_no)
    require_fen(request.amount_fen)
    require_fen(request.payment_total_fen)
    require_notify_url(request.notify_url)
    if request.amount_fen > request.payment_total_fen:
        raise NeverSent("amount_fen", "more than was paid")
    if request.channel_transaction_id and not re.fullmatch(r"[0-9A-Za-z]{1,32}", request.channel_transaction_id):
        raise NeverSent("channel_transaction_id", "must be letters and digits")


def require_fen(amount_fen: int) -> None:
    if type(amount_fen) is not int or amount_fen < 1:
        raise NeverSent("amount_fen", f"must be a positive integer of fen: {amount_fen!r}")


def require_notify_url(notify_url: str) -> None:
    parts = urlsplit(notify_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or len(notify_url) > 255:
        raise NeverSent("notify_url", f"must be a plain address without a query, at most 255 long: {notify_url!r}")


def fit(text: str, longest_bytes: int) -> str:
    """Cut ``text`` to the channel's limit, counted in UTF-8 bytes: the shortest of the documented readings."""
    return text.encode("utf-8", "ignore")[:longest_bytes].decode("utf-8", "ignore")


def china_time(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise NeverSent("expires_at", "must be timezone-aware")
    return moment.astimezone(CHINA).isoformat(timespec="seconds")
