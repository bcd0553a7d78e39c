"""Both channels of one simulator behind one face, so that ``test_contract.py`` can tell the same story of each.

Whatever differs between the channels, other than through ``base.Gateway``, stands in the two partners below.
"""

from __future__ import annotations

import itertools
import json
import queue
import threading
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cardshop import embedded, outside
from payments.gateways.alipay import AlipayCredentials, AlipayGateway
from payments.gateways.base import Gateway, Notification, NotificationRefused, PaymentOrder, RefundRequest, Reply
from payments.gateways.wechat import WechatCredentials, WechatGateway
from tests.conftest import Simulator

SPEED = 600.0
TOTAL_FEN = 1999


@dataclass
class Partner(ABC):
    """One channel as a story needs it: its gateway, its buyer, its bank, and where its notifications arrive."""

    gateway: Gateway
    simulator: Simulator
    mailbox: Mailbox
    name: str
    prefix: str

    #: What breaks a refund call: (fault, whether the refund was made all the same).
    faults: tuple[tuple[str, bool], ...] = ()

    def new_payment_no(self) -> str:
        return f"{self.prefix}{next(_counter):06d}"

    def order(self, payment_no: str) -> PaymentOrder:
        now = datetime.fromisoformat(self.simulator.clock(0)["now"])  # other stories may have moved it by days
        expires_at = now + timedelta(hours=1)
        return PaymentOrder(payment_no, TOTAL_FEN, "游戏点卡 100 点", f"{self.mailbox.address}/payment", expires_at)

    def refund(self, payment_no: str, transaction_id: str, index: int, amount_fen: int) -> RefundRequest:
        return RefundRequest(
            f"{payment_no}R{index}", payment_no, transaction_id, amount_fen, TOTAL_FEN, "卡密无法使用",
            f"{self.mailbox.address}/refund",
        )  # fmt: skip

    def paid(self) -> RefundRequest:
        """A payment that has just been paid, as the first partial refund of it that may be asked for."""
        order = self.order(self.new_payment_no())
        self.pay(order, self.gateway.open_payment(order))
        outcome = self.gateway.query_payment(order.payment_no)
        return self.refund(order.payment_no, outcome.channel_transaction_id, 1, 1000)

    def notification(self, wanted: Callable[[Notification], bool]) -> tuple[Notification, dict[str, str], bytes]:
        """The next notification that is ``wanted``; what else arrives meanwhile is another story's."""
        while True:
            headers, body = self.mailbox.letters.get(timeout=20)
            try:
                read = self.gateway.read_notification(headers, body, real_time=datetime.now(UTC))
            except NotificationRefused:  # the other channel's
                continue
            if wanted(read):
                return read, headers, body

    def funds(self, amount_fen: int | None) -> None:
        """What the merchant can refund from, from now on; None: without end."""
        self.simulator.post("funds", channel=self.name, amount_fen=amount_fen)

    def wait_between_refunds(self) -> None:
        self.simulator.clock(self.gateway.limits.between_refunds_seconds + 1)

    @abstractmethod
    def scan(self, till: str) -> None:
        """The buyer looks at the till and does not pay yet."""

    @abstractmethod
    def pay(self, order: PaymentOrder, till: str) -> None:
        """The buyer pays."""

    @abstractmethod
    def finish(self, request: RefundRequest) -> None:
        """A refund that the channel has taken on reaches the buyer."""


class WechatPartner(Partner):
    faults = (
        ("request_lost", False), ("answer_lost", True), ("http_500_before", False), ("http_500_after", True),
        ("http_429", True), ("bad_signature", True), ("half_body", True),
    )  # fmt: skip

    def scan(self, till: str) -> None:
        assert till.startswith("weixin://")

    def pay(self, order: PaymentOrder, till: str) -> None:
        self.simulator.pay(order.payment_no)

    def finish(self, request: RefundRequest) -> None:
        self.simulator.settle(request.request_no)


class AlipayPartner(Partner):
    faults = (
        ("request_lost", False), ("answer_lost", True), ("http_500_before", False), ("http_500_after", True),
        ("bad_signature", True), ("unsigned", True), ("half_body", True), ("unknown_20000", True),
        ("unknown_20000_before", False), ("system_error_after", True), ("system_error_before", False),
        ("limited_40005", False),
    )  # fmt: skip

    def scan(self, till: str) -> None:
        with urllib.request.urlopen(till, timeout=10) as page:
            assert page.status == 200

    def pay(self, order: PaymentOrder, till: str) -> None:
        self.scan(till)
        with urllib.request.urlopen(till, data=b"", timeout=10) as page:
            assert page.status == 200

    def finish(self, request: RefundRequest) -> None:
        """Nothing: Alipay refunds while we wait."""


@contextmanager
def partners(folder: Path) -> Iterator[dict[str, Partner]]:
    """A simulator of its own, whose clock a story may move as it likes."""
    child = outside.simulator(folder / "data", embedded.free_ports(1)[0], SPEED, folder / "simulator.log")
    child.start()
    mailbox = Mailbox()
    try:
        child.wait_until_ready(30)
        credentials = json.loads((folder / "data" / "credentials.json").read_text())
        simulator = Simulator(credentials["control"])
        wechat = WechatGateway(WechatCredentials(**_known(WechatCredentials, credentials["wechat"])))
        alipay = AlipayGateway(AlipayCredentials(**_known(AlipayCredentials, credentials["alipay"])))
        mailbox.replies = [wechat.received(), alipay.received()]
        yield {
            "wechat": WechatPartner(wechat, simulator, mailbox, "wechat", "CONTRACTW"),
            "alipay": AlipayPartner(alipay, simulator, mailbox, "alipay", "CONTRACTA"),
        }
    finally:
        mailbox.shutdown()
        mailbox.server_close()
        child.stop()


def _known(credentials: Any, given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in credentials.__dataclass_fields__}


class Mailbox(ThreadingHTTPServer):
    """Where notifications arrive; each is answered as its channel wants it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Letter)
        self.letters: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.replies: list[Reply] = []
        self.address = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=[0.05], name="mailbox", daemon=True).start()


class _Letter(BaseHTTPRequestHandler):
    server: Mailbox

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.letters.put((dict(self.headers.items()), body))
        wechat, alipay = self.server.replies
        reply = wechat if body.startswith(b"{") else alipay
        self.send_response(reply.status)
        if reply.body:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: Any) -> None:
        pass


_counter = itertools.count(1)
