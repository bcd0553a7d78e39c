"""The reviewer and the evidence: what is there, what was seen before, and what is complete comes first."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import clock
import images
from refunds import drafts, lifecycle, sweeping
from refunds.evidence import ForSlot
from tests.desk.conftest import text
from tests.photographs import encoded, good_picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(buy, reveal):
    """``sent(seed, …)``: an application with a picture in the slot that its reason asks for, or in none."""

    def build(seed: int | None = 3, slot: str = "redeem_error", **purchase):
        order = buy(**{"price_fen": 8800} | purchase)
        reveal(order)
        answers = {"reason": "invalid_code", "description": "11月20日兑换，提示卡密已使用"}
        drafts.keep(order, answers, at=clock.now())
        if seed is not None:
            picture = images.repaint(encoded(good_picture(seed)))
            drafts.add_image(order, slot=slot, image=picture, at=clock.now())
        refund = drafts.submit(order, by=order.buyer, at=clock.now())
        sweeping.sweep(at=clock.now())
        refund.refresh_from_db()
        return refund

    return build


def page_of(seat, refund) -> str:
    return text(seat.get(reverse("admin:refunds_refund_change", args=[refund.pk])))


def test_what_is_there_and_what_is_missing_stands_beside_the_pictures(sits, reviewer, sent):
    """S2-25."""
    seat = sits(reviewer)
    complete, wanting = sent(), sent(seed=4, slot="")
    assert (complete.is_complete, wanting.is_complete) == (True, False)
    page = page_of(seat, complete)
    assert "材料齐全" in page
    assert "✓ 兑换报错的截图" in page
    page = page_of(seat, wanting)
    assert "材料不齐" in page
    assert "缺 兑换报错的截图" in page
    assert "其他图片" in page


def test_a_picture_seen_before_is_named_to_the_reviewer_and_to_nobody_else(
    sits, reviewer, merchant, sent, stranger, client
):
    seat = sits(reviewer)
    first, again = sent(by=stranger), sent()
    page = page_of(seat, again)
    for said in ["同一张图", first.refund_no, "其他买家", "不能单独作为拒绝的理由"]:
        assert said in page
    assert again.refund_no in page_of(seat, first)
    for reader in (again.buyer, merchant):
        client.force_login(reader)
        place = "storefront:refund" if reader == again.buyer else "portal:refund"
        seen = text(client.get(reverse(place, args=[again.refund_no])))
        assert first.refund_no not in seen
        assert "同一张图" not in seen
    alone = page_of(seat, sent(seed=5))
    assert "同一张图" not in alone
    assert "相似" not in alone


def test_however_often_it_was_seen_the_page_asks_no_more(sits, reviewer, sent):
    seat = sits(reviewer)
    sent()
    case = sent()
    page_of(seat, case)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page_of(seat, case)
        return len(captured)

    few = queries()
    for _ in range(4):
        sent()
    assert queries() == few
    assert "共 5 处" in page_of(seat, case)


def test_what_is_complete_comes_first_by_its_shorter_promise(sits, reviewer, sent):
    """S0-17: 24 hours instead of 48, so that hours later it is still ahead."""
    seat = sits(reviewer)
    wanting = sent(seed=None)
    clock.advance(timedelta(hours=12))
    complete = sent()
    listed = [case.refund_no for case in seat.get("/admin/refunds/refund/").context["cl"].result_list]
    assert listed == [complete.refund_no, wanting.refund_no]
    assert complete.promised_by < wanting.promised_by


def test_what_is_added_later_for_its_slot_is_there_and_goes_ahead(sits, reviewer, sent):
    """S2-25, S0-17: two cases are asked for more at once; the one that shows it all comes first."""
    seat = sits(reviewer)
    said, shown = sent(seed=None), sent(seed=None)
    lifecycle.request_evidence([said, shown], by=reviewer, at=clock.now(), note="请上传报错截图")
    lifecycle.provide_evidence(said, by=said.buyer, at=clock.now(), note="没有截图")
    clock.advance(timedelta(hours=12))
    picture = images.repaint(encoded(good_picture(3)))
    lifecycle.provide_evidence(
        shown, by=shown.buyer, at=clock.now(), images=[ForSlot("redeem_error", picture), picture]
    )
    for refund in (said, shown):
        refund.refresh_from_db()
    assert (said.is_complete, said.review_hours) == (False, 48)
    assert (shown.is_complete, shown.review_hours) == (True, 24)
    assert "材料不齐" in page_of(seat, said)
    page = page_of(seat, shown)
    assert "材料齐全" in page
    assert "✓ 兑换报错的截图" in page
    listed = [case.refund_no for case in seat.get("/admin/refunds/refund/").context["cl"].result_list]
    assert listed == [shown.refund_no, said.refund_no]


def test_one_of_two_missing_pictures_makes_nothing_complete(sent, reviewer):
    refund = sent(seed=None, kind="membership")
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请上传报错截图和未使用的证明")
    picture = images.repaint(encoded(good_picture(3)))
    lifecycle.provide_evidence(refund, by=refund.buyer, at=clock.now(), images=[ForSlot("redeem_error", picture)])
    refund.refresh_from_db()
    assert (refund.is_complete, refund.review_hours) == (False, 48)
