"""The dialogs: what they show before, what they demand, and what they tell afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry

import clock
from accounts.desk import page_url
from payments.models import AttemptStatus, Payment, RefundAttempt
from refunds.models import Status
from tests.desk.conftest import HTMX, address, text

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("step", ["reject", "request_evidence"])
def test_the_buyer_reads_exactly_what_is_written(step, sits, reviewer, reviewed):
    refund = reviewed()
    seat = sits(reviewer)
    assert "与您写的一字不差" in text(seat.dialog(step, refund))
    words = "请看 <b>兑换记录</b>：11-20 20:03 “成功”。"

    seat.does(step, refund, note=words, ground="not_so")

    assert words in str(refund.buyer.notices.latest("pk").params["note"])
    refund.refresh_from_db()
    assert words in {refund.decision_note, refund.evidence_request}


@pytest.mark.parametrize("step", ["reject", "request_evidence"])
@pytest.mark.parametrize("note", ["", "   ", "\x00", "长" * 501])
def test_a_note_that_says_nothing_or_too_much_changes_nothing(step, note, sits, reviewer, reviewed):
    refund = reviewed()
    answer = sits(reviewer).does(step, refund, note=note, ground="not_so")
    assert 'id="dialog-form"' in text(answer)
    refund.refresh_from_db()
    assert refund.status == Status.FIRST_REVIEW


def test_a_post_without_the_form_changes_nothing(sits, reviewer, reviewed):
    refund = reviewed()
    seat = sits(reviewer)
    for body in ({}, {"note": "没有确认"}):
        seat.client.post(f"/admin/refunds/refund/{refund.pk}/approve/", body, headers={"HX-Request": "true"})
    refund.refresh_from_db()
    assert refund.status == Status.FIRST_REVIEW


def test_finance_sees_that_it_goes_to_the_balance(sits, finance, approved):
    """I13: the button, the dialog and the answer say so; the other button is not there."""
    case, cashier = approved(destination="balance"), sits(finance)
    page = text(cashier.get(page_url(case)))
    assert address("credit_balance", case) in page
    assert address("disburse", case) not in page
    assert f"记入 {case.buyer.username} 的商城余额" in text(cashier.dialog("credit_balance", case))
    assert "已放款 1 笔，共 ¥88.00，已退至买家余额" in cashier.reads(cashier.does("credit_balance", case))
    case.refresh_from_db()
    assert case.status == Status.ARRIVED


def test_approve_and_release_by_two_people(sits, reviewer, finance, reviewed, drain):
    refund = reviewed()
    support, cashier = sits(reviewer), sits(finance)
    assert "已通过，等待财务放款" in support.reads(support.does("approve", refund, note="属实"))
    dialog = text(cashier.dialog("disburse", refund))
    assert "¥88.00" in dialog
    assert refund.payment.payment_no in dialog
    assert "已放款 1 笔，共 ¥88.00" in cashier.reads(cashier.does("disburse", refund))
    drain()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED


def test_a_bulk_release_shows_the_total_first_and_then_each_line(sits, finance, approved, buy, reveal, apply, senior):
    """PM7: one line refused, one set aside, one not approved any more; the others go out."""
    from refunds import lifecycle

    old = approved(price_fen=5500)
    Payment.objects.filter(pk=old.payment_id).update(last_attempt_index=50)
    good, better = approved(price_fen=8800), approved(price_fen=12_345)
    own_order = buy(price_fen=7700, by=finance)
    reveal(own_order)
    own = apply(own_order)
    lifecycle.approve([own], by=senior, at=clock.now())
    gone = approved(price_fen=6600)
    lifecycle.halt([gone], by=senior, at=clock.now(), note="可疑")
    seat = sits(finance)
    chosen = [old, good, better, own, gone]

    preview = text(seat.dialog("release_chosen", chosen=chosen))
    assert "4 笔" in preview
    assert "¥343.45" in preview
    assert "该笔支付已退款 50 次" in preview
    assert f"{gone.refund_no}（人工审核）" in preview

    page = seat.reads(seat.does("release_chosen", chosen=chosen))

    assert "已放款 2 笔，共 ¥211.45" in page
    assert "没有放款，转为退款异常：该笔支付已退款 50 次" in page
    assert "没有放款：您不能对这张退款单做这一步" in page
    for refund in chosen:
        refund.refresh_from_db()
    assert [refund.status for refund in chosen] == [
        Status.RETURNED, Status.PROCESSING, Status.PROCESSING, Status.APPROVED, Status.FIRST_REVIEW,
    ]  # fmt: skip


def test_a_bulk_release_of_nothing_says_so(sits, finance, approved, reviewed):
    refund = approved()
    seat = sits(finance)
    assert "请先在列表中勾选" in text(seat.get("/admin/refunds/refund/release_chosen/", headers=HTMX))
    other = reviewed()
    assert "没有可放款的" in text(seat.dialog("release_chosen", chosen=[other]))
    seat.does("release_chosen", chosen=[other])
    refund.refresh_from_db()
    assert refund.status == Status.APPROVED


def test_who_approved_does_not_release(sits, approved, reviewer):
    refund = approved()
    reviewer.role = "finance"
    reviewer.save()
    seat = sits(reviewer)
    assert "审核人不能放款" in seat.reads(seat.does("disburse", refund))
    refund.refresh_from_db()
    assert refund.status == Status.APPROVED


def test_reissue_leads_back_to_release_under_a_new_number(sits, finance, released, ends_as, drain, simulator):
    refund = ends_as(released(), "CLOSED")
    seat = sits(finance)
    assert "可再次放款" in seat.reads(seat.does("reissue", refund))
    seat.does("disburse", refund)
    clock.advance(timedelta(minutes=1))  # the channel wants a minute between refunds of one payment
    simulator.clock(2)
    drain()
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert refund.disbursements.count() == 2


def test_finance_asks_the_channel_again_under_the_same_number(
    sits, finance, operator, senior, released, simulator, drain
):
    refund = released()
    attempt = refund.disbursements.get().attempt
    RefundAttempt.objects.filter(pk=attempt.pk).update(
        status=AttemptStatus.HELD, next_due_at=None, first_sent_at=clock.now()
    )
    attempt.refresh_from_db()
    assert sits(operator).does("ask_again", chosen=[attempt]).status_code == 403
    assert sits(senior).does("ask_again_one", attempt).status_code == 403
    seat = sits(finance)
    assert "¥88.00" in text(seat.dialog("ask_again", chosen=[attempt]))

    page = seat.reads(seat.does("ask_again_one", attempt))

    assert "1 笔将以原单号再次询问渠道" in page
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.UNKNOWN
    assert LogEntry.objects.get().get_change_message() == "再次询问渠道"
    asked = attempt.events.get()
    assert (asked.from_status, asked.to_status, asked.by) == (AttemptStatus.HELD, AttemptStatus.UNKNOWN, finance)
    drain()
    attempt.refresh_from_db()
    assert attempt.status == AttemptStatus.SUCCEEDED
    assert "无需再次询问" in text(seat.dialog("ask_again_one", attempt))
