"""Buying: what stands on the page before paying, one order for two taps, and the code that nobody sees too early."""

from __future__ import annotations

import re
import uuid

import pytest
from django.core.cache import cache

import clock
from orders import talk
from orders.models import Order, OrderStatus
from payments import charging
from payments.models import Payment, PaymentStatus
from shops.models import CardCode, CodeEvent, CodeState, Product
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


def test_policy_is_on_the_page_before_paying(client, make_product):
    """S0-7, S1-20, PM18: badge, window and what is not refundable, without logging in and without a tap."""
    product = make_product(price_fen=3000)
    Product.objects.filter(pk=product.pk).update(not_refundable_note="区服选错不退。")
    page = words(client.get(f"/p/{product.pk}/"))
    for said in ["一键退款", "交付后 15 天内", "区服选错不退。", "付款后 5 分钟内", "¥30.00"]:
        assert said in page
    assert f"/policies/{product.policy.code}/{product.policy.version}/" in page
    strict = make_product(price_fen=3000, window_days=0)
    assert "不可退" in words(client.get(f"/p/{strict.pk}/"))
    dear = make_product(price_fen=5000)
    assert "一键退款</span>" not in words(client.get(f"/p/{dear.pk}/"))


def test_buying_leads_to_the_code(shopper, purchase, make_product, simulator):
    product = make_product(price_fen=3000)
    answer = purchase(product)
    order = Order.objects.get()
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/orders/{order.order_no}/pay/")
    pay_page = words(shopper.get(f"/orders/{order.order_no}/pay/"))
    assert "<svg" in pay_page
    assert "style=" not in pay_page.split('class="qr-frame"')[1].split("</svg>")[0]
    payment = order.payments.get()
    assert f"/phone/{payment.till.rsplit('=', 1)[1]}" in pay_page

    simulator.pay(payment.payment_no)
    answer = shopper.post(f"/orders/{order.order_no}/check/")
    assert answer.headers["Location"] == f"/orders/{order.order_no}/"
    order.refresh_from_db()
    assert order.status == OrderStatus.DELIVERED


def test_two_taps_make_one_order(purchase, make_product):
    """P1."""
    product, key = make_product(), str(uuid.uuid4())
    first, second = purchase(product, checkout_key=key), purchase(product, checkout_key=key)
    assert first.headers["Location"] == second.headers["Location"]
    assert Order.objects.count() == Payment.objects.count() == 1


def test_a_consent_is_to_the_terms_and_the_price_that_were_shown(shopper, purchase, make_product):
    """B2: the shop changed its goods while the buyer read; what was typed stays, and what is new is shown."""
    product, strict = make_product(price_fen=3000), make_product(window_days=0).policy
    read = agreed(shopper, product)
    for change in ({"policy": strict}, {"price_fen": 3100}):
        Product.objects.filter(pk=product.pk).update(**change)
        answer = purchase(product, agreed=read, quantity="2")
        page = words(answer)
        assert "刚刚变了" in page
        assert 'value="2"' in page
        assert 'name="consent" required id="id_consent" checked' not in page
        assert not Order.objects.exists()
        read = agreed(shopper, product)
        assert f'value="{read}"' in page
    purchase(product, agreed=read)
    assert (Order.objects.get().policy, Order.objects.get().total_fen) == (strict, 3100)


def agreed(shopper, product):
    return re.search(r'name="agreed" value="([^"]+)"', words(shopper.get(f"/p/{product.pk}/"))).group(1)


def test_anothers_checkout_key_gives_no_look_at_the_order(other, purchase, make_product):
    product, key = make_product(), str(uuid.uuid4())
    purchase(product, checkout_key=key)
    answer = other.post(f"/p/{product.pk}/buy/", {"quantity": "1", "consent": "on", "checkout_key": key})
    assert answer.status_code == 200
    assert "已失效" in words(answer)
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"consent": ""}, "请先勾选同意退款政策"),
        ({"quantity": "0"}, "数量"),
        ({"quantity": "11"}, "数量"),
        ({"quantity": "六"}, "数量"),
        ({"quantity": "9"}, "库存不足"),
        ({"checkout_key": "not-a-uuid"}, 'id="errors"'),
    ],
)
def test_what_cannot_be_bought_is_said(purchase, make_product, fields, said):
    answer = purchase(make_product(stock=5), **fields)
    assert answer.status_code == 200
    assert said in words(answer)
    assert not Order.objects.exists()


