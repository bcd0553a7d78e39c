"""SQL against the rules about lanes, shares and lookups afterwards: the database itself refuses, whoever asks.

Rules about cases and their money stand with the rules about payments, those about trials of a policy, and about what
is negotiated, by themselves.
"""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from refunds import audits, lanes
from refunds.models import AuditSample, ExpressOptIn, Lane
from tests import attacks
from tests.attacks import another
from tests.payments.test_constraints import ATTACKS as OF_CASES
from tests.refunds.test_negotiation_constraints import ATTACKS as OF_NEGOTIATIONS
from tests.refunds.test_payout_constraints import ATTACKS as OF_PAYOUTS
from tests.refunds.test_simulation_constraints import ATTACKS as OF_TRIALS

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(approved, buyer, operator, senior):
    """A case that a person decided, limits, an opt-in, and two samples of which one was looked at."""
    case, other = approved(price_fen=8800), approved(price_fen=6600)
    at = clock.now()
    lanes.switch(Lane.ONE_CLICK, is_on=False, by=operator, at=at, reason="测试")
    ExpressOptIn.objects.create(user=buyer, since=at)
    seen = AuditSample.objects.create(refund=case, lane=Lane.ONE_CLICK, drawn_at=at)
    audits.check(seen, verdict="right", note="", by=senior, at=at)
    waits = AuditSample.objects.create(refund=other, lane=Lane.EXPRESS, drawn_at=at)
    return {"case": case.pk, "seen": seen.pk, "waits": waits.pk, "senior": senior.pk}


REFUND, LIMITS, SAMPLE = "refunds_refund", "refunds_lanelimits", "refunds_auditsample"
ATTACKS = {
    "limits of what people decide": (
        another("refunds.LaneLimits", lane="'standard'"),
        "limits_are_of_an_automatic_lane",
    ),
    "limits of an invented lane": (another("refunds.LaneLimits", lane="'fast'"), "limits_are_of_an_automatic_lane"),
    "more looked at than there is": (another("refunds.LaneLimits", audit_percent="101"), "audit_percent_is_a_share"),
    "a cap below nothing": (another("refunds.LaneLimits", payer_fen="-1"), "payer_fen_check"),
    "a cap raised afterwards": (f"UPDATE {LIMITS} SET payer_fen = NULL", "Cannot update"),
    "a pause that never was": (f"DELETE FROM {LIMITS}", "Cannot update or delete"),
    "opted in twice": (another("refunds.ExpressOptIn"), "one_express_opt_in_at_a_time"),
    "judged by nobody": (
        f"UPDATE {SAMPLE} SET verdict = 'right' WHERE id = {{waits}}",
        "checked_sample_says_by_whom",
    ),
    "judged at no time": (
        f"UPDATE {SAMPLE} SET verdict = 'right', checked_by_id = {{senior}} WHERE id = {{waits}}",
        "checked_sample_says_by_whom",
    ),
    "looked at without a word": (
        f"UPDATE {SAMPLE} SET verdict = '' WHERE id = {{seen}}",
        "checked_sample_says_by_whom",
    ),
    "an invented verdict": (
        f"UPDATE {SAMPLE} SET verdict = 'maybe' WHERE id = {{seen}}",
        "checked_sample_says_by_whom",
    ),
    "one case drawn twice": (another("refunds.AuditSample", "id = {seen}"), f"{SAMPLE}_refund_id_key"),
    "an invented lane": (f"UPDATE {REFUND} SET lane = 'fast' WHERE id = {{case}}", "refund_lane_is_listed"),
    "a case that holds less than it asks for": (
        f"UPDATE {REFUND} SET held_fen = amount_fen - 1 WHERE id = {{case}}",
        "shops_money_is_held_for_open_case",
    ),
    "a case that ended and frees nothing": (
        f"UPDATE {REFUND} SET status = 'withdrawn', next_due_at = NULL WHERE id = {{case}}",
        "shops_money_is_held_for_open_case",
    ),
    "less than nothing held": (
        f"UPDATE {REFUND} SET held_fen = -1 WHERE id = {{case}}",
        "refunds_refund_held_fen_check",
    ),
    "a fee of more than the refund": (
        another("refunds.Refund", "id = {case}", refund_no="'R2'", fee_fen="amount_fen + 1"),
        "refund_fee_is_a_share",
    ),
    "a fee below nothing": (
        another("refunds.Refund", "id = {case}", refund_no="'R2'", fee_fen="-1"),
        "refunds_refund_fee_fen_check",
    ),
    "a case drawn and gone": (f"DELETE FROM {REFUND} WHERE id = {{case}}", "Cannot delete"),
}


def test_every_attack_is_refused_by_name(books):
    """P12: caps and what was looked at stay as they were said."""
    attacks.check(ATTACKS, books)
    assert invariants.broken() == []


OF_REPLIES = {name: ("", name) for name in ("canned_reply_says_something", "retired_canned_reply_says_when")}


def test_every_rule_of_refunds_is_attacked_somewhere():
    """Canned replies: ``tests/desk/test_canned.py``."""
    attacks.check_all_are_tried(ATTACKS | OF_CASES | OF_TRIALS | OF_NEGOTIATIONS | OF_PAYOUTS | OF_REPLIES, "refunds")
