"""What a tester arranges besides payments and refunds (控制台): wrong bills, complaints, what card issuers know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator import bill_faults, funds, issuers, latency, topups
from simulator.control_inputs import LARGEST_FEN, flag, moment, number, one_of, only, text
from simulator.inputs import BadInput
from simulator.store import rfc3339
from simulator.wechat import complaint_book
from simulator.wechat.complaint_images import sample_image
from simulator.world import World

MOST_IMAGES = 10


def _bill(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"channel", "kind", "day", "fault", "number"?, "delay_seconds"?}, or {"clear": true}."""
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


def _complain(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"out_trade_no"}, and if wished text, problem_type, apply_refund_amount_fen, phone, images (how many)."""
    only(data, "out_trade_no", "text", "problem_type", "apply_refund_amount_fen", "phone", "images")
    problem = one_of({"problem_type": "REFUND"} | data, "problem_type", dict.fromkeys(complaint_book.PROBLEMS))
    wanted = int(number(data, "apply_refund_amount_fen", 1, LARGEST_FEN, default=1))
    images = int(number(data, "images", 0, MOST_IMAGES, default=0))
    complaint_id = complaint_book.complain(
        world,
        text(data, "out_trade_no"),
        text=text({"text": "卡密无法使用，商家不处理"} | data, "text", r"(?s).{1,500}"),
        problem_type=problem,
        apply_fen=wanted if data.get("apply_refund_amount_fen") is not None else None,
        phone=text({"phone": "13800138000"} | data, "phone") if data.get("phone", "") is not None else None,
        images=[sample_image(25 * shade) for shade in range(images)],
    )
    return {"complaint_id": complaint_id, "state": "PENDING"}


def _complaint_reply(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"complaint_id", "text", "action"?}: reply, continue (complain again) or ask_platform."""
    only(data, "complaint_id", "text", "action")
    act = one_of({"action": "reply"} | data, "action", complaint_book.USER_ACTS)
    complaint_id = text(data, "complaint_id")
    complaint_book.buyer_acts(world, complaint_id, act, text(data, "text", r"(?s).{1,500}"))
    return {"complaint_id": complaint_id, "action": act}


def _issuer(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"code" or "code_hash", "redeemed_at"?, "redeemed_by"?}: redeemed now, then, or (null) unused again."""
    only(data, "code", "code_hash", "redeemed_at", "redeemed_by")
    if (data.get("code") is None) == (data.get("code_hash") is None):
        raise BadInput("请给出 code 或 code_hash 之一 / give either code or code_hash")
    named = data.get("code") is not None
    hashed = (
        issuers.code_hash(text(data, "code", r"(?s).{1,256}")) if named else text(data, "code_hash", r"[0-9a-f]{64}")
    )
    at = moment(data, "redeemed_at") if data.get("redeemed_at") else None
    if "redeemed_at" not in data:
        at = world.store.now()
    by = text(data, "redeemed_by") if data.get("redeemed_by") is not None else "13800138000"
    issuers.note_card(world, hashed, at, by)
    return {"code_hash": hashed, "redeemed_at": None if at is None else rfc3339(at)}


def _topup(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"reference", "state", "arrived_at"?, "account"?, "reason"?}: settles one that was ordered, or arranges it."""
    only(data, "reference", "state", "arrived_at", "account", "reason")
    reference, state = text(data, "reference"), one_of(data, "state", dict.fromkeys(topups.STATES))
    arrived_at = moment(data, "arrived_at") if data.get("arrived_at") else None
    account = text(data, "account") if data.get("account") is not None else None
    reason = text(data, "reason") if data.get("reason") else ""
    topups.note(world, reference, state, arrived_at=arrived_at, account=account, reason=reason)
    return {"reference": reference, "state": state}


def _supplier(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"balance_fen": N, or null for endless}: what top-ups can be paid from, from now on."""
    only(data, "balance_fen")
    if "balance_fen" not in data:
        raise BadInput("请给出 balance_fen（分；null 为无限）/ give balance_fen, null for endless")
    endless = data["balance_fen"] is None
    balance_fen = None if endless else int(number(data, "balance_fen", 0, 10**6 * LARGEST_FEN))
    with world.store.transaction() as db:
        funds.set_amount(db, "issuer", balance_fen)
    return {"balance_fen": balance_fen}


def _latency(world: World, data: dict[str, Any]) -> dict[str, Any]:
    """{"seconds": 0..30}: how long both channels keep a merchant waiting, each call, from now on."""
    only(data, "seconds")
    seconds = number(data, "seconds", 0, latency.MOST_SECONDS)
    latency.write(world, seconds)
    return {"seconds": seconds}


ACTS: dict[str, Callable[[World, dict[str, Any]], dict[str, Any]]] = {
    "bill": _bill,
    "complain": _complain,
    "complaint_reply": _complaint_reply,
    "issuer": _issuer,
    "topup": _topup,
    "supplier": _supplier,
    "latency": _latency,
}
