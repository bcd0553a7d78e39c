"""Who may not, what may not: foreign objects are not there, a GET changes nothing, bad input is never a 500."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

import clock
from notices.models import Notice
from orders.models import Order
from payments.models import Payment
from refunds.models import Refund, RefundEvent
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def places(buy, apply, reveal):
    """Every address about one order and one refund of the buyer."""
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    mine, case = f"/orders/{order.order_no}/", f"/refunds/{refund.refund_no}/"
    steps = [
        "pay/",
        "pay/back/",
        "pay/wechat-login/",
        "pay/wechat/",
        "check/",
        "voucher/",
        "lines/1/reveal/",
        "refund/",
    ]
    return [
        mine,
        *(mine + step for step in steps),
        case,
        *(case + s for s in ["track/", "evidence/", "withdraw/", "confirm/"]),
    ]


@pytest.mark.parametrize("method", ["get", "post"])
def test_anothers_order_and_refund_are_not_there(other, places, method):
    """X8."""
    before = RefundEvent.objects.count()
    for place in places:
        assert getattr(other, method)(place).status_code == 404, place
    assert RefundEvent.objects.count() == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_strangers_are_asked_to_log_in(client, places, method):
    for place in [*places, "/orders/", "/refunds/", "/notices/", "/notices/read/", "/shop/", "/shop/refunds/"]:
        answer = getattr(client, method)(place)
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/login/?next=")


def test_a_get_changes_nothing(shopper, buyer, places, make_product):
    def footprint():
        return (
            Order.objects.count(), Payment.objects.count(), Refund.objects.values_list("status", "tries").get(),
            RefundEvent.objects.count(), Notice.objects.filter(read_at=None).count(),
        )  # fmt: skip

    before = footprint()
    notice = Notice.objects.filter(recipient=buyer).first()
    for place in [*places, f"/p/{make_product().pk}/buy/", f"/notices/{notice.pk}/", "/notices/read/", "/language/"]:
        assert shopper.get(place).status_code in {200, 302, 405}, place
    assert footprint() == before


@pytest.mark.parametrize(
    "path",
    [
        "/p/99999999999999999999/", "/p/999999/", "/p/%00/", "/orders/%00/", "/orders/D'OR1=1--/", "/orders/x/",
        "/orders/DDDDDDDDDDDDDDD/lines/99999999999999999999/reveal/", "/refunds/%F0%9F%92%A9/", "/evidence/%00/",
        "/evidence/00000000-0000-0000-0000-000000000000/", "/policies/standard/99999999999999999999/",
        "/policies/%00/1/", "/notices/99999999999999999999/", "/notify/wechat/other", "/shop/refunds/%00/",
    ],
)  # fmt: skip
def test_an_address_that_makes_no_sense_is_not_found(shopper, path):
    answer = shopper.get(path)
    assert answer.status_code == 404
    assert "没有找到" in words(answer)


@pytest.mark.parametrize(
    "after", ["", "x", "-", "1-", "\x00-1", "9" * 30 + "-1", "1-" + "9" * 30, "٣-٣", "99999999999999999-1"]
)
def test_a_bad_mark_in_a_list_begins_anew(shopper, buy, after):
    order = buy(price_fen=3000)
    answer = shopper.get("/orders/", {"after": after})
    assert answer.status_code == 200
    assert order.order_no in words(answer)


def test_every_form_carries_its_token(buyer, buy):
    """A POST without a CSRF token is refused, in our own words, and changes nothing."""
    order = buy(price_fen=8800)
    client = Client(enforce_csrf_checks=True)
    client.force_login(buyer)
    answer = client.post(f"/orders/{order.order_no}/refund/", {"reason": "invalid_code"})
    assert answer.status_code == 403
    assert "页面已过期" in words(answer)
    assert not Refund.objects.exists()


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "\x00", "/orders/"])
def test_language_goes_back_only_to_our_own_pages(client, back):
    answer = client.post("/language/", {"language": "en", "next": back})
    assert answer.headers["Location"] == ("/orders/" if back == "/orders/" else "/")
    assert answer.cookies["cardshop_language"].value == "en"
    assert client.post("/language/", {"language": "xx"}).cookies.get("cardshop_language") is None


def test_pages_speak_the_chosen_language(client, make_product):
    make_product()
    assert 'lang="zh-Hans"' in words(client.get("/", headers={"Accept-Language": "en"}))  # Chinese first, never a guess
    client.post("/language/", {"language": "en"})
    assert 'lang="en"' in words(client.get("/"))


def test_notices_are_counted_and_read(shopper, other, buyer, buy, apply):
    refund = apply(buy(price_fen=8800))
    notice = Notice.objects.filter(recipient=buyer, path=f"/refunds/{refund.refund_no}/").last()
    unread = Notice.objects.filter(recipient=buyer).count()
    assert f'class="count">{unread}<' in words(shopper.get("/"))
    assert other.post(f"/notices/{notice.pk}/").status_code == 404
    assert shopper.post(f"/notices/{notice.pk}/").headers["Location"] == notice.path
    assert f'class="count">{unread - 1}<' in words(shopper.get("/"))
    shopper.post("/notices/read/")
    assert 'class="count"' not in words(shopper.get("/"))


def test_a_shop_reads_its_own_cases_only(client, merchant, stranger, buy, apply, make_product):
    refund = apply(buy(price_fen=8800), contact="13800000000")
    client.force_login(merchant)
    assert refund.order.order_no in words(client.get("/shop/"))
    assert refund.refund_no in words(client.get("/shop/refunds/"))
    page = words(client.get(f"/shop/refunds/{refund.refund_no}/"))
    assert refund.description in page
    assert "13800000000" not in page
    merchant.shops.clear()
    for place in ["/shop/", "/shop/refunds/", f"/shop/refunds/{refund.refund_no}/"]:
        answer = client.get(place)
        assert answer.status_code == 403
        assert "没有权限" in words(answer)


def test_pages_are_strict_about_what_they_load(client, make_product):
    make_product()
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_an_error_of_ours_has_a_page_that_needs_nothing(client, settings, monkeypatch):
    """The 500 page reads no database and no session."""
    client.raise_request_exception = False
    monkeypatch.setattr("storefront.products.paging.newest_first", lambda *_, **__: 1 / 0)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "系统出错了" in words(answer)


def test_a_host_that_is_not_ours_gets_a_page(client):
    answer = client.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "请求无法识别" in words(answer)


# --- The number of queries never grows with the rows ------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/", "/orders/", "/refunds/", "/notices/", "/shop/", "/shop/refunds/"])
def test_queries_do_not_grow_with_rows(place, merchant, buyer, buy, apply, django_assert_max_num_queries):
    client = Client()
    client.force_login(merchant if place.startswith("/shop") else buyer)

    def queries() -> int:
        with django_assert_max_num_queries(20) as seen:
            assert client.get(place).status_code == 200
        return len(seen)

    for _ in range(3):
        apply(buy(price_fen=8800, quantity=2))
    few = queries()
    for _ in range(9):
        apply(buy(price_fen=8800, quantity=3))
    assert queries() == few


def test_queries_of_an_order_do_not_grow_with_its_lines(shopper, buy, django_assert_max_num_queries):
    counts = []
    for quantity in [1, 10]:
        order = buy(price_fen=3000, quantity=quantity)
        for place in [f"/orders/{order.order_no}/", f"/orders/{order.order_no}/refund/"]:
            with django_assert_max_num_queries(40) as seen:
                shopper.get(place)
            counts.append(len(seen))
    assert counts[:2] == counts[2:]


def test_queries_of_a_case_do_not_grow_with_its_history(
    shopper, reviewer, buy, apply, picture, django_assert_max_num_queries
):
    from refunds import lifecycle

    refund = apply(buy(price_fen=8800))
    with django_assert_max_num_queries(25) as few:
        shopper.get(f"/refunds/{refund.refund_no}/")
    for _ in range(2):
        lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补充")
        shopper.post(f"/refunds/{refund.refund_no}/evidence/", {"note": "好", "images": [picture(), picture()]})
    cache.clear()
    with django_assert_max_num_queries(25) as many:
        shopper.get(f"/refunds/{refund.refund_no}/")
    assert len(many) <= len(few)
