"""A WeChat Pay that signs whatever a test scripts, an address that keeps notifications, and what both are about.

All real: RSA keys, AES-GCM, HTTP over a socket.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from payments.gateways.base import BillKind, PaymentOrder, RefundRequest
from payments.gateways.wechat import Call, WechatCredentials, WechatGateway

MCHID, APPID, PUBLIC_KEY_ID = "1900007291", "wxd678efh567hg6787", "PUB_KEY_ID_0119000072912025010100000001"
APIV3_KEY = "0123456789abcdefghijklmnopqrstuv"
MERCHANT_KEY, WECHAT_KEY, STRANGERS_KEY = (rsa.generate_private_key(65537, 2048) for _ in range(3))
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

ORDER = PaymentOrder("P2026112000000001", 1999, "游戏点卡 100 点", "https://shop.example/webhooks/wechat/payment", NOW)
REFUND = RefundRequest(
    request_no="P2026112000000001R1",
    payment_no=ORDER.payment_no,
    channel_transaction_id="4200001234202611200000000001",
    amount_fen=1000,
    payment_total_fen=1999,
    reason="卡密无法使用",
    notify_url="https://shop.example/webhooks/wechat/refund",
)
REFUND_BODY: dict[str, Any] = {
    "refund_id": "50300807092026112000000000001",
    "out_refund_no": REFUND.request_no,
    "transaction_id": REFUND.channel_transaction_id,
    "out_trade_no": REFUND.payment_no,
    "channel": "ORIGINAL",
    "user_received_account": "支付用户零钱",
    "create_time": "2026-11-20T20:00:00+08:00",
    "status": "PROCESSING",
    "amount": {"total": 1999, "refund": 1000, "payer_total": 1899, "payer_refund": 950, "currency": "CNY"},
}
PAYMENT_BODY: dict[str, Any] = {
    "mchid": MCHID,
    "appid": APPID,
    "out_trade_no": ORDER.payment_no,
    "transaction_id": REFUND.channel_transaction_id,
    "trade_type": "NATIVE",
    "trade_state": "SUCCESS",
    "success_time": "2026-11-20T20:00:01+08:00",
    "payer": {"openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "amount": {"total": 1999, "payer_total": 1899, "currency": "CNY", "payer_currency": "CNY"},
}
BILL_DAY = date(2026, 11, 19)
BILL_BODY = {
    "hash_type": "SHA1",
    "hash_value": "79bb0f45fc4c42234a918000b2668d689e2bde04",
    "download_url": "https://api.mch.weixin.qq.com/v3/billdownload/file?token=6XIv5TUPto7pByrTQKhd",
}


@dataclass(frozen=True)
class Reply:
    """One scripted answer, genuine unless spoiled."""

    status: int
    body: Any
    raw: bytes | None = None
    key: rsa.RSAPrivateKey = field(default_factory=lambda: WECHAT_KEY)
    tampered: bool = False
    headers: dict[str, str | None] = field(default_factory=dict)
    cut_after: int | None = None
    hang_up: bool = False
    drip_seconds: float = 0


@dataclass(frozen=True)
class Asked:
    path: str
    body: bytes
    command: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Channel(ThreadingHTTPServer):
    """A WeChat Pay that answers each call as the test says, signed by the platform's key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.answers: dict[Call, Any] = {}  # a Reply, or what makes one of the path
        self.requests: list[Asked] = []
        self.connections = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


#: What was asked for, by verb and path.
WAYS = [
    ("POST", r"/v3/pay/transactions/(native|jsapi|h5)$", Call.OPEN),
    ("POST", r"/v3/pay/transactions/out-trade-no/\w+/close$", Call.CLOSE),
    ("GET", r"/v3/pay/transactions/out-trade-no/\w+$", Call.QUERY),
    ("POST", r"/v3/refund/domestic/refunds/\w+/apply-abnormal-refund$", Call.REDIRECT),
    ("POST", r"/v3/refund/domestic/refunds$", Call.REFUND),
    ("GET", r"/v3/refund/domestic/refunds/\w+$", Call.QUERY_REFUND),
    ("GET", r"/v3/bill/(tradebill|fundflowbill)$", Call.BILL),
    ("GET", r"/v3/(billdownload/file$|merchant-service/images/)", Call.DOWNLOAD),
    ("GET", r"/v3/certificates$", Call.CERTIFICATES),
    ("GET", r"/v3/merchant-service/", Call.ASK_COMPLAINT),
    ("POST PUT DELETE", r"/v3/merchant-service/", Call.WRITE_COMPLAINT),
]


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Channel

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append(Asked(self.path, body, self.command, dict(self.headers.items())))
        scripted = self.server.answers[self.which()]
        reply = scripted if isinstance(scripted, Reply) else scripted(self.path)
        if reply.hang_up:
            self.close_connection = True
            return
        body = reply.raw if reply.raw is not None else json.dumps(reply.body).encode() if reply.body else b""
        headers = signature_headers(reply.key, body, int(time.time())) | reply.headers | {"Content-Type": None}
        body += b" " if reply.tampered else b""
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.headers.get("Content-Type") or "application/json; charset=utf-8")
        if reply.status != 204:
            self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.close_connection |= reply.cut_after is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client gave up: that is the point
            self.speak(body[: reply.cut_after], reply.drip_seconds)

    do_POST = do_PUT = do_DELETE = do_GET

    def speak(self, body: bytes, drip_seconds: float) -> None:
        if not drip_seconds:
            self.wfile.write(body)
            return
        for byte in body:
            self.wfile.write(bytes([byte]))
            threading.Event().wait(drip_seconds)

    def which(self) -> Call:
        path = urlsplit(self.path).path
        return next(call for command, ways, call in WAYS if self.command in command and re.match(ways, path))

    def log_message(self, *_: Any) -> None:
        pass


