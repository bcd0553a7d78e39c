"""恢复核对: what the channels did and the database has forgotten is found, written down once, and paid to nobody twice
(F6, F7)."""

from __future__ import annotations

import io
import json
import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection

import clock
from cardshop import invariants, recovery, watching
from cardshop.models import DatabaseMark, RecoveryFinding, RecoveryRun
from ledger import balances, posting
from orders.placing import Wish
from payments import adopting, charging, crediting, outgoing, payees, refunding, sent, transfers
from payments.adopting import Found
from payments.crediting import Credit
from payments.models import AttemptStatus as A
from payments.models import OutgoingSwitch, Payment, PaymentStatus, RefundAttempt
from payments.refunding import Instruction
from payments.transfer_models import PayeeKind
from refunds import disbursement
from shops import deposits, money
from shops.models import DepositReturn, ShopMember, ShopRole
from shops.money import Move
from tests.attacks import refusal
from tests.cases import attempt_of, hint, own_card
from workqueue import LEASE

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(simulator):
    """Parts of a payment go back; each answer is heard."""

    def run(payment, *amounts_fen):
        for fen in amounts_fen:
            (attempt,) = refunding.open_attempts([Instruction(payment, fen, "试")], at=clock.now())
            refunding.sweep(at=attempt.next_due_at)
            simulator.clock(3)  # its minute between two refunds of a payment

    return run


def forget(*payments, paid=False):
    """The database is as it was before: as its owner, who restored it, and nobody else could."""
    keys = [payment.pk for payment in payments]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        attempts = "SELECT id FROM payments_refundattempt WHERE payment_id = ANY(%s)"
        refs = "SELECT 'refund:' || request_no || ':1' FROM payments_refundattempt WHERE payment_id = ANY(%s)"
        postings = f"SELECT id FROM ledger_posting WHERE ref IN ({refs})"
        cursor.execute(f"DELETE FROM ledger_entry WHERE posting_id IN ({postings})", [keys])
        cursor.execute(f"DELETE FROM ledger_posting WHERE ref IN ({refs})", [keys])
        cursor.execute(f"DELETE FROM payments_attemptevent WHERE attempt_id IN ({attempts})", [keys])
        cursor.execute("DELETE FROM payments_refundattempt WHERE payment_id = ANY(%s)", [keys])
        cursor.execute(
            "UPDATE payments_payment SET reserved_fen = 0, refunded_fen = 0, last_attempt_index = 0,"
            " next_refund_from = NULL WHERE id = ANY(%s)",
            [keys],
        )
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def recover(**words):
    words = {"since": clock.now() - timedelta(hours=1), "until": None, "say": lambda line: None} | words
    return recovery.run(**words)


def everything():
    return [sorted(model.objects.values_list(), key=repr) for model in (Payment, RefundAttempt)]


def out(simulator, payment):
    """What the channel says has gone back of a payment."""
    rows = simulator.ledger()["refunds"]
    return sum(row["amount_fen"] * row["effects"] for row in rows if row["out_trade_no"] == payment.payment_no)


@pytest.mark.parametrize("channel", ["wechat", "alipay"])
def test_forgotten_numbers_are_counted_up_and_written_down_once(channel, buy, simulator, send, watched):
    payment = buy(price_fen=3000, channel=channel).payments.get()
    send(payment, 100, 200)
    forget(payment)
    row = recover()
    assert [str(each.note) for each in row.findings.filter(is_open=True)] == []
    assert row.closed_at is not None
    numbers = dict(payment.attempts.values_list("request_no", "status"))
    assert numbers == {f"{payment.payment_no}R01": A.EXTERNAL, f"{payment.payment_no}R02": A.EXTERNAL}
    payment.refresh_from_db()
    assert (payment.external_fen, payment.last_attempt_index, payment.refundable_fen) == (300, 2, 2700)
    assert invariants.broken(simulator.ledger()) == []
    before = everything()
    assert recover().closed_at is not None
    assert everything() == before


