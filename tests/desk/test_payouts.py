"""分批发款 at the desk and over the API: a draft, its preview, another person's check, its progress; what stands still
(S2-19, PM7, PM15)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

import clock
from accounts.desk import page_url
from payments import outgoing, refunding
from payments.models import AttemptStatus, ChannelAccount, RefundAttempt
from refunds import lifecycle
from refunds.models import LineStatus, PayoutBatch, PayoutLine, Refund
from refunds.payouts import batches, paying
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db

LIST, ADD = reverse("admin:refunds_payoutbatch_changelist"), reverse("admin:refunds_payoutbatch_add")
STUCK = reverse("admin:refunds_payoutbatch_stuck")
FORM = {"most_lines": "50", "most_yuan": "1000", "account": ""}


@pytest.fixture
def two(approved):
    return [approved(price_fen=8800), approved(price_fen=6600)]


def proposed(finance) -> PayoutBatch:
    batch = batches.compose(by=finance, at=clock.now(), most_lines=9, most_fen=10**7)
    batches.propose(batch, by=finance, at=clock.now())
    return batch


def test_a_batch_from_its_form_to_its_last_line(two, sits, finance, cashier, reviewer):
    """Preview, four eyes, progress; each line with its case."""
    maker, checker = sits(finance), sits(cashier)
    limits = re.findall(r"<input[^>]*name=\"most_(?:lines|yuan)\"[^>]*>", text(maker.get(ADD)))
    assert [re.search(r'class="([^"]*)"', each).group(1).split()[0] for each in limits] == ["border", "border"]
    assert "现有 2 笔、¥154.00 审核通过" in text(maker.get(LIST))
    ChannelAccount.objects.filter(code="wechat").update(short_since=clock.now(), probe_from=clock.now())
    answer = maker.client.post(ADD, FORM)
    batch = PayoutBatch.objects.get()
    page = text(maker.get(answer.url))
    for said in ("这是草稿", "¥154.00", "余额不足", "测试点卡店", reviewer.username, "还没有开始"):
        assert said in page
    assert "等另一位财务复核" in maker.reads(maker.does("propose", batch))
    assert "制单人不能复核自己的批次" in text(maker.dialog("approve", batch))
    assert "¥154.00" in text(checker.dialog("approve", batch))
    assert 'hx-trigger="every 2s"' in checker.reads(checker.does("approve", batch))
    while paying.sweep(at=clock.now()):
        pass
    progress = checker.get(reverse("admin:refunds_payoutbatch_progress", args=[batch.pk]))
    assert ("已放款 2 笔" in text(progress), progress.headers["HX-Refresh"]) == (True, "true")
    lines = text(checker.get(reverse("admin:refunds_payoutline_changelist") + f"?of_batch={batch.pk}"))
    assert all(case.refund_no in lines for case in two)
    assert "已放款" in text(checker.get(reverse("admin:refunds_payoutline_change", args=[batch.lines.first().pk])))
    assert "2 / 2" in text(checker.get(LIST))
    words = list(LogEntry.objects.order_by("pk").values_list("user__username", "change_message"))
    assert words[1:] == [("finance", "提交复核"), ("cashier", "复核通过 2 笔 ¥154.00")]


def test_the_form_refuses_the_maker_as_checker(two, sits, finance):
    batch = proposed(finance)
    seat = sits(finance)
    page = text(seat.get(reverse("admin:refunds_payoutbatch_change", args=[batch.pk])))
    assert "制单人不能复核自己的批次，请由另一位同事复核" in page
    assert reverse("admin:refunds_payoutbatch_approve", args=[batch.pk]) not in page
    assert f"{timezone.localtime(batch.made_at + batches.LAPSES_AFTER):%m-%d %H:%M} 前没有复核" in page
    assert "制单人不能复核自己的批次" in seat.reads(seat.does("approve", batch))
    batch.refresh_from_db()
    assert (batch.status, batch.checked_by) == ("proposed", None)


def test_the_api_refuses_the_maker_as_checker_and_takes_another(two, sits, finance, cashier, reviewer):
    maker, checker = sits(finance).client, sits(cashier).client
    made = maker.post("/api/payouts/", {"most_lines": 9, "most_fen": 10**7}, "application/json")
    assert (made.status_code, made.json()["line_count"], made.json()["total_fen"]) == (201, 2, 15_400)
    address = f"/api/payouts/{made.json()['batch_no']}/"
    assert maker.post(f"{address}steps/propose/", {}, "application/json").json()["status"] == "proposed"
    refused = maker.post(f"{address}steps/approve/", {}, "application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "same_person")
    assert sits(reviewer).client.get(address).status_code == 403
    assert checker.post(f"{address}steps/approve/", {}, "application/json").json()["checked_by"] == "cashier"
    while paying.sweep(at=clock.now()):
        pass
    found = checker.get(address).json()
    assert (found["status"], [line["status"] for line in found["lines"]]) == ("done", ["sent", "sent"])
    assert {line["request_no"] for line in found["lines"]} == set(
        RefundAttempt.objects.values_list("request_no", flat=True)
    )
    assert maker.post(f"{address}steps/stop/", {"reason": "x"}, "application/json").status_code == 409
    assert maker.post(f"{address}steps/pay/", {}, "application/json").json()["code"] == "no_such_step"


def test_stopped_for_a_reason_gone_on_called_off(two, sits, finance, cashier, operator, monkeypatch):
    batch = proposed(finance)
    batches.approve(batch, by=cashier, at=clock.now())
    monkeypatch.setattr(paying, "TURN", 1)
    paying.sweep(at=clock.now())
    boss, seat = sits(operator), sits(finance)
    boss.does("stop", batch, reason=" ")
    assert "已暂停：核对一笔" in boss.reads(boss.does("stop", batch, reason="核对一笔"))
    assert boss.does("go_on", batch).status_code == 403
    assert "已继续" in seat.reads(seat.does("go_on", batch))
    boss.does("stop", batch, reason="还是不对")
    assert "已撤下" in seat.reads(seat.does("call_off", batch, reason="重做"))
    assert sorted(PayoutLine.objects.values_list("status", flat=True)) == ["dropped", "sent"]
    page = text(seat.get(page_url(batch)))
    assert ("待发 0 笔，已撤下 1 笔" in page, 'value="1">1 / 2' in page) == (True, True)


def test_a_batch_that_is_over_says_what_of_it_waits_for_money_and_nothing_of_what_comes_after(
    two, sits, finance, cashier, simulator, settings, drain
):
    """PM15: neither what waits for the account's money is called paid, nor what was never sent called done."""
    settings.TIME_SCALE = 1.0  # the next probe is ten minutes away
    called_off = proposed(finance)
    short = two[0].payment.account
    ChannelAccount.objects.filter(pk=short.pk).update(short_since=clock.now(), probe_from=clock.now())
    seat, later = sits(finance), "排在后面"
    assert later in text(seat.get(page_url(called_off)))
    batches.call_off(called_off, by=finance, at=clock.now(), reason="重做")
    page = text(seat.get(page_url(called_off)))
    assert (later in page, "没有付出任何款项" in page, "这一批没有在等余额的" in page) == (False, True, True)
    ChannelAccount.objects.filter(pk=short.pk).update(short_since=None, probe_from=None)

    batch = proposed(finance)
    batches.approve(batch, by=cashier, at=clock.now())
    while paying.sweep(at=clock.now()):
        pass
    for attempt in RefundAttempt.objects.all():
        simulator.faults("not_enough", request_no=attempt.request_no)
    for _ in two:
        clock.advance(timedelta(seconds=1))
        refunding.sweep(at=clock.now())
    assert set(RefundAttempt.objects.values_list("status", flat=True)) == {AttemptStatus.WAITING_FUNDS}
    page = text(seat.get(page_url(batch)))
    for said in ("已放款 0 笔，等待余额 2 笔", "渠道账户充值后继续", "这一批有 2 笔在等，充值后继续"):
        assert said in page
    assert (later in page, "全部处理完" in page) == (False, False)
    lines = f"{reverse('admin:refunds_payoutline_changelist')}?of_batch={batch.pk}"
    assert text(seat.get(lines)).count("等待余额") == len(two)
    seat.does("topped_up", short)
    drain()
    page = text(seat.get(page_url(batch)))
    assert ("已放款 2 笔" in page, "等待余额" in page, "全部处理完" in page) == (True, False, True)
    assert "等待余额" not in text(seat.get(lines))


