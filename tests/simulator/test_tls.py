"""HTTPS: a stock client that trusts DATA/tls/ca.pem and nothing else, and the count of what it cost."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from wechatpayv3 import WeChatPay, WeChatPayType

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Starts `python -m simulator --tls`: its credentials."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> dict[str, Any]:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulator", "--port", "0", "--data", str(tmp_path), "--tls", *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        assert process.stdout
        assert process.stdout.readline().startswith("simulator: https://")
        return json.loads((tmp_path / "credentials.json").read_text())

    def stop() -> None:
        for process in started:
            process.terminate()
            process.wait(20)
            assert process.stdout
            process.stdout.close()
        started.clear()

    start.stop = stop  # type: ignore[attr-defined]
    yield start
    stop()


def trusting(credentials: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=credentials["ca_file"])
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def get(credentials: dict[str, Any], path: str, host: str = "127.0.0.1") -> Any:
    port = urlsplit(credentials["control"]).port
    connection = http.client.HTTPSConnection(host, port, context=trusting(credentials), timeout=20)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def test_the_stock_client_works_over_https(secure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = secure()
    keys = credentials["wechat"]
    assert keys["gateway"].startswith("https://127.0.0.1:")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", credentials["ca_file"])
    client = WeChatPay(
        WeChatPayType.NATIVE, mchid=keys["mchid"], private_key=keys["private_key"], appid=keys["appid"],
        cert_serial_no=keys["cert_serial_no"], apiv3_key=keys["apiv3_key"], timeout=(3, 10),
        public_key=keys["public_key"], public_key_id=keys["public_key_id"],
    )  # fmt: skip
    client._core._gate_way = keys["gateway"]
    status, body = client.pay("点卡", "TLS000001", {"total": 1}, notify_url="http://127.0.0.1:9/nobody")
    assert status == 200, body


def test_connections_handshakes_and_requests_are_counted(secure: Any) -> None:
    credentials = secure()
    connection = http.client.HTTPSConnection(
        "localhost", urlsplit(credentials["control"]).port, context=trusting(credentials), timeout=20
    )
    for _ in range(3):
        connection.request("GET", "/_control/connections")
        counts = json.loads(connection.getresponse().read())
    connection.close()
    assert counts == {"accepted": 1, "tls_handshakes": 1, "requests": 3}
    assert get(credentials, "/_control/connections")["tls_handshakes"] == 2


def test_without_tls_connections_are_counted_too(start_gateway: Any) -> None:
    gateway = start_gateway()
    for _ in range(2):
        counts = json.loads(gateway.http("GET", "/_control/connections")[2])
    assert counts == {"accepted": 2, "tls_handshakes": 0, "requests": 2}
    assert "ca_file" not in gateway.credentials


def test_a_client_that_never_shakes_hands_keeps_nobody_waiting(secure: Any) -> None:
    credentials = secure()
    port = urlsplit(credentials["control"]).port
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(5)]
    try:
        assert get(credentials, "/healthz") == {"status": "ok"}
        for connection in silent[:2]:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")  # not what a server of TLS expects
        assert get(credentials, "/_control/connections") == {"accepted": 7, "tls_handshakes": 2, "requests": 2}
    finally:
        for connection in silent:
            connection.close()


def test_whoever_does_not_trust_it_does_not_talk(secure: Any) -> None:
    port = urlsplit(secure()["control"]).port
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=ssl.create_default_context(), timeout=20)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/healthz")


def test_the_authority_stays_and_new_names_get_a_new_certificate(secure: Any, tmp_path: Path) -> None:
    first = secure()
    authority, server = (tmp_path / "tls" / "ca.pem").read_bytes(), (tmp_path / "tls" / "server.pem").read_bytes()
    secure.stop()
    secure()
    assert (tmp_path / "tls" / "server.pem").read_bytes() == server
    secure.stop()
    again = secure("--address", "https://simulator.test:1")
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == authority
    assert (tmp_path / "tls" / "server.pem").read_bytes() != server
    assert again["wechat"]["gateway"] == "https://simulator.test:1"
    assert again["ca_file"] == first["ca_file"]


def test_keys_are_the_owners_alone(secure: Any, tmp_path: Path) -> None:
    secure()
    for name in ("ca.key", "server.pem"):
        assert stat.S_IMODE((tmp_path / "tls" / name).stat().st_mode) == 0o600
