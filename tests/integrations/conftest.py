"""A shop's program: it has a key, and a server of its own that hears webhooks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Heard:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server of the shop's: keeps what it hears, and answers what it is told to."""

    address: str = ""
    heard: list[Heard] = field(default_factory=list)
    status: int = 204
    location: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listens on 127.0.0.1, on a port of its own."""
    here = Receiver()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.heard.append(Heard(self.path, {name.lower(): text for name, text in self.headers.items()}, body))
            self.send_response(here.status)
            if here.location:
                self.send_header("Location", here.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    here.address = f"http://127.0.0.1:{server.server_port}/hook"
    yield here
    server.shutdown()
    server.server_close()


@pytest.fixture
def listen(merchant: Any, shop: Any, receiver: Receiver) -> Callable[..., Any]:
    """``listen("refund.approved")``: the owner adds the receiver, without words for all events: (endpoint, secret)"""

    def add(*events: str) -> Any:
        import clock
        from integrations import endpoints, letters

        chosen = events or tuple(letters.EVENTS)
        return endpoints.add(shop, receiver.address, chosen, by=merchant, at=clock.now())

    return add


@pytest.fixture
def make_key(merchant: Any, shop: Any) -> Callable[..., Any]:
    """``make_key("orders:read")``: (row, the key itself)."""

    def make(*scopes: str, name: str = "ERP") -> Any:
        import clock
        from integrations import keys

        return keys.make(shop, name, scopes or ("orders:read", "refunds:read"), by=merchant, at=clock.now())

    return make
