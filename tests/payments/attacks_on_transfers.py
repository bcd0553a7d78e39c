"""SQL against the rules about money that leaves by hand: payees and transfers.

Tried by ``test_constraints.py``, on its ``books``.
"""

from __future__ import annotations

from tests.attacks import another

ATTEMPT = "payments_refundattempt"
TRANSFER = "payments_transfer"
PAYEE = "payments_payee"
SAY_WHAT_A_STATUS_NEEDS = (
    "approved_transfer_says_by_whom", "ended_transfer_says_why", "paid_transfer_has_its_voucher",
    "waiting_transfer_is_due",
)  # fmt: skip
IN_DOUBT = f"UPDATE {TRANSFER} SET in_doubt_at = now() WHERE id = {{transfer}};"


def like_it(**changes):
    """Another transfer, like the one that is there."""
    return another(
        "payments.Transfer",
        "purpose = 'shop_withdrawal'",
        transfer_no="'TX'",
        request_key="gen_random_uuid()",
        **changes,
    )


ATTACKS = {
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
}
