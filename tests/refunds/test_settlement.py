"""结算: when an order's money becomes its shop's own, what holds that up, and what is drawn from it afterwards."""

from __future__ import annotations

import importlib
from datetime import timedelta

import pytest
from django.db import connection, transaction

import clock
from accounts.models import User
from cardshop import invariants
from ledger import balances, posting
from ledger.models import Account, AccountKind, Posting
from ledger.posting import Transfer
from notices.models import Notice
from orders import cancellation, watch
from orders.models import Cause, Order, OrderStatus
from payments import adopting, channels
from payments.adopting import Found
from reconciliation import resolving, statements
from reconciliation.models import Bearer, Discrepancy, Statement
from refunds import penalties, settlement, shop_books
from refunds.models import Status as S
from shops import deposits, money
from shops.money import Move, Purse
from storefront.standing import given_beside
from tests.attacks import refusal
from tests.cases import House

pytestmark = pytest.mark.django_db


def settle(*, days: float = 0) -> None:
    """The machine looks, now and once so many days are over."""
    for wait in (0, days):
        clock.advance(timedelta(days=wait))
        while watch.sweep(at=clock.now()):
            pass
        while settlement.sweep(at=clock.now()):
            pass


def purse(order) -> Purse:
    return money.purses([order.shop_id])[order.shop_id]


def settled_fen(order) -> int | None:
    order.refresh_from_db()
    assert (order.settled_at is None) == (order.settled_fen is None)
    return order.settled_fen


def spend(order, fen: int, ref: str = "spent:1") -> None:
    """The shop has its money paid out."""
    posting.post(money.draw([Move(ref, order.shop_id, fen, posting.BANK)]), at=clock.now())


def test_money_is_the_shops_own_after_the_window(house: House):
    order = house.buy(price_fen=8800, window_days=15)
    settle(days=1)
    assert order.settled_at is None  # delivered, and not completed yet
    house.reveal(order)
    settle()
    order.refresh_from_db()
    delivered_at = order.lines.get().delivery.delivered_at
    assert order.status == OrderStatus.COMPLETED
    settle(days=13.9)
    assert (settled_fen(order), order.settle_from) == (None, delivered_at + timedelta(days=15))
    settle(days=0.2)
    assert settled_fen(order) == 8800
    assert purse(order) == Purse(available_fen=8800, reserve_fen=0, owes_fen=0, deposit_fen=0)
    settle(days=30)
    assert Posting.objects.filter(ref=f"settle:{order.order_no}").count() == 1
    assert invariants.broken(house.simulator.ledger()) == []


def test_an_open_case_and_an_appeal_hold_it_up(house: House):
    refund = house.case(price_fen=8800, window_days=15)
    settle(days=16)
    assert settled_fen(refund.order) is None
    house.on(refund, "reviewer reject")
    settle(days=1)
    assert (settled_fen(refund.order), refund.order.settle_from) == (None, refund.appeal_until)
    house.on(refund, "buyer appeal")
    settle(days=8)
    assert settled_fen(refund.order) is None
    house.on(refund, "senior dismiss_appeal")
    settle(days=0.1)
    assert settled_fen(refund.order) == 8800
    assert invariants.broken(house.simulator.ledger()) == []


def test_the_database_settles_nothing_that_may_still_be_asked_for(house: House):
    """Whoever writes the column: an open case, then an open appeal."""
    refund = house.case(price_fen=8800)
    settled = (
        f"UPDATE orders_order SET settled_at = '{clock.now()}', settled_fen = total_fen WHERE id = {refund.order_id}"
    )
    assert "may still be asked for" in refusal(settled)
    house.on(refund, "reviewer reject")
    assert "may still be asked for" in refusal(settled)


def test_what_went_back_or_was_canceled_is_nobodys_to_settle(house: House, drain):
    order = house.buy(price_fen=3000, quantity=3)
    house.reveal(order)
    lines = [line.pk for line in order.lines.order_by("position")]
    house.on(house.ask(order, line_ids=lines[:1]), "reviewer make_offer", "buyer accept_offer", amount_fen=1000)
    refund = order.refunds.get()
    house.sent(refund)
    drain()
    off = house.buy(price_fen=5000, stock=0, shop_cancel_penalty_percent=0)
    cancellation.cancel(off, cause=Cause.OUT_OF_STOCK, by=house.merchant, at=clock.now())
    drain()
    settle(days=16)
    assert (settled_fen(order), settled_fen(off)) == (8000, 0)
    assert purse(order).available_fen == 8000
    assert invariants.broken(house.simulator.ledger()) == []


