"""Ordered faults: each strikes as often as it was ordered, and money still moves once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

SIGNTEST = "WECHATPAY/SIGNTEST/"


@pytest.fixture
def order(gateway: Any, deaf_url: str) -> str:
    return gateway.paid_order(deaf_url)


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        ("request_lost", False),
        ("answer_lost", True),
        ("http_500_before", False),
        ("http_500_after", True),
        ("http_429", True),
        ("bad_signature", True),
        ("signtest_signature", True),
    ],
)
def test_a_call_goes_wrong_once_and_the_same_number_again_ends_it(
    gateway: Any, order: str, fault: str, done: bool
) -> None:
    """G1 to G4, G19 seen from the channel: done or not, the second try makes it exactly one refund."""
    refund_no = f"{order}R1"
    gateway.fault(fault, request_no=refund_no)
    if fault in ("request_lost", "answer_lost"):
        with pytest.raises(requests.exceptions.ConnectionError):
            gateway.refund(order, refund_no)
    elif fault in ("bad_signature", "signtest_signature"):
        with pytest.raises(Exception, match="failed to verify the signature"):
            gateway.refund(order, refund_no)
    else:
        status, body = gateway.refund(order, refund_no)
        code = "FREQUENCY_LIMITED" if fault == "http_429" else "SYSTEM_ERROR"
        assert (status, body["code"]) == (429 if fault == "http_429" else 500, code)
    assert bool(gateway.in_ledger("refunds", refund_no)) == done

    assert gateway.refund(order, refund_no)[0] == 200  # the order was for one fault
    assert gateway.in_ledger("refunds", refund_no)["effects"] == 1
    assert gateway.in_ledger("payments", order)["refunded_fen"] == 1000


def test_a_wrong_signature_may_look_like_wechats_own_probe(gateway: Any, order: str) -> None:
    for fault, probe in [("bad_signature", False), ("signtest_signature", True)]:
        gateway.fault(fault, request_no=f"{order}R1")
        path = f"/v3/refund/domestic/refunds/{order}R1"
        _, headers, _ = gateway.http("GET", path, headers=gateway.signed("GET", path))
        assert headers["Wechatpay-Signature"].startswith(SIGNTEST) == probe


def test_a_fault_strikes_as_often_as_ordered_and_only_its_number(gateway: Any, order: str, deaf_url: str) -> None:
    other = gateway.paid_order(deaf_url)
    gateway.fault("http_500_before", request_no=f"{order}R1", times=3)
    assert gateway.refund(other, f"{other}R1")[0] == 200
    assert [gateway.refund(order, f"{order}R1")[0] for _ in range(4)] == [500, 500, 500, 200]


def test_a_payment_number_is_as_good_as_a_refund_number(gateway: Any, deaf_url: str) -> None:
    number = gateway.order(deaf_url)
    gateway.fault("http_500_before", request_no=number, times=2)
    assert gateway.client.query(out_trade_no=number)[0] == 500
    assert gateway.client.close(number)[0] == 500
    assert gateway.client.close(number)[0] == 204


def test_a_refund_is_found_by_its_payment_however_it_names_it(gateway: Any, order: str) -> None:
    transaction_id = gateway.query(order)["transaction_id"]
    gateway.fault("http_500_before", request_no=order, times=2)
    amount = {"refund": 1, "total": 1000, "currency": "CNY"}
    assert gateway.client.refund(f"{order}R1", amount, transaction_id=transaction_id)[0] == 500
    assert gateway.client.refund(f"{order}R1", amount, out_trade_no=order)[0] == 500
    assert gateway.client.refund(f"{order}R1", amount, out_trade_no=order)[0] == 200


def test_strangers_do_not_use_faults_up(gateway: Any, order: str) -> None:
    gateway.fault("http_500_before", request_no=f"{order}R1")
    assert gateway.http("GET", f"/v3/refund/domestic/refunds/{order}R1")[0] == 401
    assert gateway.refund(order, f"{order}R1")[0] == 500


def test_a_rate_strikes_refund_calls_until_it_is_cleared(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway()
    orders = [gateway.paid_order(deaf_url) for _ in range(60)]
    gateway.fault("http_500_before", rate=0.5)
    statuses = [gateway.refund(order, f"{order}R1")[0] for order in orders]
    assert 10 < statuses.count(500) < 50
    assert gateway.query(orders[0])["trade_state"] in ("SUCCESS", "REFUND")  # not a refund call
    gateway.fault("http_429", rate=1, times=2)
    gateway.control("faults", {"clear": True})
    assert {gateway.refund(order, f"{order}R1")[0] for order in orders} == {200}
    gateway.fault("http_429", rate=1, times=2)
    assert [gateway.refund(orders[0], f"{orders[0]}R1")[0] for _ in range(3)] == [429, 429, 200]
    assert gateway.ledger()["faults"] == []


# --- notifications ---------------------------------------------------------------------------------------------------


@pytest.fixture
def refunded(gateway: Any, ear: Any) -> Callable[..., str]:
    """A refund whose notification meets a fault."""

    def refund(fault: str, status: str = "SUCCESS", **more: Any) -> str:
        number = gateway.paid_order(ear.url)
        ear.next()
        refund_no = f"{number}R1"
        gateway.control("settle", {"request_no": refund_no, "status": "PROCESSING", "in_advance": True})
        gateway.refund(number, refund_no, notify_url=ear.url)
        gateway.fault(fault, request_no=refund_no, **more)
        gateway.control("settle", {"request_no": refund_no, "status": status})
        return refund_no

    return refund


def test_a_notification_is_lost(gateway: Any, ear: Any, refunded: Callable[..., str]) -> None:
    refund_no = refunded("notification_lost")
    assert gateway.in_ledger("notifications", refund_no)["state"] == "lost"
    assert gateway.query_refund(refund_no)["status"] == "SUCCESS"
    gateway.paid_order(ear.url)
    assert ear.next_event(gateway)["event_type"] == "TRANSACTION.SUCCESS"  # and nothing came before it


def test_a_notification_comes_twice(gateway: Any, ear: Any, refunded: Callable[..., str]) -> None:
    refunded("notification_twice")
    (first, body), (second, again) = ear.next(), ear.next()
    assert body == again
    assert first["Wechatpay-Signature"] != second["Wechatpay-Signature"]
    assert gateway.client.callback(first, body) == gateway.client.callback(second, again)


def test_a_notification_comes_late(gateway: Any, ear: Any, refunded: Callable[..., str]) -> None:
    refund_no = refunded("notification_late", delay_seconds=86_400)
    waiting = gateway.in_ledger("notifications", refund_no)
    assert (waiting["state"], waiting["tries"]) == ("waiting", 0)
    assert gateway.query_refund(refund_no)["status"] == "SUCCESS"
    gateway.control("clock", {"advance_seconds": 86_400 / 60 + 1})
    assert ear.next_event(gateway)["resource"]["out_refund_no"] == refund_no


def test_a_forged_notification_claims_success_before_the_genuine_one(
    gateway: Any, ear: Any, refunded: Callable[..., str]
) -> None:
    refund_no = refunded("notification_forged", status="ABNORMAL")
    headers, body = ear.next()
    assert gateway.client.callback(headers, body) is None  # the stock client sees the forgery
    assert json.loads(body)["event_type"] == "REFUND.SUCCESS"
    resource = json.loads(body)["resource"]
    claim = json.loads(gateway.decrypt(resource))
    assert (claim["out_refund_no"], claim["refund_status"]) == (refund_no, "SUCCESS")
    event = ear.next_event(gateway)
    assert event["event_type"] == "REFUND.ABNORMAL"
    assert event["id"] != json.loads(body)["id"]


def test_wechats_own_probe_comes_before_the_genuine_one(gateway: Any, ear: Any, refunded: Callable[..., str]) -> None:
    refunded("notification_signtest")
    headers, body = ear.next()
    assert headers["Wechatpay-Signature"].startswith(SIGNTEST)
    assert gateway.client.callback(headers, body) is None
    assert ear.next_event(gateway)["event_type"] == "REFUND.SUCCESS"


def test_a_payments_notification_can_be_lost_too(gateway: Any, ear: Any) -> None:
    number = gateway.order(ear.url)
    gateway.fault("notification_lost", request_no=number)
    gateway.control("pay", {"out_trade_no": number})
    assert gateway.in_ledger("notifications", number)["state"] == "lost"
    assert gateway.query(number)["trade_state"] == "SUCCESS"
