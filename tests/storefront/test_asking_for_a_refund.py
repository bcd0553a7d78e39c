"""Applying and following: the answer before the question is sent, nothing typed is lost, nobody else's business."""

from __future__ import annotations

import re
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
from refunds import drafts, lifecycle
from refunds.models import Evidence, Refund, RefundDraft, Status
from storefront.templatetags.words import deadline
from tests.storefront.conftest import words

SHANGHAI = ZoneInfo("Asia/Shanghai")
pytestmark = pytest.mark.django_db

SAID = "11月20日兑换，提示已使用"


def place_of(order, step=""):
    return f"/orders/{order.order_no}/refund/{step}"


def test_asking_leads_to_the_progress_page(ask, shopper, buy, reveal, picture):
    """S0-9: reason, amount and material; S1-29: a way to reach the buyer; S3-8: the system makes the number."""
    order = buy(price_fen=3000)
    reveal(order)
    answer = ask(order, amount="30", contact="13800000000", pictures=[("redeem_error", picture())])
    refund = Refund.objects.get()
    assert answer.headers["Location"] == f"/refunds/{refund.refund_no}/"
    assert (refund.amount_fen, refund.contact, refund.reason) == (3000, "13800000000", "invalid_code")
    assert refund.evidence.get().slot == "redeem_error"
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    for said in [refund.refund_no, "¥30.00", "现在由谁处理", "最迟", "已提交", "系统初审"]:
        assert said in page


def test_the_answer_stands_there_before_submitting(shopper, buy, reveal):
    """B5: the same rules as the pre-check's, with their ids; live where scripts hear, on the next page without them."""
    small, dear, strict = buy(price_fen=3000), buy(price_fen=8800), buy(price_fen=3000, window_days=0)
    reveal(dear)

    def heard(order):
        fields = {"check": "1", "reason": "invalid_code"}
        return words(shopper.post(place_of(order), fields, headers={"HX-Request": "true"}))

    assert "预审：可自动退款" in heard(small)
    assert "预审：将由人工审核" in heard(dear)
    assert "需要：兑换报错的截图。" in heard(dear)
    assert "预审：按规则不能退" in heard(strict)
    assert "<html" not in heard(small)
    assert not RefundDraft.objects.exists()  # looking ahead keeps nothing
    shopper.post(place_of(dear), {"reason": "invalid_code"})
    page = words(shopper.get(place_of(dear, "material/")))
    assert "预审：将由人工审核" in page
    assert '<span class="muted mono rule-id">unrevealed</span>' in page
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    "amount", ["abc", "1.234", "-5", "0", "1e3", "30.01", "9999999999999", "１２．３４５", "٣", "1\x00"]
)
def test_a_wrong_amount_is_said_and_nothing_is_lost(ask, shopper, buy, reveal, amount):
    order = buy(price_fen=3000)
    reveal(order)
    answer = ask(order, amount=amount, contact="138")
    assert answer.status_code == 200
    page = words(answer)
    assert 'id="errors"' in page
    assert 'value="138"' in page
    assert drafts.of(order).answers["description"] == SAID
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    ("typed", "fen"), [("12.5", 1250), ("¥12.50", 1250), ("１２．５０", 1250), ("12 元", 1200), ("0.01", 1), ("", 3000)]
)
def test_an_amount_is_read_exactly(ask, buy, reveal, typed, fen):
    order = buy(price_fen=3000)
    reveal(order)
    ask(order, amount=typed)
    assert Refund.objects.get().amount_fen == fen


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": ""},
        {"reason": "no_such_reason"},
        {"reason": "other", "description": " "},
        {"description": "坏\x00字"},
        {"description": "长" * 1001},
        {"contact": "1" * 61},
        {"destination": "cash"},
    ],
)
def test_bad_words_get_an_error_beside_the_field(ask, buy, reveal, fields):
    order = buy(price_fen=3000)
    reveal(order)
    answer = ask(order, **fields)
    assert answer.status_code == 200
    assert 'id="errors"' in words(answer)
    assert not Refund.objects.exists()


