"""通知 name what they are about: goods, how it stands now, and until when."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import clock
from notices.models import Notice
from orders import talk
from refunds import lifecycle
from refunds.models import Refund
from storefront.templatetags.words import deadline
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


def test_a_notice_names_the_goods_and_the_newest_of_a_case_says_by_when(shopper, buy, apply, reveal):
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    assert Notice.objects.filter(path=f"/refunds/{refund.refund_no}/").count() > 1
    page = words(shopper.get("/notices/"))
    name = order.lines.get().product_name
    assert page.count(name) == Notice.objects.filter(recipient=order.buyer).count()
    now = f"现在：{refund.get_status_display()} · 承诺 {deadline(refund.promised_by)} 前"
    assert page.count(now) == 1
    Refund.objects.filter(pk=refund.pk).update(promised_by=clock.now() - timedelta(hours=1))
    refund.refresh_from_db()
    assert f"已超过承诺的 {deadline(refund.promised_by)}" in words(shopper.get("/notices/"))


def test_whoever_must_add_something_reads_that_it_is_their_turn(shopper, buy, apply, reveal, reviewer):
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图")
    refund.refresh_from_db()
    assert f"轮到您：请在 {deadline(refund.promised_by)} 前答复" in words(shopper.get("/notices/"))


def test_a_shop_reads_of_its_order_and_of_no_other(merchant, buy, stranger):
    client = Client()
    client.force_login(merchant)
    order = buy(price_fen=8800)
    talk.say(order, "在吗？", by=order.buyer, at=clock.now())
    name = order.lines.get().product_name
    assert name in words(client.get("/notices/"))
    order.shop.memberships.all().delete()  # works there no more: the number stays, what it was for goes
    page = words(client.get("/notices/"))
    assert order.order_no in page
    assert name not in page


def test_the_page_asks_no_more_for_more_notices(shopper, buy):
    buy(price_fen=1000)
    with CaptureQueriesContext(connection) as few:
        shopper.get("/notices/")
    for _ in range(3):
        buy(price_fen=1000)
    with CaptureQueriesContext(connection) as many:
        shopper.get("/notices/")
    assert len(many) == len(few)
