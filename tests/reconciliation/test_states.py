"""What a bill shows that we thought otherwise: asked about, never believed by itself; and bills that do not come."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

import clock
from cardshop import invariants
from ledger import balances, posting
from notices.models import Notice
from orders import placing
from orders.placing import Wish
from payments import by_hand, charging, funds, refunding
from payments.charging import Way
from payments.models import AttemptStatus, Payment, RefundAttempt
from reconciliation import matching, resolving, statements
from reconciliation.models import Bearer, Discrepancy, DiscrepancyEvent, Statement, StatementLine
from refunds import disbursement, lifecycle, sweeping
from shops.models import ShopMember
from tests.cases import attempt_of, hint
from tests.reconciliation.days import Day
from tests.reconciliation.test_matching import CHANNELS, FUNDS, found

pytestmark = pytest.mark.django_db


def work(times: int = 30) -> None:
    for _ in range(times):
        at = clock.now()
        if not charging.sweep(at=at) + refunding.sweep(at=at) + disbursement.hear(at=at):
            return


def is_refused(day: Day, attempt: RefundAttempt) -> None:
    """Alipay says no; WeChat is not asked, for want of money."""
    if attempt.payment.account.channel == "alipay":
        day.simulator.faults("frozen", request_no=attempt.request_no)
    else:
        funds.ran_short([attempt.payment.account_id], at=clock.now())


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_refund_closed_here_and_paid_there_is_asked_about_and_taken_up_again(
    day: Day, buy, apply, reviewer, finance, channel: str
):
    """I3: urgent, and open until a person has seen it, although all is well again by then."""
    order = buy(channel=channel, price_fen=3000, one_click_daily_cap_fen=10**8)
    refund = apply(order, reason="changed_mind")
    if refund.status == "first_review":
        lifecycle.approve([refund], by=reviewer, at=clock.now())
        disbursement.release([refund], by=finance, at=clock.now())
    else:
        sweeping.sweep(at=clock.now())
    attempt = attempt_of(refund)
    is_refused(day, attempt)
    work()
    by_hand.close_refused([attempt_of(refund)], by=finance, at=clock.now())
    work()
    assert attempt_of(refund).status == AttemptStatus.CLOSED
    past = {"out_refund_no": attempt.request_no, "out_trade_no": attempt.payment.payment_no, "amount_fen": 3000}
    past |= {"status": "SUCCESS", "created_at": day.noon, "succeeded_at": day.noon}
    day.past(channel, [], [past])
    day.over()
    day.reconcile()
    row = Discrepancy.objects.get(kind="closed_paid")
    assert row.is_urgent
    assert row.due_at - row.found_at == timedelta(hours=4)
    work()
    refund.refresh_from_db()
    assert attempt_of(refund).status == AttemptStatus.SUCCEEDED
    assert refund.status in {"paid_out", "arrived"}
    assert "重新认领" in row.events.get(what="asked").note
    day.reconcile(again=True)
    assert found() == {("trades", "closed_paid", attempt.request_no)}
    resolving.explain(row, by=finance, at=clock.now(), reason="渠道延迟成功，已认领，未重复退款")
    assert found() == set()
    assert invariants.broken(day.simulator.ledger()) == []


def test_a_refund_that_failed_there_and_succeeded_here_differs_in_its_state(day: Day):
    """WeChat's bill says how a refund stands; Alipay's has those alone that were paid. Money that left for one that
    failed has the next day to come back."""
    attempt = day.refund("wechat")
    day.plant("wechat", "trade", "other_state", number=attempt.request_no)
    day.over()
    day.reconcile()
    assert found() == {("trades", "state", attempt.request_no)}
    work()
    row = Discrepancy.objects.get()
    assert (row.ours_state, row.theirs_state, attempt_of_number(attempt).status) == ("succeeded", "FAIL", "succeeded")
    next_day(day)
    assert found() == {("trades", "state", attempt.request_no), ("funds", "funds", attempt.channel_refund_id)}
    day.simulator.post("bill", clear=True)
    day.day -= timedelta(days=1)
    day.reconcile(again=True)
    assert found() == set()


@pytest.mark.parametrize(("hours", "shown_by"), [(0, {"trades", "funds"}), (54, {"funds"})])
def test_money_that_came_back_and_nobody_told_us_of_is_seen_asked_about_and_over_by_itself(
    day: Day, released, hours: int, shown_by: set[str]
):
    """G7: closed at the channel, and no notification came. Days later the movements alone show it."""
    attempt = attempt_of(released())
    refunding.sweep(at=clock.now())
    day.pass_until(clock.now() + timedelta(hours=hours))
    day.simulator.settle(attempt.request_no, "CLOSED")
    day.over()
    day.reconcile()
    for _ in range(hours // 24):
        next_day(day)
    assert found() == {(bill, "state", attempt.request_no) for bill in shown_by}
    work()
    assert attempt_of_number(attempt).status == AttemptStatus.CLOSED  # asked about, and heard
    day.pass_until(clock.now() + matching.AGAIN_AFTER)
    while statements.sweep(at=clock.now()):
        pass
    assert found() == set()
    assert set(Statement.objects.filter(account__code="wechat").values_list("status", flat=True)) == {"matched"}


@pytest.mark.parametrize("hours", [0, 20, pytest.param(60, marks=pytest.mark.nightly)])
def test_a_refund_that_the_channel_closes_makes_no_difference_whenever_the_money_comes_back(
    day: Day, released, hours: int
):
    """The same afternoon, before the bill of trades is cut, or days after it: with the fee that is taken again."""
    attempt = attempt_of(released())
    refunding.sweep(at=clock.now())
    day.pass_until(clock.now() + timedelta(hours=hours))
    day.simulator.settle(attempt.request_no, "CLOSED")
    hint(attempt)
    work()
    assert attempt_of_number(attempt).status == AttemptStatus.CLOSED
    day.over()
    day.reconcile()
    for _ in range(3):
        next_day(day)
        assert found() == set()
    assert {row.waiting for row in Statement.objects.filter(account__code="wechat")} == {0}
    moves = StatementLine.objects.filter(statement__kind="funds", move_no=attempt_of_number(attempt).channel_refund_id)
    assert sorted(moves.values_list("amount_fen", flat=True)) == [-8800, -53, 53, 8800]


def next_day(day: Day) -> None:
    day.day += timedelta(days=1)
    day.over()
    day.reconcile()


def attempt_of_number(attempt: RefundAttempt) -> RefundAttempt:
    return RefundAttempt.objects.get(request_no=attempt.request_no)


def test_a_day_without_business_differs_in_nothing(day: Day):
    day.over()
    day.reconcile()
    mine = Statement.objects.filter(day=day.day)
    assert set(mine.values_list("status", "is_empty", "lines_read")) == {("matched", True, 0)}
    assert mine.count() == 4
    assert found() == set()


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_payment_that_we_never_heard_of_is_heard_through_the_bill(day: Day, make_product, buyer, channel: str):
    """G20: paid behind our back: asked about, and if the order is gone its money goes back."""
    way = Way(account_code=channel)
    order = placing.place(make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    payment = charging.present(charging.prepare(order, at=clock.now(), way=way), at=clock.now())
    day.simulator.pay(payment.payment_no)
    day.over()
    day.reconcile()
    assert found() == {("trades", "state", payment.payment_no)}
    work()
    assert Payment.objects.get(pk=payment.pk).status == "paid"
    day.reconcile(again=True)
    assert found() == set()
    closed = Discrepancy.objects.get()
    assert (closed.status, [event.what for event in closed.events.order_by("pk")]) == (
        "closed", ["found", "asked", "closed"],
    )  # fmt: skip


@pytest.mark.parametrize("bearer", Bearer)
def test_what_was_refunded_outside_is_adopted_and_two_people_say_whose_loss_it_is(day: Day, finance, cashier, bearer):
    """G21: less is left to promise; it lies in suspense until a second person confirms. Nobody confirms alone."""
    payment = day.buy("wechat")
    console = day.simulator.post("console_refund", out_trade_no=payment.payment_no, amount_fen=500)
    day.over()
    day.reconcile()
    assert found() == {("trades", "only_theirs", console["out_refund_no"])}
    assert Payment.objects.get(pk=payment.pk).refundable_fen == 2500
    assert suspense() == -500
    row = Discrepancy.objects.get()
    assert (row.ours_state, row.statement.totals_fit) == ("external", True)
    with pytest.raises(resolving.CannotResolve):
        resolving.explain(row, by=finance, at=clock.now(), reason="同事手工退款")
    seat = ShopMember.objects.create(shop=payment.order.shop, user=finance, role="clerk")
    with pytest.raises(resolving.CannotResolve, match="您店铺"):  # I10
        resolving.propose_bearer(row, bearer=bearer, by=finance, at=clock.now(), reason="同事手工退款")
    seat.delete()
    resolving.propose_bearer(row, bearer=bearer, by=finance, at=clock.now(), reason="同事手工退款")
    with pytest.raises(resolving.CannotResolve):
        resolving.confirm_bearer(row, by=finance, at=clock.now())
    seat = ShopMember.objects.create(shop=payment.order.shop, user=cashier, role="clerk")
    with pytest.raises(resolving.CannotResolve, match="您店铺"):
        resolving.confirm_bearer(row, by=cashier, at=clock.now())
    seat.delete()
    with pytest.raises(IntegrityError, match="write_off_takes_two_people"), transaction.atomic():
        Discrepancy.objects.filter(pk=row.pk).update(resolved_by=finance)
    resolving.confirm_bearer(row, by=cashier, at=clock.now())
    with pytest.raises(resolving.CannotResolve):
        resolving.confirm_bearer(row, by=cashier, at=clock.now())
    assert suspense() == 0
    shop_id = payment.order.shop_id
    given_fen = 500 if bearer == Bearer.PLATFORM else 0  # else to 待查, of what is not settled
    assert balances.owed([
        posting.shop_account(shop_id), posting.available_account(shop_id), posting.advance_account(shop_id),
        posting.COMPENSATION,
    ]) == {
        posting.shop_account(shop_id): 2500, posting.available_account(shop_id): given_fen,
        posting.advance_account(shop_id): 0, posting.COMPENSATION: -given_fen,
    }  # fmt: skip
    day.reconcile(again=True)
    assert found() == set()
    assert RefundAttempt.objects.filter(status=AttemptStatus.EXTERNAL).count() == 1
    assert invariants.broken(day.simulator.ledger()) == []


def suspense() -> int:
    account = posting.suspense_account("wechat")
    return balances.owed([account])[account]


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_late_bill_is_asked_for_until_it_is_there_and_people_hear_of_it(day: Day, finance, operator, channel: str):
    """G22."""
    payment = day.buy(channel)
    for kind in ("trade", FUNDS[channel]):
        day.plant(channel, kind, "late", delay_seconds=30 * 3600)
    day.over()
    day.reconcile()
    mine = Statement.objects.filter(account__code=channel, day=day.day)
    assert {row.status for row in mine} == {"not_there_yet"}
    assert found() == set()
    day.over(hour=15)
    day.reconcile()
    assert found() == {("trades", "late", ""), ("funds", "late", "")}
    day.pass_until(clock.now() + timedelta(hours=25))
    day.reconcile()
    assert found() == set(), payment
    assert {row.status for row in mine.all()} == {"matched"}
    assert set(Discrepancy.objects.values_list("status", flat=True)) == {"closed"}


def test_what_nobody_explains_in_time_is_told_to_finance_and_the_operators(day: Day, finance, operator):
    day.buy("wechat")
    day.plant("wechat", "trade", "drop_line")
    day.over()
    day.reconcile()
    assert {row.kind for row in Discrepancy.objects.all()} == {"only_ours", "totals"}
    clock.advance(timedelta(hours=24, seconds=1))
    resolving.sweep(at=clock.now())
    told = Notice.objects.filter(kind="discrepancies_late")
    assert {notice.recipient for notice in told} >= {finance, operator}
    assert set(Discrepancy.objects.values_list("events__what", flat=True)) == {"found", "overdue"}


def test_movements_that_are_said_to_be_none_are_one_difference(day: Day):
    """G22: the bill of trades shows that there must be some."""
    payment = day.buy("wechat")
    day.plant("wechat", "fundflow", "missing")
    day.over()
    day.reconcile()
    assert found() == {("funds", "late", "")}
    assert Discrepancy.objects.get().ours_fen == payment.amount_fen


@pytest.mark.parametrize("fault", ["missing", "wrong_hash"])
def test_a_bill_that_is_missing_or_not_the_one_announced_changes_nothing(day: Day, fault: str):
    """G22."""
    day.buy("wechat")
    day.buy("wechat")
    day.plant("wechat", "trade", fault)
    day.over()
    day.reconcile()
    trades = Statement.objects.get(account__code="wechat", kind="trades", day=day.day)
    if fault == "missing":
        row = Discrepancy.objects.get(statement=trades)
        assert (row.kind, row.ours_fen, "2 笔" in row.detail) == ("late", 6000, True)
    else:
        assert (trades.status, trades.tries, "bill_hash" in trades.last_error) == ("wanted", 1, True)
    day.simulator.post("bill", clear=True)
    day.reconcile(again=True)
    assert found() == set()


def test_a_fee_that_is_not_the_trades_is_found(day: Day):
    """WeChat's movements tell fees apart: one fen more is a difference of the fee, not of the trade."""
    payment = day.buy("wechat")
    day.over()
    day.reconcile()
    fee = StatementLine.objects.get(statement__kind="funds", kind="fee")
    day.plant("wechat", "fundflow", "wrong_amount", number=fee.entry_no)
    day.reconcile(again=True)
    assert {(row.kind, row.channel_no) for row in Discrepancy.objects.filter(status="open")} == {
        ("fee", payment.channel_transaction_id), ("totals", "")
    }  # fmt: skip


