"""B3: an order's page says what stands, by when, what to do; and the buyer's acts on it."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client

import clock
from orders import cancellation, delivery, placing, service_jobs, talk, topups, watch
from orders.models import Cancellation, Cause, Order, OrderMessage, ServiceReport, Side, TopUp
from orders.placing import Wish
from orders.recipients import Recipient
from refunds import cancellations, sweeping
from refunds.models import Lane, Refund
from storefront.templatetags.words import deadline
from tests.cast import person
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db
HELD = "13800009999"  # stays pending until the test settles it
DEAD = "13800010000"  # fails: 号码已停机


@pytest.fixture
def look(shopper):
    """The buyer opens an order's page: its text."""

    def page(order, status=200):
        answer = shopper.get(f"/orders/{order.order_no}/")
        assert answer.status_code == status
        return words(answer)

    return page


@pytest.fixture
def act(shopper):
    """The buyer posts to a page of an order, and reads what comes of it."""

    def post(order, page, **sent):
        return words(shopper.post(f"/orders/{order.order_no}/{page}/", sent, follow=True))

    return post


@pytest.fixture
def buy_topup(buyer, supplier, make_product, pay):
    def buy(account=HELD, quantity=1):
        product = make_product(
            5000, kind="top_up", fulfilment="top_up", recipient_kind="phone", supplier=supplier, supplier_sku="phone-50"
        )
        wish = Wish(quantity, recipient=Recipient("phone", account), again=True)
        return pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))

    return buy


@pytest.fixture
def working(buy, merchant):
    """A service that the shop has begun."""

    def begin(**goods):
        order = buy(stock=0, **goods)
        service_jobs.start(order.lines.get().service, by=merchant, at=clock.now())
        return order

    return begin


def bar(page):
    """The buttons at the thumb."""
    return page.split('class="bar"')[1].split("</main>")[0] if 'class="bar"' in page else ""


# --- what stands ------------------------------------------------------------------------------------------------------


def test_unpaid_says_by_when_and_can_be_paid_or_called_off(shopper, buyer, make_product, look, act):
    from payments import charging

    product = make_product(stock=1)
    order = charging.checkout(product, Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()).order
    page = look(order)
    assert "待付款" in page
    assert "已为您预留" in page
    assert "前付款" in page
    assert "去付款" in bar(page)
    assert "取消订单？" in words(shopper.get(f"/orders/{order.order_no}/cancel/"))
    page = act(order, "cancel")
    assert "订单已取消，没有扣款" in page
    assert product.codes.get().state == "in_stock"
    assert "现在不能退款" in page


def test_delivered_offers_the_codes_and_says_what_each_is(buy, look, reveal):
    order = buy(quantity=2)
    page = look(order)
    assert "已交付" in page
    assert page.count("已交付，未查看") == 2
    assert "CODE-" not in page
    reveal(order)
    page = look(order)
    assert "已完成" in page
    assert page.count("已查看") >= 2


def test_a_top_up_says_each_step_with_the_suppliers_time_and_a_mask(buy_topup, look, act, simulator):
    order = buy_topup()
    page = look(order)
    assert "充值中" in page
    assert "待提交" in page
    assert "138****9999" in page
    assert HELD not in page
    assert "承诺" in page
    topups.sweep(at=clock.now())
    page = look(order)
    topup = TopUp.objects.get()
    assert topup.topup_no in page
    simulator.post("topup", reference=topup.topup_no, state="DONE")
    topups.sweep(at=clock.now() + timedelta(hours=1))
    page = look(order)
    assert "已到账" in page
    assert "供应商记录" in page
    assert "确认收货" in bar(page)
    assert "已完成" in act(order, "confirm")


