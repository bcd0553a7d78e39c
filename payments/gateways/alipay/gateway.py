"""支付宝 (Alipay OpenAPI V2, public-key mode): scan, wap and page payments, and their refunds.

Start at ``AlipayGateway``; ``answers.py`` says what each word of the channel means to us. No word of Alipay's leaves
this package but as ``code`` for staff.

Three things are unlike WeChat Pay. ``code`` 10000 is not a success: only ``fund_change=Y``, or a query that says
``REFUND_SUCCESS``, is (G10). An empty query never means failed. And there is no refund number of the channel's:
``channel_refund_id`` joins the two numbers that its bills know a refund by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import IO, Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from payments.gateways import reading
from payments.gateways.alipay import bills, fields, notifications, refunds
from payments.gateways.alipay.answers import Call, Verdict, verdict_of
from payments.gateways.alipay.client import AlipayClient, NotSent, ResultUnknown, Unsigned
from payments.gateways.base import (
    BankCard,
    BillFlaw,
    BillKind,
    BillLine,
    BillState,
    GatewayError,
    GatewayMisconfigured,
    Limits,
    NeverSent,
    Notification,
    OutcomeUnknown,
    PaymentOrder,
    PaymentOutcome,
    PaymentState,
    PayMethod,
    RefundOutcome,
    RefundRequest,
    RefundState,
    Reply,
)
from payments.gateways.reading import Odd

OFFICIAL_GATEWAY = "https://openapi.alipay.com/gateway.do"
PAUSE_WHEN_LIMITED_SECONDS = 60
PAUSE_BEFORE_QUERY_SECONDS = 10  # documented: ask after a refund 10 s later at the earliest
PAUSE_WHEN_FEES_FAIL_SECONDS = 600  # documented: "after a while"

T = TypeVar("T")


@dataclass(frozen=True)
class AlipayCredentials:
    """One app of one merchant (``seller_id`` = 2088…). Keys are PEM (PKCS#1 or #8) or bare Base64 text.

    ``alipay_public_key`` is Alipay's, not the app's. ``gateway`` is the whole address of ``gateway.do``; empty for the
    real one. Nothing secret shows in ``repr`` (I15).
    """

    app_id: str
    seller_id: str
    app_private_key: str = field(repr=False)
    alipay_public_key: str = field(repr=False)
    gateway: str = ""


class AlipayGateway:
    """``base.Gateway`` for one Alipay app. Build one per process; share it freely.

    Raises GatewayMisconfigured when the credentials cannot work at all.
    """

    tells_bank_arrival = True
    methods = frozenset({PayMethod.SCAN, PayMethod.PHONE, PayMethod.COMPUTER})
    #: Alipay publishes no number of refunds per payment and no calls per second; ours are modest.
    limits = Limits(
        refundable_days=365, most_refunds=1000, between_refunds_seconds=3, calls_per_second=20, failures_per_second=20
    )

    def __init__(self, credentials: AlipayCredentials) -> None:
        self._credentials = credentials
        self._client = _build_client(credentials)

    # --- 收款 ---

    def open_payment(self, order: PaymentOrder) -> str:
        """As ``base``. PHONE and COMPUTER return a signed address, made without a call.

        A SCAN code lives two hours at most, whatever ``expires_at`` says.
        """
        if order.method not in self.methods:
            _not_offered(str(order.method))
        fields.require_order(order)
        biz = {
            "out_trade_no": order.payment_no,
            "total_amount": fields.yuan(order.amount_fen),
            "subject": fields.plain_text(order.description, 85),  # 256, should they be bytes
            "time_expire": fields.china_time(order.expires_at),
        }
        if order.method is PayMethod.SCAN:
            return self._open_code(biz, order)
        public = {"notify_url": order.notify_url, "return_url": order.return_url}
        if order.method is PayMethod.COMPUTER:
            return self._client.address_of(
                "alipay.trade.page.pay", {**biz, "product_code": "FAST_INSTANT_TRADE_PAY"}, **public
            )
        if order.return_url:
            biz["quit_url"] = order.return_url
        return self._client.address_of("alipay.trade.wap.pay", {**biz, "product_code": "QUICK_WAP_WAY"}, **public)

    def in_app_parameters(self, till: str) -> Mapping[str, str]:
        """Always NeverSent: the wap page serves inside Alipay's app too."""
        _not_offered("IN_APP")

    def login_address(self, return_url: str, state: str) -> str:
        """Always NeverSent."""
        _not_offered("IN_APP")

    def payer_of(self, code: str) -> str:
        """Always NeverSent."""
        _not_offered("IN_APP")

    def query_payment(self, payment_no: str) -> PaymentOutcome:
        """As ``base``. Before the buyer scans, Alipay knows no such trade: NOT_FOUND, which may still be paid."""
        fields.require_payment_no(payment_no)
        answer = self._ask(Call.QUERY, {"out_trade_no": payment_no})
        if answer.verdict is Verdict.NOT_FOUND:
            return PaymentOutcome(PaymentState.NOT_FOUND, payment_no)
        return _read(answer, lambda body: _payment_outcome(body, payment_no))

    def close_payment(self, payment_no: str) -> PaymentOutcome:
        """As ``base``. A refusal is settled by one query (G20)."""
        fields.require_payment_no(payment_no)
        answer = self._ask(Call.CLOSE, {"out_trade_no": payment_no})
        if answer.verdict is Verdict.NOT_FOUND:
            return PaymentOutcome(PaymentState.NOT_FOUND, payment_no)
        if answer.verdict is Verdict.SETTLED:
            stands = self.query_payment(payment_no)
            if stands.state not in (PaymentState.PAID, PaymentState.CLOSED):
                raise OutcomeUnknown(answer.code, answer.message)
            return stands
        _read(answer, lambda body: reading.expect(body, "out_trade_no", payment_no))
        return PaymentOutcome(PaymentState.CLOSED, payment_no)

    # --- 退款 ---

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """As ``base``. ``payment_refunded_fen``: Alipay's cumulative sum; more than ours is a refund outside us (G21).

        Money that moved is a success; every other answer is settled by one query (G10). So REFUSED and CLOSED mean:
        nothing was created. A query that finds nothing yet after an accepted request is OutcomeUnknown.
        """
        fields.require_refund(request)
        answer = self._ask(Call.REFUND, refunds.refund_content(request))
        if answer.verdict is Verdict.NO_FUNDS:
            return _not_created(RefundState.NO_FUNDS, request, answer)
        if answer.verdict is Verdict.ANSWERED:
            return self._settle_accepted(answer, request)
        stands = self.query_refund(request)
        if stands.state is not RefundState.NOT_FOUND:
            return stands
        if answer.verdict is Verdict.TAKEN:
            # "Refunded with another amount", and the query finds nothing: not to be decided from here.
            raise OutcomeUnknown(answer.code, answer.message, PAUSE_BEFORE_QUERY_SECONDS)
        return _not_created(_REFUSALS[answer.verdict], request, answer)

    def query_refund(self, request: RefundRequest) -> RefundOutcome:
        """As ``base``. ``amount_fen`` is what Alipay refunded under this number, for the caller to compare (G16)."""
        fields.require_refund(request)
        answer = self._ask(Call.QUERY_REFUND, refunds.query_content(request))
        if answer.verdict is Verdict.NOT_FOUND:
            return _not_created(RefundState.NOT_FOUND, request, answer)
        return _read(answer, lambda body: refunds.queried(body, request))

    def redirect_refund(self, request: RefundRequest, channel_refund_id: str, card: BankCard | None) -> RefundOutcome:
        """Always NeverSent: what a bank does not take goes to the buyer's Alipay balance by itself."""
        _not_offered("redirects of refunds")

    # --- 对账 ---

    def fetch_bill(self, kind: BillKind, day: date, into: IO[bytes]) -> BillState:
        """As ``base``: the detail list out of Alipay's zip, its GB18030 rewritten as UTF-8 and nothing else changed.

        Ask from 10:00 China time of the next day on; bills come late at times.
        """
        answer = self._ask(Call.BILL, {"bill_type": bills.TYPES[kind], "bill_date": day.isoformat()})
        if answer.verdict in _BILL_STATES:
            return _BILL_STATES[answer.verdict]
        if str(answer.body.get("bill_file_code", "")).startswith("EMPTY_DATA"):
            return BillState.EMPTY
        address = _read(answer, lambda body: reading.text(body, "bill_download_url", 4096))
        bills.fetch(kind, address, self._client.gateway, into)  # at once: the address lives 30 seconds
        return BillState.READY

    def read_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine]:
        """As ``base``. Columns are found by name; the totals at the end must fit."""
        return bills.read(kind, bill)

    def scan_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]:
        """As ``base``."""
        return bills.scan(kind, bill)

    # --- 通知 ---

    def read_notification(self, headers: Mapping[str, str], body: bytes, *, real_time: datetime) -> Notification:
        """As ``base``. Alipay's notifications carry no signed time limit: a replay is known by its notification id."""
        if real_time.tzinfo is None:
            raise ValueError("read_notification: real_time must be timezone-aware")
        ours = notifications.Ours(self._credentials.app_id, self._credentials.seller_id)
        return notifications.read(body, ours, self._client.signed_by_alipay)

    def received(self) -> Reply:
        """Exactly these seven bytes: anything else is sent again up to 25 hours long."""
        return Reply(200, b"success")

    def refused(self, code: str) -> Reply:
        return Reply(400, b"fail")

    # --- How ---

    def _open_code(self, biz: dict[str, Any], order: PaymentOrder) -> str:
        answer = self._ask(Call.OPEN, biz, notify_url=order.notify_url)
        if answer.verdict is Verdict.REFUSED:
            raise GatewayError(answer.code, answer.message)

        def code_of(body: dict[str, Any]) -> str:
            reading.expect(body, "out_trade_no", order.payment_no)
            return reading.text(body, "qr_code", 1024)

        return _read(answer, code_of)

    def _settle_accepted(self, answer: _Answer, request: RefundRequest) -> RefundOutcome:
        accepted = _read(answer, lambda body: refunds.accepted(body, request))
        if accepted.outcome:
            return accepted.outcome
        stands = self.query_refund(request)
        if stands.state is RefundState.NOT_FOUND:
            # Accepted, and no trace of it yet: "not yet or failed". The same request again will tell.
            raise OutcomeUnknown("fund_change_n", "accepted, not refunded yet", PAUSE_BEFORE_QUERY_SECONDS)
        return replace(stands, payment_refunded_fen=accepted.payment_refunded_fen)

    def _ask(self, call: Call, biz: dict[str, Any], **public: str) -> _Answer:
        """Make one call and judge its answer. Raises OutcomeUnknown and GatewayMisconfigured."""
        try:
            body = self._client.ask(call.value, biz, **public)
        except NotSent as error:
            raise OutcomeUnknown("not_sent", str(error)) from error
        except Unsigned as error:
            # What Alipay cannot tell whose it is (a wrong app_id, a wrong key) it refuses without a signature. To
            # believe that much stops and alarms, and decides nothing about any payment or refund.
            if verdict_of(call, error.claimed_code, error.claimed_sub_code) is Verdict.MISCONFIGURED:
                raise GatewayMisconfigured(error.claimed_sub_code or error.claimed_code, "unsigned") from error
            raise OutcomeUnknown(error.code, str(error)) from error
        except ResultUnknown as error:
            raise OutcomeUnknown(error.code, str(error)) from error
        code, sub_code = _word(body, "code"), _word(body, "sub_code")
        verdict = verdict_of(call, code, sub_code)
        word, message = sub_code or code, str(body.get("sub_msg") or body.get("msg") or "")[:200]
        if verdict is Verdict.MISCONFIGURED:
            raise GatewayMisconfigured(word, message)
        if verdict in (Verdict.UNKNOWN, Verdict.LATER, Verdict.LIMITED):
            raise OutcomeUnknown(word or "odd_answer", message, _pause_seconds(call, verdict))
        return _Answer(verdict, word, message, body)


