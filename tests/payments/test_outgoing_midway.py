"""停止出款 thrown while workers send: what has begun ends, nothing else begins, and all is paid once."""

from __future__ import annotations

import threading

import pytest
from django.db import transaction

import clock
from payments import outgoing, refunding
from payments.models import AttemptStatus as A
from payments.models import RefundAttempt
from payments.refunding import Instruction
from tests.cases import hint
from tests.refunds.test_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 4  # sends of a sweep
WORKERS = 3


@pytest.mark.parametrize("count", [24, pytest.param(100, marks=pytest.mark.nightly)])
def test_in_the_midst_of_sending(count, buy, simulator, finance, operator, monkeypatch):
    monkeypatch.setattr(refunding, "BATCH", AT_ONCE)
    payments = [buy(price_fen=3000, stock=1).payments.get() for _ in range(count)]
    with transaction.atomic():
        attempts = refunding.open_attempts([Instruction(payment, 10, "试") for payment in payments], at=clock.now())
    turns, stopped = threading.Semaphore(count // 2 // AT_ONCE), threading.Event()  # half of them before it at most

    def worker():
        while turns.acquire(timeout=60) and not stopped.is_set():
            refunding.sweep(at=clock.now())
        while refunding.sweep(at=clock.now()):  # goes on as workers do, and finds nothing that it may send
            pass

    def throws_it():
        outgoing.stop(by=finance, reason="对账不平，先停", at=clock.now())
        at = clock.now()
        stopped.set()
        turns.release(WORKERS)
        return at

    *_, stopped_at = results = at_once(*[worker] * WORKERS, throws_it)
    assert not [each for each in results if isinstance(each, Exception)], results
    left = {row["out_refund_no"] for row in simulator.ledger()["refunds"]} & {each.request_no for each in attempts}
    begun = RefundAttempt.objects.exclude(first_sent_at=None)
    assert len(left) <= count // 2
    assert left == set(begun.values_list("request_no", flat=True))  # and each of them is known, none is sent again
    assert not begun.filter(first_sent_at__gt=stopped_at).exists()
    assert set(begun.values_list("status", flat=True)) <= {A.ACCEPTED}
    assert set(RefundAttempt.objects.filter(first_sent_at=None).values_list("status", flat=True)) == {A.PREPARED}

    outgoing.resume(by=operator, reason="已核对", at=clock.now())
    while RefundAttempt.objects.filter(first_sent_at=None).exists():
        refunding.sweep(at=clock.now())
    for attempt in attempts:
        simulator.settle(attempt.request_no, "SUCCESS")
        hint(attempt)
    while RefundAttempt.objects.exclude(status=A.SUCCEEDED).exists():
        refunding.sweep(at=clock.now())
    numbers = {attempt.request_no for attempt in attempts}
    effects = [row["effects"] for row in simulator.ledger()["refunds"] if row["out_refund_no"] in numbers]
    assert effects == [1] * count
