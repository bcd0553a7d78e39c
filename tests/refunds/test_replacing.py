"""补发: another code instead of money, if the buyer agrees and the shop has one."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction

import clock
from cardshop import invariants
from orders.models import Delivery, Replacement
from refunds import lifecycle
from refunds.lifecycle import StepRefused
from refunds.models import Answer, Offer, Status
from shops.models import CardCode, CodeState

pytestmark = pytest.mark.django_db


@pytest.fixture
def offered(buy, reveal, apply, merchant):
    """A case in which the shop offers another code: ``offered(stock=5)``."""

    def build(seen: bool = True, **purchase):
        order = buy(price_fen=8800, merchant_hours=24, **purchase)
        if seen:
            reveal(order)
        refund = apply(order)
        assert refund.status == Status.MERCHANT_REVIEW
        lifecycle.offer(refund, by=merchant, at=clock.now(), note="可能是批次问题，给您换一张")
        refund.refresh_from_db()
        return refund

    return build


def test_the_buyer_gets_another_code_and_the_old_one_is_taken_back(offered, buyer, reveal):
    refund = offered()
    line = refund.order.lines.get()
    old = line.delivery.code
    assert lifecycle.allowed_steps(refund, buyer) == ["accept_replacement", "decline_offer", "withdraw"]
    lifecycle.accept_replacement(refund, by=buyer, at=clock.now())
    refund.refresh_from_db()
    old.refresh_from_db()
    new = Delivery.objects.get(line=line).code
    assert (refund.status, old.state, new.state) == (Status.REPLACED, CodeState.VOID, CodeState.DELIVERED)
    assert Offer.objects.get().answer == Answer.ACCEPTED
    assert Replacement.objects.get().old_code_id == old.pk
    assert invariants.broken() == []
    line.refresh_from_db()
    assert reveal(type(refund.order).objects.get(pk=refund.order_id)) != []
    assert invariants.broken() == []


def test_a_new_code_that_does_not_work_either_can_be_asked_about_again(offered, buyer, reveal, apply, reviewer):
    refund = offered()
    lifecycle.accept_replacement(refund, by=buyer, at=clock.now())
    order = type(refund.order).objects.get(pk=refund.order_id)
    reveal(order)
    again = apply(order)
    assert again.amount_fen == 8800
    assert again.status == Status.MERCHANT_REVIEW


def test_sold_out_meanwhile_nothing_changes_and_the_platform_decides(offered, buyer, make_product, buy, stranger):
    refund = offered(stock=2)
    product = refund.order.lines.get().product
    CardCode.objects.filter(product=product, state=CodeState.IN_STOCK)
    from shops import stock

    with transaction.atomic():
        stock.deliver(stock.reserve(product.pk, 1, at=clock.now()), at=clock.now())
    with pytest.raises(StepRefused) as refused:
        lifecycle.accept_replacement(refund, by=buyer, at=clock.now())
    assert refused.value.code == "cannot_replace"
    refund.refresh_from_db()
    assert (refund.status, Offer.objects.get().answer) == (Status.OFFERED, "")
    lifecycle.decline_offer(refund, by=buyer, at=clock.now())
    refund.refresh_from_db()
    assert refund.status == Status.FIRST_REVIEW


def test_no_replacement_is_offered_where_none_is_left(buy, reveal, apply, merchant):
    order = buy(price_fen=8800, merchant_hours=24, stock=1)
    reveal(order)
    refund = apply(order)
    with pytest.raises(StepRefused) as refused:
        lifecycle.offer(refund, by=merchant, at=clock.now(), note="给您换一张")
    assert refused.value.code == "cannot_replace"


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE orders_delivery SET code_id = (SELECT id FROM shops_cardcode WHERE state = 'in_stock' LIMIT 1)",
        "UPDATE orders_delivery SET delivered_at = now()",
        "DELETE FROM orders_delivery",
        "UPDATE orders_replacement SET at = now()",
        "DELETE FROM orders_replacement",
        "UPDATE orders_replacement SET new_code_id = old_code_id",
    ],
)
def test_a_delivery_changes_by_a_replacement_alone(attack, offered, buyer):
    refund = offered()
    lifecycle.accept_replacement(refund, by=buyer, at=clock.now())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack)


def test_what_was_settled_by_an_offer_is_not_asked_for_again(buy, reveal, apply, merchant, buyer):
    """协商一致: the buyer accepted a part as all there is to it."""
    from refunds import applying

    order = buy(price_fen=8800, merchant_hours=24)
    reveal(order)
    refund = apply(order)
    lifecycle.offer(refund, by=merchant, at=clock.now(), note="退一半", amount_fen=4400)
    lifecycle.accept_offer(refund, by=buyer, at=clock.now())
    refund.refresh_from_db()
    assert (refund.status, refund.amount_fen, refund.lines.get().amount_fen) == (Status.APPROVED, 4400, 4400)
    assert applying.refundable_lines(order) == []
    assert invariants.broken() == []
