"""What WeChat Pay says about a payment (支付单) and a refund (退款单): the JSON of queries and notifications."""

from __future__ import annotations

import sqlite3
from typing import Any

from simulator.store import rfc3339
from simulator.wechat.signing import Keys

FUNDINGS = {  # what the buyer can pay from -> (bank_type, user_received_account)
    "零钱": ("OTHERS", "支付用户零钱"),
    "招商银行借记卡0403": ("CMB_DEBIT", "招商银行借记卡0403"),
}
TRADE_TYPES = {"H5": "MWEB"}  # what orders of that kind are called in answers
STATE_TEXTS = {"NOTPAY": "订单未支付", "SUCCESS": "支付成功", "CLOSED": "订单已关闭", "REFUND": "转入退款"}


def transaction_object(keys: Keys, payment: sqlite3.Row, *, refunds: int = 0) -> dict[str, Any]:
    """A payment as queries and payment notifications show it; one with refunds, even in part, is in state REFUND."""
    state = "REFUND" if refunds else payment["state"]
    result: dict[str, Any] = {
        "appid": keys.appid,
        "mchid": keys.mchid,
        "out_trade_no": payment["out_trade_no"],
        "trade_state": state,
        "trade_state_desc": STATE_TEXTS[state],
        "promotion_detail": [],
    }
    if payment["attach"] is not None:
        result["attach"] = payment["attach"]
    amount = {"total": payment["amount_fen"], "currency": "CNY", "payer_currency": "CNY"}
    if payment["state"] != "SUCCESS":
        return result | {"amount": amount}
    return result | {
        "amount": amount | {"payer_total": payment["amount_fen"]},
        "transaction_id": payment["transaction_id"],
        "trade_type": TRADE_TYPES.get(payment["trade_type"], payment["trade_type"]),
        "bank_type": FUNDINGS[payment["funding"]][0],
        "success_time": rfc3339(payment["paid_at"]),
        "payer": {"openid": payment["openid"] or keys.openid},
    }


def refund_object(refund: sqlite3.Row, payment: sqlite3.Row) -> dict[str, Any]:
    """A refund as the answers to apply and query show it."""
    result = {
        "refund_id": refund["refund_id"],
        "out_refund_no": refund["out_refund_no"],
        "transaction_id": payment["transaction_id"],
        "out_trade_no": payment["out_trade_no"],
        "channel": "OTHER_BANKCARD" if refund["received_account"] else "ORIGINAL",
        "user_received_account": refund["received_account"] or FUNDINGS[payment["funding"]][1],
        "create_time": rfc3339(refund["created_at"]),
        "status": refund["status"],
        "funds_account": "AVAILABLE",
        "amount": {
            "total": payment["amount_fen"],
            "refund": refund["amount_fen"],
            "from": [],
            "payer_total": payment["amount_fen"],
            "payer_refund": refund["amount_fen"],
            "settlement_total": payment["amount_fen"],
            "settlement_refund": refund["amount_fen"],
            "discount_refund": 0,
            "currency": "CNY",
            "refund_fee": 0,
        },
        "promotion_detail": [],
    }
    if refund["status"] == "SUCCESS":
        result["success_time"] = rfc3339(refund["succeeded_at"])
    return result


def refund_notice(keys: Keys, refund: sqlite3.Row, payment: sqlite3.Row) -> dict[str, Any]:
    """A refund as its notification shows it: `refund_status`, not `status`; no channel, no funds account."""
    full = refund_object(refund, payment)
    names = ("transaction_id", "out_trade_no", "refund_id", "out_refund_no", "user_received_account", "success_time")
    amount = {name: full["amount"][name] for name in ("total", "refund", "payer_total", "payer_refund")}
    return {"mchid": keys.mchid, "refund_status": refund["status"], "amount": amount} | {
        name: full[name] for name in names if name in full
    }
