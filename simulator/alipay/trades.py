"""Trades as a merchant sees them: precreate, query, close, cancel (统一收单)."""

from __future__ import annotations

import sqlite3
from typing import Any

from simulator.alipay import books, fields
from simulator.alipay.answers import Refusal, success
from simulator.alipay.fields import beijing, yuan
from simulator.alipay.fundings import FUNDINGS
from simulator.world import World

Params = dict[str, str]


def precreate(world: World, params: Params, biz: dict[str, Any]) -> dict[str, Any]:
    """alipay.trade.precreate: answers the QR code's address, which lives two hours at most."""
    with world.store.transaction() as db:
        trade = books.prepare(world, db, read_order(world, params, biz, "precreate"))
    return success(out_trade_no=trade["out_trade_no"], qr_code=f"{world.address}/qr.alipay.com/{trade['token']}")


def query(world: World, params: Params, biz: dict[str, Any]) -> dict[str, Any]:
    """alipay.trade.query: nothing is known of an order that no buyer has opened."""
    with world.store.transaction() as db:
        trade = known_trade(db, biz)
    buyer, paid = world.alipay.buyer(trade["payer"]), trade["paid_at"] is not None
    total = yuan(trade["total_fen"])
    received = total if paid else "0.00"
    return success(
        buyer_logon_id=buyer.logon_id,
        buyer_pay_amount=received,
        buyer_user_id=buyer.user_id,
        buyer_open_id=buyer.open_id,
        fund_bill_list=[{"amount": total, "fund_channel": FUNDINGS[trade["funding"]].fund_channel}] if paid else None,
        invoice_amount=received,
        out_trade_no=trade["out_trade_no"],
        point_amount="0.00",
        receipt_amount=received,
        send_pay_date=beijing(trade["paid_at"]) if paid else None,
        subject=trade["subject"],
        body=trade["body"],
        passback_params=trade["passback_params"],
        total_amount=total,
        trade_no=trade["trade_no"],
        trade_status=trade["status"],
    )


def close(world: World, params: Params, biz: dict[str, Any]) -> dict[str, Any]:
    """alipay.trade.close: only a trade that waits for its buyer can be closed."""
    with world.store.transaction() as db:
        trade = known_trade(db, biz)
        if trade["status"] != "WAIT_BUYER_PAY":
            raise Refusal("ACQ.TRADE_STATUS_ERROR")
        books.close(world, db, trade)
    return success(out_trade_no=trade["out_trade_no"], trade_no=trade["trade_no"])


def cancel(world: World, params: Params, biz: dict[str, Any]) -> dict[str, Any]:
    """alipay.trade.cancel: an unpaid order closes (also one that nobody has opened), a paid one is refunded whole."""
    with world.store.transaction() as db:
        trade = _find(db, biz)
        action, trade_no = None, trade["trade_no"] if trade else None
        if trade and trade["status"] in ("PREPARED", "WAIT_BUYER_PAY"):
            action = "close"
            books.close(world, db, trade)
        elif trade and trade["status"] != "TRADE_CLOSED":
            action = "refund"
            order = books.RefundOrder(trade, trade["out_trade_no"], trade["total_fen"])
            books.check_refund(world, db, order)
            books.take_refund(world, db, order)
    number = trade["out_trade_no"] if trade else fields.text(biz, "out_trade_no", 64)
    return success(trade_no=trade_no, out_trade_no=number, retry_flag="N", action=action)


def read_order(world: World, params: Params, biz: dict[str, Any], product: str) -> books.Order:
    """What a pay call asks for, checked."""
    seller_id = fields.text(biz, "seller_id", 28)
    if seller_id not in (None, world.alipay.seller_id):
        raise fields.invalid("seller_id", "与应用不匹配")
    return books.Order(
        out_trade_no=fields.out_trade_no(biz),
        product=product,
        subject=fields.subject(biz),
        body=fields.text(biz, "body", 128),
        total_fen=fields.fen(biz, "total_amount"),
        notify_url=fields.http_url(params.get("notify_url", ""), "notify_url", 256),
        return_url=fields.http_url(params.get("return_url", ""), "return_url", 256),
        quit_url=fields.http_url(fields.text(biz, "quit_url", 400) or "", "quit_url", 400),
        passback_params=fields.text(biz, "passback_params", 512),
        timeout_seconds=fields.timeout_seconds(biz, world.store.now()),
        time_expire=fields.time_expire(biz),
    )


def known_trade(db: sqlite3.Connection, biz: dict[str, Any]) -> sqlite3.Row:
    """The trade that is meant; trade_no wins over out_trade_no. What no buyer has opened does not exist."""
    trade = _find(db, biz)
    if trade is None or trade["status"] == "PREPARED":
        raise Refusal("ACQ.TRADE_NOT_EXIST")
    return trade


def _find(db: sqlite3.Connection, biz: dict[str, Any]) -> sqlite3.Row | None:
    trade_no, out_trade_no = fields.text(biz, "trade_no", 64), fields.text(biz, "out_trade_no", 64)
    if trade_no is None and out_trade_no is None:
        raise Refusal("ACQ.INVALID_PARAMETER", "参数无效：trade_no和out_trade_no不能同时为空")
    if trade_no is not None:
        row: sqlite3.Row | None = db.execute("SELECT * FROM alipay_trade WHERE trade_no = ?", (trade_no,)).fetchone()
        return row
    return books.find(db, out_trade_no or "")