def test_what_the_shops_own_account_took_is_not_settled(house: House, shop, settings):
    """自带商户号: the shop has it already; the platform would pay it out a second time."""
    theirs = {name: value for name, value in settings.WECHAT.items() if name not in channels.OURS_TO_SAY}
    own = channels.bring_own(shop, "wechat", theirs)
    order = house.buy(price_fen=8800, channel=own.code)
    house.reveal(order)
    settle(days=400)
    assert (settled_fen(order), purse(order).available_fen) == (None, 0)
    assert "was paid to the shop itself" in refusal(
        f"UPDATE orders_order SET settled_at = now(), settled_fen = 0 WHERE id = {order.pk}"
    )
    now = shop_books.now(shop)
    assert (now.shop_fen, now.own_fen, now.next_order) == (8800, 8800, None)
    assert invariants.broken(house.simulator.ledger()) == []


FEES_OF_BEFORE = "refunds.migrations.0030_fees_of_shops_own_accounts"


def test_the_fee_of_what_the_shops_own_account_took_stays_with_the_shop(house: House, shop, settings):
    """自带商户号, S4-5, I12: the channel gave back the rest out of the shop's account; the platform never had the fee,
    and does not say that it earned it. What an older version had posted so is reversed, once."""
    theirs = {name: value for name, value in settings.WECHAT.items() if name not in channels.OURS_TO_SAY}
    own = channels.bring_own(shop, "wechat", theirs)
    order = house.buy(price_fen=8800, channel=own.code, fee_percent=10, funding="招商银行借记卡0403")
    refund = house.on(house.ask(order, reason="changed_mind"), "reviewer approve")
    house.ends_as(house.sent(refund), "SUCCESS")
    kept = [shop_books.now(shop).shop_fen, shop_books.now(shop).own_fen, earned()]
    assert (refund.status, refund.fee_fen, kept) == ("paid_out", 880, [880, 880, 0])
    assert shop_books.moved(shop).rows[0].title == "退款手续费留在店铺（自带商户号）"
    assert settlement.unsettled_fen(order) == 880  # of what its own channel refunds besides, this is there
    assert invariants.broken(house.simulator.ledger()) == []

    as_the_version_before_posted_it()
    assert (earned(), any("fees:" in line for line in invariants.broken())) == (880, True)
    for _again in range(2):
        with connection.cursor() as cursor:
            cursor.execute(importlib.import_module(FEES_OF_BEFORE).POST)
    assert Posting.objects.get(reverses__ref__startswith="fee:").ref.startswith("fee_back:")
    assert kept == [shop_books.now(shop).shop_fen, shop_books.now(shop).own_fen, earned()]
    assert invariants.broken(house.simulator.ledger()) == []
    house.ends_as(refund, "ABNORMAL")
    assert (refund.status, refund.held_fen, shop_books.now(shop).held_fen) == ("returned", 8800, 8800)
    assert invariants.broken(house.simulator.ledger()) == []


