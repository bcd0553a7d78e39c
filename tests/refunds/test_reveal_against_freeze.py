"""查看与冻结相争: two hundred rounds from both sides, and what happens without the lock (P3, I9).

Each round is one line of an order: its buyer looks at the code and asks for its price at the same moment, on two
connections. Never both: seen, and refunded as unseen.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import IntegrityError, connection, connections
from django.db.models import QuerySet

import clock
from cardshop import invariants
from orders import delivery
from refunds import applying, lifecycle
from refunds.applying import Application
from shops import stock
from shops.models import CodeState
from shops.stock import CodeIsFrozen, Viewer

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS, LINES = 20, 10  # two hundred rounds


def test_two_hundred_rounds(buy):
    """P3: whoever is first, the other is told; which one it is, is nobody's to say."""
    for number in range(ORDERS):
        order = buy(quantity=LINES, price_fen=1000)
        for line in order.lines.order_by("position"):
            shown, refund = round_of(line, head_start=("reveal", "freeze")[number % 2])
            never_both(line, shown)
            lifecycle.withdraw(refund, by=order.buyer, at=clock.now())
    assert invariants.broken() == []


@pytest.mark.parametrize("slow", ["reveal", "freeze"])
def test_who_has_read_the_state_holds_it(buy, monkeypatch, slow):
    """With the lock: one side has read the state and stands still; the other one waits for it, and then sees."""
    line = buy(price_fen=1000).lines.get()
    shown, refund = interleaved(line, monkeypatch, slow)
    assert isinstance(shown, str) == (slow == "reveal")
    never_both(line, shown)
    lifecycle.withdraw(refund, by=line.order.buyer, at=clock.now())
    assert invariants.broken() == []


def test_without_the_lock_this_test_turns_red(buy, monkeypatch):
    """The sabotage: no lock, and the look goes on with what it had read before the freeze. Check and I9 both say so."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, *args, **options: rows)
    line = buy(price_fen=1000).lines.get()
    shown, _ = interleaved(line, monkeypatch, "reveal")
    with pytest.raises(AssertionError):
        never_both(line, shown)
    code = line.delivery.code
    assert [found for found in invariants.broken() if f"code {code.pk}" in found and found.startswith("I9")] != []


def test_without_the_lock_the_database_still_refuses_the_other_way_round(buy, monkeypatch):
    """A seen code is never frozen, lock or no lock: a constraint says so, and there is no case."""
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, *args, **options: rows)
    line = buy(price_fen=1000).lines.get()
    shown, refused = interleaved(line, monkeypatch, "freeze")
    assert isinstance(refused, IntegrityError)
    assert "revealed_code_is_revealed_or_void" in str(refused)
    never_both(line, shown)
    assert not line.order.refunds.exists()


def never_both(line, shown):
    """Either the text was shown and nothing froze it, or it was frozen and nobody has seen it."""
    code = type(line).objects.get(pk=line.pk).delivery.code
    kinds = list(code.events.order_by("sequence").values_list("kind", flat=True))
    if isinstance(shown, str):
        assert (code.state, "freeze" in kinds) == (CodeState.REVEALED, False), kinds
    else:
        assert isinstance(shown, CodeIsFrozen), shown
        assert (code.state, code.revealed_at, "reveal" in kinds) == (CodeState.FROZEN, None, False), kinds


def round_of(line, head_start):
    """Both at once. What was shown or raised, and the case."""
    works = {"reveal": lambda: look(line), "freeze": lambda: ask_back(line)}
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(on_its_own_connection, works[head_start], barrier)
        other = "freeze" if head_start == "reveal" else "reveal"
        second = pool.submit(on_its_own_connection, works[other], barrier)
    results = {head_start: first.result(), other: second.result()}
    return results["reveal"], results["freeze"]


def interleaved(line, monkeypatch, slow):
    """The slow side has read that the code is unseen and stands still until the other is done, or waits for it."""
    has_read, other_is_done = threading.Event(), threading.Event()
    write = stock._set
    slow_target = {"reveal": CodeState.REVEALED, "freeze": CodeState.FROZEN}[slow]

    def stand_still(codes, state, **times):
        if state == slow_target:
            has_read.set()
            until_somebody_waits_or(other_is_done)
        write(codes, state, **times)

    monkeypatch.setattr(stock, "_set", stand_still)
    works = {"reveal": lambda: look(line), "freeze": lambda: ask_back(line)}
    fast = "freeze" if slow == "reveal" else "reveal"
    with ThreadPoolExecutor(2) as pool:
        results = {slow: pool.submit(on_its_own_connection, works[slow])}
        assert has_read.wait(60)
        results[fast] = pool.submit(on_its_own_connection, works[fast])
        results[fast].add_done_callback(lambda _: other_is_done.set())
    return results["reveal"].result(), results["freeze"].result()


def until_somebody_waits_or(done):
    """The database itself says that another transaction waits for this one."""
    with connection.cursor() as cursor:
        while not done.is_set():
            cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid)))")
            if cursor.fetchone() == (True,):
                return


def on_its_own_connection(work, barrier=None):
    connection.ensure_connection()
    if barrier:
        barrier.wait(timeout=60)
    try:
        return work()
    except Exception as error:
        return error
    finally:
        connections.close_all()


def look(line):
    return delivery.reveal(line, viewer=Viewer(line.order.buyer, "203.0.113.7", "phone"), at=clock.now())


def ask_back(line):
    return applying.submit(
        line.order, Application("invalid_code", line_ids=[line.pk]), by=line.order.buyer, at=clock.now()
    )