def test_an_image_that_is_none_is_said_beside_its_slot(ask, shopper, buy, reveal, picture):
    order = buy(price_fen=3000)
    reveal(order)
    page = words(ask(order, pictures=[("redeem_error", picture(b"just text", "evidence.jpg"))]))
    assert "只能上传 JPG、PNG 或 WebP 图片" in page.split('id="error-redeem_error"')[1]
    assert SAID in page
    assert LOST in page
    assert not Refund.objects.exists()


def test_lines_are_chosen(ask, buy, reveal):
    order = buy(price_fen=3000, quantity=3)
    reveal(order)
    first, second, _ = order.lines.order_by("position")
    assert "请至少选择一件商品" in words(ask(order))
    assert 'id="errors"' in words(ask(order, lines=[4]))
    ask(order, lines=[1, 2])
    refund = Refund.objects.get()
    assert refund.amount_fen == 6000
    assert {line.order_line_id for line in refund.lines.all()} == {first.pk, second.pk}


@pytest.mark.parametrize("step", ["", "material/", "money/", "check/", "one-tap/"])
def test_a_second_application_leads_to_the_first(shopper, buy, apply, step):
    """S0-27."""
    order = buy(price_fen=8800)
    refund = apply(order)
    for answer in [shopper.get(place_of(order, step)), shopper.post(place_of(order, step), {"reason": "late"})]:
        assert answer.headers["Location"] == f"/refunds/{refund.refund_no}/"
    assert Refund.objects.count() == 1


def test_the_way_to_a_refund_is_never_hidden(shopper, buy, apply, purchase, make_product, drain):
    """B3: where it is shut, the page says why."""
    shut = buy(price_fen=3000, window_days=0)
    assert "该商品购买前已注明：交付后不支持退款" in words(shopper.get(f"/orders/{shut.order_no}/"))
    unpaid = purchase(make_product()).headers["Location"].removesuffix("pay/")
    assert "没有成功的付款" in words(shopper.get(unpaid))
    refunded = buy(price_fen=3000)
    apply(refunded)
    drain()
    assert "已全部退回" in words(shopper.get(f"/orders/{refunded.order_no}/"))


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


LOST = "图片未保留，请重新选择"


def test_a_chosen_picture_that_is_lost_is_said_beside_the_field(shopper, buy, apply, reviewer, picture):
    refund = apply(buy(price_fen=8800))
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图")
    supply = f"/refunds/{refund.refund_no}/evidence/"
    assert LOST in words(shopper.post(supply, {"note": "长" * 501, "images": picture()}))
    assert LOST not in words(shopper.post(supply, {"note": "长" * 501}))


def test_all_that_is_wrong_is_said_at_once(ask, buy, reveal):
    order = buy(price_fen=3000)
    reveal(order)
    page = words(ask(order, amount="30.01", contact="1" * 61))
    for field in ["amount", "contact"]:
        assert f'id="id_{field}_error"' in page


def test_where_the_rules_say_no_nothing_invites_to_ask_again(shopper, buy, apply):
    order = buy(price_fen=3000, window_days=0)
    page = words(shopper.get(place_of(order)))
    assert '<button class="button second">仍要申请</button>' in page
    assert "下一步" not in page
    shopper.post(place_of(order), {"reason": "invalid_code"})
    page = words(shopper.get(place_of(order, "material/")))
    for way_out in ["和商家协商", 'href="/help/#contact">联系客服</a>', "计入同一订单最多 3 次不通过"]:
        assert way_out in page
    refund = apply(order)
    assert refund.status == Status.REJECTED
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    assert "交付后不支持退款" in page
    assert "重新申请" not in page


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


def test_the_guide_says_how_to_show_that_an_account_was_not_used(shopper, buy):
    """S0-5: only where a picture can show what our records cannot."""
    order = buy(kind="account")
    page = shopper.get(f"/orders/{order.order_no}/refund/").content.decode()
    assert "需要：登录失败的提示、未使用的证明。" in page
    assert "无需图片，系统会自动核对。" in page


