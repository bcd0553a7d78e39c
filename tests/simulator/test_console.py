"""The console: both channels' books on plain pages, and buttons that only a page of our own may push."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest

PAGES = [
    "/",
    "/console/payments",
    "/console/refunds",
    "/console/notifications",
    "/console/complaints",
    "/console/faults",
]


def look(gateway: Any, path: str, *, expect: int = 200) -> str:
    status, headers, body = gateway.http("GET", path)
    assert (status, headers["Content-Type"]) == (expect, "text/html; charset=utf-8")
    return body.decode()


def press(gateway: Any, act: str, *, expect: int = 303, headers: dict[str, str] | None = None, **fields: str) -> str:
    """What a browser sends when a form of ours is submitted: the Location, or the page that says why not."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{gateway.port}"}
    body = urlencode(fields).encode()
    status, answered, page = gateway.http("POST", f"/console/{act}", body, sent if headers is None else headers)
    assert status == expect, page.decode()
    return answered["Location"] or page.decode()


def press_the_button(gateway: Any, page: str, act: str, **values: str) -> str:
    """The first form of this act on a page, with the values that stand in it."""
    forms = re.findall(rf'<form[^>]*action="/console/{act}">(.*?)</form>', page)
    assert forms, f"no form {act}"
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', forms[0]))
    return press(gateway, act, **{name: unescape(value) for name, value in hidden.items()} | values)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_stands_alone(gateway: Any, path: str) -> None:
    status, headers, body = gateway.http("GET", path)
    page = body.decode()
    assert status == 200
    assert not re.search(r"<script|<style| style=| on[a-z]+=", page)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'; form-action 'self'")
    assert all(
        address.startswith("/") for address in re.findall(r'(?:src|href|action)="([^"]+)"', page) if address != "#main"
    )
    assert gateway.http("GET", "/console.css")[0] == 200
    assert gateway.http("HEAD", path)[2] == b""


