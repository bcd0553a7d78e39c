"""Many at once on the same codes, from several processes; and an import that is killed in the middle (P13, P16, F1)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import count as count_from
from urllib.parse import urlsplit

import pytest
from django.db import connection, transaction

import clock
from orders import delivery
from orders.models import Delivery, Order, OrderStatus, Reservation
from shops import importing, stock
from shops.models import CardCode, CodeEvent, CodeState, ImportStatus, StagedCode
from tests.cast import person
from tests.demo_stack import ROOT, eventually
from tests.shops import sheets

pytestmark = pytest.mark.django_db(transaction=True)

BUYERS, CODES = 200, 50
PROCESSES = 4


@contextmanager
def outside(*words: object) -> Iterator[subprocess.Popen[str]]:
    """Another process on this test's own database; with the block it is over, whatever it was about."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    command = [sys.executable, "-m", *(str(word) for word in words)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "DATABASE_URL": url}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def test_two_hundred_buyers_at_once_on_fifty_codes(make_product):
    """P16: 50 have their codes, 150 are told before they can pay, no code is anybody's twice."""
    product = make_product(stock=CODES)
    for number in range(BUYERS):
        person(f"crowd{number:03d}", "buyer")
    each = BUYERS // PROCESSES
    with ExitStack() as stack:
        crowds = [
            stack.enter_context(outside("tests.shops.buyers", product.pk, first, each))
            for first in range(0, BUYERS, each)
        ]
        assert [crowd.stdout.readline() for crowd in crowds] == ["ready\n"] * PROCESSES
        for crowd in crowds:
            crowd.stdin.write("go\n")
            crowd.stdin.flush()
        said = [json.loads(line) for crowd in crowds for line in crowd.communicate(timeout=180)[0].splitlines()]

    assert len(said) == BUYERS
    assert [answer for answer in said if "failed" in answer] == []
    assert [answer["refused"] for answer in said if "refused" in answer] == ["sold_out"] * (BUYERS - CODES)
    orders = Order.objects.filter(order_no__in=[answer["order_no"] for answer in said if "order_no" in answer])
    assert orders.count() == Order.objects.count() == CODES
    assert Reservation.objects.values("code").distinct().count() == Reservation.objects.count() == CODES
    assert set(product.codes.values_list("state", flat=True)) == {CodeState.RESERVED}

    for order in orders:
        with transaction.atomic():
            delivery.mark_paid(Order.objects.select_for_update(no_key=True).get(pk=order.pk), at=clock.now())
    assert set(Order.objects.values_list("status", flat=True)) == {OrderStatus.DELIVERED}
    assert Delivery.objects.values("code").distinct().count() == Delivery.objects.count() == CODES
    assert set(product.codes.values_list("state", flat=True)) == {CodeState.DELIVERED}


def test_an_import_killed_in_the_middle_left_nothing_and_comes_whole_afterwards(make_product, merchant):
    """F1. It is held up half-way by a code that somebody else is about to take in, and killed there."""
    product, count = make_product(stock=0), 3000
    texts = sheets.codes(count)
    row = importing.upload(product, sheets.csv(*texts), file_name="codes.csv", by=merchant, at=clock.now())
    while importing.sweep(at=clock.now()):
        pass
    importing.confirm(row, good=count, is_part=False, by=merchant, at=clock.now())
    with transaction.atomic():
        stock.add(make_product(stock=0), [texts[2500]], at=clock.now())
        with outside("tests.shops.importer") as worker:
            eventually(lambda: progress(row) == 2000, 60, "it did not come as far")
            assert worker.poll() is None, "it was done before it was killed"
            os.kill(worker.pid, signal.SIGKILL)
        transaction.set_rollback(True)  # the other one gives up
    assert not CardCode.objects.exists()
    assert not CodeEvent.objects.exists()
    assert StagedCode.objects.filter(stock_import=row).count() == count

    turns = count_from(1)  # each after the lease of the one before; the first is the dead worker's
    eventually(lambda: is_over(row, clock.now() + next(turns) * timedelta(minutes=3)), 60, "it never ended")
    assert (row.status, row.done_count) == (ImportStatus.IMPORTED, count)
    assert product.codes.filter(state=CodeState.IN_STOCK).count() == count
    assert CodeEvent.objects.count() == count
    assert not StagedCode.objects.exists()


def is_over(row: importing.StockImport, at: datetime) -> bool:
    """After one more turn. Until the server notices that its client is dead, what that one holds is locked."""
    importing.sweep(at=at)
    row.refresh_from_db()
    return row.status != ImportStatus.IMPORTING


def progress(row: importing.StockImport) -> int:
    """As the page would show it: read past the transaction that is still open."""
    return importing.StockImport.objects.values_list("done_count", flat=True).get(pk=row.pk)


def test_two_workers_do_not_take_the_same_import_in_twice(make_product, merchant):
    """The second finds it busy, however long ago the lease ran out."""
    product = make_product(stock=0)
    row = importing.upload(product, sheets.csv("A-1", "A-2"), file_name="codes.csv", by=merchant, at=clock.now())
    while importing.sweep(at=clock.now()):
        pass
    importing.confirm(row, good=2, is_part=False, by=merchant, at=clock.now())
    with transaction.atomic():
        assert importing._is_mine(row)
        with connection.cursor() as cursor:  # the other may be slow to start
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        with outside("tests.shops.importer") as worker:
            assert worker.communicate(timeout=60)[0] == "1\n0\n"  # a turn at it, and it was somebody else's
    assert not CardCode.objects.exists()
    assert importing.sweep(at=clock.now() + timedelta(minutes=3)) == 1
    assert product.codes.count() == 2
