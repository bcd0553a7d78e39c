"""Every documented code of Alipay's has one line in the tables, and one meaning."""

from __future__ import annotations

from typing import Any

import pytest

from payments.gateways.alipay import AlipayGateway
from payments.gateways.alipay.answers import GATEWAY_CODES, SUB_CODES, Call, Verdict, verdict_of
from payments.gateways.base import (
    GatewayError,
    GatewayMisconfigured,
    OutcomeUnknown,
    PaymentState,
    RefundState,
)
from tests.gateways.alipay_channel import (
    ORDER,
    QUERIED,
    REFUND,
    AlipayChannel,
    Script,
    error,
    ok,
)

#: As the fact sheet lists them (2.6, 2.7, 2.8, 2.2, 2.11).
GATEWAY = ["10000", "20000", "20001", "40001", "40002", "40003", "40004", "40005", "40006"]
REFUND_UNKNOWN = ["ACQ.SYSTEM_ERROR", "aop.ACQ.SYSTEM_ERROR", "AQC.SYSTEM_ERROR", "SYSTEM_ERROR"]
REFUND_LATER = ["ACQ.REFUND_CHARGE_ERROR"]
REFUND_NO_FUNDS = ["ACQ.SELLER_BALANCE_NOT_ENOUGH"]
REFUND_QUERY_FIRST = [
    "ACQ.DISCORDANT_REPEAT_REQUEST",
    "ACQ.TRADE_HAS_CLOSE",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL",
    "ACQ.REFUND_FEE_ERROR",
]
REFUND_HUMAN = [
    "ACQ.REASON_TRADE_BEEN_FREEZEN",
    "ACQ.REASON_TRADE_STATUS_INVALID",
    "ACQ.BUYER_ERROR",
    "ACQ.BUYER_NOT_EXIST",
    "ACQ.BUYER_ENABLE_STATUS_FORBID",
    "ACQ.CUSTOMER_VALIDATE_ERROR",
    "ACQ.REFUND_ACCOUNT_NOT_EXIST",
    "ACQ.USER_NOT_MATCH_ERR",
    "ACQ.ENTERPRISE_PAY_BIZ_ERROR",
    "ACQ.TRADE_SETTLE_ERROR",
]
REFUND_FINAL = [
    "ACQ.TRADE_HAS_FINISHED",
    "ACQ.TRADE_NOT_ALLOW_REFUND",
    "ACQ.NOT_ALLOW_PARTIAL_REFUND",
    "ACQ.ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND",
]
REFUND_OUR_DATA = ["ACQ.INVALID_PARAMETER", "ACQ.TRADE_NOT_EXIST", "ACQ.TRADE_STATUS_ERROR", "ACQ.CURRENCY_NOT_SUPPORT"]
REFUND_OTHER_PRODUCTS = [
    "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR",
    "ACQ.OVERDRAFT_ASSIGN_ACCOUNT_INVALID",
    "ACQ.OVERDRAFT_AGREEMENT_NOT_MATCH",
    "ACQ.REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST",
    "ACQ.REFUNDALLOC_UNAUTH_LIMIT",
]
REFUND_ALL = (
    REFUND_UNKNOWN[:1] + REFUND_LATER + REFUND_NO_FUNDS + REFUND_QUERY_FIRST + REFUND_HUMAN + REFUND_FINAL
    + REFUND_OUR_DATA + REFUND_OTHER_PRODUCTS
)  # fmt: skip
DOCUMENTED = {
    Call.OPEN: ["ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_CLOSE", "ACQ.CONTEXT_INCONSISTENT", "ACQ.TOTAL_FEE_EXCEED"],
    Call.QUERY: ["ACQ.SYSTEM_ERROR", "ACQ.INVALID_PARAMETER", "ACQ.TRADE_NOT_EXIST"],
    Call.CLOSE: ["ACQ.SYSTEM_ERROR", "ACQ.INVALID_PARAMETER", "ACQ.TRADE_NOT_EXIST", "ACQ.TRADE_STATUS_ERROR"],
    Call.REFUND: REFUND_ALL,
    Call.QUERY_REFUND: [
        "ACQ.SYSTEM_ERROR",
        "ACQ.INVALID_PARAMETER",
        "TRADE_NOT_EXIST",
        "ACQ.TRADE_NOT_EXIST",
        "ACQ.ENTERPRISE_PAY_BIZ_ERROR",
    ],
    Call.BILL: [
        "NO_BILL_DATA",
        "BILL_NOT_EXIST",
        "INVAILID_ARGUMENTS",
        "BILL_DATE_BEFORE_REGISTRATION",
        "TYPE_NOT_SUPPORTED",
        "UNKNOWN_ERROR",
        "SYSTEM_RATE_LIMIT",
        "USER_RATE_LIMIT",
        "isp.bill_not_exist",
        "invalid_arguments",
    ],
}


