"""Orders (下单、查单、关单): Native, JSAPI, H5 and APP orders, queries by either number, closing."""

from __future__ import annotations

import re
import secrets
import sqlite3
import string
from ipaddress import ip_address
from urllib.parse import urlencode

from simulator.store import rfc3339
from simulator.wechat.books import find_payment
from simulator.wechat.calls import Call, Refusal, param_error, route
from simulator.wechat.fields import cny, fen, fingerprint, matching, object_, text, time_expire, url
from simulator.wechat.objects import transaction_object
from simulator.wire import Answer
from simulator.world import World

CODE_SECONDS = 2 * 3600
CODE_SECONDS_AT_LEAST = 15 * 60  # of real time, whatever the speed: a person must be able to pay
H5_SECONDS = 5 * 60  # of real time
EXPIRE_AT_LEAST_SECONDS = 60

OUT_TRADE_NO = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
OPENID = re.compile(r"o[0-9A-Za-z_\-]{27}")
DIGITS = str.maketrans("", "", "-:T")


@route("POST", r"/v3/pay/transactions/native")
def _native(world: World, call: Call) -> Answer:
    """Native 下单: answers the code_url; the same order again makes a new code, and the old one dies."""
    return Answer.json({"code_url": f"weixin://wxpay/bizpayurl?pr={_place(world, call, 'NATIVE')}"})


@route("POST", r"/v3/pay/transactions/jsapi")
def _jsapi(world: World, call: Call) -> Answer:
    """JSAPI 下单: for one buyer, known by his openid; answers the prepay_id that the page hands to the bridge."""
    openid = text(object_(call.data, "payer"), "openid", 128)
    if not OPENID.fullmatch(str(openid)):
        raise param_error("payer/openid", openid, "无效的openid")
    return Answer.json({"prepay_id": _place(world, call, "JSAPI", openid=openid)})


@route("POST", r"/v3/pay/transactions/app")
def _app(world: World, call: Call) -> Answer:
    """APP 下单: answers the prepay_id."""
    return Answer.json({"prepay_id": _place(world, call, "APP")})


@route("POST", r"/v3/pay/transactions/h5")
def _h5(world: World, call: Call) -> Answer:
    """H5 下单: answers the page that a phone's browser opens; it lives five minutes."""
    scene = object_(call.data, "scene_info")
    try:
        ip_address(str(text(scene, "payer_client_ip", 45)))
    except ValueError:
        raise param_error("scene_info/payer_client_ip", scene["payer_client_ip"], "须为用户终端的IP地址") from None
    text(object_(scene, "h5_info"), "type", 32)
    query = urlencode({"prepay_id": _place(world, call, "H5"), "package": secrets.randbelow(10**10)})
    return Answer.json({"h5_url": f"{world.address}/cgi-bin/mmpayweb-bin/checkmweb?{query}"})


