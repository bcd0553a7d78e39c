"""回答 → 结果: what each word of WeChat Pay means to us. Start at ``ANSWERS``.

The SDK returns 4xx and 5xx unverified and raises bare exceptions for the rest; ``ask`` turns both into one of the
outcomes of ``base.py``. No word of WeChat's leaves this package but as ``code`` for staff.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from payments.gateways.base import GatewayMisconfigured, OutcomeUnknown
from payments.gateways.reading import Odd
from payments.gateways.wechat.fields import Body, json_object

PAUSE_WHEN_LIMITED_SECONDS = 60

T = TypeVar("T")


class Call(enum.Enum):
    """What we ask of the channel."""

    OPEN = "open"
    QUERY = "query"
    CLOSE = "close"
    REFUND = "refund"
    QUERY_REFUND = "query_refund"
    REDIRECT = "abnormal_refund"
    BILL = "bill"
    DOWNLOAD = "download_bill"
    CERTIFICATES = "certificates"
    ASK_COMPLAINT = "ask_complaint"
    WRITE_COMPLAINT = "write_complaint"


class Verdict(enum.Enum):
    """What one answer means."""

    ANSWERED = "answered"  # verified 2xx: the body says the rest
    UNKNOWN = "unknown"  # raised as OutcomeUnknown
    MISCONFIGURED = "misconfigured"  # raised as GatewayMisconfigured
    REFUSED = "refused"  # the channel will not do this one thing as it was asked: a human looks
    FINAL = "final"  # the channel will never do this one thing, however it is asked
    NOT_FOUND = "not_found"
    NO_FUNDS = "no_funds"
    CLOSED = "closed"
    PAID = "paid"
    NOT_YET = "not_yet"  # a bill that is being made
    NONE = "none"  # a bill that will never be: no business that day


#: Stands for a status that the channel does not publish.
ANY_STATUS = 0

#: (HTTP status, code) → verdict, as WeChat Pay documents them; ``verdict_of`` has the rule for all others.
#: The same word may mean different things to different calls: 404 RESOURCE_NOT_EXISTS on a refund is an unknown
#: *order* (REFUSED), on its query an unknown *refund* (NOT_FOUND).
ANSWERS: Mapping[Call, Mapping[tuple[int, str], Verdict]] = {
    Call.OPEN: {
        (200, ""): Verdict.ANSWERED,
        (400, "APPID_MCHID_NOT_MATCH"): Verdict.MISCONFIGURED,
        (400, "PARAM_ERROR"): Verdict.REFUSED,
        (400, "INVALID_REQUEST"): Verdict.REFUSED,
        (400, "ORDER_CLOSED"): Verdict.REFUSED,
        (403, "OUT_TRADE_NO_USED"): Verdict.REFUSED,
        (403, "RULE_LIMIT"): Verdict.REFUSED,
        (403, "TRADE_ERROR"): Verdict.REFUSED,
    },
    Call.QUERY: {
        (200, ""): Verdict.ANSWERED,
        (404, "ORDER_NOT_EXIST"): Verdict.NOT_FOUND,
    },
    Call.CLOSE: {
        (200, ""): Verdict.CLOSED,
        (204, ""): Verdict.CLOSED,
        (400, "ORDER_CLOSED"): Verdict.CLOSED,
        (400, "ORDERPAID"): Verdict.PAID,
        (400, "ORDER_PAID"): Verdict.PAID,
        (404, "ORDER_NOT_EXIST"): Verdict.NOT_FOUND,
    },
    Call.REFUND: {
        (200, ""): Verdict.ANSWERED,
        (202, ""): Verdict.UNKNOWN,  # accepted, not finished: WeChat wants the identical request again
        (400, "PARAM_ERROR"): Verdict.REFUSED,  # about this one request; the others may still be sent
        (400, "INVALID_REQUEST"): Verdict.REFUSED,
        (403, "NOT_ENOUGH"): Verdict.NO_FUNDS,
        (403, "USER_ACCOUNT_ABNORMAL"): Verdict.FINAL,  # 用户账户已注销
        (404, "RESOURCE_NOT_EXISTS"): Verdict.REFUSED,
        (404, "MCH_NOT_EXISTS"): Verdict.MISCONFIGURED,
        (ANY_STATUS, "TRADE_OVERDUE"): Verdict.FINAL,  # 超过一年
        (ANY_STATUS, "REFUND_FEE_MISMATCH"): Verdict.REFUSED,
    },
    Call.QUERY_REFUND: {
        (200, ""): Verdict.ANSWERED,
        (404, "RESOURCE_NOT_EXISTS"): Verdict.NOT_FOUND,
        (404, "MCH_NOT_EXISTS"): Verdict.MISCONFIGURED,
    },
    Call.REDIRECT: {
        (200, ""): Verdict.ANSWERED,
        (202, ""): Verdict.UNKNOWN,
        (400, "PARAM_ERROR"): Verdict.REFUSED,
        (400, "INVALID_REQUEST"): Verdict.REFUSED,
        (403, "NOT_ENOUGH"): Verdict.REFUSED,
        (404, "RESOURCE_NOT_EXISTS"): Verdict.REFUSED,
        (404, "MCH_NOT_EXISTS"): Verdict.MISCONFIGURED,
    },
    Call.BILL: {
        (200, ""): Verdict.ANSWERED,
        (400, "STATEMENT_CREATING"): Verdict.NOT_YET,
        (400, "NO_STATEMENT_EXIST"): Verdict.NONE,
        (400, "INVALID_REQUEST"): Verdict.REFUSED,  # a day more than three months back
        (400, "PARAM_ERROR"): Verdict.REFUSED,
    },
    Call.DOWNLOAD: {
        (200, ""): Verdict.ANSWERED,
    },
    Call.CERTIFICATES: {
        (200, ""): Verdict.ANSWERED,
    },
    Call.ASK_COMPLAINT: {
        (200, ""): Verdict.ANSWERED,
        (404, "RESOURCE_NOT_EXISTS"): Verdict.NOT_FOUND,
    },
    Call.WRITE_COMPLAINT: {
        (200, ""): Verdict.ANSWERED,
        (204, ""): Verdict.ANSWERED,
        (400, "PARAM_ERROR"): Verdict.REFUSED,
        (400, "INVALID_REQUEST"): Verdict.REFUSED,
        (404, "RESOURCE_NOT_EXISTS"): Verdict.NOT_FOUND,
    },
}
ANSWERS_TO_ANY_CALL: Mapping[tuple[int, str], Verdict] = {
    (400, "MCH_NOT_EXISTS"): Verdict.MISCONFIGURED,
    (401, "SIGN_ERROR"): Verdict.MISCONFIGURED,
    (403, "NO_AUTH"): Verdict.MISCONFIGURED,
    (429, "FREQUENCY_LIMITED"): Verdict.UNKNOWN,
    (429, "RATELIMIT_EXCEEDED"): Verdict.UNKNOWN,
    (500, "SYSTEM_ERROR"): Verdict.UNKNOWN,
    (502, "SERVICE_UNAVAILABLE"): Verdict.UNKNOWN,
    (503, "SERVICE_UNAVAILABLE"): Verdict.UNKNOWN,
}
#: Words that never settle anything, whatever status they come with: the request may be in progress (G4).
BUSY_CODES = frozenset({"FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "SYSTEM_ERROR", "SERVICE_UNAVAILABLE"})
#: A refused question says nothing about the thing that was asked about.
_QUESTIONS = frozenset({Call.QUERY, Call.QUERY_REFUND})


def verdict_of(call: Call, status: int, code: str) -> Verdict:
    """Return what ``status`` and ``code`` mean to ``call``. What no table lists is unknown, unless plainly refused."""
    lines = ANSWERS[call]
    listed = lines.get((status, code)) or ANSWERS_TO_ANY_CALL.get((status, code))
    if listed:
        return listed
    if 400 <= status < 500 and (ANY_STATUS, code) in lines:
        return lines[ANY_STATUS, code]
    if status == 401:
        return Verdict.MISCONFIGURED
    plainly_refused = 400 <= status < 500 and status not in (408, 429) and code and code not in BUSY_CODES
    if plainly_refused and call not in _QUESTIONS:
        return Verdict.REFUSED
    return Verdict.UNKNOWN


@dataclass(frozen=True)
class Answer:
    """One answer of the channel with its verdict; ``raw`` is the body as the SDK gave it, ``body`` its JSON."""

    verdict: Verdict
    code: str
    message: str
    body: Body
    raw: str | bytes = b""


def ask(call: Call, send: Callable[[], tuple[int, str | bytes]]) -> Answer:
    """Make one SDK call and judge its answer. Raises OutcomeUnknown and GatewayMisconfigured."""
    try:
        status, raw = send()
    except Exception as error:  # bad signature, broken JSON, reset, time-out: the SDK has no exception class
        raise OutcomeUnknown("no_trusted_answer", f"{type(error).__name__}: {str(error)[:200]}") from error
    body = json_object(raw) if status >= 300 or call is not Call.DOWNLOAD else {}
    code = "" if status < 300 else str(body.get("code", ""))[:64]
    message = "" if status < 300 else str(body.get("message", ""))[:200]
    verdict = verdict_of(call, status, code)
    if verdict is Verdict.MISCONFIGURED:
        raise GatewayMisconfigured(code or f"http_{status}", message)
    if verdict is Verdict.UNKNOWN:
        limited = status == 429 or code in ("FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED")
        pause = PAUSE_WHEN_LIMITED_SECONDS if limited else None
        raise OutcomeUnknown(code or f"http_{status}", message, retry_after_seconds=pause)
    return Answer(verdict, code, message, body, raw)


def read(answer: Answer, reader: Callable[[Body], T]) -> T:
    """Read a verified body; one odd field makes the whole answer one that cannot be trusted."""
    try:
        return reader(answer.body)
    except Odd as odd:
        raise OutcomeUnknown("odd_answer", str(odd)) from None
