"""买家评价: what a buyer says of a completed order, the shop's one answer, and moderation with a reason (S1-21).

The buyer's words never change. Codes in them are masked before they are written (PM16).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

import accounts.rights
import reason_given
from accounts.models import User
from accounts.rights import Act
from orders import masking
from orders.models import Order, OrderStatus, Review
from shops import rights
from shops.models import Product, Shop

LONGEST = 500
SPEAKS_OF_REFUNDS = re.compile(r"退款|退钱|退货|refund", re.IGNORECASE)


class CannotReview(Exception):
    """Not theirs, their own shop's, not completed, said already, nothing, too much. The message is for the author."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def write(order: Order, *, stars: int, text: str, by: User, at: datetime, about_refund: bool) -> Review:
    """评价, once. ``about_refund``: the order had a refund; else the words decide (退款相关). Raises CannotReview."""
    if by.pk != order.buyer_id:
        raise CannotReview("not_yours", _("只能评价自己的订单。"))
    if rights.may(by, order.shop, "talk"):
        raise CannotReview("own_shop", _("不能评价自己的店。"))
    if order.status != OrderStatus.COMPLETED:
        raise CannotReview("not_completed", _("订单完成后才能评价。"))
    if not 1 <= stars <= 5:
        raise CannotReview("stars", _("请选择 1 到 5 星。"))
    said = _readable(order, text)
    try:
        with transaction.atomic():
            return Review.objects.create(
                order=order,
                product_id=order.lines.order_by("position").values_list("product_id", flat=True)[0],
                shop_id=order.shop_id,
                author=by,
                stars=stars,
                text=said,
                about_refund=about_refund or bool(SPEAKS_OF_REFUNDS.search(said)),
                at=at,
            )
    except IntegrityError:
        raise CannotReview("already", _("这张订单已经评价过了。")) from None


def reply(review: Review, text: str, *, by: User, at: datetime) -> None:
    """商家回复, once. Raises CannotReview, NotAllowed."""
    with transaction.atomic():
        row = Review.objects.select_for_update(no_key=True, of=("self",)).select_related("order", "shop")
        review = row.get(pk=review.pk)
        rights.demand(by, review.shop, "talk")
        said = _readable(review.order, text)
        if not said:
            raise CannotReview("empty", _("请写下回复。"))
        if review.reply:
            raise CannotReview("already", _("这条评价已经回复过了。"))
        review.reply, review.replied_at = said, at
        review.save(update_fields=["reply", "replied_at"])


def hide(review: Review, *, by: User, at: datetime, reason: str) -> None:
    """隐藏: it is shown to nobody, and kept with the reason. Raises CannotReview."""
    words = masking.mask_own([review.order_id], masking.tidy(reason))
    if not words:
        raise CannotReview("reason", _("请写明隐藏的原因。"))
    if len(words) > reason_given.LONGEST:
        raise CannotReview("too_long", _("一次最多 %(most)d 个字。") % {"most": reason_given.LONGEST})
    with _moderation(review, Act.HIDE, by) as locked:
        if locked.is_hidden:
            raise CannotReview("already", _("这条评价已是这个状态。"))
        locked.is_hidden, locked.hidden_reason, locked.hidden_by, locked.hidden_at = True, words, by, at


def show(review: Review, *, by: User) -> None:
    """恢复显示. Raises CannotReview."""
    with _moderation(review, Act.SHOW, by) as locked:
        if not locked.is_hidden:
            raise CannotReview("already", _("这条评价已是这个状态。"))
        locked.is_hidden, locked.hidden_reason, locked.hidden_by, locked.hidden_at = False, "", None, None


def of_product(product: Product) -> QuerySet[Review]:
    """What everybody may read about a product. Newest first is the page's business (``paging``)."""
    return Review.objects.filter(product=product, is_hidden=False).select_related("author")


def of_shop(shop: Shop) -> QuerySet[Review]:
    return Review.objects.filter(shop=shop, is_hidden=False).select_related("author", "product")


def shown_author(review: Review) -> str:
    """Who wrote it, as strangers may know: 小****, or that it was a guest."""
    return _("访客") if review.author.is_guest else f"{review.author.username[:1]}****"


@contextmanager
def _moderation(review: Review, act: Act, by: User) -> Iterator[Review]:
    """The review, locked, before somebody who may do this; what the block sets is saved."""
    with transaction.atomic():
        if not accounts.rights.may(by, act, "orders.review"):
            raise CannotReview("not_allowed", _("您不能管理评价。"))
        locked = Review.objects.select_for_update(no_key=True, of=("self",)).select_related("shop").get(pk=review.pk)
        if locked.author_id == by.pk or locked.shop.memberships.filter(user=by).exists():  # I10
            raise CannotReview("own", _("不能管理自己写的或自己店的评价。"))
        yield locked
        locked.save(update_fields=["is_hidden", "hidden_reason", "hidden_by", "hidden_at"])


def _readable(order: Order, text: str) -> str:
    words = masking.tidy(text)
    if len(words) > LONGEST:
        raise CannotReview("too_long", _("一次最多 %(most)d 个字。") % {"most": LONGEST})
    return masking.mask(order, words)[:LONGEST]  # a mask may be longer than a short code
