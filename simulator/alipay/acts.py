"""What a tester does at Alipay's side (控制台): the same acts as at WeChat's, and the app gateway of its console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.alipay import desk, notices
from simulator.alipay.answers import Refusal
from simulator.alipay.fields import http_url
from simulator.alipay.fundings import FUNDINGS
from simulator.control_inputs import amount_fen, flag, moment, one_of, only, payer_name, text
from simulator.inputs import BadInput
from simulator.world import World

STATUSES = desk.STATUSES | {"CLOSED": ""}


def knows(world: World, data: dict[str, Any]) -> bool:
    """True if the number in an act's input is Alipay's."""
    with world.store.transaction() as db:
        return desk.knows_payment(db, str(data.get("out_trade_no"))) or desk.knows_refund(
            db, str(data.get("request_no"))
        )


def _pay(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"out_trade_no", "funding", "race", "amount_fen", "payer"}: the buyer opens the order if he has not, and pays."""
    only(data, "out_trade_no", "funding", "race", "amount_fen", "payer")
    number = _known_payment(world, data)
    other = amount_fen(data) if data.get("amount_fen") is not None else None
    desk.pay(world, number, funding=_funding(data), race=flag(data, "race"), amount_fen=other, payer=payer_name(data))
    return {"out_trade_no": number, "state": "SUCCESS"}


def _settle(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"request_no", "status", "in_advance"}: SUCCESS, ABNORMAL (the bank refused), PROCESSING (held), CLOSED."""
    only(data, "request_no", "status", "in_advance")
    number, status = text(data, "request_no"), one_of(data, "status", STATUSES)
    if flag(data, "in_advance"):
        desk.arrange(world, number, status)
    else:
        if not knows(world, data):
            raise BadInput(f"没有这笔退款 / no such request_no: {number!r}; 预先安排请加 in_advance: true")
        desk.settle(world, number, status)
    return {"request_no": number, "status": status}


def _console_refund(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"out_trade_no", "amount_fen", "request_no"}: somebody refunds in Alipay's own console."""
    only(data, "out_trade_no", "amount_fen", "request_no")
    number = text(data, "request_no") if data.get("request_no") is not None else None
    return desk.console_refund(world, _known_payment(world, data), amount_fen(data), number)


def _app_gateway(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"url"}: where messages of the open platform go (应用网关); null: nowhere."""
    only(data, "url")
    try:
        url = http_url(text(data, "url", r"(?s).{1,256}"), "url", 256) if data.get("url") is not None else None
    except Refusal as refusal:
        raise BadInput(refusal.sub_msg) from None
    with world.store.transaction() as db:
        notices.set_app_gateway(db, url)
    return {"url": url}


ACTS: dict[str, Callable[[World, dict[str, Any]], dict[str, Any]]] = {
    "pay": _pay,
    "settle": _settle,
    "console_refund": _console_refund,
    "app_gateway": _app_gateway,
}


def past_payment(row: dict[str, Any]) -> dict[str, Any]:
    """One payment of a history, checked."""
    only(row, "out_trade_no", "amount_fen", "description", "paid_at", "transaction_id", "funding")
    return {
        "out_trade_no": text(row, "out_trade_no", r"[0-9A-Za-z_]{1,64}"),
        "amount_fen": amount_fen(row),
        "description": text(row, "description", r"(?s).{1,256}"),
        "paid_at": moment(row, "paid_at"),
        "transaction_id": text(row, "transaction_id", r"[0-9A-Za-z]{1,64}") if row.get("transaction_id") else None,
        "funding": _funding(row),
    }


def past_refund(row: dict[str, Any]) -> dict[str, Any]:
    """One refund of a history, checked; `status` is SUCCESS or PROCESSING."""
    only(row, "out_refund_no", "out_trade_no", "amount_fen", "status", "created_at", "succeeded_at", "reason")
    return {
        "out_refund_no": text(row, "out_refund_no"),
        "out_trade_no": text(row, "out_trade_no"),
        "amount_fen": amount_fen(row),
        "status": one_of(row, "status", {"SUCCESS": "", "PROCESSING": ""}),
        "created_at": moment(row, "created_at"),
        "succeeded_at": moment(row, "succeeded_at") if row.get("succeeded_at") else None,
        "reason": text(row, "reason", r"(?s).{0,256}") if row.get("reason") else None,
    }


def _known_payment(world: World, data: dict[str, Any]) -> str:
    number = text(data, "out_trade_no")
    if not knows(world, {"out_trade_no": number}):
        raise BadInput(f"没有这个 out_trade_no / no such out_trade_no: {number!r}")
    return number


def _funding(data: dict[str, Any]) -> str:
    return one_of(data, "funding", FUNDINGS) if data.get("funding") is not None else next(iter(FUNDINGS))
