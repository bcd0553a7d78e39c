"""A new policy version is for new orders: what was bought keeps the version it was bought under (PM19)."""

from __future__ import annotations

import pytest
from django.core.management import CommandError, call_command

pytestmark = pytest.mark.django_db


def test_a_new_version_reaches_products_and_no_order(buy):
    order = buy()
    before = order.policy
    call_command("publish_policy", before.code, "window_days=30", "review_hours=24")
    product = order.lines.get().product
    assert (product.policy.window_days, product.policy.review_hours) == (30, 24)
    assert product.policy.version == before.version + 1
    order.refresh_from_db()
    assert order.policy == before


@pytest.mark.parametrize("change", ["windows=30", "window_days=-1", "window_days=soon", "version=9", "name="])
def test_what_makes_no_sense_is_not_published(buy, change):
    policy = buy().policy
    with pytest.raises(CommandError):
        call_command("publish_policy", policy.code, change)