def test_a_top_up_that_failed_says_why_and_where_the_money_is(buy_topup, look, simulator):
    order = buy_topup(DEAD)
    topups.sweep(at=clock.now())
    simulator.post("topup", reference=TopUp.objects.get().topup_no, state="FAILED", reason="号码已停机")
    topups.sweep(at=clock.now() + timedelta(hours=1))
    page = look(order)
    assert "已取消 · 充值失败" in page
    assert "号码已停机" in page
    assert "退款即将自动发起" in page
    cancellations.hear(at=clock.now() + timedelta(hours=2))
    page = look(order)
    assert "退款中" in page
    assert Refund.objects.get().refund_no in page


def test_the_promise_is_a_clock_and_broken_it_offers_the_money(buy, look, act):
    order = buy(stock=0, delivery_promise_minutes=30)
    page = look(order)
    assert "承诺" in page
    assert "已超时" not in page
    assert "一键退款" not in bar(page)
    clock.advance(timedelta(minutes=31))
    watch.sweep(at=clock.now())
    page = look(order)
    assert "已超时" in page
    assert "一键退款 ¥30.00" in bar(page)
    order.refresh_from_db()
    automatic = watch.automatic_from(order).astimezone().strftime("%H:%M")
    assert f"{automatic} 仍未交付的，系统会自动退款" in page
    act(order, "late")
    case = Refund.objects.get()
    sweeping.sweep(at=clock.now())
    case.refresh_from_db()
    assert (case.reason, case.amount_fen, case.lane) == ("late", 3000, Lane.UNDELIVERED)
    assert case.status in {"approved", "processing"}
    assert "查看退款" in look(order)


def test_before_the_promise_is_broken_nothing_is_taken_back_by_one_tap(buy, act):
    order = buy(stock=0, delivery_promise_minutes=30)
    act(order, "late")
    assert not Refund.objects.exists()


def test_work_that_has_begun_is_offered_as_a_case_for_a_person(working, look, act):
    order = working(delivery_promise_minutes=30)
    clock.advance(timedelta(minutes=31))
    page = look(order)
    assert "由人工核对" in page
    assert "系统会自动退款" not in page
    act(order, "late")
    sweeping.sweep(at=clock.now())
    assert Refund.objects.get().status == "first_review"


# --- services ---------------------------------------------------------------------------------------------------------


def test_both_sides_show_how_the_work_stands(working, look, shopper, merchant, picture, client, stranger):
    """S2-16."""
    order = working()
    job = order.lines.get().service
    service_jobs.report(job, by=merchant, by_shop=True, at=clock.now(), text="打到黄金段位", percent=40)
    page = look(order)
    assert "打到黄金段位" in page
    assert 'max="100" value="40"' in page
    sent = {"text": "现在还是白银", "image": picture()}
    answer = shopper.post(f"/orders/{order.order_no}/lines/1/report/", sent)
    assert answer.status_code == 302
    row = ServiceReport.objects.get(by_shop=False)
    assert "现在还是白银" in look(order)
    image = f"/services/{row.pk}/"
    assert image in look(order)
    seen = shopper.get(image)
    assert (seen.status_code, seen.headers["Cache-Control"]) == (200, "private, no-store")
    b"".join(seen.streaming_content)
    client.force_login(stranger)
    assert client.get(image).status_code == 404
    assert client.post(f"/orders/{order.order_no}/lines/1/report/", {"text": "x"}).status_code == 404


def test_a_report_that_says_nothing_is_refused_beside_its_form(working, shopper, picture):
    order = working()
    answer = shopper.post(f"/orders/{order.order_no}/lines/1/report/", {"text": " "})
    assert "请写明情况，或附一张图片。" in words(answer)
    answer = shopper.post(f"/orders/{order.order_no}/lines/1/report/", {"image": picture(b"no picture", "x.png")})
    assert answer.status_code == 200
    assert not ServiceReport.objects.exists()


def test_the_buyer_confirms_what_was_handed_over(working, merchant, look, act):
    order = working()
    service_jobs.hand_over(order.lines.get().service, by=merchant, at=clock.now(), text="已到王者")
    page = look(order)
    assert "商家已交付" in page
    assert "确认收货" in bar(page)
    page = act(order, "confirm")
    assert "已完成" in page
    assert "买家已确认" in page


