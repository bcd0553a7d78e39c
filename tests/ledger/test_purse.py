"""A shop's purse, whatever comes and goes: nothing is lost, and what it owes comes before what it may withdraw."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

import clock
from cardshop.invariants.money import postings_balance
from cardshop.invariants.shops import nobody_is_below_nothing
from ledger import posting
from shops import money
from shops.models import Shop
from shops.money import Move


class WhateverComesAndGoes(TestCase):
    amounts = st.integers(1, 10_000)
    steps = st.lists(st.lists(st.tuples(st.booleans(), amounts), min_size=1, max_size=3), min_size=1, max_size=5)

    @settings(max_examples=40)
    @given(steps)
    def test_an_advance_is_the_last_to_be_taken_and_the_first_to_be_repaid(self, steps):
        """垫付与追偿, I6: in any order, several moves at once; the purse is what was paid in less what was drawn."""
        shop = Shop.objects.create(name="任何一家", created_at=clock.now())
        expected, number = 0, 0
        for step in steps:
            for is_in in (True, False):  # never both in one look at what there is
                moves = []
                for wanted, fen in step:
                    if wanted == is_in:
                        number += 1
                        moves.append(Move(f"m:{shop.pk}:{number}", shop.pk, fen, "bank:platform"))
                        expected += fen if is_in else -fen
                if moves:
                    legs = money.pay_in(moves) if is_in else money.draw(moves)
                    posting.post(legs, at=clock.now())
            purse = money.purses([shop.pk])[shop.pk]
            assert purse.available_fen + purse.reserve_fen - purse.owes_fen == expected
            assert purse.owes_fen == 0 or purse.available_fen == purse.reserve_fen == 0
        assert nobody_is_below_nothing() == postings_balance() == []
