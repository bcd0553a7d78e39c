"""Two at once, on real connections: one wins, the other is told; money and codes never follow both (P1–P9, P12, P16).

Threads start together at a barrier. Where the order matters, one transaction is held open until the database itself
says that the other one waits for it.
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, connections, transaction

import clock
from cardshop import invariants
from ledger import balances
from orders import delivery
from orders.models import Delivery, Order, OrderStatus
from orders.placing import CannotPlace, Wish
from payments import adopting, charging, refunding
from payments.adopting import Found
from payments.models import Payment, PaymentStatus, RefundAttempt
from payments.refunding import Instruction
from refunds import applying, clocking, disbursement, lifecycle, precheck, sweeping
from refunds.applying import AlreadyActive, Application
from refunds.lifecycle import StepRefused
from refunds.models import BalanceCredit, Lane, Refund, RefundEvent, Status
from shops.models import CodeState
from shops.stock import CodeIsFrozen, Viewer
from tests.cases import attempt_of

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 3


def at_once(*works):
    """Run all of them together, each on its own connection; what each returned or raised."""
    barrier = threading.Barrier(len(works))

    def run(work):
        connection.ensure_connection()
        barrier.wait(timeout=60)
        try:
            return work()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def while_open(first, second, then=lambda: None):
    """``second`` starts while ``first`` is done, not committed, and is seen to wait for it; ``then`` comes before the
    commit. What became of second."""
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first()
            waiting = pool.submit(lambda: at_once(second)[0])
            wait_until_somebody_waits(waiting)
            then()
        return waiting.result(timeout=60)


def wait_until_somebody_waits(waiting):
    me = connection.connection.info.backend_pid
    with connection.cursor() as cursor:
        while not waiting.done():
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND %s = ANY (pg_blocking_pids(pid))", [me])
            if cursor.fetchone() != (0,):
                return
    raise AssertionError(f"it did not wait: {waiting.result()}")


def one_won(results):
    """Exactly one was done; all others were refused in words."""
    refused = [result for result in results if isinstance(result, StepRefused)]
    assert len(refused) == len(results) - 1, results
    assert not [result for result in results if isinstance(result, Exception) and result not in refused], results
    return refused


def submit(order, **words):
    return applying.submit(order, Application("invalid_code", **words), by=order.buyer, at=clock.now())


def reveal(order):
    viewer = Viewer(order.buyer, "203.0.113.7", "phone")
    return [delivery.reveal(line, viewer=viewer, at=clock.now()) for line in order.lines.all()]


# --- applying ---------------------------------------------------------------------------------------------------------


def test_fifty_applications_make_one_case_and_tell_the_others_its_number(buy):
    """P1, S0-27."""
    order = buy()
    results = at_once(*[lambda: submit(order)] * 50)
    refund = Refund.objects.get()
    others = [result for result in results if isinstance(result, AlreadyActive)]
    assert {other.refund_no for other in others} == {refund.refund_no}
    assert len(others) == 49
    assert [result for result in results if not isinstance(result, AlreadyActive)] == [refund]
    assert refund.events.count() == 1
    assert invariants.broken() == []


def test_many_orders_asked_for_at_once_and_one_by_one_make_one_case_each(buy, house):
    """P1 of a batch: whichever way each order is asked for, and in whatever order, nobody waits for ever."""
    orders = [buy() for _ in range(6)]
    wish = Application("changed_mind")

    def many(chosen):
        return lambda: applying.submit_many(chosen, wish, by=house.buyer, at=clock.now())

    ones = [lambda order=order: applying.submit(order, wish, by=house.buyer, at=clock.now()) for order in orders]
    answers = at_once(many(orders), many(orders[::-1]), many(orders[2:]), *ones)
    numbers = {refund.order_id: refund.refund_no for refund in Refund.objects.all()}
    assert numbers.keys() == {order.pk for order in orders}
    told = [made for answer in answers[:3] for made in answer.items()]
    told += [(order.pk, answer) for order, answer in zip(orders, answers[3:], strict=True)]
    assert all(isinstance(answer, Refund | AlreadyActive) for _, answer in told), told
    assert {(key, answer.refund_no) for key, answer in told} == set(numbers.items())
    assert sum(isinstance(answer, Refund) for _, answer in told) == len(orders)
    assert invariants.broken() == []


def test_looked_at_first_it_is_not_refunded_as_unseen(buy, drain):
    """P3, the one way: the reveal commits first, so the case sees it."""
    order = buy(price_fen=3000)
    refund = while_open(lambda: reveal(order), lambda: submit(order))
    drain()
    refund.refresh_from_db()
    assert (refund.status, refund.lane) == (Status.FIRST_REVIEW, Lane.STANDARD)


def test_asked_for_first_it_is_not_shown(buy, drain, simulator):
    """P3, the other way: the freeze commits first, so the reveal sees it."""
    order = buy(price_fen=3000)
    refused = while_open(lambda: submit(order), lambda: reveal(order))
    assert isinstance(refused, CodeIsFrozen)
    drain()
    assert Refund.objects.get().status == Status.ARRIVED
    assert order.lines.get().delivery.code.revealed_at is None
    assert invariants.broken(simulator.ledger()) == []


def test_reveal_and_apply_at_once(buy, drain, simulator):
    """P3: whoever is first, no code was both looked at and refunded as unused (I9)."""
    for _ in range(ROUNDS * 2):
        order = buy(price_fen=3000)
        shown, refund = at_once(lambda order=order: reveal(order), lambda order=order: submit(order))
        sweeping.sweep(at=clock.now())
        refund.refresh_from_db()
        assert isinstance(shown, CodeIsFrozen) == (refund.lane == Lane.ONE_CLICK), (shown, refund.lane)
    drain()
    assert invariants.broken(simulator.ledger()) == []


def test_the_caps_hold_against_two_sweepers(buy):
    """P12: eight cases of one buyer, each judged on its own connection: 4 × 49 yuan fit below 200, not five."""
    refunds = [submit(buy(price_fen=4900)) for _ in range(8)]

    def judge(refund):
        with transaction.atomic():
            row = Refund.objects.select_for_update(of=("self",)).select_related("order__policy", "payment")
            precheck.run([row.get(pk=refund.pk)], at=clock.now())

    results = at_once(*[lambda refund=refund: judge(refund) for refund in refunds])
    assert results == [None] * 8
    assert Refund.objects.filter(lane=Lane.ONE_CLICK).count() == 4


# --- deciding ---------------------------------------------------------------------------------------------------------


def test_two_approvals_make_one_event(reviewed, reviewer, senior):
    """P2, PM9."""
    for _ in range(ROUNDS):
        refund = reviewed()
        (loser,) = one_won(at_once(
            lambda refund=refund: lifecycle.approve([refund], by=reviewer, at=clock.now()),
            lambda refund=refund: lifecycle.approve([refund], by=senior, at=clock.now()),
        ))  # fmt: skip
        assert loser.code == "wrong_status"
        assert refund.refund_no in str(loser)
        assert refund.events.filter(step="approve").count() == 1


def test_approve_and_reject(reviewed, reviewer, senior):
    for _ in range(ROUNDS):
        refund = reviewed()
        one_won(at_once(
            lambda refund=refund: lifecycle.approve([refund], by=reviewer, at=clock.now()),
            lambda refund=refund: lifecycle.reject([refund], by=senior, at=clock.now(), note="凭证不足"),
        ))  # fmt: skip
        assert refund.events.count() == 3
    assert invariants.broken() == []


def test_batches_in_opposite_order_do_not_block_each_other(reviewed, reviewer, senior):
    """F4: everybody locks by key, whatever order the rows were picked in."""
    for _ in range(ROUNDS):
        first, second = reviewed(), reviewed()
        one_won(at_once(
            lambda: lifecycle.approve([first, second], by=reviewer, at=clock.now()),  # noqa: B023  run at once
            lambda: lifecycle.reject([second, first], by=senior, at=clock.now(), note="凭证不足"),  # noqa: B023
        ))  # fmt: skip
        assert len({Refund.objects.get(pk=refund.pk).status for refund in (first, second)}) == 1


def test_rights_taken_away_a_moment_ago_are_gone(reviewed, reviewer):
    """P7: the step waits for the transaction that takes them away, and reads them afterwards."""
    refund = reviewed()

    def dismissed():
        Refund.objects.select_for_update().get(pk=refund.pk)
        type(reviewer).objects.filter(pk=reviewer.pk).update(is_active=False)

    result = while_open(dismissed, lambda: lifecycle.approve([refund], by=reviewer, at=clock.now()))
    assert isinstance(result, StepRefused)
    assert result.code == "no_such_user"


# --- the case: reviewers, shop, buyer, machine ------------------------------------------------------------------------

MANY = [pytest.param(15, id="some"), pytest.param(200, id="many", marks=pytest.mark.nightly)]
EASY = {"price_fen": 8800, "working_time": [], "max_rejections": 10_000, "silent_shop_after": 10_000}


@pytest.fixture
def again(house):
    """One case after the other of the same order, each led on by the same steps: ``again("reviewer reject")``."""
    orders: dict[str, Order] = {}

    def build(*steps, **terms):
        if "order" not in orders:
            orders["order"] = house.buy(**EASY | terms)
            house.reveal(orders["order"])
        order = orders["order"] = Order.objects.get(pk=orders["order"].pk)
        for refund in order.refunds.filter(status__in=Status.active()):
            lifecycle.withdraw(refund, by=house.buyer, at=clock.now())
        return house.on(house.ask(order), *steps)

    return build


def told(result, refund):
    """Who comes second reads which case it is, what it is by now, and since when."""
    refund.refresh_from_db()
    last = refund.events.latest("sequence")
    assert result.code == "wrong_status"
    for words in (refund.refund_no, Status(last.to_status).label, f"{clocking.local(last.at):%m-%d %H:%M}"):
        assert str(words) in str(result)


@pytest.mark.parametrize("rounds", MANY)
def test_two_reviewers_and_one_verdict(rounds, house, again):
    """PM9, P2: one approves, one rejects."""
    for number in range(rounds):
        refund = again()
        works = [
            lambda refund=refund: lifecycle.approve([refund], by=house.reviewer, at=clock.now()),
            lambda refund=refund: lifecycle.reject([refund], by=house.colleague, at=clock.now(), note="凭证不足"),
        ]
        (loser,) = one_won(at_once(*works[:: 1 - 2 * (number % 2)]))
        told(loser, refund)
        assert refund.events.filter(step__in=["approve", "reject"]).count() == 1
    assert invariants.broken() == []


@pytest.mark.parametrize("rounds", MANY)
def test_a_reviewer_and_the_buyer_who_withdraws(rounds, house, again):
    """Either the buyer took it back, or a verdict stands; a yes may still be withdrawn, a no is answered."""
    for _ in range(rounds):
        refund = again()
        verdict, _withdrawn = at_once(
            lambda refund=refund: lifecycle.reject([refund], by=house.reviewer, at=clock.now(), note="凭证不足"),
            lambda refund=refund: lifecycle.withdraw(refund, by=house.buyer, at=clock.now()),
        )
        (loser,) = one_won([verdict, _withdrawn])
        told(loser, refund)
        assert refund.status == (Status.WITHDRAWN if loser is verdict else Status.REJECTED)
    assert invariants.broken() == []


@pytest.mark.parametrize("step", ["agree", "contest"])
@pytest.mark.parametrize("rounds", MANY)
def test_the_shops_answer_and_its_deadline(rounds, step, house, again):
    """P4: the answer at the last moment and the machine at the deadline: one result, never both."""
    for _ in range(rounds):
        refund = again(merchant_hours=24)
        end = refund.promised_by
        words = {"by": house.merchant, "at": end - timedelta(milliseconds=1), "note": "记录显示正常"}
        answer, swept = at_once(
            lambda refund=refund, words=words: getattr(lifecycle, step)([refund], **words),
            lambda end=end: sweeping.sweep(at=end),
        )
        assert isinstance(swept, int), swept
        (event,) = refund.events.filter(from_status=Status.MERCHANT_REVIEW)
        refund.refresh_from_db()
        if answer is None:
            assert (event.step, event.actor) == (step, house.merchant)
        else:
            told(answer, refund)
            assert (event.step, event.role, refund.status) == ("agree", "system", Status.APPROVED)
    assert invariants.broken() == []


@pytest.mark.parametrize("rounds", MANY)
def test_two_of_a_shop_answer_differently(rounds, house, again):
    other = type(house.stranger).objects.get(pk=house.stranger.pk)
    for _ in range(rounds):
        refund = again(merchant_hours=24)
        refund.order.shop.members.add(other)
        (loser,) = one_won(at_once(
            lambda refund=refund: lifecycle.agree([refund], by=house.merchant, at=clock.now()),
            lambda refund=refund: lifecycle.contest([refund], by=other, at=clock.now(), note="记录显示正常"),
        ))  # fmt: skip
        told(loser, refund)
        assert refund.events.filter(from_status=Status.MERCHANT_REVIEW).count() == 1
    assert invariants.broken() == []


@pytest.mark.parametrize("rounds", MANY)
def test_a_yes_to_an_offer_and_its_deadline(rounds, house, again):
    """Either it is accepted and the case is about that much, or it lapsed and nothing has shrunk."""
    for _ in range(rounds):
        refund = again("merchant offer", merchant_hours=24)
        end, amount_fen = refund.promised_by, refund.amount_fen
        accepted, swept = at_once(
            lambda refund=refund, end=end: lifecycle.accept_offer(
                refund, by=house.buyer, at=end - timedelta(milliseconds=1)
            ),
            lambda end=end: sweeping.sweep(at=end),
        )
        assert isinstance(swept, int), swept
        refund.refresh_from_db()
        offer = refund.offers.get()
        if accepted is None:
            assert (refund.status, refund.amount_fen, offer.answer) == (Status.APPROVED, amount_fen // 2, "accepted")
        else:
            told(accepted, refund)
            assert (refund.status, refund.amount_fen, offer.answer) == (Status.FIRST_REVIEW, amount_fen, "lapsed")
    assert invariants.broken() == []


@pytest.mark.parametrize("rounds", MANY)
def test_an_appeal_and_applying_again(rounds, house, again):
    """One of them is the case now: applying again waives the appeal, and an appeal is a case under way."""
    for _ in range(rounds):
        refund = again("reviewer reject")
        appealed, applied = at_once(
            lambda refund=refund: lifecycle.appeal(refund, by=house.buyer, at=clock.now(), note="请看附件"),
            lambda refund=refund: submit(refund.order, description="11月20日兑换，提示卡密已使用"),
        )
        refund.refresh_from_db()
        if appealed is None:
            assert isinstance(applied, AlreadyActive), applied
            assert (applied.refund_no, refund.status) == (refund.refund_no, Status.APPEAL_REVIEW)
        else:
            assert isinstance(applied, Refund), applied
            assert appealed.code in {"already_active", "asked_again"}
            assert (refund.status, applied.status) == (Status.REJECTED, Status.SUBMITTED)
        assert refund.order.refunds.filter(status__in=Status.active()).count() == 1
    assert invariants.broken() == []


@pytest.mark.parametrize("rounds", MANY)
def test_two_claim_one_case(rounds, house, again):
    for _ in range(rounds):
        refund = again()
        (loser,) = one_won(at_once(
            lambda refund=refund: lifecycle.claim([refund], by=house.reviewer, at=clock.now()),
            lambda refund=refund: lifecycle.claim([refund], by=house.colleague, at=clock.now()),
        ))  # fmt: skip
        refund.refresh_from_db()
        assert (loser.code, refund.refund_no in str(loser)) == ("claimed", True)
        (claim,) = refund.events.filter(step="claim")
        assert refund.claimed_by == claim.actor


# --- releasing --------------------------------------------------------------------------------------------------------


def test_released_twice_at_once_is_one_attempt(approved, finance):
    """P6, PM8."""
    for _ in range(ROUNDS):
        refund = approved()
        one_won(at_once(*[lambda refund=refund: disbursement.release([refund], by=finance, at=clock.now())] * 2))
        assert refund.disbursements.count() == 1
    assert invariants.broken() == []


def test_thirty_two_release_to_the_balance_and_it_is_credited_once(approved, finance, buyer):
    """P6, I13."""
    refund = approved(destination="balance")
    one_won(at_once(*[lambda: disbursement.release([refund], by=finance, at=clock.now())] * 32))
    refund.refresh_from_db()
    assert (refund.status, BalanceCredit.objects.count()) == (Status.ARRIVED, 1)
    assert balances.of_buyer(buyer.pk) == refund.amount_fen
    assert invariants.broken() == []


def test_withdraw_and_release(approved, finance, buyer):
    """P9: either the buyer was first and nothing leaves, or the money was, and it is too late."""
    for _ in range(ROUNDS):
        refund = approved()
        one_won(at_once(
            lambda refund=refund: lifecycle.withdraw(refund, by=buyer, at=clock.now()),
            lambda refund=refund: disbursement.release([refund], by=finance, at=clock.now()),
        ))  # fmt: skip
        refund.refresh_from_db()
        assert (refund.status == Status.WITHDRAWN) == (not refund.disbursements.exists())
        state = refund.order.lines.get().delivery.code.state
        assert state == (CodeState.REVEALED if refund.status == Status.WITHDRAWN else CodeState.VOID)
    assert invariants.broken() == []


@pytest.mark.parametrize("first", ["withdraw", "release"])
def test_withdraw_and_release_one_after_the_other(first, approved, finance, buyer):
    refund = approved()
    works = {
        "withdraw": lambda: lifecycle.withdraw(refund, by=buyer, at=clock.now()),
        "release": lambda: disbursement.release([refund], by=finance, at=clock.now()),
    }
    result = while_open(works.pop(first), *works.values())
    assert isinstance(result, StepRefused)
    assert refund.disbursements.count() == (first == "release")


@pytest.mark.parametrize("by", ["rules", "a person"])
def test_what_was_refunded_outside_us_meanwhile_is_not_promised_again(by, buy, approved, finance, simulator):
    """G21: the channel's bill shows it while the case is about to be released; what is left is looked at then."""
    refund = submit(buy(price_fen=300)) if by == "rules" else approved(price_fen=300)
    if by == "rules":
        sweeping.sweep(at=clock.now())
    at, payment = clock.now(), refund.payment
    shown = Found(payment.payment_no, "50300000001", "console", 200, at)
    while_open(
        lambda: adopting.adopt(payment.account, [shown], at=at),
        lambda: sweeping.sweep(at=at) if by == "rules" else disbursement.release([refund], by=finance, at=at),
    )
    refund.refresh_from_db()
    payment.refresh_from_db()
    assert (refund.status, payment.reserved_fen, payment.external_fen) == (Status.RETURNED, 0, 200)
    assert "剩余可退" in refund.events.last().note


