"""An Alipay that answers whatever a test scripts, over a real socket and with real signatures; and a forger's tools."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from payments.gateways.base import PaymentOrder, RefundRequest

APP_ID, SELLER_ID = "2021000000000001", "2088000000000001"
APP_KEY, ALIPAY_KEY, STRANGERS_KEY = (rsa.generate_private_key(65537, 2048) for _ in range(3))

ORDER = PaymentOrder(
    "P2026112000000001", 1999, "游戏点卡 100 点", "https://shop.example/notify/alipay/payment",
    datetime(2026, 11, 20, 12, 0, tzinfo=UTC), return_url="https://shop.example/orders/1",
)  # fmt: skip
REFUND = RefundRequest(
    request_no="P2026112000000001R1",
    payment_no=ORDER.payment_no,
    channel_transaction_id="2026112022001400000000000001",
    amount_fen=1000,
    payment_total_fen=1999,
    reason="卡密无法使用",
    notify_url="https://shop.example/notify/alipay/refund",
)
TRADE = {"trade_no": REFUND.channel_transaction_id, "out_trade_no": ORDER.payment_no}
REFUNDED = TRADE | {"fund_change": "Y", "refund_fee": "10.00", "gmt_refund_pay": "2026-11-20 20:05:00"}
QUERIED = TRADE | {
    "out_request_no": REFUND.request_no, "refund_status": "REFUND_SUCCESS", "refund_amount": "10.00",
    "total_amount": "19.99", "gmt_refund_pay": "2026-11-20 20:05:00", "refund_reason": REFUND.reason,
}  # fmt: skip
PAID = TRADE | {"total_amount": "19.99", "trade_status": "TRADE_SUCCESS", "send_pay_date": "2026-11-20 20:00:01",
                "buyer_pay_amount": "18.99", "receipt_amount": "19.99"}  # fmt: skip


def private_pem(key: rsa.RSAPrivateKey, form: str = "PKCS8") -> str:
    formats = {"PKCS8": serialization.PrivateFormat.PKCS8, "PKCS1": serialization.PrivateFormat.TraditionalOpenSSL}
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, formats[form], plain).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()


def bare(pem: str) -> str:
    return "".join(line for line in pem.splitlines() if not line.startswith("-----"))


def sign(content: str | bytes, key: rsa.RSAPrivateKey = ALIPAY_KEY) -> str:
    raw = content if isinstance(content, bytes) else content.encode()
    return base64.b64encode(key.sign(raw, padding.PKCS1v15(), hashes.SHA256())).decode()


@dataclass
class Script:
    """One answer: ``body`` is signed as the method's object, unless ``raw`` says the whole text or ``node`` another."""

    body: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200
    raw: str | bytes | None = None
    node: str = ""
    signed: bool = True
    key: rsa.RSAPrivateKey = ALIPAY_KEY
    dump: Callable[[Any], str] = staticmethod(lambda body: json.dumps(body, ensure_ascii=False))
    drop: bool = False

    def text(self, method: str) -> bytes:
        if self.raw is not None:
            return self.raw if isinstance(self.raw, bytes) else self.raw.encode()
        node, inside = self.node or method.replace(".", "_") + "_response", self.dump(self.body)
        signature = f',"sign":"{sign(inside, self.key)}"' if self.signed else ""
        return f'{{"{node}":{inside}{signature}}}'.encode()


def ok(**body: Any) -> Script:
    return Script({"code": "10000", "msg": "Success", **body})


def error(code: str, sub_code: str = "") -> Script:
    return Script({"code": code, "msg": "Business Failed", "sub_code": sub_code, "sub_msg": "原因"})


@dataclass
class Request:
    verb: str
    public: dict[str, str]
    biz: dict[str, Any]
    path: str


class AlipayChannel:
    """``answers``: method → Script, or a list that is used up one by one. ``requests``: what came, rightly signed."""

    def __init__(self) -> None:
        self.answers: dict[str, Script | list[Script]] = {}
        self.requests: list[Request] = []
        self.files: dict[str, bytes] = {}
        channel = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                script, method = channel.answer(self.command, self.path, body)
                if script.drop:
                    self.close_connection = True
                    return
                self.reply(script.status, script.text(method))

            def do_GET(self) -> None:
                file = channel.files.get(urlsplit(self.path).path)
                self.reply(200 if file is not None else 404, file or b"")

            def reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Type", "text/html;charset=utf-8")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def gateway(self) -> str:
        return f"{self.address}/gateway.do"

    def calls(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.public["method"] == method]

    def answer(self, verb: str, path: str, body: str) -> tuple[Script, str]:
        request = read_request(verb, path, body)
        self.requests.append(request)
        method = request.public["method"]
        script = self.answers.get(method, error("40004", "ACQ.TRADE_NOT_EXIST"))
        if isinstance(script, list):
            script = script.pop(0)
        return script, method

    def forget(self) -> None:
        self.answers, self.requests, self.files = {}, [], {}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def read_request(verb: str, path: str, body: str = "") -> Request:
    """Check the app's signature and return what was asked. Raises AssertionError."""
    query = urlsplit(path).query
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    params = dict(pairs)
    assert len(params) == len(pairs), "a parameter came twice"
    signature = base64.b64decode(params.pop("sign"))
    content = "&".join(f"{name}={value}" for name, value in sorted(params.items()) if value)
    try:
        APP_KEY.public_key().verify(signature, content.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise AssertionError(f"the request's signature does not cover {content}") from None
    return Request(verb, params, json.loads(params.pop("biz_content", "{}")), path)


def form(fields: Mapping[str, str], *, charset: str = "utf-8", key: rsa.RSAPrivateKey = ALIPAY_KEY,
         empties_signed: bool = False, **outside: str) -> bytes:  # fmt: skip
    """A notification's body: ``fields`` signed and url-encoded in ``charset``; ``outside`` is added unsigned."""
    whole = {"charset": charset, **fields}
    content = "&".join(f"{name}={value}" for name, value in sorted(whole.items()) if value or empties_signed)
    whole |= {"sign_type": "RSA2", "sign": sign(content.encode(charset), key), **outside}
    return "&".join(
        f"{quote_plus(name)}={quote_plus(value, encoding=charset)}" for name, value in whole.items()
    ).encode()
