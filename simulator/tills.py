"""收银台: how the pages look on which a buyer pays, whichever channel plays the till."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from simulator.wire import Answer

MERCHANT = "卡盟商城（模拟商户）"


@dataclass(frozen=True)
class Till:
    """One channel's till: its name, where its stylesheet stands, and its colors (on dark: ``brand``; text: ``ink``)."""

    name: str
    stylesheet: str
    brand: str
    ink: str
    button: str

    def css(self) -> Answer:
        """The stylesheet."""
        text = CSS.replace("BRAND", self.brand).replace("INK", self.ink).replace("BUTTON", self.button)
        return Answer(200, text.encode(), {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "max-age=300"})

    def page(self, title: str, body: str, status: int = 200, tone: str = "", leads_to: str | None = None) -> Answer:
        """One page; ``leads_to`` is the shop's address that its form may lead to."""
        html = (
            '<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<title>{title} · {self.name}（模拟）</title><link rel="stylesheet" href="{self.stylesheet}"></head>'
            f'<body><main class="{tone}"><h1>{title}</h1>{body}</main>'
            f"<footer>模拟的{self.name}，不会动用真实资金</footer></body></html>"
        )
        headers = {
            "Content-Type": "text/html; charset=utf-8",
            "Cache-Control": "no-store",
            # The form's answer leads to the shop, which browsers count as a target of the form.
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'"
            + _origin(leads_to),
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return Answer(status, html.encode(), headers)


def facts(amount_fen: int, subject: str, number: str) -> str:
    """Who is paid how much for what."""
    return (
        f'<p class="who">{MERCHANT}</p><p class="amount">{yuan(amount_fen)}</p>'
        f"<dl><dt>商品</dt><dd>{escape(subject)}</dd>"
        f"<dt>商户单号</dt><dd>{escape(number)}</dd></dl>"
    )


def fundings(names: Iterable[str]) -> str:
    """What the buyer can pay from, the first one chosen."""
    choices = "".join(
        f'<label><input type="radio" name="funding" value="{escape(name)}"{" checked" if index == 0 else ""}>'
        f"{escape(name)}</label>"
        for index, name in enumerate(names)
    )
    return f"<fieldset><legend>付款方式</legend>{choices}</fieldset>"


def way_back(address: str, words: str) -> str:
    return f'<p class="back"><a href="{escape(address)}">{words}</a></p>'


def yuan(fen: int) -> str:
    return f"¥{fen // 100}.{fen % 100:02d}"


def _origin(address: str | None) -> str:
    parts = urlsplit(address or "")
    return f" {parts.scheme}://{parts.netloc}" if re.fullmatch(r"[\w.:\[\]-]+", parts.netloc) else ""


CSS = """
* { box-sizing: border-box; }
body { margin: 0; background: #ededed; color: #191919; line-height: 1.6;
  font-family: -apple-system, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
main { max-width: 26rem; margin: 0 auto; padding: 1.5rem 1.25rem 2rem; background: #fff; min-height: 70vh; }
h1 { font-size: 1.0625rem; font-weight: 600; text-align: center; margin: 0 0 1.5rem; }
main.good h1 { color: INK; }
main.good h1::before { content: "✓"; display: block; width: 3.5rem; height: 3.5rem; line-height: 3.5rem;
  margin: 0 auto .75rem; border-radius: 50%; background: BRAND; color: #fff; font-size: 1.75rem; }
.who { text-align: center; margin: 0; color: #5c5c5c; }
.amount { text-align: center; font-size: 2.5rem; font-weight: 600; margin: 0 0 1rem; }
dl { display: grid; grid-template-columns: auto 1fr; gap: .5rem 1rem; margin: 0; padding: .75rem 0;
  border-top: 1px solid #e5e5e5; }
dt { color: #5c5c5c; } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
fieldset { border: 0; border-top: 1px solid #e5e5e5; margin: 0 0 1.5rem; padding: .75rem 0; }
legend { color: #5c5c5c; padding: 0; float: left; width: 100%; }
label { display: flex; gap: .75rem; align-items: center; clear: both; min-height: 2.75rem; }
input { width: 1.25rem; height: 1.25rem; accent-color: BRAND; }
button { display: block; width: 100%; min-height: 3rem; border: 0; border-radius: .5rem; font: inherit;
  font-weight: 600; color: #fff; background: BUTTON; }
button:focus-visible, a:focus-visible, input:focus-visible { outline: 3px solid #191919; outline-offset: 2px; }
ul { list-style: none; margin: 0; padding: 0; }
li a { display: flex; justify-content: space-between; gap: 1rem; padding: .75rem 0; color: inherit;
  border-bottom: 1px solid #e5e5e5; }
.back { text-align: center; } .back a { color: INK; display: inline-block; padding: .75rem; }
footer { text-align: center; color: #5c5c5c; font-size: .8125rem; padding: 1rem; }
"""
