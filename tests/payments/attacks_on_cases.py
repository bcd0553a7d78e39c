"""SQL against the rules about cases and what surrounds them: credits to a balance, people, the record, codes.

Tried by ``test_constraints.py``, on its ``books``.
"""

from __future__ import annotations

from tests.attacks import another

REFUND = "refunds_refund"
CODE = "shops_cardcode"
ATTACKS = {
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
