"""申请退款, step by step (B5): what each page asks, what is kept, what is left out, where a change leads back to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

import clock
from orders import delivery
from refunds import drafts, lifecycle
from refunds.models import DraftImage, Refund, RefundDraft, Status
from shops.stock import Viewer
from tests.storefront.conftest import goes_through, place_of, seen_on, words

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def leads(answer):
    """To which page an answer leads, within the application."""
    assert answer.status_code == 302, words(answer)[:3000]
    return answer.headers["Location"].split("/refund/")[-1]


# --- the way through --------------------------------------------------------------------------------------------------


def test_five_screens_at_most_from_the_order_to_submitted(shopper, buy, reveal):
    """S3-27."""
    order = buy(price_fen=8800)
    reveal(order)
    screens = [place_of(order)]
    answer = shopper.post(screens[-1], {"reason": "invalid_code"})
    for sent in [{"description": "昨晚兑换，提示无效", "next": "1"}, {"amount": "88"}]:
        screens.append(answer.headers["Location"])
        answer = shopper.post(screens[-1], sent)
    screens.append(answer.headers["Location"])
    answer = shopper.post(screens[-1], {"seen": seen_on(shopper.get(screens[-1]))})
    screens.append(answer.headers["Location"])
    assert screens[-1] == f"/refunds/{Refund.objects.get().refund_no}/"
    assert len(screens) == 5
    top = words(shopper.get(screens[-1])).split("<h1>")[0]
    assert f"单号 {Refund.objects.get().refund_no}" in top
    assert "前给结果" in top


def test_what_the_machine_approves_is_asked_nothing_more(shopper, buy):
    """S3-25: no vouchers. Three screens: reason, check, submitted."""
    order = buy(price_fen=3000)
    assert leads(shopper.post(place_of(order), {"reason": "invalid_code"})) == "check/"
    page = shopper.get(place_of(order, "check/"))
    assert "无需图片" in words(page)
    assert "/refunds/" in shopper.post(place_of(order, "check/"), {"seen": seen_on(page)}).headers["Location"]
    assert Refund.objects.get().amount_fen == 3000


def test_what_our_records_prove_asks_for_no_material(shopper, buy):
    dear = buy(price_fen=8800)
    assert leads(shopper.post(place_of(dear), {"reason": "changed_mind"})) == "money/"


def test_an_approval_still_asks_for_the_words_that_a_reason_needs(shopper, buy):
    order = buy(price_fen=3000)
    assert leads(shopper.post(place_of(order), {"reason": "other"})) == "material/"
    answer = shopper.post(place_of(order, "material/"), {"description": "", "next": "1"})
    assert "请按“时间 + 经过 + 结果”写明情况" in words(answer)
    answer = shopper.post(place_of(order, "material/"), {"description": "买重了", "next": "1"})
    assert leads(answer) == "check/"


@pytest.mark.parametrize(("step", "back"), [("material/", ""), ("money/", ""), ("check/", "")])
def test_nobody_begins_in_the_middle(shopper, buy, step, back):
    order = buy(price_fen=8800)
    for answer in [shopper.get(place_of(order, step)), shopper.post(place_of(order, step), {})]:
        assert leads(answer) == back
    assert not RefundDraft.objects.exists()


@pytest.mark.parametrize("step", ["", "material/", "money/", "check/", "one-tap/"])
def test_where_nothing_is_left_the_order_says_so(shopper, buy, apply, drain, purchase, make_product, step):
    refunded = buy(price_fen=3000)
    apply(refunded)
    drain()
    answer = shopper.get(place_of(refunded, step), follow=True)
    assert answer.redirect_chain[-1][0] == f"/orders/{refunded.order_no}/"
    assert "款项已全部退回" in words(answer)
    unpaid = purchase(make_product()).headers["Location"].removesuffix("pay/")
    assert "没有成功的付款" in words(shopper.get(f"{unpaid}refund/{step}", follow=True))


def test_the_list_of_reasons_is_the_policys_with_other_last(shopper, buy):
    """S3-6; and other is said to take longer."""
    order = buy(price_fen=3000)
    page = words(shopper.get(place_of(order)))
    codes = [part.split('"')[0] for part in page.split('name="reason" value="')[1:]]
    assert codes[-1] == "other"
    assert "其他（需说明，审核较慢）" in page
    narrow = buy(reasons=[row for row in order.policy.reasons if row["reason"] in {"other", "undelivered", "late"}])
    page = words(shopper.get(place_of(narrow)))
    assert [part.split('"')[0] for part in page.split('name="reason" value="')[1:]] == ["late", "other"]
    assert "不接受“卡密无效" in words(shopper.post(place_of(narrow), {"reason": "invalid_code"}))


# --- the draft --------------------------------------------------------------------------------------------------------


def test_the_draft_is_there_after_logging_out_and_in_another_browser(shopper, buyer, buy, picture):
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    sent = {"description": "昨晚兑换，提示无效", "upload": "redeem_error", "picture-redeem_error": picture()}
    shopper.post(place_of(order, "material/"), sent)
    shopper.logout()
    another = Client()
    another.force_login(buyer)
    assert 'value="invalid_code" required checked' in words(another.get(place_of(order)))
    page = words(another.get(place_of(order, "material/")))
    assert "昨晚兑换，提示无效" in page
    assert "已上传" in page
    assert "共 1 / 6 张" in page


def test_every_button_keeps_what_has_been_typed(shopper, buy, picture):
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    sent = {"upload": "redeem_error", "picture-redeem_error": picture()}
    answer = shopper.post(place_of(order, "material/"), sent | {"description": "第一次"})
    assert answer.headers["Location"].endswith("/material/#slot-redeem_error")
    image = DraftImage.objects.get()
    shopper.post(place_of(order, "material/"), {"description": "第二次", "remove": str(image.pk)})
    assert drafts.of(order).answers["description"] == "第二次"
    assert not DraftImage.objects.exists()
    assert shopper.post(place_of(order, "material/"), {"remove": "1; DROP"}).status_code == 404


def test_a_change_leads_back_to_the_answers_and_only_that_changes(shopper, buy):
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    shopper.post(place_of(order, "material/"), {"description": "昨晚兑换，提示无效", "next": "1"})
    shopper.post(place_of(order, "money/"), {"amount": "50", "contact": "138"})
    page = words(shopper.get(place_of(order, "check/")))
    for step in ["material/?change=1", "money/?change=1"]:
        assert f'href="{place_of(order, step)}' in page
    assert leads(shopper.post(place_of(order, "money/?change=1"), {"amount": "60", "contact": "138"})) == "check/"
    said = drafts.of(order).answers
    assert (said["amount_fen"], said["description"], said["contact"]) == (6000, "昨晚兑换，提示无效", "138")
    answer = shopper.post(place_of(order), {"reason": "not_as_described"}, follow=True)
    assert "已填的描述和图片都还在" in words(answer)
    assert drafts.of(order).answers["description"] == "昨晚兑换，提示无效"


def test_what_another_tab_changed_is_shown_again_before_it_is_sent(shopper, buy):
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    seen = seen_on(shopper.get(place_of(order, "check/")))
    clock.advance(timedelta(seconds=1))
    shopper.post(place_of(order), {"reason": "late"})
    answer = shopper.post(place_of(order, "check/"), {"seen": seen}, follow=True)
    assert "内容在别的页面改过" in words(answer)
    assert not Refund.objects.exists()
    assert shopper.post(place_of(order, "check/"), {"seen": "?"}).status_code == 302
    assert not Refund.objects.exists()


def test_the_answers_are_weighed_once_to_be_shown(shopper, buy):
    """The pre-check's answer, the sums and the number of steps are of one look at our records."""
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "changed_mind"})
    with CaptureQueriesContext(connection) as queries:
        assert "预审" in words(shopper.get(place_of(order, "check/")))
    looks = [query["sql"] for query in queries if "refunds_expressoptin" in query["sql"]]
    assert len(looks) == 1


