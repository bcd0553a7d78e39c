"""The control plane (控制台接口): a tester lets the buyer pay, refunds settle, faults strike and time pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from simulator import bill_faults, faults, issuers
from simulator.books import NEXT_STATUSES, NotPossible, arrange, catch_up, ledger, pay, settle
from simulator.control_inputs import amount_fen, flag, moment, number, one_of, only, rows, text
from simulator.history import load_history
from simulator.inputs import BadInput, parse_object
from simulator.store import rfc3339
from simulator.wechat import acts as wechat_acts
from simulator.wechat.objects import FUNDINGS
from simulator.wire import Answer, Request
from simulator.world import World

LONGEST_ADVANCE_SECONDS = 10 * 366 * 86400


def answer(world: World, request: Request) -> Answer:
    """Answer one request below /_control/: 400 for input that makes no sense, 409 for what the books do not allow."""
    path = request.path.removeprefix("/_control/")
    if path == "ledger":
        return Answer.json(ledger(world)) if request.method == "GET" else _refuse(405, "请用 GET / use GET")
    if path == "connections" and request.method == "GET":
        return Answer.json(world.connections.counts())
    act = ACTS.get(path)
    if act is None:
        return _refuse(404, f"没有这个接口，可用的有 / no such act, there are: {', '.join([*ACTS, 'ledger'])}")
    if request.method != "POST":
        return _refuse(405, "请用 POST 并附 JSON / use POST with JSON")
    try:
        return Answer.json(act(world, parse_object(request.body)))
    except BadInput as error:
        return _refuse(400, str(error))
    except NotPossible as error:
        return _refuse(409, str(error))


def _pay(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "out_trade_no", "funding", "race", "amount_fen")
    out_trade_no = _known_payment(world, text(data, "out_trade_no"))
    other = amount_fen(data) if data.get("amount_fen") is not None else None
    pay(world, out_trade_no, funding=_funding(data), race=flag(data, "race"), amount_fen=other)
    return {"out_trade_no": out_trade_no, "state": "SUCCESS"}


def _settle(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "request_no", "status", "in_advance")
    request_no, status = text(data, "request_no"), one_of(data, "status", NEXT_STATUSES)
    if flag(data, "in_advance"):
        arrange(world, request_no, status)
    else:
        _known_refund(world, request_no)
        settle(world, request_no, status)
    return {"request_no": request_no, "status": status}


def _faults(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "request_no", "rate", "fault", "times", "delay_seconds", "clear", "channel", "seed")
    with world.store.transaction() as db:
        if data.get("seed") is not None:
            if len(data) > 1:
                raise BadInput("seed 须单独使用 / send seed alone")
            faults.seed(int(number(data, "seed", 0, 2**53)))
            return {"seed": data["seed"]}
        if flag(data, "clear"):
            if len(data) > 1:
                raise BadInput("clear 须单独使用 / send clear alone")
            return {"cleared": faults.clear(db)}
        fault = one_of(data, "fault", faults.FAULTS)
        if (data.get("request_no") is None) == (data.get("rate") is None):
            raise BadInput("请给出 request_no 或 rate 之一 / give either request_no or rate")
        by_number = data.get("request_no") is not None
        times = data.get("times", 1 if by_number else None)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 10**6):
            raise BadInput("times 须为正整数或 null / times: a positive integer, or null for until cleared")
        faults.order(
            db,
            fault,
            request_no=text(data, "request_no") if by_number else None,
            rate=None if by_number else number(data, "rate", 0, 1),
            times=times,
            delay_seconds=number(data, "delay_seconds", 0, 30 * 86400, default=faults.LATE_SECONDS),
            channel=one_of(data, "channel", wechat_acts.CHANNELS) if data.get("channel") is not None else None,
        )
    return {"fault": fault, "times": times}


def _clock(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "advance_seconds")
    now = world.store.advance(number(data, "advance_seconds", 0, LONGEST_ADVANCE_SECONDS))
    catch_up(world)
    world.ring()
    return {"now": rfc3339(now)}


def _history(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "payments", "refunds")
    payments = [_past_payment(row) for row in rows(data, "payments")]
    refunds = [_past_refund(row) for row in rows(data, "refunds")]
    transaction_ids, refund_ids = load_history(world, payments, refunds)
    return {
        "payments": [{"out_trade_no": number, "transaction_id": id_} for number, id_ in transaction_ids.items()],
        "refunds": [{"out_refund_no": number, "refund_id": id_} for number, id_ in refund_ids.items()],
    }


def _bill(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "channel", "kind", "day", "fault", "number", "delay_seconds", "clear")
    with world.store.transaction() as db:
        if flag(data, "clear"):
            if len(data) > 1:
                raise BadInput("clear 须单独使用 / send clear alone")
            return {"cleared": bill_faults.clear(db)}
        channel = one_of(data, "channel", bill_faults.KINDS)
        kind = one_of(data, "kind", dict.fromkeys(bill_faults.KINDS[channel]))
        day, fault = text(data, "day", r"\d{4}-\d{2}-\d{2}"), one_of(data, "fault", bill_faults.FAULTS)
        named = text(data, "number") if data.get("number") is not None else None
        delay_seconds = number(data, "delay_seconds", 0, 400 * 86400, default=bill_faults.LATE_SECONDS)
        bill_faults.plant(db, channel, kind, day, fault, named, delay_seconds)
    return {"channel": channel, "kind": kind, "day": day, "fault": fault}


def _issuer(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "code", "code_hash", "redeemed_at", "redeemed_by")
    if (data.get("code") is None) == (data.get("code_hash") is None):
        raise BadInput("请给出 code 或 code_hash 之一 / give either code or code_hash")
    named = data.get("code") is not None
    hashed = (
        issuers.code_hash(text(data, "code", r"(?s).{1,256}")) if named else text(data, "code_hash", r"[0-9a-f]{64}")
    )
    # Not named: redeemed now. null: unused again.
    at = moment(data, "redeemed_at") if data.get("redeemed_at") else None
    if "redeemed_at" not in data:
        at = world.store.now()
    by = text(data, "redeemed_by") if data.get("redeemed_by") is not None else "13800138000"
    issuers.note_card(world, hashed, at, by)
    return {"code_hash": hashed, "redeemed_at": None if at is None else rfc3339(at)}


def _topup(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "reference", "state", "arrived_at", "account")
    reference, state = text(data, "reference"), one_of(data, "state", dict.fromkeys(issuers.TOPUP_STATES))
    arrived_at = moment(data, "arrived_at") if data.get("arrived_at") else None
    account = text(data, "account") if data.get("account") is not None else "13800138000"
    issuers.note_topup(world, reference, state, arrived_at, account)
    return {"reference": reference, "state": state}


ACTS: dict[str, Callable[[World, dict[str, Any]], dict[str, Any]]] = {
    "pay": _pay,
    "settle": _settle,
    "faults": _faults,
    "clock": _clock,
    "history": _history,
    "bill": _bill,
    "issuer": _issuer,
    "topup": _topup,
    **wechat_acts.ACTS,
}


def _past_payment(row: dict[str, Any]) -> dict[str, Any]:
    only(row, "out_trade_no", "amount_fen", "description", "paid_at", "transaction_id", "funding")
    return {
        "out_trade_no": text(row, "out_trade_no", r"[0-9A-Za-z_\-|*]{6,32}"),
        "amount_fen": amount_fen(row),
        "description": text(row, "description", r"(?s).{1,127}"),
        "paid_at": moment(row, "paid_at"),
        "transaction_id": text(row, "transaction_id", r"[0-9A-Za-z]{1,32}") if row.get("transaction_id") else None,
        "funding": _funding(row),
    }


def _past_refund(row: dict[str, Any]) -> dict[str, Any]:
    only(row, "out_refund_no", "out_trade_no", "amount_fen", "status", "created_at", "succeeded_at", "reason")
    return {
        "out_refund_no": text(row, "out_refund_no", r"[0-9A-Za-z_\-|*@]{1,64}"),
        "out_trade_no": text(row, "out_trade_no"),
        "amount_fen": amount_fen(row),
        "status": one_of(row, "status", NEXT_STATUSES),
        "created_at": moment(row, "created_at"),
        "succeeded_at": moment(row, "succeeded_at") if row.get("succeeded_at") else None,
    }


def _funding(data: dict[str, Any]) -> str:
    return one_of(data, "funding", FUNDINGS) if data.get("funding") is not None else next(iter(FUNDINGS))


def _known_payment(world: World, out_trade_no: str) -> str:
    return _known(world, "SELECT 1 FROM payment WHERE out_trade_no = ?", out_trade_no, "out_trade_no")


def _known_refund(world: World, out_refund_no: str) -> str:
    return _known(world, "SELECT 1 FROM refund WHERE out_refund_no = ?", out_refund_no, "request_no")


def _known(world: World, query: str, number: str, name: str) -> str:
    with world.store.transaction() as db:
        row: sqlite3.Row | None = db.execute(query, (number,)).fetchone()
    if row is None:
        hint = "; 预先安排请加 / to arrange it beforehand add in_advance: true" if name == "request_no" else ""
        raise BadInput(f"没有这个 {name} / no such {name}: {number!r}{hint}")
    return number


def _refuse(status: int, message: str) -> Answer:
    return Answer.json({"error": message}, status)
