"""退至余额: by the buyer's own choice, at once, within what was paid, and never twice (S1-14, S2-10, I1, I13)."""

from __future__ import annotations

import uuid

import pytest
from django.conf import settings as django_settings
from django.db import IntegrityError, transaction
from django.utils import translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import clock
from accounts import guests
from cardshop import invariants
from ledger import balances
from notices import wording
from notices.models import Notice
from orders.models import Cause
from payments import crediting, refunding
from payments.models import Payment, RefundAttempt
from payments.refunding import Instruction
from refunds import cancellations, disbursement, lifecycle, reading, stages, sweeping
from refunds.lifecycle import StepRefused
from refunds.models import BalanceCredit, Destination, Refund, Status
from shops.models import CodeState

pytestmark = pytest.mark.django_db


def now(row):
    return type(row).objects.get(pk=row.pk)


def refused_with(code):
    return pytest.raises(StepRefused, check=lambda error: error.code == code)


# --- both lanes -------------------------------------------------------------------------------------------------------


def test_finance_releases_to_the_balance(approved, finance, buyer, simulator):
    """S1-14, S2-10, conflict 3: there at once, no fee, no channel; the code is the shop's no more."""
    refund = approved(destination="balance")
    released = disbursement.release([refund], by=finance, at=clock.now())
    refund = now(refund)
    assert [row.pk for row in released.sent] == [refund.pk]
    assert (refund.status, refund.queue, refund.next_due_at) == (Status.ARRIVED, "nobody", None)
    assert refund.arrived_at == refund.events.latest("sequence").at
    assert (refund.paid_out_at, refund.received_account) == (None, "")
    assert balances.of_buyer(buyer.pk) == refund.amount_fen == 8800
    assert refund.balance_credit.released_by == finance
    payment = now(refund.payment)
    assert (payment.balance_fen, payment.refunded_fen, payment.reserved_fen, payment.refundable_fen) == (8800, 0, 0, 0)
    assert not RefundAttempt.objects.filter(payment=payment).exists()
    assert refund.order.lines.get().delivery.code.state == CodeState.VOID
    assert invariants.broken(simulator.ledger()) == []  # the channel knows nothing of it (I2)


def test_an_automatic_lane_goes_to_the_balance_by_itself(buy, apply, buyer, simulator):
    refund = apply(buy(price_fen=300), destination="balance")
    sweeping.sweep(at=clock.now())
    refund = now(refund)
    assert (refund.status, refund.balance_credit.released_by) == (Status.ARRIVED, None)
    assert [event.step for event in refund.events.order_by("sequence")] == ["submit", "auto_approve", "credit_balance"]
    assert balances.of_buyer(buyer.pk) == 300
    assert invariants.broken(simulator.ledger()) == []


def test_one_release_of_both_ways(approved, finance, buyer, drain, simulator):
    """PM7: each goes where its buyer chose."""
    refunds = [approved(price_fen=6000 + n, destination=to) for n, to in enumerate(["balance", "original"] * 2)]
    assert len(disbursement.release(refunds, by=finance, at=clock.now()).sent) == 4
    drain()
    assert {now(refund).status for refund in refunds} == {Status.ARRIVED}
    assert balances.of_buyer(buyer.pk) == 6000 + 6002
    assert RefundAttempt.objects.count() == 2
    assert invariants.broken(simulator.ledger()) == []


def test_who_approved_does_not_release_to_the_balance(approved, reviewer, finance):
    """I10."""
    refund = approved(destination="balance")
    type(reviewer).objects.filter(pk=reviewer.pk).update(role="finance")
    with refused_with("same_person"):
        disbursement.release([refund], by=now(reviewer), at=clock.now())
    assert now(refund).status == Status.APPROVED
    assert not BalanceCredit.objects.exists()