def test_sending_twice_leads_to_the_same_case(shopper, buy):
    """P1: the back button, and the button again."""
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    seen = seen_on(shopper.get(place_of(order, "check/")))
    first, second = (shopper.post(place_of(order, "check/"), {"seen": seen}) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert Refund.objects.count() == 1


def test_an_order_that_changed_meanwhile_leads_back_with_a_clear_word(shopper, buy):
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "changed_mind"})
    seen = seen_on(shopper.get(place_of(order, "check/")))
    delivery.reveal(order.lines.get(), viewer=Viewer(order.buyer, None, ""), at=clock.now())
    answer = shopper.post(place_of(order, "check/"), {"seen": seen}, follow=True)
    assert answer.redirect_chain[-1][0] == place_of(order)
    assert "不适用“不想要了（冷静期内）”" in words(answer)
    assert drafts.of(order) is not None


# --- material ---------------------------------------------------------------------------------------------------------


def test_what_is_needed_is_said_with_a_sample_before_it_is_asked_for(shopper, buy, reveal):
    """S0-33: the guide of each slot; S1-7: the order number, time and amount nobody has to type."""
    order = buy(kind="account", price_fen=8800)
    reveal(order)
    assert "需要：登录失败的提示、未使用的证明。" in words(
        shopper.post(place_of(order), {"check": "1", "reason": "cannot_log_in"}, headers=HTMX)
    )
    shopper.post(place_of(order), {"reason": "cannot_log_in"})
    page = words(shopper.get(place_of(order, "material/")))
    for said in ["guides/login_error", "guides/unused", "登录的平台和账号", "示例图", "订单号、时间、金额已自动填好"]:
        assert said in page
    payment = order.payments.get()
    for known in [order.order_no, payment.payment_no, payment.channel_transaction_id]:
        assert known in page
    assert 'accept="image/*"' in page
    assert "capture" not in page  # the album too


