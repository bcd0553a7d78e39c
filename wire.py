"""The wire to channels and suppliers: pooled connections, and nothing that an answer does can hurt us.

``session()`` is one ``requests.Session`` for all threads of a process, so that the number of TLS connections follows
how many calls are under way, not how many threads there are (a new one costs 20 ms of processor). Every answer through
it is read whole within ``TOTAL_SECONDS`` and ``MOST_BYTES``, or raises what ``requests`` raises (F9); ``allowing``
widens both for one call, ``saving_to`` writes a large answer to a file instead of memory.

``session_to`` is for addresses that others chose (X10): its connections go to one IP address, which the caller has
looked at, whatever the name resolves to by then.

Redirects and cookies are refused, netrc and proxies for this machine are ignored. ``REQUESTS_CA_BUNDLE`` names another
CA file, as ever. Each answer's ``Date`` header measures our clock against the channel's (G17).
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import IO, Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

CONNECT_SECONDS, READ_SECONDS, TOTAL_SECONDS = 3, 10, 15
MOST_BYTES = 1024 * 1024
#: Real servers advertise ``Keep-Alive: timeout=8`` and up; a socket that lay longer may be dead without our knowing.
IDLE_SECONDS = 15
#: Calls at the same time for which connections are kept; more are served, and their connections closed after use.
KEPT_CONNECTIONS = 64
CLOCK_SKEW_ALARM_SECONDS = 60

log = logging.getLogger(__name__)
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # at DEBUG it writes addresses, secrets and all


def session() -> requests.Session:
    """The session of this process, shared by its threads; a forked worker opens its own."""
    with _process.lock:
        if _process.session is None:
            _process.session = _open_session()
        return _process.session


def session_to(ip: str) -> requests.Session:
    """A session of its own whose connections all go to ``ip``; certificates are held against the name in the URL.

    No proxy of the environment is used: it would look the name up once more. Close it after use.
    """
    opened = _open_session(_PinnedAdapter(ip))
    opened.trust_env = False
    opened.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
    return opened


@contextmanager
def allowing(*, most_bytes: int = MOST_BYTES, total_seconds: float = TOTAL_SECONDS) -> Iterator[None]:
    """Let the calls inside take answers of up to ``most_bytes``, and up to ``total_seconds``."""
    with _bounded(replace(_bounds.get(), most_bytes=most_bytes, total_seconds=total_seconds)):
        yield


@contextmanager
def saving_to(file: IO[bytes], *, most_bytes: int, total_seconds: float) -> Iterator[None]:
    """Write the body of a 200 answer inside to ``file``; the caller of ``requests`` gets an empty one."""
    with _bounded(Bounds(total_seconds, most_bytes, file)):
        yield


def clock_skew_seconds(host: str) -> float | None:
    """How far our clock is ahead of ``host``'s (negative: behind), by its last answer; None before the first."""
    return _process.skews.get(host)


@dataclass(frozen=True)
class Bounds:
    """What one answer may take. ``total_seconds`` None: the module's, read at the time of the call."""

    total_seconds: float | None = None
    most_bytes: int | None = None
    file: IO[bytes] | None = None


_bounds: ContextVar[Bounds] = ContextVar("bounds", default=Bounds())  # noqa: B039 - Bounds is frozen
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


@contextmanager
def _bounded(bounds: Bounds) -> Iterator[None]:
    token = _bounds.set(bounds)
    try:
        yield
    finally:
        _bounds.reset(token)


@dataclass
class _Process:
    """What one process keeps. A forked child must not share its parent's sockets, nor a lock held at the fork."""

    session: requests.Session | None = None
    skews: dict[str, float] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_process = _Process()


def _begin_anew() -> None:
    global _process
    _process = _Process()


os.register_at_fork(after_in_child=_begin_anew)


class _Session(requests.Session):
    """Reads a host's proxies and the CA file from the environment once: ``requests`` does before each call."""

    def __init__(self) -> None:
        super().__init__()
        self._of_host: dict[tuple[str, str], dict[str, Any]] = {}

    def merge_environment_settings(self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any) -> dict[str, Any]:
        if proxies or (stream, verify, cert) != (None, None, None):
            return super().merge_environment_settings(url, proxies, stream, verify, cert)
        host = urlsplit(url)[:2]
        if host not in self._of_host:
            self._of_host[host] = super().merge_environment_settings(url, {}, None, None, None)
        return dict(self._of_host[host])