def test_only_what_failed_is_offered_to_be_tried_again(two, sits, finance, cashier, senior):
    batch = proposed(finance)
    batches.approve(batch, by=cashier, at=clock.now())
    lifecycle.halt([two[0]], by=senior, at=clock.now(), note="可疑")
    while paying.sweep(at=clock.now()):
        pass
    seat = sits(finance)
    page = text(seat.get(reverse("admin:refunds_payoutbatch_change", args=[batch.pk])))
    assert "1 笔未放款，原因见明细" in page
    assert "没有可以重试的" in seat.reads(seat.does("retry_failed", batch))
    lifecycle.approve([two[0]], by=senior, at=clock.now())
    assert "1 笔正在重试" in seat.reads(seat.does("retry_failed", batch))


def test_what_was_settled_another_way_is_not_counted_as_unpaid(two, sits, finance, cashier, senior):
    batch = proposed(finance)
    batches.approve(batch, by=cashier, at=clock.now())
    lifecycle.halt(two, by=senior, at=clock.now(), note="可疑")
    while paying.sweep(at=clock.now()):
        pass
    lifecycle.approve([two[0]], by=senior, at=clock.now())
    lifecycle.disburse([two[0]], by=finance, at=clock.now())
    lifecycle.reject([two[1]], by=senior, at=clock.now(), note="卡密已被使用")
    seat = sits(finance)
    page = text(seat.get(reverse("admin:refunds_payoutbatch_change", args=[batch.pk])))
    assert "未放款 2 笔，待发 0 笔；没有由这一批放款的里，2 笔已另行办理" in page
    assert "处理后可以只重试这些" not in page
    assert "retry_failed" not in page
    lines = text(seat.get(reverse("admin:refunds_payoutline_changelist") + f"?of_batch={batch.pk}"))
    assert all(said in lines for said in ("已另行原路退款", "没有退款：未通过"))


