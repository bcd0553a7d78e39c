"""下单: an order is placed under the policy of the moment, its codes are reserved, and it lapses if nobody pays."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from money import share_out
from orders import agreement, discounts, history, recipients
from orders.models import Order, OrderLine, OrderStatus, OrderStep, Reservation
from orders.recipients import Recipient
from shops import stock
from shops.models import CardCode, Fulfilment, Product, ShopStatus

PAY_WITHIN = timedelta(minutes=15)
MAX_QUANTITY = 10
SAME_ORDER_WITHIN = timedelta(minutes=10)
# Units kept for one buyer, or for all guests of one address, codes or not: nobody takes a shop's stock out of sale, or
# piles up orders, by not paying.
MOST_UNPAID_UNITS = 20


class CannotPlace(Exception):
    """Not for sale, sold out, too many, the same again. The message is for the buyer."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SameAgain(CannotPlace):
    """重复下单 (S4-26): the same was ordered minutes ago; ``order_no`` is where to look before ordering again."""

    def __init__(self, order_no: str) -> None:
        super().__init__(
            "same_again", _("您刚刚下过同样的订单 %(no)s。若确要再买一份，请勾选后重新提交。") % {"no": order_no}
        )
        self.order_no = order_no


@dataclass(frozen=True)
class Wish:
    """要买什么: what a buyer says beside the product. ``again``: knows of the same order just before. ``guest_origin``:
    where a guest comes from (``guests.origin_of``); their next checkout may be by another guest.
    """

    quantity: int = 1
    coupon_code: str = ""
    recipient: Recipient | None = None
    again: bool = False
    guest_origin: bytes = b""


def place(product: Product, wish: Wish, *, buyer: User, checkout_key: uuid.UUID, at: datetime) -> Order:
    """下单. The same ``checkout_key`` of the same buyer gives the same order, however often it is sent (P1)."""
    known = Order.objects.filter(checkout_key=checkout_key, buyer=buyer).first()
    if known:
        return _same(known, product, wish)
    _check(product, wish)
    try:
        with transaction.atomic():
            return _create(product, wish, buyer, checkout_key, at)
    except stock.SoldOut:
        raise CannotPlace("sold_out", _("库存不足，请减少数量或稍后再来。")) from None
    except IntegrityError:
        known = Order.objects.filter(checkout_key=checkout_key, buyer=buyer).first()
        if known is None:  # somebody else's key: never their order
            raise CannotPlace("checkout_key", _("这张下单页已失效，请重新提交。")) from None
        return _same(known, product, wish)


def cancel(orders: Sequence[Order], *, at: datetime) -> None:
    """取消 of unpaid orders whose payment is closed; what was kept for them is for sale again. Locked by the caller."""
    unpaid = [order for order in orders if order.status == OrderStatus.PLACED]
    Order.objects.filter(pk__in=[order.pk for order in unpaid]).update(status=OrderStatus.CANCELED, canceled_at=at)
    for order in unpaid:
        order.status, order.canceled_at = OrderStatus.CANCELED, at
    let_go(list(OrderLine.objects.filter(order__in=unpaid)), at=at)
    history.record(unpaid, OrderStep.LAPSE, at=at)


def call_off(orders: Sequence[Order], *, at: datetime, by: User | None = None, note: str = "") -> None:
    """不再收款: these unpaid orders end as soon as their payments are closed at the channel. Locked by the caller.

    From now on nobody pays for them; what is paid all the same is surplus and goes back (``payments/settling.py``).
    """
    open_ones = [order for order in orders if order.status == OrderStatus.PLACED and order.expires_at > at]
    Order.objects.filter(pk__in=[order.pk for order in open_ones]).update(expires_at=at)
    for order in open_ones:
        order.expires_at = at
    history.record(open_ones, OrderStep.CALL_OFF, at=at, by=by, note=note)


def let_go(lines: Sequence[OrderLine], *, at: datetime) -> None:
    """取消预留 of everything that is kept for these lines and was not handed over."""
    kept = Reservation.objects.filter(line__in=lines, released_at=None, line__delivery=None)
    codes = stock.lock(CardCode.objects.filter(pk__in=kept.values("code")))
    stock.unreserve(codes, at=at)
    Reservation.objects.filter(line__in=lines, released_at=None, code__in=codes).update(released_at=at)


def _same(order: Order, product: Product, wish: Wish) -> Order:
    """The order placed with this key before, if it is about the same goods: a changed form is another order."""
    bought = list(order.lines.values_list("product_id", flat=True))
    if bought != [product.pk] * wish.quantity or not recipients.is_same(order, wish.recipient):
        raise CannotPlace("checkout_key", _("您已用这张下单页下过单，又改了商品或数量。再次提交将另下一单。"))
    return order


def _check(product: Product, wish: Wish) -> None:
    if not 1 <= wish.quantity <= MAX_QUANTITY:
        raise CannotPlace("quantity", _("一次可买 1 到 %(most)d 件。") % {"most": MAX_QUANTITY})
    if product.recipient_kind and wish.recipient is None:
        raise CannotPlace("recipient", _("请填写充值号码或游戏账号。"))


