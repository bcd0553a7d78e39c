"""买家档案, 店铺档案 and 商家异议 at the desk (K5, S4-24)."""

from __future__ import annotations

import pytest
from django.urls import reverse

import clock
from accounts.desk import page_url
from orders.models import Order
from refunds import lifecycle, objections, profiles
from tests.cases import passes
from tests.desk.conftest import address, text

pytestmark = pytest.mark.django_db


def test_a_buyers_record_is_a_page_of_its_own(house, sits, reviewer, buyer):
    refused = house.case("reviewer reject")
    waiting = house.case()
    seat = sits(reviewer)
    profile = reverse("admin:refunds_refund_buyer", args=[buyer.pk])
    assert profile in text(seat.get(page_url(waiting)))
    page = text(seat.get(profile))
    for fact in (refused.refund_no, waiting.refund_no, "未通过", "普通买家", "买家档案"):
        assert fact in page, fact
    assert seat.get(reverse("admin:refunds_refund_buyer", args=["abc"])).status_code == 404
    assert seat.client.post(profile).status_code == 403
    record = profiles.of_buyer(buyer.pk, at=clock.now(), apart_from=waiting)
    assert (record.orders, record.refunds, record.rejected) == (2, 1, 1)


def test_a_shops_record_tells_its_refund_rate_and_its_silences(house, sits, reviewer, shop):
    passes(house.with_shop(), hours=30)  # no answer: it is liable
    house.case()
    seat = sits(reviewer)
    record = profiles.of_shop(shop.pk, at=clock.now())
    assert (record.orders, record.refunds, record.given_back, record.silences, record.contested) == (2, 2, 1, 1, 0)
    assert record.refund_percent == 50.0
    page = text(seat.get(reverse("admin:refunds_refund_shop", args=[shop.pk])))
    for fact in ("50.0%", "逾期未答", "店铺档案"):
        assert fact in page, fact


def test_frequent_buyers_are_marked_when_they_ask(house, monkeypatch):
    monkeypatch.setattr(profiles, "FREQUENT_ORDERS", 1)
    for _ in range(2):
        Order.objects.filter(pk=house.buy(price_fen=8800).pk).update(status="completed", completed_at=clock.now())
    assert house.case().is_frequent
    monkeypatch.setattr(profiles, "FREQUENT_ORDERS", 20)
    assert not house.case().is_frequent


def test_an_objection_is_judged_by_a_senior_who_has_not_decided_it(
    house, sits, senior, other_senior, reviewer, merchant
):
    refund = house.case("senior approve")
    objections.object(refund, by=merchant, at=clock.now(), text="发卡方记录显示已兑换")
    judge = address("judge_objection", refund)
    assert refund.refund_no in text(sits(other_senior).get("/admin/refunds/refund/?queue=objections"))
    for person in (reviewer, senior):
        assert judge not in text(sits(person).get(page_url(refund)))
    assert "您审核过这张退款单" in text(sits(senior).dialog("judge_objection", refund))
    assert sits(reviewer).does("judge_objection", refund).status_code == 403
    seat = sits(other_senior)
    page = text(seat.get(page_url(refund)))
    assert judge in page
    assert "发卡方记录显示已兑换" in page
    assert "HX-Redirect" not in seat.does("judge_objection", refund, verdict="upheld").headers
    answered = seat.reads(seat.does("judge_objection", refund, verdict="upheld", note="记录属实"))
    assert "已答复商家异议" in answered
    assert "记录属实" in answered
    refund.refresh_from_db()
    assert (refund.objection.verdict, refund.status) == ("upheld", "approved")
    assert "这项异议已有结论" in text(seat.dialog("judge_objection", refund))


def test_the_review_page_shows_both_sides(house, sits, senior):
    refund = house.on(house.with_shop(), "merchant contest", note="发卡方说已兑换")
    lifecycle.consult(refund, by=house.reviewer, at=clock.now(), note="请供应商核实是否到账")
    house.on(refund, "reviewer make_offer", amount_fen=4000, note="退一半")
    house.on(refund, "buyer decline_offer", "reviewer reject", "buyer appeal")
    page = text(sits(senior).get(page_url(refund)))
    for fact in ("商家的说法", "发卡方说已兑换", "第三方核实", "请供应商核实是否到账", "协商方案", "¥40.00", "退一半",
                 "已拒绝", "申诉", "店铺近 90 天", "没有留言"):  # fmt: skip
        assert fact in page, fact
