"""A refund of ours that the database has forgotten, shown by a bill and by a recovery, counts once (F6, G21)."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import reverse

import clock
from accounts.desk import page_url
from cardshop import invariants
from ledger import balances, posting
from payments import adopting, by_hand, funds, outgoing, refunding, transfers
from payments.adopting import Found
from payments.gateways.base import RefundOutcome
from payments.models import AttemptStatus as A
from payments.refunding import Instruction
from reconciliation import matching, resolving, statements
from reconciliation.models import Bearer, Discrepancy, Statement
from refunds import disbursement
from tests.attacks import refusal
from tests.cases import attempt_of, signed_for_account, transfer_of
from tests.reconciliation.days import Day
from tests.reconciliation.test_matching import CHANNELS, found
from tests.recovery.conftest import watched  # noqa: F401
from tests.recovery.test_recovering import forget, out, recover
from tests.refunds.test_races import while_open

FROM_NOTES = import_module("payments.migrations.0018_a_redirect_knows_that_its_refund_was_paid").FROM_NOTES

pytestmark = pytest.mark.django_db


def by_the_bill(day: Day) -> None:
    day.reconcile(again=True)


def by_the_recovery(day: Day) -> None:
    assert recover().closed_at is not None


def suspense(channel: str) -> int:
    account = posting.suspense_account(channel)
    return balances.owed([account])[account]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    "ways",
    [
        pytest.param((by_the_bill, by_the_recovery), id="bill"),
        pytest.param((by_the_recovery, by_the_bill), id="recovery", marks=pytest.mark.nightly),
    ],
)
def test_found_by_either_it_is_counted_once_and_the_case_takes_it_over(
    ways: Any,
    channel: str,
    day: Day,
    approved: Any,
    operator: Any,
    watched: Any,  # noqa: F811
):
    refund = approved(channel=channel)
    payment, fen = refund.payment, refund.amount_fen
    refunding.open_attempts([Instruction(payment, fen, "丢失的放款")], at=clock.now())
    refunding.sweep(at=clock.now())
    forgotten = f"{payment.payment_no}R01"
    if channel == "wechat":
        day.simulator.settle(forgotten, "SUCCESS")
    forget(payment)
    day.over()
    for way in (*ways, *ways):
        way(day)
        payment.refresh_from_db()
        assert (payment.external_fen, suspense(channel)) == (fen, -fen), way
        assert list(payment.attempts.values_list("request_no", "status")) == [(forgotten, A.EXTERNAL)]
        assert invariants.broken(day.simulator.ledger()) == []
    assert found() == {("trades", "only_theirs", forgotten)}

    outgoing.resume(by=operator, reason="核对完成", at=clock.now())
    disbursement.release([refund], by=day.people.cashier, at=clock.now())
    assert attempt_of(refund).request_no == forgotten
    refunding.sweep(at=clock.now())
    disbursement.hear(at=clock.now())
    payment.refresh_from_db()
    assert (payment.refunded_fen, payment.external_fen, payment.reserved_fen) == (fen, 0, 0)
    assert (out(day.simulator, payment), suspense(channel)) == (fen, 0)
    by_the_bill(day)
    row = Discrepancy.objects.get()  # a person must have seen it; it is nobody's loss any more
    with pytest.raises(resolving.CannotResolve):
        resolving.propose_bearer(row, bearer=Bearer.SHOP, by=day.people.finance, at=clock.now(), reason="找回")
    resolving.explain(row, by=day.people.finance, at=clock.now(), reason="已由退款单认领")
    assert found() == set()
    assert invariants.broken(day.simulator.ledger()) == []


@pytest.mark.parametrize("bank", ["has paid", "has not"])
def test_the_bill_shows_a_closed_refund_as_paid_while_its_transfer_is_in_hand(
    bank: str, house: Any, simulator: Any, cashier: Any, finance: Any
):
    """S2-28, G7, I13: what the bank has paid is recorded, whatever the channel says; twice paid is a difference that
    two people book. What it has not paid is refused, and then the old refund is the case's again."""
    refund, closed = closed_unsent(house)
    signed_for_account(house, refund)
    house.on(refund, "cashier confirm_redirect")
    disbursement.release([refund], by=finance, at=clock.now())
    transfer = transfers.approve(transfer_of(refund), by=finance, at=clock.now())
    payment, at = refund.payment, clock.now()
    row = shown_as_paid(closed, simulator, at)
    assert resolving.look_into_closed(row, at=at) == resolving.IN_HAND
    assert (attempt_of(refund).status, Discrepancy.objects.get().status) == (A.CLOSED, "open")
    transfer.refresh_from_db()
    with pytest.raises(transfers.CannotTransfer, match="渠道称已退"):  # nobody begins to pay it by now
        transfers.look_at_payee(transfer, by=cashier, at=at)
    assert "refund_rests_beside_its_transfer" in refusal(
        f"UPDATE payments_refundattempt SET status = 'unknown', next_due_at = now() WHERE id = {closed.pk}"
    )
    if bank == "has paid":
        transfers.mark_paid(transfer, by=cashier, at=at, paid_at=at, voucher="V1")
        assert "补记为渠道侧退款" in resolving.look_into_closed(row, at=at)  # before the case has heard of it, too
    else:
        transfers.refuse(transfer, by=finance, at=at, reason="渠道已退")
        disbursement.hear(at=at)
        assert "已重新认领" in resolving.look_into_closed(row, at=at)
    disbursement.hear(at=at)
    refund.refresh_from_db()
    payment.refresh_from_db()
    paid = (payment.transferred_fen, payment.refunded_fen, payment.external_fen, suspense("wechat"))
    assert paid == ((3000, 0, 3000, -3000) if bank == "has paid" else (0, 3000, 0, 0))
    assert (refund.status in {"paid_out", "arrived"}, refund.held_fen) == (True, 0)
    assert Discrepancy.objects.get().status == "open"
    if bank == "has paid":  # and then gives it back: the case holds its money again, and what was adopted is counted
        transfers.mark_failed(transfer, by=finance, at=at, reason="户名不符")
        disbursement.hear(at=at)
        assert "补记为渠道侧退款" in resolving.look_into_closed(row, at=at)
        payment.refresh_from_db()
        assert (payment.transferred_fen, payment.refunded_fen, payment.external_fen) == (0, 0, 3000)
    assert invariants.broken() == []


