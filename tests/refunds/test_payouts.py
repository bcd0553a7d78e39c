"""分批发款: made by one of finance, checked by another, paid line by line, each case once (S0-14, S2-19, I11)."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from accounts.models import User
from cardshop import invariants
from payments import outgoing
from payments.models import ChannelAccount, Payment, RefundAttempt
from refunds import disbursement, lifecycle
from refunds.lifecycle import StepRefused
from refunds.models import PayoutEvent, Refund
from refunds.payouts import batches, paying, releasing, totals
from refunds.payouts.batches import CannotPay
from tests import attacks
from tests.cases import signed_for_account
from tests.refunds.payout_batches import BATCH, LINE, MUCH, checked, made, now, run, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(finance, approved):
    """A draft of three cases, by finance."""
    for price_fen in (8800, 6600, 5500):
        approved(price_fen=price_fen)
    return made(finance)


def refusal(function, *words, **more) -> str:
    with pytest.raises(CannotPay) as refused:
        function(*words, at=clock.now(), **more)
    return refused.value.code


# --- the whole way ----------------------------------------------------------------------------------------------------


def test_a_batch_is_made_checked_and_paid_in_the_order_of_application(batch, finance, cashier, drain, simulator):
    """S2-19, S0-14: each line names what paid it, in the checker's name; then the money arrives."""
    assert (batch.status, batch.line_count, batch.total_fen) == ("draft", 3, 20_900)
    assert paying.sweep(at=clock.now()) == 0
    batch = run(checked(batch, finance, cashier))
    assert (batch.status, states(batch)) == ("done", ["sent"] * 3)
    lines = list(batch.lines.order_by("position").select_related("disbursement", "refund"))
    assert [line.amount_fen for line in lines] == [8800, 6600, 5500]
    assert {line.disbursement.released_by for line in lines} == {cashier}
    drain()
    assert set(Refund.objects.values_list("status", flat=True)) == {"arrived"}
    steps = list(PayoutEvent.objects.order_by("pk").values_list("step", "by__username"))
    assert steps == [("compose", "finance"), ("propose", "finance"), ("approve", "cashier")]
    assert invariants.broken(simulator.ledger()) == []


def test_what_goes_to_the_balance_is_a_line_too(finance, cashier, approved):
    approved(destination="balance")
    batch = run(checked(made(finance), finance, cashier))
    line = batch.lines.get()
    assert (line.status, line.disbursement, line.credit.amount_fen) == ("sent", None, 8800)
    assert totals.preview(batch).to_balance.total_fen == 8800
    assert invariants.broken() == []


def test_the_preview_says_whose_money_where_from_and_who_decided(batch, reviewer):
    ChannelAccount.objects.filter(code="wechat").update(short_since=clock.now(), probe_from=clock.now())
    found = totals.preview(batch)
    (account,) = found.accounts
    assert (account.account.short_since is not None, account.count, account.total_fen) == (True, 3, 20_900)
    assert [(share.count, share.total_fen) for share in found.shops] == [(3, 20_900)]
    assert [(share.title, share.count) for share in found.deciders] == [(reviewer.username, 3)]
    assert [share.title for share in found.lanes] == ["人工审核"]


@pytest.fixture
def without_money(simulator):
    """The channel's account is empty until this is called, or the test is over."""

    def fill() -> None:
        simulator.post("funds", channel="wechat", amount_fen=None)

    simulator.post("funds", channel="wechat", amount_fen=0)
    yield fill
    fill()


def test_an_account_without_money_makes_its_lines_wait_and_topping_up_sends_them(
    batch, finance, cashier, without_money, drain
):
    """PM15, G5: released all the same, under their numbers; nothing fails."""
    from payments import funds, refunding

    batch = run(checked(batch, finance, cashier))
    refunding.sweep(at=clock.now())
    clock.advance(timedelta(seconds=2))  # calls that had not begun when the first answer came have their turn then
    refunding.sweep(at=clock.now())
    assert set(RefundAttempt.objects.values_list("status", flat=True)) <= {"waiting_funds", "unknown"}
    assert states(batch) == ["sent"] * 3
    without_money()
    funds.topped_up(ChannelAccount.objects.get(code="wechat"), by=finance, at=clock.now())
    clock.advance(timedelta(minutes=1))
    drain()
    assert set(Refund.objects.values_list("status", flat=True)) == {"arrived"}


