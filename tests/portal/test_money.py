"""货款: a shop reads what lies in which pot, what moved it, and each month's statement, to the fen of the ledger."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

import clock
from clock import midnight
from ledger import balances, posting
from ledger.posting import Transfer
from orders import cancellation
from orders.models import Cause
from payments import transfers
from refunds import settlement, shop_books
from refunds.workdays import SHANGHAI
from shops import deposits
from tests.cases import House, transfer_of, transferred
from tests.portal.conftest import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def year_of_money(house: House, drain, shop):
    """Everything that moves a shop's money, over the turn of a month: refunds, a fee, a penalty, a deposit, an advance
    and its recovery, settled orders."""
    deposits.record(shop, amount_fen=1000, voucher="凭证1", note="", by=house.finance, at=clock.now())
    sold = house.buy(price_fen=9900)
    house.reveal(sold)
    refused = house.case("reviewer reject", price_fen=4000)
    house.sent(house.on(house.case(price_fen=8800), "reviewer approve"))
    off = house.buy(price_fen=3000, stock=0, shop_cancel_penalty_percent=5)
    cancellation.cancel(off, cause=Cause.OUT_OF_STOCK, by=house.merchant, at=clock.now())
    drain()
    settlement.sweep(at=clock.now())
    clock.advance(timedelta(days=40))
    settlement.sweep(at=clock.now())
    house.on(refused, "senior reopen")
    drain()
    settlement.sweep(at=clock.now())
    return sold


def owed(shop) -> dict[str, int]:
    return balances.owed([account(shop.pk) for _title, account in shop_books.POTS.values()])


def test_a_page_says_what_there_is_and_when_more_comes(house: House, keeper, shop, buy, reveal):
    order = buy(price_fen=8800)
    reveal(order)
    settlement.sweep(at=clock.now())
    order.refresh_from_db()
    page = text(keeper.get("/shop/money/"))
    assert f"下一笔是订单 {order.order_no}" in page
    assert f"{order.settle_from.astimezone(SHANGHAI):%m-%d %H:%M}" in page
    assert "¥88.00" in page
    assert "买家付款" in page
    assert "平台垫付" not in page


def test_every_posting_stands_in_the_list_once(year_of_money, shop, keeper, monkeypatch):
    """By key, to the end; and what it says adds up to what there is."""
    monkeypatch.setattr(shop_books, "PAGE_SIZE", 3)
    rows, after, pages = [], "", 0
    while pages == 0 or after:
        page = shop_books.moved(shop, after=after)
        rows, after, pages = [*rows, *page.rows], page.next_after, pages + 1
    codes = list(owed(shop))
    assert len(rows) == posting.Posting.objects.filter(entries__account__code__in=codes).distinct().count() > 12
    assert sum(fen for row in rows for _pot, fen in row.changes) == sum(owed(shop).values())
    assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)
    said = {row.title for row in rows}
    assert {"买家付款", "订单结算", "退款申请冻结", "退款申请解冻", "退款退回买家", "违约金付给买家", "保证金"} <= said
    assert "其他" not in said
    assert all(row.order_no or row.refund_no or row.voucher for row in rows)


def test_a_statement_agrees_with_the_ledger_and_with_the_one_before(year_of_money, shop, keeper):
    at = clock.now()
    made = [shop_books.statement(shop, month, at=at) for month in reversed(shop_books.months(shop, at=at))]
    assert len(made) >= 2
    assert {pot.opening_fen for pot in made[0].pots} == {0}
    for earlier, later in zip(made, made[1:], strict=False):
        assert [pot.closing_fen for pot in earlier.pots] == [pot.opening_fen for pot in later.pots]
        assert earlier.total.closing_fen == later.total.opening_fen
    assert [pot.closing_fen for pot in made[-1].pots] == list(owed(shop).values())
    for each in made:
        assert each.total.closing_fen == sum(pot.closing_fen for pot in each.pots)
        assert each.total.in_fen - each.total.out_fen == sum(line.in_fen - line.out_fen for line in each.lines)
    lines = {line.title: (line.in_fen, line.out_fen) for each in made for line in each.lines}
    assert lines["违约金付给买家"] == (0, 150)
    assert made[0].is_over
    assert not made[-1].is_over


def test_a_statement_is_of_one_moment_and_is_over_a_while_after_midnight(
    year_of_money, shop, django_assert_num_queries
):
    """Two readings would differ by what was posted in between; and what was begun before midnight may be committed
    after it."""
    month = shop_books.months(shop, at=clock.now())[-1]
    over_at = midnight(shop_books.next_month(month))
    with django_assert_num_queries(1):
        made = shop_books.statement(shop, month, at=over_at + timedelta(minutes=1))
    assert not made.is_over
    assert shop_books.statement(shop, month, at=over_at + timedelta(minutes=10)).is_over


def test_a_refund_that_went_by_transfer_has_its_words(house: House, shop):
    """退款改付: paid to its buyer by hand, and given back by the bank; both lead to the case."""
    refund = transferred(house)
    transfers.mark_failed(transfer_of(refund), by=house.finance, at=clock.now(), reason="账号不存在")
    rows = shop_books.moved(shop).rows[:2]
    assert [(row.title, row.refund_no) for row in rows] == [
        ("退款转账被银行退回", refund.refund_no), ("退款转账付给买家", refund.refund_no),
    ]  # fmt: skip
    made = shop_books.statement(shop, shop_books.months(shop, at=clock.now())[0], at=clock.now())
    assert "其他" not in {line.title for line in made.lines}


def test_the_file_says_the_same_and_holds_no_formula(year_of_money, shop, keeper, rival):
    month = shop_books.months(shop, at=clock.now())[0]
    path = f"/shop/money/{month:%Y}-{month.month}/"
    page = text(keeper.get(path))
    made = shop_books.statement(shop, month, at=clock.now())
    answer = keeper.get(f"{path}statement.csv")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="statement-{shop.pk}-{month:%Y-%m}.csv"'
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    total = next(row for row in rows if row and row[0] == "合计")
    assert total[4] == f"{made.total.closing_fen / 100:.2f}"
    assert f"¥{made.total.closing_fen / 100:,.2f}" in page
    assert not [cell for row in rows for cell in row if cell[:1] in "=+@" and cell]
    assert keeper.get("/shop/money/2026-13/").status_code == 404
    assert f"¥{made.total.closing_fen / 100:,.2f}" not in text(rival.get(path))


def test_many_entries_cost_as_many_queries_as_few(shop, django_assert_max_num_queries):
    for n in range(120):
        posting.post([Transfer(f"other:{n}", "channel:wechat", f"shop:{shop.pk}", 1)], at=clock.now())
    with django_assert_max_num_queries(12):
        assert len(shop_books.moved(shop).rows) == 20
        shop_books.now(shop)
        shop_books.statement(shop, shop_books.months(shop, at=clock.now())[0], at=clock.now())