def _place(world: World, call: Call, trade_type: str, openid: str | None = None) -> str:
    """Take on an order, or find the same one again: answers the code or prepay_id that leads the buyer to it."""
    data, now = call.data, world.store.now()
    out_trade_no = matching(data, "out_trade_no", OUT_TRADE_NO)
    description = text(data, "description", 127)
    notify_url = url(data, 255, required=True)
    attach = text(data, "attach", 128, required=False)
    amount = object_(data, "amount")
    total = fen(amount, "total")
    cny(amount, required=False)
    expires_at = time_expire(data)
    text(data, "appid", 32)
    if text(data, "mchid", 32) != world.keys.mchid:
        raise Refusal(400, "MCH_NOT_EXISTS", "商户号不存在")
    if data["appid"] != world.keys.appid:
        raise Refusal(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
    # Only the first call sets the time, so a repeat may carry another one.
    print_ = fingerprint({name: value for name, value in data.items() if name != "time_expire"})
    with world.store.transaction() as db:
        known = find_payment(db, out_trade_no)
        if known:
            _repeated_order(known, trade_type, print_, now)
        else:
            if expires_at is not None and expires_at < now + world.delay(EXPIRE_AT_LEAST_SECONDS):
                raise param_error("time_expire", data["time_expire"], "支付结束时间至少在1分钟之后")
            db.execute(
                "INSERT INTO payment (out_trade_no, description, amount_fen, attach, notify_url, fingerprint,"
                " created_at, expires_at, state, trade_type, openid) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'NOTPAY', ?, ?)",
                (out_trade_no, description, total, attach, notify_url, print_, now, expires_at, trade_type, openid),
            )
        return _code(world, db, out_trade_no, trade_type)


@route("GET", r"/v3/pay/transactions/out-trade-no/([^/]+)")
def _query_by_number(world: World, call: Call) -> Answer:
    """查单 by out_trade_no."""
    with world.store.transaction() as db:
        return _order_answer(world, db, call, find_payment(db, call.number))


@route("GET", r"/v3/pay/transactions/id/([^/]+)")
def _query_by_id(world: World, call: Call) -> Answer:
    """查单 by transaction_id."""
    with world.store.transaction() as db:
        return _order_answer(world, db, call, find_by_id(db, call.number))


@route("POST", r"/v3/pay/transactions/out-trade-no/([^/]+)/close")
def _close(world: World, call: Call) -> Answer:
    """关单: may be repeated; a paid order must be refunded instead."""
    if text(call.data, "mchid", 32) != world.keys.mchid:
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


def _repeated_order(known: sqlite3.Row, trade_type: str, print_: str, now: float) -> None:
    if known["state"] == "CLOSED":
        raise Refusal(400, "ORDER_CLOSED", "订单已关闭，请重新下单")
    same = (known["trade_type"], known["fingerprint"]) == (trade_type, print_)
    if known["state"] == "SUCCESS" or not same:
        raise Refusal(403, "OUT_TRADE_NO_USED", "商户订单号重复，请核实商户订单号是否重复提交")
    if known["expires_at"] is not None and known["expires_at"] <= now:
        raise Refusal(400, "INVALID_REQUEST", "订单已过支付结束时间，请更换商户订单号重新下单")


def _code(world: World, db: sqlite3.Connection, out_trade_no: str, trade_type: str) -> str:
    """A new code, while the old one dies; a prepay_id of JSAPI or APP stays the same as long as it lives."""
    now = world.store.now()
    if trade_type in ("JSAPI", "APP"):
        alive = db.execute(
            "SELECT code FROM code WHERE out_trade_no = ? AND alive AND expires_at > ?", (out_trade_no, now)
        ).fetchone()
        if alive:
            return str(alive["code"])
    lifetime = H5_SECONDS if trade_type == "H5" else max(world.delay(CODE_SECONDS), CODE_SECONDS_AT_LEAST)
    if trade_type == "NATIVE":
        code = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
    else:
        code = f"wx{rfc3339(now)[:19].translate(DIGITS)}{secrets.token_hex(8)}0000"
    db.execute("UPDATE code SET alive = 0 WHERE out_trade_no = ?", (out_trade_no,))
    db.execute("INSERT INTO code VALUES (?, ?, ?, 1)", (code, out_trade_no, now + lifetime))
    return code


def _order_answer(world: World, db: sqlite3.Connection, call: Call, payment: sqlite3.Row | None) -> Answer:
    mchid = call.query.get("mchid")
    if mchid is None:
        raise param_error("mchid", "", "必填性规则校验失败", location="query")
    if mchid != world.keys.mchid:
        raise Refusal(400, "MCH_NOT_EXISTS", "商户号不存在")
    if not payment:
        raise Refusal(404, "ORDER_NOT_EXIST", "订单不存在")
    refunds = db.execute(
        "SELECT count(*) FROM refund WHERE out_trade_no = ? AND status <> 'CLOSED'", (payment["out_trade_no"],)
    ).fetchone()[0]
    return Answer.json(transaction_object(world.keys, payment, refunds=refunds))


def find_by_id(db: sqlite3.Connection, transaction_id: str) -> sqlite3.Row | None:
    """The payment that has this transaction_id, if there is one."""
    row: sqlite3.Row | None = db.execute("SELECT * FROM payment WHERE transaction_id = ?", (transaction_id,)).fetchone()
    return row
