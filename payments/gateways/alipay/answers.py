"""What each word of Alipay's means to us, as data. Start at ``verdict_of``, then ``SUB_CODES``.

An answer carries a gateway code (10000, 40004 …) and, with 40004, a sub_code such as ``ACQ.TRADE_HAS_CLOSE``. The same
word comes with several prefixes (``ACQ.``, ``aop.ACQ.``, ``AQC.``, ``isp.``, none) and in both cases, so the tables
list bare words in capitals. What no table lists is unknown, whatever it sounds like.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class Call(enum.Enum):
    """What we ask of the channel; the value is Alipay's name of the method."""

    OPEN = "alipay.trade.precreate"
    QUERY = "alipay.trade.query"
    CLOSE = "alipay.trade.close"
    REFUND = "alipay.trade.refund"
    QUERY_REFUND = "alipay.trade.fastpay.refund.query"
    BILL = "alipay.data.dataservice.bill.downloadurl.query"


class Verdict(enum.Enum):
    """What one answer means."""

    ANSWERED = "answered"  # 10000: the body says the rest
    BY_SUB_CODE = "by_sub_code"  # 40004: a table below says the rest; never returned by verdict_of
    UNKNOWN = "unknown"  # raised as OutcomeUnknown
    LATER = "later"  # not done; the same again after a while. Raised as OutcomeUnknown
    LIMITED = "limited"  # 40005: not executed, we are too fast. Raised as OutcomeUnknown
    MISCONFIGURED = "misconfigured"  # raised as GatewayMisconfigured
    REFUSED = "refused"  # the channel will not do this one thing; a human must look
    FINAL = "final"  # the channel will never do this one thing
    TAKEN = "taken"  # this number has been used before: only a query tells what for
    SETTLED = "settled"  # the payment is no longer open: a query tells how it ended
    NOT_FOUND = "not_found"
    NO_FUNDS = "no_funds"
    NOT_YET = "not_yet"  # no bill yet
    EMPTY = "empty"  # there will be no bill


def verdict_of(call: Call, code: str, sub_code: str) -> Verdict:
    """Return what the gateway ``code`` and ``sub_code`` mean to ``call``."""
    if "suspected-attack" in sub_code:
        # About the texts of this one request, not about our keys: it must not stop the whole channel.
        return Verdict.REFUSED if call in (Call.OPEN, Call.REFUND) else Verdict.UNKNOWN
    verdict = GATEWAY_CODES.get(code, Verdict.UNKNOWN)
    if verdict is not Verdict.BY_SUB_CODE:
        return verdict
    if SYSTEM_ERROR in sub_code.upper():
        return Verdict.UNKNOWN
    return SUB_CODES[call].get(word_of(sub_code), Verdict.UNKNOWN)


def word_of(sub_code: str) -> str:
    """``isp.bill_not_exist`` → ``BILL_NOT_EXIST``: the prefix and the case say nothing."""
    return sub_code.rpartition(".")[2].upper()


GATEWAY_CODES: Mapping[str, Verdict] = {
    "10000": Verdict.ANSWERED,
    "20000": Verdict.UNKNOWN,
    "20001": Verdict.MISCONFIGURED,
    "40001": Verdict.MISCONFIGURED,
    "40002": Verdict.MISCONFIGURED,
    "40003": Verdict.MISCONFIGURED,
    "40004": Verdict.BY_SUB_CODE,
    "40005": Verdict.LIMITED,
    "40006": Verdict.MISCONFIGURED,
}

#: Wherever it stands in a sub_code: the request may have been executed.
SYSTEM_ERROR = "SYSTEM_ERROR"

