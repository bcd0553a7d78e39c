"""What a shop's people do with its goods and coupons is allowed at the moment when it is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

import clock
from shops import selling
from shops.models import Coupon, ShopMember

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("act", ["put_up", "change", "set_listed", "keep_coupon"])
def test_rights_are_read_inside_the_transaction_that_needs_them(act, shop, merchant, make_product):
    """I10."""
    product, asked = make_product(stock=0), []

    def watch(execute: Callable[..., Any], sql: str, *how: Any) -> Any:
        if ShopMember._meta.db_table in sql:
            asked.append(connection.in_atomic_block)
        return execute(sql, *how)

    with connection.execute_wrapper(watch):
        at = clock.now()
        if act == "put_up":
            product.pk = None
            selling.put_up(product, shop, by=merchant, at=at)
        elif act == "change":
            selling.change(product, by=merchant)
        elif act == "set_listed":
            selling.set_listed(product, is_listed=False, by=merchant)
        else:
            coupon = Coupon(
                code="TEN", kind="percent", off_percent=10, starts_at=at, ends_at=at + timedelta(days=1), most_uses=1
            )
            selling.keep_coupon(coupon, shop, by=merchant)
    assert asked == [True]