# --- who --------------------------------------------------------------------------------------------------------------


def test_whoever_made_it_does_not_check_it_by_function(batch, finance):
    batches.propose(batch, by=finance, at=clock.now())
    assert refusal(batches.approve, batch, by=finance) == "same_person"
    assert now(batch).status == "proposed"


def test_whoever_decided_neither_pays_nor_checks(batch, finance, reviewer, approved):
    """I10: not even after they have become one of finance."""
    User.objects.filter(pk=reviewer.pk).update(role="finance")
    reviewer.refresh_from_db()
    batches.propose(batch, by=finance, at=clock.now())
    assert refusal(batches.approve, batch, by=reviewer) == "decided_before"
    batches.call_off(batch, by=finance, at=clock.now(), reason="重做")
    assert refusal(made_by, reviewer) == "nothing_waits"


def made_by(by, *, at):
    return batches.compose(by=by, at=at, most_lines=5, most_fen=MUCH)


def test_a_cashiers_own_case_is_in_no_batch_of_theirs(finance, cashier, buy, reveal, apply, reviewer, approved):
    approved()
    own = buy(by=cashier)
    reveal(own)
    lifecycle.approve([apply(own)], by=reviewer, at=clock.now())
    assert made(cashier).line_count == 1
    batch = made(finance)
    batches.propose(batch, by=finance, at=clock.now())
    assert refusal(batches.approve, batch, by=cashier) == "decided_before"


@pytest.mark.parametrize("who", ["buyer", "merchant", "reviewer", "senior", "operator"])
def test_nobody_else_pays(who, request, batch, finance):
    other = request.getfixturevalue(who)
    assert refusal(made_by, other) == "not_yours"
    for act in (batches.propose, batches.approve, batches.go_on, batches.retry_failed):
        assert refusal(act, batch, by=other) == "not_yours"
    assert refusal(batches.call_off, batch, by=other, reason="x") == "not_yours"


def test_a_checker_who_has_left_pays_nobody_any_more(batch, finance, cashier):
    checked(batch, finance, cashier)
    User.objects.filter(pk=cashier.pk).update(is_active=False)
    batch = run(batch)
    assert (batch.status, batch.stop_reason, states(batch)) == ("stopped", "复核人已不能放款", ["waiting"] * 3)
    assert refusal(batches.go_on, batch, by=finance) == "checker_left"


def test_many_at_once_by_one_person_only_up_to_a_sum(approved, finance, monkeypatch):
    """Of several cases above it a colleague looks at the list; one case has two people already."""
    one, other = approved(price_fen=8800), approved(price_fen=6600)
    monkeypatch.setattr(releasing, "ALONE_MOST_FEN", 15_000)
    with pytest.raises(StepRefused) as refused:
        releasing.release_chosen([one, other], by=finance, at=clock.now())
    assert refused.value.code == "needs_batch"
    monkeypatch.setattr(releasing, "ALONE_MOST_FEN", 1_000)
    assert releasing.release_chosen([one], by=finance, at=clock.now()).sent


# --- line by line -----------------------------------------------------------------------------------------------------


def test_each_line_says_what_became_of_it_and_only_what_failed_is_tried_again(
    batch, finance, cashier, approved, senior, monkeypatch
):
    """PM7: one cannot go its way, one was halted, one was released by itself; the others are paid."""
    released, halted = list(Refund.objects.order_by("pk"))[:2]
    batches.call_off(batch, by=finance, at=clock.now(), reason="再加两张")
    old, good = approved(price_fen=3300), approved(price_fen=2200)
    Payment.objects.filter(pk=old.payment_id).update(last_attempt_index=50)
    batch = made(finance)
    checked(batch, finance, cashier)
    disbursement.release([released], by=finance, at=clock.now())
    lifecycle.halt([halted], by=senior, at=clock.now(), note="可疑")
    batch = run(batch)
    assert states(batch) == ["failed", "failed", "sent", "set_aside", "sent"]
    assert "退款处理中" in batch.lines.get(refund=released).reason
    assert "50 次" in batch.lines.get(refund=old).reason
    assert refusal(batches.retry_failed, batch, by=finance) == "nothing_to_retry"
    lifecycle.approve([halted], by=senior, at=clock.now())
    assert batches.retry_failed(batch, by=finance, at=clock.now()) == 1
    batch = run(batch)
    assert (batch.status, states(batch)) == ("done", ["failed", "sent", "sent", "set_aside", "sent"])
    Payment.objects.filter(pk=old.payment_id).update(last_attempt_index=0)
    assert invariants.broken() == []
    assert good.disbursements.count() == halted.disbursements.count() == released.disbursements.count() == 1


