"""SQL against every rule about money, cases, codes and the record: the database itself refuses, whoever asks."""

from __future__ import annotations

import uuid

import pytest
from django.utils.timezone import timedelta

import clock
from cardshop import invariants
from ledger import balances, posting
from orders.placing import Wish
from payments import charging, outgoing, payees, transfers, webhooks
from payments.gateways.base import Notification, NotificationKind
from payments.models import RefusedNotification
from payments.transfer_models import PayeeKind
from records import roots
from records.models import PackDownload
from refunds import disbursement, lanes, lifecycle
from refunds.models import ArrivalFigures, CannedReply, Lane
from refunds.payouts import batches
from shops import money as shops_money
from shops.models import ShopMember
from shops.money import Move
from tests import attacks
from tests.attacks import refusal
from tests.cases import attempt_of, negotiated, transfer_asked, transfer_of
from tests.payments.attacks_on_cases import ATTACKS as OF_CASES
from tests.payments.attacks_on_payments import ATTACKS as OF_PAYMENTS
from tests.payments.attacks_on_the_ledger import ATTACKS as OF_THE_LEDGER
from tests.payments.attacks_on_transfers import ATTACKS as OF_TRANSFERS

pytestmark = pytest.mark.django_db
APPS = ("payments", "refunds", "ledger", "records", "accounts", "notices")


@pytest.fixture
def books(approved, reviewed, senior, finance, operator, drain, house):
    """Cases that have arrived, at a card and on the balance, one under way, one under review, and an order that nobody
    has paid: rows in every table."""

    redirected = transfer_of(transfer_asked(house))
    done, moving = approved(price_fen=8800), approved(price_fen=6600)
    disbursement.release([done], by=finance, at=clock.now())
    drain()
    disbursement.release([moving], by=finance, at=clock.now())
    credited = approved(price_fen=7700, destination="balance")
    disbursement.release([credited], by=finance, at=clock.now())
    unsent = approved(price_fen=7100, destination="balance")
    batches.compose(by=finance, at=clock.now(), most_lines=9, most_fen=10**6)
    open_case = reviewed()
    lifecycle.request_evidence([open_case], by=senior, at=clock.now(), note="请补截图")
    lifecycle.provide_evidence(open_case, by=open_case.buyer, at=clock.now(), note="已补")
    account = done.payment.account
    webhooks.receive(account, a_notification(attempt_of(done)), at=clock.now())
    RefusedNotification.objects.create(account=account, code="bad_signature", hour=clock.now(), last_at=clock.now())
    lanes.switch(Lane.EXPRESS, is_on=False, by=operator, at=clock.now(), reason="x")
    negotiated(house)
    CannedReply.objects.create(step="reject", title="超期", text="已超过售后期。", written_at=clock.now())
    outgoing.stop(by=finance, reason="x", at=clock.now())
    line = done.order.lines.get()
    balances.fold(at=clock.now(), after=1)
    ArrivalFigures.objects.create(
        channel="wechat", account_kind="bank_card", paid_out_count=1, proven_count=0, confirmed_count=0, within_count=0,
        missing_count=0, since=clock.now(), computed_at=clock.now(),
    )  # fmt: skip
    roots.publish(at=roots.now() + timedelta(days=1))
    PackDownload.objects.create(
        about=done.refund_no,
        reader=done.buyer,
        made_for="buyer",
        manifest_digest="0" * 64,
        size_bytes=1,
        at=clock.now(),
    )
    unpaid = charging.checkout(
        line.product, Wish(again=True), buyer=done.buyer, checkout_key=uuid.uuid4(), at=clock.now()
    )
    return {
        "done": done.pk,
        "moving": moving.pk,
        "credited": credited.pk,
        "unsent": unsent.pk,
        "credited_payment": credited.payment_id,
        "open": open_case.pk,
        "order": done.order_id,
        "line": line.pk,
        "payment": done.payment_id,
        "unpaid": unpaid.pk,
        "attempt": attempt_of(done).pk,
        "moving_attempt": attempt_of(moving).pk,
        "event": done.events.first().pk,
        "code": f"'{line.delivery.code_id}'",
        "fresh_code": f"'{line.product.codes.filter(state='in_stock').first().pk}'",
        "open_code": f"'{open_case.order.lines.get().delivery.code_id}'",
        "user": done.buyer_id,
        "finance": finance.pk,
        "transfer": a_withdrawal(done, finance, house.merchant).pk,
        "redirect": redirected.pk,
        "balance": f"'{posting.balance_account(credited.buyer_id)}'",
        "uuid": f"'{uuid.uuid4()}'",
        "product": line.product_id,
    }


