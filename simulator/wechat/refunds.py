"""Refunds (退款): applying and querying; the same number is one refund, however often it is asked for."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from simulator import faults
from simulator.funds import NotEnough
from simulator.wechat import limits
from simulator.wechat.books import RefundOrder, accept_refund, find_payment, find_refund, payment_of
from simulator.wechat.calls import Call, Refusal, param_error, route
from simulator.wechat.fields import cny, fen, fingerprint, matching, object_, text, url
from simulator.wechat.objects import refund_object
from simulator.wechat.orders import find_by_id
from simulator.wire import Answer
from simulator.world import NotPossible, World

REFUND_DAYS = 365
REFUND_PARTS = 50
OLD_DAYS = 30  # orders older than this have a budget of their own
REFUND_SPACING_SECONDS = 60

OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")


@route("POST", r"/v3/refund/domestic/refunds", refund=True, budget="refund")
def _refund(world: World, call: Call) -> Answer:
    """申请退款: the same number with the same parameters is one refund, however often it is asked for."""
    data = call.data
    out_refund_no = matching(data, "out_refund_no", OUT_REFUND_NO)
    reason = text(data, "reason", 80, required=False)
    notify_url = url(data, 256, required=False)
    funds_account = text(data, "funds_account", 32, required=False)
    if funds_account not in (None, "AVAILABLE", "UNSETTLED"):
        raise param_error("funds_account", funds_account, "枚举值无效")
    amount = object_(data, "amount")
    refund_fen, total_fen = fen(amount, "refund"), fen(amount, "total")
    cny(amount, required=True)
    with world.store.transaction() as db:
        payment = _order_to_refund(db, data)
        print_ = fingerprint(
            [payment["out_trade_no"], refund_fen, total_fen, reason, funds_account, data.get("goods_detail")]
        )
        known = find_refund(db, out_refund_no)
        if known:
            _repeated_refund(known, payment, refund_fen, print_)
            return _refund_answer(db, out_refund_no)
        _refund_allowed(world, db, payment, refund_fen, total_fen)
        order = RefundOrder(out_refund_no, payment["out_trade_no"], refund_fen, notify_url, print_)
        numbers = {out_refund_no, payment["out_trade_no"]}
        fate, _ = faults.draw(db, faults.REFUND_FAULTS, numbers=numbers, refund=True) or ("", 0)
        if fate != "not_enough":
            _accept(world, db, order, fate)
            return _refund_answer(db, out_refund_no)
    raise _not_enough()  # outside: the fault is used up though nothing else has happened


def _accept(world: World, db: sqlite3.Connection, order: RefundOrder, fate: str) -> None:
    try:
        accept_refund(world, db, order, fate=fate)
    except NotEnough:
        raise _not_enough() from None
    except NotPossible:
        raise Refusal(400, "INVALID_REQUEST", "申请退款金额超过订单可退金额，请核实后再试") from None


def _not_enough() -> Refusal:
    return Refusal(403, "NOT_ENOUGH", "基本账户余额不足，请充值后使用原退款单号和原参数重新发起")


@route("GET", r"/v3/refund/domestic/refunds/([^/]+)", refund=True, budget="query_refund")
def _query_refund(world: World, call: Call) -> Answer:
    """查询单笔退款."""
    with world.store.transaction() as db:
        return _refund_answer(db, call.number)


def _order_to_refund(db: sqlite3.Connection, data: dict[str, Any]) -> sqlite3.Row:
    transaction_id = text(data, "transaction_id", 32, required=False)
    out_trade_no = text(data, "out_trade_no", 32, required=False)
    if transaction_id is None and out_trade_no is None:
        raise param_error("transaction_id", "", "微信支付订单号和商户订单号必须二选一")
    payment = find_by_id(db, transaction_id) if transaction_id else find_payment(db, out_trade_no or "")
    if payment and out_trade_no is not None and payment["out_trade_no"] != out_trade_no:
        raise Refusal(400, "INVALID_REQUEST", "微信支付订单号与商户订单号不匹配")
    if not payment or payment["state"] != "SUCCESS":
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
    return payment


def _repeated_refund(known: sqlite3.Row, payment: sqlite3.Row, refund_fen: int, print_: str) -> None:
    same = (known["out_trade_no"], known["amount_fen"]) == (payment["out_trade_no"], refund_fen)
    # History was entered without the parameters of its first call.
    if not same or known["fingerprint"] not in ("", print_):
        raise Refusal(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")


def _refund_allowed(
    world: World, db: sqlite3.Connection, payment: sqlite3.Row, refund_fen: int, total_fen: int
) -> None:
    now = world.store.now()
    count, last_at = db.execute(
        "SELECT count(*), max(created_at) FROM refund WHERE out_trade_no = ?", (payment["out_trade_no"],)
    ).fetchone()
    if total_fen != payment["amount_fen"]:
        raise Refusal(400, "INVALID_REQUEST", "订单金额与原订单不一致，请核实后再试")
    if now > payment["paid_at"] + REFUND_DAYS * 86400:
        raise Refusal(403, "TRADE_OVERDUE", "订单已超过退款期限（支付成功后365天）")
    if now > payment["paid_at"] + OLD_DAYS * 86400:
        limits.enter(db, world.meter, "refund_old")
    if refund_fen > payment["amount_fen"] - payment["refunded_fen"]:
        raise Refusal(400, "INVALID_REQUEST", "申请退款金额超过订单可退金额，请核实后再试")
    if count >= REFUND_PARTS:
        raise Refusal(400, "INVALID_REQUEST", "单笔订单部分退款次数超过50次上限")
    if last_at is not None and now < last_at + world.delay(REFUND_SPACING_SECONDS):
        raise Refusal(429, "FREQUENCY_LIMITED", "单笔订单请求频率过高，请1分钟后重试")


def _refund_answer(db: sqlite3.Connection, out_refund_no: str) -> Answer:
    refund = find_refund(db, out_refund_no)
    if not refund:
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return Answer.json(refund_object(refund, payment_of(db, refund["out_trade_no"])))
