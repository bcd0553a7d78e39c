"""kill -9 in the middle of a hundred refunds: everything still arrives, once, to the fen (F1, F3)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable

import pytest
import redis

from tests.chaos.hundred import HUNDRED
from tests.demo_stack import ROOT, DemoStack, eventually, query

pytestmark = pytest.mark.stack

ARRIVE_SECONDS = 240  # generous: two cores, shared with whatever else runs


def test_a_hundred_refunds_survive_kills_and_an_empty_redis(stack: DemoStack) -> None:
    tag = f"K{uuid.uuid4().hex[:8]}"
    assert outside(stack, "ask", tag).wait(180) == 0
    eventually(lambda: count(stack, tag, "status = 'merchant_review'") == HUNDRED, 120, "not all were pre-checked")

    releasing = outside(stack, "release", tag)
    for sent, blow in enumerate(BLOWS, start=1):
        share = sent * HUNDRED // (len(BLOWS) + 1)
        eventually(lambda share=share: count(stack, tag, SENT) >= share, ARRIVE_SECONDS, f"{share} not sent")  # type: ignore[misc]
        blow(stack)
    assert releasing.wait(ARRIVE_SECONDS) == 0

    eventually(
        lambda: count(stack, tag, "status = 'arrived'") == HUNDRED,
        ARRIVE_SECONDS,
        f"lost: {query(stack, 'SELECT status, count(*) FROM refunds_refund GROUP BY 1')}",
    )
    eventually(lambda: set(ends(stack, tag)) == {("SUCCESS", 100, 1, 0)}, 30, "the channel's books disagree")
    assert len(ends(stack, tag)) == HUNDRED
    books = f"{stack.simulator}/_control/ledger"
    eventually(lambda: "all hold" in stack.manage("invariants", "--books", books), 60)
    assert stack.get("/readyz")[0] == 200


# --- blows ------------------------------------------------------------------------------------------------------------


def kill(name: str) -> Callable[[DemoStack], None]:
    """SIGKILL to a part and all of its children, without a word of warning."""

    def blow(stack: DemoStack) -> None:
        os.killpg(stack.facts["pids"][name], signal.SIGKILL)

    return blow


def empty_redis(stack: DemoStack) -> None:
    redis.Redis.from_url(stack.facts["redis_url"]).flushall()


def worker_and_redis(stack: DemoStack) -> None:
    """Nobody rings, and nobody would hear it."""
    empty_redis(stack)
    kill("worker")(stack)
    empty_redis(stack)


BLOWS = [worker_and_redis, kill("web"), worker_and_redis, kill("Valkey")]

# --- looking from outside ---------------------------------------------------------------------------------------------

SENT = "EXISTS (SELECT 1 FROM refunds_disbursement d JOIN payments_refundattempt a ON a.id = d.attempt_id" \
       " WHERE d.refund_id = refunds_refund.id AND a.first_sent_at IS NOT NULL)"  # fmt: skip


def outside(stack: DemoStack, what: str, tag: str) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "tests.chaos.hundred", what, tag]
    return subprocess.Popen(words, cwd=ROOT, env={**os.environ, **stack.facts["env"]})


def count(stack: DemoStack, tag: str, where: str) -> int:
    ((found,),) = query(stack, f"SELECT count(*) FROM refunds_refund WHERE description LIKE %s AND {where}", f"{tag}%")
    return int(found)


def ends(stack: DemoStack, tag: str) -> list[tuple]:
    """How each stands in the channel's own books: status, fen, how often money left, how often it came back."""
    numbers = {number for (number,) in query(
        stack,
        "SELECT p.payment_no FROM refunds_refund r JOIN payments_payment p ON p.id = r.payment_id"
        " WHERE r.description LIKE %s",
        f"{tag}%",
    )}  # fmt: skip
    with urllib.request.urlopen(f"{stack.simulator}/_control/ledger", timeout=30) as answer:
        rows = json.load(answer)["refunds"]
    return [
        (row["status"], row["amount_fen"], row["effects"], row["returns"])
        for row in rows
        if row["out_trade_no"] in numbers
    ]