def test_the_case_takes_over_what_the_channel_has_paid_and_nobody_is_paid_twice(
    approved, finance, operator, simulator, watched, drain
):
    """Its release was lost with all that came of it; finance releases it again."""
    refund = approved()
    payment = refund.payment
    with_hold = Instruction(payment, refund.amount_fen, "丢失的放款")
    refunding.open_attempts([with_hold], at=clock.now())
    refunding.sweep(at=clock.now())
    simulator.settle(f"{payment.payment_no}R01", "SUCCESS")
    forget(payment)
    row = recover()
    assert [(each.number, each.what) for each in row.findings.all()] == [(f"{payment.payment_no}R01", "found external")]
    outgoing.resume(by=operator, reason="核对完成", at=clock.now())
    refund.refresh_from_db()
    disbursement.release([refund], by=finance, at=clock.now())
    assert attempt_of(refund).request_no == f"{payment.payment_no}R01"
    drain()
    refund.refresh_from_db()
    payment.refresh_from_db()
    assert refund.status == "arrived"
    assert (payment.refunded_fen, payment.external_fen, payment.reserved_fen) == (refund.amount_fen, 0, 0)
    assert out(simulator, payment) == refund.amount_fen
    assert invariants.broken(simulator.ledger()) == []


def test_outcomes_that_were_lost_are_heard_again(released, simulator, watched):
    """The attempt is here, as if it had never left."""
    refund = released()
    attempt = attempt_of(refund)
    refunding.sweep(at=clock.now())
    simulator.settle(attempt.request_no, "SUCCESS")
    RefundAttempt.objects.filter(pk=attempt.pk).update(
        status=A.PREPARED, first_sent_at=None, accepted_at=None, channel_refund_id="", next_due_at=clock.now()
    )
    row = recover()
    attempt.refresh_from_db()
    assert (attempt.status, row.closed_at is not None) == (A.SUCCEEDED, True)
    disbursement.hear(at=clock.now())
    assert invariants.broken(simulator.ledger()) == []


def test_a_payment_that_was_made_meanwhile_is_found(buyer, make_product, simulator, watched):
    payment = charging.checkout(make_product(), Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    payment = charging.present(payment, at=clock.now())
    simulator.pay(payment.payment_no)
    recover()
    payment.refresh_from_db()
    assert payment.status == PaymentStatus.PAID
    assert invariants.broken(simulator.ledger()) == []


def test_a_number_that_left_us_and_is_unknown_there_is_never_given_out_again(buy, simulator, watched):
    payment = buy(price_fen=3000).payments.get()
    refunding.open_attempts([Instruction(payment, 100, "试")], at=clock.now())
    simulator.faults("request_lost", request_no=f"{payment.payment_no}R01")
    refunding.sweep(at=clock.now())
    forget(payment)
    row = recover()
    assert (row.open_count, row.closed_at) == (1, None)  # it may be on its way
    clock.advance(timedelta(minutes=11))
    row = recover(since=None)
    assert (row.open_count, row.closed_at is None) == (0, False)
    (again,) = refunding.open_attempts([Instruction(payment, 100, "试")], at=clock.now())
    assert again.request_no == f"{payment.payment_no}R02"
    assert invariants.numbers_are_used_once() == []


def test_without_an_answer_money_stays_off(buy, simulator, watched, settings, operator):
    buy(price_fen=3000)
    channel = settings.WECHAT
    settings.WECHAT = channel | {"mchid": "1900000000"}  # another merchant's keys find nothing
    row = recover()
    assert (row.open_count, row.closed_at) == (1, None)
    with pytest.raises(outgoing.CannotTurn, match="recover"):
        outgoing.resume(by=operator, reason="急", at=clock.now())
    said = refusal(
        "INSERT INTO payments_outgoingswitch (is_stopped, account_id, by_id, reason, at)"
        f" VALUES (false, NULL, {operator.pk}, 'x', now())"
    )
    assert "recovery_comes_first" in said
    assert "recovery_closes_with_its_findings" in refusal(
        "UPDATE cardshop_recoveryrun SET finished_at = now(), open_count = 0, closed_at = now()"
    )
    assert "Cannot delete" in refusal("DELETE FROM cardshop_recoveryrun")
    settings.WECHAT = channel
    assert recover(since=None).closed_at is not None
    assert "closed_recovery_left_nothing_open" in refusal("UPDATE cardshop_recoveryrun SET open_count = 1")
    outgoing.resume(by=operator, reason="核对完成", at=clock.now())


def test_it_goes_on_where_it_was_stopped(buy, simulator, send, watched, monkeypatch):
    payments = [buy(price_fen=3000).payments.get() for _ in range(3)]
    for payment in payments:
        send(payment, 100)
    forget(*payments)
    monkeypatch.setattr(recovery, "BATCH", 1)
    seen = []

    def say(line):
        seen.append(line)
        if len(seen) == 3:  # two payments are done
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recover(say=say)
    assert RecoveryRun.objects.get().payments_done == 2
    assert RefundAttempt.objects.count() == 2
    seen.clear()
    row = recovery.run(since=None, until=None, say=seen.append)
    assert (row.payments_done, RefundAttempt.objects.count()) == (3, 3)
    assert len(seen) == 2  # one batch more


# --- noticing -------------------------------------------------------------------------------------------------------


def test_the_same_database_is_left_alone(buy, send, watched):
    send(buy(price_fen=3000).payments.get(), 100)
    watching.look(at=clock.now())
    assert not outgoing.stopped()
    assert not RecoveryRun.objects.exists()
    assert {each.request_no for each in sent._lines()} == set(
        RefundAttempt.objects.values_list("request_no", flat=True)
    )


def went_back():
    DatabaseMark.objects.update(serial=0)


def lost_a_number():
    forget(Payment.objects.get())


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (went_back, "回到了过去"),
        (lost_a_number, "不在数据库里"),
        ({"timeline": "00000009"}, "时间线"),
        ({"system": "7000000000000000000"}, "换过"),
        ({"database": "1"}, "换过"),
    ],
)
def test_another_database_stops_outgoing_money_before_anything_is_sent(
    what, told, buy, send, watched, simulator, operator
):

    payment = buy(price_fen=3000).payments.get()
    send(payment, 100)
    if callable(what):
        what()
    else:
        mark = json.loads((watched / "mark.json").read_text())
        (watched / "mark.json").write_text(json.dumps(mark | what))
    payment.refresh_from_db()
    refunding.open_attempts([Instruction(payment, 200, "试")], at=clock.now())
    watching._looked.clear()  # a process that has just begun
    refunding.sweep(at=clock.now() + timedelta(minutes=2))
    assert told in outgoing.stopped().reason
    assert outgoing.stopped().by.has_usable_password() is False
    assert out(simulator, payment) == 100
    with pytest.raises(outgoing.CannotTurn):
        outgoing.resume(by=operator, reason="急", at=clock.now())
    call_command("recover", stdout=io.StringIO())
    outgoing.resume(by=operator, reason="核对完成", at=clock.now())
    watching.look(at=clock.now())
    assert not outgoing.stopped()


