"""The buyer's phone (买家手机): what WeChat shows after the code is scanned, and the button that pays."""

from __future__ import annotations

import re
import sqlite3
from contextlib import suppress
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit

from simulator.store import rfc3339
from simulator.wechat.books import catch_up, expired, find_payment, pay
from simulator.wechat.objects import FUNDINGS
from simulator.wire import Answer, Request
from simulator.world import NotPossible, World

MERCHANT = "卡盟商城（模拟商户）"


def answer(world: World, request: Request) -> Answer:
    """/phone/ lists what can be paid; /phone/<code> is one payment, POST pays it."""
    if request.path == "/phone.css":
        return Answer(200, CSS.encode(), {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300"})
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
        f"<b>{_yuan(row['amount_fen'])}</b></a></li>"
        for row in rows
    )
    return page("待支付的订单", f"<ul>{items}</ul>" if items else "<p>现在没有待支付的订单。下单后请刷新本页。</p>")


def _facts(payment: sqlite3.Row) -> str:
    return (
        f'<p class="who">{MERCHANT}</p><p class="amount">{_yuan(payment["amount_fen"])}</p>'
        f"<dl><dt>商品</dt><dd>{escape(payment['description'])}</dd>"
        f"<dt>商户单号</dt><dd>{escape(payment['out_trade_no'])}</dd></dl>"
    )


def _paid(payment: sqlite3.Row) -> str:
    refunded = f"<dt>已退款</dt><dd>{_yuan(payment['refunded_fen'])}</dd>" if payment["refunded_fen"] else ""
    return _facts(payment) + (
        f"<dl><dt>付款方式</dt><dd>{escape(payment['funding'])}</dd>"
        f"<dt>支付时间</dt><dd>{escape(rfc3339(payment['paid_at'])[:19].replace('T', ' '))}</dd>"
        f"<dt>交易单号</dt><dd>{escape(payment['transaction_id'])}</dd>{refunded}</dl>"
    )


def _form(code: str, back: str) -> str:
    choices = "".join(
        f'<label><input type="radio" name="funding" value="{escape(name)}"{" checked" if index == 0 else ""}>'
        f"{escape(name)}</label>"
        for index, name in enumerate(FUNDINGS)
    )
    return (
        f'<form method="post" action="/phone/{escape(code)}"><fieldset><legend>付款方式</legend>{choices}</fieldset>'
        f'<input type="hidden" name="redirect_url" value="{escape(back)}">'
        '<button type="submit">确认支付</button></form>'
    )


def _yuan(fen: int) -> str:
    return f"¥{fen // 100}.{fen % 100:02d}"


def page(
    title: str, body: str, status: int = 200, tone: str = "", *, back: str = "", leave: str = "返回商家"
) -> Answer:
    """One page of the phone; `back` is the shop's address that the buyer came from, `leave` what the way there says."""
    origin = ""
    if is_address(back):
        origin = " {0.scheme}://{0.netloc}".format(urlsplit(back))
        body += f'<p class="back"><a href="{escape(back)}">{leave}</a></p>'
    html = (
        '<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title} · 微信支付（模拟）</title><link rel="stylesheet" href="/phone.css"></head>'
        f'<body><main class="{tone}"><h1>{title}</h1>{body}</main>'
        "<footer>模拟的微信支付，不会动用真实资金</footer></body></html>"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-store",
        # The form's answer leads to the shop, which browsers count as a target of the form.
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'" + origin,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return Answer(status, html.encode(), headers)


CSS = """
* { box-sizing: border-box; }
body { margin: 0; background: #ededed; color: #191919; line-height: 1.6;
  font-family: -apple-system, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
main { max-width: 26rem; margin: 0 auto; padding: 1.5rem 1.25rem 2rem; background: #fff; min-height: 70vh; }
h1 { font-size: 1.0625rem; font-weight: 600; text-align: center; margin: 0 0 1.5rem; }
main.good h1 { color: #06753d; }
main.good h1::before { content: "✓"; display: block; width: 3.5rem; height: 3.5rem; line-height: 3.5rem;
  margin: 0 auto .75rem; border-radius: 50%; background: #07c160; color: #fff; font-size: 1.75rem; }
.who { text-align: center; margin: 0; color: #5c5c5c; }
.amount { text-align: center; font-size: 2.5rem; font-weight: 600; margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .5rem 1rem; margin: 0; padding: .75rem 0;
  border-top: 1px solid #e5e5e5; }
dt { color: #5c5c5c; } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
fieldset { border: 0; border-top: 1px solid #e5e5e5; margin: 0 0 1.5rem; padding: .75rem 0; }
legend { color: #5c5c5c; padding: 0; float: left; width: 100%; }
label { display: flex; gap: .75rem; align-items: center; clear: both; min-height: 2.75rem; }
input { width: 1.25rem; height: 1.25rem; accent-color: #07c160; }
button { display: block; width: 100%; min-height: 3rem; border: 0; border-radius: .5rem; font: inherit;
  font-weight: 600; color: #fff; background: #067a3e; }
button:focus-visible, a:focus-visible, input:focus-visible { outline: 3px solid #191919; outline-offset: 2px; }
ul { list-style: none; margin: 0; padding: 0; }
.back { text-align: center; } .back a { display: inline-block; padding: .75rem; color: #5c5c5c; }
li a { display: flex; justify-content: space-between; gap: 1rem; padding: .75rem 0; color: inherit;
  border-bottom: 1px solid #e5e5e5; }
footer { text-align: center; color: #5c5c5c; font-size: .8125rem; padding: 1rem; }
"""