def test_four_sweepers_at_once(buy, simulator):
    """Everything arrives, once, whoever picks it up."""
    refunds = [submit(buy(price_fen=300)) for _ in range(20)]
    for refund in refunds:
        simulator.post("settle", request_no=f"{refund.payment.payment_no}R01", status="PROCESSING", in_advance=True)

    def work():
        done = 0
        for _ in range(12):
            at = clock.now()
            done += sweeping.sweep(at=at) + refunding.sweep(at=at) + disbursement.hear(at=at)
        return done

    assert all(isinstance(done, int) for done in at_once(work, work, work, work))
    for refund in refunds:
        simulator.settle(attempt_of(refund).request_no, "SUCCESS")
    RefundAttempt.objects.update(next_due_at=clock.now())
    assert all(isinstance(done, int) for done in at_once(work, work, work, work))
    assert Refund.objects.filter(status=Status.ARRIVED).count() == 20
    assert RefundEvent.objects.count() == 20 * 5
    assert invariants.broken(simulator.ledger()) == []


def test_parts_in_parallel_never_exceed_what_was_paid(buy):
    """P5, I1: twenty times a tenth of one payment."""
    payment = buy(price_fen=1000).payments.get()

    def take():
        with transaction.atomic():
            refunding.open_attempts([Instruction(payment, 100, "部分退款")], at=clock.now())

    results = at_once(*[take] * 20)
    refused = [result for result in results if isinstance(result, IntegrityError)]
    assert (len(refused), results.count(None)) == (10, 10)
    assert all("refunds_never_exceed_payment" in str(error) for error in refused)
    payment.refresh_from_db()
    assert (payment.reserved_fen, payment.last_attempt_index) == (1000, 10)
    assert payment.attempts.count() == 10


