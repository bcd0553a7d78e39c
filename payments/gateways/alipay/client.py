"""``python-alipay-sdk`` 3.4.0 with its weak spots mended, and nothing else.

Public API, building of parameters and order of signing stay the SDK's. Mended are: GET (the whole request in every
access log) becomes POST as in Alipay's own SDKs; the time stamp is China's; OpenSSL signs (a fifth of the processor
time); connections are pooled, bounded and safe (``wire.py``); one brace in a text no longer breaks the check of a
signature; and what can go wrong has two names.
"""

from __future__ import annotations

import base64
import binascii
import importlib.metadata
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import requests
import urllib3
from alipay import AliPay
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import wire
from payments.gateways.alipay.fields import china_time

READ_AGAINST = "3.4.0"


class NotSent(Exception):
    """No connection: the request cannot have reached Alipay."""


class ResultUnknown(Exception):
    """Anything after the first byte went out: Alipay may have done what was asked. ``code`` says how it ended."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class Unsigned(ResultUnknown):
    """An answer that nobody signed, with what it claims: a reason to look at our keys, never at a refund."""

    def __init__(self, claimed_code: str, claimed_sub_code: str) -> None:
        super().__init__("unsigned", claimed_sub_code or claimed_code)
        self.claimed_code, self.claimed_sub_code = claimed_code, claimed_sub_code


class AlipayClient(AliPay):
    """One app at one gateway. Safe to share between threads: nothing changes after it is built.

    Raises ValueError for keys that are none.
    """

    def __init__(self, app_id: str, app_private_key: str, alipay_public_key: str, gateway: str) -> None:
        super().__init__(
            appid=app_id,
            app_private_key_string=app_private_key,
            alipay_public_key_string=alipay_public_key,
            sign_type="RSA2",
        )
        self._gateway = gateway

    @property
    def gateway(self) -> str:
        return str(self._gateway)

    def address_of(self, method: str, biz_content: dict[str, Any], **public: str) -> str:
        """The signed address of a page of Alipay's (page.pay, wap.pay). Nothing is sent."""
        return f"{self._gateway}?{self.client_api(method, biz_content, **public)}"

    def ask(self, method: str, biz_content: dict[str, Any], **public: str) -> dict[str, Any]:
        """Call ``method`` and return its verified answer, ``code`` and all. Raises NotSent, ResultUnknown."""
        answer: dict[str, Any] = self.server_api(method, biz_content, **public)
        return answer

    def signed_by_alipay(self, fields: Mapping[str, str], signature: str, charset: str) -> bool:
        """Whether ``signature`` covers these ``fields`` of a notification, as Alipay sorts and joins them."""
        content = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
        try:
            return self._covers(content.encode(charset), signature)
        except UnicodeEncodeError:
            return False

    # --- What the SDK calls ---

    def _load_key(self) -> None:
        self._app_private_key = _private_key(self._app_private_key_string)
        self._alipay_public_key = _public_key(self._alipay_public_key_string)
        if self._app_private_key.public_key().public_numbers() == self._alipay_public_key.public_numbers():
            raise ValueError("alipay_public_key is the app's own public key; Alipay shows its own next to it")

    def _sign(self, unsigned_string: str) -> str:
        signature = self._app_private_key.sign(unsigned_string.encode(), padding.PKCS1v15(), hashes.SHA256())
        return base64.b64encode(signature).decode()

    def _verify(self, raw_content: str, signature: str) -> bool:
        return self._covers(raw_content.encode(), signature)

    def build_body(self, method: str, biz_content: Any = None, **kwargs: Any) -> dict[str, Any]:
        data: dict[str, Any] = super().build_body(method, biz_content, **kwargs)
        data["timestamp"] = china_time(datetime.now(UTC))
        return data

    def verified_sync_response(self, data: dict[str, Any], response_type: str) -> dict[str, Any]:
        """Public parameters stand in the address, ``biz_content`` in the body, as Alipay's own SDKs send them."""
        pairs = self.sign_data(data).split("&")
        address = "&".join(pair for pair in pairs if not pair.startswith("biz_content="))
        body = "&".join(pair for pair in pairs if pair.startswith("biz_content="))
        return self._verify_and_return_sync_response(_post(f"{self._gateway}?{address}", body), response_type)

    def _verify_and_return_sync_response(self, raw_string: str, response_type: str) -> dict[str, Any]:
        node, inside, signature = _envelope(raw_string, response_type)
        if not signature:
            raise Unsigned(str(inside.get("code", ""))[:64], str(inside.get("sub_code", ""))[:64])
        content = self._get_string_to_be_signed(raw_string, node)
        # PHP's JSON writes "\/"; Alipay's own SDK forgives a signature made before that was done.
        if not self._verify(content, signature) and not self._verify(content.replace("\\/", "/"), signature):
            raise ResultUnknown("bad_signature")
        answer: dict[str, Any] = json.loads(content)
        return answer

    def _get_string_to_be_signed(self, raw_string: str, response_type: str) -> str:
        """The text of the answer's object exactly as received, found by a parser that knows strings."""
        start = re.search(rf'"{re.escape(response_type)}"\s*:\s*', raw_string)
        if start is None:
            raise ResultUnknown("odd_answer", "the answer names no answer")
        _, end = json.JSONDecoder().raw_decode(raw_string, start.end())
        return raw_string[start.end() : end]

    def _covers(self, content: bytes, signature: str) -> bool:
        try:
            raw = base64.b64decode(signature, validate=True)
            self._alipay_public_key.verify(raw, content, padding.PKCS1v15(), hashes.SHA256())
        except (InvalidSignature, binascii.Error, ValueError):
            return False
        return True


