"""微信支付 (APIv3) as ``base.Gateway``: one method for each thing that we ask of the channel.

What each answer means stands in ``answers.py``; how the SDK is built and connected in ``client.py``. What the SDK does
not do is done here: time-outs, pooled and size-capped connections, the 5-minute window of notifications, and never a
download that a stranger's serial number asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import IO, Any

from wechatpayv3.utils import rsa_verify

from payments.gateways.base import (
    BankCard,
    BillFlaw,
    BillKind,
    BillLine,
    BillState,
    GatewayError,
    Limits,
    NeverSent,
    Notification,
    NotificationRefused,
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
from payments.gateways.reading import Odd, expect, text, text_or_nothing
from payments.gateways.wechat import bills, notifications, tills
from payments.gateways.wechat.answers import Call, Verdict, read
from payments.gateways.wechat.client import WechatClient, WechatCredentials
from payments.gateways.wechat.complaints import WechatComplaints
from payments.gateways.wechat.fields import Body, fen, moment, number, yuan_amount
from payments.gateways.wechat.notifications import MAX_NOTIFICATION_BYTES, NOTIFICATION_WINDOW_SECONDS
from payments.gateways.wechat.refunds import not_created, refund_outcome, require_card, send_redirect, send_refund
from payments.gateways.wechat.sending import (
    china_time,
    fit,
    require_fen,
    require_notify_url,
    require_payment_no,
    require_refund,
)

_PAYMENT_STATES = {
    "NOTPAY": PaymentState.UNPAID,
    "USERPAYING": PaymentState.UNPAID,
    "PAYERROR": PaymentState.UNPAID,
    "SUCCESS": PaymentState.PAID,
    "REFUND": PaymentState.PAID,  # also after a partial refund
    "CLOSED": PaymentState.CLOSED,
    "REVOKED": PaymentState.CLOSED,
}
_CLOSE_STATES = {
    Verdict.CLOSED: PaymentState.CLOSED,
    Verdict.PAID: PaymentState.PAID,
    Verdict.NOT_FOUND: PaymentState.NOT_FOUND,
}


class WechatGateway:
    """``base.Gateway`` for one WeChat Pay merchant. Build one per process (28 ms of RSA checks); share it freely.

    Raises GatewayMisconfigured when the credentials cannot work at all.
    """

    tells_bank_arrival = False  # success is the last that it says of a bank card
    limits = Limits(
        refundable_days=365, most_refunds=50, between_refunds_seconds=60, calls_per_second=150, failures_per_second=6
    )

    def __init__(self, credentials: WechatCredentials) -> None:
        in_app = {PayMethod.IN_APP} if credentials.app_secret else set()
        self.methods = frozenset({PayMethod.SCAN, PayMethod.PHONE} | in_app)
        self._credentials = credentials
        self._client = WechatClient(credentials)
        self.complaints = WechatComplaints(self._client)

    # --- 收款 ---

    def open_payment(self, order: PaymentOrder) -> str:
        require_payment_no(order.payment_no)
        require_fen(order.amount_fen)
        require_notify_url(order.notify_url)
        if not order.description:
            raise NeverSent("description", "is empty")
        self._require(order.method)
        options = tills.order_options(order)
        answer = self._client.ask(
            Call.OPEN,
            lambda sdk: sdk.pay(
                description=fit(order.description, 127),
                out_trade_no=order.payment_no,
                amount={"total": order.amount_fen, "currency": "CNY"},
                time_expire=china_time(order.expires_at),
                notify_url=order.notify_url,
                **options,
            ),
        )
        if answer.verdict is Verdict.REFUSED:
            raise GatewayError(answer.code, answer.message)
        return read(answer, lambda body: tills.till_of(order, body))

    def in_app_parameters(self, till: str) -> Mapping[str, str]:
        self._require(PayMethod.IN_APP)
        return tills.in_app_parameters(self._client, till)

    def login_address(self, return_url: str, state: str) -> str:
        self._require(PayMethod.IN_APP)
        return tills.login_address(self._credentials, return_url, state)

    def payer_of(self, code: str) -> str:
        self._require(PayMethod.IN_APP)
        return tills.payer_of(self._credentials, code)

    def query_payment(self, payment_no: str) -> PaymentOutcome:
        require_payment_no(payment_no)
        answer = self._client.ask(Call.QUERY, lambda sdk: sdk.query(out_trade_no=payment_no))
        if answer.verdict is Verdict.NOT_FOUND:
            return PaymentOutcome(PaymentState.NOT_FOUND, payment_no)
        return read(answer, lambda body: self._payment_outcome(body, payment_no))

    def close_payment(self, payment_no: str) -> PaymentOutcome:
        """As ``base``; NOT_FOUND when the channel never heard of it. A refusal is settled by one query (G20)."""
        require_payment_no(payment_no)
        answer = self._client.ask(Call.CLOSE, lambda sdk: sdk.close(out_trade_no=payment_no))
        if answer.verdict is Verdict.REFUSED:
            stands = self.query_payment(payment_no)
            if stands.state is PaymentState.UNPAID:
                raise OutcomeUnknown(answer.code, answer.message)
            return stands
        return PaymentOutcome(_CLOSE_STATES[answer.verdict], payment_no)

    # --- 退款 ---

    def refund(self, request: RefundRequest) -> RefundOutcome:
        """As ``base``. Before it says REFUSED or CLOSED it asks once whether the number exists after all.

        So both mean: nothing was created. Whatever else was unclear is OutcomeUnknown, and the caller asks.
        A different ``amount_fen`` in the outcome is for the caller to see and to hold (G16).
        """
        require_refund(request)
        answer = self._client.ask(Call.REFUND, lambda sdk: send_refund(sdk, request))
        if answer.verdict is Verdict.NO_FUNDS:
            return not_created(RefundState.NO_FUNDS, request.request_no, answer)
        if answer.verdict in (Verdict.REFUSED, Verdict.FINAL):
            # INVALID_REQUEST also says "you asked this before": what the number stands at decides, not the complaint.
            stands = self.query_refund(request)
            if stands.state is RefundState.NOT_FOUND:
                final = answer.verdict is Verdict.FINAL
                return not_created(RefundState.CLOSED if final else RefundState.REFUSED, request.request_no, answer)
            return stands
        return read(answer, lambda body: refund_outcome(body, request))

    def query_refund(self, request: RefundRequest) -> RefundOutcome:
        require_refund(request)
        answer = self._client.ask(Call.QUERY_REFUND, lambda sdk: sdk.query_refund(out_refund_no=request.request_no))
        if answer.verdict is Verdict.NOT_FOUND:
            return not_created(RefundState.NOT_FOUND, request.request_no, answer)
        return read(answer, lambda body: refund_outcome(body, request))

    def redirect_refund(self, request: RefundRequest, channel_refund_id: str, card: BankCard | None) -> RefundOutcome:
        """As ``base``: 异常退款. REFUSED when the channel will not, and the refund still stands as RETURNED."""
        require_refund(request)
        if not re.fullmatch(r"[0-9A-Za-z]{1,64}", channel_refund_id):
            raise NeverSent("channel_refund_id", "must be letters and digits")
        if card:
            require_card(card)
        answer = self._client.ask(Call.REDIRECT, lambda sdk: send_redirect(sdk, request, channel_refund_id, card))
        if answer.verdict is Verdict.REFUSED:
            # It may have been redirected before, by a call whose answer was lost or by hand: that counts then.
            stands = self.query_refund(request)
            if stands.state in (RefundState.RETURNED, RefundState.NOT_FOUND):
                return not_created(RefundState.REFUSED, request.request_no, answer)
            return stands
        return read(answer, lambda body: refund_outcome(body, request))

    # --- 对账 ---

    def fetch_bill(self, kind: BillKind, day: date, into: IO[bytes]) -> BillState:
        """As ``base``; also GatewayError where the channel will never have it (more than three months back)."""
        return bills.fetch(self._client, kind, day, into)

    def read_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine]:
        return bills.read_lines(kind, bill)

    def scan_bill(self, kind: BillKind, bill: IO[bytes]) -> Iterator[BillLine | BillFlaw]:
        return bills.scan(kind, bill)

    # --- 通知 ---

    def read_notification(self, headers: Mapping[str, str], body: bytes, *, real_time: datetime) -> Notification:
        """As ``base``. Every check of the channel's rules stands in front of the SDK, which has few (G13, G14, G18)."""
        if real_time.tzinfo is None:
            raise ValueError("read_notification: real_time must be timezone-aware")
        if len(body) > MAX_NOTIFICATION_BYTES:
            raise NotificationRefused("too_large")
        if not body.lstrip().startswith(b"{"):
            # v2 XML: a refund made by hand in the merchant platform, or by another system.
            raise NotificationRefused("not_json")
        signed = notifications.signature_headers(headers)
        self._check_signature(signed, body, real_time)
        envelope = notifications.envelope_of(body)
        resource = self._open(signed, body)
        mchid, appid = self._credentials.mchid, self._credentials.appid
        return notifications.notification_of(envelope, resource, mchid=mchid, appid=appid)

    def received(self) -> Reply:
        return Reply(204)

    def refused(self, code: str) -> Reply:
        return Reply(400, json.dumps({"code": "FAIL", "message": code}).encode(), "application/json")

    # --- How ---

    def _require(self, method: PayMethod) -> None:
        if method not in self.methods:
            raise NeverSent("not_offered", f"{method} is not offered by this account")

    def _payment_outcome(self, body: Body, payment_no: str) -> PaymentOutcome:
        expect(body, "out_trade_no", payment_no)
        expect(body, "mchid", self._credentials.mchid)
        expect(body, "appid", self._credentials.appid)
        state = _PAYMENT_STATES.get(text(body, "trade_state"))
        if state is None:
            raise Odd("trade_state")
        if state is not PaymentState.PAID:
            return PaymentOutcome(state, payment_no)
        amount = yuan_amount(body)
        return PaymentOutcome(
            state,
            payment_no,
            amount_fen=fen(amount, "total"),  # not payer_total: coupons are the channel's affair
            channel_transaction_id=number(body, "transaction_id"),
            paid_at=moment(body, "success_time"),
            payer=_payer(body),
        )

    def _check_signature(self, signed: dict[str, str], body: bytes, real_time: datetime) -> None:
        signature = signed[notifications.SIGNATURE]
        if signature.startswith("WECHATPAY/SIGNTEST/"):
            raise NotificationRefused("signtest", "the channel probes whether we verify")
        if not notifications.is_plain_base64(signature):  # the SDK's decoder would overlook what is odd in it
            raise NotificationRefused("bad_signature")
        if signed[notifications.SIGNATURE_TYPE] != "WECHATPAY2-SHA256-RSA2048":
            raise NotificationRefused("signature_type")
        timestamp = signed[notifications.TIMESTAMP]
        if not re.fullmatch(r"[0-9]{1,12}", timestamp):
            raise NotificationRefused("timestamp")
        if abs(real_time.timestamp() - int(timestamp)) > NOTIFICATION_WINDOW_SECONDS:
            raise NotificationRefused("timestamp_window")
        key = self._client.keys.key_of(signed[notifications.SERIAL], real_time)
        if key is None:
            raise NotificationRefused("unknown_serial")
        try:
            words = body.decode("utf-8")
        except UnicodeDecodeError:
            raise NotificationRefused("not_json") from None
        if not rsa_verify(timestamp, signed[notifications.NONCE], words, signature, key):
            raise NotificationRefused("bad_signature")

    def _open(self, signed: dict[str, str], body: bytes) -> dict[str, Any]:
        """Return the decrypted resource. A failure here, after a good signature, points at our APIv3 key."""
        try:
            opened = self._client.sdk.callback(signed, body)
        except Exception as error:  # the SDK raises bare Exception, ValueError, UnicodeDecodeError
            raise NotificationRefused("undecryptable", type(error).__name__) from error
        resource = opened.get("resource") if isinstance(opened, dict) else None
        if not isinstance(resource, dict):
            raise NotificationRefused("undecryptable")
        return resource


def _payer(body: Body) -> str:
    payer = body.get("payer")
    return text_or_nothing(payer, "openid", 128) if isinstance(payer, dict) else ""