def test_the_channel_is_asked_at_most_every_two_seconds(shopper, purchase, make_product, monkeypatch):
    purchase(make_product())
    order = Order.objects.get()
    asked, look = [], charging.look
    monkeypatch.setattr(charging, "look", lambda payments, **how: [asked.append(payments), look(payments, **how)])
    for _ in range(5):
        shopper.post(f"/orders/{order.order_no}/check/", headers={"HX-Request": "true"})
    payment = Payment.objects.get()
    assert asked == [[payment]]
    assert payment.status == PaymentStatus.OPEN


def test_polling_is_silent_until_something_happens(shopper, purchase, make_product, simulator):
    purchase(make_product())
    order = Order.objects.get()
    check = f"/orders/{order.order_no}/check/"
    assert shopper.post(check, headers={"HX-Request": "true"}).status_code == 204
    simulator.pay(order.payments.get().payment_no)
    cache.clear()  # two seconds later
    answer = shopper.post(check, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == f"/orders/{order.order_no}/"


def test_a_code_is_shown_only_in_the_answer_to_its_post(shopper, buy):
    """B4: in no page before, recorded with address and device, never kept by a cache."""
    order = buy(price_fen=3000)
    place = f"/orders/{order.order_no}/lines/1/reveal/"
    before = words(shopper.get(place)) + words(shopper.get(f"/orders/{order.order_no}/"))
    assert CardCode.objects.get(delivery__line__order=order).state == CodeState.DELIVERED
    assert not CodeEvent.objects.filter(kind="reveal").exists()

    answer = shopper.post(place, headers={"User-Agent": "MicroMessenger"}, REMOTE_ADDR="203.0.113.9")
    assert "no-store" in answer.headers["Cache-Control"]
    code = words(answer).split('id="code">')[1].split("<")[0]
    assert code.startswith("CODE-")
    assert code not in before
    look = CodeEvent.objects.get(kind="reveal")
    assert (look.ip, look.device) == ("203.0.113.9", "MicroMessenger")
    after = words(shopper.get(place)) + words(shopper.get(f"/orders/{order.order_no}/"))
    assert code not in after
    assert "首次查看" in after


def test_a_frozen_code_is_not_shown(shopper, buy, apply):
    order = buy(price_fen=8800)
    apply(order)
    answer = shopper.post(f"/orders/{order.order_no}/lines/1/reveal/")
    assert answer.headers["Location"] == f"/orders/{order.order_no}/"
    assert not CodeEvent.objects.filter(kind="reveal").exists()


def test_voucher_names_order_goods_amount_and_time(shopper, buy):
    """S1-25, S3-16."""
    order = buy(price_fen=3000, quantity=2)
    page = words(shopper.get(f"/orders/{order.order_no}/voucher/"))
    payment = order.payments.get()
    for said in [order.order_no, "点卡 3000", "¥60.00", payment.payment_no, payment.channel_transaction_id]:
        assert said in page


def test_talk_says_what_it_proves_and_that_the_shop_was_told(shopper, buy, merchant):
    order = buy()
    page = f"/orders/{order.order_no}/"
    told = "商家已收到站内通知"
    assert told not in words(shopper.get(page))
    shopper.post(f"{page}talk/", {"text": "什么时候到账？"})
    said = words(shopper.get(page))
    assert told in said
    assert "不在存证记录的步骤里" in said
    assert merchant.notices.filter(kind="order_message").exists()
    talk.say(order, "马上。", by=merchant, at=clock.now())
    assert told not in words(shopper.get(page))
