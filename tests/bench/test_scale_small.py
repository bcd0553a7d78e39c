"""`make bench-scale` in small: with ten times the rows every list still has its index, and looks at no more of them.

Only plans and rows are looked at, no times: those are the machine's.
"""

from __future__ import annotations

import pytest

from bench import scale_lists, scale_rows

pytestmark = pytest.mark.django_db

SMALL, LARGE = 2_000, 20_000
FEW = 3_000  # rows that a list may look at at any size: what a search is allowed, and then some


def test_no_list_reads_more_because_the_tables_have_grown(settings):
    settings.ALLOWED_HOSTS = ["testserver"]
    scale_rows.write(orders=SMALL)
    small = scale_lists.measure(rounds=1, may_scan=False)
    scale_rows.write(orders=LARGE, after=SMALL)
    large = scale_lists.measure(rounds=1, may_scan=False)
    assert {cost.name: cost.scans for cost in large if cost.scans} == {}
    grown = {
        after.name: (before.rows, after.rows)
        for before, after in zip(small, large, strict=True)
        if after.rows > max(FEW, 1.5 * before.rows)
    }
    assert grown == {}


def test_a_list_without_its_index_is_found_out(settings):
    """The bench itself can fail: without an index the shop's orders are read from end to end."""
    from django.db import connection

    settings.ALLOWED_HOSTS = ["testserver"]
    scale_rows.write(orders=SMALL)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'orders_order' AND indexdef LIKE '%shop_id%'"
        )
        for (index,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {index}")
    (cost,) = [cost for cost in scale_lists.measure(rounds=1, may_scan=False) if cost.name.startswith("店铺订单 ")]
    assert "orders_order" in cost.scans
