"""下单: an order is placed under the policy of the moment, and lapses if nobody pays."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.models import User
from orders.models import Order, OrderLine, OrderStatus
from shops import stock
from shops.models import Product

PAY_WITHIN = timedelta(minutes=15)
MAX_QUANTITY = 10


class CannotPlace(Exception):
    """Not for sale, sold out, or too many. The message is for the buyer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def place(product: Product, *, quantity: int, buyer: User, checkout_key: uuid.UUID, at: datetime) -> Order:
    """下单. The same ``checkout_key`` of the same buyer gives the same order, however often it is sent (P1)."""
    known = Order.objects.filter(checkout_key=checkout_key, buyer=buyer).first()
    if known:
        return _same(known, product, quantity)
    _check(product, quantity)
    try:
        with transaction.atomic():
            return _create(product, quantity, buyer, checkout_key, at)
    except IntegrityError:
        known = Order.objects.filter(checkout_key=checkout_key, buyer=buyer).first()
        if known is None:  # somebody else's key: never their order
            raise CannotPlace("checkout_key", _("这张下单页已失效，请重新提交。")) from None
        return _same(known, product, quantity)


def cancel(orders: Sequence[Order], *, at: datetime) -> None:
    """取消 of unpaid orders whose payment is closed. The orders are locked by the caller."""
    ids = [order.pk for order in orders if order.status == OrderStatus.PLACED]
    Order.objects.filter(pk__in=ids).update(status=OrderStatus.CANCELED, canceled_at=at)


def _same(order: Order, product: Product, quantity: int) -> Order:
    """The order placed with this key before, if it is about the same goods: a changed form is another order."""
    if list(order.lines.values_list("product_id", flat=True)) != [product.pk] * quantity:
        raise CannotPlace("checkout_key", _("您已用这张下单页下过单，又改了商品或数量。再次提交将另下一单。"))
    return order


def _check(product: Product, quantity: int) -> None:
    if not product.is_listed:
        raise CannotPlace("not_listed", _("商品已下架。"))
    if not 1 <= quantity <= MAX_QUANTITY:
        raise CannotPlace("quantity", _("一次可买 1 到 %(most)d 件。") % {"most": MAX_QUANTITY})
    if stock.available(product.pk) < quantity:
        raise CannotPlace("sold_out", _("库存不足，请减少数量或稍后再来。"))


def _create(product: Product, quantity: int, buyer: User, checkout_key: uuid.UUID, at: datetime) -> Order:
    order = Order.objects.create(
        buyer=buyer,
        shop_id=product.shop_id,
        policy_id=product.policy_id,
        total_fen=product.price_fen * quantity,
        placed_at=at,
        expires_at=at + PAY_WITHIN,
        checkout_key=checkout_key,
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            position=position,
            product=product,
            product_name=product.name,
            product_page=_page(product),
            price_fen=product.price_fen,
        )
        for position in range(1, quantity + 1)
    )
    return order


def _page(product: Product) -> dict[str, object]:
    """商品页快照 (S0-24)."""
    return {
        "name": product.name,
        "kind": product.kind,
        "face_value": product.face_value,
        "description": product.description,
        "not_refundable_note": product.not_refundable_note,
        "price_fen": product.price_fen,
        "delivery_promise_minutes": product.delivery_promise_minutes,
        "policy": str(product.policy),
    }
