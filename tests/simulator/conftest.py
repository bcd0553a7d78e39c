"""The simulator as a real process of its own, the stock client in front of it, and an ear for its notifications."""

from __future__ import annotations

import base64
import http.client
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from wechatpayv3 import WeChatPay, WeChatPayType

from tests.simulator.alipay_merchant import Door, Merchant

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 20


def until(look: Callable[[], Any], what: str = "it") -> Any:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if seen := look():
            return seen
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen in {PATIENCE_SECONDS} s")


class Gateway:
    """One running simulator and the merchant who talks to it."""

    def __init__(self, folder: Path, *, speed: float = 60) -> None:
        self.folder, self.speed, self.numbers = folder, speed, iter(range(10**6))
        self.process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> Gateway:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", str(self.port), "--data", str(self.folder),
             "--speed", str(self.speed)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        assert self.process.stdout.readline().startswith("simulator: http://127.0.0.1:")
        self.credentials = json.loads((self.folder / "credentials.json").read_text())
        self.port = urlsplit(self.credentials["control"]).port or 0
        self.keys = self.credentials["wechat"]
        self.private_key: Any = load_pem_private_key(self.keys["private_key"].encode(), None)
        self.client = self.new_client()
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process
        assert self.process.stdout
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE_SECONDS)
        self.process.stdout.close()
        self.process = None
        return code

    def new_client(self) -> WeChatPay:
        """The stock client; only the address it talks to is ours."""
        keys = self.keys
        client = WeChatPay(
            WeChatPayType.NATIVE,
            mchid=keys["mchid"],
            private_key=keys["private_key"],
            cert_serial_no=keys["cert_serial_no"],
            appid=keys["appid"],
            apiv3_key=keys["apiv3_key"],
            timeout=(3, 10),
            public_key=keys["public_key"],
            public_key_id=keys["public_key_id"],
        )
        client._core._gate_way = keys["gateway"]
        return client

    # --- what the merchant does ---

    def order(self, notify_url: str, *, total: int = 1000, **more: Any) -> str:
        number = f"{self.new_number()}PAY"
        answer = self.client.pay(
            "点卡 100 元",
            number,
            {"total": total, "currency": "CNY"},
            notify_url=notify_url,
            **more,
        )
        assert answer[0] == 200, answer
        return number

    def paid_order(self, notify_url: str, *, total: int = 1000, **more: Any) -> str:
        number = self.order(notify_url, total=total)
        self.control("pay", {"out_trade_no": number} | more)
        return number

    def refund(
        self, number: str, out_refund_no: str, fen: int = 1000, *, total: int = 1000, **more: Any
    ) -> tuple[int, Any]:
        amount = {"refund": fen, "total": total, "currency": "CNY"}
        status, body = self.client.refund(out_refund_no, amount, out_trade_no=number, **more)
        return status, json.loads(body)

    def query_refund(self, out_refund_no: str) -> dict[str, Any]:
        status, body = self.client.query_refund(out_refund_no)
        assert status == 200, body
        return json.loads(body)

    def query(self, number: str) -> dict[str, Any]:
        status, body = self.client.query(out_trade_no=number)
        assert status == 200, body
        return json.loads(body)

    def new_number(self) -> str:
        return f"T{os.getpid()}X{next(self.numbers):06d}"

    def signed(self, method: str, path: str, body: bytes = b"", *, at: float | None = None) -> dict[str, str]:
        """Headers of the merchant, who signs exactly these bytes; `at` is what his clock says."""
        timestamp, nonce = str(int(time.time() if at is None else at)), uuid.uuid4().hex
        text = f"{method}\n{path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
        signature = base64.b64encode(self.private_key.sign(text, PKCS1v15(), SHA256())).decode()
        keys = self.keys
        return {
            "Authorization": f'WECHATPAY2-SHA256-RSA2048 mchid="{keys["mchid"]}",nonce_str="{nonce}",'
            f'signature="{signature}",timestamp="{timestamp}",serial_no="{keys["cert_serial_no"]}"',
            "User-Agent": "test",
        }

    def call(self, method: str, path: str, data: Any = None) -> tuple[int, Any]:
        """A call that is signed as it should be: (status, the JSON)."""
        body = json.dumps(data).encode() if data is not None else b""
        status, _, answer = self.http(method, path, body, self.signed(method, path, body))
        return status, json.loads(answer)

    def http(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def till(self, parameters: dict[str, str]) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Where the bridge leads the buyer."""
        return self.http("GET", f"/phone/jsapi?{urlencode(parameters)}")

    def decrypt(self, resource: dict[str, str]) -> bytes:
        """What stands in a notification, whoever may have signed it."""
        aes = AESGCM(self.keys["apiv3_key"].encode())
        sealed, context = base64.b64decode(resource["ciphertext"]), resource["associated_data"].encode()
        return aes.decrypt(resource["nonce"].encode(), sealed, context)

    # --- what everybody else does ---

    def control(self, act: str, data: dict[str, Any], *, expect: int = 200) -> dict[str, Any]:
        status, _, answer = self.http("POST", f"/_control/{act}", json.dumps(data).encode())
        assert status == expect, (status, answer.decode())
        return json.loads(answer)

    def fault(self, fault: str, **more: Any) -> None:
        self.control("faults", {"fault": fault} | more)

    def ledger(self) -> dict[str, list[dict[str, Any]]]:
        return json.loads(self.http("GET", "/_control/ledger")[2])

    def in_ledger(self, kind: str, number: str) -> dict[str, Any] | None:
        name = {"payments": "out_trade_no", "refunds": "out_refund_no"}.get(kind, "number")
        return next((row for row in self.ledger()[kind] if row[name] == number), None)


class Ear:
    """The merchant's door for notifications: keeps all it hears, and answers as it is told to."""

    def __init__(self) -> None:
        self.heard: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()
        self.answer = 204
        self.path = f"/wechat/{uuid.uuid4().hex}"
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == ear.path:  # another test's notification may still look for its own ear
                    ear.heard.put((dict(self.headers), body))
                self.send_response(ear.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}{self.path}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def next(self) -> tuple[dict[str, str], bytes]:
        return self.heard.get(timeout=PATIENCE_SECONDS)

    def next_event(self, gateway: Gateway) -> dict[str, Any]:
        """The next notification, as the stock client reads it."""
        headers, body = self.next()
        event = gateway.client.callback(headers, body)
        assert event, "the stock client refused the notification"
        return event

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session", autouse=True)
def _no_proxy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A simulator sixty times as fast as life; it remembers everything until the run ends."""
    running = Gateway(tmp_path_factory.mktemp("simulator")).start()
    running.control("limits", {"enabled": False})  # the tests of refusals alone make more than six a second
    yield running
    assert running.stop() == 0


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts a simulator of one's own; `Gateway.start` again after `stop` is a restart on the same books and port."""
    started: list[Gateway] = []

    def start(*, speed: float = 60) -> Gateway:
        started.append(Gateway(tmp_path / f"simulator-{len(started)}", speed=speed))
        return started[-1].start()

    yield start
    for running in started:
        if running.process:
            running.stop()


@pytest.fixture
def ear() -> Iterator[Ear]:
    listening = Ear()
    yield listening
    listening.close()


@pytest.fixture
def alipay(gateway: Gateway) -> Merchant:
    """The merchant at the Alipay of the shared simulator."""
    return Merchant(gateway)


@pytest.fixture
def door() -> Iterator[Door]:
    """The merchant's door for Alipay's notifications."""
    open_door = Door()
    yield open_door
    open_door.close()


@pytest.fixture
def deaf_url() -> str:
    """An address where nobody listens, for notifications that do not matter to a test."""
    return "http://127.0.0.1:9/nobody"


@pytest.fixture
def hanging_url() -> Iterator[str]:
    """An address where somebody listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"http://127.0.0.1:{silent.getsockname()[1]}/silence"


@pytest.fixture(name="until")
def _until() -> Callable[..., Any]:
    return until
