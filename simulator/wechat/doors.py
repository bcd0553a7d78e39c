"""Doors for browsers (网页入口): the OAuth page and its token call, the JSAPI bridge with its till, the H5 page.

None of these is signed as API calls are; server.py leads here by path.
"""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from urllib.parse import parse_qs, urlencode

from simulator.wechat import oauth
from simulator.wechat.phone import is_address, page
from simulator.wire import Answer, Request
from simulator.world import World

JSAPI_FIELDS = ("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
BRIDGE = Path(__file__).with_name("bridge.js")


def answer(world: World, request: Request) -> Answer | None:
    """Answer what belongs to one of these doors; None for every other path."""
    if request.path not in PATHS:
        return None
    if request.method not in ("GET", "HEAD"):
        return Answer(405)
    try:
        query = {name: values[0] for name, values in parse_qs(request.query, max_num_fields=20).items()}
    except ValueError:
        query = {}
    match request.path:
        case "/connect/oauth2/authorize":
            return oauth.authorize(world, query)
        case "/sns/oauth2/access_token":
            return oauth.access_token(world, query)
        case "/bridge.js":
            return _bridge(world)
        case "/phone/jsapi":
            return _jsapi(world, query)
        case _:
            return _checkmweb(world, request, query)


PATHS = (
    "/connect/oauth2/authorize",
    "/sns/oauth2/access_token",
    "/bridge.js",
    "/phone/jsapi",
    "/cgi-bin/mmpayweb-bin/checkmweb",
)


def _bridge(world: World) -> Answer:
    """WeixinJSBridge for browsers that are not WeChat: it leads the whole page to our till and back."""
    script = BRIDGE.read_text(encoding="utf-8").replace('"HOME"', json.dumps(world.address))
    headers = {"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "no-store"}
    return Answer(200, script.encode(), headers)


def _jsapi(world: World, query: dict[str, str]) -> Answer:
    """The till of getBrandWCPayRequest: only what the merchant signed opens it."""
    back = query.get("redirect_url", "")
    for name in JSAPI_FIELDS:
        if not query.get(name):
            return _wrong("支付参数错误", f"调用支付JSAPI缺少参数：{name}", back)
    if query["appId"] != world.keys.appid:
        return _wrong("支付参数错误", "appId 与商户不匹配。", back)
    if query["signType"] != "RSA" or not re.fullmatch(r"[0-9]{10}", query["timeStamp"]):
        return _wrong("支付参数错误", "signType 须为 RSA，timeStamp 须为秒级时间戳。", back)
    text = "".join(f"{query[name]}\n" for name in ("appId", "timeStamp", "nonceStr", "package"))
    if not world.keys.merchant_signed(text.encode(), query["paySign"]):
        return _wrong("支付验证签名失败", "paySign 不符：商户私钥须依次签 appId、timeStamp、nonceStr、package。", back)
    prepay_id = query["package"].removeprefix("prepay_id=")
    row = _order(world, prepay_id)
    if prepay_id == query["package"] or row is None or row["trade_type"] != "JSAPI":
        return _wrong("支付参数错误", "没有这笔 JSAPI 订单：package 须为 prepay_id=…。", back)
    return _to_phone(prepay_id, back)


def _checkmweb(world: World, request: Request, query: dict[str, str]) -> Answer:
    """The page behind an h5_url: it wants to know where the buyer comes from, and lives five minutes."""
    back = query.get("redirect_url", "")
    if not is_address(request.headers.get("Referer", "")):
        return _wrong("商家参数格式有误，请联系商家解决", "没有 Referer：请从商家页面进入，不要直接打开链接。", back)
    if "MicroMessenger" in request.headers.get("User-Agent", ""):
        return _wrong("请在微信外打开订单，进行支付", "微信内请使用 JSAPI 支付。", back)
    prepay_id = query.get("prepay_id", "")
    row = _order(world, prepay_id)
    if row is None or row["trade_type"] != "H5":
        return _wrong("商家存在未配置的参数，请联系商家解决", "没有找到这笔 H5 订单。", back)
    if row["state"] == "NOTPAY" and (not row["alive"] or row["expires_at"] <= world.store.now()):
        return _wrong("支付请求已失效，请重新发起支付", "h5_url 的有效期为 5 分钟。", back)
    return _to_phone(prepay_id, back)


def _order(world: World, prepay_id: str) -> sqlite3.Row | None:
    with world.store.transaction() as db:
        row: sqlite3.Row | None = db.execute(
            "SELECT trade_type, state, alive, code.expires_at FROM code JOIN payment USING (out_trade_no)"
            " WHERE code = ?",
            (prepay_id,),
        ).fetchone()
    return row


def _to_phone(prepay_id: str, back: str) -> Answer:
    query = f"?{urlencode({'redirect_url': back})}" if is_address(back) else ""
    return Answer(302, b"", {"Location": f"/phone/{prepay_id}{query}", "Cache-Control": "no-store"})


def _wrong(title: str, text: str, back: str) -> Answer:
    return page(title, f"<p>{text}</p>", 400, back=back)