def test_every_documented_code_has_a_line() -> None:
    assert len(REFUND_ALL) == len(set(REFUND_ALL)) == 31
    assert set(GATEWAY) == set(GATEWAY_CODES)
    without = {
        (call, code)
        for call, codes in DOCUMENTED.items()
        for code in codes
        if code.split(".")[-1].upper() not in SUB_CODES[call]
    }
    assert without == set()


@pytest.mark.parametrize("call", Call)
def test_what_no_table_lists_is_unknown(call: Call) -> None:
    assert verdict_of(call, "40004", "ACQ.SOMETHING_NEW") is Verdict.UNKNOWN
    assert verdict_of(call, "40004", "") is Verdict.UNKNOWN
    assert verdict_of(call, "40007", "") is Verdict.UNKNOWN
    assert verdict_of(call, "", "ACQ.TRADE_NOT_EXIST") is Verdict.UNKNOWN


UNKNOWN, MISCONFIGURED, REFUSED = OutcomeUnknown, GatewayMisconfigured, GatewayError
REFUSALS = [code for code in REFUND_QUERY_FIRST if code != "ACQ.DISCORDANT_REPEAT_REQUEST"]
#: call, gateway code, sub_code → a state, or the exception that is raised. Queries find nothing meanwhile.
ANSWERS: list[tuple[Call, str, str, Any]] = [
    *[(call, code, "", MISCONFIGURED) for call in Call if call is not Call.BILL
      for code in ("20001", "40001", "40002", "40003", "40006")],
    *[(call, code, "", UNKNOWN) for call in Call if call is not Call.BILL for code in ("20000", "40005", "40004")],
    (Call.REFUND, "20000", "aop.unknow-error", UNKNOWN),
    (Call.REFUND, "40005", "isv.app-call-limited", UNKNOWN),
    (Call.REFUND, "40002", "isv.invalid-signature", MISCONFIGURED),
    (Call.REFUND, "40002", "isv.suspected-attack", RefundState.REFUSED),
    (Call.OPEN, "40002", "isv.suspected-attack", REFUSED),
    (Call.QUERY, "40002", "isv.suspected-attack", UNKNOWN),
    *[(Call.REFUND, "40004", code, UNKNOWN) for code in [*REFUND_UNKNOWN, *REFUND_LATER, "ACQ.NEVER_HEARD_OF"]],
    *[(Call.REFUND, "40004", code, RefundState.NO_FUNDS) for code in REFUND_NO_FUNDS],
    (Call.REFUND, "40004", "ACQ.DISCORDANT_REPEAT_REQUEST", UNKNOWN),
    *[(Call.REFUND, "40004", code, RefundState.REFUSED) for code in REFUSALS + REFUND_HUMAN + REFUND_OTHER_PRODUCTS],
    *[(Call.REFUND, "40004", code, RefundState.CLOSED) for code in REFUND_FINAL + REFUND_OUR_DATA],
    *[(Call.OPEN, "40004", code, REFUSED) for code in DOCUMENTED[Call.OPEN]],
    (Call.OPEN, "40004", "ACQ.SYSTEM_ERROR", UNKNOWN),
    (Call.OPEN, "40004", "ACQ.INVALID_PARAMETER", REFUSED),
    (Call.QUERY, "40004", "ACQ.TRADE_NOT_EXIST", PaymentState.NOT_FOUND),
    (Call.QUERY, "40004", "ACQ.SYSTEM_ERROR", UNKNOWN),
    (Call.QUERY, "40004", "ACQ.INVALID_PARAMETER", UNKNOWN),
    (Call.CLOSE, "40004", "ACQ.TRADE_NOT_EXIST", PaymentState.NOT_FOUND),
    (Call.CLOSE, "40004", "ACQ.SYSTEM_ERROR", UNKNOWN),
    (Call.CLOSE, "40004", "ACQ.INVALID_PARAMETER", UNKNOWN),
    (Call.CLOSE, "40004", "ACQ.TRADE_STATUS_ERROR", UNKNOWN),  # not open, says the one; unheard of, says the other
    (Call.QUERY_REFUND, "40004", "ACQ.TRADE_NOT_EXIST", RefundState.NOT_FOUND),
    (Call.QUERY_REFUND, "40004", "TRADE_NOT_EXIST", RefundState.NOT_FOUND),
    (Call.QUERY_REFUND, "40004", "ACQ.SYSTEM_ERROR", UNKNOWN),
    (Call.QUERY_REFUND, "40004", "ACQ.INVALID_PARAMETER", UNKNOWN),
    (Call.QUERY_REFUND, "40004", "ACQ.ENTERPRISE_PAY_BIZ_ERROR", UNKNOWN),
]  # fmt: skip


