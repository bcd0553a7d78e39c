"""`make bench`'s day of bills in small: what it measures is a comparison that finds what is planted."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from bench import reconciliation
from payments.models import ChannelAccount
from reconciliation.models import Discrepancy, Statement

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("channel", reconciliation.CHANNELS)
def test_one_difference_is_planted_and_one_is_found(channel: str):
    account = ChannelAccount.objects.create(code="bench", channel=channel, name="bench", merchant_id="1")
    day = date.today() - timedelta(days=9)
    reconciliation.paid(account, day, 60, 0)
    reconciliation.reconcile(account, day, reconciliation.bill_of(channel, day, 59, 0))
    assert Statement.objects.get().matched == 59
    assert list(Discrepancy.objects.values_list("kind", "payment_no")) == [("only_ours", f"P{59:016d}")]


def test_its_figures_fail_when_it_is_slow_or_grows():
    slow = reconciliation.Found(lines=10, differ=2, seconds=1.0, reading_seconds=0.1, peaks=(100, 100, 100, 1000))
    assert all(value > most for _, value, most, _ in reconciliation.figures(slow))
    good = reconciliation.Found(lines=10, differ=2, seconds=0.2, reading_seconds=0.1, peaks=(100, 101, 100, 101))
    assert all(value <= most for _, value, most, _ in reconciliation.figures(good))
