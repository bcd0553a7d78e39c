"""All that moves money, in any order: after every step each fen is where the books say (I1, I2, I3, I6, I11–I13).

Orders paid at the channel or from the balance, refunds in whole and in part, back the same way or to the balance, one
by one and in batches, ended by the channel as it likes; canceled orders with a penalty, settlement, deposits,
withdrawals and cash-outs. What a step refuses changes nothing. Each run is one story in a transaction, rolled back.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

import clock
from cardshop.invariants import INVARIANTS
from ledger import balances
from orders import cancellation, delivery, placing
from orders.cancellation import Cause
from orders.models import Order
from orders.placing import Wish
from payments import charging, outgoing, payees, refunding, spending, transfers
from payments.models import RefundAttempt, Transfer
from payments.payees import Account
from payments.transfer_models import PayeeKind
from refunds import cancellations, disbursement, payouts, penalties, settlement, sweeping
from refunds.lifecycle import STEPS, StepRefused
from refunds.models import PayoutBatch, Refund
from shops import deposits, stock
from shops.models import ShopMember, ShopRole
from tests.cases import attempt_of, hint

pytestmark = pytest.mark.django_db
EACH_STEP = [check for name in ("I1", "I2", "I3", "I6", "I11", "I12", "I13") for check in INVARIANTS[name]]
BANK = Account(PayeeKind.BANK, "李雷", "6222 0212 3456 7890", "招商银行上海分行")
ENDS = ["SUCCESS", "SUCCESS", "ABNORMAL", "CLOSED"]
HANDS = ["approve", "mark_paid", "approve", "mark_paid", "refuse", "mark_failed"]
STEPS_IN_CI, STEPS_NIGHTLY = 30, 50
DECISIONS = ["reviewer approve", "reviewer reject", "reviewer make_offer", "buyer accept_offer", "buyer decline_offer",
         "buyer appeal", "senior grant_appeal", "senior dismiss_appeal", "reviewer uphold", "senior approve_second",
         "buyer withdraw", "senior close", "finance halt", "senior reopen", "finance reissue", "buyer sign_redirect",
         "cashier confirm_redirect"]  # fmt: skip
REFUSALS = (
    StepRefused, cancellation.CannotCancel, placing.CannotPlace, charging.OrderIsNotPayable,
    spending.CannotSpend, transfers.CannotTransfer, outgoing.CannotTurn, deposits.CannotRecord,
    stock.CodeIsFrozen, delivery.NothingToReveal,
)  # fmt: skip


class Money(RuleBasedStateMachine):
    """One shop, one buyer, two channels, and everybody who may touch the money."""

    house: Any  # set by the test
    payer: Any
    taken: dict[str, int] = {}

    orders = Bundle("orders")
    cases = Bundle("cases")

    def __init__(self) -> None:
        super().__init__()
        self.before, self.story = clock._offset, transaction.atomic()
        self.story._from_testcase = True  # type: ignore[attr-defined]  # as the suite's own around a test
        self.story.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.story.__exit__(None, None, None)
        clock._offset = self.before

    def attempt(self, what: Any, *words: Any, **named: Any) -> Any:
        """Whatever is refused has changed nothing; the rest counts as done."""
        try:
            with transaction.atomic():
                done = what(*words, **named)
        except REFUSALS:
            return None
        name = getattr(what, "__name__", str(what))
        Money.taken[name] = Money.taken.get(name, 0) + 1
        return done

    # --- buying

    @initialize(target=orders, fen=st.integers(100, 30_000))
    def there_are_orders(self, fen: int) -> Any:
        return multiple(self.buy(fen, 3, "wechat"), self.buy(fen, 1, "alipay"), self.buy_work(fen))

    @initialize(target=cases, fen=st.integers(100, 60_000), destination=st.sampled_from(["original", "balance"]))
    def there_are_cases(self, fen: int, destination: str) -> Any:
        """One that people decide, its code looked at; and one that rules decide, if it is small."""
        by_people = self.house.case(price_fen=fen, destination=destination)
        return multiple(by_people, self.house.ask(self.house.buy(price_fen=fen)))

    @rule(
        target=orders,
        fen=st.integers(1, 30_000),
        pieces=st.integers(1, 3),
        channel=st.sampled_from(["wechat", "alipay"]),
    )
    def buy(self, fen: int, pieces: int, channel: str) -> Order:
        return self.house.buy(price_fen=fen, quantity=pieces, channel=channel, window_days=15)

    @rule(target=orders, fen=st.integers(100, 30_000))
    def buy_work(self, fen: int) -> Order:
        """A service that its shop has not begun, with a penalty if it never does."""
        return self.house.buy(price_fen=fen, stock=0)

    @rule(target=orders, order=orders)
    def buy_again_from_the_balance(self, order: Order) -> Any:
        def pay() -> Order:
            wish = Wish(1, again=True)
            row = placing.place(
                order.lines.first().product, wish, buyer=self.house.buyer, checkout_key=uuid.uuid4(), at=clock.now()
            )
            spending.pay(row, by=self.house.buyer, at=clock.now(), verified_by="password")
            return Order.objects.get(pk=row.pk)

        done = self.attempt(pay)
        return multiple(done) if done else multiple()

    @rule(order=orders)
    def look_at_the_codes(self, order: Order) -> None:
        order = Order.objects.get(pk=order.pk)
        if order.lines.first().product.fulfilment == "codes":
            self.attempt(self.house.reveal, order)

    # --- refunds

    @rule(target=cases, order=orders, part=st.booleans(), destination=st.sampled_from(["original", "balance"]))
    def ask(self, order: Order, part: bool, destination: str) -> Any:
        order = Order.objects.get(pk=order.pk)
        lines = [line.pk for line in order.lines.order_by("position")]
        done = self.attempt(  # pre-checked, too
            self.house.ask, order, destination=destination, line_ids=lines[:1] if part and len(lines) > 1 else None
        )
        return multiple(done) if done else multiple()

    @rule(refund=cases, data=st.data())
    def decide(self, refund: Refund, data: Any) -> None:
        """Somebody takes one of the steps that the table lists; it may be refused all the same."""
        refund = Refund.objects.get(pk=refund.pk)
        possible = [step for step in DECISIONS if refund.status in STEPS[step.split()[1]].sources]
        if possible:
            step = data.draw(st.sampled_from(possible))
            if self.attempt(self.house.on, refund, step):
                Money.taken[step] = Money.taken.get(step, 0) + 1

    @rule(refund=cases)
    def release(self, refund: Refund) -> None:
        refund = Refund.objects.get(pk=refund.pk)
        by = self.house.finance if refund.lane == "standard" else None
        self.attempt(disbursement.release, [refund], by=by, at=clock.now())

    @rule()
    def pay_a_batch(self) -> None:
        def batch() -> None:
            row = payouts.compose(by=self.house.finance, at=clock.now(), most_lines=20, most_fen=10_000_000)
            payouts.propose(row, by=self.house.finance, at=clock.now())
            payouts.approve(row, by=self.house.cashier, at=clock.now())

        self.attempt(batch)
        while PayoutBatch.objects.filter(status="approved").exists() and payouts.sweep(at=clock.now()):
            pass

    @rule(refund=cases, end=st.sampled_from(ENDS))
    def the_channel_ends_it(self, refund: Refund, end: str) -> None:
        """Also once more: a success that comes back, a return that succeeds after all."""
        if not refund.disbursements.exists():
            return
        refunding.sweep(at=clock.now())
        attempt = attempt_of(refund)
        books = {row["out_refund_no"]: row for row in self.house.simulator.ledger()["refunds"]}
        row = books.get(attempt.request_no)
        if row is None or (row.get("channel") == "alipay" and end != "SUCCESS"):
            return
        if row["status"] == "PROCESSING":
            self.house.simulator.settle(attempt.request_no, end)
        hint(attempt)
        refunding.sweep(at=clock.now())
        disbursement.hear(at=clock.now())

    @rule(refund=cases, data=st.data())
    def a_case_goes_its_way(self, refund: Refund, data: Any) -> None:
        """Decided, released, sent, ended: what most cases live through."""
        for step in ("reviewer approve", "reviewer uphold", "senior approve_second"):
            self.attempt(self.house.on, Refund.objects.get(pk=refund.pk), step)
        self.release(refund)
        self.the_machine_works()
        if data.draw(st.booleans()):
            self.the_channel_ends_it(refund, data.draw(st.sampled_from(ENDS)))

    @rule()
    def the_machine_works(self) -> None:
        for _ in range(2):
            at = clock.now()
            sweeping.sweep(at=at)
            cancellations.hear(at=at)
            penalties.sweep(at=at)
            refunding.sweep(at=at)
            disbursement.hear(at=at)

    # --- the shop's money

    @rule(order=orders)
    def the_shop_cancels(self, order: Order) -> None:
        order = Order.objects.get(pk=order.pk)
        self.attempt(
            cancellation.cancel, order, cause=Cause.OUT_OF_STOCK, by=self.house.merchant, at=clock.now(), reason="缺货"
        )

    @rule(days=st.sampled_from([0.5, 3, 8, 16]))
    def time_goes_by(self, days: float) -> None:
        clock.advance(timedelta(days=days))
        while settlement.sweep(at=clock.now()):
            pass

    @rule(fen=st.integers(1, 10_000), is_shop=st.booleans(), then=st.lists(st.sampled_from(HANDS), max_size=3))
    def money_leaves_by_hand(self, fen: int, is_shop: bool, then: list[str]) -> None:
        proof = {"amount_fen": fen, "at": clock.now(), "verified_by": "password"}
        if is_shop:
            self.attempt(transfers.withdraw, self.house.shop, by=self.house.merchant, **proof)
        else:
            self.attempt(transfers.cash_out, self.house.buyer, **proof)
        for what in then:
            self.finance_deals_with_a_transfer(what)

    def finance_deals_with_a_transfer(self, what: str) -> None:
        row = Transfer.objects.exclude(status__in=["refused", "failed"]).order_by("-pk").first()
        if row is None:
            return
        words = {
            "approve": {"by": self.house.finance},
            "refuse": {"by": self.house.cashier, "reason": "材料不齐"},
            "mark_paid": {"by": self.payer, "paid_at": clock.now(), "voucher": uuid.uuid4().hex[:12]},
            "mark_failed": {"by": self.payer, "reason": "账号不符"},
        }[what]
        self.attempt(getattr(transfers, what), row, at=clock.now(), **words)

    @rule(what=st.sampled_from(["a deposit", "off", "on", "on", "fold"]), fen=st.integers(1, 20_000))
    def the_books_are_kept(self, what: str, fen: int) -> None:
        """保证金、出款开关、快照."""
        at = clock.now()
        if what == "a deposit":
            voucher = uuid.uuid4().hex[:12]
            words = {"amount_fen": fen, "voucher": voucher, "note": "", "by": self.house.finance, "at": at}
            self.attempt(deposits.record, self.house.shop, **words)
        elif what == "off":
            self.attempt(outgoing.stop, by=self.house.finance, reason="试", at=at)
        elif what == "on":
            self.attempt(outgoing.resume, by=self.house.operator, reason="试", at=at)
        else:
            balances.fold(at=at, after=1)

    # --- what must be true

    @invariant()
    def each_fen_is_where_the_books_say(self) -> None:
        assert [line for check in EACH_STEP for line in check()] == []


@pytest.mark.parametrize(
    ("examples", "steps"),
    [(6, STEPS_IN_CI), pytest.param(120, STEPS_NIGHTLY, marks=pytest.mark.nightly)],
)
def test_money_is_where_the_books_say_after_every_step(examples, steps, house, shop, cashier):
    """300 steps; 6,000 at night."""
    from tests.cast import person

    ShopMember.objects.filter(shop=shop, user=house.merchant).update(role=ShopRole.OWNER)
    at = clock.now() - timedelta(days=2)
    payees.lay_down(BANK, by=house.merchant, at=at, shop=shop)
    payees.lay_down(BANK, by=house.buyer, at=at, user=house.buyer)
    Money.house, Money.payer, Money.taken = _With(house, shop), person("payer", "finance"), {}
    run_state_machine_as_test(
        Money,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=steps == STEPS_IN_CI,
            phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck), database=None,
        ),
    )  # fmt: skip
    print(Money.taken)
    assert RefundAttempt.objects.count() == 0  # each story was undone


class _With:
    """The house, and its shop."""

    def __init__(self, house: Any, shop: Any) -> None:
        self._house, self.shop = house, shop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._house, name)
