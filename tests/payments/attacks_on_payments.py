"""SQL against the rules about payments, attempts, channel accounts and the switch of outgoing money.

Tried by ``test_constraints.py``, on its ``books``.
"""

from __future__ import annotations

from tests.attacks import another

PAYMENT = "payments_payment"
ATTEMPT = "payments_refundattempt"
SWITCH = "INSERT INTO payments_outgoingswitch (is_stopped, by_id, reason, at) VALUES"
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
    "a shop that holds buyers' balances": (
        "INSERT INTO payments_channelaccount (code, channel, shop_id, name, merchant_id, credentials,"
        " credentials_key_id, is_open, trouble) SELECT 'own', 'balance', id, 'x', '', '', 'k1', true, ''"
        " FROM shops_shop LIMIT 1",
        "balance_is_the_platforms",
    ),
    # accounts, attempts and what channels send
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
    "an attempt about nothing": (
        another("payments.RefundAttempt", "id = {attempt}", request_no="'P0R77'", amount_fen="0"),
        "attempt_amount_is_positive",
    ),
    "an account whose notifications find no door": (
        "UPDATE payments_channelaccount SET code = 'We Chat'",
        "account_code_fits_an_address",
    ),
    "two counters of one refusal": (another("payments.RefusedNotification"), "one_counter_per_check_and_hour"),
}