def test_nothing_is_sent_on_what_was_credited_nor_credited_twice(approved, finance):
    refund = approved(destination="balance")
    with refused_with("other_destination"):
        lifecycle.disburse([refund], by=finance, at=clock.now())
    disbursement.release([refund], by=finance, at=clock.now())
    for step in (disbursement.release, lifecycle.credit_balance, lifecycle.disburse):
        with refused_with("wrong_status"):
            step([refund], by=finance, at=clock.now())
    assert BalanceCredit.objects.count() == 1


def test_what_goes_by_the_channel_is_not_credited(approved, finance):
    with refused_with("other_destination"):
        lifecycle.credit_balance([approved()], by=finance, at=clock.now())
    assert not BalanceCredit.objects.exists()


def test_the_buyer_may_still_withdraw_and_finance_halt(approved, finance, buyer):
    withdrawn, halted = approved(destination="balance"), approved(destination="balance")
    lifecycle.withdraw(withdrawn, by=buyer, at=clock.now())
    lifecycle.halt([halted], by=finance, at=clock.now(), note="可疑")
    for refund in (withdrawn, halted):
        with refused_with("wrong_status"):
            disbursement.release([refund], by=finance, at=clock.now())
    assert balances.of_buyer(buyer.pk) == 0


# --- whose choice (I13) -----------------------------------------------------------------------------------------------


def test_a_guest_has_no_balance(buy, apply):
    with transaction.atomic():
        guest = guests.open_for(uuid.uuid4(), "a good password")
    order = buy(by=guest)
    with refused_with("guest_has_no_balance"):
        apply(order, destination="balance")


def test_what_the_machine_asks_for_goes_back_the_way_it_came(buy, buyer, drain):
    """Canceled orders and surplus payments: nobody has chosen the balance."""
    from orders import cancellation

    order = buy(stock=0, shop_cancel_penalty_percent=0)
    cancellation.cancel_many([(order, list(order.lines.all()))], cause=Cause.OUT_OF_STOCK, at=clock.now())
    cancellations.hear(at=clock.now())
    refund = Refund.objects.get(order=order)
    assert refund.destination == Destination.ORIGINAL
    drain()
    assert now(refund).status == Status.ARRIVED
    assert balances.of_buyer(buyer.pk) == 0


# --- never more than was paid (I1) ------------------------------------------------------------------------------------


def test_what_was_refunded_outside_us_is_not_credited_again(approved, finance):
    """G21: it is set aside, and finance looks."""
    refund = approved(destination="balance")
    Payment.objects.filter(pk=refund.payment_id).update(external_fen=100)
    released = disbursement.release([refund], by=finance, at=clock.now())
    assert [why for _, why in released.set_aside] == ["退款金额超过该笔支付的剩余可退金额"]
    refund = now(refund)
    assert refund.status == Status.RETURNED
    assert stages.headline(refund) == "退款异常：未能退至余额"
    with refused_with("exceeds_payment"):
        lifecycle.reissue([refund], by=finance, at=clock.now())
        lifecycle.credit_balance([refund], by=finance, at=clock.now())
    assert not BalanceCredit.objects.exists()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(st.booleans(), st.integers(1, 2000)), max_size=8))
def test_parts_by_either_way_never_exceed_what_was_paid(parts, one_payment):
    """I1: any mixture, in any order; what does not fit any more is refused and leaves nothing."""
    payment, user_id = one_payment
    with transaction.atomic():
        mark = transaction.savepoint()
        left, held = payment.amount_fen, 0
        for number, (to_balance, fen) in enumerate(parts):
            fits, at = fen <= left, clock.now()
            try:
                with transaction.atomic():
                    if to_balance:
                        crediting.credit([crediting.Credit(payment, user_id, fen, f"R{number}")], at=at)
                    else:
                        refunding.open_attempts([Instruction(payment, fen, "部分退款")], at=at)
            except (crediting.ExceedsPayment, IntegrityError):
                assert not fits
                continue
            assert fits
            left, held = left - fen, held + fen * to_balance
        row = now(payment)
        assert row.refundable_fen == left >= 0
        assert row.reserved_fen + row.refunded_fen + row.balance_fen + left == row.amount_fen
        assert row.balance_fen == balances.of_buyer(user_id) == held
        assert invariants.postings_balance() == invariants.refunds_fit_payments() == []
        transaction.savepoint_rollback(mark)


