"""SQL against the rules about 分批发款: the database itself refuses, whoever asks (I11)."""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from refunds.models import PayoutLine
from refunds.payouts import batches, paying
from tests import attacks
from tests.attacks import another
from tests.cast import person
from tests.refunds.payout_batches import BATCH, LINE, checked, made

pytestmark = pytest.mark.django_db

ATTACKS = {
    "checked by whoever made it": (
        f"UPDATE {BATCH} SET status = 'approved', checked_by_id = made_by_id, checked_at = now() WHERE id = {{open}}",
        "payout_is_checked_by_another_person",
    ),
    "paid unchecked": (
        f"UPDATE {BATCH} SET status = 'approved' WHERE id = {{open}}", "payout_is_checked_before_money_leaves",
    ),
    "checked twice": (f"UPDATE {BATCH} SET checked_by_id = {{other}} WHERE id = {{sending}}", "Cannot update"),
    "checked before it is proposed": (
        f"UPDATE {BATCH} SET checked_by_id = {{other}}, checked_at = now() WHERE id = {{draft}}", "Cannot update",
    ),
    "paid as a draft": (f"UPDATE {BATCH} SET status = 'sending' WHERE id = {{draft}}", "no step leads"),
    "back to a draft": (f"UPDATE {BATCH} SET status = 'draft' WHERE id = {{sending}}", "no step leads"),
    "a batch that begins as paid": (
        another("refunds.PayoutBatch", batch_no="'Z'", status="'paid'"), "begins as a draft",
    ),
    "a batch in a status that is not listed": (
        f"ALTER TABLE {BATCH} DISABLE TRIGGER USER; UPDATE {BATCH} SET status = 'paid' WHERE id = {{sending}}",
        "payout_status_is_listed",
    ),
    "a batch that nobody comes back to": (
        f"UPDATE {BATCH} SET next_due_at = NULL WHERE id = {{draft}}", "moving_payout_is_due",
    ),
    "stopped for no reason": (
        f"UPDATE {BATCH} SET status = 'stopped' WHERE id = {{sending}}", "stopped_payout_says_why",
    ),
    "done before its lines are": (f"UPDATE {BATCH} SET status = 'done' WHERE id = {{sending}}", "lines that wait"),
    "a larger total": (f"UPDATE {BATCH} SET total_fen = total_fen + 1 WHERE id = {{sending}}", "Cannot update"),
    "another maker": (f"UPDATE {BATCH} SET made_by_id = {{other}} WHERE id = {{open}}", "Cannot update"),
    "a batch of nothing": (
        another("refunds.PayoutBatch", "id = {draft}", batch_no="'Z'", line_count="0"), "payout_pays_something",
    ),
    "proposed with another sum than its lines have": (
        another("refunds.PayoutBatch", "id = {draft}", batch_no="'Z'")
        + f"; UPDATE {BATCH} SET status = 'proposed' WHERE batch_no = 'Z'",
        "not the sum of its lines",
    ),
    "a line more once it was checked": (
        another("refunds.PayoutLine", "id = {waiting}", position="99", refund_id="{free}"), "only a draft takes lines",
    ),
    "a line of another amount than its case": (
        another("refunds.PayoutLine", "id = {drafted}", position="99", refund_id="{free}", amount_fen="amount_fen + 1"),
        "only a draft takes lines",
    ),
    "a line that is paid as it comes": (
        another("refunds.PayoutLine", "id = {drafted}", position="99", status="'dropped'"), "only a draft takes lines",
    ),
    "one case in two batches": (
        another("refunds.PayoutLine", "id = {waiting}", batch_id="{draft}", position="99"),
        "refund_waits_in_one_payout",
    ),
    "one case twice in a batch": (
        another("refunds.PayoutLine", "id = {drafted}", position="99"), "payout_line_is_once_in_its_batch",
    ),
    "two lines with one number": (
        another("refunds.PayoutLine", "id = {drafted}", refund_id="{free}", amount_fen="7000"),
        "payout_lines_are_numbered",
    ),
    "a line about more": (f"UPDATE {LINE} SET amount_fen = amount_fen + 1 WHERE id = {{waiting}}", "Cannot update"),
    "a line about another case": (f"UPDATE {LINE} SET refund_id = {{free}} WHERE id = {{waiting}}", "Cannot update"),
    "paid by nothing": (
        f"UPDATE {LINE} SET status = 'sent' WHERE id = {{waiting}}", "what paid it is about something else",
    ),
    "paid by what paid another": (
        f"UPDATE {LINE} SET status = 'sent', disbursement_id = {{paid_by}} WHERE id = {{waiting}}",
        "what paid it is about something else",
    ),
    "two lines paid by one": (
        f"ALTER TABLE {LINE} DISABLE TRIGGER USER; "
        f"UPDATE {LINE} SET status = 'sent', disbursement_id = {{paid_by}} WHERE id = {{waiting}}",
        "disbursement_id_key",
    ),
    "not sent, yet paid": (
        f"UPDATE {LINE} SET disbursement_id = {{paid_by}} WHERE id = {{waiting}}",
        "sent_payout_line_names_what_paid_it",
    ),
    "sent is sent": (
        f"UPDATE {LINE} SET status = 'waiting', disbursement_id = NULL WHERE id = {{sent}}", "no step leads",
    ),
    "paid before it was checked": (
        f"UPDATE {LINE} SET status = 'failed', reason = 'x' WHERE id = {{drafted}}", "no step leads",
    ),
    "failed, and nobody knows why": (
        f"UPDATE {LINE} SET status = 'failed' WHERE id = {{waiting}}", "unpaid_payout_line_says_why",
    ),
    "an invented state of a line": (
        f"ALTER TABLE {LINE} DISABLE TRIGGER USER; UPDATE {LINE} SET status = 'lost' WHERE id = {{waiting}}",
        "payout_line_status_is_listed",
    ),
    "a batch that never was": (f"DELETE FROM {BATCH} WHERE id = {{draft}}", "Cannot delete"),
    "a line that never was": (f"DELETE FROM {LINE} WHERE id = {{sent}}", "Cannot delete"),
    "a step that never was": ("UPDATE refunds_payoutevent SET step = 'x'", "Cannot update"),
}  # fmt: skip


@pytest.fixture
def books(finance, cashier, approved, monkeypatch):
    """One batch half paid, one proposed, one a draft, and a case that is in none."""
    other = person("third", "finance")
    approved(price_fen=8800), approved(price_fen=6600)
    sending = checked(made(finance), finance, cashier)
    monkeypatch.setattr(paying, "TURN", 1)
    paying.sweep(at=clock.now())
    approved(price_fen=5500)
    proposed = made(finance)
    batches.propose(proposed, by=finance, at=clock.now())
    approved(price_fen=4400)
    draft = made(cashier)
    sent = sending.lines.get(status="sent")
    return {
        "sending": sending.pk, "open": proposed.pk, "draft": draft.pk, "other": other.pk, "sent": sent.pk,
        "waiting": sending.lines.get(status="waiting").pk, "drafted": draft.lines.get().pk,
        "paid_by": sent.disbursement_id, "free": approved(price_fen=7000).pk,
    }  # fmt: skip


def test_every_attack_is_refused_by_name(books):
    """I11: whoever asks, by whatever way: checker and maker, lines and total, what paid what."""
    attacks.check(ATTACKS, books)
    assert PayoutLine.objects.filter(status="sent").count() == 1
    assert invariants.broken() == []
