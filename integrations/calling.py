"""Calling an address that a shop chose, so that nobody reaches our own machines through us (X10).

Only https, only ports 443 and 8443, only to public addresses: the name is resolved, *every* address it has is looked
at, and the connection goes to one of those, so that a second answer of the name server changes nothing. Redirects are
not followed; the answer is bounded and thrown away, but for its status code (``wire.py``).

``settings.WEBHOOKS_MAY_STAY_HERE`` lets tests and the demo call http://127.x on any port. It is refused when live.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

import requests
from django.conf import settings

import wire

PORTS = frozenset({443, 8443})
TOTAL_SECONDS = 10
LONGEST = 500
ONLY_PRINTABLE = re.compile(r"[!-~]+")  # no blanks, no controls, nothing that two readers may read in two ways
NOT_IN_URLS = frozenset('\\"<>^`{|}')
PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
#: IANA's special-purpose registries as they are today: what Python's ``is_global`` knows of them differs by version.
NOT_PUBLIC = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
]  # fmt: skip


class CallFailed(Exception):
    """No answer. ``code`` is a key of ``words.TROUBLE``; ``status_code`` stands beside it where there was one."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code


class BadAddress(CallFailed):
    """Not an address that may be called, whatever its name resolves to."""


def post(url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """Send ``body`` there; returns the status code of the answer. Raises CallFailed. Touches no database."""
    parts = checked(url)
    ip = _one_of(_resolved(parts))
    try:
        with wire.session_to(ip) as session, wire.allowing(total_seconds=TOTAL_SECONDS):
            return session.post(url, data=body, headers=dict(headers), allow_redirects=False).status_code
    except requests.exceptions.TooManyRedirects as error:  # not one: the answer itself is what counts
        return error.response.status_code if error.response is not None else 0
    except requests.exceptions.SSLError:
        raise CallFailed("tls") from None
    except requests.exceptions.Timeout:
        raise CallFailed("timeout") from None
    except requests.exceptions.ContentDecodingError:
        raise CallFailed("too_large") from None
    except requests.exceptions.RequestException:
        raise CallFailed("connection") from None


def checked(url: str) -> SplitResult:
    """The parts of an address that may be called, if its name leads somewhere. Raises BadAddress. Asks no network."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
        host.encode("idna")
    except (ValueError, UnicodeError):
        raise BadAddress("address") from None
    if not ONLY_PRINTABLE.fullmatch(url) or NOT_IN_URLS & set(url) or len(url) > LONGEST:
        raise BadAddress("address")
    if not host or "%" in parts.netloc or "@" in parts.netloc or "#" in url:
        raise BadAddress("address")
    if _may_stay_here(parts, host):
        return parts
    if parts.scheme != "https":
        raise BadAddress("https_only")
    if (443 if port is None else port) not in PORTS:
        raise BadAddress("port")
    return parts


def is_public(text: str) -> bool:
    """Whether this IP address belongs to a machine on the public internet."""
    ip = ipaddress.ip_address(text)
    if any(ip.version == network.version and ip in network for network in NOT_PUBLIC):
        return False
    return ip.is_global and (ip.version == 4 or ip in PUBLIC_IPV6)


def _one_of(found: list[str]) -> str:
    """One bad address among good ones is reason enough: who answers so wants to be dialed by chance."""
    if not all(map(_may_be_called, found)):
        raise CallFailed("not_public")
    return found[0]


def _resolved(parts: SplitResult) -> list[str]:
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise CallFailed("name") from None
    addresses = [str(address[0]) for *_, address in found]
    if not addresses:
        raise CallFailed("name")
    return addresses


def _may_be_called(text: str) -> bool:
    return is_public(text) or (settings.WEBHOOKS_MAY_STAY_HERE and text == "127.0.0.1")


def _may_stay_here(parts: SplitResult, host: str) -> bool:
    return settings.WEBHOOKS_MAY_STAY_HERE and parts.scheme == "http" and host == "127.0.0.1"
