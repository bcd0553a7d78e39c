"""A shop's orders: what is due first, work with proof, cancellation, and whom a service is for (M4, S2-16)."""

from __future__ import annotations

import io
import re
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

import clock
import paging
from orders import placing, talk
from orders.models import Cancellation, OrderEvent, OrderMessage, OrderStep, ServiceJob
from orders.placing import Wish
from orders.recipients import Recipient
from shops.models import RecipientKind
from tests.portal.conftest import text

pytestmark = pytest.mark.django_db
ACCOUNT = "sea-wolf-7781"


@pytest.fixture
def service(buyer, make_product, pay):
    """A paid order of work for a game account."""
    product = make_product(kind="service", fulfilment="service", recipient_kind="game", delivery_promise_minutes=60)
    wish = Wish(recipient=Recipient(RecipientKind.GAME, ACCOUNT, "星海一区"), again=True)
    return pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))


def picture():
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(drawn, "PNG")
    return SimpleUploadedFile("progress.png", drawn.getvalue(), "image/png")


def page_of(order):
    return f"/shop/orders/{order.order_no}/"


def test_what_is_due_first_stands_first_and_says_when_it_is_late(keeper, buy, service):
    done, slow = buy(), buy(stock=0, delivery_promise_minutes=600)
    page = text(keeper.get("/shop/?show=waiting"))
    assert page.index(service.order_no) < page.index(slow.order_no)
    assert done.order_no not in page
    assert "已超时" not in page
    type(service).objects.filter(pk=slow.pk).update(promised_at=service.paid_at)
    page = text(keeper.get("/shop/?show=waiting"))
    assert page.index(slow.order_no) < page.index(service.order_no)
    assert "已超时" in page
    assert done.order_no in text(keeper.get("/shop/?show=all"))


def test_the_list_opens_on_what_is_due_where_anything_is(keeper, shop, buy):
    done = buy()
    assert done.order_no in text(keeper.get("/shop/"))  # nothing to deliver: all of them
    waiting = buy(stock=0)
    page = text(keeper.get("/shop/"))
    assert waiting.order_no in page
    assert done.order_no not in page
    everything = text(keeper.get("/shop/?show=all"))
    assert done.order_no in everything
    assert waiting.order_no in everything


def test_the_pages_of_all_orders_lead_on_in_all_orders(keeper, buy, monkeypatch):
    oldest, done, waiting = buy(), buy(), buy(stock=0)
    monkeypatch.setattr(paging.newest_first, "__kwdefaults__", paging.newest_first.__kwdefaults__ | {"size": 2})
    first = text(keeper.get("/shop/?show=all"))
    assert waiting.order_no in first
    assert done.order_no in first
    mark = re.search(r'href="(\?show=all&(?:amp;)?after=[^"]+)"', first)
    second = text(keeper.get("/shop/" + mark[1].replace("&amp;", "&")))
    assert oldest.order_no in second
    assert done.order_no not in second


def test_an_order_whose_buyer_had_the_last_word_is_marked_without_a_query_of_its_own(keeper, merchant, buy):
    asked, answered, quiet = buy(), buy(), buy()
    for order in (asked, answered):
        talk.say(order, "什么时候能用？", by=order.buyer, at=clock.now())
    talk.say(answered, "现在就能用。", by=merchant, at=clock.now())
    with CaptureQueriesContext(connection) as three:
        page = text(keeper.get("/shop/?show=all"))
    assert page.count("留言待回复") == 1
    assert "留言待回复" in page.split(f">{asked.order_no}<")[1].split("</li>")[0]
    buy()
    with CaptureQueriesContext(connection) as four:
        keeper.get("/shop/?show=all")
    assert len(four) == len(three), quiet


def test_what_is_left_or_late_is_said_in_hours(keeper, buy):
    order = buy(stock=0, delivery_promise_minutes=600)
    assert re.search(r"还剩 9 小时 5\d 分钟", text(keeper.get(page_of(order))))
    type(order).objects.filter(pk=order.pk).update(promised_at=clock.now() - timedelta(minutes=609, seconds=30))
    assert "已超时 10 小时 9 分钟，买家可以一键退款" in text(keeper.get(page_of(order)))


def test_work_that_began_leads_to_the_talk_where_it_can_no_longer_be_canceled(keeper, service):
    page = page_of(service)
    assert "不能自行取消" not in text(keeper.get(page))
    keeper.post(f"{page}lines/1/start/")
    shown = text(keeper.get(page))
    assert "不能自行取消" in shown
    assert f"{page}cancel/" not in shown
    answer = keeper.get(f"{page}cancel/")
    assert answer["Location"] == f"{page}#talk"
    assert "由买家申请退款" in text(keeper.get(page))


def test_the_shop_talks_on_the_page_of_the_refund_too(keeper, buy, apply, buyer):
    """S4-27: it is the order's thread, and who speaks there stays there."""
    refund = apply(buy())
    page = f"/shop/refunds/{refund.refund_no}/"
    talk.say(refund.order, "怎么还没处理", by=buyer, at=clock.now())
    assert "怎么还没处理" in text(keeper.get(page))
    sent = {"text": "正在核对", "case": refund.refund_no}
    assert keeper.post(f"/shop/orders/{refund.order.order_no}/talk/", sent)["Location"] == f"{page}#talk"
    assert "正在核对" in text(keeper.get(page))
    sent["case"] = apply(buy()).refund_no  # of another order
    assert keeper.post(f"/shop/orders/{refund.order.order_no}/talk/", sent)["Location"].startswith("/shop/orders/")
    sent["case"] = "R\0"  # no text that PostgreSQL could be asked about
    assert keeper.post(f"/shop/orders/{refund.order.order_no}/talk/", sent)["Location"].startswith("/shop/orders/")


