"""Digits without end in the first step are a choice that there is not, and no fault of ours (X15)."""

from __future__ import annotations

import pytest

from refunds.models import RefundDraft
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("said", ["9" * 5000, "9" * 30, "٢", "-1", "x"])
@pytest.mark.parametrize("more", [{}, {"check": "1"}])
def test_a_position_that_there_is_not(shopper, buy, said, more):
    order = buy(price_fen=8800, quantity=2)
    answer = shopper.post(f"/orders/{order.order_no}/refund/", {"reason": "invalid_code", "lines": ["1", said]} | more)
    assert answer.status_code == 200
    assert not RefundDraft.objects.exists()
    if not more:
        assert words(answer).count("checked") >= 1, "what was chosen stays chosen"
