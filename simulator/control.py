"""The control plane (控制台接口): a tester lets the buyer pay, refunds settle, faults strike and time pass."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from simulator import acts, faults, topups
from simulator.alipay import acts as alipay_acts
from simulator.alipay import desk as alipay_desk
from simulator.control_inputs import amount_fen, flag, moment, number, one_of, only, payer_name, rows, text
from simulator.inputs import BadInput, parse_object
from simulator.origin import foreign
from simulator.store import rfc3339
from simulator.timekeeper import catch_up
from simulator.wechat import acts as wechat_acts
from simulator.wechat.books import NEXT_STATUSES, arrange, find_payment, find_refund, ledger, pay, settle
from simulator.wechat.history import load_history
from simulator.wechat.objects import FUNDINGS
from simulator.wire import Answer, Request
from simulator.world import NotPossible, World

Act = Callable[[World, dict[str, Any]], dict[str, Any]]

LONGEST_ADVANCE_SECONDS = 10 * 366 * 86400


def answer(world: World, request: Request) -> Answer:
    """Answer one request below /_control/: 400 for input that makes no sense, 409 for what the books do not allow."""
    if foreign(request):
        return _refuse(403, "请求来自别的网站 / the request comes from another site")
    path = request.path.removeprefix("/_control/")
    if path == "ledger":
        return Answer.json(_ledger(world)) if request.method == "GET" else _refuse(405, "请用 GET / use GET")
    if path == "connections" and request.method == "GET":
        return Answer.json(world.connections.counts())
    if path not in ACTS:
        return _refuse(404, f"没有这个接口，可用的有 / no such act, there are: {', '.join([*ACTS, 'ledger'])}")
    if request.method != "POST":
        return _refuse(405, "请用 POST 并附 JSON / use POST with JSON")
    try:
        return Answer.json(perform(world, path, parse_object(request.body)))
    except BadInput as error:
        return _refuse(400, str(error))
    except NotPossible as error:
        return _refuse(409, str(error))


def perform(world: World, path: str, data: dict[str, Any]) -> dict[str, Any]:
    """Do one act; BadInput or NotPossible says why it cannot be done. The console's buttons come here as well."""
    return _act(world, path, data)(world, data)


def _act(world: World, path: str, data: dict[str, Any]) -> Act:
    """An act that both channels have is the channel's that is named, or else the one's that knows the number."""
    if path not in TWOFOLD:
        return ACTS[path]
    named = data.pop("channel", None)
    if named is not None:
        channel = one_of({"channel": named}, "channel", wechat_acts.CHANNELS)
    else:
        channel = "alipay" if alipay_acts.knows(world, data) and not _wechat_knows(world, data) else "wechat"
    act = alipay_acts.ACTS[path] if channel == "alipay" else ACTS[path]
    if path == "settle" and named is None and data.get("in_advance") is True:
        return _arrange_anywhere
    return act


def _arrange_anywhere(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """Nobody knows the number yet: whichever channel is asked for it first."""
    with world.store.transaction():
        alipay_acts.ACTS["settle"](world, data)
        return _settle(world, data)


def _ledger(world: World) -> dict[str, Any]:
    """Both channels' truth in the same lists, and what the card issuer was asked to top up."""
    truth, alipay = ledger(world), alipay_desk.ledger_rows(world)
    for kind in ("payments", "refunds"):
        ours = [{"channel": "wechat"} | row for row in truth[kind]]
        truth[kind] = sorted(ours + alipay[kind], key=lambda row: row["created_at"])
    return truth | {"topups": topups.ledger_rows(world)}


def _pay(world: World, data: dict[str, Any]) -> dict[str, Any]:
    only(data, "out_trade_no", "funding", "race", "amount_fen", "payer")
    out_trade_no = _known_payment(world, text(data, "out_trade_no"))
    other = amount_fen(data) if data.get("amount_fen") is not None else None
    pay(world, out_trade_no, funding=_funding(data), race=flag(data, "race"), amount_fen=other, payer=payer_name(data))
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
    """A row may name its channel; else the whole history's, else WeChat's; a refund's is its payment's."""
    only(data, "payments", "refunds", "channel")
    common = _named_channel(data) or "wechat"
    payments, refunds = rows(data, "payments"), rows(data, "refunds")
    of_number = {row.get("out_trade_no"): _named_channel(row) or common for row in payments}
    with world.store.transaction():
        transaction_ids: dict[str, str] = {}
        refund_ids: dict[str, str] = {}
        for channel, (past_payment, past_refund, load) in HISTORIES.items():
            mine = [row for row in payments if of_number[row.get("out_trade_no")] == channel]
            theirs = [row for row in refunds if _refund_channel(world, row, of_number, common) == channel]
            loaded = load(
                world, [past_payment(_bare(row)) for row in mine], [past_refund(_bare(row)) for row in theirs]
            )
            transaction_ids |= loaded[0]
            refund_ids |= loaded[1]
    return {
        "payments": [{"out_trade_no": number, "transaction_id": id_} for number, id_ in transaction_ids.items()],
        "refunds": [{"out_refund_no": number, "refund_id": id_} for number, id_ in refund_ids.items()],
    }


def _refund_channel(world: World, row: dict[str, Any], of_number: dict[Any, str], common: str) -> str:
    named = _named_channel(row) or of_number.get(row.get("out_trade_no"))
    known = alipay_acts.knows(world, {"out_trade_no": row.get("out_trade_no")}) and not _wechat_knows(world, row)
    return named or ("alipay" if known else common)


def _named_channel(data: dict[str, Any]) -> str | None:
    return one_of(data, "channel", wechat_acts.CHANNELS) if data.get("channel") is not None else None


def _bare(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "channel"}


ACTS: dict[str, Act] = {
    **alipay_acts.ACTS,
    "pay": _pay,
    "settle": _settle,
    "faults": _faults,
    "clock": _clock,
    "history": _history,
    **acts.ACTS,
    **wechat_acts.ACTS,
}
TWOFOLD = ("pay", "settle", "console_refund")


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


HISTORIES = {
    "wechat": (_past_payment, _past_refund, load_history),
    "alipay": (alipay_acts.past_payment, alipay_acts.past_refund, alipay_desk.load_history),
}


def _wechat_knows(world: World, data: dict[str, Any]) -> bool:
    with world.store.transaction() as db:
        return (
            find_payment(db, str(data.get("out_trade_no"))) is not None
            or find_refund(db, str(data.get("request_no"))) is not None
        )


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