def closed_unsent(house: Any, quantity: int = 2) -> tuple[Any, Any]:
    """Half of an order's money came back before it left us; (the case, what is closed). There is room to pay twice,
    unless it is one of one."""
    order, at = house.buy(price_fen=3000, quantity=quantity), clock.now()
    house.reveal(order)
    refund = house.on(house.ask(order, line_ids=[order.lines.first().pk]), "reviewer approve")
    disbursement.release([refund], by=house.finance, at=at)
    funds.ran_short([refund.payment.account_id], at=at)  # it is not sent
    refunding.sweep(at=at)
    assert by_hand.close_refused([attempt_of(refund)], by=house.finance, at=at) == 1
    funds.topped_up(refund.payment.account, by=house.finance, at=at)
    disbursement.hear(at=at)
    refund.refresh_from_db()
    return refund, attempt_of(refund)


def shown_as_paid(closed: Any, simulator: Any, at: Any) -> Discrepancy:
    """The channel has paid it after all, and a bill shows that."""
    past = {"out_refund_no": closed.request_no, "out_trade_no": closed.payment.payment_no, "amount_fen": 3000}
    past |= {"status": "SUCCESS", "created_at": at.isoformat(), "succeeded_at": at.isoformat()}
    simulator.post("history", channel="wechat", payments=[], refunds=[past])
    statements.want(at.date(), at=at, accounts=[closed.payment.account])
    there = adopting.ask_about_closed(closed)
    assert isinstance(there, RefundOutcome)
    return Discrepancy.objects.create(
        statement=Statement.objects.get(kind="trades"), kind="closed_paid", key="1",
        payment_no=closed.payment.payment_no, request_no=closed.request_no, channel_no=there.channel_refund_id,
        theirs_fen=3000, found_at=at, due_at=at, next_due_at=at,
    )  # fmt: skip