def _check_now(product: Product, wish: Wish, buyer: User, checkout_key: uuid.UUID, at: datetime) -> None:
    """What may have changed while we waited for another checkout of this buyer, read again (S4-26)."""
    if not Product.objects.filter(pk=product.pk, is_listed=True, shop__status=ShopStatus.OPEN).exists():
        raise CannotPlace("not_listed", _("商品已下架。"))
    same = None if wish.again else _placed_before(product, wish, buyer, at)
    if same and same.checkout_key != checkout_key:
        raise SameAgain(same.order_no)


def _placed_before(product: Product, wish: Wish, buyer: User, at: datetime) -> Order | None:
    """The same goods in the same number for the same recipient, minutes ago, and not canceled since."""
    recent = Order.objects.filter(
        buyer=buyer, placed_at__gt=at - SAME_ORDER_WITHIN, shop=product.shop, lines__product=product,
        lines__position=1,
    ).exclude(status=OrderStatus.CANCELED)  # fmt: skip
    alike = recent.prefetch_related("lines").order_by("-placed_at")[:20]
    return next(
        (o for o in alike if len(o.lines.all()) == wish.quantity and recipients.is_same(o, wish.recipient)), None
    )


def _create(product: Product, wish: Wish, buyer: User, checkout_key: uuid.UUID, at: datetime) -> Order:
    _hold(buyer)
    _check_now(product, wish, buyer, checkout_key, at)
    goods_fen = product.price_fen * wish.quantity
    coupon, discount_fen = discounts.find(product.shop_id, wish.coupon_code, goods_fen, wish.quantity, at=at)
    if coupon:
        discounts.demand_unheld(coupon, buyer)
    order = Order(
        buyer=buyer,
        shop_id=product.shop_id,
        policy_id=product.policy_id,
        goods_fen=goods_fen,
        discount_fen=discount_fen,
        total_fen=goods_fen - discount_fen,
        placed_at=at,
        expires_at=at + PAY_WITHIN,
        checkout_key=checkout_key,
        guest_origin=wish.guest_origin or None,
    )
    recipients.keep(order, wish.recipient)
    order.save()
    lines = _lines(order, product, wish.quantity)
    _demand_room(wish, buyer, at)
    _keep_codes(lines, product, buyer, at)
    if coupon:
        discounts.use(coupon, order, at=at)
    history.record([order], OrderStep.PLACE, at=at, by=buyer)
    return order


def _lines(order: Order, product: Product, quantity: int) -> list[OrderLine]:
    """One line a unit, each with its share of the discount (PM12)."""
    prices_fen = share_out(order.total_fen, [product.price_fen] * quantity)
    return OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            position=position,
            product=product,
            product_name=product.name,
            product_page=page_of(product),
            fulfilment=product.fulfilment,
            list_price_fen=product.price_fen,
            price_fen=price_fen,
        )
        for position, price_fen in enumerate(prices_fen, start=1)
    )


def _hold(buyer: User) -> None:
    """One order of a buyer after another; and a guest is claimed before this one, or together with it."""
    locked = User.objects.select_for_update(no_key=True).get(pk=buyer.pk)
    if locked.claimed_by_id is not None:
        raise CannotPlace("claimed", _("这位访客的订单刚刚被认领到账号，没有下单。请登录该账号后再买。"))


def _demand_room(wish: Wish, buyer: User, at: datetime) -> None:
    """Who orders twice at once is counted twice, and so are the guests of one address. The new lines count already."""
    unpaid = Order.objects.filter(placed_at__gt=at - timedelta(days=1), status=OrderStatus.PLACED)
    if _kept(unpaid.filter(buyer=buyer)) > MOST_UNPAID_UNITS:
        raise CannotPlace("unpaid", _("您未付款的订单太多，请先付款或取消，再下新单。"))
    if not wish.guest_origin:
        return
    with connection.cursor() as cursor:
        lock = int.from_bytes(wish.guest_origin[:8], signed=True)
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock])
    if _kept(unpaid.filter(guest_origin=wish.guest_origin)) > MOST_UNPAID_UNITS:
        raise CannotPlace(
            "unpaid_guests",
            _("您所在网络未付款的访客订单太多。请先付款或取消，或登录后购买，或 %(minutes)d 分钟后再试。")
            % {"minutes": PAY_WITHIN.seconds // 60},
        )


def _kept(orders: QuerySet[Order]) -> int:
    """How many units are kept for these."""
    return OrderLine.objects.filter(order__in=orders).count()


def _keep_codes(lines: Sequence[OrderLine], product: Product, buyer: User, at: datetime) -> None:
    """Nobody pays for what is not there (P16, S4-25)."""
    if product.fulfilment == Fulfilment.CODES:
        codes = stock.reserve(product.pk, len(lines), at=at, by=buyer)
        Reservation.objects.bulk_create(
            Reservation(line=line, code=code, reserved_at=at) for line, code in zip(lines, codes, strict=True)
        )


def page_of(product: Product) -> dict[str, object]:
    """商品页快照 (S0-24)."""
    return {
        "name": product.name,
        "kind": product.kind,
        "fulfilment": product.fulfilment,
        "face_value": product.face_value,
        "validity": product.validity,
        "is_cross_border": product.is_cross_border,
        "description": product.description,
        "not_refundable_note": product.not_refundable_note,
        "price_fen": product.price_fen,
        "delivery_promise_minutes": product.delivery_promise_minutes,
        "policy": str(product.policy),
        "supplier": product.supplier_id,  # who carries it out, and under which number of theirs: as bought (PM19)
        "supplier_sku": product.supplier_sku,
        agreement.KEY: agreement.VERSION,
    }
