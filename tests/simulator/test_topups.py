"""Top-ups at the card issuer: ordered once under the supplier's own reference, whatever gets lost on the way."""

from __future__ import annotations

import http.client
import json
import signal
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from tests.simulator.test_issuers import ask, headers_of, verify

PHONE = "13812345678"


def order(reference: str, account: str = PHONE, **more: Any) -> dict[str, Any]:
    return {"reference": reference, "sku": "phone-50", "account": account} | more


def in_ledger(gateway: Any, reference: str) -> list[dict[str, Any]]:
    return [row for row in gateway.ledger()["topups"] if row["reference"] == reference]


def advance(gateway: Any, seconds: float) -> None:
    gateway.control("clock", {"advance_seconds": seconds})


def test_a_top_up_arrives_after_five_seconds(start_gateway: Any) -> None:
    gateway = start_gateway(speed=0.001)  # 5 seconds are 5,000: only the clock below lets them pass
    told = ask(gateway, "orders", order("O-1", server="星海一区", quantity=2))
    assert (told["state"], told["account"], "arrived_at" in told) == ("PENDING", "138****5678", False)
    advance(gateway, 5001)
    told = ask(gateway, "topups", {"reference": "O-1"})
    assert (told["state"], told["account"], "arrived_at" in told) == ("DONE", "138****5678", True)
    assert [(row["quantity"], row["state"]) for row in in_ledger(gateway, "O-1")] == [(2, "DONE")]


def test_a_number_out_of_service_fails_and_says_why(start_gateway: Any) -> None:
    gateway = start_gateway(speed=0.001)
    assert ask(gateway, "orders", order("O-2", "13800000000"))["state"] == "PENDING"
    advance(gateway, 5001)
    told = ask(gateway, "topups", {"reference": "O-2"})
    assert (told["state"], told["reason"]) == ("FAILED", "号码已停机")


def test_a_pending_one_waits_for_the_control_plane(start_gateway: Any) -> None:
    gateway = start_gateway()
    ask(gateway, "orders", order("O-3", "13800009999"))
    advance(gateway, 86400)
    assert ask(gateway, "topups", {"reference": "O-3"})["state"] == "PENDING"
    gateway.control("topup", {"reference": "O-3", "state": "FAILED", "reason": "运营商维护"})
    told = ask(gateway, "topups", {"reference": "O-3"})
    assert (told["state"], told["reason"], told["account"]) == ("FAILED", "运营商维护", "138****9999")


def test_what_is_arranged_beforehand_happens_at_once(gateway: Any) -> None:
    gateway.control("topup", {"reference": "O-4", "state": "DONE"})
    assert ask(gateway, "orders", order("O-4"))["state"] == "DONE"


def test_the_same_order_again_is_answered_with_what_stands(gateway: Any) -> None:
    first = ask(gateway, "orders", order("O-5", "13800009999"))
    gateway.control("topup", {"reference": "O-5", "state": "DONE"})
    again = ask(gateway, "orders", order("O-5", "13800009999"))
    assert (first["state"], again["state"]) == ("PENDING", "DONE")
    assert ask(gateway, "orders", order("O-5", "13800009999", quantity=2), expect=409)["code"] == "REFERENCE_IN_USE"
    assert len(in_ledger(gateway, "O-5")) == 1


def test_an_answer_lost_before_or_after_the_order_was_taken(gateway: Any) -> None:
    path = "/issuer/orders"
    for fault, is_taken in (("issuer_lost", False), ("issuer_lost_after", True)):
        reference = f"O-6-{fault}"
        body = json.dumps(order(reference)).encode()
        gateway.fault(fault, request_no=reference)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            gateway.http("POST", path, body, headers_of(gateway, path, body))
        told = ask(gateway, "topups", {"reference": reference}, expect=200 if is_taken else 404)
        assert told.get("reference") == (reference if is_taken else None)
        ask(gateway, "orders", order(reference))
        assert len(in_ledger(gateway, reference)) == 1


