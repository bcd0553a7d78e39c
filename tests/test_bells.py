"""A bell is heard after a moment, so that those who ring at the same time are worked for together."""

from __future__ import annotations

from time import monotonic

import workqueue


def test_who_hears_a_bell_gives_others_a_moment_to_ring():
    bell = "bell:tests.sweep"
    workqueue._redis().set(bell, 1, ex=workqueue.BELL_SECONDS)
    began = monotonic()
    workqueue.heard("tests.sweep")
    assert monotonic() - began >= workqueue.GATHER_SECONDS
    assert not workqueue._redis().exists(bell)  # from now on it may ring again


def test_the_moment_is_over_before_a_bell_is_forgotten():
    assert workqueue.GATHER_SECONDS < workqueue.BELL_SECONDS / 2
