"""Readers with addresses, a real mail server, and a provider's server that looks at what it is sent."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.desk.conftest import sits  # noqa: F401 - its fixture is ours, too

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=SHANGHAI)
PHONE = "+8613800001234"


@pytest.fixture
def reader(buyer: Any) -> Any:
    """The buyer, with a verified address and phone."""
    from allauth.account.models import EmailAddress

    from notices.models import NoticeSettings

    EmailAddress.objects.create(user=buyer, email=buyer.email, verified=True, primary=True)
    NoticeSettings.objects.create(user=buyer, phone=PHONE, phone_verified_at=NOON, anti_phishing_word="老槐树")
    return buyer


@pytest.fixture
def chooses(reader: Any) -> Callable[..., None]:
    """``chooses(quiet_from=None, …)``: what the reader set on the page."""
    from notices.models import NoticeSettings

    def choose(**columns: Any) -> None:
        NoticeSettings.objects.filter(user=reader).update(**columns)

    return choose


@pytest.fixture
def tell(reader: Any) -> Callable[..., Any]:
    """``tell("refund_reject")``: the reader is told at noon, or ``at``; returns the notice."""
    from notices import telling
    from notices.models import Notice

    def tell(kind: str = "refund_reject", *, at: datetime = NOON, to: Any = None, **columns: Any) -> Any:
        number = Notice.objects.count() + 1
        words = {
            "refund_no": "R2026112400001234",
            "order_no": "D2026112400001234",
            "amount": "¥30.00",
            "note": "已兑换",
        }
        about = "order" if "order" in kind else "refund"
        known = {
            "params": {name: text for name, text in words.items() if name not in {"refund_no", "order_no"}}
            | {f"{about}_no": words[f"{about}_no"]},
            "path": f"/{about}s/{words[f'{about}_no']}/",
            "source": f"refund-event:{number}",
        }
        telling.tell([Notice(recipient=to or reader, kind=kind, created_at=at, **known | columns)])
        return Notice.objects.latest("pk")

    return tell


# --- a mail server ----------------------------------------------------------------------------------------------------


@dataclass
class MailServer:
    """Speaks SMTP on 127.0.0.1; ``says`` is its answer to RCPT, ``refuses`` to whole messages."""

    port: int = 0
    letters: list[tuple[str, bytes]] = field(default_factory=list)  # (to, message)
    says: str = "250 ok"
    takes: str = "250 ok"


@pytest.fixture
def mail_server(settings: Any) -> Iterator[MailServer]:
    here = MailServer()

    class Door(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.answer("220 mail.test ESMTP")
            to = ""
            while line := self.rfile.readline().decode().strip():
                word = line.split()[0].upper()
                if word == "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                    self.answer(here.says)
                elif word == "DATA":
                    self.answer("354 go on")
                    message = self.message()
                    if here.takes.startswith("2"):
                        here.letters.append((to, message))
                    self.answer(here.takes)
                elif word == "QUIT":
                    self.answer("221 bye")
                    return
                else:
                    self.answer("250 ok")

        def message(self) -> bytes:
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line)
            return b"".join(lines)

        def answer(self, text: str) -> None:
            self.wfile.write(f"{text}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    here.port = server.server_address[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", here.port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield here
    server.shutdown()
    server.server_close()


# --- a provider's server ----------------------------------------------------------------------------------------------


@dataclass
class Asked:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> Any:
        return json.loads(self.body)


@dataclass
class Provider:
    """Answers each POST with what ``answer`` makes of it: (status, JSON)."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], tuple[int, Any]] = lambda asked: (200, {})


@pytest.fixture
def provider() -> Iterator[Provider]:
    here = Provider()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = Asked(self.path, {name.lower(): text for name, text in self.headers.items()}, body)
            here.asked.append(asked)
            status, said = here.answer(asked)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    here.address = f"http://127.0.0.1:{server.server_port}"
    yield here
    server.shutdown()
    server.server_close()
