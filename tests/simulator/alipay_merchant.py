"""The merchant at the simulated Alipay, with the stock python-alipay-sdk, and his door for notifications."""

from __future__ import annotations

import json
import queue
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from alipay import AliPay

PATIENCE_SECONDS = 20
CARD = "招商银行储蓄卡0403"


class Merchant:
    """One app at the simulator that `gateway` runs."""

    def __init__(self, gateway: Any) -> None:
        self.gateway = gateway
        self.keys = gateway.credentials["alipay"]
        self.client = self.new_client()

    def new_client(self, **other: str) -> AliPay:
        """The stock client; only the address it talks to is ours."""
        keys = self.keys | other
        client = AliPay(
            appid=keys["app_id"],
            app_private_key_string=keys["app_private_key"],
            alipay_public_key_string=keys["alipay_public_key"],
        )
        client._gateway = keys["gateway"]
        return client

    def call(self, method: str, **biz: Any) -> dict[str, Any]:
        return self.client.server_api(method, biz)

    def sub_code(self, method: str, **biz: Any) -> str:
        return self.call(method, **biz).get("sub_code", "")

    # --- orders ---

    def new_number(self) -> str:
        return f"A{uuid.uuid4().hex[:20]}"

    def order(self, yuan: str = "10.00", notify_url: str = "", **biz: Any) -> tuple[str, str]:
        """A precreated order: (number, path of its QR code)."""
        number = self.new_number()
        answer = self.client.api_alipay_trade_precreate("点卡 100 元", number, yuan, notify_url=notify_url, **biz)
        assert answer["code"] == "10000", answer
        return number, urlsplit(answer["qr_code"]).path

    def paid(self, yuan: str = "10.00", notify_url: str = "", funding: str = "余额", **biz: Any) -> str:
        number, _ = self.order(yuan, notify_url, **biz)
        self.gateway.control("pay", {"out_trade_no": number, "funding": funding})
        return number

    def page_url(self, method: str = "page", number: str = "", **more: Any) -> str:
        """The target that the buyer's browser is sent to, without the host."""
        pay = {"page": self.client.api_alipay_trade_page_pay, "wap": self.client.api_alipay_trade_wap_pay}[method]
        values = {"subject": "点卡 100 元", "out_trade_no": number or self.new_number(), "total_amount": "10.00"}
        return f"{urlsplit(self.keys['gateway']).path}?{pay(**(values | more))}"

    def open(self, target: str) -> tuple[int, str, str]:
        """What a browser gets, redirects followed: (status, path, text)."""
        status, headers, body = self.gateway.http("GET", target)
        if status in (302, 303):
            return self.open(urlsplit(headers["Location"]).path)
        return status, target, body.decode("gbk" if "GBK" in headers["Content-Type"] else "utf-8")

    def press_pay(self, path: str, funding: str = "余额") -> str:
        """The buyer presses the button; answers where he is sent."""
        body = urlencode({"funding": funding}).encode()
        status, headers, _ = self.gateway.http("POST", path, body)
        assert status == 303
        return headers["Location"]

    # --- refunds ---

    def refund(self, number: str, request_no: str, yuan: str = "10.00", **more: Any) -> dict[str, Any]:
        return self.client.api_alipay_trade_refund(yuan, out_trade_no=number, out_request_no=request_no, **more)

    def refund_query(self, number: str, request_no: str, *options: str) -> dict[str, Any]:
        return self.call(
            "alipay.trade.fastpay.refund.query",
            out_trade_no=number, out_request_no=request_no, query_options=list(options),
        )  # fmt: skip

    def wait(self, seconds: float = 3) -> None:
        """The simulator's own time passes."""
        self.gateway.control("clock", {"advance_seconds": seconds})

    def in_ledger(self, kind: str, number: str) -> dict[str, Any] | None:
        row: dict[str, Any] | None = self.gateway.in_ledger(kind, number)
        return row

    def heard(self, body: bytes) -> dict[str, str]:
        """A notification's fields, as the stock client verifies them."""
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        sign = fields.pop("sign")
        assert self.client.verify(dict(fields), sign), "the stock client refused the notification"
        return fields

    def verifies(self, body: bytes) -> bool:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        sign = fields.pop("sign")
        return self.client.verify(fields, sign)


class Door:
    """Where Alipay's notifications arrive; `replies` are given in turn, the last one for ever."""

    def __init__(self, *replies: tuple[int, bytes]) -> None:
        self.bodies: queue.Queue[bytes] = queue.Queue()
        self.replies = list(replies) or [(200, b"success")]
        self.path = f"/alipay/{uuid.uuid4().hex}"
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, text = door.replies[0] if len(door.replies) == 1 else door.replies.pop(0)
                if self.path == door.path:
                    door.bodies.put(body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{self.path}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def next(self) -> bytes:
        return self.bodies.get(timeout=PATIENCE_SECONDS)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def node(body: bytes) -> tuple[str, dict[str, Any], str | None]:
    """(name of the inner object, the object, sign) of a raw answer."""
    outer = json.loads(body)
    sign = outer.pop("sign", None)
    ((name, inner),) = outer.items()
    return name, inner, sign