def test_where_the_shop_answers_first_that_is_said_and_no_less_is_asked_for(shopper, merchant, buy, reveal):
    """S4-9: its answer is by people, as the platform's is; what is not shown yet is missing there too."""
    order = buy(price_fen=8800, merchant_hours=24)
    reveal(order)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    page = shopper.get(place_of(order, "material/")).content.decode()
    assert "预审：先由商家答复，再由平台审核" in page
    assert '<details class="more" open><summary>要拍到什么' in page
    shopper.post(place_of(order, "material/"), {"description": "昨晚兑换，提示无效", "next": "1"})
    shopper.post(place_of(order, "money/"), {"amount": "88"})
    check = shopper.get(place_of(order, "check/"))
    assert [str(guide.slot) for guide in check.context["missing"]] == ["redeem_error"]


def test_a_vague_description_is_met_with_a_template_and_a_hint(shopper, buy, reveal):
    """S3-18: never with a refusal."""
    order = buy(price_fen=8800)
    reveal(order)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    page = words(shopper.get(place_of(order, "material/")))
    template = page.split("<textarea")[1].split(">", 1)[1].split("<")[0].strip()
    assert "____" in template
    heard = shopper.post(place_of(order, "material/"), {"description": "不能用", "check": "1"}, headers=HTMX)
    assert "还看不出时间" in words(heard)
    assert leads(shopper.post(place_of(order, "material/"), {"description": "不能用", "next": "1"})) == "money/"
    shopper.post(place_of(order, "money/"), {})
    assert "还看不出时间" in words(shopper.get(place_of(order, "check/")))
    shopper.post(place_of(order, "material/"), {"description": template, "next": "1"})
    assert drafts.of(order).answers["description"] == ""  # a template that nobody filled in says nothing


def test_an_upload_by_script_is_answered_with_the_slots_alone(shopper, buy, reveal, picture):
    order = buy(price_fen=8800)
    reveal(order)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    sent = {"description": "x", "upload": "redeem_error", "picture-redeem_error": picture()}
    heard = words(shopper.post(place_of(order, "material/"), sent, headers=HTMX))
    assert "<html" not in heard
    assert 'id="pictures"' in heard
    assert "共 1 / 6 张" in heard
    wrong = sent | {"picture-redeem_error": picture(b"text", "a.jpg")}
    heard = words(shopper.post(place_of(order, "material/"), wrong, headers=HTMX))
    assert "只能上传 JPG、PNG 或 WebP 图片" in heard
    nothing = words(shopper.post(place_of(order, "material/"), {"description": "x", "upload": "redeem_error"}))
    assert "请先选择一张图片，再点上传" in nothing
    assert DraftImage.objects.count() == 1


