"""取消 at the desk: one order by an operator, many by preview, start and progress; announcements on every page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse

import clock
from orders import bulk, cancellation
from orders.models import Announcement, BulkCancellation, Cancellation, Cause, OrderStatus
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db


def test_an_operator_cancels_an_order_with_a_cause_and_words(sits, operator, buy):
    order, seat = buy(stock=0, shop_cancel_penalty_percent=5), sits(operator)
    assert "取消订单" in text(seat.get(reverse("admin:orders_order_change", args=[order.pk])))
    asked = text(seat.dialog("cancel", order))
    assert "¥30.00" in asked
    assert "¥1.50" in asked  # what the shop pays, where it is its fault
    page = seat.reads(seat.does("cancel", order, cause="risk", reason="命中风控规则"))
    assert "命中风控规则" in page
    order.refresh_from_db()
    assert (order.status, Cancellation.objects.get().canceled_by) == (OrderStatus.CANCELED, operator)


def test_a_buyers_cause_is_not_offered_and_no_words_is_no_cancellation(sits, operator, buy):
    order, seat = buy(stock=0), sits(operator)
    seat.does("cancel", order, cause="buyer", reason="x")
    seat.does("cancel", order, cause="risk", reason=" ")
    assert not Cancellation.objects.exists()


@pytest.mark.parametrize("role", ["reviewer", "senior", "finance"])
def test_nobody_else_cancels(role, sits, staff, buy, shop, operator):
    order, seat = buy(stock=0), sits(staff[role])
    assert seat.does("cancel", order, cause="risk", reason="x").status_code == 403
    row = bulk.preview(shop, cause="outage", reason="x", by=operator, at=clock.now())
    assert seat.does("start", row).status_code == 403
    assert seat.get(reverse("admin:orders_bulkcancellation_add")).status_code == 403
    assert not Cancellation.objects.exists()


def test_many_by_a_preview_a_start_and_a_progress(sits, operator, buy, shop):
    orders, seat = [buy(stock=0) for _ in range(2)], sits(operator)
    form = {"shop": shop.pk, "product": "", "cause": "shop_suspended", "reason": "店铺停业"}
    answer = seat.client.post(reverse("admin:orders_bulkcancellation_add"), form)
    row = BulkCancellation.objects.get()
    page = text(seat.get(answer.url))
    assert "这是预览" in page
    assert "¥60.00" in page
    assert not Cancellation.objects.exists()
    assert "2 张已付款" in text(seat.dialog("start", row))
    assert "还没有开始" in page
    assert 'hx-trigger="every 2s"' in seat.reads(seat.does("start", row))
    while bulk.sweep(at=clock.now()):
        pass
    answer = seat.get(reverse("admin:orders_bulkcancellation_progress", args=[row.pk]))
    assert ("已取消 2 张" in text(answer), answer.headers["HX-Refresh"]) == (True, "true")
    for order in orders:
        order.refresh_from_db()
        assert order.status == OrderStatus.CANCELED
    assert "不能再做这一步" in text(seat.dialog("start", row))


def test_a_batch_leads_to_its_own_cancellations(sits, operator, buy, shop, make_product):
    mine, other = buy(stock=0), buy(stock=0)
    cancellation.cancel(other, cause=Cause.OUTAGE, by=operator, at=clock.now(), reason="别的原因")
    row = bulk.preview(shop, cause=Cause.OUTAGE, reason="x", by=operator, at=clock.now())
    bulk.start(row, by=operator, at=clock.now())
    while bulk.sweep(at=clock.now()):
        pass
    seat = sits(operator)
    page = text(seat.get(reverse("admin:orders_bulkcancellation_change", args=[row.pk])))
    (address,) = re.findall(r'href="(/admin/orders/cancellation/[^"]*)">查看这一批', page)
    found = text(seat.get(address))
    assert mine.order_no in found
    assert other.order_no not in found
    for nothing in ("x", "0", "9" * 30):
        page = text(seat.get(reverse("admin:orders_cancellation_changelist") + f"?batch={nothing}"))
        assert mine.order_no not in page
    everything = text(seat.get(reverse("admin:orders_cancellation_changelist")))
    assert mine.order_no in everything
    assert "batch=" not in everything


@pytest.mark.parametrize(
    "wrong",
    [
        {"shop": ""}, {"cause": "buyer"}, {"cause": ""}, {"reason": ""}, {"reason": " "}, {"product": "1"},
        {"shop": "zzz"}, {"shop": "\0"}, {"shop": "9" * 30},
    ],
)  # fmt: skip
def test_a_form_that_says_too_little_or_too_much_makes_no_preview(wrong, sits, operator, shop, make_product):
    product = make_product()
    form = {"shop": shop.pk, "product": "", "cause": "outage", "reason": "x"} | wrong
    form["product"] = product.pk if form["product"] else ""
    assert sits(operator).client.post(reverse("admin:orders_bulkcancellation_add"), form).status_code == 200
    assert not BulkCancellation.objects.exists()


def test_an_announcement_stands_on_every_page_between_its_moments(sits, operator, client):
    """S2-20."""
    at = clock.now()
    Announcement.objects.create(text="今晚维护", text_en="Maintenance tonight", path="/help/", created_by=operator,
                                starts_at=at - timedelta(hours=1), ends_at=at + timedelta(hours=1))  # fmt: skip
    Announcement.objects.create(text="昨天的", text_en="Old", created_by=operator, starts_at=at - timedelta(days=2),
                                ends_at=at - timedelta(days=1))  # fmt: skip
    page = text(client.get(reverse("storefront:products")))
    assert "今晚维护" in page
    assert 'role="status"' in page
    assert "昨天的" not in page
    client.post(reverse("storefront:language"), {"language": "en", "next": "/"})
    assert "Maintenance tonight" in text(client.get(reverse("storefront:help")))
    clock.advance(timedelta(hours=2))
    assert "今晚维护" not in text(client.get(reverse("storefront:products")))


def test_operators_write_announcements(sits, operator, reviewer):
    form = {"text": "停电", "text_en": "Outage", "path": "", "starts_at_0": "2026-11-22", "starts_at_1": "08:00:00",
            "ends_at_0": "2026-11-23", "ends_at_1": "08:00:00"}  # fmt: skip
    path = reverse("admin:orders_announcement_add")
    assert sits(reviewer).client.post(path, form).status_code == 403
    assert sits(operator).client.post(path, form | {"path": "https://elsewhere.example/"}).status_code == 200
    assert sits(operator).client.post(path, form).status_code == 302
    assert Announcement.objects.get().created_by == operator


@pytest.mark.parametrize("times", [{"starts_at_0": "0001-01-01"}, {"ends_at_0": "9999-12-31"}])
def test_an_announcement_of_a_year_that_no_page_can_show_is_refused(sits, operator, client, times):
    form = {"text": "停电", "text_en": "Outage", "path": "", "starts_at_0": "2026-11-22", "starts_at_1": "00:00:00",
            "ends_at_0": "2030-11-23", "ends_at_1": "00:00:00"}  # fmt: skip
    answer = sits(operator).client.post(reverse("admin:orders_announcement_add"), form | times)
    assert "2000 年到 9000 年" in text(answer)
    assert not Announcement.objects.exists()
    assert client.get(reverse("storefront:products")).status_code == 200
