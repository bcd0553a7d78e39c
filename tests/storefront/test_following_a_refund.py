"""Following: whose turn it is and by when, what to do next, how it ended; nobody else's business."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

import clock
import private_pictures
from orders import service_jobs
from refunds import lifecycle
from refunds.models import Evidence, Status
from storefront.templatetags.words import deadline
from tests.storefront.conftest import LOST, place_of, words

SHANGHAI = ZoneInfo("Asia/Shanghai")
pytestmark = pytest.mark.django_db


def test_polling_says_nothing_until_something_changes(shopper, buy, apply, reviewer):
    refund = apply(buy(price_fen=8800))
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    poll = page.split('hx-get="')[1].split('"')[0]
    assert shopper.get(poll, headers={"HX-Request": "true"}).status_code == 204
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="与记录不符", ground="not_shown")
    news = shopper.get(poll, headers={"HX-Request": "true"})
    assert "退款未通过" in words(news)
    assert "未通过的原因：凭证不足" in words(news)  # on what it rests, and what the reviewer wrote
    assert "与记录不符" in words(news)
    order = [words(news).index(part) for part in ("未通过的原因", 'id="disagree"', "<h2>退款进度</h2>")]
    assert order == sorted(order)  # on a phone's first screen: why, and that it can be challenged
    assert "hx-get" not in words(news)  # at rest: no more asking


def test_material_is_supplied_in_the_same_case(shopper, buy, apply, reviewer, picture):
    """S0-29, S1-12, B7."""
    refund = apply(buy(price_fen=8800))
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图 <b>")
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    assert escape("请上传报错截图 <b>") in page
    place = f"/refunds/{refund.refund_no}/evidence/"
    assert "请写一句说明，或上传一张图片" in words(shopper.post(place, {"note": " "}))
    answer = shopper.post(place, {"note": "见图", "images": [picture()]})
    assert answer.headers["Location"] == f"/refunds/{refund.refund_no}/"
    refund.refresh_from_db()
    assert refund.status == Status.FIRST_REVIEW
    assert Evidence.objects.filter(refund=refund).count() == 2


def test_each_picture_added_later_is_for_a_slot_still_missing_or_for_none(
    shopper, buy, reveal, apply, reviewer, picture
):
    """S1-12, S2-25: a field for each, by a plain form; what is there already is not asked for again."""
    order = buy(price_fen=8800, kind="membership")
    reveal(order)
    refund = apply(order, reason="invalid_code")
    place = f"/refunds/{refund.refund_no}/"
    titles = {"redeem_error": "兑换报错的截图", "unused": "未使用的证明"}

    def asked_for() -> list[str]:
        lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补充")
        page = words(shopper.get(place))
        assert 'name="images"' in page
        fields = [slot for slot in [*titles, "login_error"] if f'name="picture-{slot}"' in page]
        assert all(titles[slot] in page for slot in fields)
        return fields

    assert asked_for() == ["redeem_error", "unused"]
    unusable = picture(b"just text", "a.jpg")
    page = words(shopper.post(f"{place}evidence/", {"picture-unused": unusable}))
    assert 'id="id_picture-unused_error"' in page
    assert LOST in page
    shopper.post(
        f"{place}evidence/", {"picture-redeem_error": picture(), "images": [picture()], "picture-x": picture()}
    )
    assert sorted(refund.evidence.values_list("slot", flat=True)) == ["", "redeem_error"]
    assert asked_for() == ["unused"]
    shopper.post(f"{place}evidence/", {"picture-unused": picture(), "picture-redeem_error": picture()})
    refund.refresh_from_db()
    assert sorted(refund.evidence.values_list("slot", flat=True)) == ["", "redeem_error", "unused"]
    assert refund.is_complete


def test_withdrawing_is_asked_twice_and_can_be_applied_again(shopper, buy, apply):
    """B9."""
    order = buy(price_fen=8800)
    refund = apply(order)
    place = f"/refunds/{refund.refund_no}/withdraw/"
    assert "撤销这次退款申请" in words(shopper.get(place))
    refund.refresh_from_db()
    assert refund.status == Status.FIRST_REVIEW  # a GET changes nothing
    shopper.post(place)
    refund.refresh_from_db()
    assert refund.status == Status.WITHDRAWN
    assert "已是“已撤销”" in words(shopper.post(place, follow=True))
    assert shopper.get(f"/orders/{order.order_no}/refund/").status_code == 200


def test_arrival_is_confirmed_on_a_page_of_its_own(shopper, buy_by_card, released, ends_as):
    """One slip of the thumb closes no case."""
    refund = ends_as(released(buy_by_card()), "SUCCESS")
    assert refund.status == Status.PAID_OUT
    place = f"/refunds/{refund.refund_no}/confirm/"
    assert f'href="{place}"' in words(shopper.get(f"/refunds/{refund.refund_no}/"))
    assert "这笔退款到账了吗？" in words(shopper.get(place))
    refund.refresh_from_db()
    assert refund.status == Status.PAID_OUT  # a GET changes nothing
    shopper.post(place)
    refund.refresh_from_db()
    assert refund.status == Status.ARRIVED
    assert "不需要确认到账" in words(shopper.get(place, follow=True))


def test_a_form_that_is_being_filled_in_is_not_replaced(shopper, buy, apply, reviewer):
    """While the buyer's material is awaited the page asks for no news: it would wipe out what is half typed."""
    refund = apply(buy(price_fen=8800))
    assert "hx-get" in words(shopper.get(f"/refunds/{refund.refund_no}/"))
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图")
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    assert 'name="note"' in page
    assert "hx-get" not in page