def as_the_version_before_posted_it() -> None:
    Account.objects.get_or_create(code=posting.FEES, kind=AccountKind.FEES)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL session_replication_role = replica")
        cursor.execute("UPDATE ledger_posting SET ref = replace(ref, 'fee_kept:', 'fee:')")
        cursor.execute(
            "UPDATE ledger_entry SET account_id = (SELECT id FROM ledger_account WHERE kind = 'fees')"
            " WHERE side = 'credit' AND posting_id IN (SELECT id FROM ledger_posting WHERE ref LIKE 'fee:%')"
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def earned() -> int:
    return balances.owed([posting.FEES])[posting.FEES]


def test_one_that_cannot_be_settled_stops_no_other(house: House):
    """F12."""
    orders = [house.buy(price_fen=3000) for _ in range(3)]
    for order in orders:
        house.reveal(order)
    odd = orders[1]
    posting.post([Transfer(f"settle:{odd.order_no}", "suspense:odd", "bank:platform", 1)], at=clock.now())
    settle(days=16)
    assert [settled_fen(order) for order in orders] == [3000, None, 3000]
    assert odd.settle_from > clock.now()


def test_the_platform_advances_what_a_shop_has_spent_and_takes_it_from_what_it_earns_next(house: House, drain):
    """垫付与追偿, with real cases: no buyer waits for a shop's money, and the platform gets it back."""
    refund = house.case("reviewer reject", price_fen=8800)
    order, later = refund.order, house.buy(price_fen=9900)
    house.reveal(later)
    deposits.record(order.shop, amount_fen=2000, voucher="V1", note="", by=house.finance, at=clock.now())
    settle(days=14)
    assert (settled_fen(order), settled_fen(later)) == (None, None)
    clock.advance(timedelta(days=1.5))
    settle()
    assert settled_fen(order) == 8800
    spend(order, purse(order).available_fen)
    house.on(refund, "senior reopen")
    assert purse(order) == Purse(available_fen=0, reserve_fen=0, owes_fen=6800, deposit_fen=2000)
    house.on(refund, "other_senior approve_second")
    house.sent(refund)
    drain()
    refund.refresh_from_db()
    assert refund.status == S.ARRIVED
    assert invariants.broken(house.simulator.ledger()) == []
    third = house.buy(price_fen=12000)
    house.reveal(third)
    settle(days=16)
    assert purse(order) == Purse(available_fen=3200, reserve_fen=2000, owes_fen=0, deposit_fen=2000)
    assert invariants.broken(house.simulator.ledger()) == []


def test_a_case_of_a_settled_order_that_comes_to_nothing_gives_all_back(house: House):
    order = house.buy(price_fen=8800)
    house.reveal(order)
    settle(days=16)
    refund = house.ask(order)  # too late: turned down at once
    assert (refund.status, purse(order).available_fen) == (S.REJECTED, 8800)
    house.on(refund, "buyer appeal")
    assert (purse(order).available_fen, balances.owed([posting.held_account(order.shop_id)])) == (
        0, {posting.held_account(order.shop_id): 8800},
    )  # fmt: skip
    house.on(refund, "buyer withdraw")
    assert purse(order).available_fen == 8800
    assert invariants.broken(house.simulator.ledger()) == []


def test_a_penalty_is_a_posting_of_its_own_from_the_shop_to_its_buyer(house: House, drain):
    """S4-16, I12: the refund is what was paid, the penalty comes on top; both sides read it; once."""
    order = house.buy(price_fen=9999, stock=0, shop_cancel_penalty_percent=5)
    row = cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=house.merchant, at=clock.now())
    drain()
    row.refresh_from_db()
    assert (row.penalty_fen, row.penalty_due_at, row.penalty_paid_at is not None) == (500, None, True)
    assert order.refunds.get().amount_fen == 9999
    assert balances.of_buyer(house.buyer.pk) == 500
    assert purse(order).owes_fen == 500
    told = Notice.objects.filter(source=f"penalty:{row.pk}").values_list("recipient", "kind")
    assert set(told) == {(house.buyer.pk, "order_penalty"), (house.merchant.pk, "shop_order_penalty")}
    assert penalties.sweep(at=clock.now() + timedelta(days=1)) == 0
    again = f"UPDATE orders_cancellation SET penalty_paid_at = now() WHERE id = {row.pk}"
    assert "is paid already" in refusal(again)
    settle()
    assert settled_fen(order) == 0
    assert invariants.broken(house.simulator.ledger()) == []


def test_no_shop_has_the_platform_pay_its_penalties_without_end(house: House, drain):
    """A shop and a buyer who are one would have 5 % of each order, from the platform, for nothing. What is beyond a
    limit waits until the shop has it; the buyer reads so, and nobody waits for a refund."""
    orders = [house.buy(price_fen=600_000, stock=0, shop_cancel_penalty_percent=5) for _ in range(3)]
    for order in orders:
        cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=house.merchant, at=clock.now())
    drain()
    assert (purse(orders[0]).owes_fen, balances.of_buyer(house.buyer.pk)) == (30_000, 30_000)
    said = [given_beside(Order.objects.get(pk=order.pk))[0] for order in orders]
    assert ["已存入" in words for words in said] == [True, False, False]
    assert ["每小时再试" in words for words in said] == [False, True, True]
    deposits.record(orders[0].shop, amount_fen=60_000, voucher="V1", note="", by=house.finance, at=clock.now())
    clock.advance(timedelta(hours=2))
    drain()
    assert balances.of_buyer(house.buyer.pk) == 90_000
    assert purse(orders[0]) == Purse(available_fen=0, reserve_fen=0, owes_fen=30_000, deposit_fen=60_000)
    assert invariants.broken(house.simulator.ledger()) == []


def test_the_platform_advances_no_penalty_to_the_shops_own_people(house: House, buy, drain):
    """A member who buys of the own shop, and cancels what it never delivers, gets what the shop has."""
    people = (house.merchant, house.buyer)
    orders = [buy(price_fen=600_000, stock=0, by=person, shop_cancel_penalty_percent=5) for person in people]
    for order in orders:
        cancellation.cancel(order, cause=Cause.SUPPLIER_FAILED, by=None, at=clock.now())
    drain()
    paid = [balances.of_buyer(person.pk) for person in people]
    assert (paid, purse(orders[0]).owes_fen) == ([0, 30_000], 30_000)
    deposits.record(orders[0].shop, amount_fen=60_000, voucher="V1", note="", by=house.finance, at=clock.now())
    clock.advance(timedelta(hours=2))
    drain()
    assert (balances.of_buyer(house.merchant.pk), purse(orders[0]).owes_fen) == (30_000, 0)
    assert invariants.broken(house.simulator.ledger()) == []


