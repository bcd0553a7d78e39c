"""Genuine notifications of both channels, kept as they came, and handed to the shop as a test likes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.test import Client

    from payments.gateways.base import Notification


@dataclass(frozen=True)
class Letter:
    """One notification as it came over the wire."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def channel(self) -> str:
        return self.path.split("/")[2]

    def deliver(self, client: Client | None = None) -> int:
        """Hand it to the shop's view; returns the status of the answer."""
        from django.test import Client

        kind = self.headers.get("Content-Type", "application/octet-stream")
        headers = {name: value for name, value in self.headers.items() if name not in NOT_SENT}
        answer = (client or Client()).post(self.path, data=self.body, content_type=kind, headers=headers)
        return int(answer.status_code)

    def but(self, body: bytes | None = None, path: str = "", **headers: str | None) -> Letter:
        """The same with changes: ``letter.but(Wechatpay_Nonce=None)`` takes a header away."""
        changed = dict(self.headers) | {name.replace("_", "-"): value for name, value in headers.items()}
        kept = {name: value for name, value in changed.items() if value is not None}
        return replace(self, path=path or self.path, headers=kept, body=self.body if body is None else body)

    def read(self) -> Notification:
        """What its channel's gateway makes of it. Raises NotificationRefused."""
        from datetime import UTC, datetime

        from payments import channels

        return channels.gateway(channels.account(self.channel)).read_notification(
            self.headers, self.body, real_time=datetime.now(UTC)
        )


NOT_SENT = {"Content-Length", "Content-Type", "Host", "Accept-Encoding"}


class Letters:
    """An address that takes every notification as well received, and keeps it."""

    def __enter__(self) -> Letters:
        self.caught: queue.Queue[Letter] = queue.Queue()
        self._seen: list[Letter] = []
        self._server = _Address(self.caught)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next(self, wanted: Callable[[Notification], bool]) -> Letter:
        """The first that is ``wanted`` and was not handed out before; waits for it."""
        for letter in list(self._seen):
            if wanted(letter.read()):
                self._seen.remove(letter)
                return letter
        while True:
            letter = self.caught.get(timeout=20)
            if wanted(letter.read()):
                return letter
            self._seen.append(letter)

    def about(self, attempt: Any, status: str = "") -> Letter:
        """The next one about this refund, with this status if one is named."""
        return self.next(lambda it: it.request_no == attempt.request_no and status in ("", it.facts["status"]))

    def of_payment(self, payment: Any) -> Letter:
        """The next one that says that this was paid."""
        return self.next(lambda it: it.payment_no == payment.payment_no and it.kind.value == "payment")


class _Address(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, caught: queue.Queue[Letter]) -> None:
        super().__init__(("127.0.0.1", 0), _Letterbox)
        self.caught = caught


class _Letterbox(BaseHTTPRequestHandler):
    server: _Address

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.caught.put(Letter(self.path, dict(self.headers.items()), body))
        self.send_response(200)
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"success")  # WeChat looks at the status alone

    def log_message(self, *_: Any) -> None:
        pass
