"""隔离: what comes back is sold again only after a check, and where the issuer can be asked, by its word alone."""

from __future__ import annotations

import hashlib
import uuid

import pytest

import clock
from shops import quarantine, stock
from shops.models import CardCode, CodeEventKind, CodeState, ShopMember, ShopRole, SupplierAnswer
from shops.quarantine import CannotRelease
from shops.rights import NotAllowed
from tests.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def text() -> str:
    """The issuer remembers what it was told: a code of this test's own."""
    return f"QUARANTINE-{uuid.uuid4()}"


@pytest.fixture
def quarantined(make_product, merchant, supplier, text):
    """A code whose issuer can be asked, out of sale."""
    product = make_product(stock=0, supplier=supplier)
    stock.add(product, [text], at=clock.now())
    quarantine.take_out(product, product.codes.values_list("pk", flat=True), by=merchant, at=clock.now())
    return product.codes.select_related("product__shop", "product__supplier").get()


def test_unredeemed_by_the_issuers_word_it_is_sold_again(quarantined, merchant):
    new = quarantine.release(quarantined, is_checked=True, by=merchant, at=clock.now())
    assert new.state == CodeState.IN_STOCK
    assert SupplierAnswer.objects.get().state == "unused"
    kinds = list(quarantined.events.order_by("sequence").values_list("kind", flat=True))
    assert kinds == [CodeEventKind.STOCK, CodeEventKind.QUARANTINE, CodeEventKind.CHECK, CodeEventKind.RELEASE]


def test_redeemed_it_is_never_sold_again_whatever_its_shop_says(quarantined, merchant, simulator, text):
    simulator.post("issuer", code=text, redeemed_at="2026-11-01T10:00:00+08:00")
    with pytest.raises(CannotRelease, match="已兑换"):
        quarantine.release(quarantined, is_checked=True, by=merchant, at=clock.now())
    assert CardCode.objects.get().state == CodeState.QUARANTINED


@pytest.mark.parametrize("fault", ["issuer_500", "issuer_bad_signature"])
def test_without_an_answer_that_can_be_believed_it_stays(quarantined, merchant, simulator, text, fault):
    simulator.faults(fault, request_no=hashlib.sha256(text.encode()).hexdigest())
    with pytest.raises(CannotRelease, match="没有答复"):
        quarantine.release(quarantined, is_checked=True, by=merchant, at=clock.now())
    assert CardCode.objects.get().state == CodeState.QUARANTINED


def test_nobody_is_asked_for_what_was_not_checked_or_is_not_there(quarantined, merchant):
    with pytest.raises(CannotRelease, match="勾选"):
        quarantine.release(quarantined, is_checked=False, by=merchant, at=clock.now())
    quarantine.release(quarantined, is_checked=True, by=merchant, at=clock.now())
    with pytest.raises(CannotRelease, match="重新入库"):
        quarantine.release(
            CardCode.objects.select_related("product__shop").get(pk=quarantined.pk),
            is_checked=True, by=merchant, at=clock.now(),
        )  # fmt: skip
    assert SupplierAnswer.objects.count() == 1


def test_whoever_may_not_keep_stock_is_refused_by_the_domain_too(quarantined, shop, stranger):
    """I10."""
    clerk = person("clerk", "merchant")
    ShopMember.objects.create(shop=shop, user=clerk, role=ShopRole.CLERK)
    for user in (clerk, stranger):
        with pytest.raises(NotAllowed):
            quarantine.release(quarantined, is_checked=True, by=user, at=clock.now())
        with pytest.raises(NotAllowed):
            quarantine.take_out(quarantined.product, [quarantined.pk], by=user, at=clock.now())
    assert CardCode.objects.get().events.count() == 2