def test_another_amount_than_what_was_checked_is_not_paid(house, finance, cashier):
    """Halted, and offered less meanwhile: the checker had read another sum."""
    refund = house.case("reviewer approve")
    batch = checked(made(finance), finance, cashier)
    house.on(refund, "senior halt", "reviewer make_offer", "buyer accept_offer")
    batch = run(batch)
    assert (states(batch), batch.lines.get().reason) == (["failed"], paying.OTHER_AMOUNT)
    assert refund.disbursements.count() == 0


def test_what_goes_to_another_account_meanwhile_is_no_line_of_a_batch(house, finance, cashier):
    """I11: the checker had released it once, the channel gave it back, and its buyer signed for a card. That old
    disbursement pays no line: not by a turn, not by SQL. It is released by itself."""
    refund = house.case("reviewer approve")
    batch = made(finance)
    batches.propose(batch, by=finance, at=clock.now())
    house.ends_as(house.sent(refund, by=cashier), "CLOSED")
    signed_for_account(house, refund)
    house.on(refund, "finance confirm_redirect")
    batches.approve(batch, by=cashier, at=clock.now())
    batch = run(batch)
    line = batch.lines.get()
    assert (line.status, line.reason, line.disbursement) == ("failed", paying.ANOTHER_ACCOUNT, None)
    assert (now(refund).status, refund.redirect_transfers.count()) == ("approved", 0)
    for destination, why in (("account", "sent to an account"), ("original", "paid before it was checked")):
        sent = f"UPDATE {LINE} SET status = 'sent', reason = '', disbursement_id = {refund.disbursements.get().pk}"
        with attacks.damaged(
            f"UPDATE {BATCH} SET status = 'sending', next_due_at = now(), ended_at = NULL;"
            f" UPDATE {LINE} SET status = 'waiting', reason = '', handled_at = NULL;"
            f" UPDATE refunds_refund SET destination = '{destination}'"
        ):
            assert "what paid it is about something else" in attacks.refusal(sent), why
    assert disbursement.release([refund], by=cashier, at=clock.now()).sent
    assert refund.redirect_transfers.count() == 1


def test_a_line_that_breaks_stops_no_other(batch, finance, cashier, monkeypatch, caplog):
    """F12."""
    monkeypatch.setattr(disbursement, "release", breaks_at(Refund.objects.order_by("pk").first()))
    batch = run(checked(batch, finance, cashier))
    assert (batch.status, states(batch)) == ("done", ["failed", "sent", "sent"])
    assert "left behind" in caplog.text
    monkeypatch.undo()
    batches.retry_failed(batch, by=finance, at=clock.now())
    assert states(run(batch)) == ["sent"] * 3


def breaks_at(broken):
    real = disbursement.release

    def release(refunds, **how):
        if broken in refunds:
            raise RuntimeError("broken row")
        return real(refunds, **how)

    return release


def test_two_workers_at_a_line_that_breaks_leave_no_other_behind(batch, finance, cashier, monkeypatch):
    """F12: as the second worker would leave it behind, the first has done so, and the next line is no worse for it."""
    monkeypatch.setattr(disbursement, "release", breaks_at(Refund.objects.order_by("pk").first()))
    checked(batch, finance, cashier)
    at = clock.now()

    class Colleague(logging.Handler):
        def emit(self, record):
            if "left behind" in record.msg:
                paying.log.removeHandler(self)
                paying.sweep(at=at)

    paying.log.addHandler(Colleague())
    paying.sweep(at=at)
    assert states(batch) == ["failed", "waiting", "waiting"]
    clock.advance(timedelta(seconds=outgoing.PAUSE_SECONDS))
    assert states(run(batch)) == ["failed", "sent", "sent"]


