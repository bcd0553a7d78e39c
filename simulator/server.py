"""The HTTP server: one thread a connection, kept alive, every answer in one packet."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import ssl
import struct
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from simulator import console, control, issuers, latency, tls
from simulator.alipay import bills as alipay_bills
from simulator.alipay import gateway as alipay
from simulator.alipay import pages as alipay_pages
from simulator.wechat import doors as wechat_doors
from simulator.wechat import gateway as wechat
from simulator.wechat import phone
from simulator.wire import Answer, Request
from simulator.world import World

LARGEST_BODY = 1024 * 1024
LARGEST_UPLOAD = 3 * LARGEST_BODY  # an image of 2 MB and what is around it
LARGEST_CONTROL_BODY = 64 * LARGEST_BODY  # a demo's whole history comes in one piece

log = logging.getLogger("simulator")


def answer(world: World, request: Request) -> Answer:
    """Answer any request; a mistake of ours is logged and becomes WeChat's SYSTEM_ERROR."""
    try:
        if request.path.startswith("/v3/"):
            latency.wait(world)
            return wechat.answer(world, request)
        if request.path == "/gateway.do":
            latency.wait(world)
            return alipay.answer(world, request)
        if request.path == "/alipay/bill/download":
            return alipay_bills.download(world, request)
        if request.path == "/alipay" or request.path.startswith(("/alipay/", alipay_pages.QR)):
            return alipay_pages.answer(world, request)
        if request.path.startswith("/_control/"):
            return control.answer(world, request)
        if request.path.startswith("/issuer/"):
            return issuers.answer(world, request)
        if found := wechat_doors.answer(world, request):
            return found
        if request.path in ("/phone", "/phone.css") or request.path.startswith("/phone/"):
            return phone.answer(world, request)
        if request.path == "/healthz":
            return Answer.json({"status": "ok"})
        if request.path in ("/", "/console", "/console.css") or request.path.startswith("/console/"):
            return console.answer(world, request)
        return Answer(404)
    except Exception:
        log.exception("%s %s", request.method, request.path)
        return Answer.json({"code": "SYSTEM_ERROR", "message": "系统异常，请稍后重试"}, 500)


class Server(ThreadingHTTPServer):
    """Ends at once: threads of open connections are not waited for."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], world: World, secure: ssl.SSLContext | None = None) -> None:
        self.world, self.secure = world, secure
        super().__init__(address, Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection = super().get_request()
        self.world.connections.count("accepted")
        return connection

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The handshake belongs to the connection's own thread: a slow client keeps nobody else waiting."""
        if self.secure:
            try:
                request = tls.shake_hands(self.secure, request)
            except OSError:
                request.close()
                return
            self.world.connections.count("tls_handshakes")
        super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's fault."""
        if not isinstance(sys.exception(), OSError):
            log.exception("a connection could not be served")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "wechatpay-simulator"
    sys_version = ""
    timeout = 60  # of an idle connection, seconds
    wbufsize = -1  # head and body leave together
    disable_nagle_algorithm = True
    server: Server
    reset = False  # this connection ends with RST

    def _handle(self) -> None:
        body = self._body()
        if body is None:
            return
        self.server.world.connections.count("requests")
        words = self.requestline.split()  # `self.path` is not what was sent when it begins with //
        request = Request(self.command, words[1], cast("Mapping[str, str]", self.headers), body)
        self._send(answer(self.server.world, request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle

    def _body(self) -> bytes | None:
        """The whole body, or None after an error answer."""
        length = self.headers.get("Content-Length", "0")
        largest = LARGEST_CONTROL_BODY if self.path.startswith("/_control/") else LARGEST_BODY
        if self.path == "/v3/merchant-service/images/upload":
            largest = LARGEST_UPLOAD
        if self.headers.get("Transfer-Encoding"):
            self._refuse(411, "请给出 Content-Length / send a Content-Length")
        elif not (length.isascii() and length.isdigit() and len(length) < 20):
            self._refuse(400, "Content-Length 无效 / not a valid Content-Length")
        elif int(length) > largest:
            self._refuse(413, f"请求体超过 {largest} 字节 / the body is larger than {largest} bytes")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                return body
            self.close_connection = True
        return None

    def _refuse(self, status: int, message: str) -> None:
        self.close_connection = True
        self._send(Answer.json({"error": message}, status))

    def _send(self, result: Answer) -> None:
        self.reset = bool(result.ending)
        if result.status == 0 or self.reset:
            self.close_connection = True
        if result.status == 0 or result.ending == "reset":
            return
        if result.file:
            with result.file:
                self._send_head(result, os.fstat(result.file.fileno()).st_size)
                if self.command != "HEAD":
                    shutil.copyfileobj(result.file, self.wfile)
            return
        self._send_head(result, len(result.body))
        if self.command != "HEAD":
            self.wfile.write(result.body[: len(result.body) // 2] if self.reset else result.body)

    def _send_head(self, result: Answer, length: int) -> None:
        self.send_response_only(result.status)
        self.send_header("Server", self.version_string())
        if "Date" not in result.headers:
            self.send_header("Date", self.date_time_string())
        for name, value in result.headers.items():
            self.send_header(name, value)
        if result.status != 204:
            self.send_header("Content-Length", str(length))
        if self.close_connection and not self.reset:
            self.send_header("Connection", "close")
        self.end_headers()

    def finish(self) -> None:
        """Closing with a linger time of zero sends RST, not FIN."""
        if self.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        super().finish()
        if self.reset:
            self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)
