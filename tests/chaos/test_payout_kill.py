"""A batch is paid by a worker that is killed at random, ten times: each line is paid once (F1, P6, I11, S2-18)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.db.models import Count

import clock
from cardshop import invariants
from orders import delivery
from payments.models import RefundAttempt
from refunds import applying, lifecycle, sweeping
from refunds.models import Disbursement, PayoutLine, Refund, Status
from refunds.payouts import batches
from shops.stock import Viewer
from tests.chaos.test_bulk_kill import order_all, pay_all
from tests.demo_stack import ROOT, eventually

pytestmark = pytest.mark.django_db(transaction=True)

PRICE_FEN = 999
SECONDS_EACH = 2.0  # generous: two cores, shared with whatever else runs


@pytest.mark.parametrize(("many", "kills"), [(100, 3), pytest.param(1000, 10, marks=pytest.mark.nightly)])
def test_a_batch_pays_each_line_once_whatever_dies(many, kills, make_product, reviewer, finance, cashier, simulator):
    waiting = wait_for_finance(many, make_product(PRICE_FEN, stock=many), reviewer, simulator)
    batch = batches.compose(by=finance, at=clock.now(), most_lines=many, most_fen=many * PRICE_FEN)
    assert (batch.line_count, batch.total_fen) == (many, many * PRICE_FEN)
    batches.propose(batch, by=finance, at=clock.now())
    batches.approve(batch, by=cashier, at=clock.now())

    chance = random.Random(batch.pk)
    for number in range(1, kills + 1):
        share = chance.randrange(many * (number - 1) // kills, many * number // kills)
        worker = start()
        eventually(lambda share=share: paid() >= share, 60, "no line was paid")
        time.sleep(chance.random() / 4)  # anywhere: in a turn, in a call, between them
        assert worker.poll() is None, "the worker died by itself"
        kill(worker)
        assert paid() == Disbursement.objects.count()  # what was paid and what a line says are one commit

    worker = start()
    eventually(lambda: arrived() == many, many * SECONDS_EACH, "not all of the money has arrived")
    kill(worker)

    batch.refresh_from_db()
    assert (batch.status, paid()) == ("done", many)
    once = Disbursement.objects.aggregate(Count("pk"), cases=Count("refund", distinct=True))
    assert once == {"pk__count": many, "cases": many}
    assert RefundAttempt.objects.count() == many
    theirs = [row for row in simulator.ledger()["refunds"] if row["out_trade_no"] in waiting]
    assert {(row["status"], row["amount_fen"], row["effects"], row["returns"]) for row in theirs} == {
        ("SUCCESS", PRICE_FEN, 1, 0)
    }
    assert len(theirs) == many
    assert invariants.broken(simulator.ledger()) == []


def wait_for_finance(many, product, reviewer, simulator):
    """Orders really paid, codes looked at, refunds applied for and approved; the numbers of their payments."""
    payments = pay_all(order_all(product, many), simulator)
    for payment in payments:
        payment.order.refresh_from_db()
        buyer = payment.order.buyer
        viewer = Viewer(buyer, "203.0.113.7", "chaos")
        delivery.reveal(payment.order.lines.get(), viewer=viewer, at=clock.now(), verified_by="password")
        words = applying.Application("invalid_code", description="提示卡密已使用")
        applying.submit(payment.order, words, by=buyer, at=clock.now())
    while sweeping.sweep(at=clock.now()):
        pass
    cases = list(Refund.objects.filter(status=Status.FIRST_REVIEW).order_by("pk"))
    assert len(cases) == many
    for begin in range(0, many, 50):
        lifecycle.approve(cases[begin : begin + 50], by=reviewer, at=clock.now())
    return {payment.payment_no for payment in payments}


def start():
    address = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    words = [sys.executable, "-m", "tests.chaos.payout_worker"]
    return subprocess.Popen(words, cwd=ROOT, env=os.environ | {"DATABASE_URL": address})


def kill(worker):
    """SIGKILL, with whatever it is in the middle of."""
    worker.kill()
    worker.wait()


def paid():
    return PayoutLine.objects.filter(status="sent").count()


def arrived():
    return Refund.objects.filter(status=Status.ARRIVED).count()