def test_in_turns_that_go_on_behind_each_other(batch, finance, cashier, monkeypatch):
    monkeypatch.setattr(paying, "TURN", 2)
    checked(batch, finance, cashier)
    assert paying.sweep(at=clock.now()) == 2
    assert (now(batch).status, states(batch)) == ("sending", ["sent", "sent", "waiting"])
    assert paying.sweep(at=clock.now()) == 1
    assert (now(batch).status, paying.sweep(at=clock.now())) == ("done", 0)


def test_the_number_of_queries_does_not_grow_with_the_lines(approved, finance, cashier):
    """S2-18."""
    counts = []
    for many in (1, 5):
        for _ in range(many):
            approved(price_fen=3000)
        checked(made(finance), finance, cashier)
        with CaptureQueriesContext(connection) as caught:
            assert paying.sweep(at=clock.now()) == many
        counts.append(len(caught))
    assert counts[1] <= counts[0]


# --- stopped, called off, lapsed --------------------------------------------------------------------------------------


def test_a_stopped_batch_waits_and_goes_on(batch, finance, cashier, monkeypatch):
    monkeypatch.setattr(paying, "TURN", 1)
    checked(batch, finance, cashier)
    paying.sweep(at=clock.now())
    batches.stop(batch, by=finance, at=clock.now(), reason="核对一笔")
    assert paying.sweep(at=clock.now()) == 0
    assert now(batch).stop_reason == "核对一笔"
    batches.go_on(batch, by=finance, at=clock.now())
    assert states(run(batch)) == ["sent"] * 3


def test_what_is_called_off_may_go_into_another_batch(batch, finance, cashier):
    assert refusal(made_by, cashier) == "nothing_waits"  # all are in a batch that waits
    batches.call_off(batch, by=finance, at=clock.now(), reason="重做")
    assert (now(batch).status, states(batch)) == ("called_off", ["dropped"] * 3)
    assert made(cashier).line_count == 3
    assert refusal(batches.call_off, batch, by=finance, reason="x") == "wrong_status"


def test_what_nobody_checks_in_three_days_is_called_off(batch, finance):
    batches.propose(batch, by=finance, at=clock.now())
    clock.advance(batches.LAPSES_AFTER - timedelta(minutes=1))
    assert run(batch).status == "proposed"
    clock.advance(timedelta(minutes=1))
    assert run(batch).status == "called_off"
    assert batch.events.latest("pk").by is None


def test_the_switch_and_a_stopped_account_make_lines_wait(batch, finance, cashier, approved, buy, operator, reveal,
                                                         apply, reviewer):  # fmt: skip
    """Nothing is lost, nothing fails: what may not leave waits in its batch, what may goes on."""
    batches.call_off(batch, by=finance, at=clock.now(), reason="再加一张")
    order = buy(channel="alipay")
    reveal(order)
    lifecycle.approve([apply(order)], by=reviewer, at=clock.now())
    batch = checked(made(finance), finance, cashier)
    outgoing.stop(by=operator, reason="演练", at=clock.now())
    assert (run(batch).status, states(batch)) == ("approved", ["waiting"] * 4)
    outgoing.resume(by=finance, reason="恢复", at=clock.now())
    outgoing.stop(by=operator, reason="核对", at=clock.now(), account=ChannelAccount.objects.get(code="wechat"))
    assert (run(batch).status, sorted(states(batch))) == ("sending", ["sent", "waiting", "waiting", "waiting"])
    outgoing.resume(by=finance, reason="好了", at=clock.now(), account=ChannelAccount.objects.get(code="wechat"))
    clock.advance(timedelta(minutes=1))
    assert (run(batch).status, states(batch)) == ("done", ["sent"] * 4)


def test_only_one_accounts_cases_if_asked_for(batch, finance, buy, reveal, apply, reviewer):
    order = buy(channel="alipay")
    reveal(order)
    lifecycle.approve([apply(order)], by=reviewer, at=clock.now())
    mine = made(finance, account=ChannelAccount.objects.get(code="alipay"))
    assert (mine.line_count, mine.total_fen) == (1, 3000)


@pytest.mark.parametrize("limits", [(0, 1), (batches.MOST_LINES + 1, 1), (1, 0)])
def test_a_batch_of_nothing_is_none(limits, finance):
    most_lines, most_fen = limits
    assert refusal(batches.compose, by=finance, most_lines=most_lines, most_fen=most_fen) == "payout_limits"
