"""The badge is earned and lost by rule; a shop's figures are counted for all shops at once (S0-30, S1-21)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import clock
from ledger import posting
from orders import cancellation, talk
from orders.models import Cause
from refunds import figures
from shops import badge, deposits, life, money
from shops.badge import Demands, Facts
from shops.deposits import CannotRecord
from shops.models import GuaranteeTerms, Shop, ShopFigures, ShopMember
from shops.money import Move
from tests.cast import person

AT = datetime(2026, 11, 22, tzinfo=UTC)
DEMANDS = Demands(100_000, 7, 95, 10, 2, 90)
GOOD = Facts(
    at=AT, is_open=True, opened_at=AT - timedelta(days=7), deposit_fen=100_000, paid_orders=100, delivered_in_time=95,
    delivered_late=5, canceled_by_shop=2, suspended_at=AT - timedelta(days=90),
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, set()),
        ({"is_open": False}, {"open"}),
        ({"deposit_fen": 99_999}, {"deposit"}),
        ({"opened_at": AT - timedelta(days=7) + timedelta(seconds=1)}, {"open_days"}),
        ({"delivered_in_time": 9, "delivered_late": 0}, {"deliveries"}),
        ({"delivered_in_time": 10, "delivered_late": 0}, set()),
        ({"delivered_in_time": 94, "delivered_late": 5}, {"in_time"}),
        ({"delivered_in_time": 0, "delivered_late": 0}, {"deliveries", "in_time"}),
        ({"canceled_by_shop": 3}, {"canceled"}),
        ({"paid_orders": 0, "canceled_by_shop": 0}, set()),
        ({"suspended_at": AT - timedelta(days=90) + timedelta(seconds=1)}, {"unsuspended"}),
        ({"suspended_at": None}, set()),
    ],
)
def test_each_rule_fails_at_its_own_border(change, failed):
    results = badge.judge(replace(GOOD, **change), DEMANDS)
    assert {result.rule for result in results if not result.passed} == failed
    assert badge.has_badge(results) is (not failed)
    assert all(result.sentence and result.sentence_en for result in results)


def test_a_share_is_rounded_down():
    assert [badge.percent(*pair) for pair in [(999, 1000), (9999, 10000), (1, 3), (0, 5), (5, 5), (0, 0)]] == [
        "99.9%", "99.9%", "33.3%", "0%", "100%", "–",
    ]  # fmt: skip


@pytest.mark.django_db
def test_what_buyers_lived_through_is_counted(shop, buyer, merchant, buy, reveal, apply, drain, reviewer):
    from refunds import lifecycle

    talked, given_back, canceled = buy(), buy(), buy(stock=0)
    talk.say(talked, "什么时候到？", by=buyer, at=clock.now())
    talk.say(talked, "还在吗", by=buyer, at=clock.now() + timedelta(minutes=3))
    talk.say(talked, "马上", by=merchant, at=clock.now() + timedelta(minutes=10))
    apply(given_back)  # unseen: given back at once
    reveal(talked)
    lifecycle.reject([apply(talked)], by=reviewer, at=clock.now(), note="与记录不符")
    cancellation.cancel(canceled, cause=Cause.OUT_OF_STOCK, by=merchant, at=clock.now())
    drain()

    assert figures.compute(at=clock.now() + timedelta(minutes=30)) == 1
    row = ShopFigures.objects.get(shop=shop)
    assert (row.paid_orders, row.delivered_in_time, row.delivered_late) == (3, 2, 0)
    assert (row.refunded_orders, row.rejected_refunds, row.canceled_by_shop) == (2, 1, 1)
    assert row.median_handling_minutes == 0
    assert row.reply_minutes == 10
    assert (row.review_count, row.stars_total) == (0, 0)


@pytest.mark.django_db
def test_what_is_owed_behind_its_promise_counts_as_late(shop, buy):
    buy(stock=0, delivery_promise_minutes=5)
    figures.compute(at=clock.now() + timedelta(minutes=6))
    row = ShopFigures.objects.get(shop=shop)
    assert (row.delivered_in_time, row.delivered_late) == (0, 1)


@pytest.mark.django_db
def test_shops_are_counted_once_an_hour_and_never_again_once_closed(shop):
    at = clock.now()
    assert figures.compute(at=at) == 1
    assert figures.compute(at=at + timedelta(minutes=59)) == 0
    assert figures.compute(at=at + timedelta(minutes=60)) == 1
    Shop.objects.filter(pk=shop.pk).update(status="closed")
    assert figures.compute(at=at + timedelta(hours=5)) == 0


@pytest.mark.django_db
def test_a_hundred_shops_cost_as_many_queries_as_one(shop, buy):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    buy()
    at = clock.now()
    with CaptureQueriesContext(
        connection,
    ) as one:
        figures.compute(at=at)
    Shop.objects.bulk_create(Shop(name=f"店 {n}", created_at=at) for n in range(99))
    with CaptureQueriesContext(connection) as many:
        assert figures.compute(at=at + timedelta(hours=2)) == 100
    assert len(many) == len(one)


@pytest.mark.django_db
def test_the_badge_comes_and_goes_by_the_terms_in_force(shop, finance, operator, buy):
    GuaranteeTerms.objects.create(
        version=1, least_deliveries=1, open_days=1, deposit_fen=5000, published_at=clock.now()
    )
    buy()
    deposits.record(shop, amount_fen=5000, voucher="V1", note="", by=finance, at=clock.now())
    assert has_it_since(shop, clock.now()) is None  # open for less than a day
    earned_at = clock.now() + timedelta(days=2)
    assert has_it_since(shop, earned_at) == earned_at
    assert has_it_since(shop, earned_at + timedelta(hours=2)) == earned_at
    asked = deposits.ask_back(shop, amount_fen=1, note="多缴", by=finance, at=clock.now())
    deposits.pay_back(asked, voucher="V2", by=person("cashier", "finance"), at=clock.now())
    assert has_it_since(shop, earned_at + timedelta(hours=4)) is None
    deposits.record(shop, amount_fen=1, voucher="V3", note="", by=finance, at=clock.now())
    GuaranteeTerms.objects.create(version=2, least_deliveries=1, deposit_fen=9999, published_at=clock.now())
    assert has_it_since(shop, earned_at + timedelta(hours=6)) is None
    assert list(shop.events.order_by("pk").values_list("step", flat=True)) == ["earn_badge", "lose_badge"]
    assert "保证金 ¥49.99" in shop.events.latest("pk").reason


@pytest.mark.django_db
def test_a_deposit_that_refunds_have_drawn_earns_no_badge(shop, finance, merchant, client):
    """Buyers read that so much is there. Its shop reads what has become of it."""
    deposits.record(shop, amount_fen=100_000, voucher="V1", note="", by=finance, at=clock.now())
    posting.post(money.draw([Move("hold:R1:1", shop.pk, 40_000, posting.held_account(shop.pk))]), at=clock.now())
    rule = next(rule for rule in figures.standing_of(shop, at=clock.now()) if rule.rule == "deposit")
    assert (rule.passed, rule.sentence) == (False, "保证金 ¥600.00，需要 ¥1,000.00")
    client.force_login(merchant)
    assert "其中 ¥400.00 已用于退款" in client.get("/shop/deposit/").content.decode()


def has_it_since(shop, at):
    figures.compute(at=at)
    shop.refresh_from_db()
    return shop.guarantee_since


@pytest.mark.django_db
def test_a_suspension_costs_the_badge_for_ninety_days(shop, finance, operator, buy):
    deposits.record(shop, amount_fen=100_000, voucher="V1", note="", by=finance, at=clock.now())
    life.suspend(shop, by=operator, at=clock.now(), reason="查")
    life.reinstate(shop, by=operator, at=clock.now(), reason="查清")
    rules = {rule.rule: rule.passed for rule in figures.standing_of(shop, at=clock.now() + timedelta(days=89))}
    assert (rules["deposit"], rules["unsuspended"]) == (True, False)
    rules = {rule.rule: rule.passed for rule in figures.standing_of(shop, at=clock.now() + timedelta(days=91))}
    assert rules["unsuspended"]


# --- deposits ---------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_nobody_records_the_deposit_of_an_own_shop(shop, finance):
    """I10."""
    ShopMember.objects.create(shop=shop, user=finance, role="owner")
    with pytest.raises(CannotRecord, match="自己店铺"):
        deposits.record(shop, amount_fen=100, voucher="V1", note="", by=finance, at=clock.now())
    assert deposits.laid_down_fen(shop) == 0


@pytest.mark.django_db
def test_finance_alone_records_each_voucher_once_and_never_below_zero(shop, finance, operator, merchant):
    def book(amount_fen, voucher, by=finance):
        return deposits.record(shop, amount_fen=amount_fen, voucher=voucher, note="", by=by, at=clock.now())

    for nobody in (operator, merchant):
        with pytest.raises(CannotRecord):
            book(100, "V0", nobody)
    book(100, "V1")
    for amount_fen, voucher in [(100, "V1"), (-101, "V2"), (0, "V3"), (5, " "), (2**31, "V4")]:
        with pytest.raises(CannotRecord):
            book(amount_fen, voucher)
    assert deposits.laid_down_fen(shop) == 100