class Mailbox(ThreadingHTTPServer):
    """The address that notifications are sent to; keeps them as they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Letter)
        self.letters: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

    def next(self) -> tuple[dict[str, str], bytes]:
        return self.letters.get(timeout=20)

    def order(self, payment_no: str) -> PaymentOrder:
        expires_at = datetime.now(UTC) + timedelta(hours=1)
        return PaymentOrder(payment_no, 1999, "游戏点卡 100 点", f"http://127.0.0.1:{self.server_port}/pay", expires_at)

    def refund(self, payment_no: str, request_no: str, amount_fen: int = 1000) -> RefundRequest:
        notify_url = f"http://127.0.0.1:{self.server_port}/refund"
        return RefundRequest(request_no, payment_no, "", amount_fen, 1999, "卡密无法使用", notify_url)


class Letter(BaseHTTPRequestHandler):
    server: Mailbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.letters.put((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def channel() -> Iterator[Channel]:
    with serving(Channel()) as running:
        yield running


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving(Mailbox()) as running:
        yield running


@pytest.fixture
def credentials(channel: Channel) -> WechatCredentials:
    return WechatCredentials(
        mchid=MCHID,
        appid=APPID,
        apiv3_key=APIV3_KEY,
        cert_serial_no="444F4864EA9B34415A2B5C6D7E8F901234567890",
        private_key=private_pem(MERCHANT_KEY),
        public_key=public_pem(WECHAT_KEY),
        public_key_id=PUBLIC_KEY_ID,
        gateway=channel.address,
    )


@pytest.fixture
def gateway(credentials: WechatCredentials) -> WechatGateway:
    return WechatGateway(credentials)


@pytest.fixture
def simulated(simulator: Any) -> WechatGateway:
    """The gateway that the suite's simulator made credentials for."""
    from django.conf import settings

    assert os.environ["CHANNELS"] == "simulated"
    return WechatGateway(WechatCredentials(**settings.WECHAT))


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(gateway: WechatGateway, call: Call) -> Any:
    asks: dict[Call, Callable[[], Any]] = {
        Call.OPEN: lambda: gateway.open_payment(ORDER),
        Call.QUERY: lambda: gateway.query_payment(ORDER.payment_no),
        Call.CLOSE: lambda: gateway.close_payment(ORDER.payment_no),
        Call.REFUND: lambda: gateway.refund(REFUND),
        Call.QUERY_REFUND: lambda: gateway.query_refund(REFUND),
        Call.REDIRECT: lambda: gateway.redirect_refund(REFUND, REFUND_BODY["refund_id"], None),
        Call.BILL: lambda: gateway.fetch_bill(BillKind.TRADES, BILL_DAY, io.BytesIO()),
        Call.DOWNLOAD: lambda: gateway.fetch_bill(BillKind.TRADES, BILL_DAY, io.BytesIO()),
        Call.ASK_COMPLAINT: lambda: gateway.complaints.complaint("200201820200101080076610000"),
        Call.WRITE_COMPLAINT: lambda: gateway.complaints.complete("200201820200101080076610000"),
    }
    return asks[call]()


def signature_headers(key: rsa.RSAPrivateKey, body: bytes, timestamp: int) -> dict[str, str | None]:
    nonce = "K8264ILTKCH16CQ2502SI8ZNMTM67VS2"
    signed = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return {
        "Wechatpay-Timestamp": str(timestamp),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(key.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode(),
        "Wechatpay-Serial": PUBLIC_KEY_ID,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def private_pem(key: rsa.RSAPrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()
