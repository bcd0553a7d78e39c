"""Notifications are sent again on WeChat's schedule, signed afresh, through restarts, and given up after a day."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

SCHEDULE = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600]


def seconds_until_due(gateway: Any, number: str) -> float:
    ledger = gateway.ledger()
    row = next(row for row in ledger["notifications"] if row["number"] == number)
    return (datetime.fromisoformat(row["due_at"]) - datetime.fromisoformat(ledger["now"])).total_seconds()


def tries(gateway: Any, number: str) -> int:
    return gateway.in_ledger("notifications", number)["tries"]


def test_a_refused_notification_comes_again_on_the_documented_schedule(
    start_gateway: Callable[..., Any], ear: Any, until: Callable[..., Any]
) -> None:
    gateway = start_gateway(speed=1)
    ear.answer = 500
    number = gateway.paid_order(ear.url)
    seen = set()
    for send, wait in enumerate([*SCHEDULE, None], start=1):
        headers, body = ear.next()
        assert gateway.client.callback(headers, body)["resource"]["out_trade_no"] == number
        seen.add((headers["Wechatpay-Signature"], headers["Wechatpay-Nonce"]))
        until(lambda send=send: tries(gateway, number) == send)
        if wait is not None:
            assert seconds_until_due(gateway, number) == pytest.approx(wait, abs=3)
            gateway.control("clock", {"advance_seconds": wait})
    assert len(seen) == 16
    given_up = gateway.in_ledger("notifications", number)
    assert (given_up["state"], given_up["tries"], given_up["last_answer"]) == ("given_up", 16, "HTTP 500")


def test_the_schedule_is_divided_by_the_speed(gateway: Any, ear: Any, until: Callable[..., Any]) -> None:
    ear.answer = 400
    number = gateway.paid_order(ear.url)
    for _ in range(3):  # at once, after 0.25 s, after 0.25 s
        ear.next()
    ear.answer = 200
    until(lambda: gateway.in_ledger("notifications", number)["state"] == "received")


@pytest.mark.parametrize("answer", [200, 204])
def test_a_received_notification_does_not_come_again(
    gateway: Any, ear: Any, until: Callable[..., Any], answer: int
) -> None:
    ear.answer = answer
    number = gateway.paid_order(ear.url)
    ear.next()
    until(lambda: gateway.in_ledger("notifications", number)["state"] == "received")
    gateway.control("clock", {"advance_seconds": 3600})
    marker = gateway.paid_order(ear.url)
    assert ear.next_event(gateway)["resource"]["out_trade_no"] == marker


@pytest.mark.parametrize("answer", [201, 301, 302, 404, 503])
def test_every_other_answer_means_again(gateway: Any, ear: Any, until: Callable[..., Any], answer: int) -> None:
    ear.answer = answer
    number = gateway.paid_order(ear.url)
    until(lambda: tries(gateway, number) >= 2)
    ear.answer = 204


def test_a_shop_that_is_down_is_told_when_it_is_back(
    start_gateway: Callable[..., Any], ear: Any, until: Callable[..., Any], deaf_url: str
) -> None:
    """Also if the simulator was killed in between: what is queued lives in its books."""
    gateway = start_gateway(speed=1)
    ear.answer = 503
    number = gateway.paid_order(ear.url)
    first, _ = ear.next()
    until(lambda: tries(gateway, number) == 1)
    gateway.stop(signal.SIGKILL)
    gateway.start()
    assert tries(gateway, number) == 1
    ear.answer = 204
    gateway.control("clock", {"advance_seconds": 16})
    headers, body = ear.next()
    assert headers["Wechatpay-Signature"] != first["Wechatpay-Signature"]
    assert gateway.client.callback(headers, body)["resource"]["out_trade_no"] == number


def test_a_shop_that_hangs_is_not_waited_for_and_others_are_still_told(
    gateway: Any, ear: Any, hanging_url: str
) -> None:
    for _ in range(3):
        gateway.paid_order(hanging_url)
    number = gateway.paid_order(ear.url)
    assert ear.next_event(gateway)["resource"]["out_trade_no"] == number


def test_without_an_address_nobody_is_told(gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    gateway.refund(number, f"{number}R1")
    gateway.control("settle", {"request_no": f"{number}R1", "status": "SUCCESS"})
    assert gateway.in_ledger("notifications", f"{number}R1") is None
