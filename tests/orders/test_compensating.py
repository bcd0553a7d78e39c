"""平台赔付: of the platform's own money, to the buyer's balance; above the limit by two people."""

from __future__ import annotations

from datetime import timedelta

import pytest

import clock
from accounts.models import User
from cardshop import invariants
from ledger import balances, posting
from notices.models import Notice
from orders import compensating
from orders.compensating import CannotCompensate
from orders.models import Compensation
from shops import money
from tests.attacks import another, refusal

pytestmark = pytest.mark.django_db


def give(order, by, fen=1200, refund_no=""):
    return compensating.make(
        order, amount_fen=fen, reason="等待过久", refund_no=refund_no, by=by, at=clock.now()
    )  # fmt: skip


def test_within_the_limit_one_person_gives_it(buy, reveal, apply, finance, buyer, simulator):
    """I12: a posting of its own, that neither the shop nor the refund knows of."""
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    row = give(order, finance, refund_no=refund.refund_no)
    assert row.paid_at is not None
    assert balances.of_buyer(buyer.pk) == 1200
    assert balances.owed([posting.COMPENSATION]) == {posting.COMPENSATION: -1200}
    assert money.purses([order.shop_id])[order.shop_id].owes_fen == 0
    assert Notice.objects.get(source=f"compensation:{row.pk}").recipient == buyer
    assert invariants.broken(simulator.ledger()) == []


def test_the_same_form_sent_twice_gives_it_once(buy, finance, senior, buyer):
    """P1: whoever decided on it had seen what was given; a colleague with the same thought gives nothing either."""
    order = buy()
    once = {"amount_fen": 1200, "reason": "等待过久", "refund_no": "", "at": clock.now(), "seen": 0}
    compensating.make(order, by=finance, **once)
    for person in (finance, senior):
        with pytest.raises(CannotCompensate, match="刚刚有了新的赔付"):
            compensating.make(order, by=person, **once)
    assert balances.of_buyer(buyer.pk) == 1200
    compensating.make(order, by=senior, **once | {"seen": 1})
    assert balances.of_buyer(buyer.pk) == 2400


def test_above_it_another_person_confirms_and_splitting_helps_nobody(buy, finance, cashier, senior, buyer, reviewer):
    """I10: 50,000 fen are the policy's limit; what was given before counts."""
    order = buy()
    assert give(order, finance, 30_000).paid_at is not None
    row = give(order, finance, 20_001)
    assert (row.paid_at, row.earlier_fen, row.limit_fen) == (None, 30_000, 50_000)
    for person in (finance, reviewer, buyer):
        with pytest.raises(CannotCompensate):
            compensating.confirm(row, by=person, at=clock.now())
    compensating.confirm(row, by=senior, at=clock.now())
    row.refresh_from_db()
    assert (row.checked_by, balances.of_buyer(buyer.pk)) == (senior, 50_001)
    with pytest.raises(CannotCompensate, match="已经入账"):
        compensating.refuse(row, by=cashier, at=clock.now())
    other = give(order, senior, 1)
    compensating.refuse(other, by=cashier, at=clock.now())
    assert balances.of_buyer(buyer.pk) == 50_001
    assert invariants.broken() == []


def test_nor_does_one_person_give_much_of_many_orders_in_a_day(buy, finance, cashier):
    """¥2,000 within 24 hours, each within its order's limit; what another one checked is not counted."""
    one, other = (buy(senior_above_fen=300_000) for _ in range(2))
    assert give(one, finance, 150_000).paid_at is not None
    row = give(other, finance, 50_001)
    assert (row.paid_at, row.limit_fen) == (None, 50_000)
    compensating.confirm(row, by=cashier, at=clock.now())
    assert give(other, finance, 50_000).paid_at is not None
    assert give(other, finance, 1).paid_at is None
    assert give(other, cashier, 1).paid_at is not None
    clock.advance(timedelta(hours=25))
    assert give(other, finance, 1).paid_at is not None
    assert invariants.broken() == []


def test_who_may_not_and_to_whom_not(buy, buyer, reviewer, operator, merchant, finance, shop):
    order = buy()
    for person in (buyer, reviewer, operator, merchant):
        with pytest.raises(CannotCompensate):
            give(order, person)
    shop.members.add(finance)
    with pytest.raises(CannotCompensate, match="您自己或您店铺"):
        give(order, finance)
    shop.memberships.filter(user=finance).delete()
    with pytest.raises(CannotCompensate, match="不属于订单"):
        give(order, finance, refund_no="R0000000000")
    with pytest.raises(CannotCompensate, match="金额太大"):
        give(order, finance, fen=2**31)
    guests = buy(by=User.objects.create(username="guest-9", is_guest=True))
    with pytest.raises(CannotCompensate, match="访客"):
        give(guests, finance)
    assert not Compensation.objects.exists()


def test_the_database_refuses_every_other_way(buy, finance, senior, stranger):
    order = buy()
    done, waits = give(order, finance), give(order, finance, 60_000)
    row = "UPDATE orders_compensation SET {} WHERE id = " + str(waits.pk)
    beside = {"paid_at": "NULL", "checked_by_id": "NULL"}
    tries = {
        row.format("paid_at = now()"): "is not posted",
        row.format(f"checked_by_id = {finance.pk}"): "compensation_is_checked_by_another",
        row.format(f"checked_by_id = {order.buyer_id}"): "compensation_is_nobodys_own",
        row.format("refused_at = now()"): "refused_compensation_names_who",
        row.format("amount_fen = 1"): "Cannot update",
        f"UPDATE orders_compensation SET paid_at = NULL WHERE id = {done.pk}": "is decided already",
        f"DELETE FROM orders_compensation WHERE id = {done.pk}": "Cannot delete",
        another("orders.Compensation"): "is decided after it is written",
        another("orders.Compensation", **beside, amount_fen="0"): "compensation_is_positive",
        another("orders.Compensation", **beside, reason="''"): "compensation_says_why",
        another("orders.Compensation", **beside, refund_no="'R1'"): "is not of this order",
        another("orders.Compensation", **beside, buyer_id=str(stranger.pk)): "balance of the buyer",
    }
    for sql, said in tries.items():
        assert said in refusal(sql), sql
