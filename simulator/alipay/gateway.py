"""Every call to /gateway.do: the envelope, the signature, an ordered fault, then the call itself (开放平台网关).

The app is known before the signature is looked at; what cannot be told whose it is, is refused without a signature.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl

from simulator import faults
from simulator.alipay import bills, books, pages, refunds, trades
from simulator.alipay.answers import Refusal, envelope, node_of
from simulator.alipay.fields import parse_time
from simulator.alipay.signing import SIGN_TYPE, sorted_pairs
from simulator.alipay.trades import Params
from simulator.inputs import BadInput, parse_object
from simulator.wire import CUT, Answer, Request
from simulator.world import World

Call = Callable[[World, Params, dict[str, Any]], dict[str, Any]]

CALLS: dict[str, Call] = {
    "alipay.trade.precreate": trades.precreate,
    "alipay.trade.query": trades.query,
    "alipay.trade.close": trades.close,
    "alipay.trade.cancel": trades.cancel,
    "alipay.trade.refund": refunds.refund,
    "alipay.trade.fastpay.refund.query": refunds.query,
    "alipay.data.dataservice.bill.downloadurl.query": bills.query,
}
PAGES = {"alipay.trade.page.pay": "page", "alipay.trade.wap.pay": "wap"}  # the buyer's browser brings these
REFUND, REFUND_QUERY = "alipay.trade.refund", "alipay.trade.fastpay.refund.query"
CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "gbk": "gbk", "gb2312": "gbk", "gb18030": "gb18030"}
DATE_SKEW_SECONDS = 600
CLOCK_SKEW_SECONDS = 86400  # lenient: a server in UTC is eight hours off

REFUSED_BY_FAULT = {  # before any effect
    "not_enough": Refusal("ACQ.SELLER_BALANCE_NOT_ENOUGH"),
    "frozen": Refusal("ACQ.REASON_TRADE_BEEN_FREEZEN"),
    "unknown_20000_before": Refusal("isp.unknow-error", "系统繁忙", code="20000"),
    "system_error_before": Refusal("ACQ.SYSTEM_ERROR"),
    "limited_40005": Refusal("isv.app-call-limited", "应用调用次数超限", code="40005"),
    "permission_40006": Refusal("isv.insufficient-isv-permissions", "ISV权限不足", code="40006"),
}
HIDDEN_BY_FAULT = {  # after every effect
    "unknown_20000": Refusal("isp.unknow-error", "系统繁忙", code="20000"),
    "system_error_after": Refusal("ACQ.SYSTEM_ERROR"),
}
BROKEN = Answer(500, b"<html><body><h1>500 Internal Server Error</h1></body></html>", {"Content-Type": "text/html"})


def answer(world: World, request: Request) -> Answer:
    """Answer one request to /gateway.do; a page for the buyer's browser, JSON for everybody else."""
    params = _params(request)
    method = params.get("method", "")
    try:
        _authenticate(world, params)
    except Refusal as refusal:
        if method in PAGES:
            return pages.trouble(refusal)
        return envelope(world.alipay, node_of(method), refusal.body(), how="unsigned")
    books.catch_up(world)
    if method in PAGES:
        return _page(world, params, PAGES[method])
    if method not in CALLS:
        unknown = Refusal("isv.invalid-method", "不存在的方法名", code="40002")
        return envelope(world.alipay, "error_response", unknown.body(), charset=_charset(params))
    return _answer_merchant(world, params, method)


def _params(request: Request) -> Params:
    """What stands in the URL and in the form, decoded once; the form wins."""
    query = request.query.encode("latin-1", "replace")
    form = b"" if request.method not in ("POST", "PUT") else request.body
    for charset in ("utf-8", "gb18030"):
        try:
            pairs = [
                pair
                for text in (query, form)
                for pair in parse_qsl(
                    text.decode("ascii", "replace"), keep_blank_values=True, encoding=charset, errors="strict",
                    max_num_fields=100,
                )
            ]  # fmt: skip
        except ValueError:
            continue
        if CHARSETS.get(dict(pairs).get("charset", "utf-8").lower(), "utf-8") in (charset, "gbk", "gb18030"):
            return dict(pairs)
    return {}


def _charset(params: Params) -> str:
    return CHARSETS.get(params.get("charset", "utf-8").lower(), "utf-8")


