"""Asking a channel about many rows at once: one that goes wrong is its own affair (F12)."""

from __future__ import annotations

import pytest

from payments.asking import ask_all
from payments.gateways.base import NeverSent, OutcomeUnknown

pytestmark = pytest.mark.django_db


def test_a_row_that_breaks_its_gateway_stops_no_other():
    """Whatever a gateway does not know how to name may have been sent: unknown, never "nothing left us"."""

    def ask(row):
        if row == "mistake":
            raise TypeError("no gateway names this")
        if row == "reading":
            raise KeyError("a field of the answer")
        if row == "own":
            raise NeverSent("amount_fen", "must be positive")
        return row

    answers = dict(ask_all(["good", "mistake", "reading", "own", "last"], ask))
    assert (answers["good"], answers["last"]) == ("good", "last")
    assert isinstance(answers["mistake"], OutcomeUnknown)
    assert isinstance(answers["reading"], OutcomeUnknown)
    assert isinstance(answers["own"], NeverSent)
