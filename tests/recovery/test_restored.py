"""A standby that lost its last second, and yesterday's backup: real PostgreSQL servers, one story (F6, F7).

What was lost: a case released and paid, a refund that went all the way by itself, a payment, and how a refund ended
that was under way. Afterwards channel and ledger agree to the fen, and nobody has been paid twice.
"""

from __future__ import annotations

import uuid

import pytest

import clock
from cardshop import invariants, recovery, watching
from orders.placing import Wish
from payments import charging, outgoing, refunding
from payments.models import AttemptStatus as A
from payments.models import Payment
from refunds import disbursement
from refunds.models import Refund
from tests.cases import attempt_of

pytestmark = pytest.mark.django_db(transaction=True)


def standby(copy_of_the_server):
    """It stood still for the last second; then the primary was gone."""
    copy = copy_of_the_server(streams=True)
    copy.start()
    copy.cut_off()

    def fail_over():
        copy.start()
        copy.promote()
        copy.take_over()

    return fail_over


def backup(copy_of_the_server):
    copy = copy_of_the_server()

    def restore():
        copy.start()
        copy.take_over()

    return restore


@pytest.mark.parametrize(
    ("how", "told"), [(standby, "时间线"), pytest.param(backup, "回到了过去", marks=pytest.mark.nightly)]
)
def test_channel_and_ledger_agree_and_nobody_is_paid_twice(
    how, told, house, copy_of_the_server, watched, simulator, drain, make_product
):
    approved = house.case("reviewer approve")
    under_way = house.sent(house.case("reviewer approve"))
    of_three = house.buy(price_fen=3000, quantity=3)
    line = of_three.lines.order_by("position")[0].pk
    payment = charging.checkout(
        make_product(), Wish(again=True), buyer=house.buyer, checkout_key=uuid.uuid4(), at=clock.now()
    )
    charging.present(payment, at=clock.now())
    refunding.sweep(at=clock.now())
    watching.look(at=clock.now())
    lose = how(copy_of_the_server)

    house.sent(approved)
    simulator.settle(attempt_of(under_way).request_no, "SUCCESS")
    by_itself = house.ask(of_three, line_ids=[line])
    assert by_itself.lane == "one_click"
    simulator.pay(payment.payment_no)
    charging.look([payment], at=clock.now())
    drain()
    watching.look(at=clock.now())
    assert sorted(Refund.objects.values_list("status", flat=True)) == ["arrived"] * 3

    lose()
    assert Refund.objects.count() == 2
    assert Payment.objects.get(pk=payment.pk).status == "open"
    refunding.sweep(at=clock.now())
    assert told in outgoing.stopped().reason
    row = recovery.run(since=None, until=None, say=lambda text: None)
    assert row.closed_at is not None, recovery.report(row)
    assert Payment.objects.get(pk=payment.pk).status == "paid"
    assert attempt_of(under_way).status == A.SUCCEEDED
    assert invariants.broken(simulator.ledger()) == []

    outgoing.resume(by=house.operator, reason="核对完成", at=clock.now())
    approved.refresh_from_db()
    disbursement.release([approved], by=house.finance, at=clock.now())
    again = house.ask(of_three, line_ids=[line])  # its buyer sees no application, and asks once more
    drain()
    for refund in (approved, under_way, again):
        refund.refresh_from_db()
        assert (refund.status, gone_back_fen(simulator, refund)) == ("arrived", refund.amount_fen)
    assert invariants.broken(simulator.ledger()) == []
    assert watching.look(at=clock.now()) == ""


def gone_back_fen(simulator, refund):
    """What the channel's own books say of the payment."""
    rows = [row for row in simulator.ledger()["refunds"] if row["out_trade_no"] == refund.payment.payment_no]
    return sum(row["amount_fen"] * (row["effects"] - row["returns"]) for row in rows)
