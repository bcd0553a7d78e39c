"""A refund in Alipay's words: what is asked, and how its two answers are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from payments.gateways import reading
from payments.gateways.alipay import fields
from payments.gateways.base import ReceivedAccountKind, RefundOutcome, RefundRequest, RefundState
from payments.gateways.reading import Odd

BALANCE, BANK_CARD = "支付宝余额", "银行卡"
MOST_REASON_CHARACTERS = 256


def refund_content(request: RefundRequest) -> dict[str, Any]:
    """alipay.trade.refund. Only documented fields: others "may cause refund failure or duplicate refund"."""
    content = _numbers(request) | {
        "refund_amount": fields.yuan(request.amount_fen),
        # Without deposit_back_info here, Alipay never reports what became of the money at the bank.
        "query_options": ["refund_detail_item_list", "deposit_back_info"],
    }
    if reason := fields.plain_text(request.reason, MOST_REASON_CHARACTERS):
        content["refund_reason"] = reason
    return content


def query_content(request: RefundRequest) -> dict[str, Any]:
    """alipay.trade.fastpay.refund.query."""
    options = ["gmt_refund_pay", "refund_detail_item_list", "deposit_back_info"]
    return _numbers(request) | {"query_options": options}


@dataclass(frozen=True)
class Accepted:
    """An answer 10000 to a refund. ``outcome`` None: it does not say that money moved, and a query must."""

    outcome: RefundOutcome | None
    payment_refunded_fen: int | None


def accepted(body: dict[str, Any], request: RefundRequest) -> Accepted:
    """Read the answer to a refund. Raises Odd."""
    trade_no = _trade_of(body, request)
    refunded_fen = fields.optional_fen(body, "refund_fee")  # cumulative over the trade, not this refund
    if refunded_fen is not None and refunded_fen > request.payment_total_fen:
        raise Odd("refund_fee")
    if refunded_fen is None or refunded_fen < request.amount_fen:  # this refund is not in it, not yet at least
        return Accepted(None, None)
    if body.get("fund_change") != "Y":
        return Accepted(None, refunded_fen)
    # The answer does not repeat this refund's amount; a number that was used with another one is refused by Alipay.
    return Accepted(_succeeded(body, request, trade_no, request.amount_fen, refunded_fen), refunded_fen)


def queried(body: dict[str, Any], request: RefundRequest) -> RefundOutcome:
    """Read the answer to a refund query. Raises Odd."""
    status = body.get("refund_status")
    if status in (None, ""):
        # "Not received, or failed", or only not yet; a wrong number is answered the same.
        return RefundOutcome(RefundState.NOT_FOUND, request.request_no, code="empty_answer")
    if status != "REFUND_SUCCESS":
        raise Odd("refund_status")
    trade_no = _trade_of(body, request)
    reading.expect(body, "out_request_no", request.request_no)
    if fields.fen(body, "total_amount") != request.payment_total_fen:
        raise Odd("total_amount")
    return _succeeded(body, request, trade_no, fields.fen(body, "refund_amount"), None)


def channel_refund_id(trade_no: str, request_no: str) -> str:
    """Alipay has no number for a refund; its bills know one by this pair."""
    return f"{trade_no}-{request_no}"


def _numbers(request: RefundRequest) -> dict[str, Any]:
    trade = request.channel_transaction_id
    return {
        **({"trade_no": trade} if trade else {"out_trade_no": request.payment_no}),
        "out_request_no": request.request_no,
    }


def _trade_of(body: dict[str, Any], request: RefundRequest) -> str:
    reading.expect(body, "out_trade_no", request.payment_no)
    trade_no = fields.number(body, "trade_no")
    if request.channel_transaction_id and trade_no != request.channel_transaction_id:
        raise Odd("trade_no")
    return trade_no


def _succeeded(
    body: dict[str, Any], request: RefundRequest, trade_no: str, amount_fen: int, payment_refunded_fen: int | None
) -> RefundOutcome:
    arrival = _arrival(body)
    return RefundOutcome(
        RefundState.SUCCEEDED,
        request.request_no,
        amount_fen=amount_fen,
        channel_refund_id=channel_refund_id(trade_no, request.request_no),
        received_account=arrival.account,
        received_account_kind=arrival.kind,
        succeeded_at=fields.time(body, "gmt_refund_pay"),
        payment_refunded_fen=payment_refunded_fen,
        arrival_expected_at=arrival.expected_at,
        bank_acknowledged_at=arrival.acknowledged_at,
        code=arrival.code,
    )


@dataclass(frozen=True)
class _Arrival:
    kind: ReceivedAccountKind
    account: str = ""
    expected_at: datetime | None = None
    acknowledged_at: datetime | None = None
    code: str = ""


def _arrival(body: dict[str, Any]) -> _Arrival:
    """Where the money went (银行卡冲退). A bank that does not take it: the buyer's balance has it, by itself."""
    info = body.get("deposit_back_info")
    info = info if isinstance(info, dict) else {}
    status = info.get("dback_status")
    if status == "F":
        return _Arrival(ReceivedAccountKind.WALLET, BALANCE, code="DBACK_FAILED_TO_BALANCE")
    if status in ("S", "P") or _true(info.get("has_deposit_back")) or _true(body.get("has_deposit_back")):
        return _Arrival(
            ReceivedAccountKind.BANK_CARD,
            BANK_CARD,
            expected_at=_time_or_none(info, "est_bank_receipt_time"),
            acknowledged_at=_time_or_none(info, "bank_ack_time") if status == "S" else None,
        )
    return _by_fund_channels(body.get("refund_detail_item_list"))


def _by_fund_channels(items: Any) -> _Arrival:
    channels = {item.get("fund_channel") for item in items if isinstance(item, dict)} if isinstance(items, list) else ()
    if channels == {"ALIPAYACCOUNT"}:
        return _Arrival(ReceivedAccountKind.WALLET, BALANCE)
    if "BANKCARD" in channels:
        return _Arrival(ReceivedAccountKind.BANK_CARD, BANK_CARD)
    return _Arrival(ReceivedAccountKind.UNKNOWN)


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "y")


def _time_or_none(body: dict[str, Any], name: str) -> datetime | None:
    """A time that only informs: an odd one is none, and does not undo a success."""
    try:
        return fields.time(body, name)
    except Odd:
        return None
