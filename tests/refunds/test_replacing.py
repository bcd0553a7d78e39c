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
from shops import stock
from shops.models import CardCode, CodeState
from tests.cases import LARGE, take

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


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


def test_above_the_limit_two_people_of_the_platform_offer_a_new_code(house):
    """What no one person may approve, no one person settles with another code either."""
    refund = house.case(price_fen=LARGE)
    with refused_with("above_limit"):
        take("make_offer", refund, house.senior, amount_fen=None)
    house.on(refund, "senior propose_offer", amount_fen=None)
    assert refund.status == Status.SECOND_REVIEW
    assert "confirm_offer" not in lifecycle.allowed_steps(refund, house.senior)
    with refused_with("same_person"):
        take("confirm_offer", refund, house.senior)
    take("confirm_offer", refund, house.other_senior)
    offer = Offer.objects.get()
    assert (refund.status, offer.kind, offer.amount_fen) == (Status.OFFERED, "replacement", None)
    assert (offer.made_by, offer.confirmed_by) == (house.senior, house.other_senior)
    with refused_with("other_offer"):
        take("accept_offer", refund, house.buyer)
    take("accept_replacement", refund, house.buyer)
    assert (refund.status, Replacement.objects.count()) == (Status.REPLACED, 1)
    assert invariants.broken() == []


def test_a_code_that_was_sold_since_it_was_drafted_is_not_offered(house):
    refund = house.case(price_fen=LARGE, stock=1)
    with refused_with("cannot_replace"):
        take("propose_offer", refund, house.reviewer, amount_fen=None)
    refund = house.on(house.case(price_fen=LARGE, stock=2), "reviewer propose_offer", amount_fen=None)
    product = refund.order.lines.get().product_id
    with transaction.atomic():
        stock.deliver(stock.reserve(product, 1, at=clock.now()), at=clock.now())
    with refused_with("cannot_replace"):
        take("confirm_offer", refund, house.senior)
    assert (refund.status, Offer.objects.get().confirmed_by) == (Status.SECOND_REVIEW, None)
    house.on(refund, "senior send_back", "reviewer uphold", "senior approve_second")
    assert Offer.objects.get().answer == Answer.DROPPED


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
    from refunds import refundable

    order = buy(price_fen=8800, merchant_hours=24)
    reveal(order)
    refund = apply(order)
    lifecycle.offer(refund, by=merchant, at=clock.now(), note="退一半", amount_fen=4400)
    lifecycle.accept_offer(refund, by=buyer, at=clock.now())
    refund.refresh_from_db()
    assert (refund.status, refund.amount_fen, refund.lines.get().amount_fen) == (Status.APPROVED, 4400, 4400)
    assert refundable.lines_of(order) == []
    assert invariants.broken() == []