def test_reasons_that_cannot_fit_are_not_offered(shopper, buy):
    delivered = buy(price_fen=3000)
    page = words(shopper.get(f"/orders/{delivered.order_no}/refund/"))
    assert 'value="undelivered"' not in page
    assert 'value="changed_mind"' in page
    waiting = buy(price_fen=3000, stock=0)
    assert 'value="undelivered"' in words(shopper.get(f"/orders/{waiting.order_no}/refund/"))


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


def test_how_long_it_takes_is_said_before_anything_is_sent(shopper, buy, picture, merchant):
    """S1-24: by when, and where to look; sooner for what is complete (S0-17)."""
    small, dear = buy(price_fen=3000), buy(price_fen=8800, review_hours=36)
    for order in (small, dear):
        shopper.post(place_of(order), {"reason": "invalid_code"})
    assert "系统自动核对，通常几分钟内退出。" in words(shopper.get(place_of(small, "check/")))
    page = words(shopper.get(place_of(dear, "check/")))
    (usual,) = re.findall(r"客服审核，最迟 (\d+月\d+日 \d\d:\d\d) 前给结果", page)
    assert "还缺：兑换报错的截图。补上后优先审核。" in page
    shopper.post(place_of(dear, "material/"), {"upload": "redeem_error", "picture-redeem_error": picture()})
    page = words(shopper.get(place_of(dear, "check/")))
    (sooner,) = re.findall(r"客服审核，最迟 (\d+月\d+日 \d\d:\d\d) 前给结果", page)
    assert sooner != usual
    assert "还缺" not in page
    asked_first = buy(price_fen=8800, merchant_hours=24)
    shopper.post(place_of(asked_first, ""), {"reason": "invalid_code"})
    page = words(shopper.get(place_of(asked_first, "check/")))
    when = r"最迟 (\d+月\d+日 \d\d:\d\d)"
    assert re.search(f"商家先答复，{when}；同意即退款。</li><li>商家有异议的，由平台审核，{when} 前给结果。", page)
    assert "客服审核" not in page


def test_the_sum_is_heard_while_it_is_typed(shopper, buy):
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "invalid_code"})

    def heard(**fields):
        sent = {"check": "1"} | fields
        return words(shopper.post(place_of(order, "money/"), sent, headers={"HX-Request": "true"}))

    assert "退款金额须在 ¥0.01 与 ¥88.00 之间" in heard(amount="88.01")
    assert "¥20.50" in heard(amount="20.5")
    assert drafts.of(order).answers.get("amount_fen") is None  # heard is not kept
    assert 'from:#id_amount"' in words(shopper.get(place_of(order, "money/")))


def test_the_complaint_about_no_reason_goes_when_one_is_chosen(shopper, buy):
    order = buy(price_fen=3000)
    page = words(shopper.post(place_of(order), {"reason": ""}))
    assert page.split('<div id="reason_said">')[1].split("</div>")[0].count("请选择退款原因") == 1

    def heard(**fields):
        return words(shopper.post(place_of(order), {"check": "1"} | fields, headers={"HX-Request": "true"}))

    assert '<div id="reason_said" hx-swap-oob="true"></div>' in heard(reason="late")
    assert "reason_said" not in heard()  # none chosen: what was said stays


def test_a_reason_that_does_not_fit_is_refused_beside_the_reasons(shopper, buy, reveal):
    """Whoever sends it, and a picture of the page from before the code was viewed too."""
    order = buy(price_fen=3000)
    page = words(shopper.get(place_of(order)))
    assert 'value="changed_mind"' in page
    for reason in ["cannot_log_in", "wrong_top_up", "undelivered"]:
        assert f'value="{reason}"' not in page
    reveal(order)
    assert 'value="changed_mind"' not in words(shopper.get(place_of(order)))
    page = words(shopper.post(place_of(order), {"reason": "changed_mind"}))
    assert "卡密已查看或商品已收到，不适用“不想要了（冷静期内）”" in page.split('id="id_reason"')[1].split("</ul>")[0]
    assert not RefundDraft.objects.exists()


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