def test_nothing_waits_and_a_wrong_form_make_no_batch(sits, finance, two):
    seat = sits(finance)
    for wrong in ({"most_lines": "0"}, {"most_lines": ""}, {"most_yuan": "0"}, {"most_yuan": "很多"}):
        assert seat.client.post(ADD, FORM | wrong).status_code in {200, 302}
    assert not PayoutBatch.objects.exists()
    seat.client.post(ADD, FORM)
    answer = seat.client.post(ADD, FORM)
    assert "没有可以放进这一批的退款" in text(seat.get(answer.url))
    assert PayoutBatch.objects.count() == 1


def test_what_stands_still_is_on_one_page_with_its_next_step(sits, finance, cashier, operator, two, released, ends_as,
                                                             approved):  # fmt: skip
    """N2: what came back, what waits for money, what a person holds, what is paused, what is late; each by when."""
    seat = sits(finance)
    assert "没有停着不动的款项" in text(seat.get(STUCK))
    batch = proposed(finance)
    abnormal, closed = ends_as(released(), "ABNORMAL"), ends_as(released(), "CLOSED")
    held = released()
    attempt = held.disbursements.get().attempt
    RefundAttempt.objects.filter(pk=attempt.pk).update(status=AttemptStatus.HELD, next_due_at=None)
    short = ChannelAccount.objects.get(code="wechat")
    ChannelAccount.objects.filter(pk=short.pk).update(short_since=clock.now(), probe_from=clock.now())
    outgoing.stop(by=operator, reason="演练", at=clock.now(), account=ChannelAccount.objects.get(code="alipay"))
    late = approved()
    Refund.objects.filter(pk=late.pk).update(promised_by=clock.now())
    page = text(seat.get(STUCK))
    for said in (batch.batch_no, abnormal.refund_no, closed.refund_no, attempt.request_no, late.refund_no, "演练"):
        assert said in page, said
    assert "打开后点“重新原路退款”" in page  # of what is closed
    assert "渠道还没有给出最终结果：等买家在退款单上选择去向" in page  # of what may still pay
    assert "放款，或制成发款批次由同事复核。" in page
    assert f'href="{reverse("admin:payments_outgoingswitch_changelist")}">全部出款<' not in page
    assert reverse("admin:payments_channelaccount_topped_up", args=[short.pk]) in page
    assert "由另一位财务复核" in page
    assert "已过" in page
    assert reverse("admin:payments_channelaccount_topped_up", args=[short.pk]) not in text(sits(operator).get(STUCK))
    outgoing.stop(by=operator, reason="全部演练", at=clock.now())
    listed = PayoutLine.objects.filter(batch=batch, status=LineStatus.WAITING)
    Refund.objects.filter(pk__in=listed.values("refund")).update(promised_by=clock.now())
    page = text(seat.get(STUCK))
    assert f'href="{reverse("admin:payments_outgoingswitch_changelist")}">全部出款<' in page  # where it is let go again
    assert listed.count() == page.count(f"已列入发款批次 {batch.batch_no}（待复核），由那一批放款。") > 0
