"""A balance is its entries, however it was folded."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

import clock
from ledger import balances, posting, statement
from ledger.models import LOCK, Account, Checkpoint, Entry, Posting
from ledger.posting import Transfer

ACCOUNTS = ["channel:wechat", "shop:1", "held:1", "surplus:1", "held:7"]  # none that is never below nothing


def recomputed() -> dict[str, balances.Turnover]:
    """{account: its turnover from every entry there is}."""
    truth = {}
    for account in Account.objects.prefetch_related("entries"):
        sums = Counter[str]()
        for entry in account.entries.all():
            sums[entry.side] += entry.amount_fen
        truth[account.code] = balances.Turnover(sums["debit"], sums["credit"])
    return truth


def moved(number: int, fen: int = 100, *, debit: str = "channel:wechat", credit: str = "shop:1") -> Transfer:
    return Transfer(f"t:{number}", debit, credit, fen)


class FoldedAnyTime(TestCase):
    accounts = st.sampled_from(ACCOUNTS)
    moves = st.lists(st.tuples(accounts, accounts, st.integers(1, 10**9)), max_size=6)

    @given(st.lists(moves, min_size=1, max_size=4))
    def test_checkpoints_change_no_balance(self, rounds):
        """I6: whatever was posted between which folds."""
        number = 0
        for moves in rounds:
            for debit, credit, fen in moves:
                number += 1
                posting.post([Transfer(f"t:{number}", debit, credit, fen)], at=clock.now())
            balances.fold(at=clock.now(), after=1)
            truth = recomputed()
            assert balances.turnovers(truth) == truth
            assert sum(balances.owed(ACCOUNTS).values()) == 0
        assert Checkpoint.objects.exists() == any(rounds)


@pytest.mark.django_db
def test_a_page_of_an_account_is_of_one_moment(django_assert_num_queries):
    """What is there and each line are read in one look: what is posted between two would stand in one of them alone."""
    for number, fen in enumerate((100, 200, 300), 1):
        posting.post([moved(number, fen)], at=clock.now())
    balances.fold(at=clock.now(), after=1)
    posting.post([moved(4, 50, debit="shop:1", credit="channel:wechat")], at=clock.now())
    with django_assert_num_queries(1):
        page = statement.of("shop:1", size=3)
    assert page.held_fen == 550
    assert [(line.ref, line.amount_fen, line.after_fen) for line in page.lines] == [
        ("t:4", -50, 550), ("t:3", 300, 600), ("t:2", 200, 300),
    ]  # fmt: skip
    with django_assert_num_queries(1):
        last = statement.of("shop:1", before=page.next_before, size=3)
    assert (last.held_fen, last.next_before) == (550, 0)
    assert [(line.ref, line.after_fen) for line in last.lines] == [("t:1", 100)]
    beyond = statement.of("shop:1", before=1)
    assert (beyond.held_fen, beyond.lines) == (550, [])
    assert statement.of("shop:9") == statement.Page(0, [], 0)


@pytest.mark.django_db
def test_nothing_posted_is_nothing_owed(django_assert_num_queries):
    with django_assert_num_queries(1):
        assert balances.owed(["shop:1", "balance:9"]) == {"shop:1": 0, "balance:9": 0}
    assert balances.fold(at=clock.now()) == 0


@pytest.mark.django_db
def test_only_what_grew_is_folded_again():
    posting.post([moved(number) for number in range(3)], at=clock.now())
    assert balances.fold(at=clock.now(), after=4) == 0
    assert balances.fold(at=clock.now(), after=3) == 2
    assert balances.fold(at=clock.now(), after=1) == 0
    posting.post([moved(9, debit="shop:1", credit="held:1")], at=clock.now())
    assert balances.fold(at=clock.now(), after=1) == 2  # the channel's account stood still
    assert balances.owed(["shop:1", "held:1", "channel:wechat"]) == {
        "shop:1": 200, "held:1": 100, "channel:wechat": -300,
    }  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_fold_misses_nothing_that_is_not_committed_yet():
    """An entry has its number before it can be seen: the fold waits until whoever took a lower one is done."""
    posted, may_end = threading.Event(), threading.Event()

    def post_slowly() -> None:
        with transaction.atomic():
            posting.post([moved(1)], at=clock.now())
            posted.set()
            may_end.wait(20)
        connection.close()

    slow = threading.Thread(target=post_slowly)
    slow.start()
    assert posted.wait(20)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        assert cursor.fetchone() == (False,)  # who folds waits here
    may_end.set()
    slow.join()
    posting.post([moved(2)], at=clock.now())
    assert balances.fold(at=clock.now(), after=1) == 2
    assert balances.owed(["shop:1"]) == {"shop:1": 200}


@pytest.mark.django_db
def test_many_legs_are_one_posting():
    legs = [Transfer("hold:R1:1", "shop:1", "held:1", 70), Transfer("hold:R1:1", "advance:1", "held:1", 30)]
    posting.post(legs, at=clock.now())
    assert Posting.objects.get().entries.count() == 4
    assert balances.owed(["held:1", "shop:1", "advance:1"]) == {
        "held:1": 100,
        "shop:1": -70,
        "advance:1": -30,
    }


@pytest.mark.django_db
def test_a_posting_is_undone_by_another_and_once():
    posting.post([moved(1)], at=clock.now())
    posting.reverse({"t:1": "undo:t:1"}, at=clock.now())
    assert balances.owed(["shop:1", "channel:wechat"]) == {"shop:1": 0, "channel:wechat": 0}
    assert Entry.objects.count() == 4
    with pytest.raises(IntegrityError), transaction.atomic():
        posting.reverse({"t:1": "again:t:1"}, at=clock.now())
    with pytest.raises(Posting.DoesNotExist, match="t:2"):
        posting.reverse({"t:2": "undo:t:2"}, at=clock.now())