def test_an_order_that_was_claimed_meanwhile_is_not_there_to_be_confirmed(working, merchant, shopper, monkeypatch):
    """Between the page that was read and the lock: another request of the same moment."""
    order = working()
    service_jobs.hand_over(order.lines.get().service, by=merchant, at=clock.now(), text="已到王者")
    asked = delivery.confirm

    def claimed_first(order, **how):
        Order.objects.filter(pk=order.pk).update(buyer=claimer)
        return asked(order, **how)

    claimer = person("claimer", "buyer")
    monkeypatch.setattr(delivery, "confirm", claimed_first)
    assert shopper.post(f"/orders/{order.order_no}/confirm/").status_code == 404
    order.refresh_from_db()
    assert order.status == "delivered"


# --- canceling --------------------------------------------------------------------------------------------------------


def test_a_buyer_cancels_what_nobody_began_for_a_reason_from_the_list(buy, shopper, look, act):
    """S4-6, S4-3."""
    order = buy(stock=0)
    assert "取消订单（未交付的全额退回）" in look(order)
    page = words(shopper.get(f"/orders/{order.order_no}/cancel/"))
    assert "个人原因" in page
    assert "商家缺货" not in page
    for bad in ({}, {"cause": "out_of_stock"}, {"cause": "nonsense"}):
        assert "请选择取消原因。" in act(order, "cancel", **bad)
    assert not Cancellation.objects.exists()
    page = act(order, "cancel", cause="buyer")
    assert "已取消 · 个人原因" in page
    assert "退款即将自动发起" in page
    cancellations.hear(at=clock.now())
    page = look(order)
    assert Refund.objects.get(order=order).refund_no in page
    assert "查看退款" in page


def test_what_was_delivered_or_begun_is_not_canceled_but_leads_to_a_refund(buy, working, shopper):
    for order in (buy(), working()):
        answer = shopper.get(f"/orders/{order.order_no}/cancel/", follow=True)
        assert "现在不能取消" in words(answer)
        shopper.post(f"/orders/{order.order_no}/cancel/", {"cause": "buyer"})
    assert not Cancellation.objects.exists()


def test_a_canceled_order_names_the_cause_and_the_money(buy, look):
    """S4-1, S4-3: also while the machine has not yet begun to give it back."""
    order = buy(stock=0)
    cancellation.cancel(order, cause=Cause.OUTAGE, by=None, at=clock.now())
    page = look(order)
    assert "已取消 · 系统故障，交易无效" in page
    assert "取消部分的退款正在自动发起" in page
    assert "无款可退" not in page


# --- what is kept, and said -------------------------------------------------------------------------------------------


