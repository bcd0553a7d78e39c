"""Refunds as a merchant sees them: alipay.trade.refund and its query (统一收单交易退款)."""

from __future__ import annotations

import sqlite3
from typing import Any

from simulator.alipay import books, fields
from simulator.alipay.answers import Refusal, success
from simulator.alipay.fields import beijing, yuan
from simulator.alipay.fundings import FUNDINGS
from simulator.alipay.trades import Params, known_trade
from simulator.world import World

REFUND_FIELDS = (
    "trade_no", "out_trade_no", "refund_amount", "out_request_no", "refund_reason", "query_options",
    "refund_goods_detail", "refund_royalty_parameters", "related_settle_confirm_no", "refund_currency",
    "operator_id", "store_id", "terminal_id",
)  # fmt: skip
QUERY_FIELDS = ("trade_no", "out_trade_no", "out_request_no", "query_options", "org_pid")


def refund(world: World, params: Params, biz: dict[str, Any], *, done_after: float | None = 0.0) -> dict[str, Any]:
    """A request number is refunded at most once; the same again answers fund_change=N and changes nothing."""
    fields.only(biz, REFUND_FIELDS)
    wanted = fields.options(biz)
    refund_fen = fields.fen(biz, "refund_amount")
    reason = fields.text(biz, "refund_reason", 256)
    number = fields.text(biz, "out_request_no", 64)
    with world.store.transaction() as db:
        trade = known_trade(db, biz)
        if number is None:
            if refund_fen != trade["total_fen"]:
                raise fields.invalid("out_request_no", "部分退款时不能为空")
            number = trade["out_trade_no"]
        known = books.look_for_refund(db, trade["trade_no"], number)
        if known and known["refund_fen"] != refund_fen:
            raise Refusal("ACQ.DISCORDANT_REPEAT_REQUEST")
        if known is None:
            order = books.RefundOrder(
                trade, number, refund_fen, reason, "deposit_back_info" in wanted,
                None if _is_held(db, trade, number) else done_after,
            )  # fmt: skip
            books.check_refund(world, db, order)
            books.take_refund(world, db, order)
        return _refund_answer(world, db, trade["trade_no"], number, wanted, new=known is None)


def query(world: World, params: Params, biz: dict[str, Any]) -> dict[str, Any]:
    """alipay.trade.fastpay.refund.query: an empty 10000 for a number that is not refunded, or not yet."""
    wanted = fields.options(biz)
    number = fields.text(biz, "out_request_no", 64, required=True) or ""
    with world.store.transaction() as db:
        trade = known_trade(db, biz)
        done = books.look_for_refund(db, trade["trade_no"], number)
    if done is None or done["refunded_at"] is None:
        return success()
    return success(
        trade_no=trade["trade_no"],
        out_trade_no=trade["out_trade_no"],
        out_request_no=number,
        total_amount=yuan(trade["total_fen"]),
        refund_amount=yuan(done["refund_fen"]),
        refund_status="REFUND_SUCCESS",
        refund_reason=done["refund_reason"],
        gmt_refund_pay=beijing(done["refunded_at"]) if "gmt_refund_pay" in wanted else None,
        deposit_back_info=_deposit_back(done) if "deposit_back_info" in wanted else None,
        **_details(trade, done, wanted),
    )


def _refund_answer(
    world: World, db: sqlite3.Connection, trade_no: str, number: str, wanted: set[str], *, new: bool
) -> dict[str, Any]:
    trade, done = books.by_trade_no(db, trade_no), books.find_refund(db, trade_no, number)
    moved, buyer = done["refunded_at"] is not None, world.alipay.buyer(trade["payer"])
    return success(
        trade_no=trade_no,
        out_trade_no=trade["out_trade_no"],
        buyer_logon_id=buyer.logon_id,
        buyer_user_id=buyer.user_id,
        buyer_open_id=buyer.open_id,
        fund_change="Y" if new and moved else "N",
        refund_fee=yuan(trade["refunded_fen"]),  # of the whole trade so far, not of this refund
        gmt_refund_pay=beijing(done["refunded_at"]) if moved else None,
        has_deposit_back=_yes(done["dback_status"]) if moved and "deposit_back_info" in wanted else None,
        **_details(trade, done, wanted),
    )


def _details(trade: sqlite3.Row, done: sqlite3.Row, wanted: set[str]) -> dict[str, Any]:
    if "refund_detail_item_list" not in wanted or done["refunded_at"] is None:
        return {}
    amount = yuan(done["refund_fen"])
    item = {"fund_channel": FUNDINGS[trade["funding"]].fund_channel, "amount": amount}
    return {"refund_detail_item_list": [item], "send_back_fee": amount}


def _deposit_back(done: sqlite3.Row) -> dict[str, str]:
    """P on its way to the card, S there, F refused by the bank: the buyer's Alipay balance got it instead."""
    if done["dback_status"] is None:
        return {"has_deposit_back": "false"}
    info = {
        "has_deposit_back": "true",
        "dback_status": done["dback_status"],
        "est_bank_receipt_time": beijing(done["est_receipt_at"]),
    }
    if done["dback_status"] != "F":
        info["dback_amount"] = yuan(done["refund_fen"])
    if done["bank_ack_at"] is not None:
        info["bank_ack_time"] = beijing(done["bank_ack_at"])
    return info


def _yes(value: Any) -> str:
    return "true" if value else "false"


def _is_held(db: sqlite3.Connection, trade: sqlite3.Row, number: str) -> bool:
    """Arranged beforehand for a refund to the balance: taken on, and not done until somebody says so."""
    if trade["funding"] is None or FUNDINGS[trade["funding"]].bank is not None:
        return False
    row = db.execute("SELECT status FROM alipay_arrangement WHERE out_request_no = ?", (number,)).fetchone()
    return row is not None and row["status"] == "P"