def test_nothing_is_sent_that_cannot_be_written_down(buy, watched, simulator):
    payment = buy(price_fen=3000).payments.get()
    watching.before_sending(clock.now())
    (watched / "sent-000001.log").mkdir()
    refunding.open_attempts([Instruction(payment, 100, "试")], at=clock.now())
    refunding.sweep(at=clock.now())
    attempt = payment.attempts.get()
    assert (attempt.status, attempt.first_sent_at, out(simulator, payment)) == (A.PREPARED, None, 0)
    (watched / "sent-000001.log").rmdir()
    refunding.sweep(at=attempt.next_due_at)
    assert out(simulator, payment) == 100


def test_what_a_dead_worker_did_not_write_down_is_written_before_it_is_sent(buy, watched, simulator):
    """F6: it had claimed the refund, and died before the record of what was sent."""
    payment = buy(price_fen=3000).payments.get()
    watching.before_sending(clock.now())
    (attempt,) = refunding.open_attempts([Instruction(payment, 100, "试")], at=clock.now())
    refunding._claim(clock.now(), outgoing.now())
    refunding.sweep(at=clock.now() + 2 * LEASE)
    assert out(simulator, payment) == 100
    assert [each.request_no for each in sent._lines()] == [attempt.request_no]


def test_the_record_is_bounded(send, watched, monkeypatch, buy):
    monkeypatch.setattr(sent, "FULL_BYTES", 10)
    monkeypatch.setattr(sent, "KEPT", 2)
    payment = buy(price_fen=3000).payments.get()
    send(payment, 10, 20, 30, 40)
    assert sorted(path.name for path in watched.glob("sent-*")) == ["sent-000003.log", "sent-000004.log"]
    assert OutgoingSwitch.objects.count() == 0
    assert RecoveryFinding.objects.count() == 0


def test_nothing_goes_another_way_beside_a_forgotten_refund_of_the_same_amount(buy, send, watched, operator):
    """What the channel has paid already is taken over, or booked by two people; it is not paid the other way again."""
    payment = buy(price_fen=3000).payments.get()
    send(payment, 1000)
    forget(payment)
    recover()
    outgoing.resume(by=operator, reason="核对完成", at=clock.now())
    payment.refresh_from_db()
    assert crediting.why_not(payment, 500) == transfers.why_not_redirect(payment, 500) == ""
    again = Credit(payment, payment.order.buyer_id, 1000, "R-again")
    with pytest.raises(crediting.ExceedsPayment, match="遗忘的单号"):
        crediting.credit([again], at=clock.now())
    payee = own_card(payment.order.buyer)
    with pytest.raises(transfers.CannotTransfer, match="遗忘的单号"):
        transfers.redirect(payment, payee=payee, amount_fen=1000, instead_of=None, at=clock.now())
    payment.refresh_from_db()
    assert (payment.balance_fen, payment.transferred_fen, payment.external_fen) == (0, 0, 1000)


