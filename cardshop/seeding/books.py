"""The simulator's books: the same history, told to it before the shop asks about it."""

from __future__ import annotations

import json
import os
import urllib.request
from datetime import datetime, timedelta
from typing import Any

from payments.models import Payment, RefundAttempt

CHANNELS = ("wechat", "alipay")


def address() -> str:
    """Where history can be told; empty when the shop speaks to some other server."""
    return os.environ.get("SIMULATOR_CONTROL", "")


def tell(control: str, channel: str, **history: list[dict[str, Any]]) -> None:
    """``payments`` and ``refunds`` as below, of one channel."""
    act(control, "history", channel=channel, **history)


def act(control: str, name: str, **data: Any) -> None:
    """What a tester does at the simulator's console."""
    kind = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{control}/_control/{name}", json.dumps(data).encode(), kind)  # noqa: S310  ours
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        answer.read()


def past_payment(payment: Payment, *, paid_at: datetime, funding: str) -> dict[str, Any]:
    return {
        "out_trade_no": payment.payment_no,
        "amount_fen": payment.amount_fen,
        "description": "卡盟订单",
        "paid_at": paid_at.isoformat(timespec="seconds"),
        **({"funding": funding} if funding else {}),
    }


def past_refund(attempt: RefundAttempt, *, status: str) -> dict[str, Any]:
    """``status`` in the channel's words: SUCCESS, ABNORMAL or PROCESSING."""
    row = {
        "out_refund_no": attempt.request_no,
        "out_trade_no": attempt.payment.payment_no,
        "amount_fen": attempt.amount_fen,
        "status": status,
        "created_at": attempt.created_at.isoformat(timespec="seconds"),
        "reason": attempt.reason,
    }
    if status == "SUCCESS":
        row["succeeded_at"] = (attempt.created_at + timedelta(minutes=5)).isoformat(timespec="seconds")
    return row
