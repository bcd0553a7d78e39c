"""Applying: the answer before the question is sent, what is wrong beside its field, nothing typed is lost."""

from __future__ import annotations

import re

import pytest

from refunds import drafts
from refunds.models import Refund, RefundDraft, Status
from tests.storefront.conftest import LOST, place_of, words

pytestmark = pytest.mark.django_db

SAID = "11月20日兑换，提示已使用"


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
