"""A transparent man in the middle: everything that the shop says to its channels, and what it gets to hear.

Signatures cover paths and bodies, never a host, so the same requests work through it. Whatever the channel does to a
connection (half an answer, a reset), it does to the shop's.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Exchange:
    """One request as it left us; ``status`` 0 is no answer, ``answer`` the raw body."""

    at: float
    verb: str
    target: str
    body: bytes
    status: int = 0
    answer: bytes = b""

    @property
    def call(self) -> str:
        """What was asked for: refund, query_refund, or another path (WeChat) or method (Alipay)."""
        query = parse_qs(urlsplit(self.target).query)
        if "method" in query:
            return CALLS.get(query["method"][0], query["method"][0])
        path = urlsplit(self.target).path
        if path.startswith("/v3/refund/domestic/refunds"):
            return {"POST": "refund", "GET": "query_refund"}[self.verb] if "apply-" not in path else "redirect"
        return path

    @property
    def asks(self) -> dict[str, Any]:
        """What a refund call asks for, without signature and time stamp."""
        text = self.body.decode()
        if text.startswith("biz_content="):
            text = parse_qs(text)["biz_content"][0]
        asked: dict[str, Any] = json.loads(text)
        return asked


CALLS = {"alipay.trade.refund": "refund", "alipay.trade.fastpay.refund.query": "query_refund"}


@dataclass
class Recorder:
    """``with Recorder(upstream) as recorder``: listens at ``recorder.address``; ``now`` stamps each exchange."""

    upstream: str
    now: Callable[[], float] = lambda: 0.0
    before: Callable[[Exchange], None] = lambda exchange: None  # a request is on its way: what happens meanwhile
    exchanges: list[Exchange] = field(default_factory=list)

    def calls(self, call: str) -> list[Exchange]:
        return [each for each in self.exchanges if each.call == call]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Recorder:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = {self._server}
        self._threads = [threading.Thread(target=self._listen, daemon=True)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for each in list(self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        self._server.close()

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        where = urlsplit(self.upstream)
        channel = socket.create_connection((where.hostname, where.port), timeout=30)
        self._open |= {client, channel}
        try:
            with client, channel:
                while self._exchange(client, channel):
                    pass
        except OSError:
            pass
        finally:
            self._open -= {client, channel}

    def _exchange(self, client: socket.socket, channel: socket.socket) -> bool:
        head, body = _message(client)
        if not head:
            return False
        verb, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        exchange = Exchange(self.now(), verb, target, body)
        self.exchanges.append(exchange)
        self.before(exchange)
        channel.sendall(head + body)
        try:
            head, exchange.answer = _message(channel)
        except ConnectionResetError as reset:
            client.sendall(reset.args[1] if len(reset.args) > 1 and isinstance(reset.args[1], bytes) else b"")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closes with RST
            return False
        if not head:
            return False
        exchange.status = int(head.split(b" ", 2)[1])
        client.sendall(head + exchange.answer)
        return True


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of one HTTP message; empty at the end. ConnectionResetError carries what came before it."""
    read = b""
    try:
        while b"\r\n\r\n" not in read:
            if not (part := source.recv(65536)):
                return b"", b""
            read += part
        head, _, body = read.partition(b"\r\n\r\n")
        lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        length = int(lengths[0]) if lengths else 0
        while len(body) < length:
            if not (part := source.recv(65536)):
                raise ConnectionResetError(0, head + b"\r\n\r\n" + body)
            read, body = read + part, body + part
    except ConnectionResetError as error:
        raise ConnectionResetError(0, read or error.args) from None
    return head + b"\r\n\r\n", body