def test_a_chosen_picture_that_is_lost_is_said_beside_the_field(shopper, buy, apply, reviewer, picture):
    refund = apply(buy(price_fen=8800))
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图")
    supply = f"/refunds/{refund.refund_no}/evidence/"
    assert LOST in words(shopper.post(supply, {"note": "长" * 501, "images": picture()}))
    assert LOST not in words(shopper.post(supply, {"note": "长" * 501}))


def test_a_refusal_that_may_be_asked_again_invites_to(shopper, reviewed, reviewer):
    refund = reviewed()
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="与记录不符")
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    assert f'href="/orders/{refund.order.order_no}/refund/">重新申请' in page
    assert "重新申请会放弃申诉" in page
    assert f'href="/refunds/{refund.refund_no}/answer/appeal/">申诉</a>' in page


def test_the_decisions_note_is_there_for_an_approval_too(shopper, reviewed, reviewer, drain):
    refund = reviewed()
    lifecycle.approve([refund], by=reviewer, at=clock.now(), note="卡密确已被他人使用")
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    assert "审核说明" in page
    assert "卡密确已被他人使用" in page.split("审核说明")[1]


def test_an_order_says_what_became_of_its_money(shopper, buy, apply, drain):
    """Its head and its lines follow the refund: under way, in part, in full; never "being prepared" once paid back."""
    waiting = buy(price_fen=8800, stock=0)
    place = f"/orders/{waiting.order_no}/"
    assert "等待商家开始" in words(shopper.get(place))
    refund = apply(waiting, precheck=False)
    page = words(shopper.get(place))
    assert "<h1>退款中</h1>" in page
    assert f'href="/refunds/{refund.refund_no}/"' in page
    assert "未交付，退款中" in page
    drain()
    page = words(shopper.get(place))
    assert "<h1>已取消 · " in page
    assert "<strong>已全额退款</strong>" in page
    assert "，已退款" in page
    assert "等待商家开始" not in page


def test_what_is_still_to_come_is_said_before_what_went_back(shopper, buy, merchant, apply, drain):
    order = buy(price_fen=8800, stock=0, quantity=2)
    begun, other = order.lines.order_by("position")
    service_jobs.start(begun.service, by=merchant, at=clock.now())
    apply(order, line_ids=[other.pk])
    drain()
    page = words(shopper.get(f"/orders/{order.order_no}/"))
    assert "<h1>服务进行中</h1>" in page
    assert "<strong>已部分退款</strong>" in page


def test_lines_that_went_back_are_said_in_plain_words(shopper, buy, apply, drain):
    order = buy(price_fen=3000, quantity=2)
    first = order.lines.get(position=1)
    apply(order, line_ids=[first.pk])
    drain()
    page = words(shopper.get(f"/orders/{order.order_no}/"))
    assert "<h1>已部分退款</h1>" in page
    assert "已退 ¥30.00，共付 ¥60.00" in page
    assert page.count("已收回（已退款）") == 1
    for jargon in ["隔离", "作废"]:
        assert jargon not in page


def test_a_step_that_is_not_due_is_refused_in_words(shopper, buy, apply):
    refund = apply(buy(price_fen=8800))
    page = words(shopper.post(f"/refunds/{refund.refund_no}/confirm/", follow=True))
    assert "不能再做这一步" in page


def test_an_image_is_for_those_of_the_case(ask, shopper, other, client, buy, merchant, reviewer, picture):
    """X7."""
    order = buy(price_fen=8800)
    ask(order, pictures=[("redeem_error", picture(name="../../etc.png"))])
    row = Evidence.objects.get()
    place = private_pictures.address("storefront:evidence", row, order.buyer)
    assert place.partition("=")[0] in words(shopper.get(f"/refunds/{row.refund.refund_no}/"))
    answer = shopper.get(place)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert b"".join(answer.streaming_content).startswith(b"\xff\xd8\xff")
    assert other.get(place).status_code == 404
    assert client.get(place).status_code == 302  # to log in
    for person in [merchant, reviewer]:
        client.force_login(person)
        answer = client.get(private_pictures.address("storefront:evidence", row, person))
        assert answer.status_code == 200
        assert b"".join(answer.streaming_content)
        client.logout()


