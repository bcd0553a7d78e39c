"""All that moves money, in any order: after every step each fen is where the books say (I1, I2, I3, I6, I11–I13).

Orders paid at the channel or from the balance, refunds in whole and in part, back the same way, to the balance or to
the buyer's own account, one by one and in batches, ended by the channel as it likes; canceled orders with a penalty,
settlement, deposits, withdrawals and cash-outs. What a step refuses changes nothing. Each run is one story in a
transaction, rolled back; at its end the channels' own books are asked as well.

What a step draws never depends on what happened before, so that a story that is told again is the same one.
"""

from __future__ import annotations

import gc
import itertools
import math
import random
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any
from urllib.error import HTTPError

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import clock
from cardshop.invariants import INVARIANTS, check_against_books
from cardshop.invariants.asking import at_once
from ledger import balances
from ledger.posting import available_account, balance_account
from orders import cancellation, compensating, delivery, placing
from orders.cancellation import Cause
from orders.models import Order
from orders.placing import Wish
from payments import charging, outgoing, payees, refunding, spending, transfers
from payments.models import Payee, RefundAttempt, Transfer
from payments.payees import Account
from payments.transfer_models import PayeeKind
from refunds import cancellations, disbursement, own_account, penalties, settlement, sweeping
from refunds.lifecycle import STEPS, StepRefused
from refunds.models import PayoutBatch, Refund
from refunds.payouts import batches, paying
from shops import deposits, stock
from shops.models import Product, ShopMember, ShopRole
from tests.cases import CARD, hint, own_card
from tests.cast import person

pytestmark = pytest.mark.django_db
EACH_STEP = [check for name in ("I1", "I2", "I3", "I6", "I11", "I12", "I13") for check in INVARIANTS[name]]
BANK = Account(PayeeKind.BANK, "李雷", "6222 0212 3456 7890", "招商银行上海分行")
ENDS = ["SUCCESS", "SUCCESS", "ABNORMAL", "CLOSED"]
HANDS = [
    (), ("approve",), ("approve", "mark_paid"), ("approve", "mark_paid", "mark_failed"), ("refuse",), ("mark_paid",),
]  # fmt: skip
# Of codes, one in part with a fee; of work with a penalty if its shop never does it; above the line of two people.
GOODS: list[dict[str, Any]] = [
    {"price_fen": 2_900}, {"price_fen": 8_800}, {"price_fen": 1}, {"price_fen": 66_600},
    {"price_fen": 12_345, "fee_percent": 10},
    {"price_fen": 4_200, "kind": "service", "fulfilment": "service"},
]  # fmt: skip
DECISIONS = ["reviewer approve", "reviewer reject", "reviewer make_offer", "buyer accept_offer", "buyer decline_offer",
         "buyer appeal", "senior grant_appeal", "senior dismiss_appeal", "reviewer uphold", "senior approve_second",
         "buyer withdraw", "senior close", "finance halt", "senior reopen", "finance reissue", "buyer sign_redirect",
         "cashier confirm_redirect"]  # fmt: skip
REFUSALS = (
    StepRefused, cancellation.CannotCancel, compensating.CannotCompensate, placing.CannotPlace,
    charging.OrderIsNotPayable, spending.CannotSpend, transfers.CannotTransfer, outgoing.CannotTurn,
    deposits.CannotRecord, stock.CodeIsFrozen, delivery.NothingToReveal,
)  # fmt: skip
# What a bank holds until it is told how it ends; a purse would be paid by the simulator's own clock.
CARDS = {"wechat": CARD, "alipay": "招商银行储蓄卡0403"}
WHICH = st.integers(0, 2**16 - 1)
STEPS_IN_CI, STEPS_NIGHTLY, STEPS_OF_A_STORY, MOST_ORDERS = 6_000, 24_000, 150, 10
LIMITS_OF_THE_FOLD = ["lock_timeout", "idle_in_transaction_session_timeout", "statement_timeout"]
# What the steps in CI must have come to, or they would prove little.
WORTH_DOING = ["reveal", "ask", "pay from the balance", "amends", "deposit", "cancel", "reviewer approve", "release",
               "batch", "cash out", "transfer approve", "transfer mark_paid", "off", "on", "the bank says SUCCESS",
               "the bank says ABNORMAL", "the bank says CLOSED"]  # fmt: skip


