"""冻结货款: a case holds its shop's money; its end frees or takes it."""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from ledger import balances, posting
from ledger.models import Posting
from orders.models import Order
from refunds.models import Refund
from refunds.models import Status as S
from shops import money
from shops.money import Move
from tests.cases import House

pytestmark = pytest.mark.django_db


def has(refund: Refund) -> dict[str, int]:
    """What the shop's accounts hold, in fen; those that hold nothing are left out."""
    names = {
        "shop": posting.shop_account, "held": posting.held_account, "available": posting.available_account,
        "advance": posting.advance_account,
    }  # fmt: skip
    owed = balances.owed([account(refund.order.shop_id) for account in names.values()])
    fen = {name: owed[account(refund.order.shop_id)] for name, account in names.items()}
    return {name: each for name, each in fen.items() if each}


def test_a_claim_holds_and_a_refusal_frees(house: House):
    refund = house.case(price_fen=8800)
    assert (refund.held_fen, has(refund)) == (8800, {"held": 8800})
    house.on(refund, "reviewer reject")
    assert (refund.held_fen, has(refund)) == (0, {"shop": 8800})
    house.on(refund, "senior reopen")
    assert (refund.held_fen, has(refund)) == (8800, {"held": 8800})
    house.on(refund, "buyer withdraw")
    assert has(refund) == {"shop": 8800}
    assert list(Posting.objects.filter(ref__startswith="hold:").order_by("pk").values_list("ref", flat=True)) == [
        f"hold:{refund.refund_no}:{number}" for number in (1, 3, 4, 5)
    ]


def test_an_offer_of_less_frees_the_rest(house: House):
    refund = house.case(price_fen=8800)
    house.on(refund, "reviewer make_offer", amount_fen=5000)
    assert (refund.held_fen, has(refund)) == (8800, {"held": 8800})
    house.on(refund, "buyer accept_offer")
    assert (refund.status, refund.held_fen) == (S.APPROVED, 5000)
    assert has(refund) == {"held": 5000, "shop": 3800}


def test_a_success_takes_what_was_held_and_a_return_brings_it_back(house: House, drain):
    refund = house.sent(house.case("reviewer approve", price_fen=8800))
    assert has(refund) == {"held": 8800}
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.held_fen, has(refund)) == (S.ARRIVED, 0, {})
    assert invariants.broken(house.simulator.ledger()) == []


def test_a_settled_order_is_paid_from_what_the_shop_has_and_the_platform_advances_the_rest(house: House):
    """No buyer waits because a shop has spent his money."""
    order = house.buy(price_fen=8800)
    shop = order.shop_id
    moves = [Move("settle:1", shop, 8800, posting.shop_account(shop))]
    posting.post(money.pay_in(moves), at=clock.now())
    posting.post(money.draw([Move("paid-out:1", shop, 5000, posting.BANK)]), at=clock.now())
    Order.objects.filter(pk=order.pk).update(settled_at=clock.now())
    order.refresh_from_db()
    refund = house.ask(order)
    assert has(refund) == {"held": 8800, "advance": -5000}
    house.on(refund, "buyer withdraw")
    assert has(refund) == {"available": 3800}
    assert invariants.broken(house.simulator.ledger()) == []