def test_a_picture_of_a_draft_is_its_buyers_alone(shopper, other, client, reviewer, merchant, buy, picture):
    """X4, X7: nobody else's, whatever their job, and at a signed address."""
    import private_pictures

    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    shopper.post(place_of(order, "material/"), {"upload": "other", "picture-other": picture()})
    image = DraftImage.objects.get()
    place = private_pictures.address("storefront:apply_picture", image, order.buyer)
    answer = shopper.get(place)
    assert b"".join(answer.streaming_content).startswith(b"\xff\xd8\xff")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert shopper.get(place.split("?")[0]).status_code == 403
    assert other.get(place).status_code == 404
    for person in (reviewer, merchant):
        client.force_login(person)
        mine = private_pictures.address("storefront:apply_picture", image, person)
        assert client.get(mine).status_code == 404


# --- money ------------------------------------------------------------------------------------------------------------


def test_the_arithmetic_is_shown_with_the_fee_and_the_parts_sum(shopper, buy):
    """S1-15, S4-5: asked − fee = refund, by unit and in all, before anything is sent."""
    order = buy(price_fen=3333, quantity=3, fee_percent=10)
    shopper.post(place_of(order), {"reason": "changed_mind", "lines": [1, 2]})
    page = words(shopper.get(place_of(order, "money/")))
    assert "¥33.33 − ¥3.33 = ¥30.00" in page
    assert "−¥6.66" in page
    assert "¥60.00" in page
    answer = shopper.post(place_of(order, "money/"), {"amount": ""})
    page = shopper.get(answer.headers["Location"])
    assert "按政策收取手续费 ¥6.66" in words(page)
    shopper.post(place_of(order, "check/"), {"seen": seen_on(page)})
    refund = Refund.objects.get()
    assert (refund.amount_fen, refund.fee_fen) == (6000, 666)


def test_the_buyer_says_where_the_money_goes(shopper, buy):
    """S1-23; S1-15: what the balance costs is said beside it before it is chosen."""
    order = buy(price_fen=8800, balance_fee_percent=2)
    shopper.post(place_of(order), {"reason": "changed_mind"})
    page = words(shopper.get(place_of(order, "money/")))
    assert 'value="original" checked' in page
    assert "原路退回（微信支付）" in page
    assert "手续费 ¥1.76。" in page.split("退至余额")[1]
    assert "即时到账余额" in page
    answer = shopper.post(place_of(order, "money/"), {"amount": "", "destination": "balance"})
    page = shopper.get(answer.headers["Location"])
    assert "款项退至您的余额。" in words(page)
    shopper.post(place_of(order, "check/"), {"seen": seen_on(page)})
    refund = Refund.objects.get()
    assert (refund.destination, refund.amount_fen, refund.fee_fen) == ("balance", 8624, 176)


def test_where_the_shop_is_at_fault_no_way_costs_anything(shopper, buy):
    order = buy(price_fen=8800, balance_fee_percent=2, fee_percent=10)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    page = words(shopper.get(place_of(order, "money/")))
    assert page.count("不收手续费。") == 2


def test_a_guest_is_not_offered_a_balance(make_product, pay):
    import uuid

    from accounts import guests
    from orders import placing

    key = uuid.uuid4()
    guest = guests.open_for(key, "harbour-lantern-7")
    order = pay(placing.place(make_product(8800), placing.Wish(), buyer=guest, checkout_key=key, at=clock.now()))
    browser = Client()
    browser.force_login(guest, backend=guests.BACKEND)
    browser.post(place_of(order), {"reason": "changed_mind"})
    page = words(browser.get(place_of(order, "money/")))
    assert "余额" not in page
    assert "原路退回" in page
    browser.post(place_of(order, "money/"), {"amount": "", "destination": "balance"})
    assert drafts.of(order).answers["destination"] == "original"
    goes_through(browser, order, reason="changed_mind")
    assert Refund.objects.get().destination == "original"


def test_known_contact_is_not_asked_for_again(ask, shopper, buy):
    """S1-29; WCAG 3.3.7."""
    ask(buy(price_fen=8800), contact="138 0000 0000")
    order = buy(price_fen=8800)
    shopper.post(place_of(order), {"reason": "changed_mind"})
    assert 'value="138 0000 0000"' in words(shopper.get(place_of(order, "money/")))


# --- one tap ----------------------------------------------------------------------------------------------------------