_HUMAN_AT_THE_CHANNEL = dict.fromkeys(
    (
        "REASON_TRADE_BEEN_FREEZEN",
        "REASON_TRADE_STATUS_INVALID",
        "BUYER_ERROR",
        "BUYER_NOT_EXIST",
        "BUYER_ENABLE_STATUS_FORBID",
        "CUSTOMER_VALIDATE_ERROR",
        "REFUND_ACCOUNT_NOT_EXIST",
        "USER_NOT_MATCH_ERR",
        "ENTERPRISE_PAY_BIZ_ERROR",
        "TRADE_SETTLE_ERROR",
    ),
    Verdict.REFUSED,
)
_OTHER_PRODUCTS = dict.fromkeys(  # royalties and advances, which we do not use
    (
        "ALLOC_AMOUNT_VALIDATE_ERROR",
        "OVERDRAFT_ASSIGN_ACCOUNT_INVALID",
        "OVERDRAFT_AGREEMENT_NOT_MATCH",
        "REFUND_ROYALTY_PAYEE_ACCOUNT_NOT_EXIST",
        "REFUNDALLOC_UNAUTH_LIMIT",
    ),
    Verdict.REFUSED,
)
_FINAL_HERE = dict.fromkeys(  # pay back another way
    (
        "TRADE_HAS_FINISHED",
        "TRADE_NOT_ALLOW_REFUND",
        "NOT_ALLOW_PARTIAL_REFUND",
        "ONLINE_TRADE_VOUCHER_NOT_ALLOW_REFUND",
    ),
    Verdict.FINAL,
)
_OUR_DATA_WRONG = dict.fromkeys(
    ("INVALID_PARAMETER", "TRADE_NOT_EXIST", "TRADE_STATUS_ERROR", "CURRENCY_NOT_SUPPORT"),
    Verdict.FINAL,
)
#: All 31 documented sub_codes of alipay.trade.refund; REFUSED and FINAL are said only after a query found nothing.
_REFUND = {
    SYSTEM_ERROR: Verdict.UNKNOWN,
    "SELLER_BALANCE_NOT_ENOUGH": Verdict.NO_FUNDS,
    "REFUND_CHARGE_ERROR": Verdict.LATER,
    "DISCORDANT_REPEAT_REQUEST": Verdict.TAKEN,
    "TRADE_HAS_CLOSE": Verdict.REFUSED,  # perhaps refunded in full, by us or by somebody else
    "REASON_TRADE_REFUND_FEE_ERR": Verdict.REFUSED,
    "REFUND_AMT_NOT_EQUAL_TOTAL": Verdict.REFUSED,  # over what is left: a refund outside us (G21)?
    "REFUND_FEE_ERROR": Verdict.REFUSED,
    **_HUMAN_AT_THE_CHANNEL,
    **_FINAL_HERE,
    **_OUR_DATA_WRONG,
    **_OTHER_PRODUCTS,
}

#: 40004's sub_code, without prefix, → verdict. The same word may mean different things to different calls.
SUB_CODES: Mapping[Call, Mapping[str, Verdict]] = {
    Call.OPEN: {
        SYSTEM_ERROR: Verdict.UNKNOWN,
        "INVALID_PARAMETER": Verdict.REFUSED,
        "TRADE_HAS_SUCCESS": Verdict.REFUSED,
        "TRADE_HAS_CLOSE": Verdict.REFUSED,
        "CONTEXT_INCONSISTENT": Verdict.REFUSED,  # the same number with other data
        "TOTAL_FEE_EXCEED": Verdict.REFUSED,
    },
    Call.QUERY: {
        SYSTEM_ERROR: Verdict.UNKNOWN,
        "INVALID_PARAMETER": Verdict.UNKNOWN,  # a refused question says nothing about what was asked after
        "TRADE_NOT_EXIST": Verdict.NOT_FOUND,
    },
    Call.CLOSE: {
        SYSTEM_ERROR: Verdict.UNKNOWN,
        "INVALID_PARAMETER": Verdict.UNKNOWN,
        "TRADE_NOT_EXIST": Verdict.NOT_FOUND,
        "TRADE_STATUS_ERROR": Verdict.SETTLED,
        "REASON_TRADE_STATUS_INVALID": Verdict.SETTLED,
        "REASON_ILLEGAL_STATUS": Verdict.SETTLED,
        "TRADE_HAS_SUCCESS": Verdict.SETTLED,
        "TRADE_HAS_FINISHED": Verdict.SETTLED,
        "TRADE_HAS_CLOSE": Verdict.SETTLED,
    },
    Call.REFUND: _REFUND,
    Call.QUERY_REFUND: {
        SYSTEM_ERROR: Verdict.UNKNOWN,
        "INVALID_PARAMETER": Verdict.UNKNOWN,
        "TRADE_NOT_EXIST": Verdict.NOT_FOUND,
        "ENTERPRISE_PAY_BIZ_ERROR": Verdict.UNKNOWN,
    },
    Call.BILL: {
        "BILL_NOT_EXIST": Verdict.NOT_YET,  # bills come late at times: not existing is not empty
        "NO_BILL_DATA": Verdict.NOT_YET,
        "BILL_DATE_BEFORE_REGISTRATION": Verdict.EMPTY,
        "INVAILID_ARGUMENTS": Verdict.UNKNOWN,  # sic; a day that is not over yet is one of its causes
        "INVALID_ARGUMENTS": Verdict.UNKNOWN,
        "TYPE_NOT_SUPPORTED": Verdict.MISCONFIGURED,
        "UNKNOWN_ERROR": Verdict.UNKNOWN,
        "UNKNOW_ERROR": Verdict.UNKNOWN,
        "SYSTEM_RATE_LIMIT": Verdict.LIMITED,
        "USER_RATE_LIMIT": Verdict.LIMITED,
    },
}
