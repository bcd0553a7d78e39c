"""下架与隔离: what a shop takes out of sale, and what it puts back after a check.

A refunded code comes back to its shop unseen, yet nobody knows what became of it meanwhile: it is sold again only once
its shop has checked it, and where its issuer can be asked, once the issuer has said so.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from shops import checking, rights, stock
from shops.models import CardCode, CodeState, Product, StockImport
from shops.suppliers.base import CodeFact, SupplierError

MOST_AT_ONCE = 5000


class CannotRelease(Exception):
    """It stays in quarantine. The message is for the shop."""


def take_out(product: Product, code_ids: Collection[UUID], *, by: User, at: datetime) -> int:
    """下架 these codes of the product, as far as they are still for sale. Returns how many."""
    with transaction.atomic():
        rights.demand(by, product.shop, "stock")
        return stock.take_out(product.codes.filter(pk__in=code_ids), by=by, at=at)


def take_out_import(stock_import: StockImport, *, by: User, at: datetime) -> int:
    """下架 what is unsold of an import, a few thousand at once. Returns how many."""
    product = stock_import.product
    left = product.codes.filter(state=CodeState.IN_STOCK, stock_import=stock_import).order_by("pk")
    return take_out(product, list(left.values_list("pk", flat=True)[:MOST_AT_ONCE]), by=by, at=at)


def release(code: CardCode, *, is_checked: bool, by: User, at: datetime) -> CardCode:
    """解除隔离 after a check: the same text is for sale again, in a new row. Raises CannotRelease.

    Nobody's word is taken where the issuer can be asked: what it signed stands beside the code's record.
    """
    rights.demand(by, code.product.shop, "stock")
    if not is_checked:
        raise CannotRelease(_("请先核验卡密未被使用，再勾选确认。"))
    if code.state != CodeState.QUARANTINED or code.revealed_at is not None or code.restocked_as_id is not None:
        raise CannotRelease(_("这张卡密不在隔离中，或已经重新入库。"))
    if checking.can_look_up([code.pk]):
        _ask_issuer(code, by, at)
    try:
        with transaction.atomic():
            rights.demand(by, code.product.shop, "stock")
            return stock.restock(code.pk, by=by, at=at)
    except stock.CannotRestock:
        raise CannotRelease(_("这张卡密不在隔离中，或已经重新入库。")) from None


def _ask_issuer(code: CardCode, by: User, at: datetime) -> None:
    try:
        answer = checking.look_up(code.pk, by=by, at=at)
    except SupplierError:
        raise CannotRelease(_("发卡方暂时没有答复，卡密仍在隔离中，请稍后再试。")) from None
    if answer.state != CodeFact.UNUSED:
        raise CannotRelease(_("发卡方答复：已兑换。卡密不能再次出售。"))
