"""A shop puts up goods and coupons; orders keep what they were placed under (PM19)."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

import clock
from orders import placing
from orders.placing import Wish
from shops import search
from shops.models import Category, Coupon, Product, RefundPolicy, Supplier
from tests.portal.conftest import browser, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def policy(db):
    for version in (1, 2):
        newest = RefundPolicy.objects.create(
            code="standard", version=version, name="标准", name_en="Standard", window_days=15, published_at=clock.now()
        )
    return newest


TOP_UP = {"kind": "top_up", "fulfilment": "top_up", "supplier_sku": "phone-50", "recipient_kind": "phone"}


def form(policy, **fields):
    return {
        "name": "星海 100 元点卡", "kind": "card_code", "fulfilment": "codes", "price": "98.50",
        "delivery_promise_minutes": "5", "policy": policy.pk, "category": "", "recipient_kind": "", "supplier": "",
    } | fields  # fmt: skip


def test_a_product_is_put_up_in_yuan_and_sold_by_this_shop(keeper, shop, policy):
    games = Category.objects.create(slug="games", name="游戏", name_en="Games")
    answer = keeper.post("/shop/products/new/", form(policy, category=games.pk, face_value="100 元", shop="999"))
    product = Product.objects.get()
    assert answer["Location"] == f"/shop/products/{product.pk}/"
    assert (product.shop, product.price_fen, product.category, product.policy) == (shop, 9850, games, policy)
    assert search.find(Product.objects.all(), "星海").products.get() == product
    assert "星海 100 元点卡" in text(keeper.get("/shop/products/"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"price": "0"}, "大于 0"),
        ({"price": "100000.01"}, "¥100,000.00"),
        ({"price": "九十八"}, "最多两位小数"),
        ({"name": ""}, "必填"),
        ({"kind": "top_up", "fulfilment": "top_up"}, "直充商品须选择供应商"),
        ({"kind": "card_code", "fulfilment": "service"}, "只有代练与定制由人工交付"),
        ({"delivery_promise_minutes": "0"}, "至少 1 分钟"),
        ({"delivery_promise_minutes": "43201"}, "30 天"),
        ({"delivery_promise_minutes": "2147483647"}, "30 天"),
    ],
)
def test_what_cannot_be_sold_is_told_and_nothing_is_put_up(keeper, policy, fields, said):
    assert said in text(keeper.post("/shop/products/new/", form(policy, **fields)))
    assert not Product.objects.exists()


def test_a_top_up_names_its_supplier_and_whom_it_is_for(keeper, policy):
    supplier = Supplier.objects.create(code="issuer", name="发卡方", created_at=clock.now())
    keeper.post(
        "/shop/products/new/",
        form(policy, **TOP_UP, supplier=supplier.pk),
    )
    product = Product.objects.get()
    assert (product.supplier, product.supplier_sku, product.recipient_kind) == (supplier, "phone-50", "phone")
    answer = keeper.post(f"/shop/products/{product.pk}/", form(policy))
    assert "直充商品须选择供应商" in text(answer)


def test_an_old_version_of_a_policy_is_not_on_offer(keeper, policy):
    page = text(keeper.get("/shop/products/new/"))
    assert "标准 v2" in page
    assert "标准 v1" not in page
    old = RefundPolicy.objects.get(version=1)
    assert keeper.post("/shop/products/new/", form(old)).status_code == 200
    assert not Product.objects.exists()


def test_editing_never_touches_orders(keeper, buy):
    order = buy(price_fen=3000)
    product, before = order.lines.get().product, order.lines.values().get()
    fields = form(product.policy, name="改了名", price="1.00", kind="service", fulfilment="service")
    assert keeper.post(f"/shop/products/{product.pk}/", fields).status_code == 302
    product.refresh_from_db()
    assert (product.name, product.price_fen, product.kind) == ("改了名", 100, "card_code")  # what it is, it stays
    order.refresh_from_db()
    assert (order.lines.values().get(), order.total_fen) == (before, 3000)


def test_what_is_unlisted_is_not_sold_until_it_is_listed_again(keeper, buyer, make_product):
    product = make_product()
    keeper.post(f"/shop/products/{product.pk}/listed/")
    product.refresh_from_db()
    with pytest.raises(placing.CannotPlace):
        placing.place(product, Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    keeper.post(f"/shop/products/{product.pk}/listed/", {"listed": "on"})
    product.refresh_from_db()
    assert product.is_listed


def test_another_shops_goods_are_not_there(rival, make_product, shop):
    product = make_product()
    coupon = a_coupon(shop)
    for path in (f"/shop/products/{product.pk}/", f"/shop/coupons/{coupon.pk}/"):
        assert rival.get(path).status_code == 404
        assert rival.post(path, form(product.policy)).status_code == 404
    assert product.name not in text(rival.get("/shop/products/"))


@pytest.mark.parametrize("role", ["manager", "clerk"])
def test_managers_keep_goods_and_clerks_do_not(staffed, role, policy):
    seat, expected = staffed(role), 200 if role == "manager" else 403
    for path in ("/shop/products/", "/shop/products/new/", "/shop/coupons/", "/shop/coupons/new/"):
        assert seat.get(path).status_code == expected
    seat.post("/shop/products/new/", form(policy))
    assert Product.objects.exists() is (role == "manager")


# --- coupons ----------------------------------------------------------------------------------------------------------


def a_coupon(shop, **columns):
    at = clock.now()
    return Coupon.objects.create(
        **{"shop": shop, "code": "TEN", "kind": "fixed", "off_fen": 1000, "starts_at": at, "most_uses": 1}
        | {"ends_at": at + timedelta(days=1)} | columns
    )  # fmt: skip


def coupon_form(**fields):
    now = timezone.localtime(clock.now())
    return {
        "code": "summer5", "kind": "fixed", "off": "5", "off_percent": "", "minimum": "20", "most_uses": "3",
        "starts_at": f"{now - timedelta(hours=1):%Y-%m-%dT%H:%M}", "is_active": "on",
        "ends_at": f"{now + timedelta(days=3):%Y-%m-%dT%H:%M}",
    } | fields  # fmt: skip


@pytest.mark.parametrize("times", [{"starts_at": "0001-01-01T00:00"}, {"ends_at": "9999-12-31T23:59"}])
def test_a_coupon_of_a_year_that_no_page_can_show_is_refused(keeper, shop, times):
    for path in ("/shop/coupons/new/", f"/shop/coupons/{a_coupon(shop).pk}/"):
        assert "2000 年到 9000 年" in text(keeper.post(path, coupon_form(**times)))
    assert Coupon.objects.get().code == "TEN"
    assert "TEN" in text(keeper.get("/shop/coupons/"))


def test_a_coupon_takes_off_what_the_shop_said(keeper, shop, buyer, make_product):
    assert keeper.post("/shop/coupons/new/", coupon_form()).status_code == 302
    coupon = Coupon.objects.get()
    assert (coupon.shop, coupon.code, coupon.off_fen, coupon.minimum_fen) == (shop, "SUMMER5", 500, 2000)
    wish = Wish(coupon_code="summer5")
    order = placing.place(make_product(), wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    assert (order.total_fen, order.discount_fen) == (2500, 500)
    assert "1 / 3" in text(keeper.get("/shop/coupons/"))
    keeper.post(f"/shop/coupons/{coupon.pk}/", coupon_form(off="9"))
    order.refresh_from_db()
    assert order.discount_fen == 500


@pytest.mark.parametrize(
    "fields",
    [
        {"off": ""},
        {"kind": "percent", "off_percent": "100"},
        {"kind": "percent", "off_percent": ""},
        {"code": "a b"},
        {"most_uses": "0"},
        {"ends_at": "2020-01-01T00:00"},
        {"code": "TEN"},
    ],
)
def test_a_coupon_that_makes_no_sense_is_refused(keeper, shop, fields):
    a_coupon(shop)
    answer = keeper.post("/shop/coupons/new/", coupon_form(**fields))
    assert "还不能提交" in text(answer)
    assert Coupon.objects.count() == 1


def test_only_members_come_in(buyer, shop):
    assert browser(buyer).get("/shop/products/").status_code == 403


def test_a_promise_of_days_is_said_in_days_and_how_to_count_it(keeper, make_product, policy):
    assert "1 天填 1440" in text(keeper.get("/shop/products/new/"))
    product = make_product(stock=0, delivery_promise_minutes=2880)
    assert "付款后 2 天内" in text(keeper.get(f"/shop/products/{product.pk}/"))


def test_a_policy_without_refunds_promises_no_one_click(keeper, make_product, policy):
    make_product(stock=0)
    RefundPolicy.objects.create(
        code="never", version=1, name="特价不退", name_en="Final sale", window_days=0, published_at=clock.now()
    )
    page = text(keeper.get("/shop/products/new/"))
    never, standard = (page.split(name)[1].split("</label>")[0] for name in ("特价不退", "标准"))
    assert "交付后不支持退款" in never
    assert "一键退款" not in never
    assert "一键退款" in standard


def test_categories_are_chosen_in_the_readers_language(keeper, shop, policy):
    Category.objects.create(slug="games", name="游戏点卡", name_en="Game cards")
    keeper.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    assert ">Game cards</option>" in text(keeper.get("/shop/products/new/"))
