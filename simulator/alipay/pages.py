"""What the buyer sees: the cashier (收银台) on a computer or a phone, and what a scanned QR code opens.

/alipay/cashier/TOKEN after a page or wap order, /qr.alipay.com/CODE after a scan; POST pays. After paying, the browser
is sent to return_url with signed parameters, which prove nothing but that somebody came back.
"""

from __future__ import annotations

import sqlite3
from html import escape
from urllib.parse import parse_qs, urlencode

from simulator import tills
from simulator.alipay import books
from simulator.alipay.answers import Refusal
from simulator.alipay.fields import beijing, yuan
from simulator.alipay.fundings import FUNDINGS
from simulator.alipay.signing import SIGN_TYPE, sorted_pairs
from simulator.tills import Till
from simulator.wire import Answer, Request
from simulator.world import World

TILL = Till("支付宝", "/alipay/styles.css", brand="#1677ff", ink="#0b57c4", button="#0d5fd6")
CASHIER, QR = "/alipay/cashier/", "/qr.alipay.com/"
PROBLEMS = {
    "TRADE_CLOSED": ("交易已关闭", "这笔交易已经关闭，未扣款。请回到商家页面重新下单。"),
    "PREPARED": ("二维码已失效", "未扣款。请回到商家页面刷新二维码。"),
    "WAIT_BUYER_PAY": ("已超过付款时间", "未扣款。请回到商家页面重新下单。"),
}


def answer(world: World, request: Request) -> Answer:
    """Answer one request of the buyer's browser."""
    if request.path == "/alipay/styles.css":
        return TILL.css()
    if request.method not in ("GET", "HEAD", "POST"):
        return TILL.page("不支持的操作", "<p>请返回重试。</p>", 405)
    books.catch_up(world)
    if request.path in ("/alipay", "/alipay/"):
        return _open_orders(world)
    base = next((prefix for prefix in (CASHIER, QR) if request.path.startswith(prefix)), None)
    with world.store.transaction() as db:
        trade = books.by_token(db, request.path.removeprefix(base)) if base else None
        if trade is None:
            return TILL.page("找不到这笔订单", "<p>请回到商家页面重新付款。</p>", 404)
        trade = books.open_trade(world, db, trade)
        if request.method == "POST":
            return _pay(world, db, trade, request)
        return _show(world, trade, request.path)


def trouble(refusal: Refusal) -> Answer:
    """The page in place of a cashier; Alipay writes these in GBK."""
    body = (
        '<!doctype html><html lang="zh-Hans"><head><meta charset="gbk"><title>支付宝（模拟）</title></head>'
        f"<body><h1>抱歉，无法付款</h1><p>{escape(refusal.sub_msg)}</p>"
        f"<p>错误代码 {escape(refusal.sub_code)}</p></body></html>"
    )
    return Answer(200, body.encode("gbk", "replace"), {"Content-Type": "text/html;charset=GBK"})


def _show(world: World, trade: sqlite3.Row, path: str) -> Answer:
    if trade["paid_at"] is not None:
        back = tills.way_back(_return_address(world, trade), "返回商家") if trade["return_url"] else ""
        return TILL.page("支付成功", _paid(trade) + back, tone="good")
    if trade["status"] == "WAIT_BUYER_PAY" and not books.expired(trade, world.store.now()):
        return TILL.page("确认付款", _facts(trade) + _form(trade, path), leads_to=trade["return_url"])
    title, text = PROBLEMS[trade["status"]]
    return TILL.page(title, _facts(trade) + f"<p>{text}</p>" + _quit(trade), 410)


def _pay(world: World, db: sqlite3.Connection, trade: sqlite3.Row, request: Request) -> Answer:
    try:
        form = parse_qs(request.body.decode(), max_num_fields=10)
    except ValueError:
        form = {}
    funding = form.get("funding", [next(iter(FUNDINGS))])[0]
    if funding not in FUNDINGS:
        return TILL.page("无法支付", "<p>请选择一种付款方式。</p>", 400)
    if trade["status"] == "WAIT_BUYER_PAY" and not books.expired(trade, world.store.now()):
        books.take_payment(world, db, trade, funding)
        trade = books.there(db, trade["out_trade_no"])
        world.ring()
    if trade["paid_at"] is not None and trade["return_url"]:
        return Answer(303, b"", {"Location": _return_address(world, trade), "Cache-Control": "no-store"})
    return Answer(303, b"", {"Location": request.path, "Cache-Control": "no-store"})


def _return_address(world: World, trade: sqlite3.Row) -> str:
    """return_url with the signed synchronous parameters, after those that it has."""
    keys = world.alipay
    values = {
        "charset": "utf-8",
        "out_trade_no": trade["out_trade_no"],
        "method": f"alipay.trade.{trade['product']}.pay.return",
        "total_amount": yuan(trade["total_fen"]),
        "trade_no": trade["trade_no"],
        "auth_app_id": keys.app_id,
        "version": "1.0",
        "app_id": keys.app_id,
        "seller_id": keys.seller_id,
        "timestamp": beijing(world.store.now()),
    }
    values["sign"] = keys.sign(sorted_pairs(values, without=()))
    values["sign_type"] = SIGN_TYPE
    address, hash_mark, fragment = trade["return_url"].partition("#")
    return f"{address}{'&' if '?' in address else '?'}{urlencode(values)}{hash_mark}{fragment}"


def _open_orders(world: World) -> Answer:
    with world.store.transaction() as db:
        rows = db.execute(
            "SELECT * FROM alipay_trade WHERE status IN ('PREPARED', 'WAIT_BUYER_PAY')"
            " ORDER BY prepared_at DESC LIMIT 50"
        ).fetchall()
    items = "".join(
        f'<li><a href="{(QR if row["product"] == "precreate" else CASHIER) + escape(row["token"])}">'
        f"{escape(row['subject'])}<b>¥{yuan(row['total_fen'])}</b></a></li>"
        for row in rows
        if not books.expired(row, world.store.now())
    )
    nothing = "<p>现在没有待付款的订单。下单后请刷新本页。</p>"
    return TILL.page("待付款的订单", f"<ul>{items}</ul>" if items else nothing)


def _facts(trade: sqlite3.Row) -> str:
    return tills.facts(trade["total_fen"], trade["subject"], trade["out_trade_no"])


def _paid(trade: sqlite3.Row) -> str:
    refunded = f"<dt>已退款</dt><dd>¥{yuan(trade['refunded_fen'])}</dd>" if trade["refunded_fen"] else ""
    return _facts(trade) + (
        f"<dl><dt>付款方式</dt><dd>{escape(trade['funding'])}</dd>"
        f"<dt>付款时间</dt><dd>{escape(beijing(trade['paid_at']))}</dd>"
        f"<dt>交易号</dt><dd>{escape(trade['trade_no'])}</dd>{refunded}</dl>"
    )


def _form(trade: sqlite3.Row, path: str) -> str:
    return (
        f'<form method="post" action="{escape(path)}">{tills.fundings(FUNDINGS)}'
        f'<button type="submit">确认付款</button></form>{_quit(trade)}'
    )


def _quit(trade: sqlite3.Row) -> str:
    return tills.way_back(trade["quit_url"], "放弃付款，返回商家") if trade["quit_url"] else ""
