"""Placing an order, and what of it never changes afterwards."""

from __future__ import annotations

import uuid

import pytest

import clock
from orders import delivery, placing
from orders.models import Order, OrderStatus
from orders.placing import CannotPlace, Wish
from shops.models import CodeState, Product, Shop, ShopStatus
from shops.stock import CodeIsFrozen, Viewer
from tests.storefront.test_guests import while_open

pytestmark = pytest.mark.django_db


def place(product, buyer, quantity=1, key=None):
    return placing.place(
        product, Wish(quantity, again=True), buyer=buyer, checkout_key=key or uuid.uuid4(), at=clock.now()
    )


def test_the_same_key_is_the_same_order(make_product, buyer):
    """P1: a double tap, a second tab, the browser's retry."""
    product, key = make_product(), uuid.uuid4()
    assert place(product, buyer, key=key) == place(product, buyer, key=key)
    assert Order.objects.count() == 1


def test_a_changed_form_is_not_the_same_order(make_product, buyer):
    product, key = make_product(), uuid.uuid4()
    place(product, buyer, key=key)
    with pytest.raises(CannotPlace):
        place(product, buyer, quantity=2, key=key)
    assert Order.objects.count() == 1


def test_somebody_elses_key_shows_nobody_elses_order(make_product, buyer, stranger):
    product, key = make_product(), uuid.uuid4()
    place(product, buyer, key=key)
    with pytest.raises(CannotPlace):
        place(product, stranger, key=key)


@pytest.mark.parametrize(("quantity", "code"), [(0, "quantity"), (-1, "quantity"), (11, "quantity"), (6, "sold_out")])
def test_how_many(quantity, code, make_product, buyer):
    with pytest.raises(CannotPlace) as refused:
        place(make_product(stock=5), buyer, quantity=quantity)
    assert refused.value.code == code
    assert not Order.objects.exists()


def test_what_is_not_listed_is_not_sold(make_product, buyer):
    product = make_product()
    product.is_listed = False
    product.save()
    with pytest.raises(CannotPlace):
        place(product, buyer)


def test_an_order_keeps_the_page_and_the_policy_of_its_moment(make_product, buyer, buy):
    """PM19, S0-24."""
    product = make_product(price_fen=3000, window_days=15)
    order = place(product, buyer, quantity=2)
    newer = make_product(price_fen=9900, window_days=0)
    product.name, product.price_fen, product.policy = "改名", 9900, newer.policy
    product.save()
    order.refresh_from_db()
    assert (order.total_fen, order.policy.window_days) == (6000, 15)
    assert {(line.price_fen, line.product_page["price_fen"]) for line in order.lines.all()} == {(3000, 3000)}
    assert "改名" not in order.lines.first().product_name


def test_a_look_is_recorded_before_the_code_is_opened(buy, reveal):
    order = buy(quantity=2)
    assert order.status == OrderStatus.DELIVERED
    texts = reveal(order)
    assert len(set(texts)) == 2
    order.refresh_from_db()
    assert order.status == OrderStatus.COMPLETED
    for line in order.lines.all():
        event = line.delivery.code.events.get(kind="reveal")
        assert (event.actor, event.ip, "iPhone" in event.device) == (order.buyer, "203.0.113.7", True)
    reveal(order)
    code = order.lines.first().delivery.code
    kinds = list(code.events.order_by("sequence").values_list("kind", flat=True))
    assert kinds == ["stock", "reserve", "deliver", "reveal", "look"]
    assert code.revealed_at == code.events.get(kind="reveal").at


def test_nobody_else_looks(buy, stranger, merchant, senior):
    line = buy().lines.get()
    for viewer in (stranger, merchant, senior):
        with pytest.raises(delivery.NothingToReveal):
            delivery.reveal(line, viewer=Viewer(viewer, None, ""), at=clock.now())
    assert line.delivery.code.state == CodeState.DELIVERED


def test_a_frozen_code_is_not_shown(buy, apply, reveal):
    order = buy(price_fen=8800)
    apply(order)
    with pytest.raises(CodeIsFrozen):
        reveal(order)


def test_what_is_reserved_is_sold_to_nobody_else(make_product, buyer, pay):
    """P16, S4-25: who comes too late is told before paying; what lapses is for sale again."""
    product = make_product(stock=3)
    first = place(product, buyer, quantity=2)
    with pytest.raises(CannotPlace) as refused:
        place(product, buyer, quantity=2)
    assert refused.value.code == "sold_out"
    assert pay(first).status == OrderStatus.DELIVERED
    last = place(product, buyer)
    placing.cancel([last], at=clock.now())
    assert place(product, buyer).status == OrderStatus.PLACED


# --- two tabs at once -------------------------------------------------------------------------------------------------


def tab(product, buyer, key):
    """A checkout without the tick: the order number, or why not."""
    try:
        return placing.place(product, Wish(), buyer=buyer, checkout_key=key, at=clock.now()).order_no
    except CannotPlace as refusal:
        return refusal.code


@pytest.mark.django_db(transaction=True)
def test_the_same_from_two_tabs_at_once_is_asked_about(make_product, buyer):
    """S4-26: the second waits for the first, and sees its order then."""
    product = make_product(stock=5)
    second = while_open(lambda: tab(product, buyer, uuid.uuid4()), lambda: tab(product, buyer, uuid.uuid4()))
    assert second == "same_again"
    assert Order.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_checkout_sent_twice_at_once_is_one_order(make_product, buyer):
    """P1."""
    product, key = make_product(stock=5), uuid.uuid4()
    second = while_open(lambda: tab(product, buyer, key), lambda: tab(product, buyer, key))
    assert second == Order.objects.get().order_no


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("gone", ["product", "shop"])
def test_what_left_the_sale_while_a_checkout_waited_is_not_sold(gone, make_product, buyer, shop):
    product = make_product(stock=5)

    def leave():
        tab(make_product(stock=5), buyer, uuid.uuid4())
        if gone == "product":
            Product.objects.filter(pk=product.pk).update(is_listed=False)
        else:
            Shop.objects.filter(pk=shop.pk).update(status=ShopStatus.SUSPENDED)

    assert while_open(leave, lambda: tab(product, buyer, uuid.uuid4())) == "not_listed"
