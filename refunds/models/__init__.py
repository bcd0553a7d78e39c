"""The case: who asks, who decides, by when, with which proof. ``lifecycle/`` is the only code that moves it."""

from refunds.models.balance import BalanceCredit
from refunds.models.canned import CannedReply
from refunds.models.case import (
    NOTHING_HELD,
    Destination,
    Disbursement,
    Lane,
    PreCheck,
    Queue,
    Refund,
    RefundEvent,
    RefundLine,
    Status,
    new_refund_no,
)
from refunds.models.evidence import DraftImage, Evidence, RefundDraft
from refunds.models.lanes import AuditSample, ExpressOptIn, LaneLimits
from refunds.models.negotiation import (
    Answer,
    Appeal,
    Consultation,
    Ground,
    Objection,
    Offer,
    OfferKind,
    RedirectAgreement,
    RedirectTransfer,
)
from refunds.models.pace import ArrivalFigures, StageFigures
from refunds.models.payout import BatchStatus, LineStatus, PayoutBatch, PayoutEvent, PayoutLine
from refunds.models.simulation import PolicySimulation, SimulatedChange, SimulationStatus

__all__ = [
    "NOTHING_HELD", "Answer", "Appeal", "ArrivalFigures", "AuditSample", "BalanceCredit", "BatchStatus", "CannedReply",
    "Consultation", "Destination", "Disbursement", "DraftImage", "Evidence", "ExpressOptIn", "Ground", "Lane",
    "LaneLimits", "LineStatus", "Objection", "Offer", "OfferKind", "PayoutBatch", "PayoutEvent", "PayoutLine",
    "PolicySimulation", "PreCheck", "Queue", "RedirectAgreement", "RedirectTransfer", "Refund", "RefundDraft",
    "RefundEvent", "RefundLine", "SimulatedChange", "SimulationStatus", "StageFigures", "Status", "new_refund_no",
]  # fmt: skip
