"""Parts of the console's pages: words in two languages, money, times, states, rows, forms."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from html import escape

from simulator.store import BEIJING, rfc3339
from simulator.wechat.books import NEXT_STATUSES

CHANNELS = {"wechat": ("微信支付", "WeChat Pay"), "alipay": ("支付宝", "Alipay")}
STATES = {  # -> (Chinese, English, tone)
    "NOTPAY": ("待付款", "unpaid", "wait"),
    "CLOSED": ("已关闭", "closed", "idle"),
    "SUCCESS": ("成功", "success", "good"),
    "PROCESSING": ("处理中", "processing", "wait"),
    "ABNORMAL": ("异常", "abnormal", "bad"),
    "PENDING": ("待处理", "pending", "wait"),
    "PROCESSED": ("已处理", "processed", "good"),
    "waiting": ("待送达", "to be sent", "wait"),
    "received": ("已送达", "received", "good"),
    "lost": ("已丢失", "lost", "bad"),
    "given_up": ("已放弃", "given up", "bad"),
}
SETTLE_WORDS = {
    "SUCCESS": ("到账", "Succeed", "main"),
    "ABNORMAL": ("异常", "Abnormal", "danger"),
    "CLOSED": ("关闭", "Close", "danger"),
    "PROCESSING": ("停住", "Hold", ""),
}


def two(chinese: str, english: str) -> str:
    """Chinese, and English beside it; both are ours and need no escaping."""
    return f'{chinese} <small lang="en">{english}</small>'


def yuan(fen: int) -> str:
    return f"¥{fen // 100:,}.{fen % 100:02d}"


def moment(at: float | None) -> str:
    if at is None:
        return ""
    return f'<time datetime="{rfc3339(at)}">{datetime.fromtimestamp(at, BEIJING):%m-%d %H:%M:%S}</time>'


def state(name: str) -> str:
    chinese, english, tone = STATES.get(name, (escape(name), "", "idle"))
    return f'<span class="state {tone}">{two(chinese, english)}</span>'


def button(act: str, fields: dict[str, str], words: tuple[str, str], *, back: str, tone: str = "") -> str:
    """A form that is one button."""
    hidden = "".join(_hidden(name, value) for name, value in (fields | {"back": back}).items())
    return f'<form method="post" action="/console/{act}">{hidden}<button class="{tone}">{two(*words)}</button></form>'


def form(act: str, fields: dict[str, str], inner: str, words: tuple[str, str], *, back: str, tone: str = "main") -> str:
    """A form with fields of its own."""
    hidden = "".join(_hidden(name, value) for name, value in (fields | {"back": back}).items())
    return (
        f'<form class="fields" method="post" action="/console/{act}">{hidden}{inner}'
        f'<button class="{tone}">{two(*words)}</button></form>'
    )


def field(name: str, words: tuple[str, str], *, value: str = "", more: str = "") -> str:
    return f'<label><span>{two(*words)}</span><input name="{name}" value="{escape(value)}" {more}></label>'


def choice(name: str, words: tuple[str, str], options: Iterable[tuple[str, str]]) -> str:
    inner = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in options)
    return f'<label><span>{two(*words)}</span><select name="{name}">{inner}</select></label>'


def rows(items: Iterable[str], nothing: tuple[str, str]) -> str:
    """A list of rows, or a sentence that says what to do."""
    inner = "".join(f"<li>{item}</li>" for item in items)
    return f'<ul class="rows">{inner}</ul>' if inner else f'<p class="empty">{two(*nothing)}</p>'


def payment_row(row: sqlite3.Row, back: str) -> str:
    pay = {"out_trade_no": row["out_trade_no"], "channel": row["channel"]}
    acts = button("pay", pay, ("付款", "Pay"), back=back, tone="main") if row["state"] == "NOTPAY" else ""
    refunded = f" · 已退 {yuan(row['refunded_fen'])}" if row["refunded_fen"] else ""
    return (
        f'<div class="what"><a href="{payment_path(row)}">{escape(row["out_trade_no"])}</a></div>'
        f'<div class="money">{yuan(row["amount_fen"])}</div>'
        f'<p class="facts">{state(row["state"])} · {CHANNELS[row["channel"]][0]} {escape(row["kind"])} ·'
        f" {escape(row['description'])} · {moment(row['at'])}{refunded}</p>" + _acts(acts)
    )


def refund_row(row: sqlite3.Row, back: str) -> str:
    number = {"request_no": row["out_refund_no"], "channel": row["channel"]}
    acts = "".join(
        button("settle", number | {"status": status}, SETTLE_WORDS[status][:2], back=back, tone=SETTLE_WORDS[status][2])
        for status in _next_statuses(row)
    )
    hand = f" · {two('手工退款', 'by hand')}" if row["source"] == "console" else ""
    due = f" · {two('预计', 'due')} {moment(row['settles_at'])}" if row["settles_at"] is not None else ""
    bank = {"P": ("银行处理中", "bank: pending"), "F": ("银行退回", "bank: failed"), "S": ("银行已入账", "bank: done")}
    dback = f" · {two(*bank[row['dback']])}" if row["dback"] else ""
    return (
        f'<div class="what"><b>{escape(row["out_refund_no"])}</b></div>'
        f'<div class="money">{yuan(row["amount_fen"])}</div>'
        f'<p class="facts">{state(row["status"])} · {CHANNELS[row["channel"]][0]} ·'
        f' <a href="{payment_path(row)}">{escape(row["out_trade_no"])}</a> · {moment(row["at"])}{due}{dback}{hand}</p>'
        + _acts(acts)
    )


def notification_row(row: sqlite3.Row, back: str) -> str:
    answer = f" · {escape(row['last_answer'])}" if row["last_answer"] else ""
    tries = two(f"送过 {row['tries']} 次", "tries")
    due = f" · {two('下次', 'next')} {moment(row['due_at'])}" if row["state"] == "waiting" else ""
    return (
        f'<div class="what"><b>{escape(row["event_type"])}</b></div>'
        f'<p class="facts">{state(row["state"])} · {escape(row["number"])} · {tries}{answer}{due}'
        f"<br>{escape(row['url'])}</p>"
    )


def complaint_row(row: sqlite3.Row, back: str) -> str:
    act = "continue" if row["state"] == "PROCESSED" else "reply"
    words = ("再次投诉", "Complain again") if act == "continue" else ("买家留言", "Buyer replies")
    reply = form(
        "complaint_reply",
        {"complaint_id": row["complaint_id"], "action": act},
        field("text", ("买家说", "The buyer says"), more='required maxlength="500"'),
        words,
        back=back,
        tone="",
    )
    wanted = f" · {two('要求退', 'wants')} {yuan(row['apply_fen'])}" if row["apply_fen"] is not None else ""
    return (
        f'<div class="what"><b>{escape(row["complaint_id"])}</b></div>'
        f'<p class="facts">{state(row["state"])} · <a href="/console/payments/wechat/{escape(row["out_trade_no"])}">'
        f"{escape(row['out_trade_no'])}</a> · {escape(row['problem_type'])}{wanted} · {moment(row['created_at'])}"
        f"<br>{escape(row['detail'])}</p>" + _acts(reply)
    )


ROWS = {
    "payments": payment_row,
    "refunds": refund_row,
    "notifications": notification_row,
    "complaints": complaint_row,
}


def payment_path(row: sqlite3.Row) -> str:
    return f"/console/payments/{row['channel']}/{escape(row['out_trade_no'])}"


def _next_statuses(row: sqlite3.Row) -> list[str]:
    if row["channel"] == "wechat":
        held = row["status"] == "PROCESSING" and row["settles_at"] is None
        return [name for name in NEXT_STATUSES[row["status"]] if name != row["status"]] + (
            ["PROCESSING"] if row["status"] == "PROCESSING" and not held else []
        )
    if row["status"] == "PROCESSING":
        return ["SUCCESS", "CLOSED"]
    return ["SUCCESS", "ABNORMAL"] if row["dback"] == "P" else []


def _acts(inner: str) -> str:
    return f'<div class="acts">{inner}</div>' if inner else ""


def _hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{name}" value="{escape(value)}">'
