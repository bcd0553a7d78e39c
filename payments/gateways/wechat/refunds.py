"""退款 as WeChat Pay words it: the refund object, who got the money, and the banks that take a redirected one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from payments.gateways.base import BankCard, NeverSent, ReceivedAccountKind, RefundOutcome, RefundRequest, RefundState
from payments.gateways.reading import Odd, expect, text
from payments.gateways.wechat.answers import Answer
from payments.gateways.wechat.fields import Body, fen, moment, number, yuan_amount
from payments.gateways.wechat.sending import fit

REFUND_STATES = {
    "PROCESSING": RefundState.ACCEPTED,
    "SUCCESS": RefundState.SUCCEEDED,
    "ABNORMAL": RefundState.RETURNED,
    "CLOSED": RefundState.CLOSED,
}

#: 异常退款可退至的十五家银行的借记卡: ``BankCard.bank_code`` → the bank's name.
REDIRECT_BANKS: Mapping[str, str] = {
    "CMB_DEBIT": "招商银行",
    "COMM_DEBIT": "交通银行",
    "ABC_DEBIT": "农业银行",
    "CCB_DEBIT": "建设银行",
    "ICBC_DEBIT": "工商银行",
    "BOC_DEBIT": "中国银行",
    "PAB_DEBIT": "平安银行",
    "SPDB_DEBIT": "浦发银行",
    "CITIC_DEBIT": "中信银行",
    "CEB_DEBIT": "光大银行",
    "CMBC_DEBIT": "民生银行",
    "CIB_DEBIT": "兴业银行",
    "GDB_DEBIT": "广发银行",
    "PSBC_DEBIT": "邮储银行",
    "NBCB_DEBIT": "宁波银行",
}


def refund_outcome(body: Body, request: RefundRequest) -> RefundOutcome:
    """Read a refund object, the same from every call. Another *amount* is for the caller to see and to hold (G16)."""
    expect(body, "out_refund_no", request.request_no)
    expect(body, "out_trade_no", request.payment_no)
    amount = yuan_amount(body)
    expect(amount, "total", request.payment_total_fen)
    state = REFUND_STATES.get(text(body, "status"))
    if state is None:
        raise Odd("status")
    account = str(body.get("user_received_account") or "")[:64]
    if state is RefundState.SUCCEEDED and account.startswith("商户"):
        # An abnormal refund that was settled to the merchant: a success for the channel, nothing for the buyer.
        state = RefundState.BACK_WITH_MERCHANT
    return RefundOutcome(
        state,
        request.request_no,
        amount_fen=fen(amount, "refund"),
        channel_refund_id=number(body, "refund_id"),
        received_account=account,
        received_account_kind=received_account_kind(account),
        succeeded_at=moment(body, "success_time") if state is RefundState.SUCCEEDED else None,
    )


def send_refund(sdk: Any, request: RefundRequest) -> tuple[int, str | bytes]:
    if request.channel_transaction_id:
        order = {"transaction_id": request.channel_transaction_id}
    else:
        order = {"out_trade_no": request.payment_no}
    amount = {"refund": request.amount_fen, "total": request.payment_total_fen, "currency": "CNY"}
    answer: tuple[int, str | bytes] = sdk.refund(
        out_refund_no=request.request_no,
        amount=amount,
        reason=fit(request.reason, 80),
        notify_url=request.notify_url,
        **order,
    )
    return answer


def send_redirect(
    sdk: Any, request: RefundRequest, channel_refund_id: str, card: BankCard | None
) -> tuple[int, str | bytes]:
    """The SDK encrypts the card's number and its holder's name with WeChat's key."""
    to = (
        {"type": "USER_BANK_CARD", "bank_type": card.bank_code, "bank_account": card.card_no, "real_name": card.holder}
        if card
        else {"type": "MERCHANT_BANK_CARD"}
    )
    answer: tuple[int, str | bytes] = sdk.abnormal_refund(
        refund_id=channel_refund_id, out_refund_no=request.request_no, **to
    )
    return answer


def received_account_kind(account: str) -> ReceivedAccountKind:
    """入账账户: tell the wallet (支付用户零钱) from a bank card (招商银行信用卡0403). A merchant's is neither."""
    if account.startswith("商户"):
        return ReceivedAccountKind.UNKNOWN
    if "零钱" in account:
        return ReceivedAccountKind.WALLET
    if re.search("银行|信用卡|储蓄卡|借记卡", account):
        return ReceivedAccountKind.BANK_CARD
    return ReceivedAccountKind.UNKNOWN


def not_created(state: RefundState, request_no: str, answer: Answer) -> RefundOutcome:
    return RefundOutcome(state, request_no, code=answer.code, detail=answer.message)


def require_card(card: BankCard) -> None:
    """Raises NeverSent; says nothing of the card (I15)."""
    if card.bank_code not in REDIRECT_BANKS:
        raise NeverSent("bank_code", f"no debit card of a bank that takes one: {card.bank_code!r}")
    if not re.fullmatch(r"[0-9]{12,24}", card.card_no):
        raise NeverSent("card_no", "must be 12 to 24 digits")
    if not card.holder.strip() or len(card.holder) > 50:
        raise NeverSent("holder", "must be a name of at most 50 characters")