class Money(RuleBasedStateMachine):
    """One shop, one buyer, two channels, and everybody who may touch the money."""

    house: Any  # set by the test, as all below: the cast, who pays the order, what is sold, and the statement
    pay: Any
    payer: Any
    shop: Any
    goods: list[Product]
    card: Payee
    taken: Counter[str]
    steps: int

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[int] = []
        self.bought = 0
        self.before, self.story = clock._offset, transaction.atomic()
        self.story._from_testcase = True  # type: ignore[attr-defined]  # as the suite's own around a test
        self.story.__enter__()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.the_channels_say_the_same()
        finally:
            transaction.set_rollback(True)
            self.story.__exit__(None, None, None)
            clock._offset = self.before

    def attempt(self, name: str, what: Callable[..., Any], *words: Any, **named: Any) -> Any:
        """Whatever is refused has changed nothing; the rest counts as done."""
        try:
            with transaction.atomic():
                done = what(*words, **named)
        except REFUSALS:
            return None
        Money.taken[name] += 1
        return done

    def an_order(self, which: int) -> Order:
        return Order.objects.get(pk=self.orders[which % len(self.orders)])

    def a_case(self, which: int, **where: Any) -> Refund:
        """One that is there, if there is one; else any, and the step has to be refused."""
        cases = Refund.objects.order_by("pk")
        found = list(cases.filter(**where).distinct()) or list(cases)
        return found[which % len(found)]

    # --- buying

    @initialize(which=WHICH)
    def it_begins(self, which: int) -> None:
        """Two orders, and two cases: one that people decide, its code looked at; and one that rules may decide."""
        self.buy(which, 2, "wechat")
        self.buy(which + 1, 1, "alipay")
        self.look_at_the_codes(0)
        self.ask(0, part=True, destination="original")
        self.ask(1, part=False, destination="balance")

    @precondition(lambda self: self.bought < MOST_ORDERS)
    @rule(which=WHICH, pieces=st.integers(1, 3), channel=st.sampled_from(["wechat", "alipay"]))
    def buy(self, which: int, pieces: int, channel: str) -> None:
        self.bought += 1
        order = self.place(self.goods[which % len(self.goods)], pieces)
        self.orders.append(self.pay(order, channel, funding=CARDS[channel]).pk)

    @precondition(lambda self: self.bought < MOST_ORDERS)
    @rule(which=WHICH)
    def buy_from_the_balance(self, which: int) -> None:
        self.bought += 1
        held_fen = balances.of_buyer(self.house.buyer.pk)
        goods = [product for product in self.goods if product.price_fen <= held_fen] or self.goods

        def buy() -> Order:
            order = self.place(goods[which % len(goods)], 1)
            spending.pay(order, by=self.house.buyer, at=clock.now(), verified_by="password")
            return order

        if order := self.attempt("pay from the balance", buy):
            self.orders.append(order.pk)

    def place(self, product: Product, pieces: int) -> Order:
        return placing.place(
            product, Wish(pieces, again=True), buyer=self.house.buyer, checkout_key=uuid.uuid4(), at=clock.now()
        )

    @rule(which=WHICH)
    def look_at_the_codes(self, which: int) -> None:
        order = self.an_order(which)
        if order.lines.first().product.fulfilment == "codes":
            self.attempt("reveal", self.house.reveal, order)

    # --- refunds

    @rule(which=WHICH, part=st.booleans(), destination=st.sampled_from(["original", "balance"]))
    def ask(self, which: int, part: bool, destination: str) -> None:
        order = self.an_order(which)
        lines = [line.pk for line in order.lines.order_by("position")]
        some = lines[:1] if part and len(lines) > 1 else None
        self.attempt("ask", self.house.ask, order, destination=destination, line_ids=some)  # and pre-checked

    @rule(which=WHICH, nth=WHICH, to_account=st.booleans())
    def decide(self, which: int, nth: int, to_account: bool) -> None:
        """Somebody takes one of the steps that the table lists; it may be refused all the same."""
        refund = self.a_case(which)
        possible = [step for step in DECISIONS if refund.status in STEPS[step.split()[1]].sources]
        if possible:
            step = possible[nth % len(possible)]
            signs = step == "buyer sign_redirect" and to_account
            self.take(refund, step, **({"holder_proof": own_account.proof_of(self.card)} if signs else {}))

    def take(self, refund: Refund, step: str, **words: Any) -> bool:
        return self.attempt(step, self.house.on, refund, step, **words) is not None

    @rule(which=WHICH, any_case=st.booleans())
    def release(self, which: int, any_case: bool) -> None:
        self.release_case(self.a_case(which, **({} if any_case else {"status": "approved"})))

    def release_case(self, refund: Refund) -> None:
        by = self.house.finance if refund.lane == "standard" else None
        self.attempt("release", disbursement.release, [refund], by=by, at=clock.now())

    @rule()
    def pay_a_batch(self) -> None:
        def batch() -> None:
            row = batches.compose(by=self.house.finance, at=clock.now(), most_lines=20, most_fen=10_000_000)
            batches.propose(row, by=self.house.finance, at=clock.now())
            batches.approve(row, by=self.house.cashier, at=clock.now())

        self.attempt("batch", batch)
        while PayoutBatch.objects.filter(status="approved").exists() and paying.sweep(at=clock.now()):
            pass

    @rule(which=WHICH, end=st.sampled_from(ENDS))
    def the_channel_ends_it(self, which: int, end: str) -> None:
        """Also once more: a success that comes back, a return that succeeds after all."""
        self.end(self.a_case(which, disbursements__isnull=False), end)

    def end(self, refund: Refund, end: str) -> None:
        sent = refund.disbursements.select_related("attempt__payment__account").order_by("pk").last()
        if sent is None:
            return
        if sent.attempt.first_sent_at is None:
            refunding.sweep(at=clock.now())
        if self.bank_says(sent.attempt.request_no, end):
            Money.taken[f"the bank says {end}"] += 1
        hint(sent.attempt)
        refunding.sweep(at=clock.now())
        disbursement.hear(at=clock.now())

    def bank_says(self, request_no: str, end: str) -> bool:
        """Not of what was never sent, nor otherwise of what has ended for good."""
        try:
            self.house.simulator.settle(request_no, end)
        except HTTPError as refused:
            with refused:
                if refused.code not in (400, 409):
                    raise
            return False
        return True

    @rule(which=WHICH, end=st.sampled_from([*ENDS, ""]), by_batch=st.booleans())
    def a_case_goes_its_way(self, which: int, end: str, by_batch: bool) -> None:
        """Decided, released, sent, ended: what most cases live through."""
        refund = self.a_case(which, status__in=["first_review", "second_review", "approved"])
        self.lead(refund, end, by_batch=by_batch)

    def lead(self, refund: Refund, end: str, *, by_batch: bool = False) -> None:
        for step in ("reviewer approve", "reviewer uphold", "senior approve_second"):
            if refund.status in STEPS[step.split()[1]].sources:
                self.take(refund, step)
                refund.refresh_from_db()
        if by_batch:
            self.pay_a_batch()
        else:
            self.release_case(refund)
        if end:
            self.end(refund, end)
        else:
            refunding.sweep(at=clock.now())

    @rule()
    def the_machine_works(self) -> None:
        at = clock.now()
        sweeping.sweep(at=at)
        cancellations.hear(at=at)
        penalties.sweep(at=at)
        refunding.sweep(at=at)
        disbursement.hear(at=at)

    # --- the shop's money

    @rule(which=WHICH)
    def the_shop_cancels(self, which: int) -> None:
        words = {"cause": Cause.OUT_OF_STOCK, "by": self.house.merchant, "at": clock.now(), "reason": "缺货"}
        self.attempt("cancel", cancellation.cancel, self.an_order(which), **words)

    @rule(days=st.sampled_from([0.5, 3, 8, 16]))
    def time_goes_by(self, days: float) -> None:
        clock.advance(timedelta(days=days))
        while settlement.sweep(at=clock.now()):
            pass

    @rule(percent=st.integers(1, 105), is_shop=st.booleans(), then=st.sampled_from(HANDS))
    def money_leaves_by_hand(self, percent: int, is_shop: bool, then: Sequence[str]) -> None:
        account = available_account(self.shop.pk) if is_shop else balance_account(self.house.buyer.pk)
        fen = max(1, balances.owed([account])[account] * percent // 100)
        proof = {"amount_fen": fen, "at": clock.now(), "verified_by": "password"}
        if is_shop:
            self.attempt("withdraw", transfers.withdraw, self.shop, by=self.house.merchant, **proof)
        else:
            self.attempt("cash out", transfers.cash_out, self.house.buyer, **proof)
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
            "mark_failed": {"by": self.house.cashier, "reason": "账号不符"},
        }[what]
        self.attempt(f"transfer {what}", getattr(transfers, what), row, at=clock.now(), **words)

    @rule(
        what=st.sampled_from(["deposit", "amends", "amends", "off", "on", "on", "on", "fold"]),
        fen=st.integers(1, 20_000),
    )
    def the_books_are_kept(self, what: str, fen: int) -> None:
        """保证金、平台赔付、出款开关、快照."""
        at, finance = clock.now(), self.house.finance
        if what == "deposit":
            words = {"amount_fen": fen, "voucher": uuid.uuid4().hex[:12], "note": "", "by": finance, "at": at}
            self.attempt(what, deposits.record, self.shop, **words)
        elif what == "amends":
            words = {"amount_fen": fen // 10 + 1, "reason": "补偿", "refund_no": "", "by": self.house.senior, "at": at}
            self.attempt(what, compensating.make, self.an_order(fen), **words)
        elif what == "off":
            self.attempt(what, outgoing.stop, by=finance, reason="试", at=at)
        elif what == "on":
            self.attempt(what, outgoing.resume, by=self.house.operator, reason="试", at=at)
        else:
            balances.fold(at=at, after=1)
            with connection.cursor() as cursor:  # its own time limits would end with it, were it a transaction
                cursor.execute("; ".join(f"SET LOCAL {name} TO DEFAULT" for name in LIMITS_OF_THE_FOLD))

    # --- what must be true

    @invariant()
    def each_fen_is_where_the_books_say(self) -> None:
        """As if the step were committed: what the database checks then, and the invariants."""
        Money.steps += 1
        self.all_holds()

    def all_holds(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; EXECUTE money_checks")
            found = [EACH_STEP[number] for (number,) in cursor.fetchall()]
        assert [line for check in found for line in check()] == []
        assert found == []

    def the_channels_say_the_same(self) -> None:
        """I2, I3: once each refund was asked about, the channels' books and ours agree."""
        for attempt in RefundAttempt.objects.exclude(first_sent_at=None).select_related("payment__account"):
            hint(attempt)
        while refunding.sweep(at=clock.now()):
            pass
        disbursement.hear(at=clock.now())
        self.all_holds()
        assert check_against_books(self.house.simulator.ledger()) == []


@pytest.fixture
def stage(house, shop, pay, make_product):
    """What all stories begin with: who may what, whose accounts are known, and what there is to buy."""
    ShopMember.objects.filter(shop=shop, user=house.merchant).update(role=ShopRole.OWNER)
    at = clock.now() - timedelta(days=2)
    payees.lay_down(BANK, by=house.merchant, at=at, shop=shop)
    payees.lay_down(BANK, by=house.buyer, at=at, user=house.buyer)
    Money.house, Money.shop, Money.pay, Money.payer = house, shop, staticmethod(pay), person("payer", "finance")
    Money.card = own_card(house.buyer)
    Money.goods = [make_product(stock=3 * MOST_ORDERS, **words) for words in GOODS]
    Money.taken, Money.steps = Counter(), 0
    asked = at_once(EACH_STEP)
    gc.freeze()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")
        cursor.execute(f"PREPARE money_checks AS {asked.text}", asked.words)
        yield
        cursor.execute("DEALLOCATE money_checks")
    gc.unfreeze()


def test_money_is_where_the_books_say_after_every_step(stage):
    """6,000 steps, the same in every run."""
    tell(STEPS_IN_CI, first_seed=1)
    assert [what for what in WORTH_DOING if not Money.taken[what]] == []


@pytest.mark.nightly
def test_money_is_where_the_books_say_whatever_happens(stage):
    """24,000 steps, others every night."""
    tell(STEPS_NIGHTLY, first_seed=random.getrandbits(32))


def tell(steps: int, *, first_seed: int) -> None:
    """Stories, so many that they have so many steps; Hypothesis ends some before their time."""
    for number in itertools.count(first_seed):
        stories = math.ceil((steps - Money.steps) / STEPS_OF_A_STORY)
        if stories <= 0:
            break
        run_state_machine_as_test(
            seed(number)(Money),
            settings=settings(
                max_examples=stories, stateful_step_count=STEPS_OF_A_STORY, deadline=None, database=None,
                phases=[Phase.generate], suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
        assert RefundAttempt.objects.count() == 0  # each story was undone
    print(Money.steps, dict(Money.taken.most_common()))


# What each question of each check is there for, planted: {check: an update for each question}.
PLANTED: dict[str, list[str]] = {
    "refunds_fit_payments": ["payments_payment SET reserved_fen = reserved_fen + 1"],
    "credits_fit_payments": ["payments_payment SET balance_fen = balance_fen + 1"],
    "ledger_says_the_same": [
        "ledger_posting SET ref = 'x' || ref WHERE ref LIKE 'payment:%'",
        "payments_refundattempt SET money_moves = money_moves + 1",
        "payments_payment SET refunded_fen = refunded_fen + 1",
    ],
    "numbers_are_used_once": [
        "payments_payment SET last_attempt_index = last_attempt_index + 1",
        "payments_refundattempt SET request_no = request_no || '1'",
    ],
    "postings_balance": ["ledger_entry SET amount_fen = amount_fen + 1 WHERE side = 'debit'"],
    "credits_are_posted": [
        "ledger_posting SET ref = 'x' || ref WHERE ref LIKE 'credit:%'",
        "refunds_balancecredit SET amount_fen = amount_fen + 1",
    ],
    "checkpoints_are_what_was_posted": [
        "ledger_checkpoint SET debit_fen = debit_fen + 1",
        "ledger_entry SET amount_fen = amount_fen + 1 WHERE side = 'debit'",
    ],
    "nobody_is_below_nothing": [
        "ledger_checkpoint SET debit_fen = debit_fen + 10000000",
        "ledger_account SET kind = 'advance' WHERE kind = 'shop'",
    ],
    "transfers_agree_with_the_ledger": [
        "payments_transfer SET status = 'refused' WHERE status = 'paid'",
        "payments_transfer SET amount_fen = amount_fen + 1 WHERE status = 'approved'",
        "payments_transfer SET amount_fen = amount_fen + 1 WHERE status = 'paid'",
    ],
    "balances_are_what_moved_them": ["payments_payment SET amount_fen = amount_fen + 1"],
    "each_case_is_paid_once": [
        "payments_refundattempt SET amount_fen = amount_fen + 1",
        "payments_refundattempt SET status = 'unknown' WHERE status = 'closed'",
        "refunds_disbursement SET refund_id = -refund_id",
        "refunds_disbursement SET attempt_id = -attempt_id",
    ],
    "payouts_pay_each_line_once": [
        "refunds_payoutbatch SET total_fen = total_fen + 1",
        "refunds_payoutline SET status = 'waiting'",
        "refunds_payoutline SET amount_fen = amount_fen + 1",
        "refunds_payoutbatch SET checked_by_id = made_by_id",
    ],
    "held_money_belongs_to_cases": ["refunds_refund SET held_fen = held_fen + 1"],
    "unsettled_money_is_that_of_orders": ["payments_payment SET amount_fen = amount_fen + 1"],
    "settled_money_is_that_of_orders": ["payments_payment SET amount_fen = amount_fen + 1"],
    "parts_sum_up": [
        "refunds_refundline SET amount_fen = amount_fen + 1",
        "orders_orderline SET price_fen = 0",
    ],
    "fees_were_earned": ["refunds_refund SET fee_fen = fee_fen + 1 WHERE status IN ('paid_out', 'arrived')"],
    "settled_orders_are_posted_once": ["orders_order SET settled_fen = settled_fen + 1"],
    "penalties_are_posted_once": ["orders_cancellation SET penalty_fen = penalty_fen + 1"],
    "compensation_is_posted_once": [
        "ledger_account SET kind = 'bank' WHERE kind = 'balance'",
        "ledger_account SET kind = 'bank' WHERE kind = 'compensation'",
    ],
    "only_the_buyers_choice_leads_to_the_balance": [
        "refunds_balancecredit SET amount_fen = amount_fen + 1",
        "refunds_refund SET destination = 'balance' WHERE destination = 'original'",
        "refunds_balancecredit SET refund_id = -refund_id",
    ],
    "only_a_signature_leads_to_another_account": [
        "refunds_redirectagreement SET verified_by = ''",
        "refunds_redirecttransfer SET released_by_id = (SELECT min(confirmed_by_id) FROM refunds_redirectagreement)",
        "payments_refundattempt SET status = 'unknown' WHERE status = 'closed'",
    ],
}  # fmt: skip


def test_each_question_finds_what_it_is_there_for(stage):
    """Planted where the database's own rules are switched off: every question answers, and so does the statement."""
    story = Money()
    try:
        live_through_all(story)
        story.all_holds()
        assert list(unanswered()) == []
    finally:
        story.teardown()


def unanswered() -> Iterator[tuple[str, str]]:
    """(check, what was planted) of each question that found nothing."""
    with connection.cursor() as cursor:
        cursor.execute(RULES_OFF)
        for number, check in enumerate(EACH_STEP):
            plants = PLANTED[check.__name__]
            assert len(plants) == len(check.questions), check.__name__
            for question, plant in zip(check.questions, plants, strict=True):
                with transaction.atomic():
                    cursor.execute(f"UPDATE {plant}")  # noqa: S608
                    planted = cursor.rowcount
                    cursor.execute("EXECUTE money_checks")
                    if not (planted and (number,) in cursor.fetchall() and question.answers()):
                        yield check.__name__, plant
                    transaction.set_rollback(True)


# Triggers, and with them foreign keys, as in the suite's own flush; and what tables check.
RULES_OFF = """
SET CONSTRAINTS ALL IMMEDIATE;
SET LOCAL session_replication_role = replica;
DO $$ DECLARE rule record; BEGIN
  FOR rule IN SELECT conrelid::regclass AS tbl, conname FROM pg_constraint
               WHERE contype = 'c' AND conrelid::regclass::text ~ '^(payments|refunds|ledger|orders)_' LOOP
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', rule.tbl, rule.conname);
  END LOOP;
END $$
"""


def live_through_all(story: Money) -> None:
    """Something of everything that the checks look at."""
    story.it_begins(4)  # with a fee; and work at the other channel
    story.the_books_are_kept("deposit", 20_000)
    story.the_books_are_kept("amends", 20_000)
    story.the_shop_cancels(1)
    for _ in range(2):
        story.the_machine_works()
    story.buy(0, 1, "wechat")
    story.look_at_the_codes(2)
    story.ask(2, part=False, destination="original")
    redirected = Refund.objects.latest("pk")
    story.lead(redirected, "CLOSED")
    redirected.refresh_from_db()
    story.take(redirected, "buyer sign_redirect", holder_proof=own_account.proof_of(story.card))
    story.take(redirected, "cashier confirm_redirect")
    story.release_case(redirected)
    story.finance_deals_with_a_transfer("approve")
    story.finance_deals_with_a_transfer("mark_paid")
    story.buy(1, 1, "alipay")
    story.look_at_the_codes(3)
    story.ask(3, part=False, destination="balance")
    story.take(Refund.objects.latest("pk"), "reviewer approve")
    story.lead(Refund.objects.earliest("pk"), "SUCCESS")
    story.pay_a_batch()
    story.buy_from_the_balance(2)
    story.money_leaves_by_hand(10, False, ["approve"])
    story.time_goes_by(16)
    story.buy(1, 1, "wechat")
    story.the_books_are_kept("fold", 1)
