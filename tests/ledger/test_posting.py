"""Double entry: what is posted sums to zero, once."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

import clock
from cardshop import invariants
from ledger import posting
from ledger.models import Account, Entry, Posting
from ledger.posting import Transfer


def balances() -> dict[str, int]:
    net = {account.code: 0 for account in Account.objects.all()}
    for entry in Entry.objects.select_related("account"):
        net[entry.account.code] += entry.amount_fen if entry.side == "debit" else -entry.amount_fen
    return net


class AnyTransfersBalance(TestCase):
    accounts = st.sampled_from(["channel:wechat", "shop:1", "shop:2", "surplus:wechat"])

    @given(st.lists(st.tuples(accounts, accounts, st.integers(1, 10**9)), max_size=8))
    def test_the_trial_balance_is_zero(self, moves):
        transfers = [
            Transfer(f"t:{number}", debit, credit, fen)
            for number, (debit, credit, fen) in enumerate(moves)
        ]  # fmt: skip
        posting.post(transfers, at=clock.now())
        assert sum(balances().values()) == 0
        assert Posting.objects.count() == len(moves)
        assert invariants.postings_balance() == []


@pytest.mark.django_db
def test_the_same_thing_is_posted_once():
    once = [Transfer("refund:P1R01:1", "shop:1", "channel:wechat", 100)]
    posting.post(once, at=clock.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        posting.post(once, at=clock.now())
    assert balances() == {"shop:1": 100, "channel:wechat": -100}


@pytest.mark.django_db
@pytest.mark.parametrize("fen", [0, -100])
def test_nothing_and_less_is_refused(fen):
    with pytest.raises(IntegrityError), transaction.atomic():
        posting.post([Transfer("t", "shop:1", "channel:wechat", fen)], at=clock.now())


@pytest.mark.django_db
def test_many_at_once_cost_as_many_queries_as_one(django_assert_max_num_queries):
    transfers = [Transfer(f"t:{n}", f"shop:{n % 5}", "channel:wechat", 1) for n in range(200)]
    with django_assert_max_num_queries(8):
        posting.post(transfers, at=clock.now())
