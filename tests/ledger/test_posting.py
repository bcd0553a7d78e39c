"""Double entry: what is posted sums to zero, once."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

import clock
from cardshop import invariants
from ledger import balances, posting
from ledger.models import Account, Entry, Posting
from ledger.posting import Transfer
from tests.attacks import refusal


def trial_balance() -> dict[str, int]:
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
        assert sum(trial_balance().values()) == 0
        assert Posting.objects.count() == len(moves)
        assert invariants.postings_balance() == []


@pytest.mark.django_db
def test_the_same_thing_is_posted_once():
    once = [Transfer("refund:P1R01:1", "shop:1", "channel:wechat", 100)]
    posting.post(once, at=clock.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        posting.post(once, at=clock.now())
    assert trial_balance() == {"shop:1": 100, "channel:wechat": -100}


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


GIVEN_AND_TAKEN = {"balance": ("credit", "debit"), "available": ("credit", "debit"), "reserve": ("credit", "debit"),
                   "advance": ("debit", "credit")}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("kind", GIVEN_AND_TAKEN)
def test_nobody_is_below_nothing_whoever_posts(kind):
    """I6, by attack: neither from nothing, nor by one fen more than there is, nor behind a checkpoint, nor by two
    entries that each are there."""
    given, taken = GIVEN_AND_TAKEN[kind]
    write = (
        "INSERT INTO ledger_posting (ref, posted_at) VALUES ('{ref}', now());"
        " INSERT INTO ledger_account (code, kind) VALUES ('{code}', split_part('{code}', ':', 1)),"
        " ('bank:platform', 'bank') ON CONFLICT DO NOTHING;"
        " INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen) SELECT p.id, a.id, e.side, e.fen"
        " FROM (VALUES {entries}) AS e (code, side, fen), ledger_posting p, ledger_account a"
        " WHERE p.ref = '{ref}' AND a.code = e.code"
    )

    def moving(side, *amounts, ref="take", code=f"{kind}:7"):
        other = "debit" if side == "credit" else "credit"
        legs = [pair for fen in amounts for pair in ((code, side, fen), ("bank:platform", other, fen))]
        return write.format(ref=ref, code=code, entries=", ".join(map(str, legs)))

    assert "nobody_is_below_nothing" in refusal(moving(taken, 1))
    with connection.cursor() as cursor:
        cursor.execute(moving(given, 500, ref="give"))
    for _ in ("before", "behind a checkpoint"):
        assert "nobody_is_below_nothing" in refusal(moving(taken, 501))
        assert "nobody_is_below_nothing" in refusal(moving(taken, 250, 251))
        assert "nobody_is_below_nothing" in refusal(moving(taken, 1, code=f"{kind}:8"))
        assert "NOT REFUSED" in refusal(moving(taken, 250, 250))
        balances.fold(at=clock.now(), after=1)