def ask(gateway: AlipayGateway, call: Call) -> Any:
    return {
        Call.OPEN: lambda: gateway.open_payment(ORDER),
        Call.QUERY: lambda: gateway.query_payment(ORDER.payment_no),
        Call.CLOSE: lambda: gateway.close_payment(ORDER.payment_no),
        Call.REFUND: lambda: gateway.refund(REFUND),
        Call.QUERY_REFUND: lambda: gateway.query_refund(REFUND),
    }[call]()


@pytest.mark.parametrize(("call", "code", "sub_code", "outcome"), ANSWERS)
def test_every_answer_has_one_meaning(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, call: Call, code: str, sub_code: str, outcome: Any
) -> None:
    alipay.answers |= {Call.QUERY_REFUND.value: ok(), call.value: error(code, sub_code)}
    if isinstance(outcome, type):
        with pytest.raises(outcome) as raised:
            ask(alipay_gateway, call)
        assert raised.type is outcome
        assert raised.value.code == (sub_code or code)
    else:
        assert ask(alipay_gateway, call).state is outcome


def test_no_line_of_the_tables_is_untested() -> None:
    tested = {(call, code.split(".")[-1].upper()) for call, _, code, _ in ANSWERS}
    listed = {(call, word) for call, words in SUB_CODES.items() for word in words if call is not Call.BILL}
    settled_alike = {
        (Call.CLOSE, word) for word, verdict in SUB_CODES[Call.CLOSE].items() if verdict is Verdict.SETTLED
    }
    assert listed - settled_alike <= tested


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (error("40005", "isv.app-call-limited"), 60),
        (error("40004", "ACQ.REFUND_CHARGE_ERROR"), 600),
        (error("40004", "aop.ACQ.SYSTEM_ERROR"), 10),
    ],
)
def test_a_pause_is_named_where_one_is_documented(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, answer: Script, seconds: int
) -> None:
    """G4: what was limited or broken is asked again under the same number, and not at once."""
    alipay.answers["alipay.trade.refund"] = answer
    with pytest.raises(OutcomeUnknown) as raised:
        alipay_gateway.refund(REFUND)
    assert raised.value.retry_after_seconds == seconds


@pytest.mark.parametrize("code", [*REFUND_QUERY_FIRST, *REFUND_HUMAN, *REFUND_FINAL, *REFUND_OUR_DATA])
def test_no_refusal_is_final_before_a_query_has_said_so(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, code: str
) -> None:
    alipay.answers["alipay.trade.refund"] = error("40004", code)
    alipay.answers["alipay.trade.fastpay.refund.query"] = ok(**QUERIED)
    assert alipay_gateway.refund(REFUND).state is RefundState.SUCCEEDED
    alipay.answers["alipay.trade.fastpay.refund.query"] = error("20000", "isp.unknow-error")
    with pytest.raises(OutcomeUnknown):
        alipay_gateway.refund(REFUND)