def _authenticate(world: World, params: Params) -> None:
    missing = {
        "method": "isv.missing-method",
        "app_id": "isv.missing-app-id",
        "sign_type": "isv.missing-signature-type",
        "sign": "isv.missing-signature",
        "timestamp": "isv.missing-timestamp",
        "version": "isv.missing-version",
    }
    for name, sub_code in missing.items():
        if not params.get(name):
            raise Refusal(sub_code, f"缺少{name}参数", code="40001")
    if params["app_id"] != world.alipay.app_id:
        raise Refusal("isv.invalid-app-id", "无效的AppID参数", code="40002")
    if params.get("charset", "utf-8").lower() not in CHARSETS:
        raise Refusal("isv.invalid-charset", "字符集错误", code="40002")
    if params["sign_type"] != SIGN_TYPE:
        raise Refusal("isv.invalid-signature-type", "无效的签名类型", code="40002")
    text = sorted_pairs(params, without=("sign",))
    if not world.alipay.app_signed(text.encode(_charset(params), "replace"), params["sign"]):
        raise Refusal("isv.invalid-signature", "无效签名，请检查签名私钥与应用公钥是否匹配", code="40002")
    if params.get("format", "JSON").upper() != "JSON":
        raise Refusal("isv.invalid-format", "无效的数据格式", code="40002")
    try:
        late = abs(parse_time(params["timestamp"]) - time.time()) > CLOCK_SKEW_SECONDS
    except ValueError:
        late = True
    if late:
        raise Refusal("isv.invalid-timestamp", "非法的时间戳参数", code="40002")


def _answer_merchant(world: World, params: Params, method: str) -> Answer:
    try:
        biz, trouble = _biz_content(params), None
    except Refusal as refusal:
        biz, trouble = {}, refusal
    fault, delay_seconds = _draw_fault(world, method, biz)
    if fault == "request_lost":
        return CUT
    if fault == "http_500_before":
        return BROKEN
    node, charset = node_of(method), _charset(params)
    if fault in REFUSED_BY_FAULT:
        return envelope(world.alipay, node, REFUSED_BY_FAULT[fault].body(), charset=charset)
    try:
        if trouble:
            raise trouble
        body = _call(world, method, params, biz, fault, world.delay(delay_seconds))
    except Refusal as refusal:
        body = refusal.body()
    world.ring()
    if fault == "answer_lost":
        return CUT
    if fault == "http_500_after":
        return BROKEN
    if fault in HIDDEN_BY_FAULT:
        body = HIDDEN_BY_FAULT[fault].body()
    if fault == "fund_change_n" and "fund_change" in body:
        body["fund_change"] = "N"
    if fault == "amount_off":
        body = _one_fen_less(body)
    how = {"bad_signature": "forged", "unsigned": "unsigned"}.get(fault, "genuine")
    result = envelope(world.alipay, node, body, how=how, charset=charset)
    ending = {"half_body": "half", "reset_after": "reset"}.get(fault, "")
    skewed = {"Date": formatdate(time.time() + DATE_SKEW_SECONDS, usegmt=True)} if fault == "date_skew" else {}
    return replace(result, ending=ending, headers=result.headers | skewed)


def _call(
    world: World, method: str, params: Params, biz: dict[str, Any], fault: str, delay_seconds: float
) -> dict[str, Any]:
    if fault == "done_later":
        return refunds.refund(world, params, biz, done_after=delay_seconds)
    return CALLS[method](world, params, biz)


def _page(world: World, params: Params, product: str) -> Answer:
    try:
        biz = _biz_content(params)
        with world.store.transaction() as db:
            trade = books.prepare(world, db, trades.read_order(world, params, biz, product))
            trade = books.open_trade(world, db, trade)
    except Refusal as refusal:
        return pages.trouble(refusal)
    return Answer(
        302, b"", {"Location": f"{world.address}/alipay/cashier/{trade['token']}", "Cache-Control": "no-store"}
    )


def _biz_content(params: Params) -> dict[str, Any]:
    try:
        return parse_object(params.get("biz_content", "{}").encode())
    except BadInput as error:
        raise Refusal("isv.invalid-parameter", f"biz_content: {error}", code="40002") from None


def _draw_fault(world: World, method: str, biz: dict[str, Any]) -> tuple[str, float]:
    among = faults.ALIPAY_CALL_FAULTS | (faults.ALIPAY_REFUND_FAULTS if method == REFUND else {})
    named = (biz.get(name) for name in ("out_request_no", "out_trade_no", "trade_no"))
    numbers = {name for name in named if isinstance(name, str) and name}
    with world.store.transaction() as db:
        rows = db.execute("SELECT out_trade_no FROM alipay_trade WHERE trade_no = ?", (str(biz.get("trade_no")),))
        numbers |= {row["out_trade_no"] for row in rows}
        drawn = faults.draw(db, among, numbers=numbers, refund=method in (REFUND, REFUND_QUERY), channel="alipay")
    return drawn or ("", 0.0)


def _one_fen_less(body: dict[str, Any]) -> dict[str, Any]:
    """Signed and wrong: what a mistake at the channel would look like."""
    changed = dict(body)
    for name in ("refund_fee", "refund_amount", "total_amount"):
        if name in changed:
            changed[name] = f"{float(changed[name]) - 0.01:.2f}"
            break
    return changed