@pytest.fixture
def one_payment(buy):
    order = buy(price_fen=3000)
    return order.payments.get(), order.buyer_id


# --- what its buyer reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_no_word_of_banks_and_channels(language, reviewed, reviewer, finance, buyer, client, settings):
    """S1-14: at every stage the page and the notices say where the money goes, and nothing else."""
    untrue = ["原路", "渠道退款", "银行", "渠道处理", "bank", "way it came", "way it was paid", "WeChat Pay refunds"]

    def page():
        client.force_login(buyer)
        client.cookies[django_settings.LANGUAGE_COOKIE_NAME] = language
        read = client.get(f"/refunds/{refund.refund_no}/").content.decode()
        start, end = read.index('id="case"'), read.index("</main>")
        assert not [word for word in untrue if word in read[start:end]], now(refund).status
        return read[start:end]

    refund = reviewed(destination="balance")
    with translation.override(language):
        page()
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        page()
        disbursement.release([refund], by=finance, at=clock.now())
        said = page()
        track = stages.track(now(refund), list(refund.events.order_by("sequence")), at=clock.now())
        told = Notice.objects.filter(kind="refund_credit_balance").get()
        words = wording.text(told.kind, told.params)
        log = reading.progress(now(refund), at=clock.now()).log[0][1]
    assert track.headline in said
    assert (track.headline, "已退至余额" in words) == (
        ("已退至余额", True) if language == "zh-hans" else ("On your balance", False)
    )
    assert log == words
    assert ("可以付款，也可以提现" in said) if language == "zh-hans" else ("pay with it, or cash it out" in said)
    settings.REALNAME_PROVIDER = ""  # then nobody can prove whose an account is, and nobody is promised otherwise
    assert ("本站暂不能提现" in page()) if language == "zh-hans" else ("Nobody can cash a balance out" in page())
    assert [stage.code for stage in track.stages] == ["submitted", "pre_check", "review", "approved", "arrived"]
    assert {stage.state for stage in track.stages} == {"done"}
    assert (track.arrival_until, track.is_moving, track.tone) == (None, False, "good")


def test_the_automatic_lane_promises_the_balance(buy, apply):
    refund = apply(buy(price_fen=300), destination="balance")
    told = Notice.objects.get(source=f"refund-event:{refund.events.get(step='auto_approve').pk}")
    assert wording.text(told.kind, told.params) == f"退款 {refund.refund_no} 已自动通过，¥3.00 即将退至余额。"
    assert stages.next_step(refund) == "系统将自动退至您的余额。"


def test_every_case_has_its_words(reviewed):
    """A status that speaks of the channel on the original route has its own words here, or is never reached."""
    refund = reviewed(destination="balance")
    for status in set(Status) - {Status.PROCESSING, Status.PAID_OUT}:
        refund.status = status
        said = (stages.headline(refund), stages.next_step(refund), stages.where_the_money_is(refund))
        assert not [words for words in said if "原路" in words or "渠道" in words or "银行" in words], status


def test_the_orders_page_says_where_the_money_is(buy, approved, reveal, finance, drain, client, buyer):
    """B3: all on the balance, or a part of it."""
    whole, part = buy(price_fen=8800), buy(price_fen=8000, quantity=2)
    disbursement.release([approved(whole, destination="balance")], by=finance, at=clock.now())
    lines = list(part.lines.order_by("position"))
    for line, destination in zip(lines, ("balance", "original"), strict=True):
        refund = approved(part, destination=destination, line_ids=[line.pk])
        disbursement.release([refund], by=finance, at=clock.now())
    drain()
    client.force_login(buyer)
    assert "已退至余额 ¥88.00。" in client.get(f"/orders/{whole.order_no}/").content.decode()
    assert "已退 ¥160.00，其中 ¥80.00 退至余额。" in client.get(f"/orders/{part.order_no}/").content.decode()
    assert invariants.broken() == []