@dataclass(frozen=True)
class _Answer:
    verdict: Verdict
    code: str
    message: str
    body: dict[str, Any]


_REFUSALS = {Verdict.REFUSED: RefundState.REFUSED, Verdict.FINAL: RefundState.CLOSED}
_BILL_STATES = {Verdict.NOT_YET: BillState.NOT_YET, Verdict.EMPTY: BillState.EMPTY}
_PAYMENT_STATES = {
    "WAIT_BUYER_PAY": PaymentState.UNPAID,
    "TRADE_SUCCESS": PaymentState.PAID,  # also after a partial refund
    "TRADE_FINISHED": PaymentState.PAID,  # final: no refunds any more
    "TRADE_CLOSED": PaymentState.CLOSED,  # or refunded in full
}


def _pause_seconds(call: Call, verdict: Verdict) -> int | None:
    if verdict is Verdict.LIMITED:
        return PAUSE_WHEN_LIMITED_SECONDS
    if verdict is Verdict.LATER:
        return PAUSE_WHEN_FEES_FAIL_SECONDS
    return PAUSE_BEFORE_QUERY_SECONDS if call in (Call.REFUND, Call.QUERY_REFUND) else None


def _payment_outcome(body: dict[str, Any], payment_no: str) -> PaymentOutcome:
    reading.expect(body, "out_trade_no", payment_no)
    state = _PAYMENT_STATES.get(reading.text(body, "trade_status"))
    if state is None:
        raise Odd("trade_status")
    paid_at = fields.time(body, "send_pay_date")
    if state is PaymentState.CLOSED and paid_at:
        # Closed unpaid, and refunded in full, are the same word. Only a trade that was paid has a time of payment; a
        # mistake the other way costs nobody money, because all of it is back with the buyer.
        state = PaymentState.PAID
    if state is not PaymentState.PAID:
        return PaymentOutcome(state, payment_no)
    return PaymentOutcome(
        state,
        payment_no,
        amount_fen=fields.fen(body, "total_amount"),  # not buyer_pay_amount: coupons are the channel's affair
        channel_transaction_id=fields.number(body, "trade_no"),
        paid_at=paid_at,
        payer=_payer(body),
    )


