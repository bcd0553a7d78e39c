"""The demo's data: made by living through it, agreed with the simulator's books to the fen."""

from __future__ import annotations

import pytest

import clock
from cardshop import seeding
from refunds.models import Refund, Status

pytestmark = pytest.mark.django_db


def test_the_seed_refuses_to_run_outside_the_demo():
    with pytest.raises(seeding.SeedRefused, match="DEMO=1"):
        seeding.seed(at=clock.now())


def test_the_seed_shows_refunds_in_every_state_that_can_last(settings, simulator):
    settings.DEMO = True
    at = clock.now()
    seeding.seed(at=at)
    lasting = set(Status) - {Status.SUBMITTED}  # that one lasts seconds: the machine moves on
    assert set(Refund.objects.values_list("status", flat=True)) == lasting
    theirs = {row["out_refund_no"]: row for row in simulator.ledger()["refunds"]}
    for refund in Refund.objects.filter(disbursements__isnull=False):
        attempt = refund.disbursements.get().attempt
        assert theirs[attempt.request_no]["amount_fen"] == attempt.amount_fen == refund.amount_fen
        assert (theirs[attempt.request_no]["status"] == "SUCCESS") == (attempt.status == "succeeded")
    assert seeding.seed(at=at).startswith("演示数据已存在")
