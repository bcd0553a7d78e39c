"""Every call below /v3/ (微信支付网关).

A request is routed, then its signature is checked over the raw URI, then an ordered fault may strike, then the rules of
the call apply. Every refusal is a `Refusal` with WeChat's own status, code and `detail`.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs

from simulator import faults
from simulator.inputs import BadInput
from simulator.wechat import abnormal, bills, certificates, complaint_images, complaints, limits, orders, refunds
from simulator.wechat.books import catch_up, find_refund
from simulator.wechat.calls import ROUTES, Call, Refusal, Route, detail, error
from simulator.wechat.signing import SIGNATURE_TYPE
from simulator.wire import CUT, Answer, Request
from simulator.world import World

__all__ = ["answer"]

CLOCK_SKEW_SECONDS = 300
DATE_SKEW_SECONDS = 600
AUTHORIZATION = re.compile(r'(\w+)="([^"]*)"')
# Imported, they have registered their calls.
MODULES = (bills, orders, refunds, certificates, abnormal, complaints, complaint_images)


def answer(world: World, request: Request) -> Answer:
    """Answer one request below /v3/."""
    here = [(route, match) for route in ROUTES if (match := route.path.fullmatch(request.path))]
    if not here:
        return Answer(404)
    found = next(((route, match) for route, match in here if route.method == request.method), None)
    if found is None:
        return Answer(405)
    route, match = found
    try:
        _authenticate(world, request, route)
    except Refusal as refusal:
        return error(refusal)  # before we know who asks, answers are not signed
    return _answer_merchant(world, request, route, match[1] if match.groups() else "")


def _authenticate(world: World, request: Request, route: Route) -> None:
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
    if not keys.merchant_signed(head + route.signed_body(request) + b"\n", given["signature"]):
        raise _sign_error("错误的签名，验签失败", request.uri)
    if not request.headers.get("User-Agent"):
        raise Refusal(400, "INVALID_REQUEST", "Http头缺少Accept或User-Agent")


def _answer_merchant(world: World, request: Request, route: Route, number: str) -> Answer:
    catch_up(world)
    try:
        data, trouble = route.body(request), None
    except BadInput as bad:
        data, trouble = {}, bad
    try:
        with world.store.transaction() as db:
            limits.enter(db, world.meter, route.budget)
    except Refusal as refusal:
        return _signed(world, request, error(refusal))
    fault = _draw_fault(world, route, number, data)
    if fault == "request_lost":
        return CUT
    if fault == "http_500_before":
        return _signed(world, request, error(Refusal(500, "SYSTEM_ERROR", "系统异常，请稍后重试")))
    try:
        if trouble:
            raise Refusal(400, "PARAM_ERROR", "请求体不是有效的JSON对象", detail("", "", str(trouble)))
        result = route.handle(world, Call(number, _query(request), data, request))
    except Refusal as refusal:
        result = error(refusal)
        if route.budget == "refund":
            world.meter.failed()
    world.ring()
    if fault == "answer_lost":
        return CUT
    if fault == "reset_after":
        return replace(result, ending="reset")
    if fault == "amount_off":
        result = _amount_off(result)
    if fault == "http_500_after":
        result = error(Refusal(500, "SYSTEM_ERROR", "系统异常，请稍后重试"))
    if fault == "http_429":
        result = error(Refusal(429, "FREQUENCY_LIMITED", "频率限制，请稍后重试"))
    how = {"bad_signature": "forged", "signtest_signature": "signtest"}.get(fault, "genuine")
    if route.signed or result.status >= 300:
        result = _signed(world, request, result, how)
    if fault == "date_skew":
        result = replace(
            result, headers=result.headers | {"Date": formatdate(time.time() - DATE_SKEW_SECONDS, usegmt=True)}
        )
    return replace(result, ending="half") if fault == "half_body" else result


def _amount_off(result: Answer) -> Answer:
    """The same answer with one fen less, where it speaks of a refund's amount."""
    data = json.loads(result.body or b"{}")
    if "refund" not in data.get("amount", {}):
        return result
    data["amount"]["refund"] -= 1
    return Answer.json(data, result.status)


def _draw_fault(world: World, route: Route, number: str, data: dict[str, Any]) -> str:
    names = (number, data.get("out_refund_no"), data.get("out_trade_no"), data.get("transaction_id"))
    numbers = {name for name in names if isinstance(name, str) and name}
    with world.store.transaction() as db:
        numbers |= {
            row["out_trade_no"]
            for name in numbers
            for row in (find_refund(db, name), orders.find_by_id(db, name))
            if row is not None
        }
        drawn = faults.draw(db, faults.CALL_FAULTS, numbers=numbers, refund=route.refund)
    return drawn[0] if drawn else ""


def _signed(world: World, request: Request, result: Answer, how: str = "genuine") -> Answer:
    """Signed by the public key's partner for those who name it, by the platform certificate's for all others."""
    by_certificate = not request.headers.get("Wechatpay-Serial", "").startswith("PUB_KEY_ID_")
    signature = world.keys.signature_headers(result.body, how, by_certificate=by_certificate)
    return replace(result, headers=result.headers | signature)


def _query(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.query, keep_blank_values=True).items()}


def _sign_error(message: str, value: str) -> Refusal:
    return Refusal(401, "SIGN_ERROR", message, detail("signature", value[:200], "sign not match", "authorization"))