def _open_session(adapter: _Adapter | None = None) -> requests.Session:
    opened = _Session()
    opened.max_redirects = 0  # a signed request is for one host
    opened.headers["Accept-Encoding"] = "identity"
    opened.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    opened.auth = _keep_authorization
    opened.mount("http://", adapter or _Adapter())
    opened.mount("https://", adapter or _Adapter())
    return opened


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stands where ``requests`` would look into ~/.netrc and overwrite our signature with what it finds there."""
    return request


class _Adapter(HTTPAdapter):
    """Sends over the shared pool and reads each answer whole, within its bounds."""

    def __init__(self) -> None:
        super().__init__(pool_connections=8, pool_maxsize=KEPT_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(  # type: ignore[override]
        self, request: requests.PreparedRequest, timeout: Any = None, **kwargs: Any
    ) -> requests.Response:
        if is_loopback(request.url):
            kwargs["proxies"] = {}  # HTTP_PROXY is for the outside world
        bounds = _bounds.get()
        total_seconds = TOTAL_SECONDS if bounds.total_seconds is None else bounds.total_seconds
        token = _deadline.set(time.monotonic() + total_seconds)
        try:
            timeout = timeout or (CONNECT_SECONDS, READ_SECONDS)
            response = super().send(request, timeout=timeout, **{**kwargs, "stream": True})
            _measure_clock(request, response)
            _read_whole(response, bounds)
        finally:
            _deadline.reset(token)
        return response


def _read_whole(response: requests.Response, bounds: Bounds) -> None:
    good = response.status_code == 200
    file = bounds.file if good else None
    body = file or io.BytesIO()
    wire: urllib3.BaseHTTPResponse = response.raw
    try:
        _copy(wire, body, bounds.most_bytes if good and bounds.most_bytes else MOST_BYTES)
    except BaseException:
        wire.close()  # what is left on this connection would be read as the next answer
        raise
    wire.release_conn()
    if not file:
        body.seek(0)
    response.raw = io.BytesIO() if file else body


def _copy(wire: urllib3.BaseHTTPResponse, body: IO[bytes], most_bytes: int) -> None:
    size, deadline = 0, _deadline.get()
    try:
        # read1 returns after one packet, so that a slow drip cannot outlive the deadline.
        while chunk := wire.read1(65536, decode_content=True):
            size += len(chunk)
            if size > most_bytes:
                raise requests.exceptions.ContentDecodingError("the answer is too large")
            if time.monotonic() > deadline:
                raise TimeoutError
            body.write(chunk)
    except requests.exceptions.RequestException:
        raise
    except (urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
        raise requests.exceptions.ReadTimeout("the answer takes too long") from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise requests.exceptions.ConnectionError(f"the answer broke off: {error}") from error
    if wire.length_remaining:
        raise requests.exceptions.ConnectionError("the answer broke off")


# --- Connections ---------------------------------------------------------------------------------------------------


class _DeadlineStream(io.RawIOBase):
    """What comes from a socket, until the deadline of the call: headers that drip are given up as well."""

    def __init__(self, stream: Any, sock: socket.socket, deadline: float) -> None:
        self._stream, self._socket, self._deadline = stream, sock, deadline
        self._patience_seconds = sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer takes too long")
        patience = self._patience_seconds
        self._socket.settimeout(left if patience is None else min(left, patience))
        count: int | None = self._stream.readinto(buffer)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        deadline = _deadline.get()
        if deadline != float("inf"):
            raw = self.fp.detach()
            self.fp = io.BufferedReader(_DeadlineStream(raw, sock, deadline), 65536)


class _Connection(HTTPConnection):
    response_class = _DeadlineResponse
    answered_at = 0.0

    def getresponse(self) -> Any:
        response = super().getresponse()
        self.answered_at = time.monotonic()
        return response

    @property
    def is_connected(self) -> bool:
        """False for a socket that lay idle too long: the pool then closes it and dials again."""
        if self.answered_at and time.monotonic() - self.answered_at > IDLE_SECONDS:
            return False
        return super().is_connected

    def connect(self) -> None:
        self.answered_at = 0.0
        super().connect()


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: dict[str, type[_Pool] | type[_TlsPool]] = {"http": _Pool, "https": _TlsPool}


class _PinnedAdapter(_Adapter):
    """Dials one IP address, whatever it is asked to."""

    def __init__(self, ip: str) -> None:
        self._ip = ip
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            scheme: type(pool.__name__, (pool,), {"ConnectionCls": _pinned(pool.ConnectionCls, self._ip)})
            for scheme, pool in _POOLS.items()
        }


def _pinned(connection: type[HTTPConnection], ip: str) -> type[HTTPConnection]:
    def dial(self: Any) -> socket.socket:
        name, self._dns_host = self._dns_host, ip
        try:
            return connection._new_conn(self)
        finally:
            self._dns_host = name

    return type(connection.__name__, (connection,), {"_new_conn": dial})


def is_loopback(url: str | None) -> bool:
    """Whether ``url`` is on this machine."""
    host = urlsplit(url or "").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# --- The clock -----------------------------------------------------------------------------------------------------


def _measure_clock(request: requests.PreparedRequest, response: requests.Response) -> None:
    """Signed requests are refused when our clock is five minutes off: say so long before (G17)."""
    host = urlsplit(request.url or "").hostname or ""
    try:
        theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return
    skew = round(time.time() - theirs, 1)
    before = _process.skews.get(host, 0.0)
    _process.skews[host] = skew
    if abs(skew) > CLOCK_SKEW_ALARM_SECONDS >= abs(before):
        log.error("our clock is %.0f s off from %s: signatures fail beyond 300 s; mend the clock (NTP)", skew, host)