def test_a_guests_penalty_waits_until_the_order_is_claimed(house: House, buy, drain, shop):
    """I13: a guest has no balance."""
    guest = User.objects.create(username="guest-1", is_guest=True)
    order = buy(price_fen=3000, stock=0, by=guest, shop_cancel_penalty_percent=5)
    row = cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=house.merchant, at=clock.now())
    drain()
    row.refresh_from_db()
    assert (row.penalty_paid_at, row.penalty_due_at > clock.now()) == (None, True)
    Order.objects.filter(pk=order.pk).update(buyer=house.buyer)
    clock.advance(timedelta(hours=2))
    drain()
    row.refresh_from_db()
    assert row.penalty_paid_at is not None
    assert balances.of_buyer(house.buyer.pk) == 150


def test_a_fee_is_a_posting_of_its_own_and_the_platforms(house: House, drain):
    """S4-5, I12: 10 % of what was delivered and is unused, at the buyer's own fault; rounded down, to the buyer's
    favor. The shop earns nothing by it, and is not settled for it."""
    order = house.buy(price_fen=9999, fee_percent=10)
    refund = house.ask(order, reason="changed_mind")
    assert (refund.amount_fen, refund.fee_fen) == (9000, 999)
    house.sent(house.on(refund, "reviewer approve"))
    drain()
    refund.refresh_from_db()
    fee = Posting.objects.get(ref__startswith=f"fee:{refund.refund_no}:")
    assert sorted(fee.entries.values_list("account__code", "amount_fen")) == [
        ("fees:platform", 999), (posting.held_account(order.shop_id), 999),
    ]  # fmt: skip
    house.reveal(house.buy(price_fen=1000))
    settle(days=16)
    assert settled_fen(order) == 0
    assert purse(order).available_fen == 1000
    assert invariants.broken(house.simulator.ledger()) == []


@pytest.mark.parametrize("by_shop", [True, False], ids=["by the shop", "by the platform"])
@pytest.mark.parametrize("when", ["before it is settled", "after it was settled without it", "shown after settling"])
def test_what_left_outside_us_costs_whoever_bears_it_and_nobody_else(when: str, by_shop: bool, house: House):
    """G21: once, whether it is booked before or after settling; nothing of the order stays behind."""
    order = house.buy(price_fen=3000)
    house.reveal(order)
    payment = order.payments.get()

    def show() -> None:
        found = Found(payment.payment_no, "50300000001", "C1", 500, clock.now())
        assert adopting.adopt(payment.account, [found], at=clock.now()) == 1

    def bear() -> None:
        attempt = payment.attempts.select_related("payment__account", "payment__order").get()
        with transaction.atomic():
            fen = settlement.unsettled_fen(order)
            adopting.bear(attempt, by_shop=by_shop, unsettled_fen=fen, at=clock.now())

    for step in {
        "before it is settled": [show, bear, lambda: settle(days=30)],
        "after it was settled without it": [show, lambda: settle(days=30), bear],
        "shown after settling": [lambda: settle(days=30), show, bear],
    }[when]:
        step()
    assert settled_fen(order) == (3000 if when == "shown after settling" else 2500)
    assert purse(order).available_fen == (2500 if by_shop else 3000)
    left = [posting.shop_account(order.shop_id), posting.suspense_account("wechat"), posting.COMPENSATION]
    assert list(balances.owed(left).values()) == [0, 0, 0 if by_shop else -500]
    assert invariants.broken() == []


def test_whose_loss_it_is_waits_while_a_case_holds_the_rest(house: House, cashier):
    """The case may take all that is left of the order, or nothing of it."""
    refund = house.case(price_fen=3000)
    payment, at = refund.payment, clock.now()
    found = Found(payment.payment_no, "50300000001", "C1", 500, at)
    assert adopting.adopt(payment.account, [found], at=at) == 1
    statements.want(at.date(), at=at, accounts=[payment.account])
    row = Discrepancy.objects.create(
        statement=Statement.objects.get(kind="trades"), kind="only_theirs", key="1", payment_no=payment.payment_no,
        channel_no=found.channel_refund_id, found_at=at, due_at=at, next_due_at=at,
    )  # fmt: skip
    resolving.propose_bearer(row, bearer=Bearer.SHOP, by=house.finance, at=at, reason="手工退款")
    with pytest.raises(resolving.CannotResolve, match="冻结"):
        resolving.confirm_bearer(row, by=cashier, at=at)
    house.on(refund, "reviewer reject")
    resolving.confirm_bearer(row, by=cashier, at=at)
    assert balances.owed([posting.shop_account(refund.shop_id)]) == {posting.shop_account(refund.shop_id): 2500}
    assert invariants.broken() == []
