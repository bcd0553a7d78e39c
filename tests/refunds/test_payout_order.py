"""谁先发款, as a table: hour of application, a round of the shops, the oldest of each first (S2-19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from refunds.payouts.whose_turn import Waits, choose

MORNING = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
EVERYTHING = {"most_lines": 100, "most_fen": 10**9}


def cases(words: str) -> list[Waits]:
    """``A0 A5 C59 A61=900``: shop, minutes after eight, and the amount in fen where it matters (else 100)."""
    found = []
    for number, word in enumerate(words.split(), start=1):
        when, _, fen = word[1:].partition("=")
        found.append(Waits(number, ord(word[0]), MORNING + timedelta(minutes=int(when)), int(fen or 100)))
    return found


ORDERS = {
    "one shop, by age, whatever the order of its rows": ("A9 A0 A5", {}, [2, 3, 1]),
    "shops take turns within an hour": ("A0 A1 A2 A3 B4 C5", {}, [1, 5, 6, 2, 3, 4]),
    "whose first case is older begins": ("B9 A3 B4 A50", {}, [2, 3, 4, 1]),
    "an earlier hour goes first, however many it has": ("A0 A1 A2 C61 A60", {}, [1, 2, 3, 5, 4]),
    "at the hour's very minute it is the next hour": ("A59 A60 C60", {}, [1, 2, 3]),
    "one moment, by number": ("A0 A0 A0", {}, [1, 2, 3]),
    "no more lines than asked for, still in turn": ("A0 A1 A2 B3", {"most_lines": 2}, [1, 4]),
    "up to the sum": ("A0=100 A1=100 A2=100", {"most_fen": 200}, [1, 2]),
    "nothing overtakes what does not fit": ("A0=150 A1=100 A2=50", {"most_fen": 200}, [1]),
    "what no such batch could hold blocks nobody": ("A0=900 A1=100 A2=50", {"most_fen": 200}, [2, 3]),
    "nothing waits": ("", {}, []),
}


@pytest.mark.parametrize("name", ORDERS)
def test_who_is_paid_first(name):
    words, limits, expected = ORDERS[name]
    assert [each.pk for each in choose(cases(words), **(EVERYTHING | limits)).taken] == expected


def test_what_is_too_large_is_named():
    found = choose(cases("A0=900 A1=100"), most_lines=9, most_fen=200)
    assert ([each.pk for each in found.too_large], found.total_fen) == ([1], 100)


def test_a_shops_thousand_does_not_hold_up_anothers_one():
    """A shop that failed a thousand buyers within the hour: the other shop's buyer is second."""
    crowd = [Waits(number, 1, MORNING + timedelta(seconds=number), 100) for number in range(1000)]
    alone = Waits(5000, 2, MORNING + timedelta(minutes=59), 100)
    assert choose([*crowd, alone], **EVERYTHING).taken[1] == alone