def test_what_was_found_is_never_sent_whoever_asks_about_it(buy, simulator):
    """A bill has shown it, somebody asks again, and the channel has not heard of the number: nobody's case wants it."""
    payment = buy(price_fen=3000).payments.get()
    shown = Found(payment.payment_no, "50300000001", f"{payment.payment_no}R01", 1000, clock.now())
    assert adopting.adopt(payment.account, [shown], at=clock.now()) == 1
    hint(payment.attempts.get())
    assert payment.attempts.get().next_due_at is None
    payment.attempts.update(next_due_at=clock.now())  # whoever made it due
    refunding.sweep(at=clock.now())
    assert (out(simulator, payment), payment.attempts.get().status) == (0, A.EXTERNAL)


def test_what_goes_by_hand_is_asked_about_at_the_bank_before_anybody_pays_it_again(
    shop, merchant, finance, cashier, operator, watched
):
    """F6, F7: transfers are recorded nowhere outside the database. What waits when it has gone back in time may be
    paid: it is neither paid again nor given back before somebody has looked at the bank's statement."""
    ShopMember.objects.filter(shop=shop, user=merchant).update(role=ShopRole.OWNER)
    earned = money.pay_in([Move("settle:a", shop.pk, 9000, posting.shop_account(shop.pk))])
    posting.post([posting.Transfer("paid:a", "channel:wechat", posting.shop_account(shop.pk), 9000), *earned],
                 at=clock.now())  # fmt: skip
    card = payees.Account(PayeeKind.BANK, "李雷", "6222021234567890", "招商银行")
    payees.lay_down(card, by=merchant, at=clock.now() - timedelta(hours=25), shop=shop)
    deposits.record(shop, amount_fen=500, voucher="D1", note="", by=finance, at=clock.now())
    deposits.ask_back(shop, amount_fen=500, note="退出", by=finance, at=clock.now())
    paid, lost, unpaid = (
        transfers.withdraw(shop, amount_fen=fen, by=merchant, at=clock.now(), verified_by="password")
        for fen in (1000, 2000, 3000)
    )
    for row in (paid, unpaid):
        transfers.approve(row, by=finance, at=clock.now())
    bank_at = clock.now()  # all that was done at the bank, and recorded, from here on is lost
    clock.advance(timedelta(minutes=5))

    run = recover()
    assert any("3 笔转账存疑" in line for line in recovery.report(run))
    assert run.closed_at is not None  # buyers' refunds do not wait for it
    assert "先查银行流水" in DepositReturn.objects.get(status="dropped").reason
    with refused("先查银行流水"):
        transfers.refuse(lost, by=finance, at=clock.now(), reason="重提")
    transfers.mark_paid(paid, by=cashier, at=clock.now(), paid_at=bank_at, voucher="V1")  # it is on the statement
    outgoing.resume(by=operator, reason="核对完成", at=clock.now())
    with refused("先查银行流水"):
        transfers.mark_paid(unpaid, by=cashier, at=clock.now(), paid_at=clock.now(), voucher="V2")
    transfers.approve(lost, by=finance, at=clock.now())  # its approval was lost, too
    transfers.mark_paid(lost, by=cashier, at=clock.now(), paid_at=bank_at, voucher="V3")
    transfers.confirm_unpaid(unpaid, by=finance, at=clock.now())
    with refused("不用核对"):
        transfers.confirm_unpaid(unpaid, by=finance, at=clock.now())
    at = clock.now()
    transfers.mark_paid(unpaid, by=cashier, at=at, paid_at=at, voucher="V2")
    assert balances.owed([posting.BANK])[posting.BANK] == 6000 - 500
    again = transfers.withdraw(shop, amount_fen=100, by=merchant, at=clock.now(), verified_by="password")
    transfers.refuse(again, by=finance, at=clock.now(), reason="不必")  # what is asked for afterwards is in no doubt
    assert recover().closed_at is not None


def refused(words):
    return pytest.raises(transfers.CannotTransfer, match=words)