def test_what_is_late_is_said_with_what_to_do(shopper, reviewed, buy_by_card, released, ends_as):
    """Beyond the promised time, and beyond the day on which the bank should have booked it."""
    waiting = reviewed()
    paid_out = ends_as(released(buy_by_card()), "SUCCESS")
    number = paid_out.disbursements.get().attempt.channel_refund_id
    page = f"/refunds/{paid_out.refund_no}/"
    assert "已超过" not in words(shopper.get(page)) + words(shopper.get(f"/refunds/{waiting.refund_no}/"))
    clock.advance(timedelta(days=30))
    shopper.force_login(paid_out.buyer)
    assert f"请凭渠道退款单号 {number} 在付款账单中查询或咨询银行" in words(shopper.get(page))
    page = words(shopper.get(f"/refunds/{waiting.refund_no}/"))
    assert "已标为超时并逐级上报" in page
    assert "原定时间（已过）" in page
    assert "最迟给出结果" not in page  # what has passed is promised no more
    assert "一有进展会更新本页并发通知" in page
    assert f'href="/refunds/{waiting.refund_no}/answer/urge/">催办</a>' in page


def test_money_on_its_way_to_a_card_lies_with_the_bank(shopper, buy_by_card, released, ends_as):
    """Sent by the channel by its time, and then working days at the bank: never one at odds with the other."""
    going = released(buy_by_card())
    page = words(shopper.get(f"/refunds/{going.refund_no}/"))
    assert "渠道最迟退出" in page
    assert "微信支付退出后到账：零钱通常几分钟，银行卡另需 1–3 个工作日。" in page
    ends_as(going, "SUCCESS")
    page = words(shopper.get(f"/refunds/{going.refund_no}/"))
    assert '<dt>现在由谁处理</dt><dd class="strong">发卡银行</dd>' in page
    listed = words(shopper.get("/refunds/"))
    assert "已退出，等待入账" in listed
    assert "渠道退款成功" not in page + listed


def test_a_list_says_whose_turn_it_is_and_by_when(shopper, reviewed, reviewer, django_assert_num_queries):
    waiting, asked = reviewed(), reviewed()
    lifecycle.request_evidence([asked], by=reviewer, at=clock.now(), note="请上传报错截图")
    asked.refresh_from_db()
    with CaptureQueriesContext(connection) as few:
        page = words(shopper.get("/refunds/"))
    assert f"轮到您：请在 {deadline(asked.promised_by)} 前补充" in page
    assert f'最迟给出结果 <span class="num">{deadline(waiting.promised_by)} 前</span>' in page
    reviewed()
    with django_assert_num_queries(len(few)):
        shopper.get("/refunds/")
    clock.advance(timedelta(days=30))
    shopper.force_login(asked.buyer)
    page = words(shopper.get("/refunds/"))
    assert f'原定时间（已过） <span class="num">{deadline(waiting.promised_by)} 前</span>' in page
    assert "轮到您" not in page  # its time has passed


def test_an_order_whose_money_is_on_its_way_says_by_when(shopper, reviewed, reviewer):
    refund = reviewed()
    place = f"/orders/{refund.order.order_no}/"
    assert f"客服正在审核。最迟给出结果：{deadline(refund.promised_by)} 前。" in words(shopper.get(place))
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图")
    refund.refresh_from_db()
    assert f"需要您补充材料：轮到您，请在 {deadline(refund.promised_by)} 前提交。" in words(shopper.get(place))
    clock.advance(timedelta(days=30))
    shopper.force_login(refund.buyer)
    page = words(shopper.get(place))
    assert "需要您补充材料 <a" in page  # what has passed is promised no more


def test_true_sentences_of_the_pre_check_are_no_failures(shopper, buy, apply):
    dear = apply(buy(price_fen=8800))
    page = words(shopper.get(f"/refunds/{dear.refund_no}/"))
    assert '金额达到 ¥50.00，由人工审核<span class="seen-by-ear"> (需人工)' in page
    assert '商品已发货<span class="seen-by-ear"> (仅供参考)' in page
    assert "不符合" not in page
    refused = apply(buy(price_fen=3000, window_days=0))
    page = words(shopper.get(f"/refunds/{refused.refund_no}/"))
    assert '交付后不支持退款<span class="seen-by-ear"> (不符合)' in page
    waiting = buy(price_fen=8800, stock=0)
    assert "由人工审核" not in words(shopper.get(place_of(waiting, "one-tap/")))


def test_without_scripts_the_progress_can_be_looked_at_again(shopper, buy, apply):
    refund = apply(buy(price_fen=8800), precheck=False)
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    again = page.split("<noscript>")[1].split("</noscript>")[0]
    assert f'href="/refunds/{refund.refund_no}/">刷新</a>' in again


def test_a_deadline_is_not_by_by(shopper, reviewed):
    """English: the value says "by", so its label does not."""
    refund = reviewed()
    shopper.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    assert f'<dt>Decision</dt><dd class="strong">by {refund.promised_by.astimezone(SHANGHAI).day} ' in page
