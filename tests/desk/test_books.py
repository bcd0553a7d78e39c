"""账簿: both sides are the same, and finance takes entries away in a sheet without a live formula (N4)."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook

import clock
import sheets
from accounts.desk import page_url
from ledger import books, posting
from ledger.admin import WORDS
from ledger.models import AccountKind, Entry
from ledger.posting import Transfer
from refunds import shop_books
from shops.models import Shop

pytestmark = pytest.mark.django_db
PAGE = "admin:ledger_account_books"


@pytest.fixture
def posted():
    at = clock.now()
    posting.post([Transfer("payment:A", "channel:wechat", "shop:7", 123_456)], at=at - timedelta(days=40))
    posting.post([Transfer("payment:B", "channel:wechat", "shop:8", 100)], at=at)
    posting.reverse({"payment:B": "undo:B"}, at=at)
    return timezone.localdate(at, clock.SHANGHAI)


def asked(seat, day, kind="csv", days=1, account=""):
    first = day - timedelta(days=days - 1)
    return seat.client.post(reverse(PAGE), {"first": first, "last": day, "account": account, "kind": kind})


def cells(answer):
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith(sheets.BOM)
    return list(csv.reader(io.StringIO(text.removeprefix(sheets.BOM))))


def test_both_sides_are_the_same(sits, staff, posted):
    page = sits(staff["finance"]).client.get(reverse(PAGE))
    classes = {row.kind: row for row in page.context["classes"]}
    assert (classes[AccountKind.CHANNEL].debit_fen, classes[AccountKind.CHANNEL].credit_fen) == (123_556, 100)
    assert page.context["debit_fen"] == page.context["credit_fen"] == 123_456
    assert "借贷两边相等" in page.content.decode()


def test_a_number_from_a_bill_or_a_case_finds_what_was_posted_of_it(sits, staff):
    """Nobody has to know the ref's first word; a payment's number finds its refunds, too."""
    numbers = ["payment:P5KFMTQR6BJHRY3", "refund:P5KFMTQR6BJHRY3R01:1", "settle:D4BJHE31PG9BYZ5"]
    posting.post([Transfer(ref, "channel:wechat", "shop:7", 100) for ref in numbers], at=clock.now())
    seat = sits(staff["finance"])
    for asked_for, refs in {
        "p5kfmtqr6bjhry3 ": numbers[1::-1], "P5KFMTQR6BJHRY3R01": numbers[1:2], "D4BJHE31PG9BYZ5": numbers[2:],
        "D4BJHE3%PG9BYZ5": [], "P5": [],
    }.items():  # fmt: skip
        for model, column, lines in (("posting", "ref", 1), ("entry", "posting__ref", 2)):
            page = seat.client.get(reverse(f"admin:ledger_{model}_changelist"), {"q": asked_for})
            found = [str(row.posting if model == "entry" else row) for row in page.context["cl"].result_list]
            assert found == [ref for ref in refs for _ in range(lines)], (asked_for, column)


def test_the_words_that_a_number_is_looked_for_under_are_those_of_the_books():
    of_no_number = {"penalty", "deposit"}  # named by the key of a row
    assert set(shop_books.KINDS) - of_no_number <= set(WORDS)


def test_the_entries_of_some_days_are_taken_away_and_it_is_on_record(sits, staff, posted):
    seat = sits(staff["finance"])
    head, *rows = cells(asked(seat, posted))
    assert head[0] == "时间"
    assert [(row[1], row[2], row[4], row[6], row[7]) for row in rows] == [
        ("payment:B", "", "channel:wechat", "1.00", ""), ("payment:B", "", "shop:8", "", "1.00"),
        ("undo:B", "payment:B", "channel:wechat", "", "1.00"), ("undo:B", "payment:B", "shop:8", "1.00", ""),
    ]  # fmt: skip
    assert len(cells(asked(seat, posted, days=60))) == 1 + Entry.objects.count()
    assert [row[4] for row in cells(asked(seat, posted, days=60, account="shop:7"))] == ["账户", "shop:7"]
    assert LogEntry.objects.filter(user=staff["finance"], change_message__contains="导出分录").count() == 3


def test_a_sheet_for_excel_has_numbers_and_no_formula(sits, staff, posted):
    answer = asked(sits(staff["finance"]), posted, kind="xlsx", days=60, account="channel:wechat")
    sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    rows = list(sheet.iter_rows(min_row=2))
    assert [(row[1].value, row[6].value, row[7].value) for row in rows] == [
        ("payment:A", 1234.56, None), ("payment:B", 1, None), ("undo:B", None, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "|x", "%x", "\t1", "\r1", " =1", "\u3000=1", "＝1+1", " －1"],
)
def test_what_people_typed_is_never_a_formula(text):
    [row] = csv.reader(io.StringIO("".join(sheets.as_csv([[text]])).removeprefix(sheets.BOM), newline=""))
    assert row == [f"'{text}"]
    with sheets.as_xlsx([[text.strip()]], title="x") as file:
        cell = load_workbook(file).active["A1"]
    assert (cell.data_type, cell.value) == ("s", text.strip())


def test_a_control_character_that_somebody_typed_stops_no_export():
    with sheets.as_xlsx([["a\x0bb\x00\tc"]], title="x") as file:
        assert load_workbook(file).active["A1"].value == "ab\tc"


def test_pieces_are_joined_as_one(posted, monkeypatch):
    """Postings of the very same moment fall into different pieces."""
    at = clock.now()
    for number in range(7):
        posting.post([Transfer(f"same:{number}", "channel:wechat", "shop:7", 1)], at=at)
    whole = list(books.entries(posted, posted))
    monkeypatch.setattr(books, "AT_ONCE", 2)
    assert list(books.entries(posted, posted)) == whole
    assert len(list(books.entries(posted, posted, "shop:7"))) == 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"account": "shop:999"}, "没有这个账户"), ({"days": 0}, "不能早于"), ({"days": 367}, "一次最多导出 366 天")],
)
def test_what_cannot_be_exported_says_why(changes, said, sits, staff, posted):
    answer = asked(sits(staff["finance"]), posted, **changes)
    assert said in answer.content.decode()
    assert not LogEntry.objects.exists()


def test_who_sees_no_money_takes_nothing(sits, staff, posted):
    seat = sits(staff["reviewer"])
    assert seat.client.get(reverse(PAGE)).status_code == 403
    assert asked(seat, posted).status_code == 403


def test_money_is_a_number():
    assert [sheets.yuan_number(fen) for fen in (0, 5, -1230)] == [Decimal("0.00"), Decimal("0.05"), Decimal("-12.30")]


def test_finance_takes_away_the_statement_of_any_shops_month(sits, staff):
    """N4: the one that the shop reads; the last month that is over first. Who sees no money finds no way to it."""
    at = clock.now()
    last = timezone.localdate(at, clock.SHANGHAI).replace(day=1) - timedelta(days=1)
    shop = Shop.objects.create(name="甲", created_at=at - timedelta(days=40))
    posting.post(
        [Transfer("payment:A", "channel:wechat", posting.shop_account(shop.pk), 123_456)], at=clock.midnight(last)
    )
    seat, page = sits(staff["finance"]), reverse("month_end", args=[shop.pk])
    assert page in seat.client.get(page_url(shop)).content.decode()
    assert page not in sits(staff["reviewer"]).client.get(page_url(shop)).content.decode()
    shown = seat.client.get(page).content.decode()
    assert (f"{last:%Y-%m} <span" in shown, "¥1,234.56" in shown) == (True, True)
    assert "¥1,234.56" in seat.client.get(page, {"month": f"{at:%Y-%m}"}).content.decode()  # at its beginning
    assert [seat.client.get(page, {"month": text}).status_code for text in ("1999-01", "x")] == [404, 404]
    taken = {kind: seat.client.post(page, {"kind": kind}) for kind in ("csv", "xlsx")}
    rows = list(csv.reader(io.StringIO(taken["csv"].content.decode().removeprefix(sheets.BOM))))
    sheet = load_workbook(io.BytesIO(b"".join(taken["xlsx"].streaming_content))).active
    assert rows[0] == ["月结单", f"{last:%Y-%m}"]
    assert ["待结算", "0.00", "1234.56", "0.00", "1234.56"] in rows
    assert ("待结算", 0, 1234.56, 0, 1234.56) in list(sheet.iter_rows(values_only=True))
    assert LogEntry.objects.filter(change_message=f"导出月结单：{last:%Y-%m}").count() == 2
