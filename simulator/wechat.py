"""WeChat Pay v3 as a merchant sees it: Native orders, queries, closing, refunds (微信支付 v3，公钥模式).

A request is routed, then its signature is checked over the raw URI, then an ordered fault may strike, then the rules of
the call apply. Every refusal is a `Refusal` with WeChat's own status, code and `detail`.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import string
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from simulator import faults
from simulator.books import NotPossible, RefundOrder, accept_refund, catch_up, find_payment, find_refund, payment_of
from simulator.inputs import BadInput, parse_object
from simulator.signing import SIGNATURE_TYPE
from simulator.store import parse_rfc3339
from simulator.wechat_objects import refund_object, transaction_object
from simulator.wire import CUT, Answer, Request
from simulator.world import World

CLOCK_SKEW_SECONDS = 300
CODE_SECONDS = 2 * 3600
CODE_SECONDS_AT_LEAST = 15 * 60  # of real time, whatever the speed: a person must be able to pay
EXPIRE_AT_LEAST_SECONDS = 60
REFUND_DAYS = 365
REFUND_PARTS = 50
REFUND_SPACING_SECONDS = 60
LARGEST_FEN = 10**9

OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
OUT_REFUND_NO = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')


class Refusal(Exception):
    """An error answer: HTTP status, WeChat's code, a message for people, and the field it is about."""

    def __init__(self, status: int, code: str, message: str, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.detail = status, code, message, detail


@dataclass(frozen=True)
class Call:
    """One authenticated call: the number in its path, its query and its body."""

    number: str
    query: dict[str, str]
    data: dict[str, Any]


def answer(world: World, request: Request) -> Answer:
    """Answer one request below /v3/."""
    try:
        route = _route(request)
        if route is None:
            return Answer(404)
        method, handle, number = route
        if request.method != method:
            return Answer(405)
        _authenticate(world, request)
    except Refusal as refusal:
        return _error(refusal)  # before we know who asks, answers are not signed
    return _answer_merchant(world, request, handle, number)


# --- the calls -------------------------------------------------------------------------------------------------------


def _native(world: World, call: Call) -> Answer:
    """下单: answers the code_url; the same order again makes a new code, and the old one dies."""
    data, now = call.data, world.store.now()
    out_trade_no = _matching(data, "out_trade_no", OUT_TRADE_NO)
    description = _text(data, "description", 127)
    notify_url = _url(data, 255, required=True)
    attach = _text(data, "attach", 128, required=False)
    amount = _object(data, "amount")
    total = _fen(amount, "total")
    _cny(amount, required=False)
    expires_at = _time_expire(data)
    _text(data, "appid", 32)
    if _text(data, "mchid", 32) != world.keys.mchid:
        raise Refusal(400, "MCH_NOT_EXISTS", "商户号不存在")
    if data["appid"] != world.keys.appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    # Only the first call sets the time, so a repeat may carry another one.
    fingerprint = _fingerprint({name: value for name, value in data.items() if name != "time_expire"})
    with world.store.transaction() as db:
        known = find_payment(db, out_trade_no)
        if known:
            _repeated_order(known, fingerprint, now)
        else:
            if expires_at is not None and expires_at < now + world.delay(EXPIRE_AT_LEAST_SECONDS):
                raise _param_error("time_expire", data["time_expire"], "支付结束时间至少在1分钟之后")
            db.execute(
                "INSERT INTO payment (out_trade_no, description, amount_fen, attach, notify_url, fingerprint,"
                " created_at, expires_at, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'NOTPAY')",
                (out_trade_no, description, total, attach, notify_url, fingerprint, now, expires_at),
            )
        return Answer.json({"code_url": f"weixin://wxpay/bizpayurl?pr={_new_code(world, db, out_trade_no)}"})


def _query_by_number(world: World, call: Call) -> Answer:
    """查单 by out_trade_no."""
    with world.store.transaction() as db:
        return _order_answer(world, db, call, find_payment(db, call.number))


def _query_by_id(world: World, call: Call) -> Answer:
    """查单 by transaction_id."""
    with world.store.transaction() as db:
        return _order_answer(world, db, call, _find_by_id(db, call.number))


def _close(world: World, call: Call) -> Answer:
    """关单: may be repeated; a paid order must be refunded instead."""
    if _text(call.data, "mchid", 32) != world.keys.mchid:
        raise Refusal(400, "MCH_NOT_EXISTS", "商户号不存在")
    with world.store.transaction() as db:
        payment = find_payment(db, call.number)
        if not payment:
            raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
        if payment["state"] == "SUCCESS":
            raise Refusal(400, "ORDERPAID", "该订单已支付，不能关单")
        db.execute("UPDATE payment SET state = 'CLOSED' WHERE out_trade_no = ?", (call.number,))
        db.execute("UPDATE code SET alive = 0 WHERE out_trade_no = ?", (call.number,))
    return Answer(204)


def _refund(world: World, call: Call) -> Answer:
    """申请退款: the same number with the same parameters is one refund, however often it is asked for."""
    data = call.data
    out_refund_no = _matching(data, "out_refund_no", OUT_REFUND_NO)
    reason = _text(data, "reason", 80, required=False)
    notify_url = _url(data, 256, required=False)
    funds_account = _text(data, "funds_account", 32, required=False)
    if funds_account not in (None, "AVAILABLE", "UNSETTLED"):
        raise _param_error("funds_account", funds_account, "枚举值无效")
    amount = _object(data, "amount")
    refund_fen, total_fen = _fen(amount, "refund"), _fen(amount, "total")
    _cny(amount, required=True)
    with world.store.transaction() as db:
        payment = _order_to_refund(db, data)
        fingerprint = _fingerprint(
            [payment["out_trade_no"], refund_fen, total_fen, reason, funds_account, data.get("goods_detail")]
        )
        known = find_refund(db, out_refund_no)
        if known:
            _repeated_refund(known, payment, refund_fen, fingerprint)
        else:
            _refund_allowed(world, db, payment, refund_fen, total_fen)
            order = RefundOrder(out_refund_no, payment["out_trade_no"], refund_fen, notify_url, fingerprint)
            try:
                accept_refund(world, db, order)
            except NotPossible:
                raise Refusal(400, "INVALID_REQUEST", "申请退款金额超过订单可退金额，请核实后再试") from None
        return _refund_answer(db, out_refund_no)


def _query_refund(world: World, call: Call) -> Answer:
    """查询单笔退款."""
    with world.store.transaction() as db:
        return _refund_answer(db, call.number)


def _certificates(world: World, call: Call) -> Answer:
    """A merchant in public-key mode has no platform certificates to download."""
    raise Refusal(404, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥")


Handler = Callable[[World, Call], Answer]

ROUTES: list[tuple[str, re.Pattern[str], Handler]] = [
    ("POST", re.compile(r"/v3/pay/transactions/native"), _native),
    ("GET", re.compile(r"/v3/pay/transactions/out-trade-no/([^/]+)"), _query_by_number),
    ("GET", re.compile(r"/v3/pay/transactions/id/([^/]+)"), _query_by_id),
    ("POST", re.compile(r"/v3/pay/transactions/out-trade-no/([^/]+)/close"), _close),
    ("POST", re.compile(r"/v3/refund/domestic/refunds"), _refund),
    ("GET", re.compile(r"/v3/refund/domestic/refunds/([^/]+)"), _query_refund),
    ("GET", re.compile(r"/v3/certificates"), _certificates),
]
REFUND_CALLS = (_refund, _query_refund)


# --- before a call: route, signature, fault --------------------------------------------------------------------------


def _route(request: Request) -> tuple[str, Handler, str] | None:
    for method, pattern, handle in ROUTES:
        match = pattern.fullmatch(request.path)
        if match:
            return method, handle, match[1] if match.groups() else ""
    return None


def _authenticate(world: World, request: Request) -> None:
    """Refuse with 401 whoever is not our merchant, now, over exactly these bytes."""
    keys = world.keys
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    given = dict(AUTHORIZATION.findall(rest))
    wanted = ("mchid", "nonce_str", "signature", "timestamp", "serial_no")
    missing = [name for name in wanted if not given.get(name)]
    if kind != SIGNATURE_TYPE or missing:
        raise _sign_error("Http头Authorization值格式错误，请参考签名规则", ", ".join(missing) or kind)
    if given["mchid"] != keys.mchid:
        raise _sign_error("商户号不存在", given["mchid"])
    if given["serial_no"].upper() != keys.cert_serial_no:
        raise _sign_error("商户证书序列号有误，请使用签名私钥匹配的证书序列号", given["serial_no"])
    timestamp = given["timestamp"]
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > CLOCK_SKEW_SECONDS:
        raise _sign_error("Http头Authorization中的timestamp与发起请求的时间不得超过5分钟", timestamp)
    head = f"{request.method}\n{request.uri}\n{timestamp}\n{given['nonce_str']}\n".encode("latin-1")
    if not keys.merchant_signed(head + request.body + b"\n", given["signature"]):
        raise _sign_error("错误的签名，验签失败", request.uri)
    if not request.headers.get("User-Agent"):
        raise Refusal(400, "INVALID_REQUEST", "Http头缺少Accept或User-Agent")


def _answer_merchant(world: World, request: Request, handle: Handler, number: str) -> Answer:
    catch_up(world)
    try:
        data = parse_object(request.body) if request.method == "POST" else {}
        trouble = None
    except BadInput as error:
        data, trouble = {}, error
    fault = _draw_fault(world, handle, number, data)
    if fault == "request_lost":
        return CUT
    if fault == "http_500_before":
        return _signed(world, _error(Refusal(500, "SYSTEM_ERROR", "系统异常，请稍后重试")))
    try:
        if trouble:
            raise Refusal(400, "PARAM_ERROR", "请求体不是有效的JSON对象", _detail("", "", str(trouble)))
        result = handle(world, Call(number, _query(request), data))
    except Refusal as refusal:
        result = _error(refusal)
    world.ring()
    if fault == "answer_lost":
        return CUT
    if fault == "http_500_after":
        result = _error(Refusal(500, "SYSTEM_ERROR", "系统异常，请稍后重试"))
    if fault == "http_429":
        result = _error(Refusal(429, "FREQUENCY_LIMITED", "频率限制，请稍后重试"))
    how = {"bad_signature": "forged", "signtest_signature": "signtest"}.get(fault, "genuine")
    return _signed(world, result, how)


def _draw_fault(world: World, handle: Handler, number: str, data: dict[str, Any]) -> str:
    names = (number, data.get("out_refund_no"), data.get("out_trade_no"), data.get("transaction_id"))
    numbers = {name for name in names if isinstance(name, str) and name}
    with world.store.transaction() as db:
        numbers |= {
            row["out_trade_no"]
            for name in numbers
            for row in (find_refund(db, name), _find_by_id(db, name))
            if row is not None
        }
        drawn = faults.draw(db, faults.CALL_FAULTS, numbers=numbers, refund=handle in REFUND_CALLS)
    return drawn[0] if drawn else ""


def _signed(world: World, result: Answer, how: str = "genuine") -> Answer:
    return Answer(result.status, result.body, result.headers | world.keys.signature_headers(result.body, how))


# --- rules of orders and refunds -------------------------------------------------------------------------------------


def _repeated_order(known: sqlite3.Row, fingerprint: str, now: float) -> None:
    if known["state"] == "CLOSED":
        raise Refusal(400, "ORDER_CLOSED", "订单已关闭，请重新下单")
    if known["state"] == "SUCCESS" or known["fingerprint"] != fingerprint:
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复，请核实商户订单号是否重复提交")
    if known["expires_at"] is not None and known["expires_at"] <= now:
        raise Refusal(400, "INVALID_REQUEST", "订单已过支付结束时间，请更换商户订单号重新下单")


def _new_code(world: World, db: sqlite3.Connection, out_trade_no: str) -> str:
    code = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
    lifetime = max(world.delay(CODE_SECONDS), CODE_SECONDS_AT_LEAST)
    db.execute("UPDATE code SET alive = 0 WHERE out_trade_no = ?", (out_trade_no,))
    db.execute("INSERT INTO code VALUES (?, ?, ?, 1)", (code, out_trade_no, world.store.now() + lifetime))
    return code


def _order_answer(world: World, db: sqlite3.Connection, call: Call, payment: sqlite3.Row | None) -> Answer:
    mchid = call.query.get("mchid")
    if mchid is None:
        raise _param_error("mchid", "", "必填性规则校验失败", location="query")
    if mchid != world.keys.mchid:
        raise Refusal(400, "MCH_NOT_EXISTS", "商户号不存在")
    if not payment:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    refunds = db.execute(
        "SELECT count(*) FROM refund WHERE out_trade_no = ? AND status <> 'CLOSED'", (payment["out_trade_no"],)
    ).fetchone()[0]
    return Answer.json(transaction_object(world.keys, payment, refunds=refunds))


def _order_to_refund(db: sqlite3.Connection, data: dict[str, Any]) -> sqlite3.Row:
    transaction_id = _text(data, "transaction_id", 32, required=False)
    out_trade_no = _text(data, "out_trade_no", 32, required=False)
    if transaction_id is None and out_trade_no is None:
        raise _param_error("transaction_id", "", "微信支付订单号和商户订单号必须二选一")
    payment = _find_by_id(db, transaction_id) if transaction_id else find_payment(db, out_trade_no or "")
    if payment and out_trade_no is not None and payment["out_trade_no"] != out_trade_no:
        raise Refusal(400, "INVALID_REQUEST", "微信支付订单号与商户订单号不匹配")
    if not payment or payment["state"] != "SUCCESS":
        raise Refusal(404, "RESOURCE_NOT_EXISTS", "订单不存在或未支付")
    return payment


def _repeated_refund(known: sqlite3.Row, payment: sqlite3.Row, refund_fen: int, fingerprint: str) -> None:
    same = (known["out_trade_no"], known["amount_fen"]) == (payment["out_trade_no"], refund_fen)
    # History was entered without the parameters of its first call.
    if not same or known["fingerprint"] not in ("", fingerprint):
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


def _find_by_id(db: sqlite3.Connection, transaction_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = db.execute("SELECT * FROM payment WHERE transaction_id = ?", (transaction_id,)).fetchone()
    return row


# --- fields and errors -----------------------------------------------------------------------------------------------


def _text(data: dict[str, Any], name: str, longest: int, *, required: bool = True) -> str | None:
    value = data.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise _param_error(name, value, f"须为1至{longest}个字符的字符串")
    return value


def _matching(data: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _param_error(name, value, f"不符合格式 {pattern.pattern}")
    return value


def _object(data: dict[str, Any], name: str) -> dict[str, Any]:
    value = data.get(name)
    if not isinstance(value, dict):
        raise _param_error(name, value, "须为对象")
    return value


def _fen(amount: dict[str, Any], name: str) -> int:
    value = amount.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= LARGEST_FEN:
        raise _param_error(f"amount/{name}", value, "金额须为正整数，单位为分")
    return value


def _cny(amount: dict[str, Any], *, required: bool) -> None:
    currency = amount.get("currency")
    if currency != "CNY" and (required or currency is not None):
        raise _param_error("amount/currency", currency, "货币类型须为CNY")


def _url(data: dict[str, Any], longest: int, *, required: bool) -> str | None:
    """Plain http is allowed here, unlike at the real WeChat Pay, since shops in development have no https."""
    value = _text(data, "notify_url", longest, required=required)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not re.fullmatch(r"[!-~]+", value) or "?" in value or "#" in value or "@" in value:
        raise _param_error("notify_url", value, "须为完整的http(s)地址，且不能携带参数")
    return value


def _time_expire(data: dict[str, Any]) -> float | None:
    value = _text(data, "time_expire", 64, required=False)
    if value is None:
        return None
    try:
        return parse_rfc3339(value)
    except ValueError:
        raise _param_error("time_expire", value, "须为rfc3339格式，如2018-06-08T10:34:56+08:00") from None


def _query(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}


def _fingerprint(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _param_error(name: str, value: Any, issue: str, *, location: str = "body") -> Refusal:
    message = f"输入源“/{location}/{name}”校验失败：{issue}"
    return Refusal(400, "PARAM_ERROR", message, _detail(f"/{name}", value, issue, location))


def _sign_error(message: str, value: str) -> Refusal:
    return Refusal(401, "SIGN_ERROR", message, _detail("signature", value[:200], "sign not match", "authorization"))


def _detail(field: str, value: Any, issue: str, location: str = "body") -> dict[str, Any]:
    return {"field": field, "value": value, "issue": issue, "location": location}


def _error(refusal: Refusal) -> Answer:
    body: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.detail is not None:
        body["detail"] = refusal.detail
    return Answer.json(body, refusal.status)
