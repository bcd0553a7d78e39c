"""放款 at the desk: what keeps a case's money here is said with where it is mended, and what really happens next."""

from __future__ import annotations

import re
from typing import Any

import pytest

import clock
from accounts.desk import page_url
from payments import outgoing
from payments.models import ChannelAccount
from reconciliation import resolving
from reconciliation.models import Discrepancy, Statement
from refunds import disbursement, lifecycle
from refunds.lifecycle import StepRefused
from refunds.models import Status
from refunds.payouts import batches, paying, releasing
from tests.attacks import another, refusal
from tests.cases import attempt_of
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db


def paid_there(attempt: Any, kind: str) -> Discrepancy:
    """The bill shows as paid what is closed here, and the channel knows nothing of it."""
    at = clock.now()
    bill = Statement.objects.create(
        account=attempt.payment.account, kind=kind, day=at.date(), created_at=at, next_due_at=at
    )
    return Discrepancy.objects.create(
        statement=bill, kind="closed_paid", key=attempt.request_no, request_no=attempt.request_no, is_urgent=True,
        payment_no=attempt.payment.payment_no, found_at=at, due_at=at, next_due_at=at,
    )  # fmt: skip


def acts_on(page: str) -> set[str]:
    return set(re.findall(r'hx-get="[^"]*/(\w+)/"', page))


def test_nothing_is_sent_again_beside_what_a_bill_shows_as_paid(sits, finance, cashier, reviewer, released, ends_as):
    """I11: the case and its dialogs lead to the urgent difference; once that is explained, money goes on."""
    case = ends_as(released(), "CLOSED")
    row, seat = paid_there(attempt_of(case), "trades"), sits(finance)
    for shown in (seat.get(page_url(case)), seat.dialog("reissue", case)):
        assert page_url(row) in text(shown)
        assert "查清并了结这条差错之前不能再发" in text(shown)
    assert acts_on(text(seat.get(page_url(case)))) & {"reissue"} == set()
    assert "先查清并了结上面的紧急差错" in text(seat.get(page_url(case)))
    assert page_url(row) not in text(sits(reviewer).get(page_url(case)))  # told, and not led where they may not look
    with pytest.raises(StepRefused, match="以免重复退款"):
        lifecycle.reissue([case], by=finance, at=clock.now())
    resolving.explain(row, by=finance, at=clock.now(), reason="账单错误，渠道确认没有退")
    assert "可再次放款" in seat.reads(seat.does("reissue", case))
    later = paid_there(attempt_of(case), "funds")  # found again on another bill, before it was released
    assert page_url(later) in text(seat.dialog("disburse", case))
    assert "disburse" not in acts_on(text(seat.get(page_url(case))))
    with pytest.raises(StepRefused, match="以免重复退款"):
        disbursement.release([case], by=cashier, at=clock.now())
    case.refresh_from_db()
    assert (case.status, case.disbursements.count()) == (Status.APPROVED, 1)


def test_what_will_wait_says_so_before_and_after(sits, finance, operator, approved):
    one, other, balance = approved(), approved(), approved(destination="balance")
    seat, account = sits(finance), ChannelAccount.objects.get(pk=one.payment.account_id)
    assert "不会马上发出" not in text(seat.dialog("disburse", one))
    ChannelAccount.objects.filter(pk=account.pk).update(short_since=clock.now(), probe_from=clock.now())
    assert f"{account.name}商户号余额不足，先排队" in text(seat.dialog("disburse", one))
    outgoing.stop(by=operator, reason="对账", at=clock.now(), account=account)
    assert f"{account.name}的出款已停止，先排队" in text(seat.dialog("release_chosen", chosen=[one, other]))
    assert "先排队，恢复后才发往支付渠道" in seat.reads(seat.does("disburse", one))
    outgoing.stop(by=operator, reason="核对账目", at=clock.now())
    assert "不会马上发出：全部出款已停止" in text(seat.dialog("disburse", other))
    assert "核对账目。恢复以后再办" in text(seat.dialog("credit_balance", balance))
    said = seat.reads(seat.does("disburse", other))
    assert "已放款 1 笔，共 ¥88.00，全部出款已停止，先排队，恢复出款后才发往支付渠道。" in said


def test_what_waits_in_a_batch_is_paid_by_it_alone(sits, finance, cashier, reviewer, approved):
    """S2-19: its page, its dialog and the API say in which batch; called off, it is released by itself."""
    first, second, seat = approved(), approved(), sits(finance)
    batch = batches.compose(by=finance, at=clock.now(), most_lines=9, most_fen=10**7)
    batches.propose(batch, by=finance, at=clock.now())
    assert "都已列入发款批次，由批次放款" in text(seat.get("/admin/"))
    page = text(seat.get(page_url(first)))
    assert page_url(batch) in page
    assert acts_on(page) & {"disburse", "halt"} == {"halt"}
    assert "已列入发款批次" in text(seat.dialog("disburse", first))
    third = approved()
    assert "其中 2 笔已列入发款批次" in text(seat.get("/admin/"))
    queue = text(seat.get("/admin/refunds/refund/?queue=release"))
    assert (queue.count("在发款批次里"), len(re.findall(r"/(\d+)/disburse/", queue))) == (2, 1)
    assert "已列入发款批次" in text(seat.dialog("release_chosen", chosen=[first, third]))
    refused = seat.client.post(f"/api/refunds/{first.refund_no}/steps/disburse/", {}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (409, "in_batch")
    refused = sits(reviewer).client.post(f"/api/refunds/{first.refund_no}/steps/disburse/", {}, "application/json")
    assert refused.json()["code"] == "not_yours"  # whoever may not release it at all hears of no batch
    seat.does("disburse", first)
    released = releasing.release_chosen([first, third], by=finance, at=clock.now())
    assert ([case.pk for case in released.sent], [case.pk for case, _ in released.refused]) == ([third.pk], [first.pk])
    batches.approve(batch, by=cashier, at=clock.now())
    while paying.sweep(at=clock.now()):
        pass
    assert sorted(batch.lines.values_list("refund", "status")) == [(first.pk, "sent"), (second.pk, "sent")]


def test_the_database_sends_nothing_beside_it_either(finance, released, ends_as):
    """I11: by no way, whoever writes; once the difference is explained, only what is missing is refused."""
    case = ends_as(released(), "CLOSED")
    row = paid_there(attempt_of(case), "trades")
    ways = [
        another("refunds.Disbursement", f"refund_id = {case.pk}"),
        f"INSERT INTO refunds_redirecttransfer (refund_id, agreement_id, transfer_id, released_by_id, created_at)"
        f" VALUES ({case.pk}, 0, 0, {finance.pk}, now())",
        f"SET LOCAL session_replication_role = replica;"  # as if the buyer had chosen that, rules unasked
        f" UPDATE refunds_refund SET destination = 'balance' WHERE id = {case.pk};"
        f" SET LOCAL session_replication_role = DEFAULT;"
        f" INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, released_by_id, created_at)"
        f" VALUES ({case.pk}, {case.buyer_id}, {case.amount_fen}, {finance.pk}, now())",
    ]
    assert [way for way in ways if "nothing_is_sent_beside_a_doubt" not in refusal(way)] == []
    resolving.explain(row, by=finance, at=clock.now(), reason="账单错误，渠道确认没有退")
    assert [way for way in ways if "nothing_is_sent_beside_a_doubt" in refusal(way)] == []
