"""An order's page on a phone, in each of its states: the first view says what stands, what it costs, what is next (B3).

Each page is also looked at by axe, and nothing of it needs JavaScript.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

import clock
from orders import cancellation, placing, service_jobs, talk, topups, watch
from orders.models import Cause, TopUp
from orders.placing import Wish
from orders.recipients import Recipient
from refunds import cancellations
from tests.browser.conftest import PHONE
from tests.browser.test_pages import _context, _look_at
from tests.cast import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DEAR = 64800  # fen: the code asks again who looks


@pytest.fixture
def states(buyer, merchant, shop, make_product, supplier, simulator, buy, pay, reveal):
    """Orders by the name of their state, each lived through."""
    now = clock.now

    def topup(account):
        words = {"supplier": supplier, "supplier_sku": "phone-50", "name": "话费充值 50 元"}
        product = make_product(5000, kind="top_up", fulfilment="top_up", recipient_kind="phone", **words)
        wish = Wish(recipient=Recipient("phone", account), again=True)
        return pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=now()))

    def service(**goods):
        order = buy(stock=0, name="王者代练 黄金到钻石", delivery_promise_minutes=60, price_fen=12800, **goods)
        service_jobs.start(order.lines.get().service, by=merchant, at=now())
        return order

    late = buy(stock=0, delivery_promise_minutes=30)
    clock.advance(timedelta(minutes=31))
    watch.sweep(at=now())
    wish, key = Wish(again=True), uuid.uuid4()
    unpaid = placing.place(make_product(), wish, buyer=buyer, checkout_key=key, at=now())
    found = {"late": late, "unpaid": unpaid}
    found["delivered"] = buy(quantity=2)
    found["dear"] = buy(price_fen=DEAR)
    found["completed"] = buy()
    reveal(found["completed"])
    found["shut"] = buy(window_days=0)
    found["waiting"] = buy(stock=0, delivery_promise_minutes=60)
    found["canceled"] = buy(stock=0)
    cancellation.cancel(found["canceled"], cause=Cause.OUTAGE, by=None, at=now())
    found["canceled_refunding"] = buy(stock=0)
    cancellation.cancel(found["canceled_refunding"], cause=Cause.DELISTED, by=None, at=now())
    cancellations.hear(at=now())
    found["topup_moving"] = topup("13800009999")
    topups.sweep(at=now())
    found["topup_arrived"] = topup("13900009999")
    topups.sweep(at=now())
    moved = TopUp.objects.get(line__order=found["topup_arrived"])
    simulator.post("topup", reference=moved.topup_no, state="DONE")
    topups.sweep(at=now() + timedelta(hours=1))
    found["working"] = service()
    job = found["working"].lines.get().service
    service_jobs.report(job, by=merchant, by_shop=True, at=now(), text="已打到铂金段位，预计今晚完成。", percent=60)
    found["handed_over"] = service()
    service_jobs.hand_over(found["handed_over"].lines.get().service, by=merchant, at=now(), text="已到钻石段位。")
    talk.say(found["working"], "麻烦今晚 10 点前不要登录", by=buyer, at=now())
    talk.say(found["working"], "好的，有事加我微信 shop12345", by=merchant, at=now())
    return found


NEXT = {
    "unpaid": "去付款", "delivered": "申请退款", "dear": "申请退款", "completed": "申请退款", "waiting": "申请退款",
    "late": "一键退款", "canceled_refunding": "查看退款", "topup_moving": "申请退款", "topup_arrived": "确认收货",
    "working": "申请退款", "handed_over": "确认收货",
}  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_view_says_what_stands_and_what_is_next(states, chromium, enter, buyer, live_server, keep, scheme):
    faults: list[str] = []
    context = _context(chromium, scheme, PHONE)
    enter(context, buyer)
    page = context.new_page()
    for name, order in states.items():
        page.goto(f"{live_server.url}/orders/{order.order_no}/")
        faults += _look_at(page, f"order_{name}-{scheme}", keep)
        for place in (".hero h1", ".hero .price"):
            box = page.locator(place).bounding_box()
            if box["y"] + box["height"] > PHONE["height"]:
                faults.append(f"{name}: {place} lies below the first view")
        if name in NEXT:
            button = page.locator(f".bar :text('{NEXT[name]}'), .hero :text('{NEXT[name]}')").first
            box = button.bounding_box()
            if box["y"] + box["height"] > PHONE["height"]:
                faults.append(f"{name}: {NEXT[name]} lies below the first view")
    for extra in ("cancel/", "voucher/"):
        page.goto(f"{live_server.url}/orders/{states['waiting'].order_no}/{extra}")
        faults += _look_at(page, f"order_{extra.strip('/')}-{scheme}", keep)
    context.close()
    assert faults == []


def test_a_guest_without_javascript_buys_finds_and_reveals_a_dear_code(
    make_product, chromium, live_server, keep, simulator
):
    from orders.models import Order
    from payments import charging

    product = make_product(price_fen=DEAR)
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{live_server.url}/p/{product.pk}/")
    keep(page, "guest_product")
    secret = page.locator("input[name=query_password]").input_value()
    page.locator("input[name=consent]").check()
    page.locator("button[form=buy], #buy button").last.click()
    order = Order.objects.get()
    payment = order.payments.get()
    charging.present(payment, at=clock.now())
    simulator.post("pay", out_trade_no=payment.payment_no)
    charging.look([payment], at=clock.now())
    context.close()

    context = chromium.new_context(viewport=PHONE, java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{live_server.url}/orders/find/")
    page.locator("input[name=order_no]").fill(order.order_no)
    page.locator("input[name=query_password]").fill(secret)
    keep(page, "guest_find")
    page.locator("main form button").click()
    keep(page, "guest_order")
    page.locator("a:has-text('查看卡密')").click()
    keep(page, "guest_reveal_dear")
    page.locator(".bar a:has-text('去确认')").click()
    page.locator("input[name=query_password]").fill(secret)
    keep(page, "guest_prove")
    page.locator("main form button").click()
    page.locator(".bar form button").click()
    assert "CODE-" in page.locator("#code").inner_text()
    page.goto(f"{live_server.url}/orders/claim/")
    keep(page, "guest_claim")
    page.locator("input[name=query_password]").fill(secret)
    page.locator(".bar button").click()
    keep(page, "guest_claim_left")
    page.locator("main a:has-text('注册')").click()
    page.locator("input[name=username]").fill("newcomer")
    page.locator("input[name=email]").fill("newcomer@example.com")
    page.locator("input[name=password1]").fill(PASSWORD)
    page.locator("input[name=password2]").fill(PASSWORD)
    page.locator("main form.card button").click()
    page.locator(".bar form button").click()
    assert order.order_no[:4] in page.content() or "已认领" in page.content()
    order.refresh_from_db()
    assert order.buyer.username == "newcomer"
    context.close()
