"""The card issuer: signed questions, signed answers, and what it does not know is unused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

CODE = "KM-2026-ABCD-1234"


def headers_of(gateway: Any, path: str, body: bytes, *, at: float | None = None, key: str = "") -> dict[str, str]:
    """What a supplier sends with his question."""
    keys = gateway.credentials["issuer"]
    timestamp, nonce = str(int(time.time() if at is None else at)), uuid.uuid4().hex
    text = f"POST\n{path}\n{timestamp}\n{nonce}\n".encode() + body + b"\n"
    signature = hmac.new((key or keys["supplier_key"]).encode(), text, "sha256").hexdigest()
    return {
        "Issuer-Supplier-Id": keys["supplier_id"],
        "Issuer-Timestamp": timestamp,
        "Issuer-Nonce": nonce,
        "Issuer-Signature": signature,
    }


def verify(gateway: Any, headers: Any, body: bytes) -> None:
    public = load_pem_public_key(gateway.credentials["issuer"]["public_key"].encode())
    text = f"{headers['Issuer-Timestamp']}\n{headers['Issuer-Nonce']}\n".encode() + body + b"\n"
    public.verify(base64.b64decode(headers["Issuer-Signature"]), text, PKCS1v15(), SHA256())  # type: ignore[union-attr,call-arg,arg-type]


def ask(gateway: Any, what: str, data: dict[str, Any], *, expect: int = 200) -> dict[str, Any]:
    """A question whose answer is checked as a shop would check it."""
    path, body = f"/issuer/{what}", json.dumps(data).encode()
    sent = headers_of(gateway, path, body)
    status, headers, answer = gateway.http("POST", path, body, sent)
    assert status == expect, answer.decode()
    verify(gateway, headers, answer)
    told = json.loads(answer)
    assert told["request_nonce"] == sent["Issuer-Nonce"]
    return told


def test_an_unknown_code_is_unused_and_may_be_asked_for_by_its_hash(gateway: Any) -> None:
    told = ask(gateway, "cards", {"code": f" {CODE} "})
    assert told["state"] == "unused"
    assert told["code_hash"] == hashlib.sha256(CODE.encode()).hexdigest()
    assert ask(gateway, "cards", {"code_hash": told["code_hash"]})["state"] == "unused"
    assert CODE not in json.dumps(told)


def test_a_redeemed_code_says_when_and_by_whom_masked(gateway: Any) -> None:
    gateway.control("issuer", {"code": "R-1", "redeemed_at": "2026-01-02T03:04:05+08:00", "redeemed_by": "13912345678"})
    told = ask(gateway, "cards", {"code": "R-1"})
    assert (told["state"], told["redeemed_at"], told["redeemed_by"]) == (
        "redeemed", "2026-01-02T03:04:05+08:00", "139****5678",
    )  # fmt: skip
    gateway.control("issuer", {"code": "R-1", "redeemed_at": None})
    assert ask(gateway, "cards", {"code": "R-1"})["state"] == "unused"


def test_a_code_is_redeemed_when_its_time_has_come(start_gateway: Any) -> None:
    gateway = start_gateway()
    now = json.loads(gateway.http("POST", "/_control/clock", b'{"advance_seconds": 0}')[2])["now"]
    year = str(int(now[:4]) + 1) + now[4:].replace("-02-29", "-02-28")
    gateway.control("issuer", {"code": "R-2", "redeemed_at": year})
    assert ask(gateway, "cards", {"code": "R-2"})["state"] == "unused"
    gateway.control("clock", {"advance_seconds": 367 * 86400})
    assert ask(gateway, "cards", {"code": "R-2"})["state"] == "redeemed"


def test_a_top_up_is_waited_for_and_arrives(gateway: Any) -> None:
    assert ask(gateway, "topups", {"reference": "nowhere"}, expect=404)["code"] == "TOPUP_NOT_EXIST"
    gateway.control("topup", {"reference": "T-1", "state": "PENDING"})
    assert ask(gateway, "topups", {"reference": "T-1"})["state"] == "PENDING"
    gateway.control("topup", {"reference": "T-1", "state": "DONE", "account": "13912345678"})
    told = ask(gateway, "topups", {"reference": "T-1"})
    assert (told["state"], told["account"], "arrived_at" in told) == ("DONE", "139****5678", True)
    gateway.control("topup", {"reference": "T-1", "state": "FAILED"})
    assert ask(gateway, "topups", {"reference": "T-1"})["state"] == "FAILED"


@pytest.mark.parametrize(
    "change",
    [
        {"Issuer-Signature": "0" * 64}, {"Issuer-Signature": "中"}, {"Issuer-Supplier-Id": "S0"},
        {"Issuer-Nonce": "other"}, {"Issuer-Nonce": ""}, {"Issuer-Timestamp": "0"}, {"Issuer-Timestamp": "x"},
    ],
)  # fmt: skip
def test_whoever_is_not_the_supplier_is_refused(gateway: Any, change: dict[str, str]) -> None:
    body = b'{"code": "x"}'
    encoded = {name: value.encode().decode("latin-1") for name, value in change.items()}
    status, headers, answer = gateway.http(
        "POST", "/issuer/cards", body, headers_of(gateway, "/issuer/cards", body) | encoded
    )
    assert (status, json.loads(answer)["code"]) == (401, "SIGN_ERROR")
    assert "Issuer-Signature" not in headers


def test_a_changed_question_is_refused(gateway: Any) -> None:
    signed = headers_of(gateway, "/issuer/cards", b'{"code": "x"}')
    assert gateway.http("POST", "/issuer/cards", b'{"code": "y"}', signed)[0] == 401
    assert gateway.http("POST", "/issuer/topups", b'{"code": "x"}', signed)[0] == 401
    old = headers_of(gateway, "/issuer/cards", b"{}", at=time.time() - 301)
    assert gateway.http("POST", "/issuer/cards", b"{}", old)[0] == 401


@pytest.mark.parametrize(
    ("what", "data"),
    [
        ("cards", {}), ("cards", {"code": ""}), ("cards", {"code": "x", "code_hash": "0" * 64}),
        ("cards", {"code_hash": "x"}), ("cards", {"code": 5}), ("topups", {}), ("topups", {"reference": "x" * 65}),
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_told_so(gateway: Any, what: str, data: dict[str, Any]) -> None:
    assert ask(gateway, what, data, expect=400)["code"] == "PARAM_ERROR"


def test_an_issuer_fails_when_it_is_told_to(gateway: Any) -> None:
    path, body = "/issuer/cards", b'{"code": "F-1"}'
    gateway.fault("issuer_500", request_no="F-1")
    assert ask(gateway, "cards", {"code": "F-1"}, expect=500)["code"] == "SYSTEM_ERROR"
    gateway.fault("issuer_429", request_no="F-1")
    assert ask(gateway, "cards", {"code": "F-1"}, expect=429)["code"] == "TOO_FAST"
    gateway.fault("issuer_lost", request_no="F-1")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        gateway.http("POST", path, body, headers_of(gateway, path, body))
    gateway.fault("issuer_bad_signature", request_no="F-1")
    _, headers, answer = gateway.http("POST", path, body, headers_of(gateway, path, body))
    with pytest.raises(InvalidSignature):
        verify(gateway, headers, answer)
    assert ask(gateway, "cards", {"code": "F-1"})["state"] == "unused"


def test_a_rate_strikes_a_share_of_the_questions(start_gateway: Any) -> None:
    gateway = start_gateway()
    gateway.fault("issuer_500", rate=1, times=2)
    path, body = "/issuer/cards", b'{"code": "x"}'
    answers = [gateway.http("POST", path, body, headers_of(gateway, path, body))[0] for _ in range(3)]
    assert answers == [500, 500, 200]
