"""The console's pages: an overview, lists, one payment with all that can be done to it, and the faults."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlencode

from simulator import console_books, faults
from simulator.alipay.fundings import FUNDINGS as ALIPAY_FUNDINGS
from simulator.console_parts import (
    CHANNELS,
    ROWS,
    STATES,
    button,
    choice,
    field,
    form,
    moment,
    notification_row,
    rows,
    state,
    two,
    yuan,
)
from simulator.store import rfc3339
from simulator.wechat.complaint_book import PROBLEMS
from simulator.wechat.objects import FUNDINGS
from simulator.world import World

TABS = {
    "/": ("总览", "Overview"),
    "/console/payments": ("支付", "Payments"),
    "/console/refunds": ("退款", "Refunds"),
    "/console/notifications": ("通知", "Notifications"),
    "/console/complaints": ("投诉", "Complaints"),
    "/console/faults": ("故障", "Faults"),
}
EMPTY = {
    "payments": ("还没有订单：用商户的密钥下单。", "No orders yet: place one with the merchant's keys."),
    "refunds": (
        "还没有退款：商户申请，或在订单页手工退款。",
        "No refunds yet: the merchant asks, or you refund by hand.",
    ),
    "notifications": ("还没有通知：付款和退款到账后会有。", "No notifications yet: they follow payments and refunds."),
    "complaints": ("还没有投诉：在已付款的订单页可以投诉。", "No complaints yet: a paid order's page has the form."),
}
NOT_FOUND = ("没有以此开头的单号。", "No number begins like this.")
DONE = {
    "pay": ("已付款", "paid"),
    "settle": ("退款状态已改", "the refund has moved on"),
    "console_refund": ("已手工退款", "refunded by hand"),
    "complain": ("已投诉", "complained"),
    "complaint_reply": ("买家已留言", "the buyer has written"),
    "funds": ("余额已改", "the funds are set"),
    "clock": ("时间已前进", "time has moved on"),
    "faults": ("故障已打开", "the fault is on"),
    "seed": ("随机种子已定", "the seed is set"),
    "fault_off": ("故障已关闭", "the fault is off"),
    "faults_off": ("故障已全部关闭", "all faults are off"),
}
STEPS = ((60, "+1 分钟", "minute"), (3600, "+1 小时", "hour"), (86400, "+1 天", "day"), (7 * 86400, "+7 天", "week"))
NEWEST = 5


@dataclass(frozen=True)
class Look:
    """Who looks at what: the page's own address, the page of a list, the number searched for, what was just done."""

    world: World
    here: str
    page: int
    search: str
    done: str


def overview(look: Look) -> str:
    """Channels and funds, the clock, and the newest of everything; or all that a number belongs to."""
    if look.search:
        return whole(look, ("查找", "Search"), "".join(_section(look, name) for name in console_books.LISTS))
    cards = "".join(_channel_card(look, channel) for channel in console_books.channels(look.world))
    newest = "".join(_section(look, name) for name in console_books.LISTS)
    return whole(look, TABS["/"], f'<ul class="cards">{cards}{_clock_card(look)}</ul>{newest}')


def list_page(look: Look, name: str) -> str:
    """One list, a page at a time."""
    found = console_books.page_of(look.world, name, number=look.page, search=look.search)
    words = TABS[f"/console/{name}"]
    inner = rows((ROWS[name](row, look.here) for row in found.rows), NOT_FOUND if look.search else EMPTY[name])
    if name == "complaints":
        url = console_books.complaint_url(look.world)
        told = escape(url) if url else two("商户还没有登记通知地址", "the merchant has named no address")
        inner = f'<p class="facts">{two("通知地址", "told at")}: {told}</p>{inner}'
    return whole(look, words, f"<h2>{two(*words)}</h2>{inner}{_pager(look, name, found)}")


