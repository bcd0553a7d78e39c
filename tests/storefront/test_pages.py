"""Every page a buyer opens answers, in both languages, and says what it must."""

from __future__ import annotations

import pytest
from django.urls import reverse

import clock
from refunds import lifecycle

pytestmark = pytest.mark.django_db


@pytest.fixture
def visit(client, buyer):
    """The buyer, logged in, opens a page: ``visit("/orders/")`` gives its text."""
    client.force_login(buyer)

    def open_page(path: str, status: int = 200) -> str:
        answer = client.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.headers.get("Location"))
        return answer.content.decode()

    return open_page


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_answers(language, client, visit, buy, reveal, apply, make_product, reviewer):
    client.cookies["cardshop_language"] = language
    product = make_product()
    order = buy(price_fen=8800, quantity=2)
    fresh = buy(price_fen=3000)
    reveal(order)
    refund = apply(order)
    policy = f"/policies/{order.policy.code}/{order.policy.version}"
    for path in [
        "/", f"/p/{product.pk}/", "/orders/", f"/orders/{order.order_no}/", f"/orders/{order.order_no}/voucher/",
        f"/orders/{fresh.order_no}/lines/1/reveal/", f"/orders/{fresh.order_no}/refund/", "/refunds/",
        f"/refunds/{refund.refund_no}/", f"/refunds/{refund.refund_no}/withdraw/", "/notices/", "/help/",
        f"{policy}/", f"{policy}.txt",
        "/accounts/password/change/", "/robots.txt",
    ]:  # fmt: skip
        assert "Traceback" not in visit(path)
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补充兑换截图")
    assert "请补充兑换截图" in visit(f"/refunds/{refund.refund_no}/")
    client.logout()
    for name in ["account_login", "account_signup", "account_reset_password"]:
        assert client.get(reverse(name)).status_code == 200
