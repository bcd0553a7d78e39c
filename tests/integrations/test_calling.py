"""X10: nobody reaches our own machines through a webhook, however the address is written."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import wire
from integrations import calling
from integrations.calling import CallFailed
from simulator import tls

PRIVATE = [
    # this machine, in every spelling
    "https://127.0.0.1/", "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://127.1/",
    "https://127.0.0.2/", "https://0/", "https://0.0.0.0/", "https://2130706433/", "https://0x7f000001/",
    "https://0x7f.0.0.1/", "https://017700000001/", "https://0177.0.0.1/", "https://[::1]/", "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[::127.0.0.1]/",
    "https://127.0.0.1:8443/", "https://127。0。0。1/", "https://①②⑦.⓪.⓪.①/",
    # networks of ours, and of whoever runs us
    "https://10.0.0.1/", "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/",
    "https://169.254.169.254/latest/meta-data/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd00::1]/",
    "https://[fec0::1]/", "https://100.64.0.1/", "https://100.100.100.200/", "https://192.0.0.192/",
    # not for one machine, or not for any
    "https://224.0.0.1/", "https://[ff02::1]/", "https://255.255.255.255/", "https://240.0.0.1/",
    "https://192.0.2.1/", "https://198.51.100.1/", "https://203.0.113.1/", "https://[2001:db8::1]/",
    "https://198.18.0.1/", "https://192.88.99.1/",
    # an IPv4 address inside of an IPv6 one
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::7f00:1]/", "https://[2002:7f00:1::]/", "https://[2001::7f00:1]/",
]  # fmt: skip

NO_ADDRESS = [
    "http://example.com/", "ftp://example.com/", "file:///etc/passwd", "gopher://example.com/", "javascript:alert(1)",
    "https://", "https:///x", "//example.com/", "example.com", "https://example.com:22/", "https://example.com:80/",
    "https://example.com:0/", "https://example.com:99999/", "https://example.com:x/", "https://user@example.com/",
    "https://user:pw@example.com/", "https://example.com@127.0.0.1/", "https://example.com#@127.0.0.1/",
    "https://example.com\\@127.0.0.1/", "https://exa mple.com/", "https://example.com/\r\nHost: x", "https://[::1/",
    "https://[fe80::1%25eth0]/", "https://example.com/" + "x" * 500, "https://a..b/", "https://127.0.0.1\t/",
]  # fmt: skip


@pytest.fixture
def no_connection(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every attempt to connect anywhere is noted, and does not happen."""
    dialed: list[Any] = []

    class Watched(socket.socket):
        def connect(self, address: Any) -> None:
            dialed.append(address)
            raise OSError("no network in this test")

    monkeypatch.setattr(socket, "socket", Watched)
    return dialed


@pytest.fixture
def live(settings: Any) -> None:
    """As it is when real money is about."""
    settings.WEBHOOKS_MAY_STAY_HERE = False


@pytest.mark.parametrize("url", PRIVATE + NO_ADDRESS)
def test_no_form_of_an_address_leads_inside(url, live, no_connection):
    with pytest.raises(CallFailed):
        calling.post(url, b"{}", {})
    assert no_connection == []


def test_there_are_enough_forms():
    assert len(set(PRIVATE)) >= 40


@pytest.mark.parametrize("url", PRIVATE + NO_ADDRESS)
def test_rehearsals_let_nothing_else_through(url, no_connection):
    """With the switch on, this machine alone: no other form, no other network."""
    with contextlib.suppress(CallFailed):
        calling.post(url, b"{}", {})
    assert {address[0] for address in no_connection} <= {"127.0.0.1"}


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook", "https://example.com:8443/a?b=c", "https://EXAMPLE.com", "https://xn--fiq228c.cn/x"],
)
def test_ordinary_addresses_are_fine(url, live):
    assert calling.checked(url).scheme == "https"


@pytest.mark.parametrize("ip", ["8.8.8.8", "114.114.114.114", "2606:4700:4700::1111", "2400:3200::1"])
def test_public_is_public(ip):
    assert calling.is_public(ip)


def test_one_private_address_among_public_ones_is_reason_enough(live, no_connection, monkeypatch):
    names(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(CallFailed, match="not_public"):
        calling.post("https://example.com/", b"{}", {})
    assert no_connection == []


def test_a_second_answer_of_the_name_server_changes_nothing(live, no_connection, monkeypatch):
    """DNS rebinding: public when it is looked at, private when it is dialed."""
    answers = iter([["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]])
    resolve = socket.getaddrinfo

    def rebinding(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "rebinding.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in next(answers)]
        return resolve(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(CallFailed, match="connection"):
        calling.post("https://rebinding.example/", b"{}", {})
    assert {address[0] for address in no_connection} == {"8.8.8.8"}


def test_no_proxy_of_the_environment_looks_the_name_up_again(live, no_connection, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    names(monkeypatch, ["8.8.8.8"])
    with pytest.raises(CallFailed):
        calling.post("https://example.com/", b"{}", {})
    assert {address[0] for address in no_connection} == {"8.8.8.8"}


@pytest.fixture
def behind_tls(tmp_path: Path) -> Iterator[tuple[int, Path, list[str]]]:
    """A server with a certificate for ``localhost`` and 127.0.0.1: (port, CA file, what Host it was asked for)."""
    asked: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.headers["Host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    certificates = tls.Certificates(tmp_path / "tls", ["localhost"])
    server.socket = certificates.context().wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server.server_port, certificates.ca_file, asked
    server.shutdown()
    server.server_close()


def test_the_certificate_is_held_against_the_name_not_the_address(behind_tls, monkeypatch):
    port, authority, asked = behind_tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    with wire.session_to("127.0.0.1") as session:
        assert session.post(f"https://localhost:{port}/", data=b"{}").status_code == 204
        assert asked == [f"localhost:{port}"]
        with pytest.raises(Exception, match="(?i)certificate"):
            session.post(f"https://example.com:{port}/", data=b"{}")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with wire.session_to("127.0.0.1") as session, pytest.raises(Exception, match="(?i)certificate"):
        session.post(f"https://localhost:{port}/", data=b"{}")


def names(monkeypatch: pytest.MonkeyPatch, ips: list[str]) -> None:
    resolve = socket.getaddrinfo

    def answer(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host == "example.com":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]
        return resolve(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