def test_lines_go_after_their_time_and_what_they_said_differently_stays(day: Day):
    """What grows is cut: the lines of a bill, 95 days after its day; bills, differences and their story never."""
    day.buy("wechat")
    day.plant("wechat", "trade", "duplicate_line")
    day.over()
    day.reconcile()
    kept = [list(model.objects.order_by("pk").values_list()) for model in (Statement, Discrepancy, DiscrepancyEvent)]
    old = clock.midnight(day.day) + timedelta(days=StatementLine.KEPT_DAYS)
    statements.prune(at=old)
    assert StatementLine.objects.exists()
    statements.prune(at=old + timedelta(days=1))
    assert not StatementLine.objects.exists()
    assert kept == [
        list(model.objects.order_by("pk").values_list()) for model in (Statement, Discrepancy, DiscrepancyEvent)
    ]


def test_yesterday_is_wanted_by_itself_and_again_after_a_standstill(day: Day):
    day.over()
    statements.want_each_day(at=clock.now())
    assert set(Statement.objects.values_list("day", "account__code")) == {(day.day, "wechat"), (day.day, "alipay")}
    clock.advance(timedelta(days=3))
    statements.want_each_day(at=clock.now())
    assert Statement.objects.filter(account__code="wechat", kind="funds").count() == 4
