"""The unmodified SDK, built for one merchant: its key mode, its connections, and none of its downloads.

公钥模式 (``public_key`` + ``public_key_id``), 平台证书模式 (``cert_dir``), or both while a merchant migrates: WeChat
then signs with either, and either is accepted (G18).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import wechatpayv3
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from wechatpayv3 import core as sdk_core
from wechatpayv3.utils import load_private_key

import wire
from payments.gateways.base import GatewayMisconfigured
from payments.gateways.wechat import answers
from payments.gateways.wechat.answers import Answer, Call
from payments.gateways.wechat.keys import PlatformKeys


@dataclass(frozen=True)
class WechatCredentials:
    """One merchant account. Keys are PEM text; nothing secret shows in ``repr`` (I15).

    ``gateway`` is another server's base address, empty for the real one; ``oauth_gateway`` likewise for the pages and
    the calls that make a buyer known (IN_APP), which need ``app_secret``. ``cert_dir`` is a folder of platform
    certificates (``*.pem``): naming it selects the certificate mode, and what is missing there is downloaded.
    """

    mchid: str
    appid: str
    apiv3_key: str = field(repr=False)
    cert_serial_no: str
    private_key: str = field(repr=False)
    public_key: str = field(default="", repr=False)
    public_key_id: str = ""
    gateway: str = ""
    app_secret: str = field(default="", repr=False)
    oauth_gateway: str = ""
    cert_dir: str = ""


class WechatClient:
    """The SDK of one merchant, and the keys that its answers and notifications are believed by."""

    def __init__(self, credentials: WechatCredentials) -> None:
        self.credentials = credentials
        self.sdk = build_sdk(credentials)
        self.keys = PlatformKeys(
            self.sdk._core,
            public_key=credentials.public_key,
            public_key_id=credentials.public_key_id,
            cert_dir=credentials.cert_dir,
            apiv3_key=credentials.apiv3_key,
        )

    def ask(self, call: Call, send: Callable[[Any], tuple[int, str | bytes]]) -> Answer:
        """Make one call of the SDK and judge its answer. Raises OutcomeUnknown and GatewayMisconfigured."""
        self.keys.freshen()
        return answers.ask(call, lambda: send(self.sdk))


def build_sdk(credentials: WechatCredentials) -> Any:
    """Return a ``wechatpayv3.WeChatPay`` that has called nobody. Raises GatewayMisconfigured."""
    _check(credentials)
    try:
        client = wechatpayv3.WeChatPay(
            wechatpay_type=wechatpayv3.WeChatPayType.NATIVE,
            mchid=credentials.mchid,
            private_key=credentials.private_key,
            cert_serial_no=credentials.cert_serial_no,
            appid=credentials.appid,
            apiv3_key=credentials.apiv3_key,
            timeout=(wire.CONNECT_SECONDS, wire.READ_SECONDS),
            # Without a public key the constructor would call WeChat's own host before it can be told another.
            public_key=credentials.public_key or _own_public_key(credentials.private_key),
            public_key_id=credentials.public_key_id or "none",
            logger=None,  # the SDK logs headers and decrypted notifications
        )
    except Exception as error:  # the SDK raises bare exceptions for unreadable keys
        raise GatewayMisconfigured("credentials", str(error)) from None
    core = client._core
    if not credentials.public_key:
        core._public_key = core._public_key_id = None
    if credentials.gateway:
        core._gate_way = credentials.gateway.rstrip("/")
    return client


def _check(credentials: WechatCredentials) -> None:
    for name in ("mchid", "appid", "cert_serial_no", "private_key"):
        if not getattr(credentials, name):
            raise GatewayMisconfigured("credentials", f"{name} is empty")
    if bool(credentials.public_key) != bool(credentials.public_key_id):
        raise GatewayMisconfigured("credentials", "public_key and public_key_id belong together")
    if not credentials.public_key and not credentials.cert_dir:
        raise GatewayMisconfigured("credentials", "public_key is empty, and no cert_dir selects the certificate mode")
    if len(credentials.apiv3_key.encode()) != 32:
        raise GatewayMisconfigured("credentials", "the APIv3 key must be 32 characters")
    for name in ("gateway", "oauth_gateway"):
        address = getattr(credentials, name)
        if address and urlsplit(address).scheme not in ("http", "https"):
            raise GatewayMisconfigured("credentials", f"{name} must begin with http:// or https://")


def _own_public_key(private_key: str) -> str:
    key = load_private_key(private_key).public_key()
    text: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


# --- Where the SDK looks for ``requests`` ---------------------------------------------------------------------------


class PooledRequests:
    """Stands in for the name ``requests`` inside the SDK, which would open a new TLS connection for every call."""

    def __getattr__(self, verb: str) -> Any:
        return getattr(wire.session(), verb)

    def post(self, **request: Any) -> Any:
        headers = request["headers"]
        if request.get("files"):
            del headers["Content-Type"]  # the SDK's names no boundary, so that nobody could take the parts apart
        serial = headers.get("Wechatpay-Serial", "")
        if len(serial) % 2 and not serial.startswith("PUB_KEY_ID"):
            headers["Wechatpay-Serial"] = f"0{serial}"  # the SDK loses a certificate's leading zero
        return wire.session().post(**request)


def _pool_connections() -> None:
    """Put the pool where the SDK looks for ``requests``; refuse to start with an SDK that looks elsewhere."""
    if wechatpayv3.__version__ != "2.0.4" or not hasattr(sdk_core, "requests"):
        raise RuntimeError("wechatpayv3 is not the 2.0.4 that this gateway was read against: read its core.py again")
    sdk_core.requests = PooledRequests()


_pool_connections()
