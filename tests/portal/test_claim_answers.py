"""商家答复 over HTTP: the claims with their countdown, and each answer by those who may give it, once, and in time."""

from __future__ import annotations

import pytest

from refunds.models import Objection, RefundEvent
from storefront.templatetags.words import deadline
from tests.cases import SITUATIONS, late
from tests.portal.conftest import browser, text

pytestmark = pytest.mark.django_db

ANSWERS = ("agree", "contest", "offer", "evidence", "object")


def page_of(refund, kind=""):
    return f"/shop/refunds/{refund.refund_no}/" + (f"{kind}/" if kind else "")


def says(seat, refund, answer, /, **form):
    answer = seat.post(page_of(refund, answer), form)
    refund.refresh_from_db()
    return answer


def steps(refund):
    return list(RefundEvent.objects.filter(refund=refund, role="merchant").values_list("step", flat=True))


def test_the_list_counts_down_and_each_page_says_what_waits(house, keeper, rival):
    refund = house.with_shop()
    waiting = text(keeper.get("/shop/refunds/"))
    assert "1 张退款单等店铺答复" in waiting
    assert "还剩" in waiting
    assert "张待答复" in waiting
    assert "张待答复" in text(keeper.get("/shop/products/"))
    assert "退款待答复" in text(keeper.get("/shop/?show=all"))
    page = text(keeper.get(page_of(refund)))
    assert refund.description in page
    assert "自动同意全额退款" in page
    assert "买家首次查看" in page
    assert "尚未查询" in page
    assert f"请在 {deadline(refund.promised_by)} 前答复。" in text(keeper.get(page_of(refund, "contest")))
    assert rival.get(page_of(refund)).status_code == 404
    for kind in ANSWERS:
        assert rival.get(page_of(refund, kind)).status_code == 404
        assert rival.post(page_of(refund, kind), {"note": "不"}).status_code == 404


def test_a_clerk_reads_and_whoever_is_in_charge_agrees_once(house, keeper, staffed):
    refund = house.with_shop()
    clerk, manager = staffed("clerk"), staffed("manager")
    assert "由店主或店长答复" in text(clerk.get(page_of(refund)))
    assert says(clerk, refund, "agree").status_code == 403
    assert "不能撤回" in text(manager.get(page_of(refund, "agree")))
    assert says(manager, refund, "agree", note="退").headers["Location"] == page_of(refund)
    assert refund.status == "approved"
    assert says(keeper, refund, "agree").status_code == 302
    assert steps(refund) == ["agree"]
    assert "现在不需要您这样答复" in text(keeper.get(page_of(refund)))
    assert "张待答复" not in text(keeper.get("/shop/refunds/"))


def test_a_refusal_needs_words_and_its_pictures_are_the_shops(house, keeper, picture):
    refund = house.with_shop()
    assert "请填写" in text(says(keeper, refund, "contest", note=" "))
    broken = picture(b"no picture", "a.txt")
    assert "另见截图" in text(says(keeper, refund, "contest", note="另见截图", images=broken))
    assert says(keeper, refund, "contest", note="另见截图", images=picture()).status_code == 302
    assert refund.status == "first_review"
    assert refund.evidence.exclude(image="").count() == 1
    page = text(keeper.get(page_of(refund)))
    assert "商家提供" in page
    assert "另见截图" in page


def test_an_offer_is_read_exactly_and_made_once(house, keeper):
    refund = house.with_shop()
    assert "请填写金额" in text(says(keeper, refund, "offer", kind="part", note="部分退"))
    beyond = text(says(keeper, refund, "offer", kind="part", amount_fen="88", note="部分退"))
    assert "方案金额须在" in beyond
    assert "部分退" in beyond
    assert says(keeper, refund, "offer", kind="part", amount_fen="40.50", note="部分退").status_code == 302
    assert (refund.status, refund.offers.get().amount_fen) == ("offered", 4050)
    assert says(keeper, refund, "offer", kind="part", amount_fen="1", note="再来").status_code == 302
    assert refund.offers.count() == 1
    assert "等买家答复" in text(keeper.get(page_of(refund)))


def test_an_answer_at_the_deadline_is_late(house, keeper):
    refund = late(house.with_shop())
    for kind in ("agree", "contest", "offer"):
        assert says(keeper, refund, kind, note="不同意", kind="replacement").status_code == 302
    assert refund.status == "merchant_review"
    assert steps(refund) == []


def test_what_the_platform_asks_of_the_shop_the_shop_answers(house, keeper, picture):
    refund = SITUATIONS["awaiting_evidence, of the shop"](house)
    assert "平台请店铺补充" in text(keeper.get("/shop/refunds/"))
    assert browser(refund.buyer).post(f"/refunds/{refund.refund_no}/evidence/", {"note": "我来"}).status_code == 200
    assert "请写一句说明" in text(says(keeper, refund, "evidence"))
    assert says(keeper, refund, "evidence", note="供货记录", images=picture()).status_code == 302
    assert refund.status == "first_review"
    assert steps(refund) == ["provide_evidence"]
    assert "商家提供" in text(keeper.get(page_of(refund)))


def test_an_objection_is_made_once_and_moves_no_money(house, keeper, staffed):
    refund = SITUATIONS["approved"](house)
    assert "提出异议" in text(keeper.get(page_of(refund)))
    assert says(staffed("clerk"), refund, "object", note="有新凭证").status_code == 403
    for _twice in range(2):
        assert says(keeper, refund, "object", note="有新的供货记录").status_code == 302
    assert Objection.objects.get(refund=refund).text == "有新的供货记录"
    assert refund.status == "approved"
