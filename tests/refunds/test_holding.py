"""冻结货款: a case holds its shop's money; its end frees or takes it."""

from __future__ import annotations

import pytest

from cardshop import invariants
from ledger import balances, posting
from ledger.models import Posting
from refunds.models import Refund
from refunds.models import Status as S
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
