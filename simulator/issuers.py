"""Card issuers (发卡方): has this code been redeemed, has this top-up arrived? Every answer is signed and is evidence.

POST /issuer/cards {"code": "…"} or {"code_hash": "sha256 hex"}; POST /issuer/orders and /issuer/topups are top-ups
(`topups.py`). The request carries `Issuer-Supplier-Id`, `Issuer-Timestamp`, `Issuer-Nonce` and `Issuer-Signature` (hex
HMAC-SHA256 under the supplier's key over `METHOD\\nURI\\nTIMESTAMP\\nNONCE\\nBODY\\n`); the answer the same names
without the id, signed with RSA-SHA256. The answer repeats the question and its nonce, so that a stored answer with its
headers proves something years later. Once we know who asks, refusals are signed and repeat the nonce as well.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Callable
from typing import Any

from simulator import faults, topups
from simulator.inputs import BadInput, parse_object
from simulator.store import rfc3339
from simulator.wire import CUT, Answer, Refusal, Request
from simulator.world import World

CLOCK_SKEW_SECONDS = 300
CODE_HASH = re.compile(r"[0-9a-f]{64}")
FAILURES = {
    "issuer_500": Refusal(500, "SYSTEM_ERROR", "系统异常，请稍后重试 / try again later"),
    "issuer_429": Refusal(429, "TOO_FAST", "请求过于频繁，没有受理 / too many requests, this one had no effect"),
}


def answer(world: World, request: Request) -> Answer:
    """Answer one request below /issuer/; before we know who asks, answers are not signed."""
    if request.path not in QUESTIONS:
        return Answer(404)
    if request.method != "POST":
        return Answer(405)
    try:
        _authenticate(world, request)
    except Refusal as refusal:
        return _error(refusal, {})
    fault = _draw_fault(world, request)
    if fault == "issuer_lost":
        return CUT
    result = _result(world, request, FAILURES.get(fault))
    if fault == "issuer_lost_after":
        return CUT
    headers = world.issuer.signature_headers(result.body, genuine=fault != "issuer_bad_signature")
    return Answer(result.status, result.body, result.headers | headers)


def _result(world: World, request: Request, failure: Refusal | None) -> Answer:
    nonce = {"request_nonce": request.headers.get("Issuer-Nonce", "")}
    try:
        if failure is not None:
            raise failure
        return Answer.json(QUESTIONS[request.path](world, _parse(request.body)) | nonce)
    except Refusal as refusal:
        return _error(refusal, nonce)


def code_hash(code: str) -> str:
    """How a code is called without being told: lower-case hex SHA-256 of its UTF-8 text, spaces around it removed."""
    return hashlib.sha256(code.strip().encode()).hexdigest()


def note_card(world: World, hashed: str, redeemed_at: float | None, redeemed_by: str) -> None:
    """Let a code be redeemed at a time of the simulator's clock (to come, or gone by); None: it is unused again."""
    with world.store.transaction() as db:
        db.execute("DELETE FROM issued_card WHERE code_hash = ?", (hashed,))
        if redeemed_at is not None:
            db.execute("INSERT INTO issued_card VALUES (?, ?, ?)", (hashed, redeemed_at, redeemed_by))


def _card(world: World, data: dict[str, Any]) -> dict[str, Any]:
    code, hashed = data.get("code"), data.get("code_hash")
    if isinstance(code, str) and 1 <= len(code.strip()) <= 256 and hashed is None:
        hashed = code_hash(code)
    elif not (isinstance(hashed, str) and CODE_HASH.fullmatch(hashed) and code is None):
        raise Refusal(
            400, "PARAM_ERROR", "请给出 code 或 code_hash（SHA-256 小写十六进制）之一 / give code or code_hash"
        )
    now = world.store.now()
    with world.store.transaction() as db:
        row: sqlite3.Row | None = db.execute(
            "SELECT * FROM issued_card WHERE code_hash = ? AND redeemed_at <= ?", (hashed, now)
        ).fetchone()
    result: dict[str, Any] = {
        "code_hash": hashed,
        "state": "redeemed" if row else "unused",
        "answered_at": rfc3339(now),
    }
    if row:
        result |= {"redeemed_at": rfc3339(row["redeemed_at"]), "redeemed_by": topups.masked(row["redeemed_by"])}
    return result


QUESTIONS: dict[str, Callable[[World, dict[str, Any]], dict[str, Any]]] = {
    "/issuer/cards": _card,
    "/issuer/orders": topups.order,
    "/issuer/topups": topups.tell,
}


def _authenticate(world: World, request: Request) -> None:
    given = {
        name: request.headers.get(f"Issuer-{name}") or "" for name in ("Supplier-Id", "Timestamp", "Nonce", "Signature")
    }
    if not all(given.values()):
        raise Refusal(401, "SIGN_ERROR", "缺少 Issuer-* 请求头 / Issuer-* headers are missing")
    timestamp, nonce = given["Timestamp"], given["Nonce"]
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > CLOCK_SKEW_SECONDS:
        raise Refusal(401, "SIGN_ERROR", "时间戳与发卡方相差超过 5 分钟 / the time stamp is more than 5 minutes off")
    text = f"{request.method}\n{request.uri}\n{timestamp}\n{nonce}\n".encode() + request.body + b"\n"
    known = given["Supplier-Id"] == world.issuer.supplier_id
    if not (world.issuer.asked_by_supplier(text, given["Signature"]) and known):
        raise Refusal(401, "SIGN_ERROR", "签名错误 / the signature is wrong")


def _draw_fault(world: World, request: Request) -> str:
    try:
        data = parse_object(request.body)
    except BadInput:
        data = {}
    numbers = {
        value for value in (data.get("reference"), data.get("code"), data.get("code_hash")) if isinstance(value, str)
    }
    with world.store.transaction() as db:
        drawn = faults.draw(db, faults.ISSUER_FAULTS, numbers=numbers, refund=True)
    return drawn[0] if drawn else ""


def _parse(body: bytes) -> dict[str, Any]:
    try:
        return parse_object(body)
    except BadInput as error:
        raise Refusal(400, "PARAM_ERROR", str(error)) from None


def _error(refusal: Refusal, more: dict[str, str]) -> Answer:
    return Answer.json({"code": refusal.code, "message": refusal.message} | more, refusal.status)
