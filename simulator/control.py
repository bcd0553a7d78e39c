"""The control plane (控制台接口): a tester lets the buyer pay, refunds settle, faults strike and time pass."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

from simulator import faults
from simulator.books import NEXT_STATUSES, NotPossible, arrange, catch_up, ledger, load_history, pay, settle
from simulator.inputs import BadInput, parse_object
from simulator.store import parse_rfc3339, rfc3339
from simulator.wechat.objects import FUNDINGS
from simulator.wire import Answer, Request
from simulator.world import World

LARGEST_FEN = 10**9
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
    _only(data, "out_trade_no", "funding")
    out_trade_no = _known_payment(world, _text(data, "out_trade_no"))
    pay(world, out_trade_no, funding=_funding(data))
    return {"out_trade_no": out_trade_no, "state": "SUCCESS"}


def _settle(world: World, data: dict[str, Any]) -> dict[str, Any]:
    _only(data, "request_no", "status", "in_advance")
    request_no, status = _text(data, "request_no"), _one_of(data, "status", NEXT_STATUSES)
    if _flag(data, "in_advance"):
        arrange(world, request_no, status)
    else:
        _known_refund(world, request_no)
        settle(world, request_no, status)
    return {"request_no": request_no, "status": status}


def _faults(world: World, data: dict[str, Any]) -> dict[str, Any]:
    _only(data, "request_no", "rate", "fault", "times", "delay_seconds", "clear")
    with world.store.transaction() as db:
        if _flag(data, "clear"):
            if len(data) > 1:
                raise BadInput("clear 须单独使用 / send clear alone")
            return {"cleared": faults.clear(db)}
        fault = _one_of(data, "fault", faults.FAULTS)
        if (data.get("request_no") is None) == (data.get("rate") is None):
            raise BadInput("请给出 request_no 或 rate 之一 / give either request_no or rate")
        by_number = data.get("request_no") is not None
        times = data.get("times", 1 if by_number else None)
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 10**6):
            raise BadInput("times 须为正整数或 null / times: a positive integer, or null for until cleared")
        faults.order(
            db,
            fault,
            request_no=_text(data, "request_no") if by_number else None,
            rate=None if by_number else _number(data, "rate", 0, 1),
            times=times,
            delay_seconds=_number(data, "delay_seconds", 0, 30 * 86400, default=faults.LATE_SECONDS),
        )
    return {"fault": fault, "times": times}


def _clock(world: World, data: dict[str, Any]) -> dict[str, Any]:
    _only(data, "advance_seconds")
    now = world.store.advance(_number(data, "advance_seconds", 0, LONGEST_ADVANCE_SECONDS))
    catch_up(world)
    world.ring()
    return {"now": rfc3339(now)}


def _history(world: World, data: dict[str, Any]) -> dict[str, Any]:
    _only(data, "payments", "refunds")
    payments = [_past_payment(row) for row in _rows(data, "payments")]
    refunds = [_past_refund(row) for row in _rows(data, "refunds")]
    transaction_ids, refund_ids = load_history(world, payments, refunds)
    return {
        "payments": [{"out_trade_no": number, "transaction_id": id_} for number, id_ in transaction_ids.items()],
        "refunds": [{"out_refund_no": number, "refund_id": id_} for number, id_ in refund_ids.items()],
    }


ACTS: dict[str, Callable[[World, dict[str, Any]], dict[str, Any]]] = {
    "pay": _pay,
    "settle": _settle,
    "faults": _faults,
    "clock": _clock,
    "history": _history,
}


def _past_payment(row: dict[str, Any]) -> dict[str, Any]:
    _only(row, "out_trade_no", "amount_fen", "description", "paid_at", "transaction_id", "funding")
    return {
        "out_trade_no": _text(row, "out_trade_no", r"[0-9A-Za-z_\-|*]{6,32}"),
        "amount_fen": _fen(row),
        "description": _text(row, "description", r"(?s).{1,127}"),
        "paid_at": _time(row, "paid_at"),
        "transaction_id": _text(row, "transaction_id", r"[0-9A-Za-z]{1,32}") if row.get("transaction_id") else None,
        "funding": _funding(row),
    }


def _past_refund(row: dict[str, Any]) -> dict[str, Any]:
    _only(row, "out_refund_no", "out_trade_no", "amount_fen", "status", "created_at", "succeeded_at", "reason")
    return {
        "out_refund_no": _text(row, "out_refund_no", r"[0-9A-Za-z_\-|*@]{1,64}"),
        "out_trade_no": _text(row, "out_trade_no"),
        "amount_fen": _fen(row),
        "status": _one_of(row, "status", NEXT_STATUSES),
        "created_at": _time(row, "created_at"),
        "succeeded_at": _time(row, "succeeded_at") if row.get("succeeded_at") else None,
    }


# --- reading input ---------------------------------------------------------------------------------------------------


def _only(data: dict[str, Any], *names: str) -> None:
    unknown = sorted(set(data) - set(names))
    if unknown:
        raise BadInput(f"未知字段 / unknown field: {', '.join(unknown)[:200]}; 可用 / known: {', '.join(names)}")


def _text(data: dict[str, Any], name: str, pattern: str = r"(?s).{1,64}") -> str:
    value = data.get(name)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise BadInput(f"{name} 缺失或格式错误 / {name} is missing or wrong: a string that matches {pattern}")
    return value


def _one_of(data: dict[str, Any], name: str, known: dict[str, Any]) -> str:
    value = data.get(name)
    if not isinstance(value, str) or value not in known:
        raise BadInput(f"{name} 须为其一 / {name} must be one of: {', '.join(known)}")
    return value


def _funding(data: dict[str, Any]) -> str:
    return _one_of(data, "funding", FUNDINGS) if data.get("funding") is not None else next(iter(FUNDINGS))


def _flag(data: dict[str, Any], name: str) -> bool:
    value = data.get(name, False)
    if not isinstance(value, bool):
        raise BadInput(f"{name} 须为 true 或 false / {name} must be true or false")
    return value


def _number(data: dict[str, Any], name: str, least: float, most: float, default: float | None = None) -> float:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise BadInput(f"{name} 须为范围内的数字 / {name} must be a number from {least} to {most}")
    return float(value)


def _fen(data: dict[str, Any]) -> int:
    value = data.get("amount_fen")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= LARGEST_FEN:
        raise BadInput(f"amount_fen 须为正整数（分）/ amount_fen must be an integer of fen from 1 to {LARGEST_FEN}")
    return value


def _time(data: dict[str, Any], name: str) -> float:
    value = data.get(name)
    try:
        return parse_rfc3339(value if isinstance(value, str) else "")
    except (ValueError, OverflowError):
        raise BadInput(f"{name} 须为带时区的时间 / {name} must be a time like 2026-06-08T10:34:56+08:00") from None


def _rows(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{name} 须为对象列表 / {name} must be a list of objects")
    return rows


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