def test_the_policy_of_the_order_is_kept_as_a_text(buy, shopper):
    """S4-17, PM19."""
    from shops.models import Product

    order = buy(not_refundable_note="已兑换的不退。")
    Product.objects.update(not_refundable_note="什么都不退。")
    answer = shopper.get(f"/orders/{order.order_no}/policy.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert f'{order.order_no}-refund-policy.txt"' in answer.headers["Content-Disposition"]
    text = words(answer)
    assert f"v{order.policy.version}" in text
    assert order.order_no in text
    assert "已兑换的不退。" in text
    assert "什么都不退" not in text


def test_the_voucher_names_all_that_a_proof_needs(buy_topup, shopper):
    """S1-25, S3-16: also of goods that have no code."""
    order = buy_topup()
    payment = order.payments.get()
    page = words(shopper.get(f"/orders/{order.order_no}/voucher/"))
    for said in (order.order_no, "¥50.00", payment.payment_no, payment.channel_transaction_id, "138****9999", "未交付"):
        assert said in page


def test_a_discount_is_told_on_the_page_and_on_the_voucher(buyer, shop, make_product, pay, look, shopper):
    """PM12: the lines show what was really paid for each."""
    from shops.models import Coupon

    at = clock.now()
    Coupon.objects.create(
        shop=shop, code="SAVE5", kind="fixed", off_fen=500, starts_at=at - timedelta(days=1),
        ends_at=at + timedelta(days=1), most_uses=5,
    )  # fmt: skip
    wish = Wish(2, coupon_code="save5")
    order = pay(placing.place(make_product(), wish, buyer=buyer, checkout_key=uuid.uuid4(), at=at))
    page = look(order)
    assert "已优惠 ¥5.00" in page
    assert "SAVE5" in page
    assert page.count("¥27.50") == 2
    voucher = words(shopper.get(f"/orders/{order.order_no}/voucher/"))
    assert "−¥5.00" in voucher
    assert "¥55.00" in voucher


def test_buyer_and_shop_talk_before_any_refund(buy, act, look, merchant):
    """S4-27, S4-20."""
    order = buy()
    assert "索要的都是诈骗" in look(order)
    page = act(order, "talk", text="请问何时能用？")
    assert "请问何时能用？" in page
    talk.say(order, "加我微信 shop12345 退款", by=merchant, at=clock.now())
    page = look(order)
    assert str(talk.WARNINGS["contact"]) in page
    assert [row.side for row in OrderMessage.objects.order_by("pk")] == [Side.BUYER, Side.SHOP]
    assert "请写下要说的话。" in act(order, "talk", text="  ")
    assert "<script>" not in act(order, "talk", text="<script>alert(1)</script>")


def test_a_closed_way_to_a_refund_is_shown_with_its_reason_never_hidden(buy, reveal, look):
    order = buy(window_days=0)
    reveal(order)
    page = look(order)
    assert "现在不能退款" in page
    assert "交付后不支持退款" in page
    assert 'aria-disabled="true">申请退款' in page


def test_where_no_money_can_go_back_no_dead_button_stands(buyer, make_product, look, buy, apply):
    unpaid = placing.place(make_product(), Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    page = look(unpaid)
    assert "订单没有成功的付款，无款可退" in page
    assert "aria-disabled" not in page
    order = buy(stock=0)
    cancellation.cancel(order, cause=Cause.OUTAGE, by=None, at=clock.now())
    cancellations.hear(at=clock.now())
    assert "aria-disabled" not in look(order)


def test_one_tap_is_the_only_way_out_of_a_late_order(buy, look):
    order = buy(stock=0, delivery_promise_minutes=30)
    leave = f'href="/orders/{order.order_no}/cancel/"'
    assert leave in look(order)
    clock.advance(timedelta(minutes=31))
    page = look(order)
    assert "一键退款" in bar(page)
    assert leave not in page


# --- what ends when ---------------------------------------------------------------------------------------------------


def test_a_delivered_order_says_until_when_and_when_it_completes(buy, look, reveal):
    order = buy(window_days=15)
    until = f"可申请退款至 {deadline(order.delivered_at + timedelta(days=15))}（北京时间）。"
    completes = deadline(order.delivered_at + timedelta(days=order.policy.complete_after_days))
    page = look(order)
    assert until in page
    assert f"未查看的，{completes} 订单自动完成。" in page
    reveal(order)
    page = look(order)
    assert until in page
    assert "自动完成。" not in page
    clock.advance(timedelta(days=15, minutes=1))
    ended = deadline(order.delivered_at + timedelta(days=15))
    assert f"售后期已于 {ended}（北京时间）结束。" in look(order)


def test_work_that_was_handed_over_says_when_it_counts_as_confirmed(working, merchant, look):
    order = working()
    service_jobs.hand_over(order.lines.get().service, by=merchant, at=clock.now(), text="已完成。")
    order.refresh_from_db()
    completes = deadline(order.delivered_at + timedelta(days=order.policy.complete_after_days))
    assert f"未确认的，{completes} 自动确认收货。" in look(order)


def test_of_units_that_came_at_two_times_the_first_to_end_is_said(buy, merchant, look):
    order = buy(stock=0, quantity=2, window_days=15, delivery_promise_minutes=60 * 24)
    for line in order.lines.order_by("position"):
        service_jobs.start(line.service, by=merchant, at=clock.now())
        service_jobs.hand_over(line.service, by=merchant, at=clock.now(), text="已完成。")
        clock.advance(timedelta(hours=2))
    first, second = (line.delivery.delivered_at + timedelta(days=15) for line in order.lines.order_by("position"))
    assert f"可申请退款至 {deadline(first)}（" in look(order)
    clock.advance(timedelta(days=15) - timedelta(hours=3))
    assert f"可申请退款至 {deadline(second)}（" in look(order)


def test_goods_without_a_refund_say_so_instead_of_a_date(buy, look):
    page = look(buy(window_days=0))
    assert "本商品交付后不支持退款。" in page
    assert "可申请退款至" not in page


# --- the list ---------------------------------------------------------------------------------------------------------


def test_the_list_calls_an_order_what_its_own_page_calls_it(shopper, working, buy, buy_topup, look):
    named = {"服务进行中": working(), "等待商家开始": buy(stock=0), "充值中": buy_topup(), "已交付": buy()}
    rows = words(shopper.get("/orders/")).split("<li><a")
    for title, order in named.items():
        (row,) = [row for row in rows if order.order_no in row]
        assert f"{title}</span>" in row, title
        assert f"<h1>{title}</h1>" in look(order)


def test_the_list_says_that_the_platform_is_asking_the_supplier(shopper, buy_topup):
    order = buy_topup()
    TopUp.objects.filter(line__order=order).update(person_due_at=clock.now() + timedelta(hours=1))
    assert "平台核实中" in words(shopper.get("/orders/"))


def test_to_ask_for_money_back_is_no_next_step_while_work_goes_on(working, buy, reveal, look):
    assert '<a class="button second"' in bar(look(working()))
    seen = buy()
    reveal(seen)
    assert '<a class="button" ' in bar(look(seen))


# --- hostile ----------------------------------------------------------------------------------------------------------


def test_nobody_acts_on_anothers_order(working, buy, other):
    """X8."""
    order, paid = working(), buy(stock=0)
    for page in ("cancel", "confirm", "late", "talk", "lines/1/report", "lines/1/reveal", "lines/1/prove", "voucher"):
        for each in (order, paid):
            sent = {"cause": "buyer", "text": "x"}
            assert other.post(f"/orders/{each.order_no}/{page}/", sent).status_code == 404
            assert other.get(f"/orders/{each.order_no}/{page}/").status_code == 404
    assert other.get(f"/orders/{order.order_no}/policy.txt").status_code == 404
    assert not Cancellation.objects.exists()
    assert not OrderMessage.objects.exists()


def test_a_get_changes_nothing(working, merchant, shopper):
    order = working()
    service_jobs.hand_over(order.lines.get().service, by=merchant, at=clock.now(), text="完成")
    for page in ("cancel", "confirm", "late", "talk", "lines/1/report"):
        assert shopper.get(f"/orders/{order.order_no}/{page}/").status_code in {200, 302}
    order.refresh_from_db()
    assert order.status == "delivered"


def test_forms_need_their_token(buy, buyer):
    order = buy(stock=0)
    client = Client(enforce_csrf_checks=True)
    client.force_login(buyer)
    for page in ("cancel", "confirm", "late", "talk"):
        assert client.post(f"/orders/{order.order_no}/{page}/", {"cause": "buyer"}).status_code == 403


def test_the_page_asks_the_database_as_often_for_ten_lines_as_for_one(buy, look, django_assert_max_num_queries):
    one, ten = buy(), buy(quantity=10, stock=10)
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for order in (one, ten):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            look(order)
        counts.append(len(asked))
    assert counts[0] == counts[1]
