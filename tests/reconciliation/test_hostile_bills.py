"""A bill that breaks off, bursts or lies elsewhere: an error that finance can read, nothing half kept (G22)."""

# ruff: noqa: F401, F811 - fixtures
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest

import clock
from payments import channels
from payments.gateways.alipay import bills as alipay_bills
from payments.gateways.base import BillKind
from payments.gateways.wechat import Call
from payments.gateways.wechat import bills as wechat_bills
from reconciliation import statements
from reconciliation.models import Discrepancy, Statement
from tests.gateways import test_alipay_bills as alipay_texts
from tests.gateways import test_wechat_bills as wechat_texts
from tests.gateways.alipay_channel import ok
from tests.gateways.conftest import alipay, alipay_credentials, scripted_alipay
from tests.gateways.wechat_channel import Reply, channel, credentials

pytestmark = pytest.mark.django_db
MOST = 200_000  # bytes, in place of gigabytes
LONG = 600  # lines: more than are committed at once
Offer = Callable[[str], None]


@pytest.fixture
def wechat_offers(channel: Any, credentials: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Offer:
    settings.WECHAT = {name: value for name, value in asdict(credentials).items() if name in settings.WECHAT}
    monkeypatch.setattr(wechat_bills, "MOST_BYTES", MOST)
    long = wechat_texts.large_bill(LONG)
    texts = {
        "good": wechat_texts.text_of(wechat_texts.TRADES),
        "bursts": b"0" * (MOST + 1),
        "breaks off": long.partition(wechat_texts.TRADE_TOTALS.encode())[0],
        "goes on after its end": long + wechat_texts.ticked(wechat_texts.PAID).encode(),
        "no bill at all": "系统繁忙".encode(),
    }

    def offer(what: str) -> None:
        wechat_texts.offer(channel, texts.get(what, texts["good"]))
        if what == "another than announced":
            channel.answers[Call.BILL] = Reply(200, wechat_texts.BILL_BODY)

    return offer


@pytest.fixture
def alipay_offers(alipay: Any, alipay_credentials: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Offer:
    settings.ALIPAY = {name: value for name, value in asdict(alipay_credentials).items() if name in settings.ALIPAY}
    monkeypatch.setattr(alipay_bills, "MOST_TEXT_BYTES", MOST)
    texts = alipay_texts
    head, end = texts.TRADES.split(texts.PAYMENT_ROW)[0], texts.TRADES.split(texts.REFUND_ROW)[1]
    long = head + f"{texts.PAYMENT_ROW}\n" * LONG
    members = {
        "good": texts.TRADES, "bursts": "0" * (MOST + 1), "breaks off": long, "no bill at all": "#系统繁忙",
        "goes on after its end": long + end + texts.PAYMENT_ROW,
    }  # fmt: skip
    files = {what: texts.packed({f"{texts.NAME}业务明细.csv": text}) for what, text in members.items()}
    files |= {"half a zip": files["good"][:-30], "another than announced": texts.packed({"别的.csv": texts.TRADES})}

    def offer(what: str) -> None:
        alipay.files["/bill.zip"] = files.get(what, files["good"])
        host = "http://127.0.0.1.example.com" if what == "lies elsewhere" else alipay.address
        alipay.answers[texts.BILL] = ok(bill_download_url=f"{host}/bill.zip")

    return offer


HOSTILE = {
    "wechat": {
        "bursts": "bill_too_large", "breaks off": "totals", "goes on after its end": "more after the totals",
        "no bill at all": "columns", "another than announced": "bill_hash",
    },
    "alipay": {
        "bursts": "too large", "breaks off": "breaks off", "goes on after its end": "a row after the end",
        "no bill at all": "breaks off", "half a zip": "bill_zip", "another than announced": "bill_zip",
        "lies elsewhere": "bill_host",
    },
}  # fmt: skip


@pytest.mark.parametrize("code", HOSTILE)
def test_nothing_of_it_is_kept_and_what_was_known_stands(code: str, request: pytest.FixtureRequest):
    offer: Offer = request.getfixturevalue(f"{code}_offers")
    day = clock.now().date() - timedelta(days=2)
    offer("good")
    trades, differ = read(code, day), differences()
    assert (trades.status, trades.lines.count(), len(differ)) == ("matched", 2, 2)
    for what, why in HOSTILE[code].items():
        offer(what)
        row = read(code, day)
        assert row.status in {"wanted", "broken"}, what
        assert why in row.last_error, what
        assert row.lines.count() in {0, 2}, what
        assert row.next_due_at is not None
        assert differences() == differ, what
        offer("good")
        assert (read(code, day).status, differences()) == ("matched", differ), what


def read(code: str, day: Any) -> Statement:
    """The bill of trades, fetched anew."""
    account = channels.account(code)
    statements.want_again(day, at=clock.now(), account=account)
    while statements.sweep(at=clock.now()):
        pass
    return Statement.objects.get(account=account, day=day, kind=BillKind.TRADES.value)


def differences() -> list[Any]:
    rows = Discrepancy.objects.filter(statement__kind=BillKind.TRADES.value).exclude(kind="late")
    return list(rows.order_by("pk").values_list("pk", "kind", "key", "status"))
