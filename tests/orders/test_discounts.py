"""优惠券: what a coupon takes off, how often it is used, and what its lines give back (PM12)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

import clock
from orders import cancellation, placing
from orders.discounts import MOST_UNPAID_USES, CouponRefused
from orders.models import Cause, CouponUse, Order, OrderStatus
from orders.placing import Wish
from shops.models import Coupon, Product

pytestmark = pytest.mark.django_db


@pytest.fixture
def coupon(shop) -> Coupon:
    at = clock.now()
    return Coupon.objects.create(
        shop=shop, code="TEN", kind="fixed", off_fen=1000, starts_at=at, ends_at=at + timedelta(days=1), most_uses=1
    )


def order_with(product: Product, buyer, quantity: int = 1) -> Order:
    wish = Wish(quantity, coupon_code="TEN", again=True)
    return placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())


def test_each_line_bears_its_share_to_the_fen(coupon, make_product, buyer):
    order = order_with(make_product(3000, stock=3), buyer, quantity=3)
    assert order.total_fen == 8000
    assert [line.price_fen for line in order.lines.order_by("position")] == [2667, 2667, 2666]


def test_a_coupon_that_is_used_up_is_used_up(coupon, make_product, buyer):
    product = make_product(3000)
    order_with(product, buyer)
    with pytest.raises(CouponRefused):
        order_with(product, buyer)


def test_what_lapsed_unpaid_has_used_no_coupon(coupon, make_product, buyer):
    product = make_product(3000)
    placing.cancel([order_with(product, buyer)], at=clock.now())
    again = order_with(product, buyer)
    assert (again.total_fen, CouponUse.objects.get(order=again).number) == (2000, 2)


def test_nobody_keeps_a_coupon_from_others_by_not_paying(coupon, make_product, buyer, stranger, pay):
    """Of goods that keep no stock, too."""
    Coupon.objects.update(most_uses=MOST_UNPAID_USES + 2)
    product = make_product(3000, kind="service", fulfilment="service")
    waiting = [order_with(product, buyer) for _ in range(MOST_UNPAID_USES)]
    with pytest.raises(CouponRefused, match="未付款的订单"):
        order_with(product, buyer)
    assert order_with(product, stranger).discount_fen == 1000
    pay(waiting[0])
    assert order_with(product, buyer).discount_fen == 1000


def test_the_shop_reads_the_number_that_counts(coupon, make_product, buyer, merchant, client):
    """What lapsed is free again, and its page says so: never more uses than there may be."""
    product = make_product(3000)
    for _ in range(2):
        placing.cancel([order_with(product, buyer)], at=clock.now())
    client.force_login(merchant)
    assert "0 / 1" in client.get("/shop/coupons/").content.decode()
    order_with(product, buyer)
    assert "1 / 1" in client.get("/shop/coupons/").content.decode()


def test_what_was_paid_and_canceled_has_used_it(coupon, make_product, buyer, pay):
    product = make_product(3000, kind="service", fulfilment="service")
    order = pay(order_with(product, buyer))
    cancellation.cancel(order, cause=Cause.OUT_OF_STOCK, by=None, at=clock.now())
    order.refresh_from_db()
    assert order.status == OrderStatus.CANCELED
    with pytest.raises(CouponRefused):
        order_with(product, buyer)