def test_the_tabs_are_the_shops_and_plural_in_english(keeper, shop):
    tabs = text(keeper.get("/shop/")).split('<nav class="tabs')[1].split("</nav>")[0]
    for name in ("店铺订单", "店铺退款", "店铺商品"):
        assert f">{name}</a>" in tabs
    keeper.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    tabs = text(keeper.get("/shop/")).split('<nav class="tabs')[1].split("</nav>")[0]
    for name in ("Shop orders", "Shop refunds", "Products"):
        assert f">{name}</a>" in tabs


def test_no_page_of_a_shop_shows_a_code(keeper, buy, reveal):
    order = buy(quantity=2)
    codes = reveal(order)
    page = text(keeper.get(page_of(order)))
    assert not [code for code in codes if code in page]
    assert "已查看" in page


def test_work_is_begun_reported_on_with_a_picture_and_handed_over(keeper, service):
    page = page_of(service)
    keeper.post(f"{page}lines/1/start/")
    job = ServiceJob.objects.get()
    assert job.status == "working"
    fields = {"report-1-percent": "40", "report-1-text": "打到黄金段位", "report-1-image": picture()}
    assert keeper.post(f"{page}lines/1/report/", fields).status_code == 302
    job.refresh_from_db()
    report = job.reports.get()
    assert (job.percent_done, report.text, report.by_shop, report.content_type) == (
        40,
        "打到黄金段位",
        True,
        "image/jpeg",
    )
    assert "打到黄金段位" in text(keeper.get(page))
    assert "还不能提交" in text(keeper.post(f"{page}lines/1/report/", {"report-1-percent": "10"}))
    keeper.post(f"{page}lines/1/hand-over/", {"report-1-text": "已到钻石段位"})
    service.refresh_from_db()
    assert service.status == "delivered"


def test_whom_it_is_for_is_shown_while_work_is_open_and_every_look_is_on_record(keeper, merchant, service, staffed):
    page = page_of(service)
    assert ACCOUNT not in text(keeper.get(page))
    for seat in (keeper, staffed("clerk")):
        answer = seat.post(f"{page}recipient/")
        assert ACCOUNT in text(answer)
        assert "no-store" in answer["Cache-Control"]
    looks = OrderEvent.objects.filter(order=service, step=OrderStep.SEE_RECIPIENT).order_by("sequence")
    assert [look.actor.username for look in looks] == ["merchant", "the-clerk"]
    keeper.post(f"{page}lines/1/start/")
    keeper.post(f"{page}lines/1/hand-over/", {"report-1-text": "好了"})
    assert keeper.post(f"{page}recipient/").status_code == 302
    assert looks.count() == 2
    assert ACCOUNT not in text(keeper.get(page))


def test_a_look_at_whom_it_is_for_is_told_in_words(keeper, client, service):
    keeper.post(f"{page_of(service)}recipient/")
    client.force_login(service.buyer)
    for page in (keeper.get(f"{page_of(service)}record/"), client.get(f"/orders/{service.order_no}/record/")):
        assert "商家查看充值对象" in text(page)
        assert "see_recipient" not in text(page)


def test_out_of_stock_is_canceled_with_what_it_costs_and_given_back(keeper, merchant, service, drain):
    page = text(keeper.get(f"{page_of(service)}cancel/"))
    assert "¥30.00" in page
    assert "¥1.50" in page  # 5 % of it
    assert not Cancellation.objects.exists()
    keeper.post(f"{page_of(service)}cancel/", {"reason": "人手不够"})
    canceled = Cancellation.objects.get()
    assert (canceled.cause, canceled.reason, canceled.canceled_by) == ("out_of_stock", "人手不够", merchant)
    service.refresh_from_db()
    assert service.status == "canceled"
    drain()
    assert service.refunds.get().amount_fen == 3000
    assert keeper.get(f"{page_of(service)}cancel/").status_code == 302


def test_the_shop_speaks_for_itself(keeper, service):
    assert keeper.post(f"{page_of(service)}talk/", {"text": "今晚八点前完成，加微信 abc12345"}).status_code == 302
    page = text(keeper.get(page_of(service)))
    assert "今晚八点前完成" in page
    assert "私下交易不受保障" in page
    assert OrderMessage.objects.get().side == "shop"
    assert "请写下要说的话" in text(keeper.post(f"{page_of(service)}talk/", {"text": " "}))


def test_another_shops_orders_are_not_there(rival, service):
    page = page_of(service)
    for path in (page, f"{page}cancel/"):
        assert rival.get(path).status_code == 404
    for path in ("cancel/", "talk/", "recipient/", "lines/1/start/", "lines/1/report/", "lines/1/hand-over/"):
        assert rival.post(page + path, {"text": "您好"}).status_code == 404
    assert service.order_no not in text(rival.get("/shop/"))
    assert OrderEvent.objects.filter(order=service).exclude(step__in=["place", "pay"]).count() == 0


def test_somebody_with_two_shops_looks_at_one_at_a_time(keeper, merchant, service):
    from shops.models import Shop

    second = Shop.objects.create(name="第二家店", created_at=clock.now())
    second.members.add(merchant)
    assert service.order_no in text(keeper.get("/shop/"))
    assert keeper.post("/shop/choose/", {"shop": second.pk}).status_code == 302
    page = text(keeper.get("/shop/"))
    assert service.order_no not in page
    assert "第二家店" in page
    assert service.order_no in text(keeper.get(page_of(service)))  # a notice leads to any of one's shops
    for nonsense in ("", "x", "999999", "9" * 40):
        assert keeper.post("/shop/choose/", {"shop": nonsense}).status_code == 403
