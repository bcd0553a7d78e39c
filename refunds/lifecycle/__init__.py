"""The life of a refund: one table (``table.py``), one short function per step. Start reading there.

``taking.take`` is the only code that writes a status: it locks and rereads the cases (in key order), refuses what the
table does not list, runs the step's own block, and writes status and events in the same transaction, for one case or
for fifty. From the table come the buttons, the API's list of allowed steps, the picture in the README, and the test
that every other (status × step × role) is refused.

The steps stand by phase, in the order in which a case lives: ``prechecking``, ``shop``, ``offers``, ``review``,
``appeals``, ``release``, ``arrival``, ``redirect``; what they refuse by stands in ``guards``, by when each status ends
in ``clocking``.
"""

from refunds.lifecycle.allowed import above_limit, allowed_each, allowed_steps, demand_right, demand_status
from refunds.lifecycle.appeals import appeal, dismiss_appeal, grant_appeal, reopen, uphold_appeal
from refunds.lifecycle.arrival import (
    confirm_arrival,
    explain_missing,
    mark_paid_out,
    mark_returned,
    mark_transferred,
    reissue,
    reissue_above_limit,
    report_missing,
    resume,
)
from refunds.lifecycle.guards import unclosed
from refunds.lifecycle.offers import (
    accept_offer,
    accept_replacement,
    confirm_offer,
    decline_offer,
    lapse_offer,
    make_offer,
    offer,
    propose_offer,
)
from refunds.lifecycle.prechecking import ask_merchant, auto_approve, send_to_review, turn_down
from refunds.lifecycle.redirect import (
    confirm_redirect,
    lapse_redirect,
    request_transfer,
    revoke_redirect,
    send_to_card,
    sign_redirect,
)
from refunds.lifecycle.release import cannot_send, credit_balance, disburse, halt
from refunds.lifecycle.review import (
    approve,
    approve_canceled,
    approve_second,
    claim,
    close,
    consult,
    escalate,
    extend,
    hand_over,
    lapse_evidence,
    provide_evidence,
    record_answer,
    reject,
    reject_second,
    request_evidence,
    request_more,
    send_back,
    uphold,
    urge,
    withdraw,
)
from refunds.lifecycle.shop import agree, agree_above_limit, contest
from refunds.lifecycle.table import AT_REST, BACK, PLATFORM, QUEUE_OF, REVIEWS, SAME, STEPS, Step
from refunds.lifecycle.taking import SWEEP, StepRefused, is_automatic, is_in_charge, open_cases, roles_on, take

__all__ = [
    "AT_REST", "BACK", "PLATFORM", "QUEUE_OF", "REVIEWS", "SAME", "STEPS", "SWEEP", "Step", "StepRefused",
    "above_limit", "accept_offer", "accept_replacement", "agree", "agree_above_limit", "allowed_each",
    "allowed_steps", "appeal", "approve", "approve_canceled", "approve_second", "ask_merchant", "auto_approve",
    "cannot_send", "claim", "close", "confirm_arrival", "confirm_offer", "confirm_redirect", "consult", "contest",
    "credit_balance", "decline_offer", "demand_right", "demand_status", "disburse", "dismiss_appeal", "escalate",
    "explain_missing", "extend",
    "grant_appeal", "halt", "hand_over", "is_automatic", "is_in_charge", "lapse_evidence", "lapse_offer",
    "lapse_redirect", "make_offer", "mark_paid_out", "mark_returned", "mark_transferred", "offer",
    "open_cases", "propose_offer", "provide_evidence", "record_answer", "reissue", "reissue_above_limit", "reject",
    "reject_second", "reopen", "report_missing", "request_evidence", "request_more", "request_transfer", "resume",
    "revoke_redirect", "roles_on", "send_back", "send_to_card", "send_to_review", "sign_redirect", "take", "turn_down",
    "unclosed", "uphold", "uphold_appeal", "urge", "withdraw",
]  # fmt: skip
