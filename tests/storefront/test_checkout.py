"""The form on a product's page: coupon and 试算, whom a top-up is for, the same order twice (B2, S3-1, S4-26)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

import clock
from orders import recipients
from orders.models import CouponUse, Order
from shops.models import Coupon, RecipientKind, Supplier
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db


@pytest.fixture
def coupon(shop):
    at = clock.now()
    return Coupon.objects.create(
        shop=shop, code="SAVE5", kind="fixed", off_fen=500, minimum_fen=2000, starts_at=at - timedelta(days=1),
        ends_at=at + timedelta(days=1), most_uses=1,
    )  # fmt: skip


@pytest.fixture
def top_up(make_product):
    supplier = Supplier.objects.create(code="star", name="星海直充", created_at=clock.now())
    words = {"kind": "top_up", "fulfilment": "top_up", "supplier": supplier, "stock": 0}

    def make(kind: str = "phone"):
        return make_product(supplier_sku=f"{kind}-50", recipient_kind=kind, **words)

    return make


def test_a_coupon_is_tried_before_it_is_used(shopper, purchase, make_product, coupon):
    product = make_product(price_fen=3000)
    page = words(purchase(product, quote="1", consent="", quantity="2", coupon="save5"))
    for said in ["¥60.00", "−¥5.00", "¥55.00"]:
        assert said in page
    assert 'id="errors"' not in page  # what is still missing is no mistake yet
    assert not Order.objects.exists()
    purchase(product, quantity="2", coupon="save5")
    order = Order.objects.get()
    assert (order.total_fen, order.discount_fen) == (5500, 500)
    assert CouponUse.objects.get().order == order


def test_the_price_after_the_coupon_stays_whatever_else_is_wrong(shopper, purchase, make_product, coupon):
    product = make_product(price_fen=3000)
    without_consent = words(purchase(product, coupon="SAVE5", consent=""))
    assert "请先勾选同意退款政策" in without_consent
    assert '<span class="price">¥25.00</span>' in without_consent
    purchase(product)
    same_again = words(purchase(product, coupon="SAVE5"))
    assert "仍要再买一份" in same_again
    assert '<span class="price">¥25.00</span>' in same_again
    refused = words(purchase(product, coupon="NOPE", quantity="2"))
    assert '<span class="price">¥60.00</span>' in refused


def test_the_price_is_asked_for_where_a_coupons_refusal_stands(shopper, make_product):
    product = make_product()
    page = words(shopper.get(f"/p/{product.pk}/"))
    assert f'formaction="/p/{product.pk}/buy/#coupon"' in page
    field = page.split('<div id="coupon">')[1].split('id="quote"')[0]
    assert 'name="coupon"' in field


@pytest.mark.parametrize(
    ("code", "said"), [("NOPE", "没有这张优惠券"), ("SAVE5", "订单金额还不够"), ("x" * 21, 'id="errors"')]
)
@pytest.mark.parametrize("button", [{}, {"quote": "1"}])
def test_a_coupon_that_does_not_hold_is_told_at_its_field(purchase, make_product, coupon, code, said, button):
    answer = purchase(make_product(price_fen=1000), coupon=code, **button)
    assert answer.status_code == 200
    assert said in words(answer)
    assert answer.context["form"].errors.keys() == {"coupon"}
    assert not Order.objects.exists()


def test_a_number_is_shown_whole_once_more_before_it_is_paid_for(shopper, purchase, top_up):
    """S3-1: a wrong number is the buyer's risk, so it is read twice; afterwards only its mask is shown."""
    product, key = top_up(), str(uuid.uuid4())
    page = words(shopper.get(f"/p/{product.pk}/"))
    assert 'type="tel"' in page
    assert 'autocomplete="tel"' in page
    assert "由您自行承担" in page
    answer = purchase(product, account="+86 138-0013 8000", checkout_key=key)
    said = words(answer)
    assert "138 0013 8000" in said
    assert "138****8000" in said
    assert "无法追回" in said
    assert "no-store" in answer.headers["Cache-Control"]
    assert not Order.objects.exists()

    changed = words(purchase(product, account="+86 138-0013 8000", checkout_key=key, change="1"))
    assert "138-0013 8000" in changed
    assert 'id="errors"' not in changed
    answer = purchase(product, account="+86 138-0013 8000", checkout_key=key, confirmed="1")
    order = Order.objects.get()
    assert answer.headers["Location"] == f"/orders/{order.order_no}/pay/"
    assert order.recipient_masked == "138****8000"
    assert recipients.of(order) == recipients.Recipient(RecipientKind.PHONE, "13800138000")
    assert "13800138000" not in words(shopper.get(f"/orders/{order.order_no}/pay/"))


@pytest.mark.parametrize("account", ["", "1380013800", "138001380000", "2380013800a", "１３８００１３８０００x", "+86"])
def test_what_is_no_phone_number_is_told(purchase, top_up, account):
    answer = purchase(top_up(), account=account, confirmed="1")
    assert answer.status_code == 200
    assert "account" in answer.context["form"].errors
    assert not Order.objects.exists()


def test_a_game_account_needs_its_server(purchase, top_up):
    product = top_up("game")
    assert "server" in purchase(product, account="hero@example").context["form"].errors
    assert "account" in purchase(product, account="a\nb", server="星海一区").context["form"].errors
    said = words(purchase(product, account="hero@example", server="星海一区"))
    assert "hero@example" in said
    assert "星海一区" in said
    purchase(product, account="hero@example", server="星海一区", confirmed="1")
    assert recipients.of(Order.objects.get()).server == "星海一区"


def test_the_same_again_is_asked_about_once(shopper, purchase, make_product):
    """S4-26: the second order within minutes leads to the first one, and is placed only with a tick."""
    product = make_product()
    purchase(product)
    first = Order.objects.get()
    answer = purchase(product)
    assert answer.status_code == 200
    page = words(answer)
    assert f'href="/orders/{first.order_no}/"' in page
    assert "仍要再买一份" in page
    assert '<a href="#id_again">' in page.split('id="errors"')[1].split("</div>")[0]
    assert 'id="id_again"' in page
    assert Order.objects.count() == 1
    assert "仍要再买一份" not in words(shopper.get(f"/p/{product.pk}/"))
    answer = purchase(product, again="on")
    assert answer.status_code == 302
    assert Order.objects.count() == 2


def test_a_guest_is_asked_to_log_in_or_to_keep_a_password(client, top_up):
    """PM17: the whole way of a guest, the second look included."""
    product = top_up()
    data = {"quantity": "1", "consent": "on", "checkout_key": str(uuid.uuid4()), "account": "13800138000"}
    assert "query_password" in client.post(f"/p/{product.pk}/buy/", data).context["form"].errors
    look = client.post(f"/p/{product.pk}/buy/", data | {"query_password": "tell-nobody-9"})
    kept = dict(look.context["form"].typed())
    assert kept["query_password"] == "tell-nobody-9"  # noqa: S105
    answer = client.post(f"/p/{product.pk}/buy/", kept | {"confirmed": "1"})
    assert answer.headers["Location"] == f"/orders/{Order.objects.get().order_no}/pay/"
