"""The buyer's phone (买家手机): what WeChat shows after the code is scanned, and the button that pays."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from html import escape
from urllib.parse import parse_qs, urlencode

from simulator import tills
from simulator.store import rfc3339
from simulator.tills import Till
from simulator.wechat.books import catch_up, expired, find_payment, pay
from simulator.wechat.objects import FUNDINGS
from simulator.wire import Answer, Request
from simulator.world import NotPossible, World

TILL = Till("微信支付", "/phone.css", brand="#07c160", ink="#06753d", button="#067a3e")


def answer(world: World, request: Request) -> Answer:
    """/phone/ lists what can be paid; /phone/<code> is one payment, POST pays it."""
    if request.path == "/phone.css":
        return TILL.css()
    if request.method not in ("GET", "HEAD", "POST"):
        return page("不支持的操作", "<p>请返回重试。</p>", 405)
    catch_up(world)
    code = request.path.removeprefix("/phone").strip("/")
    if not code:
        return _open_orders(world)
    if request.method == "POST":
        return _pay(world, code, request)
    back = _field(request.query, "redirect_url")
    with world.store.transaction() as db:
        payment, alive = _find(db, code)
        late = payment is not None and expired(db, payment, world.store.now())
    if payment is None:
        return page("二维码无效", "<p>没有找到这笔订单，请回到商家页面重新扫码。</p>", 404)
    if payment["state"] == "SUCCESS":
        return page("支付成功", _paid(payment), tone="good", back=back)
    if payment["state"] == "CLOSED":
        return page("订单已关闭", _facts(payment) + "<p>商家已关闭这笔订单，未扣款。</p>", 410, back=back)
    if late or not alive:
        return page("二维码已过期", _facts(payment) + "<p>未扣款。请回到商家页面刷新二维码。</p>", 410, back=back)
    return page("确认支付", _facts(payment) + _form(code, back), back=back, leave="取消支付")


def _pay(world: World, code: str, request: Request) -> Answer:
    text = request.body.decode(errors="replace")
    funding, back = _field(text, "funding") or next(iter(FUNDINGS)), _field(text, "redirect_url")
    with world.store.transaction() as db:
        payment, alive = _find(db, code)
    if funding not in FUNDINGS:
        return page("无法支付", "<p>请选择一种付款方式。</p>", 400)
    if payment is not None and alive and payment["state"] == "NOTPAY":
        # If it has just become impossible, the page that follows says what has become of the order.
        with suppress(NotPossible):
            pay(world, payment["out_trade_no"], funding=funding)
            if is_address(back):
                return Answer(303, b"", {"Location": back})
    query = f"?{urlencode({'redirect_url': back})}" if is_address(back) else ""
    return Answer(303, b"", {"Location": request.path + query})


def is_address(text: str) -> bool:
    """True for a whole http or https address that a browser can be sent to."""
    return bool(re.fullmatch(r"https?://[\w.:\[\]-]+(?:[/?#][!-~]*)?", text, re.ASCII))


def _field(text: str, name: str) -> str:
    """One field of a query or form, or nothing."""
    try:
        return parse_qs(text, max_num_fields=20).get(name, [""])[0]
    except ValueError:
        return ""


def _find(db: sqlite3.Connection, code: str) -> tuple[sqlite3.Row | None, bool]:
    row = db.execute("SELECT out_trade_no, alive FROM code WHERE code = ?", (code,)).fetchone()
    return (find_payment(db, row["out_trade_no"]), bool(row["alive"])) if row else (None, False)


def _open_orders(world: World) -> Answer:
    with world.store.transaction() as db:
        rows = db.execute(
            "SELECT payment.*, code FROM payment JOIN code USING (out_trade_no)"
            " WHERE state = 'NOTPAY' AND alive AND code.expires_at > ? ORDER BY created_at DESC LIMIT 50",
            (world.store.now(),),
        ).fetchall()
    items = "".join(
        f'<li><a href="/phone/{escape(row["code"])}">{escape(row["description"])}'
        f"<b>{tills.yuan(row['amount_fen'])}</b></a></li>"
        for row in rows
    )
    return page("待支付的订单", f"<ul>{items}</ul>" if items else "<p>现在没有待支付的订单。下单后请刷新本页。</p>")


def _facts(payment: sqlite3.Row) -> str:
    return tills.facts(payment["amount_fen"], payment["description"], payment["out_trade_no"])


def _paid(payment: sqlite3.Row) -> str:
    refunded = f"<dt>已退款</dt><dd>{tills.yuan(payment['refunded_fen'])}</dd>" if payment["refunded_fen"] else ""
    return _facts(payment) + (
        f"<dl><dt>付款方式</dt><dd>{escape(payment['funding'])}</dd>"
        f"<dt>支付时间</dt><dd>{escape(rfc3339(payment['paid_at'])[:19].replace('T', ' '))}</dd>"
        f"<dt>交易单号</dt><dd>{escape(payment['transaction_id'])}</dd>{refunded}</dl>"
    )


def _form(code: str, back: str) -> str:
    return (
        f'<form method="post" action="/phone/{escape(code)}">{tills.fundings(FUNDINGS)}'
        f'<input type="hidden" name="redirect_url" value="{escape(back)}">'
        '<button type="submit">确认支付</button></form>'
    )


def page(
    title: str, body: str, status: int = 200, tone: str = "", *, back: str = "", leave: str = "返回商家"
) -> Answer:
    """One page of the phone; `back` is the shop's address that the buyer came from, `leave` what the way there says."""
    if not is_address(back):
        return TILL.page(title, body, status, tone)
    return TILL.page(title, body + tills.way_back(back, leave), status, tone, leads_to=back)
