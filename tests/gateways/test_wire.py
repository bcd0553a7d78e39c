"""The wire against a server that behaves badly in every way that a channel, or somebody between us, may."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

import wire


def test_connections_follow_the_calls_under_way_not_the_threads(server: Server) -> None:
    """Twenty threads, one after the other: one connection. Four at the same time: four."""
    for _ in range(20):
        run(lambda: wire.session().get(server.address))
    assert server.connections == 1
    server.gate = threading.Barrier(4, timeout=10)
    run(*[lambda: wire.session().get(server.address)] * 4)
    assert server.connections == 4
    server.gate = None
    run(*[lambda: wire.session().get(server.address)] * 4)
    assert server.connections == 4


def test_an_idle_connection_is_not_trusted(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IDLE_SECONDS", -1)
    wire.session().get(server.address)
    wire.session().get(server.address)
    assert server.connections == 2


def test_a_forked_worker_dials_for_itself(server: Server) -> None:
    """Two processes on one TLS stream would read each other's answers."""
    wire.session().get(server.address)
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            wire.session().get(server.address + "/child")
        os._exit(0)
    os.waitpid(child, 0)
    assert [asked.path for asked in server.asked] == ["/", "/child"]
    assert server.connections == 2
    wire.session().get(server.address)
    assert server.connections == 2


@pytest.mark.parametrize("drip", ["headers", "body"])
def test_an_answer_that_drips_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch, drip: str) -> None:
    """F9: each byte comes in time, the whole does not."""
    monkeypatch.setattr(wire, "TOTAL_SECONDS", 0.2)
    server.drip = drip
    started = time.monotonic()
    with pytest.raises(requests.exceptions.RequestException, match=r"too long|timed out"):
        wire.session().get(server.address)
    assert time.monotonic() - started < 5


def test_a_large_answer_is_for_those_who_asked_for_one(server: Server) -> None:
    server.body = b"x" * (wire.MOST_BYTES + 1)
    with pytest.raises(requests.exceptions.RequestException, match="too large"):
        wire.session().get(server.address)
    with wire.allowing(most_bytes=2 * wire.MOST_BYTES):
        assert len(wire.session().get(server.address).content) == wire.MOST_BYTES + 1
    with pytest.raises(requests.exceptions.RequestException, match="too large"):
        wire.session().get(server.address)


def test_a_bill_goes_to_a_file_and_an_error_to_its_reader(server: Server) -> None:
    server.body = b"x" * 3_000_000
    file = io.BytesIO()
    with wire.saving_to(file, most_bytes=4_000_000, total_seconds=10):
        assert wire.session().get(server.address).content == b""
        assert file.getvalue() == server.body
        server.status, server.body = 400, b'{"code": "NO_STATEMENT_EXIST"}'
        assert wire.session().get(server.address).json()["code"] == "NO_STATEMENT_EXIST"
    assert len(file.getvalue()) == 3_000_000
    server.status, server.body = 200, b"x" * 2_000
    with (
        wire.saving_to(io.BytesIO(), most_bytes=1_000, total_seconds=10),
        pytest.raises(requests.exceptions.RequestException, match="too large"),
    ):
        wire.session().get(server.address)


def test_half_an_answer_is_none(server: Server) -> None:
    server.headers["Content-Length"] = "100"
    server.body, server.hang_up = b"x" * 50, True
    with pytest.raises(requests.exceptions.ConnectionError):
        wire.session().get(server.address)


def test_after_an_answer_that_was_given_up_the_next_one_is_its_own(server: Server) -> None:
    server.body = b"x" * (wire.MOST_BYTES + 1)
    with pytest.raises(requests.exceptions.RequestException):
        wire.session().get(server.address)
    server.body = b"fresh"
    assert wire.session().get(server.address).content == b"fresh"


def test_a_redirect_is_not_followed(server: Server) -> None:
    server.status, server.headers["Location"] = 307, f"{server.address}/elsewhere"
    with pytest.raises(requests.exceptions.TooManyRedirects):
        wire.session().post(server.address, data=b"signed")
    assert [asked.path for asked in server.asked] == ["/"]


def test_cookies_are_refused_and_netrc_overwrites_no_signature(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.headers["Set-Cookie"] = "session=1; Path=/"
    for _ in range(2):
        wire.session().get(server.address, headers={"Authorization": "signature"})
    for asked in server.asked:
        assert asked.headers["Authorization"] == "signature"
        assert "Cookie" not in asked.headers
        assert asked.headers["Accept-Encoding"] == "identity"


def test_no_proxy_stands_between_us_and_this_machine(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    assert wire.session().get(server.address).status_code == 200


@pytest.mark.parametrize("off_seconds", [-600, 600])
def test_a_clock_that_is_off_is_said_once(server: Server, caplog: pytest.LogCaptureFixture, off_seconds: int) -> None:
    """G17: measured by every answer's Date, long before the channel refuses our signatures."""
    server.headers["Date"] = formatdate(time.time(), usegmt=True)
    wire.session().get(server.address)
    assert abs(wire.clock_skew_seconds("127.0.0.1") or 0) < wire.CLOCK_SKEW_ALARM_SECONDS
    with caplog.at_level(logging.ERROR, wire.__name__):
        server.headers["Date"] = formatdate(time.time() - off_seconds, usegmt=True)
        wire.session().get(server.address)
        wire.session().get(server.address)
    assert wire.clock_skew_seconds("127.0.0.1") == pytest.approx(off_seconds, abs=30)
    assert len(caplog.records) == 1
    assert "127.0.0.1" in caplog.text
    server.headers["Date"] = "the day before yesterday"
    assert wire.session().get(server.address).status_code == 200


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]


@dataclass
class Manners:
    """How the server answers; a test changes them between calls."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    drip: str = ""
    hang_up: bool = False
    gate: threading.Barrier | None = None


class Server(ThreadingHTTPServer, Manners):
    daemon_threads = True

    def __init__(self) -> None:
        Manners.__init__(self)
        self.connections = 0
        self.asked: list[Asked] = []
        super().__init__(("127.0.0.1", 0), Conversation)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(Asked(self.path, dict(self.headers.items())))
        if self.server.gate:
            self.server.gate.wait()
        length = len(self.server.body) * (50 if self.server.drip == "body" else 1)
        headers = {"Content-Length": str(length)} | self.server.headers
        head = f"HTTP/1.1 {self.server.status} Answer\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client gave up: that is the point
            self.speak(f"{head}\r\n".encode(), slowly=self.server.drip == "headers")
            self.speak(self.server.body, slowly=self.server.drip == "body")
        self.close_connection = self.server.hang_up

    do_POST = do_GET

    def speak(self, words: bytes, slowly: bool) -> None:
        if not slowly:
            self.wfile.write(words)
            return
        for byte in words * 50:
            self.wfile.write(bytes([byte]))
            threading.Event().wait(0.02)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


def run(*calls: Any) -> None:
    threads = [threading.Thread(target=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