def payment_page(look: Look, row: sqlite3.Row) -> str:
    """One payment: what is known, its refunds, complaints and notifications, and what can be done next."""
    channel, number = row["channel"], row["out_trade_no"]
    refunds = console_books.of_payment(look.world, "refunds", channel, number)
    complaints = console_books.of_payment(look.world, "complaints", channel, number) if channel == "wechat" else []
    told = console_books.told_about(
        look.world, [number, *(one["out_refund_no"] for one in refunds), *(one["complaint_id"] for one in complaints)]
    )
    parts = [
        f"<h2>{escape(number)}</h2>",
        f'<div class="cards"><div class="card">{_facts(row)}</div>{_forms(look, row)}</div>',
    ]
    parts += [_heading("退款", "Refunds"), rows((ROWS["refunds"](one, look.here) for one in refunds), EMPTY["refunds"])]
    if complaints:
        parts += [
            _heading("投诉", "Complaints"),
            rows((ROWS["complaints"](one, look.here) for one in complaints), NOT_FOUND),
        ]
    parts += [
        _heading("通知", "Notifications"),
        rows((notification_row(one, look.here) for one in told), EMPTY["notifications"]),
    ]
    return whole(look, ("订单", "Payment"), "".join(parts))


def faults_page(look: Look) -> str:
    """What goes wrong: switched on by number or by share, switched off one by one or all at once."""
    ordered = console_books.ordered_faults(look.world)
    names = [(name, f"{name} · {text}") for name, text in faults.FAULTS.items()]
    channels = [("", "两个渠道 / both"), *((name, words[0]) for name, words in CHANNELS.items())]
    new = form(
        "faults",
        {},
        choice("fault", ("故障", "Fault"), names)
        + choice("channel", ("渠道", "Channel"), channels)
        + '<div class="pair">'
        + field("percent", ("比例 %", "Share %"), more='inputmode="decimal"')
        + field("request_no", ("或某个单号", "or a number"), more='maxlength="64"')
        + "</div>"
        + field("times", ("次数，空为默认", "times, empty for the default"), more='inputmode="numeric"'),
        ("打开", "Switch on"),
        back=look.here,
    )
    seed = form(
        "seed",
        {},
        field(
            "seed",
            ("随机种子：同一种子，同样的命运", "the same seed, the same luck"),
            more='inputmode="numeric" required',
        ),
        ("设定", "Set"),
        back=look.here,
        tone="",
    )
    off = button("faults_off", {}, ("全部关闭", "All off"), back=look.here, tone="danger") if ordered else ""
    nothing = ("一切正常，没有打开的故障。", "All is well: no fault is on.")
    return whole(
        look,
        TABS["/console/faults"],
        f"<h2>{two('已打开', 'Switched on')}</h2>"
        + rows((_fault_row(row, look.here) for row in ordered), nothing)
        + f'<div class="acts">{off}</div><h2>{two("打开一个", "Switch one on")}</h2>'
        + f'<div class="cards"><div class="card">{new}</div><div class="card">{seed}</div></div>',
    )


def whole(look: Look, title: tuple[str, str], inner: str) -> str:
    """The page around it."""
    tabs = "".join(f'<li><a href="{path}"{_current(look, path)}>{two(*words)}</a></li>' for path, words in TABS.items())
    said = DONE.get(look.done)
    done = f'<p class="said" role="status">✓ {two(*said)}</p>' if said else ""
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title[0]} · 支付渠道模拟器</title>"
        '<link rel="stylesheet" href="/console.css"></head><body><a class="skip" href="#main">跳到内容</a>'
        '<header><div><div class="top">'
        f'<h1><a href="/">{two("支付渠道模拟器", "Payment channel simulator")}</a></h1>'
        '<form action="/" role="search"><input type="search" name="q" maxlength="64"'
        f' aria-label="按单号查找 / find a number" placeholder="单号 / number" value="{escape(look.search)}">'
        f"<button>{two('查找', 'Find')}</button></form></div>"
        f'<nav class="tabs" aria-label="页面"><ul>{tabs}</ul></nav></div></header>'
        f'<main id="main">{done}{inner}</main>'
        f"<footer>{two('模拟的渠道，不会动用真实资金。', 'Nothing here is real money.')}"
        f' <a href="/phone/">{two("买家手机", "Buyer phone")}</a></footer></body></html>'
    )


