"""A hundred files in one request cost as much as six (X2)."""

from __future__ import annotations

import pytest

from refunds.models import DraftImage
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


def test_no_more_pictures_are_opened_than_may_stay(shopper, buy, reveal, picture):
    """Each is opened in a process of its own: what comes after the sixth is not looked at, be it good or bad."""
    order = buy(price_fen=8800)
    reveal(order)
    place = f"/orders/{order.order_no}/refund/"
    shopper.post(place, {"reason": "invalid_code"})
    bad = {f"picture-{number}": picture(b"no picture") for number in range(6)}
    answer = shopper.post(f"{place}material/", {"upload": "other", **bad, "picture-other": picture()})
    assert answer.status_code == 200
    assert "一张退款单最多 6 张图片" in words(answer)
    assert not DraftImage.objects.exists()
    shopper.post(f"{place}material/", {"upload": "other", "picture-other": picture()})
    assert DraftImage.objects.count() == 1
