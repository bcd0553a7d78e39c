"""举证指南: every picture asked for is explained and drawn; a template and a hint for words, which refuse nobody."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation

from refunds import applying, guides
from refunds.guides import BLANK
from refunds.reasons import REASONS
from shops.policy_terms import SLOTS, USUAL

LANGUAGES = ["zh-hans", "en"]
FILL = {"zh-hans": "11月20日14点", "en": "20 November at 14:30"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slot_has_its_guide_and_its_drawing(language):
    """S2-26, S3-24, S0-33: beside each picture asked for stands what it has to show, and an example drawn for it."""
    with translation.override(language):
        found = guides.slot_guides(SLOTS)
        assert [guide.slot for guide in found] == list(SLOTS)
        for guide in found:
            texts = [guide.title, *guide.shows, guide.good, guide.bad, guide.alt]
            assert all(texts)
            assert len(guide.shows) == 3  # so many marks are in the drawing
            assert guide.good in guide.alt
            if language == "en":
                assert all(text.isascii() or "“" in text for text in texts), texts


def test_guides_come_in_the_order_asked_for_and_unknown_slots_are_left_out():
    assert [guide.slot for guide in guides.slot_guides(["unused", "no_such_slot", "redeem_error"])] == [
        "unused",
        "redeem_error",
    ]


def test_what_is_needed_is_said_in_one_sentence():
    """S0-33, S3-7, S0-5: each reason has its own proofs, and goods that we cannot look into one more."""
    assert guides.needed(["login_error", "unused"]) == "需要：登录失败的提示、未使用的证明。"
    assert guides.needed([]) == "无需图片，系统会自动核对。"
    with translation.override("en"):
        assert guides.needed([]) == "No pictures needed: we check this ourselves."


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", REASONS)
def test_a_filled_in_template_says_enough_and_an_empty_one_does_not(reason, language):
    """S1-8: time, event and result."""
    slots = next(row.slots for row in USUAL if row.reason == reason)
    with translation.override(language):
        words = guides.template(reason)
        assert bool(words) or not slots  # whatever takes pictures has a template
        if words:
            assert guides.vagueness(words, reason) == str(guides.gettext("还有空没有填，填上后审核更快。"))
            assert words.count(BLANK) >= 3
        filled = words.replace(BLANK, FILL[language])
        assert guides.vagueness(filled, reason) == ""


VAGUE = {
    "不好用": "时间（几月几日几点）、经过（您做了什么）、结果（看到什么提示）",
    "垃圾，退钱！": "时间（几月几日几点）、经过（您做了什么）、结果（看到什么提示）",
    "兑换提示无效": "时间（几月几日几点）",
    "昨天晚上提示无效": "经过（您做了什么）",
    "昨天晚上我在 Steam 兑换": "结果（看到什么提示）",
}


@pytest.mark.parametrize("description", VAGUE)
def test_a_vague_description_is_met_with_what_it_lacks(description):
    """S3-18."""
    assert guides.vagueness(description, "invalid_code") == f"还看不出{VAGUE[description]}，写上后审核更快。"


@pytest.mark.parametrize(
    "description",
    [
        "11月20日兑换，提示卡密已使用",
        "刚才在官网兑换，页面显示此卡已过期",
        "20号下午3点充值，到现在没到账",
        "2026-11-20 14:30 登录时报错 E-1003",
        "Yesterday I redeemed it and the page said it was already used",
        "On Nov 20 at 3 pm I logged in; invalid password",
    ],
)
def test_what_says_time_event_and_result_gets_no_hint(description):
    assert guides.vagueness(description, "invalid_code") == ""


def test_what_our_records_prove_needs_no_words():
    for reason in ("undelivered", "out_of_stock", "changed_mind"):
        assert (guides.template(reason), guides.vagueness("", reason)) == ("", "")


@pytest.mark.django_db
def test_the_system_fills_in_what_it_knows(buy, django_assert_num_queries):
    """S0-13, S1-7, S3-16: order number, time and amount, and the payment's own numbers."""
    order = buy(price_fen=8800, quantity=3, stock=3)
    payment = applying.paid_payment(order)
    with django_assert_num_queries(1):
        known = dict(guides.filled_in(order, payment))
    assert known["订单号"] == order.order_no
    assert known["商品"] == f"{order.lines.all()[0].product_name} × 3"
    assert known["金额"] == "¥264.00"
    assert known["商户单号"] == payment.payment_no
    assert known["微信支付单号"] == payment.channel_transaction_id
    assert known["付款时间"][:2] == known["下单时间"][:2] == "20"
    assert set(dict(guides.filled_in(order, None))) == {"订单号", "商品", "下单时间", "金额"}


@pytest.mark.parametrize("slot", SLOTS)
def test_each_drawing_stands_alone_and_is_small(slot):
    """S2-26: it loads nothing, runs nothing and needs no font, by day and by night."""
    drawing = Path(settings.BASE_DIR, "static", guides.slot_guides([slot])[0].sample).read_text()
    assert len(drawing) < 4096
    assert drawing.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ')
    body = drawing.replace("http://www.w3.org/2000/svg", "")
    for foreign in ("http", "url(", "<script", "<style", "<text", "<image", "<foreignObject", "href", " on"):
        assert foreign not in body, foreign