# --- parts of the pages ----------------------------------------------------------------------------------------------


def _section(look: Look, name: str) -> str:
    """The newest of a list, or what a search finds in it."""
    size = console_books.PAGE_ROWS if look.search else NEWEST
    found = console_books.page_of(look.world, name, search=look.search, size=size)
    inner = rows((ROWS[name](row, look.here) for row in found.rows), NOT_FOUND if look.search else EMPTY[name])
    chinese, english = TABS[f"/console/{name}"]
    path = f"/console/{name}" + (f"?{urlencode({'q': look.search})}" if look.search else "")
    more = (
        f'<a class="more" href="{escape(path)}">{two(f"全部{chinese}", f"All {english.lower()}")}</a>'
        if found.more
        else ""
    )
    return _heading(*TABS[f"/console/{name}"]) + inner + more


def _channel_card(look: Look, channel: dict[str, Any]) -> str:
    words = CHANNELS[channel["channel"]]
    funds_fen = channel["funds_fen"]
    counts = " ".join(f"{state(name)} {count}" for name, count in channel["refunds"].items()) or "0"
    facts = (
        ("已收", "paid", f"{yuan(channel['paid_fen'])} · {channel['payments']}"),
        ("已退", "refunded", yuan(channel["refunded_fen"])),
        ("退款", "refunds", counts),
        ("可退余额", "funds", "无限 / endless" if funds_fen is None else yuan(funds_fen)),
    )
    inner = "".join(f"<dt>{two(chinese, english)}</dt><dd>{value}</dd>" for chinese, english, value in facts)
    value = "" if funds_fen is None else f"{funds_fen // 100}.{funds_fen % 100:02d}"
    set_funds = form(
        "funds",
        {"channel": channel["channel"]},
        field(
            "yuan", ("余额（元），空为无限", "funds in yuan, empty: endless"), value=value, more='inputmode="decimal"'
        ),
        ("设定余额", "Set"),
        back=look.here,
        tone="",
    )
    return f'<li class="card"><h2>{two(*words)}</h2><dl>{inner}</dl>{set_funds}</li>'


def _clock_card(look: Look) -> str:
    steps = "".join(
        button("clock", {"advance": str(seconds)}, (chinese, english), back=look.here)
        for seconds, chinese, english in STEPS
    )
    further = form(
        "clock",
        {},
        '<div class="pair">'
        + field("advance", ("前进", "advance"), more='inputmode="decimal" required')
        + choice("unit", ("单位", "unit"), (("minutes", "分钟 / min"), ("hours", "小时 / h"), ("days", "天 / d")))
        + "</div>",
        ("前进", "Advance"),
        back=look.here,
        tone="",
    )
    now = rfc3339(look.world.store.now())[:19].replace("T", " ")
    return (
        f'<li class="card"><h2>{two("时钟", "Clock")}</h2><dl><dt>{two("现在", "now")}</dt><dd><time>{now}</time></dd>'
        f"<dt>{two('倍速', 'speed')}</dt><dd>{look.world.speed:g}</dd></dl>"
        f'<div class="acts">{steps}</div>{further}</li>'
    )