def test_a_transfer_beside_a_refund_that_the_channel_has_paid_is_not_approved(
    house: Any, simulator: Any, finance: Any, cashier: Any, client: Any
):
    """G7, I13: asked for the whole of an order, so that there is no room for the old refund until it is ended."""
    refund, closed = closed_unsent(house, quantity=1)
    signed_for_account(house, refund)
    house.on(refund, "cashier confirm_redirect")
    disbursement.release([refund], by=finance, at=clock.now())
    transfer, at = transfer_of(refund), clock.now()
    row = shown_as_paid(closed, simulator, at)
    with transaction.atomic():  # as it was written down before the transfer had a column for it
        refunding.noted(closed, "渠道账单显示已退，渠道确认；改付的转账在办", by=None, at=at).save()
        with connection.cursor() as cursor:
            cursor.execute(FROM_NOTES)
        transfer.refresh_from_db()
        assert transfer.paid_there_at == at
        transaction.set_rollback(True)
    assert resolving.look_into_closed(row, at=at) == resolving.IN_HAND
    transfer.refresh_from_db()
    assert transfers.warning_before_paying(transfer)
    with pytest.raises(transfers.CannotTransfer, match="重复退款"):
        transfers.approve(transfer, by=finance, at=at)
    with transaction.atomic():  # unless its bank may have paid it: a restore forgot who approved it
        transfers.hold_after_a_restore(before=at, at=at)
        assert transfers.approve(transfer, by=finance, at=at).status == "approved"
        assert transfers.look_at_payee(transfer, by=cashier, at=at).number  # to ask the bank about
        transfers.confirm_unpaid(transfer, by=finance, at=at + timedelta(seconds=1))
        transfer.refresh_from_db()
        client.force_login(cashier, backend="django.contrib.auth.backends.ModelBackend")
        payee = reverse("admin:payments_transfer_payee", args=[transfer.pk])
        assert "渠道称已退" in client.post(payee, follow=True).content.decode()
        assert payee not in client.get(page_url(transfer)).content.decode()
        transaction.set_rollback(True)
    transfers.refuse(transfer, by=finance, at=at, reason="渠道已退")
    disbursement.hear(at=at)
    assert "已重新认领" in resolving.look_into_closed(row, at=at)
    disbursement.hear(at=at)
    refund.refresh_from_db()
    refund.payment.refresh_from_db()
    assert (refund.status in {"paid_out", "arrived"}, suspense("wechat")) == (True, 0)
    assert (refund.payment.refunded_fen, refund.payment.transferred_fen, refund.payment.external_fen) == (3000, 0, 0)
    assert invariants.broken() == []


@pytest.mark.django_db(transaction=True)
def test_it_is_a_cases_or_somebodys_loss_and_never_both(approved: Any, finance: Any, cashier: Any):
    """Finance releases the case that takes it over, while two people are booking it as the shop's loss."""
    refund, at = approved(), clock.now()
    payment, fen = refund.payment, refund.amount_fen
    forgotten = Found(payment.payment_no, "50300000001", f"{payment.payment_no}R01", fen, at)
    assert adopting.adopt(payment.account, [forgotten], at=at) == 1
    statements.want(at.date(), at=at, accounts=[payment.account])
    row = Discrepancy.objects.create(
        statement=Statement.objects.get(kind="trades"), kind="only_theirs", key="1", payment_no=payment.payment_no,
        channel_no=forgotten.channel_refund_id, found_at=at, due_at=at, next_due_at=at,
    )  # fmt: skip
    resolving.propose_bearer(row, bearer=Bearer.SHOP, by=finance, at=at, reason="手工退款")
    result = while_open(
        lambda: refunding.open_attempts([Instruction(payment, fen, "放款")], at=at),
        lambda: resolving.confirm_bearer(row, by=cashier, at=at),
    )
    assert isinstance(result, resolving.CannotResolve)
    assert suspense("wechat") == 0
    assert list(payment.attempts.values_list("request_no", "status")) == [(forgotten.their_no, A.UNKNOWN)]


@pytest.mark.django_db(transaction=True)
def test_what_is_closed_here_and_paid_there_is_not_taken_up_beside_a_new_number(
    house: Any, simulator: Any, cashier: Any
):
    """I11: its case is released anew while the bill's difference is looked into. The second payment is seen."""
    refund, closed = closed_unsent(house)
    house.on(refund, "finance reissue")
    payment, at = refund.payment, clock.now()
    said = while_open(
        lambda: disbursement.release([refund], by=cashier, at=at),
        # Shown only then: nothing is released beside a difference that is known.
        lambda: resolving.look_into_closed(shown_as_paid(closed, simulator, at), at=at),
    )
    assert "补记为渠道侧退款" in said
    payment.refresh_from_db()
    assert (payment.reserved_fen, payment.external_fen, suspense("wechat")) == (3000, 3000, -3000)
    closed.refresh_from_db()
    assert (closed.status, attempt_of(refund).status) == (A.CLOSED, A.PREPARED)


@pytest.mark.django_db(transaction=True)
def test_two_who_ask_about_a_refund_that_is_closed_here_and_paid_there_count_it_once(house: Any, simulator: Any):
    """I3: a person presses while the machine asks, or presses twice. Who read the bill before counts it no more."""
    refund, closed = closed_unsent(house)
    payment, at = refund.payment, clock.now()
    row = shown_as_paid(closed, simulator, at)
    answer = adopting.ask_about_closed(closed)
    said = while_open(lambda: adopting.revive(closed, answer, at=at), lambda: resolving.look_into_closed(row, at=at))
    assert said == resolving.NOT_CLOSED
    assert adopting.adopt(payment.account, [matching.as_found(row)], at=at) == 0
    payment.refresh_from_db()
    assert (payment.refunded_fen, payment.external_fen, suspense("wechat")) == (3000, 0, 0)