def _payer(body: dict[str, Any]) -> str:
    """An app that was changed to open ids is told these alone."""
    user_id = reading.text_or_nothing(body, "buyer_user_id", 128)
    return user_id or reading.text_or_nothing(body, "buyer_open_id", 128)


def _not_created(state: RefundState, request: RefundRequest, answer: _Answer) -> RefundOutcome:
    return RefundOutcome(state, request.request_no, code=answer.code, detail=answer.message)


def _read(answer: _Answer, read: Callable[[dict[str, Any]], T]) -> T:
    """Read a verified body; one odd field makes the whole answer one that cannot be trusted."""
    try:
        return read(answer.body)
    except Odd as odd:
        raise OutcomeUnknown("odd_answer", str(odd)) from None


def _word(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    return value[:64] if isinstance(value, str) else ""


def _not_offered(what: str) -> NoReturn:
    raise NeverSent("not_offered", f"Alipay offers no {what}")


def _build_client(credentials: AlipayCredentials) -> AlipayClient:
    for name in ("app_id", "seller_id", "app_private_key", "alipay_public_key"):
        if not getattr(credentials, name):
            raise GatewayMisconfigured("credentials", f"{name} is empty")
    gateway = credentials.gateway or OFFICIAL_GATEWAY
    parts = urlsplit(gateway)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise GatewayMisconfigured("credentials", "gateway must be the whole http(s) address of gateway.do")
    try:
        return AlipayClient(credentials.app_id, credentials.app_private_key, credentials.alipay_public_key, gateway)
    except Exception as error:  # unreadable keys raise whatever their format's parser raises
        raise GatewayMisconfigured("credentials", f"a key cannot be read: {type(error).__name__}: {error}") from None