def test_a_payment_lives_by_buttons_alone(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway(speed=1)
    number = gateway.order(deaf_url)
    assert number in look(gateway, "/")
    path = f"/console/payments/wechat/{number}"
    there = press_the_button(gateway, look(gateway, path), "pay", funding="招商银行借记卡0403")
    assert there == f"{path}?done=pay"
    assert "已付款" in look(gateway, there)
    assert gateway.query(number)["bank_type"] == "CMB_DEBIT"

    assert gateway.refund(number, f"{number}R1", 300)[0] == 200
    page = look(gateway, "/console/refunds")
    assert page.count('action="/console/settle"') == 4
    press(gateway, "settle", request_no=f"{number}R1", status="ABNORMAL", back="/console/refunds")
    assert gateway.query_refund(f"{number}R1")["status"] == "ABNORMAL"
    press_the_button(gateway, look(gateway, path), "settle")
    assert gateway.query_refund(f"{number}R1")["status"] == "SUCCESS"

    press_the_button(gateway, look(gateway, path), "console_refund", yuan="1.5")
    assert gateway.in_ledger("payments", number)["refunded_fen"] == 450
    assert "手工退款" in look(gateway, path)
    press_the_button(gateway, look(gateway, path), "complain", text="不能用<b>", problem_type="REFUND", yuan="2")
    page = look(gateway, "/console/complaints")
    assert "不能用&lt;b&gt;" in page
    assert "¥2.00" in page
    press_the_button(gateway, page, "complaint_reply", text="还是不能用")


def test_both_channels_stand_in_the_lists(start_gateway: Any) -> None:
    gateway = start_gateway()
    at = "2026-01-01T09:00:00+08:00"
    for channel, number in (("wechat", "WXHIST0001"), ("alipay", "ALIHIST0001")):
        payment = {"out_trade_no": number, "amount_fen": 1234, "description": "点卡", "paid_at": at}
        refund = {
            "out_refund_no": f"{number}R",
            "out_trade_no": number,
            "amount_fen": 34,
            "status": "SUCCESS",
            "created_at": at,
        }
        gateway.control("history", {"channel": channel, "payments": [payment], "refunds": [refund]})
    for page in ("/console/payments", "/console/refunds", "/"):
        seen = look(gateway, page)
        assert "WXHIST0001" in seen
        assert "ALIHIST0001" in seen
    assert "支付宝" in look(gateway, "/console/payments/alipay/ALIHIST0001")
    look(gateway, "/console/payments/wechat/ALIHIST0001", expect=404)


def test_a_number_finds_what_belongs_to_it(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway()
    number, other = gateway.paid_order(deaf_url), gateway.paid_order(deaf_url)
    gateway.refund(number, f"{number}R1", 300)
    seen = look(gateway, f"/?q={number}")
    assert f"{number}R1" in seen
    assert other not in seen
    assert number in look(gateway, f"/?q={gateway.query(number)['transaction_id']}")
    assert number not in look(gateway, "/?q=%25")
    for query in ("/?q=%27%22%3Cb%3E", "/?q=%00", "/?q=%FF", "/?q=" + "x" * 9000, "/?page=x", "/?page=99999999"):
        assert "<b>'" not in look(gateway, query)


def test_lists_have_pages_and_the_newest_stands_first(start_gateway: Any) -> None:
    gateway = start_gateway()
    payments = [
        {
            "out_trade_no": f"PAGED{day:04d}",
            "amount_fen": 100,
            "description": "x",
            "paid_at": f"2026-01-{day:02d}T09:00:00+08:00",
        }
        for day in range(1, 29)
    ]
    gateway.control("history", {"payments": payments})
    first, second = (
        re.findall(r"(?<=>)PAGED\d{4}", look(gateway, f"/console/payments?page={page}")) for page in (1, 2)
    )
    assert first == [f"PAGED{day:04d}" for day in range(28, 8, -1)]
    assert second == [f"PAGED{day:04d}" for day in range(8, 0, -1)]
    assert "page=2" in look(gateway, "/console/payments")
    assert "没有" in look(gateway, "/console/payments?q=NOTHERE")
    assert len(re.findall(r"(?<=>)PAGED\d{4}", look(gateway, "/"))) == 5


def test_faults_clock_and_funds_are_set(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway()
    press(gateway, "faults", fault="answer_lost", percent="5", channel="wechat", back="/console/faults")
    press(gateway, "faults", fault="http_429", request_no="X1", times="3", back="/console/faults")
    assert [(row["fault"], row["rate"], row["times"]) for row in gateway.ledger()["faults"]] == [
        ("answer_lost", 0.05, None), ("http_429", None, 3),
    ]  # fmt: skip
    press_the_button(gateway, look(gateway, "/console/faults"), "fault_off")
    assert [row["fault"] for row in gateway.ledger()["faults"]] == ["answer_lost"]
    press(gateway, "seed", seed="7", back="/console/faults")
    press_the_button(gateway, look(gateway, "/console/faults"), "faults_off")
    assert gateway.ledger()["faults"] == []

    before = gateway.ledger()["now"]
    press(gateway, "clock", advance="2", unit="days", back="/")
    assert gateway.ledger()["now"][:10] > before[:10]
    press(gateway, "funds", channel="wechat", yuan="0.99", back="/")
    assert "¥0.99" in look(gateway, "/")
    assert gateway.refund(gateway.paid_order(deaf_url), "FUNDS1", 100)[0] == 403
    press(gateway, "funds", channel="wechat", yuan="", back="/")
    assert gateway.refund(gateway.paid_order(deaf_url), "FUNDS2", 100)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "cross-site"},
    ],
)  # fmt: skip
def test_a_stranger_pushes_no_button(gateway: Any, deaf_url: str, headers: dict[str, str]) -> None:
    number = gateway.order(deaf_url)
    sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
    press(gateway, "pay", expect=403, headers=sent, out_trade_no=number, back="/")
    if "Sec-Fetch-Site" in headers:
        origin = {"Origin": f"http://127.0.0.1:{gateway.port}"}
        press(gateway, "pay", expect=403, headers=sent | origin, out_trade_no=number, back="/")
    if headers:
        body = json.dumps({"out_trade_no": number}).encode()
        assert gateway.http("POST", "/_control/pay", body, headers)[0] == 403
    assert gateway.query(number)["trade_state"] == "NOTPAY"


def test_what_cannot_be_done_says_why(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    assert "cannot be paid" in press(gateway, "pay", expect=409, out_trade_no=number, back="/")
    assert "两位小数" in press(gateway, "console_refund", expect=409, out_trade_no=number, yuan="1.234", back="/")
    press(gateway, "console_refund", expect=409, out_trade_no=number, yuan="999999", back="/")
    press(gateway, "clock", expect=409, advance="x", back="/")
    press(gateway, "faults", expect=409, fault="nothing", percent="5", back="/")
    press(gateway, "nothing", expect=404, back="/")
    look(gateway, "/console/nothing", expect=404)
    look(gateway, "/console/payments/wechat/NOTHERE", expect=404)


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/phone/", "/console/x\r\nSet-Cookie: a", "/\\evil"]
)
def test_a_button_leads_back_to_the_console_only(gateway: Any, back: str) -> None:
    press(gateway, "clock", expect=404, advance="0", back=back)


def test_what_others_wrote_is_only_text(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway()
    bad = '"><script>alert(1)</script>'
    number = f"{gateway.new_number()}*|-_"
    answer = gateway.client.pay(bad, number, {"total": 100}, notify_url=deaf_url)
    assert answer[0] == 200
    gateway.control("pay", {"out_trade_no": number})
    gateway.control("complain", {"out_trade_no": number, "text": bad})
    path = f"/console/payments/wechat/{number}"
    for page in (*PAGES, path):
        assert "<script" not in look(gateway, page)
    assert "&lt;script&gt;" in look(gateway, path)
    assert press_the_button(gateway, look(gateway, path), "console_refund", yuan="0.5").startswith("/console/payments/")
