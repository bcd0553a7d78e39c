"""发卡方: cards and top-ups over HTTP, asked with an HMAC, answered under RSA-SHA256 (simulator/README.md, "发卡方").

What does not verify is no answer (G19): neither a success nor a refusal is believed without the issuer's signature over
our own nonce, so that no old answer can be played back. A code is asked about by its SHA-256; its text never leaves us.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

import wire
from shops.suppliers.base import (
    Answer,
    CodeFact,
    NeverSent,
    OutcomeUnknown,
    Signed,
    SupplierBusy,
    SupplierRefused,
    TopUpOrder,
    TopUpState,
)

LATER = {402, 429}  # BALANCE_SHORT, TOO_FAST: nothing was ordered, try again later
IN_USE = 409  # our number stands for another content there: something was ordered, so this is no refusal
UNSIGNED_WORD = "the answer is not signed by the supplier"
CODE_FACTS = {"unused": CodeFact.UNUSED, "redeemed": CodeFact.REDEEMED}
TOPUP_STATES = {"PENDING": TopUpState.PENDING, "DONE": TopUpState.DONE, "FAILED": TopUpState.FAILED}


@dataclass(frozen=True)
class Issuer:
    """One account at one issuer. ``gateway`` ends in /issuer; ``public_key`` is SPKI PEM."""

    gateway: str
    supplier_id: str
    supplier_key: str = field(repr=False)
    public_key: str = field(repr=False)

    def look_up(self, code_text: str) -> Answer:
        code_hash = hashlib.sha256(code_text.strip().encode()).hexdigest()
        status, said, signed = self._ask("/cards", {"code_hash": code_hash})
        if status != 200:
            raise _refusal(status, said, signed)
        _repeats(said, "code_hash", code_hash)
        fact = _word(said, CODE_FACTS)
        return Answer(fact, signed, _moment(said, "redeemed_at") if fact is CodeFact.REDEEMED else None)

    def order(self, order: TopUpOrder) -> Answer:
        content = {"reference": order.topup_no, "sku": order.sku, "account": order.account, "quantity": order.quantity}
        status, said, signed = self._ask("/orders", content | ({"server": order.server} if order.server else {}))
        if status != 200:
            raise _refusal(status, said, signed)
        return _topup(said, signed, order.topup_no)

    def query(self, topup_no: str) -> Answer:
        status, said, signed = self._ask("/topups", {"reference": topup_no})
        if status == 404 and said.get("code") == "TOPUP_NOT_EXIST":
            return Answer(TopUpState.NOT_FOUND, signed)
        if status != 200:  # refused to tell: no word about whether anything was ordered
            raise OutcomeUnknown(str(said.get("code", status))[:40], str(said.get("message", ""))[:200])
        return _topup(said, signed, topup_no)

    def is_genuine(self, signed: Signed) -> bool:
        try:
            raw = base64.b64decode(signed.signature, validate=True)
            text = f"{signed.timestamp}\n{signed.nonce}\n{signed.body}\n".encode()
            self._verifier.verify(raw, text, PKCS1v15(), SHA256())
        except (binascii.Error, InvalidSignature):
            return False
        return True

    # --- the wire

    def _ask(self, path: str, content: Mapping[str, object]) -> tuple[int, dict[str, Any], Signed]:
        """The HTTP status of a signed answer to this very question, what it says, and its proof."""
        nonce = secrets.token_hex(16)
        response = self._send(path, json.dumps(content, ensure_ascii=False).encode(), nonce)
        signed = self._signed(response)
        if not self.is_genuine(signed):
            raise OutcomeUnknown("bad_signature", f"HTTP {response.status_code}: {UNSIGNED_WORD}")
        said = _object(signed.body)
        _repeats(said, "request_nonce", nonce)
        return response.status_code, said, signed

    def _send(self, path: str, body: bytes, nonce: str) -> requests.Response:
        address = f"{self.gateway}{path}"
        timestamp = str(int(time.time()))  # real time: the issuer compares it with its own
        text = f"POST\n{urlsplit(address).path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
        headers = {
            "Content-Type": "application/json",
            "Issuer-Supplier-Id": self.supplier_id,
            "Issuer-Timestamp": timestamp,
            "Issuer-Nonce": nonce,
            "Issuer-Signature": hmac.new(self.supplier_key.encode(), text, "sha256").hexdigest(),
        }
        try:
            return wire.session().post(address, data=body, headers=headers, allow_redirects=False)
        except requests.exceptions.RequestException as error:
            if _never_connected(error):
                raise NeverSent("no_connection", type(error).__name__) from None
            raise OutcomeUnknown("no_answer", type(error).__name__) from None

    def _signed(self, response: requests.Response) -> Signed:
        headers = response.headers
        try:
            body = response.content.decode()
        except UnicodeDecodeError:
            raise OutcomeUnknown("garbled", f"HTTP {response.status_code}") from None
        return Signed(
            body=body,
            timestamp=headers.get("Issuer-Timestamp", "")[:40],
            nonce=headers.get("Issuer-Nonce", "")[:64],
            signature=headers.get("Issuer-Signature", ""),
            public_key_digest=self._key_digest,
        )

    @cached_property
    def _verifier(self) -> RSAPublicKey:
        key = load_pem_public_key(self.public_key.encode())
        if not isinstance(key, RSAPublicKey):
            raise TypeError("the issuer signs with RSA")
        return key

    @cached_property
    def _key_digest(self) -> str:
        der = self._verifier.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()


# --- reading what it says: signed, and still not as agreed, is no answer either ------------------------------------


def _topup(said: Mapping[str, Any], signed: Signed, topup_no: str) -> Answer:
    _repeats(said, "reference", topup_no)
    state = _word(said, TOPUP_STATES)
    arrived_at = _moment(said, "arrived_at") if state is TopUpState.DONE else None
    return Answer(state, signed, arrived_at, str(said.get("reason", ""))[:200])


def _refusal(status: int, said: Mapping[str, Any], signed: Signed) -> Exception:
    """A signed 4xx is the final word that nothing was ordered; a few mean "later", or that something stands there."""
    code, message = str(said.get("code", status))[:40], str(said.get("message", ""))[:200]
    if status in LATER:
        return SupplierBusy(code, message, signed=signed)
    if 400 <= status < 500 and status != IN_USE:
        return SupplierRefused(code, message, signed=signed)
    return OutcomeUnknown(code, message)


def _object(body: str) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        raise OutcomeUnknown("garbled", "the answer is not JSON") from None
    if not isinstance(said, dict):
        raise OutcomeUnknown("garbled", "the answer is no object")
    return said


def _repeats(said: Mapping[str, Any], name: str, asked: str) -> None:
    if said.get(name) != asked:
        raise OutcomeUnknown("not_our_answer", f"{name} is not the one that we asked with")


def _word(said: Mapping[str, Any], words: Mapping[str, Any]) -> Any:
    if said.get("state") not in words:
        raise OutcomeUnknown("garbled", "the answer has no state that we know")
    return words[said["state"]]


def _moment(said: Mapping[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(said[name])
    except (KeyError, TypeError, ValueError):
        raise OutcomeUnknown("garbled", f"{name} is no time") from None
    if moment.tzinfo is None:
        raise OutcomeUnknown("garbled", f"{name} has no time zone")
    return moment


def _never_connected(error: requests.exceptions.RequestException) -> bool:
    """Only what broke before there was a connection: after that, who knows what arrived."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), urllib3.exceptions.NewConnectionError)