def _post(address: str, body: str) -> str:
    try:
        response = wire.session().post(
            address,
            data=body.encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
            allow_redirects=False,
        )
    except requests.RequestException as error:
        words = type(error).__name__  # the message holds the whole address, signature and all
        if _never_connected(error):
            raise NotSent(words) from None
        raise ResultUnknown("no_answer", words) from None
    if response.status_code != 200:
        raise ResultUnknown(f"http_{response.status_code}")
    try:
        return response.content.decode("utf-8")
    except UnicodeDecodeError:
        raise ResultUnknown("odd_answer", "not UTF-8") from None


def _never_connected(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError))


def _envelope(raw: str, response_type: str) -> tuple[str, dict[str, Any], str]:
    """Return the name of the answer's object, the object unverified, and its signature ("" for none)."""
    try:
        outside = json.loads(raw)
    except (ValueError, RecursionError):
        raise ResultUnknown("not_json") from None
    if not isinstance(outside, dict):
        raise ResultUnknown("not_json")
    node = response_type if response_type in outside else "error_response"
    inside, signature = outside.get(node), outside.get("sign", "")
    if not isinstance(inside, dict) or not isinstance(signature, str):
        raise ResultUnknown("odd_answer", "the answer names no answer")
    return node, inside, signature


# --- Keys ----------------------------------------------------------------------------------------------------------


def _private_key(text: str) -> rsa.RSAPrivateKey:
    """PKCS#1 or PKCS#8, as PEM or as the bare Base64 that Alipay's key tool writes."""
    der = _der(text)
    key = serialization.load_der_private_key(der, None) if der else _pem(text, private=True)
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise ValueError("app_private_key must be an RSA key of 2048 bits or more")
    return key


def _public_key(text: str) -> rsa.RSAPublicKey:
    der = _der(text)
    key = serialization.load_der_public_key(der) if der else _pem(text, private=False)
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise ValueError("alipay_public_key must be an RSA key of 2048 bits or more")
    return key


def _der(text: str) -> bytes:
    if "-----BEGIN" in text:
        return b""
    return base64.b64decode("".join(text.split()), validate=True)


def _pem(text: str, *, private: bool) -> Any:
    pem = text.strip().encode()
    return serialization.load_pem_private_key(pem, None) if private else serialization.load_pem_public_key(pem)


if importlib.metadata.version("python-alipay-sdk") != READ_AGAINST:
    raise RuntimeError(f"python-alipay-sdk is not the {READ_AGAINST} that this client mends: read its source again")