def test_an_answer_with_a_wrong_signature_was_an_order_all_the_same(gateway: Any) -> None:
    path, body = "/issuer/orders", json.dumps(order("O-7")).encode()
    gateway.fault("issuer_bad_signature", request_no="O-7")
    _, headers, answer = gateway.http("POST", path, body, headers_of(gateway, path, body))
    with pytest.raises(InvalidSignature):
        verify(gateway, headers, answer)
    assert len(in_ledger(gateway, "O-7")) == 1


@pytest.mark.parametrize("fault", ["issuer_500", "issuer_429"])
def test_an_error_leaves_nothing_behind(gateway: Any, fault: str) -> None:
    gateway.fault(fault, request_no=f"O-8-{fault}")
    ask(gateway, "orders", order(f"O-8-{fault}"), expect=int(fault[-3:]))
    assert in_ledger(gateway, f"O-8-{fault}") == []


def test_without_money_nothing_is_ordered(start_gateway: Any) -> None:
    gateway = start_gateway()
    gateway.control("supplier", {"balance_fen": 9800})
    ask(gateway, "orders", order("O-9"))
    assert ask(gateway, "orders", order("O-10", quantity=2), expect=402)["code"] == "BALANCE_SHORT"
    assert ask(gateway, "topups", {"reference": "O-10"}, expect=404)["code"] == "TOPUP_NOT_EXIST"
    gateway.control("topup", {"reference": "O-9", "state": "FAILED"})  # gives the money back, once
    gateway.control("topup", {"reference": "O-9", "state": "FAILED"})
    ask(gateway, "orders", order("O-10", quantity=2))
    assert ask(gateway, "orders", order("O-11"), expect=402)["code"] == "BALANCE_SHORT"
    gateway.control("supplier", {"balance_fen": None})
    ask(gateway, "orders", order("O-11"))
    assert [row["paid_fen"] for row in gateway.ledger()["topups"]] == [0, 9800, 4900]


def test_a_rate_lets_a_share_of_new_top_ups_fail(start_gateway: Any) -> None:
    gateway = start_gateway()
    gateway.fault("topup_fails", rate=1, times=1)
    for reference in ("O-12", "O-12", "O-13"):  # the second asks what stands: it uses nothing up
        ask(gateway, "orders", order(reference))
    advance(gateway, 6)
    states = [ask(gateway, "topups", {"reference": reference})["state"] for reference in ("O-12", "O-13")]
    assert states == ["FAILED", "DONE"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"reference": ""}, 400, "PARAM_ERROR"), ({"reference": "x" * 65}, 400, "PARAM_ERROR"),
        ({"account": None}, 400, "PARAM_ERROR"), ({"server": 5}, 400, "PARAM_ERROR"),
        ({"quantity": 0}, 400, "PARAM_ERROR"), ({"quantity": 101}, 400, "PARAM_ERROR"),
        ({"quantity": True}, 400, "PARAM_ERROR"), ({"sku": None}, 400, "PARAM_ERROR"),
        ({"sku": "phone-30"}, 404, "SKU_NOT_EXIST"),
    ],
)  # fmt: skip
def test_an_order_that_makes_no_sense_is_told_so(gateway: Any, change: dict[str, Any], status: int, code: str) -> None:
    assert ask(gateway, "orders", order("O-14") | change, expect=status)["code"] == code
    assert in_ledger(gateway, "O-14") == []


def test_orders_survive_a_kill(start_gateway: Any) -> None:
    gateway = start_gateway()
    ask(gateway, "orders", order("O-15", "13800009999"))
    gateway.stop(signal.SIGKILL)
    gateway.start()
    assert ask(gateway, "orders", order("O-15", "13800009999"))["state"] == "PENDING"
    assert len(in_ledger(gateway, "O-15")) == 1
