"""What Alipay tells the merchant by itself (异步通知): a signed form, sent until the answer is exactly `success`."""

from __future__ import annotations

import json
import secrets
import sqlite3
from typing import Any
from urllib.parse import urlencode

from simulator import faults, settings
from simulator.alipay.fields import beijing, yuan
from simulator.alipay.fundings import FUNDINGS
from simulator.alipay.signing import SIGN_TYPE, sorted_pairs
from simulator.notifications import Dialect, Notice, queue
from simulator.store import rfc3339
from simulator.world import World

RETRY_SECONDS = (240, 600, 600, 3600, 7200, 21600, 54000)  # 4m, 10m, 10m, 1h, 2h, 6h, 15h: eight deliveries
DEPOSIT_BACK = "alipay.trade.refund.depositback.completed"


def announce(world: World, db: sqlite3.Connection, trade: sqlite3.Row, refund: sqlite3.Row | None = None) -> None:
    """trade_status_sync to the payment's notify_url: paid, refunded in part or whole, finished."""
    fields = trade_fields(world, trade, refund)
    claim = {"trade_status": "TRADE_SUCCESS", "notify_id": _new_id(world)}
    _queue(
        world, db, trade["notify_url"], f"trade_status_sync.{trade['status']}", fields, claim,
        numbers=(*((refund["out_request_no"],) if refund else ()), trade["out_trade_no"]), refund=refund is not None,
    )  # fmt: skip


def announce_deposit_back(world: World, db: sqlite3.Connection, trade: sqlite3.Row, refund: sqlite3.Row) -> None:
    """The bank's word about a refund to a card: to the app gateway of the console, not to notify_url."""
    content = {
        "trade_no": trade["trade_no"],
        "out_trade_no": trade["out_trade_no"],
        "out_request_no": refund["out_request_no"],
        "dback_status": refund["dback_status"],
        "bank_ack_time": beijing(refund["bank_ack_at"]),
        "est_bank_receipt_time": beijing(refund["est_receipt_at"]),
    }
    if refund["dback_status"] == "S":
        content["dback_amount"] = yuan(refund["refund_fen"])
    fields = {
        "notify_id": _new_id(world),
        "utc_timestamp": str(int(world.store.now() * 1000)),
        "msg_method": DEPOSIT_BACK,
        "app_id": world.alipay.app_id,
        "version": "1.1",
        "charset": "utf-8",
        "biz_content": json.dumps(content, ensure_ascii=False),
    }
    claim = {"biz_content": json.dumps(content | {"dback_status": "S"}), "notify_id": _new_id(world)}
    _queue(
        world, db, app_gateway(db), DEPOSIT_BACK, fields, claim,
        numbers=(refund["out_request_no"], trade["out_trade_no"]), refund=True,
    )  # fmt: skip


def app_gateway(db: sqlite3.Connection) -> str | None:
    """应用网关, as set in the console; None: messages go nowhere."""
    url: str | None = settings.read(db, "alipay_app_gateway", None)
    return url


def set_app_gateway(db: sqlite3.Connection, url: str | None) -> None:
    settings.write(db, "alipay_app_gateway", url)


def trade_fields(world: World, trade: sqlite3.Row, refund: sqlite3.Row | None) -> dict[str, str]:
    """All that a trade notification says; empty values are left out. Lists are JSON inside a string."""
    keys, total = world.alipay, yuan(trade["total_fen"])
    buyer = keys.buyer(trade["payer"])
    bill = [{"amount": total, "fundChannel": FUNDINGS[trade["funding"]].fund_channel}]
    fields = {
        "notify_type": "trade_status_sync",
        "notify_id": _new_id(world),
        "app_id": keys.app_id,
        "auth_app_id": keys.app_id,
        "charset": "utf-8",
        "version": "1.0",
        "trade_no": trade["trade_no"],
        "out_trade_no": trade["out_trade_no"],
        "buyer_id": buyer.user_id,
        "buyer_open_id": buyer.open_id,
        "buyer_logon_id": buyer.logon_id,
        "seller_id": keys.seller_id,
        "trade_status": trade["status"],
        "total_amount": total,
        "receipt_amount": total,
        "invoice_amount": total,
        "buyer_pay_amount": total,
        "point_amount": "0.00",
        "subject": trade["subject"],
        "body": trade["body"],
        "gmt_create": beijing(trade["created_at"]),
        "gmt_payment": beijing(trade["paid_at"]),
        "fund_bill_list": json.dumps(bill, separators=(",", ":")),
        "passback_params": trade["passback_params"],
    }
    if refund is not None:
        fields |= {
            "out_biz_no": refund["out_request_no"],
            "refund_fee": yuan(trade["refunded_fen"]),
            "send_back_fee": yuan(refund["refund_fen"]),
            "gmt_refund": beijing(refund["refunded_at"], fraction=True),
        }
    elif trade["status"] == "TRADE_FINISHED":
        fields["refund_fee"] = yuan(trade["refunded_fen"])
    if trade["closed_at"] is not None:
        fields["gmt_close"] = beijing(trade["closed_at"])
    return {name: value for name, value in fields.items() if value}


def _queue(
    world: World,
    db: sqlite3.Connection,
    url: str | None,
    event: str,
    fields: dict[str, str],
    claim: dict[str, str],
    *,
    numbers: tuple[str, ...],
    refund: bool,
) -> None:
    notice = Notice(
        channel="alipay",
        id=fields["notify_id"],
        event_type=event,
        url=url,
        numbers=numbers,
        body=json.dumps(fields, ensure_ascii=False),
        forged=json.dumps(fields | claim, ensure_ascii=False),
        refund=refund,
    )
    queue(world, db, notice, DIALECT.faults)


def _write(world: World, text: str, how: str) -> tuple[dict[str, str], bytes]:
    """The form, encoded once; the signature is over the decoded values without sign and sign_type."""
    fields: dict[str, Any] = json.loads(text)
    if "notify_type" in fields:
        fields["notify_time"] = beijing(world.store.now())
    fields["sign"] = world.alipay.sign(sorted_pairs(fields, without=()), how=how)
    fields["sign_type"] = SIGN_TYPE
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "User-Agent": "Mozilla/4.0"}
    return headers, urlencode(fields).encode()


def _received(status: int, answer: bytes) -> bool:
    return status == 200 and answer == b"success"


def _new_id(world: World) -> str:
    return f"{rfc3339(world.store.now())[:10].replace('-', '')}00222{secrets.token_hex(10)}"


DIALECT = Dialect(RETRY_SECONDS, _write, _received, faults.ALIPAY_NOTIFICATION_FAULTS)
