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
from tests.attacks import another, refusal
from tests.cases import attempt_of, negotiated, transfer_asked, transfer_of

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
TRANSFER = "payments_transfer"
PAYEE = "payments_payee"
SAY_WHAT_A_STATUS_NEEDS = (
    "approved_transfer_says_by_whom", "ended_transfer_says_why", "paid_transfer_has_its_voucher",
    "waiting_transfer_is_due",
)  # fmt: skip
IN_DOUBT = f"UPDATE {TRANSFER} SET in_doubt_at = now() WHERE id = {{transfer}};"
SWITCH = "INSERT INTO payments_outgoingswitch (is_stopped, by_id, reason, at) VALUES"


def like_it(**changes):
    """Another transfer, like the one that is there."""
    return another(
        "payments.Transfer",
        "purpose = 'shop_withdrawal'",
        transfer_no="'TX'",
        request_key="gen_random_uuid()",
        **changes,
    )


# What is tried, and the name in the refusal.
ATTACKS = {
    # I1: money never goes back twice, nor more than came
    "reserve more than was paid": (
        f"UPDATE {PAYMENT} SET reserved_fen = amount_fen + 1, refunded_fen = 0 WHERE id = {{payment}}",
        "refunds_never_exceed_payment",
    ),
    "refund more than was paid": (
        f"UPDATE {PAYMENT} SET refunded_fen = refunded_fen + 1 WHERE id = {{payment}}",
        "refunds_never_exceed_payment",
    ),
    "shrink a payment that was paid": (
        f"UPDATE {PAYMENT} SET amount_fen = 1, refunded_fen = 0 WHERE id = {{payment}}",
        "what was paid stays paid",
    ),
    "undo a payment": (
        f"UPDATE {PAYMENT} SET status = 'closed', refunded_fen = 0 WHERE id = {{payment}}",
        "what was paid stays paid",
    ),
    "give to the balance what has gone back": (
        f"UPDATE {PAYMENT} SET balance_fen = 1 WHERE id = {{payment}}",
        "refunds_never_exceed_payment",
    ),
    "reserve what went to the balance": (
        f"UPDATE {PAYMENT} SET reserved_fen = 1 WHERE id = {{credited_payment}}",
        "refunds_never_exceed_payment",
    ),
    "give to the balance what a shop's own account took": (
        "UPDATE payments_channelaccount SET credentials_key_id = 'k1', shop_id ="
        " (SELECT shop_id FROM orders_order WHERE id = {order}) WHERE code = 'wechat';"
        f" UPDATE {PAYMENT} SET balance_fen = balance_fen + 1 WHERE id = {{credited_payment}}",
        "shops_own_account_gives_back_itself",
    ),
    "take back what went to the balance": (
        f"UPDATE {PAYMENT} SET balance_fen = balance_fen - 1 WHERE id = {{credited_payment}}",
        "what went to the balance is not taken back",
    ),
    "credit what is not paid": (
        f"UPDATE {PAYMENT} SET balance_fen = 1 WHERE id = {{unpaid}}",
        "only_paid_money_is_refunded",
    ),
    "credit a surplus": (
        f"UPDATE {PAYMENT} SET status = 'paid', paid_at = now(), channel_transaction_id = 'T8', is_surplus = true,"
        " balance_fen = 1 WHERE id = {unpaid}",
        "surplus_goes_back_by_its_channel",
    ),
    "a negative credit": (  # as for the owner: the check alone stands
        f"SET LOCAL session_replication_role = replica; UPDATE {PAYMENT} SET balance_fen = -1 WHERE id = {{payment}}",
        "balance_fen",
    ),
    "a negative reserve": (f"UPDATE {PAYMENT} SET reserved_fen = -1 WHERE id = {{payment}}", "reserved_fen"),
    "a negative refund": (f"UPDATE {PAYMENT} SET refunded_fen = -1 WHERE id = {{payment}}", "refunded_fen"),
    "a payment of nothing": (
        f"UPDATE {PAYMENT} SET amount_fen = 0 WHERE id = {{unpaid}}",
        "payment_amount_is_positive",
    ),
    "refund what is not paid": (
        f"UPDATE {PAYMENT} SET refunded_fen = 1 WHERE id = {{unpaid}}",
        "only_paid_money_is_refunded",
    ),
    "reserve what is not paid": (
        f"UPDATE {PAYMENT} SET reserved_fen = 1 WHERE id = {{unpaid}}",
        "only_paid_money_is_refunded",
    ),
    "paid without proof": (
        f"UPDATE {PAYMENT} SET status = 'paid' WHERE id = {{unpaid}}",
        "paid_payment_has_its_proof",
    ),
    "an open payment that nobody looks at": (
        f"UPDATE {PAYMENT} SET next_due_at = NULL WHERE id = {{unpaid}}",
        "unsettled_payment_is_due",
    ),
    "an invented payment status": (
        f"UPDATE {PAYMENT} SET status = 'gift' WHERE id = {{unpaid}}",
        "payment_status_is_listed",
    ),
    "a second counted payment of an order": (
        another("payments.Payment", "id = {payment}", payment_no="'P2'", channel_transaction_id="'T2'"),
        "one_counted_payment_per_order",
    ),
    "a second open payment of an order": (
        another(
            "payments.Payment",
            f"{PAYMENT}.id = {{payment}}",
            beside=", unnest(ARRAY['P3', 'P4']) AS n",
            payment_no="n",
            status="'open'",
            next_due_at="now()",
            reserved_fen="0",
            refunded_fen="0",
            payer_key="NULL",
        ),
        "one_open_payment_per_order",
    ),
    "a payment that is turned to another way after it was sent": (
        f"UPDATE {PAYMENT} SET method = 'phone' WHERE id = {{payment}}",
        "sent_payment_keeps_its_way",
    ),
    "a payer who is named": (
        f"UPDATE {PAYMENT} SET status = 'paid', paid_at = now(), channel_transaction_id = 'T9',"
        " payer_key = 'oUpF8uMuAJO_M2pxb1Q9zNjWeS6o' WHERE id = {unpaid}",
        "payer_key_is_a_fingerprint_of_who_paid",
    ),
    "a payer of what nobody has paid": (
        f"UPDATE {PAYMENT} SET payer_key = sha256('x') WHERE id = {{unpaid}}",
        "payer_key_is_a_fingerprint_of_who_paid",
    ),
    "another payer of what is paid": (
        f"UPDATE {PAYMENT} SET payer_key = sha256('x') WHERE id = {{payment}}",
        "what was paid stays paid",
    ),
    "forget who paid": (f"UPDATE {PAYMENT} SET payer_key = NULL WHERE id = {{payment}}", "what was paid stays paid"),
    "an invented way to pay": (
        f"UPDATE {PAYMENT} SET method = 'cash', first_sent_at = NULL WHERE id = {{unpaid}}",
        "payment_method_is_listed",
    ),
    "more refunded outside us than was paid": (
        f"UPDATE {PAYMENT} SET external_fen = amount_fen + 1 WHERE id = {{payment}}",
        "external_refunds_never_exceed_payment",
    ),
    "promise what was refunded outside us": (
        f"UPDATE {PAYMENT} SET external_fen = amount_fen, refunded_fen = 0 WHERE id = {{payment}};"
        f" UPDATE {PAYMENT} SET reserved_fen = reserved_fen + 1 WHERE id = {{payment}}",
        "refunded_outside_is_not_promised",
    ),
    "one refund of the channel's as two attempts": (
        another("payments.RefundAttempt", "id = {attempt}", request_no="'X'", status="'external'"),
        "channels_refund_is_booked_once",
    ),
    "a closed refund that comes alive beside what was found of it": (
        another("payments.RefundAttempt", "id = {attempt}", request_no="'X'", status="'closed'")
        + f"; UPDATE {ATTEMPT} SET status = 'unknown', next_due_at = now() WHERE request_no = 'X'",
        "channels_refund_is_booked_once",
    ),
    "a card that stands in clear": (
        f"UPDATE {ATTEMPT} SET redirect_to = 'buyer_card' WHERE id = {{moving_attempt}}",
        "card_of_a_redirect_is_sealed",
    ),
    "a shop's account with the platform's keys": (
        "INSERT INTO payments_channelaccount (code, channel, shop_id, name, merchant_id, credentials,"
        " credentials_key_id, is_open, trouble) SELECT 'own', 'wechat', id, 'x', '', '', '', true, ''"
        " FROM shops_shop LIMIT 1",
        "shops_account_has_its_keys",
    ),
    "a second account of a shop at a channel": (
        "INSERT INTO payments_channelaccount (code, channel, shop_id, name, merchant_id, credentials,"
        " credentials_key_id, is_open, trouble) SELECT c, 'wechat', id, 'x', '', '', 'k1', true, ''"
        " FROM (SELECT id FROM shops_shop LIMIT 1) AS shop, unnest(ARRAY['a', 'b']) AS c",
        "one_account_per_channel_and_shop",
    ),
    "an account without money that nobody probes": (
        "UPDATE payments_channelaccount SET short_since = now()",
        "short_account_is_probed",
    ),
    "an invented channel": (
        "UPDATE payments_channelaccount SET channel = 'cash'",
        "account_channel_is_listed",
    ),
    "a number used twice": (
        f"UPDATE {PAYMENT} SET payment_no = (SELECT payment_no FROM {PAYMENT} WHERE id = {{payment}})"
        " WHERE id = {unpaid}",
        "payment_no",
    ),
    "delete a payment": (f"DELETE FROM {PAYMENT} WHERE id = {{payment}}", "Cannot delete"),
    # the switch of outgoing money
    "stop what is stopped": (f"{SWITCH} (true, {{finance}}, 'x', now())", "outgoing_switch_turns"),
    "let go what one has stopped": (f"{SWITCH} (false, {{finance}}, 'x', now())", "outgoing_switch_turns"),
    "stop without a reason": (
        f"SET LOCAL session_replication_role = replica; {SWITCH} (false, {{finance}}, '', now())",
        "switch_says_why",
    ),
    # money that leaves by hand, and what a buyer has
    "an account that is two people's": (
        another("payments.Payee", "shop_id IS NOT NULL", user_id="{user}"),
        "payee_is_a_shops_or_a_buyers",
    ),
    "an account of no kind": (another("payments.Payee", kind="'cash'"), "payee_kind_is_listed"),
    "an account in clear": (another("payments.Payee", key_id="''"), "payee_is_sealed"),
    "another account under a transfer": (f"UPDATE {PAYEE} SET last_four = '0000'", "Cannot update"),
    "a transfer of nothing": (like_it(amount_fen="0"), "transfer_amount_is_positive"),
    "a transfer of an invented status": (  # those that list what each status needs would speak first
        "".join(f"ALTER TABLE {TRANSFER} DROP CONSTRAINT {name};" for name in SAY_WHAT_A_STATUS_NEEDS)
        + like_it(status="'gift'"),
        "transfer_status_is_listed",
    ),
    "news of a withdrawal": (
        f"UPDATE {TRANSFER} SET news_at = now() WHERE id = {{transfer}}",
        "only_a_redirect_is_of_a_payment",
    ),
    "a redirect that is a cash-out": (
        f"UPDATE {TRANSFER} SET purpose = 'cash_out' WHERE id = {{redirect}}",
        "Cannot update",
    ),
    "a redirect of another payment": (
        f"UPDATE {TRANSFER} SET payment_id = {{payment}} WHERE id = {{redirect}}",
        "Cannot update",
    ),
    "a redirect beside a refund that may still pay": (
        like_it(
            purpose="'redirect'", shop_id="NULL", user_id="{user}", payment_id="{payment}", instead_of_id="{attempt}"
        ),
        "redirect_waits_for_the_old_refund",
    ),
    "a redirect that is approved beside the refund that its channel has paid": (
        f"UPDATE {TRANSFER} SET paid_there_at = now() WHERE id = {{redirect}}; UPDATE {TRANSFER} SET"
        " status = 'approved', approved_by_id = {finance}, approved_at = now() WHERE id = {redirect}",
        "redirect_is_not_approved_beside_its_refund",
    ),
    "a channel's word about the refund that is taken back": (
        f"UPDATE {TRANSFER} SET paid_there_at = now() WHERE id = {{redirect}};"
        f" UPDATE {TRANSFER} SET paid_there_at = NULL WHERE id = {{redirect}}",
        "Cannot update",
    ),
    "a withdrawal whose refund was paid": (
        f"UPDATE {TRANSFER} SET paid_there_at = now() WHERE id = {{transfer}}",
        "only_a_redirect_is_paid_there",
    ),
    "a refund that comes alive while its transfer is in hand": (
        f"UPDATE {TRANSFER} SET status = 'approved', approved_by_id = {{finance}}, approved_at = now()"
        f" WHERE id = {{redirect}}; UPDATE {ATTEMPT} SET status = 'unknown', next_due_at = now()"
        f" WHERE id = (SELECT instead_of_id FROM {TRANSFER} WHERE id = {{redirect}})",
        "refund_rests_beside_its_transfer",
    ),
    "a cash-out of a shop": (like_it(purpose="'cash_out'"), "transfer_purpose_says_whose"),
    "a transfer that who asked approves": (
        like_it(status="'approved'", approved_by_id="requested_by_id", approved_at="now()"),
        "transfer_is_approved_by_another",
    ),
    "a transfer that who approved pays": (
        like_it(
            status="'paid'",
            approved_by_id="{finance}",
            approved_at="now()",
            paid_by_id="{finance}",
            paid_at="now()",
            voucher="'V'",
            due_at="NULL",
        ),
        "transfer_is_paid_by_another",
    ),
    "a transfer that who paid it gives back": (
        like_it(
            status="'failed'",
            approved_by_id="{user}",
            approved_at="now()",
            paid_by_id="{finance}",
            paid_at="now()",
            voucher="'V'",
            due_at="NULL",
            ended_by_id="{finance}",
            ended_at="now()",
            reason="'退票'",
        ),
        "transfer_is_given_back_by_another",
    ),
    "a transfer that nobody sees to": (f"UPDATE {TRANSFER} SET due_at = NULL", "waiting_transfer_is_due"),
    "a transfer approved by nobody": (like_it(status="'approved'"), "approved_transfer_says_by_whom"),
    "a transfer paid without a voucher": (
        like_it(status="'paid'", approved_by_id="{finance}", approved_at="now()", due_at="NULL"),
        "paid_transfer_has_its_voucher",
    ),
    "a transfer refused for no reason": (like_it(status="'refused'", due_at="NULL"), "ended_transfer_says_why"),
    "a transfer that somebody has checked, and nobody says when": (
        like_it(checked_by_id="{finance}"),
        "checked_transfer_says_by_whom",
    ),
    "a transfer that who said it was not paid pays": (
        like_it(
            status="'paid'",
            approved_by_id="{user}",
            approved_at="now()",
            paid_by_id="{finance}",
            paid_at="now()",
            voucher="'V'",
            due_at="NULL",
            checked_by_id="{finance}",
            checked_at="now()",
        ),
        "checked_transfer_is_paid_by_another",
    ),
    "a transfer in doubt that is given back": (
        f"{IN_DOUBT} UPDATE {TRANSFER} SET status = 'refused', due_at = NULL, ended_by_id = {{finance}},"
        " ended_at = now(), reason = 'x' WHERE id = {transfer}",
        "transfer_in_doubt_waits_for_the_bank",
    ),
    "a transfer in doubt that is paid later": (
        f"{IN_DOUBT} UPDATE {TRANSFER} SET status = 'approved', approved_by_id = {{finance}}, approved_at = now()"
        f" WHERE id = {{transfer}}; UPDATE {TRANSFER} SET status = 'paid', paid_by_id = {{user}}, voucher = 'V',"
        " paid_at = now() + interval '1 second', due_at = NULL WHERE id = {transfer}",
        "transfer_in_doubt_waits_for_the_bank",
    ),
    "a transfer in doubt that nobody looked for": (
        f"{IN_DOUBT} UPDATE {TRANSFER} SET in_doubt_at = NULL WHERE id = {{transfer}}",
        "transfer_in_doubt_waits_for_the_bank",
    ),
    "a voucher for two transfers": (
        another(
            "payments.Transfer",
            "purpose = 'shop_withdrawal'",
            beside=", unnest(ARRAY['TA', 'TB']) AS n",
            transfer_no="n",
            request_key="gen_random_uuid()",
            status="'paid'",
            approved_by_id="{finance}",
            approved_at="now()",
            paid_by_id="{user}",
            paid_at="now()",
            voucher="'V'",
            due_at="NULL",
        ),
        "voucher_serves_once",
    ),
    "a transfer to somebody else's account": (
        like_it(purpose="'cash_out'", shop_id="NULL", user_id="{user}"),
        "transfer_goes_to_its_owners_account",
    ),
    "a balance to an account that nobody proved to be its buyer's": (
        another("payments.Payee", "user_id = {user}", id="{uuid}", real_name_id="NULL")
        + "; "
        + like_it(purpose="'cash_out'", shop_id="NULL", user_id="{user}", payee_id="{uuid}"),
        "transfer_of_a_balance_goes_to_its_buyer",
    ),
    "a payee whose proof is taken away": (
        "UPDATE payments_payee SET real_name_id = NULL WHERE real_name_id IS NOT NULL",
        "Cannot update",
    ),
    "a transfer whose money nobody took": (like_it(), "transfer_is_posted"),
    "a transfer that is paid out of nowhere": (
        f"UPDATE {TRANSFER} SET status = 'approved', approved_by_id = {{finance}}, approved_at = now()"
        f" WHERE id = {{transfer}}; UPDATE {TRANSFER} SET status = 'paid', paid_by_id = {{user}}, voucher = 'V',"
        " paid_at = now(), due_at = NULL WHERE id = {transfer}",
        "transfer_is_posted",
    ),
    "a transfer that is refused and keeps the money": (
        f"UPDATE {TRANSFER} SET status = 'refused', due_at = NULL, ended_by_id = {{finance}}, ended_at = now(),"
        " reason = 'x' WHERE id = {transfer}",
        "transfer_is_posted",
    ),
    "a transfer paid before it was approved": (f"UPDATE {TRANSFER} SET status = 'paid'", "transfer_moves_by_the_table"),
    "another amount of a transfer": (f"UPDATE {TRANSFER} SET amount_fen = 1", "Cannot update"),
    "take more of a balance than there is": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen) SELECT (SELECT max(id) FROM"
        " ledger_posting), id, 'debit', 1000000 FROM ledger_account WHERE code = {balance}",
        "nobody_is_below_nothing",
    ),
    "a shop that holds buyers' balances": (
        "INSERT INTO payments_channelaccount (code, channel, shop_id, name, merchant_id, credentials,"
        " credentials_key_id, is_open, trouble) SELECT 'own', 'balance', id, 'x', '', '', 'k1', true, ''"
        " FROM shops_shop LIMIT 1",
        "balance_is_the_platforms",
    ),
    # parameters of an attempt
    "another amount under the same number": (
        f"UPDATE {ATTEMPT} SET amount_fen = amount_fen - 1 WHERE id = {{moving_attempt}}",
        "Cannot update",
    ),
    "another number": (f"UPDATE {ATTEMPT} SET request_no = 'P0R01' WHERE id = {{moving_attempt}}", "Cannot update"),
    "another payment": (
        f"UPDATE {ATTEMPT} SET payment_id = {{payment}} WHERE id = {{moving_attempt}}",
        "Cannot update",
    ),
    "another reason": (f"UPDATE {ATTEMPT} SET reason = 'x' WHERE id = {{moving_attempt}}", "Cannot update"),
    "another address to notify": (
        f"UPDATE {ATTEMPT} SET notify_url = 'http://evil' WHERE id = {{moving_attempt}}",
        "Cannot update",
    ),
    "an attempt that nobody asks about": (
        f"UPDATE {ATTEMPT} SET next_due_at = NULL WHERE id = {{moving_attempt}}",
        "moving_attempt_is_due",
    ),
    "success without proof": (
        f"UPDATE {ATTEMPT} SET status = 'succeeded' WHERE id = {{moving_attempt}}",
        "succeeded_attempt_has_its_proof",
    ),
    "an invented attempt status": (
        f"UPDATE {ATTEMPT} SET status = 'maybe' WHERE id = {{moving_attempt}}",
        "attempt_status_is_listed",
    ),
    "delete an attempt": (f"DELETE FROM {ATTEMPT} WHERE id = {{attempt}}", "Cannot delete"),
    "one attempt for two cases": (
        "INSERT INTO refunds_disbursement (refund_id, attempt_id, created_at) VALUES ({open}, {attempt}, now())",
        "attempt_id",
    ),
    "a second refund beside one that is under way": (
        another("payments.RefundAttempt", "id = {moving_attempt}", request_no="'X'", channel_refund_id="''")
        + "; INSERT INTO refunds_disbursement (refund_id, attempt_id, created_at)"
        f" SELECT {{moving}}, id, now() FROM {ATTEMPT} WHERE request_no = 'X'",
        "case_is_sent_once",
    ),
    "a refund of another amount": (
        another(
            "payments.RefundAttempt", "id = {moving_attempt}", request_no="'X'", channel_refund_id="''", amount_fen="1"
        )
        + "; INSERT INTO refunds_disbursement (refund_id, attempt_id, created_at)"
        f" SELECT {{moving}}, id, now() FROM {ATTEMPT} WHERE request_no = 'X'",
        "case_is_sent_once",
    ),
    "a closed refund that comes alive beside the next": (
        f"UPDATE {ATTEMPT} SET status = 'closed' WHERE id = {{moving_attempt}};"
        + another(
            "payments.RefundAttempt",
            "id = {moving_attempt}",
            request_no="'X'",
            channel_refund_id="''",
            status="'prepared'",
            next_due_at="now()",
        )
        + "; INSERT INTO refunds_disbursement (refund_id, attempt_id, created_at)"
        f" SELECT {{moving}}, id, now() FROM {ATTEMPT} WHERE request_no = 'X';"
        f" UPDATE {ATTEMPT} SET status = 'unknown', next_due_at = now() WHERE id = {{moving_attempt}}",
        "refund_rests_beside_the_next",
    ),
    "a notification stored twice": (
        "INSERT INTO payments_channelnotification (account_id, notification_id, kind, payment_no, request_no,"
        " complaint_id, facts, received_at) SELECT account_id, notification_id, kind, payment_no, request_no, '',"
        " facts, now() FROM payments_channelnotification",
        "notification_is_stored_once",
    ),
    # the balance (I13)
    "credit a case twice": (
        "INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, created_at)"
        " SELECT refund_id, user_id, amount_fen, now() FROM refunds_balancecredit WHERE refund_id = {credited}",
        "refund_id",
    ),
    "credit another amount": (
        "INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, created_at)"
        f" SELECT id, buyer_id, amount_fen + 1, now() FROM {REFUND} WHERE id = {{unsent}}",
        "is not what its buyer asked for",
    ),
    "credit nothing": (
        "SET LOCAL session_replication_role = replica;"  # as for the owner: the check alone stands
        " INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, created_at)"
        f" SELECT id, buyer_id, 0, now() FROM {REFUND} WHERE id = {{unsent}}",
        "credit_amount_is_positive",
    ),
    "credit somebody else": (
        "INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, created_at)"
        f" SELECT r.id, u.id, r.amount_fen, now() FROM {REFUND} r, accounts_user u"
        " WHERE r.id = {unsent} AND u.role = 'finance'",
        "is not what its buyer asked for",
    ),
    "credit a case that goes by the channel": (
        "INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, created_at)"
        f" SELECT id, buyer_id, amount_fen, now() FROM {REFUND} WHERE id = {{open}}",
        "is not what its buyer asked for",
    ),
    "credit what is on its way to the channel": (  # as if its buyer had signed
        "SET LOCAL session_replication_role = replica;"
        f" UPDATE {REFUND} SET destination = 'balance' WHERE id = {{moving}};"
        " SET LOCAL session_replication_role = DEFAULT;"
        " INSERT INTO refunds_balancecredit (refund_id, user_id, amount_fen, created_at)"
        f" SELECT id, buyer_id, amount_fen, now() FROM {REFUND} WHERE id = {{moving}}",
        "credited_case_is_not_paid",
    ),
    "send to the channel what goes to the balance": (
        "INSERT INTO refunds_disbursement (refund_id, attempt_id, created_at) VALUES ({unsent}, {attempt}, now())",
        "does not go by the original route",
    ),
    "an invented destination": (
        f"SET LOCAL session_replication_role = replica; UPDATE {REFUND} SET destination = 'cash' WHERE id = {{open}}",
        "refund_destination_is_listed",
    ),
    "turn a case to the balance afterwards": (
        f"UPDATE {REFUND} SET destination = 'balance' WHERE id = {{open}}",
        "Cannot update",
    ),
    "a case that the machine turns to the balance": (
        another("refunds.Refund", "id = {done}", refund_no="'R3'", destination="'balance'", asked_by_id="NULL"),
        "only_the_buyer_turns_money_to_the_balance",
    ),
    "a guest's case to the balance": (
        "UPDATE accounts_user SET is_guest = true WHERE id = {user};"
        + another("refunds.Refund", "id = {done}", refund_no="'R3'", destination="'balance'"),
        "a guest has no balance",
    ),
    # the ledger (I6)
    "a posting twice": ("INSERT INTO ledger_posting (ref, posted_at) SELECT ref, now() FROM ledger_posting", "ref"),
    "half a posting": (
        "WITH p AS (INSERT INTO ledger_posting (ref, posted_at) VALUES ('gift', now()) RETURNING id)"
        " INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT p.id, a.id, 'debit', 100 FROM p, ledger_account a LIMIT 1",
        "does not sum to zero",
    ),
    "one fen more on an old posting": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, side, 1 FROM ledger_entry LIMIT 1",
        "does not sum to zero",
    ),
    "an entry of nothing": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, side, 0 FROM ledger_entry LIMIT 1",
        "entry_amount_is_positive",
    ),
    "a negative entry": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, side, -5 FROM ledger_entry LIMIT 1",
        "amount",
    ),
    "a third side": (
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, 'left', 5 FROM ledger_entry LIMIT 1",
        "entry_side_is_listed",
    ),
    # the case
    "two active cases of an order": (
        another("refunds.Refund", "id = {open}", refund_no="'R2'"),
        "one_active_refund_per_order",
    ),
    "another amount than was asked for": (
        f"UPDATE {REFUND} SET amount_fen = amount_fen - 1 WHERE id = {{open}}",
        "Cannot update",
    ),
    "another payment than was asked for": (
        f"UPDATE {REFUND} SET payment_id = {{payment}} WHERE id = {{open}}",
        "Cannot update",
    ),
    "another price of an old order": ("UPDATE orders_orderline SET price_fen = 1 WHERE id = {line}", "Cannot update"),
    "a case without lines": (
        another("refunds.Refund", "id = {done}", refund_no="'R2'"),
        "is not the sum of its lines",
    ),
    "a case of nothing": (
        another("refunds.Refund", "id = {done}", refund_no="'R2'", amount_fen="0"),
        "refund_amount_is_positive",
    ),
    # 账本
    "an invented kind of account": (
        "INSERT INTO ledger_account (code, kind) VALUES ('gold:1', 'gold')",
        "account_kind_is_listed",
    ),
    "an account's code of another kind": (
        "INSERT INTO ledger_account (code, kind) VALUES ('shop:x', 'fees')",
        "account_code_begins_with_its_kind",
    ),
    "nobody's account": (
        "INSERT INTO ledger_account (code, kind) VALUES ('held:None', 'held')",
        "account_code_names_whose",
    ),
    "a checkpoint below nothing": (
        another("ledger.Checkpoint", "true", up_to="0", debit_fen="-1"),
        "checkpoint_sums_are_no_less_than_nothing",
    ),
    "a second checkpoint": (another("ledger.Checkpoint", "true"), "one_checkpoint_per_account_and_entry"),
    "a posting undone twice": (
        "INSERT INTO ledger_posting (ref, posted_at, reverses_id) SELECT 'undo:' || n, now(), (SELECT min(id) FROM"
        " ledger_posting) FROM generate_series(1, 2) AS n",
        "ledger_posting_reverses_id_key",
    ),
    "an invented status": (f"UPDATE {REFUND} SET status = 'lost' WHERE id = {{open}}", "refund_status_is_listed"),
    "a case that lies with nobody": (
        f"UPDATE {REFUND} SET queue = 'nobody' WHERE id = {{open}}",
        "moving_refund_has_owner_and_due_time",
    ),
    "a case that nobody looks at": (
        f"UPDATE {REFUND} SET next_due_at = NULL WHERE id = {{open}}",
        "moving_refund_has_owner_and_due_time",
    ),
    "arrived at no time": (f"UPDATE {REFUND} SET arrived_at = NULL WHERE id = {{done}}", "arrived_refund_has_its_time"),
    "delete a case": (f"DELETE FROM {REFUND} WHERE id = {{open}}", "Cannot delete"),
    "one more line in a case": (
        "INSERT INTO refunds_refundline (refund_id, order_line_id, amount_fen, fee_fen) VALUES ({open}, {line}, 1, 0)",
        "do not sum to it",
    ),
    "the same line twice in a case": (
        "INSERT INTO refunds_refundline (refund_id, order_line_id, amount_fen, fee_fen) VALUES ({done}, {line}, 1, 0)",
        "one_refund_line_per_order_line",
    ),
    "an event with a used number": (
        another("refunds.RefundEvent", "id = {event}"),
        "refund_events_are_numbered",
    ),
    "an event by nobody": (
        another("refunds.RefundEvent", "id = {event}", sequence="99", actor_id="NULL", role="'senior'"),
        "only_the_machine_acts_without_account",
    ),
    "empty evidence": (
        "INSERT INTO refunds_evidence (id, refund_id, provided_by_id, image, content_type, width, height, digest, note,"
        " slot, created_at) VALUES ({uuid}, {open}, {user}, '', '', 0, 0, '', '', '', now())",
        "evidence_says_something",
    ),
    "delete an order": ("DELETE FROM orders_order WHERE id = {order}", "Cannot delete"),
    "a line of nothing in a case": (
        another("refunds.RefundLine", "refund_id = {done}", refund_id="{open}", amount_fen="0"),
        "refund_line_amount_is_positive",
    ),
    "an attempt about nothing": (
        another("payments.RefundAttempt", "id = {attempt}", request_no="'P0R77'", amount_fen="0"),
        "attempt_amount_is_positive",
    ),
    "an account whose notifications find no door": (
        "UPDATE payments_channelaccount SET code = 'We Chat'",
        "account_code_fits_an_address",
    ),
    "two counters of one refusal": (another("payments.RefusedNotification"), "one_counter_per_check_and_hour"),
    "one way counted twice": (another("refunds.ArrivalFigures"), "arrivals_are_counted_once_a_way"),
    # people, and what they are told
    "an invented role": ("UPDATE accounts_user SET role = 'god' WHERE id = {user}", "user_role_is_listed"),
    "a buyer in the staff's desk": (
        "UPDATE accounts_user SET is_staff = true WHERE id = {user}",
        "only_staff_roles_enter_the_admin",
    ),
    "a guest with a job": (
        "UPDATE accounts_user SET is_guest = true WHERE role = 'finance'",
        "guest_is_a_buyer_and_nobody_else_is_claimed",
    ),
    "an account that another one claims": (
        "UPDATE accounts_user SET claimed_by_id = id WHERE id = {user}",
        "guest_is_a_buyer_and_nobody_else_is_claimed",
    ),
    "the same news twice": (another("notices.Notice"), "one_notice_per_source_and_reader"),
    "news that lead to another site": ("UPDATE notices_notice SET path = 'https://evil'", "notice_stays_on_our_site"),
    # the record
    "a second root of a day": (another("records.DailyRoot"), "records_dailyroot_day"),
    "a pack for nobody's eyes": (another("records.PackDownload", made_for="'all'"), "pack_is_made_for_a_side"),
    # what happens to codes
    "sell a code again that was looked at": (
        f"UPDATE {CODE} SET state = 'in_stock', delivered_at = NULL WHERE id = {{open_code}}",
        "revealed_code_is_revealed_or_void",
    ),
    "forget that a code was looked at": (
        f"UPDATE {CODE} SET state = 'quarantined', revealed_at = NULL WHERE id = {{open_code}}",
        "a revealed code stays revealed",
    ),
    "look at a code before it was delivered": (
        f"UPDATE {CODE} SET state = 'revealed', delivered_at = now(), revealed_at = now() - interval '1 day'"
        " WHERE id = {fresh_code}",
        "code_is_revealed_after_delivery",
    ),
    "hand a code over at no time": (
        f"UPDATE {CODE} SET state = 'delivered' WHERE id = {{fresh_code}}",
        "undelivered_code_has_no_delivery",
    ),
    "an invented state": (
        f"UPDATE {CODE} SET state = 'gone', delivered_at = now() WHERE id = {{fresh_code}}",
        "code_state_is_listed",
    ),
    "deliver a code twice": (
        "INSERT INTO orders_delivery (line_id, code_id, delivered_at)"
        " SELECT line_id, {code}, now() FROM orders_delivery WHERE code_id = {open_code}",
        "orders_delivery",
    ),
    "the same code in stock twice": (
        f"INSERT INTO {CODE} (id, product_id, sealed, key_id, fingerprint, state, created_at)"
        f" SELECT {{uuid}}, product_id, sealed, key_id, fingerprint, 'in_stock', now() FROM {CODE} WHERE id = {{code}}",
        "fingerprint",
    ),
    "delete a code": (f"DELETE FROM {CODE} WHERE id = {{code}}", "Cannot delete"),
}


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