# --- buying -----------------------------------------------------------------------------------------------------------


def test_the_same_checkout_ten_times_is_one_order(make_product, buyer):
    product, key = make_product(stock=20), uuid.uuid4()
    works = [
        lambda: charging.checkout(product, Wish(again=True), buyer=buyer, checkout_key=key, at=clock.now())
    ] * 10  # fmt: skip
    assert {payment.pk for payment in at_once(*works)} == {Payment.objects.get().pk}
    assert Order.objects.count() == 1


def test_the_last_codes_go_to_one_buyer_each(make_product, buyer, simulator):
    """P16: eight want five codes; three are told before they can pay, and nobody gets another's."""
    product = make_product(stock=5)

    def check_out():
        return charging.checkout(product, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())

    placed = at_once(*[check_out] * 8)
    payments = [payment for payment in placed if isinstance(payment, Payment)]
    assert [refusal.code for refusal in placed if isinstance(refusal, CannotPlace)] == ["sold_out"] * 3
    assert len(payments) == Order.objects.count() == 5
    for payment in payments:
        charging.present(payment, at=clock.now())
        simulator.pay(payment.payment_no)
    results = at_once(*[lambda payment=payment: charging.look([payment], at=clock.now()) for payment in payments])
    assert results == [None] * 5
    assert Payment.objects.filter(status=PaymentStatus.PAID).count() == 5
    assert set(Order.objects.values_list("status", flat=True)) == {OrderStatus.DELIVERED}
    assert Delivery.objects.values("code").distinct().count() == Delivery.objects.count() == 5
    assert invariants.broken(simulator.ledger()) == []


def test_looked_at_twice_at_once_it_is_paid_once(make_product, buyer, simulator):
    payment = charging.checkout(
        make_product(), Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()
    )
    payment = charging.present(payment, at=clock.now())
    simulator.pay(payment.payment_no)
    assert at_once(*[lambda: charging.look([payment], at=clock.now())] * 6) == [None] * 6
    assert Delivery.objects.count() == 1
    assert invariants.broken(simulator.ledger()) == []