def test_one_tap_asks_for_nothing(shopper, buy):
    """S3-25, S3-27: two screens, no evidence."""
    order = buy(price_fen=3000)
    assert f'href="{place_of(order, "one-tap/")}"' in words(shopper.get(f"/orders/{order.order_no}/"))
    assert f'href="{place_of(order, "one-tap/")}"' in words(shopper.get(place_of(order)))
    page = words(shopper.get(place_of(order, "one-tap/")))
    for said in ["¥30.00", "不收手续费", "原路退回（微信支付）", "会暂时冻结", "不想要了"]:
        assert said in page
    assert not Refund.objects.exists()  # a GET changes nothing
    answer = shopper.post(place_of(order, "one-tap/"), {"amount": "3000"})
    refund = Refund.objects.get()
    assert answer.headers["Location"] == f"/refunds/{refund.refund_no}/"
    assert (refund.reason, refund.amount_fen) == ("changed_mind", 3000)
    again = shopper.post(place_of(order, "one-tap/"), {"amount": "3000"})
    assert again.headers["Location"] == answer.headers["Location"]


def test_one_tap_gives_back_only_the_sum_that_was_seen(shopper, buy):
    order = buy(price_fen=3000)
    for sent in [{}, {"amount": "2999"}, {"amount": "x"}]:
        answer = shopper.post(place_of(order, "one-tap/"), sent)
        assert "可退金额有变化，请再核对一遍" in words(answer)
    assert not Refund.objects.exists()


def test_undelivered_goods_go_back_by_one_tap_whatever_they_cost(shopper, buy):
    order = buy(price_fen=64800, stock=0)
    assert "未发货" in words(shopper.get(place_of(order, "one-tap/")))
    shopper.post(place_of(order, "one-tap/"), {"amount": "64800"})
    assert Refund.objects.get().reason == "undelivered"


def test_where_a_person_has_to_look_there_is_no_one_tap(shopper, buy, reveal):
    dear, seen = buy(price_fen=8800), buy(price_fen=3000)
    reveal(seen)
    for order in (dear, seen):
        assert "一键退款" not in words(shopper.get(f"/orders/{order.order_no}/"))
        answer = shopper.post(place_of(order, "one-tap/"), {"amount": str(order.total_fen)}, follow=True)
        assert "现在不能一键退款" in words(answer)
    assert not Refund.objects.exists()


# --- after a refusal --------------------------------------------------------------------------------------------------


def test_after_a_refusal_what_to_change_is_said_and_how_often_one_may(shopper, buy, reveal, apply, reviewer):
    """S3-13: what was refused, why, what was missing, and the words are there to be mended."""
    order = buy(price_fen=8800)
    reveal(order)
    refund = apply(order)
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="截图里看不到报错时间")
    page = words(shopper.get(place_of(order)))
    for said in ["上次申请未通过", refund.refund_no, "截图里看不到报错时间", "补上上次缺的图片：兑换报错的截图"]:
        assert said in page
    assert "同一订单最多 3 次不通过，还可以申请 2 次" in page
    assert 'value="invalid_code" required checked' in page
    shopper.post(place_of(order), {"reason": "invalid_code"})
    page = words(shopper.get(place_of(order, "material/")))
    assert "11月20日兑换，提示卡密已使用" in page
    goes_through(shopper, order, description="11月20日晚8点兑换，提示卡密已使用，附整屏截图")
    assert order.refunds.filter(status__in=Status.active()).count() == 1


def test_after_three_refusals_support_is_who_can_help(shopper, buy, reveal, apply, reviewer):
    order = buy(price_fen=8800)
    reveal(order)
    for _ in range(3):
        lifecycle.reject([apply(order)], by=reviewer, at=clock.now(), note="与记录不符")
    page = words(shopper.get(place_of(order)))
    assert "这张订单已有 3 次不通过，请<a" in page
    assert "仍要申请" in page


# --- words ------------------------------------------------------------------------------------------------------------


def test_pages_in_english_quote_the_template_in_english(shopper, buy, reveal):
    order = buy(price_fen=8800)
    reveal(order)
    shopper.post(place_of(order), {"reason": "invalid_code"})
    shopper.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    page = words(shopper.get(place_of(order, "material/")))
    assert "____" in page.split("<textarea")[1]
    for step in ["", "material/", "money/", "check/"]:
        page = words(shopper.get(place_of(order, step)))
        assert "Step" in page, step