def _facts(row: sqlite3.Row) -> str:
    facts = (
        ("渠道", "channel", f"{CHANNELS[row['channel']][0]} {escape(row['kind'])}"),
        ("状态", "state", state(row["state"])),
        ("金额", "amount", yuan(row["amount_fen"])),
        ("已退", "refunded", yuan(row["refunded_fen"])),
        ("商品", "goods", escape(row["description"])),
        ("渠道单号", "transaction", escape(row["transaction_id"]) or "–"),
        ("付款方式", "paid from", escape(row["funding"]) or "–"),
        ("下单", "ordered", moment(row["at"])),
        ("付款", "paid", moment(row["paid_at"]) or "–"),
    )
    return "<dl>" + "".join(f"<dt>{two(one, other)}</dt><dd>{value}</dd>" for one, other, value in facts) + "</dl>"


def _forms(look: Look, row: sqlite3.Row) -> str:
    number = {"out_trade_no": row["out_trade_no"]}
    result = ""
    if row["state"] == "NOTPAY":
        fundings = FUNDINGS if row["channel"] == "wechat" else ALIPAY_FUNDINGS
        inner = choice("funding", ("付款方式", "Paid from"), ((name, name) for name in fundings))
        result += _card(form("pay", number | {"channel": row["channel"]}, inner, ("付款", "Pay"), back=look.here))
    if row["state"] == "SUCCESS":
        left = row["amount_fen"] - row["refunded_fen"]
        if left:
            value = f"{left // 100}.{left % 100:02d}"
            inner = field(
                "yuan", ("退款金额（元）", "Refund in yuan"), value=value, more='inputmode="decimal" required'
            )
            words = ("商户后台退款", "Refund by hand")
            result += _card(
                form(
                    "console_refund", number | {"channel": row["channel"]}, inner, words, back=look.here, tone="danger"
                )
            )
        if row["channel"] == "wechat":
            inner = (
                choice("problem_type", ("问题", "Problem"), ((name, name) for name in PROBLEMS))
                + field("text", ("买家说", "The buyer says"), value="卡密无法使用", more='required maxlength="500"')
                + field("yuan", ("要求退款（元），空为全部", "wants back, empty: all"), more='inputmode="decimal"')
            )
            result += _card(form("complain", number, inner, ("投诉", "Complain"), back=look.here, tone=""))
    return result


def _fault_row(row: sqlite3.Row, back: str) -> str:
    share = f"{row['rate']:.2%}" if row["rate"] is not None else escape(row["request_no"])
    times = two("直到关闭", "until switched off") if row["times"] is None else two(f"还有 {row['times']} 次", "left")
    channel = CHANNELS[row["channel"]][0] if row["channel"] in CHANNELS else two("两个渠道", "both")
    off = button("fault_off", {"id": str(row["id"])}, ("关闭", "Switch off"), back=back)
    return (
        f'<div class="what"><b>{escape(row["fault"])}</b></div><div class="money">{share}</div>'
        f'<p class="facts">{escape(faults.FAULTS.get(row["fault"], ""))} · {channel} · {times}</p>'
        f'<div class="acts">{off}</div>'
    )


def _pager(look: Look, name: str, found: console_books.Page) -> str:
    def link(number: int, words: tuple[str, str]) -> str:
        query = {"page": str(number)} | ({"q": look.search} if look.search else {})
        return f'<a href="/console/{name}?{escape(urlencode(query))}">{two(*words)}</a>'

    newer = link(found.number - 1, ("← 较新", "newer")) if found.number > 1 else "<span></span>"
    older = link(found.number + 1, ("较早 →", "older")) if found.more else "<span></span>"
    return f'<nav class="pages" aria-label="翻页">{newer}{older}</nav>' if found.number > 1 or found.more else ""


def _card(inner: str) -> str:
    return f'<div class="card">{inner}</div>'


def _heading(chinese: str, english: str) -> str:
    return f"<h2>{two(chinese, english)}</h2>"


def _current(look: Look, path: str) -> str:
    here = look.here.partition("?")[0]
    return ' aria-current="page"' if here == path or (path != "/" and here.startswith(path)) else ""


assert set(STATES) >= {"NOTPAY", "SUCCESS", "CLOSED"}