def a_withdrawal(case, finance, owner):
    """A shop's, asked for; its payee was looked at once. The order's money was settled for it."""
    settled = Move("settle:other", case.shop_id, 5000, posting.shop_account(case.shop_id))
    posting.post(shops_money.pay_in([settled]), at=clock.now())
    ShopMember.objects.filter(user=owner).update(role="owner")
    card = payees.Account(PayeeKind.BANK, "李雷", "6222021234567890", "招商银行")
    payees.lay_down(card, by=owner, at=clock.now() - timedelta(days=2), shop=case.shop)
    asked = transfers.withdraw(case.shop, amount_fen=500, by=owner, at=clock.now(), verified_by="password")
    transfers.look_at_payee(asked, by=finance, at=clock.now())
    return asked


def a_notification(attempt):
    payment_no = attempt.payment.payment_no
    return Notification(
        NotificationKind.REFUND, str(uuid.uuid4()), payment_no, attempt.request_no, facts={"status": "SUCCESS"}
    )


PAYMENT = "payments_payment"
ATTEMPT = "payments_refundattempt"
REFUND = "refunds_refund"
CODE = "shops_cardcode"
ATTACKS = OF_PAYMENTS | OF_TRANSFERS | OF_CASES | OF_THE_LEDGER


def test_every_attack_is_refused_by_name(books):
    before = invariants.broken()
    assert all("shop" in line or "settle" in line for line in before), before  # of the withdrawal's invented settlement
    attacks.check(ATTACKS, books)
    assert invariants.broken() == before


def test_every_rule_is_attacked():
    """Those about refunds, accounts and notices by their own files, which see that none is left out."""
    attacks.check_all_are_tried(ATTACKS, *(app for app in APPS if app not in {"refunds", "accounts", "notices"}))


def test_what_is_written_once_never_changes(books):
    """I7."""
    attacks.check_append_only(*APPS)


def test_what_has_a_history_is_never_deleted(books):
    """PM6."""
    attacks.check_never_deleted("payments", "refunds")


def test_nothing_that_has_a_history_is_truncated(books):
    """PM6: emptying such a table would empty an append-only one with it."""
    for table in (REFUND, PAYMENT, ATTEMPT, CODE, "orders_order", "orders_orderline", "ledger_account"):
        assert "never removed" in refusal(f"TRUNCATE {table} CASCADE"), table


def test_a_broken_row_would_be_noticed(books):
    """The invariants are no formality: with the guards off, each kind of damage is named."""
    damage = {
        f"UPDATE {PAYMENT} SET refunded_fen = 1 WHERE id = {{payment}}": "I1",
        "UPDATE ledger_posting SET ref = ref || '?' WHERE ref LIKE 'payment:%'": "I2",
        f"UPDATE {ATTEMPT} SET request_no = 'P0R09' WHERE id = {{attempt}}": "I3",
        f"UPDATE {REFUND} SET status = 'rejected' WHERE id = {{done}}": "I5",
        "UPDATE refunds_refundevent SET role = 'finance' WHERE step = 'approve'": "I5",
        "DELETE FROM ledger_entry WHERE id = (SELECT min(id) FROM ledger_entry)": "I6",
        "ALTER TABLE refunds_refundevent DISABLE TRIGGER USER": "I7",
        f"UPDATE {CODE} SET state = 'revealed' WHERE id = {{code}}": "I9",
        "DELETE FROM shops_codeevent": "I9",
        f"UPDATE {REFUND} SET asked_by_id = (SELECT actor_id FROM refunds_refundevent"
        " WHERE step = 'approve' AND refund_id = {done}) WHERE id = {done}": "I10",
        "UPDATE refunds_disbursement SET refund_id = {open}": "I11",
        "UPDATE refunds_refundline SET amount_fen = 1": "I12",
        "UPDATE refunds_refundline SET fee_fen = 1": "I12",
        f"UPDATE {PAYMENT} SET balance_fen = 1 WHERE id = {{credited_payment}}": "I1",
        "UPDATE ledger_posting SET ref = ref || '?' WHERE ref LIKE 'credit:%'": "I6",
        "UPDATE ledger_entry SET amount_fen = amount_fen + 1 WHERE posting_id IN"
        " (SELECT id FROM ledger_posting WHERE ref LIKE 'credit:%')": "I6",
        "UPDATE refunds_balancecredit SET user_id = (SELECT max(id) FROM accounts_user WHERE role = 'finance')": "I13",
        "UPDATE accounts_user SET is_guest = true WHERE id = {user}": "I13",
        "DELETE FROM refunds_balancecredit": "I13",
        "UPDATE refunds_disbursement SET refund_id = {credited} WHERE refund_id = {moving}": "I13",
    }
    for sql, name in damage.items():
        with attacks.damaged(sql.format(**books)):
            found = invariants.broken()
        assert any(line.startswith(f"{name}:") for line in found), (sql, found)
