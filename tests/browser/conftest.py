"""A browser before a shop in which everything has happened once: every state of an order and of a refund."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser import stage

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # Playwright's own loop runs in the thread in which the tests query

PHONE = {"width": 375, "height": 812}
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture
def world(
    live_server: Any, buyer: Any, stranger: Any, reviewer: Any, senior: Any, finance: Any, operator: Any, merchant: Any,
    simulator: Any, supplier: Any, make_product: Any, buy: Any, pay: Any, reveal: Any, apply: Any,
) -> dict[str, Any]:  # fmt: skip
    """Paths of pages by name, each state lived through; ``people`` are who looks, by the beginning of the name."""
    import clock
    from orders import cancellation, placing
    from orders.models import Cause
    from orders.placing import Wish
    from payments import charging, refunding
    from refunds import disbursement, lifecycle, sweeping
    from shops.models import Product

    now = clock.now
    paths: dict[str, str] = {}

    def case(name: str, **how: Any) -> Any:
        order = buy(price_fen=how.pop("price_fen", 8800), quantity=how.pop("quantity", 1), **how.pop("terms", {}))
        reveal(order)
        refund = apply(order, **how)
        paths[f"refund_{name}"] = f"/refunds/{refund.refund_no}/"
        return refund

    def approved(name: str, **how: Any) -> Any:
        refund = case(name, **how)
        lifecycle.approve([refund], by=reviewer, at=now())
        return refund

    def released(name: str, outcome: str = "", **how: Any) -> Any:
        refund = approved(name, **how)
        disbursement.release([refund], by=finance, at=now())
        refunding.sweep(at=now())
        if outcome:
            attempt = refund.disbursements.get().attempt
            simulator.settle(attempt.request_no, outcome)
            refunding.hint(attempt.payment.account, attempt.request_no, at=now())
            refunding.sweep(at=now())
            disbursement.hear(at=now())
        return refund

    goods = make_product(price_fen=3000)
    Product.objects.filter(pk=goods.pk).update(
        name="Steam 充值卡 30 元", face_value="30 元",
        description="官方直供，兑换码为 15 位字母数字。",
        not_refundable_note="已在 Steam 兑换的不退。\n区服选错请在兑换前联系客服。",
    )  # fmt: skip
    strict = make_product(price_fen=19900, window_days=0)
    Product.objects.filter(pk=strict.pk).update(name="视频会员年卡", face_value="12 个月", kind="membership")
    sold_out = make_product(price_fen=64800, stock=0)
    Product.objects.filter(pk=sold_out.pk).update(name="手游点券 6480", face_value="6480 点券")
    paths |= {"products": "/", "product": f"/p/{goods.pk}/", "product_strict": f"/p/{strict.pk}/"}
    paths["product_sold_out"] = f"/p/{sold_out.pk}/"
    policy = goods.policy
    paths["policy"] = f"/policies/{policy.code}/{policy.version}/"
    paths |= {"policy_examples": f"{paths['policy']}examples/", "agreement": "/agreement/"}

    unpaid = placing.place(goods, Wish(again=True), buyer=buyer, checkout_key=uuid.uuid4(), at=now())
    charging.present(charging.prepare(unpaid, at=now()), at=now())
    paths |= {"order_unpaid": f"/orders/{unpaid.order_no}/", "pay": f"/orders/{unpaid.order_no}/pay/"}
    fresh = buy(price_fen=3000, quantity=3)
    paths |= {
        "order": f"/orders/{fresh.order_no}/",
        "reveal": f"/orders/{fresh.order_no}/lines/1/reveal/",
        "apply_many": f"/orders/{fresh.order_no}/refund/",
        "voucher": f"/orders/{fresh.order_no}/voucher/",
    }
    single = buy(price_fen=12800)
    paths["apply"] = f"/orders/{single.order_no}/refund/"
    late = buy(price_fen=3000, window_days=0)
    paths |= {"order_shut": f"/orders/{late.order_no}/", "apply_shut": f"/orders/{late.order_no}/refund/"}
    waiting = buy(price_fen=25000, stock=0)
    paths["order_undelivered"] = f"/orders/{waiting.order_no}/"

    review = case("review", contact="138 0000 0000")
    paths["withdraw"] = f"/refunds/{review.refund_no}/withdraw/"
    paths["shop_refund"] = f"/shop/refunds/{review.refund_no}/"
    asked = case("awaiting")
    lifecycle.request_evidence([asked], by=reviewer, at=now(), note="请上传兑换时的报错截图，要看得清时间。")
    rejected = case("rejected")
    lifecycle.reject([rejected], by=reviewer, at=now(), note="兑换记录与您的说明不符，该卡密仍可正常兑换。")
    paths |= stage.pages_of_an_application(buy(price_fen=12800), buy(price_fen=3000), late, rejected.order)
    lifecycle.withdraw(case("withdrawn"), by=buyer, at=now())
    approved("approved")
    arrived = released("arrived", "SUCCESS")
    paths["order_refunded"] = f"/orders/{arrived.order.order_no}/"
    returned = released("returned", "ABNORMAL")
    paths["refund_redirect"] = f"/refunds/{returned.refund_no}/redirect/"
    released("processing")
    submitted = apply(buy(price_fen=5000), precheck=False)
    paths["refund_submitted"] = f"/refunds/{submitted.refund_no}/"
    sweeping.sweep(at=now())
    paths |= {"orders": "/orders/", "refunds": "/refunds/", "notices": "/notices/", "help": "/help/"}
    paths |= {"balance": "/me/balance/", "cash_out": "/me/balance/cash-out/", "balance_payee": "/me/balance/payee/"}
    paths |= {"express": "/me/express/", "real_name": "/me/real-name/"}
    paths |= {"notice_settings": "/notices/settings/", "notices_sent": "/notices/sent/"}
    paths |= {"find_strangers": "/orders/find/", "product_strangers": f"/p/{goods.pk}/"}
    paths |= {"emails": "/accounts/email/", "mfa": "/accounts/2fa/", "mfa_totp": "/accounts/2fa/totp/activate/"}
    paths |= {"password": "/accounts/password/change/", "missing": "/orders/D0000000000000/"}
    paths |= {"shop_orders": "/shop/", "shop_refunds": "/shop/refunds/", "become_merchant": "/shop/apply/"}
    seen, done = buy(), buy()
    for order in (seen, done):
        reveal(order)
        order.refresh_from_db()
    guests_order = stage.a_guests_order(goods, pay)
    phone_credit = make_product(5000, name="话费充值 50 元", supplier=supplier, **stage.PHONE_CREDIT)
    top_up = stage.a_top_up(phone_credit, buyer, pay)
    taken_back = buy(stock=0)
    cancellation.cancel(taken_back, cause=Cause.OUT_OF_STOCK, by=merchant, at=now(), reason="没货了")
    paths |= {
        "order_topup": f"/orders/{top_up.order_no}/", "shop_order_topup": f"/shop/orders/{top_up.order_no}/",
        "order_canceled": f"/orders/{taken_back.order_no}/", "shop_order_codes": f"/shop/orders/{seen.order_no}/",
        "shop_order_canceled": f"/shop/orders/{taken_back.order_no}/", "product_topup": f"/p/{phone_credit.pk}/",
        "order_cancel": f"/orders/{buy(stock=0).order_no}/cancel/",
        "shop_order_cancel": f"/shop/orders/{buy(stock=0).order_no}/cancel/",
        "guest_order": f"/orders/{guests_order.order_no}/", "guest_claim": "/orders/claim/", "guest_orders": "/orders/",
    }  # fmt: skip
    paths |= stage.pages_of_goods(goods, operator)
    paths |= stage.pages_of_reviews(seen, done, merchant)
    paths |= stage.pages_of_the_shop(waiting, goods, merchant, finance)
    paths |= stage.pages_of_the_stock(goods, merchant)
    paths |= stage.pages_of_programs(goods.shop, merchant)
    paths |= stage.an_application(stranger)
    paths |= stage.pages_of_records(seen)
    arrived.refresh_from_db()
    paths |= stage.pages_of_papers(arrived, rejected)
    paths |= stage.pages_of_pace()
    paths |= {"login": "/accounts/login/", "signup": "/accounts/signup/", "reset": "/accounts/password/reset/"}
    paths |= stage.pages_of_answers(case, merchant, reviewer)
    paths |= stage.pages_of_support(review, single, merchant, reviewer, senior)
    people = {"buyer": buyer, "shop": merchant, "guest": guests_order.buyer, "applicant": stranger}
    return {"paths": paths, "people": people, "url": live_server.url, "guests_order": guests_order.order_no}


@pytest.fixture
def enter(live_server: Any) -> Callable[[Any, Any], None]:
    """``enter(context, user)``: the browser context is logged in."""
    from django.test import Client

    from accounts import guests

    def log_in(context: Any, user: Any) -> None:
        client = Client()
        client.force_login(user, backend=guests.BACKEND if user.is_guest else None)
        cookie = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])

    return log_in


@pytest.fixture
def keep(request: Any) -> Callable[[Any, str], None]:
    """``keep(page, name)``: a screenshot into the folder $SCREENSHOTS, if that is set."""

    def take(page: Any, name: str) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{folder}/{name}.png", full_page=True)

    return take
