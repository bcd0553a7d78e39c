"""People, figures, deposit and badge, leaving, and asking to open a shop: each for whom it concerns."""

from __future__ import annotations

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

import clock
from orders import reviews
from refunds import figures
from shops import deposits, life
from shops.models import ApplicationDocument, Shop, ShopApplication, ShopMember
from tests.portal.conftest import browser, text

pytestmark = pytest.mark.django_db


def picture(colour="navy"):
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(drawn, "PNG")
    return SimpleUploadedFile("licence.png", drawn.getvalue(), "image/png")


def application(**fields):
    return {"name": "新店", "goods": "点卡", "about": "", "contact": "13800000000", "documents": [picture()]} | fields


# --- asking to open a shop --------------------------------------------------------------------------------------------


def test_a_buyer_asks_is_approved_and_comes_in(buyer, operator):
    seat = browser(buyer)
    assert seat.post("/shop/apply/", application(documents=[picture(), picture("red")])).status_code == 302
    page = text(seat.get("/shop/apply/"))
    assert "申请审核中" in page
    assert ApplicationDocument.objects.count() == 2
    assert seat.get("/shop/").status_code == 403
    life.approve(ShopApplication.objects.get(), by=operator, at=clock.now())
    assert "新店" in text(seat.get("/shop/"))


def test_a_rejected_buyer_reads_why_and_asks_again(buyer, operator):
    seat = browser(buyer)
    seat.post("/shop/apply/", application())
    life.reject(ShopApplication.objects.get(), by=operator, at=clock.now(), note="执照看不清")
    assert "执照看不清" in text(seat.get("/shop/apply/"))
    assert seat.post("/shop/apply/", application()).status_code == 302


@pytest.mark.parametrize(
    "fields",
    [
        {"documents": []},
        {"name": ""},
        {"documents": [SimpleUploadedFile("x.png", b"<svg onload=alert(1)>", "image/png")]},
        {"documents": [picture() for _ in range(7)]},
    ],
)
def test_an_application_that_cannot_be_looked_at_is_told_so(buyer, fields):
    assert "还不能提交" in text(browser(buyer).post("/shop/apply/", application(**fields)))
    assert not ShopApplication.objects.exists()


def test_staff_cannot_ask_for_a_shop(reviewer):
    assert "不能申请开店" in text(browser(reviewer).post("/shop/apply/", application()))


def test_papers_are_seen_by_their_applicant_and_by_operators_alone(
    buyer, stranger, merchant, reviewer, finance, operator
):
    browser(buyer).post("/shop/apply/", application())
    path = f"/shop/documents/{ApplicationDocument.objects.get().pk}/"
    for person, expected in [
        (buyer, 200),
        (operator, 200),
        (stranger, 404),
        (merchant, 404),
        (reviewer, 404),
        (finance, 404),
    ]:
        answer = browser(person).get(path)
        assert answer.status_code == expected, person
        if expected == 200:
            assert b"".join(answer.streaming_content).startswith(b"\xff\xd8\xff")  # painted anew
            assert "sandbox" in answer["Content-Security-Policy"]
            assert "no-store" in answer["Cache-Control"]


# --- people -----------------------------------------------------------------------------------------------------------


def test_an_owner_adds_and_removes_people_and_stays(keeper, merchant, shop, stranger):
    assert keeper.post("/shop/people/", {"username": "stranger", "role": "clerk"}).status_code == 302
    member = ShopMember.objects.get(user=stranger)
    keeper.post(f"/shop/people/{member.pk}/role/", {"role": "manager"})
    member.refresh_from_db()
    assert member.role == "manager"
    own = ShopMember.objects.get(user=merchant)
    answer = keeper.post(f"/shop/people/{own.pk}/remove/", follow=True)
    assert "最后一位店主" in text(answer)
    keeper.post(f"/shop/people/{member.pk}/remove/")
    assert list(shop.members.all()) == [merchant]


def test_names_are_not_tried_out_here(keeper):
    for n in range(20):
        assert "没有可以添加的账号" in text(keeper.post("/shop/people/", {"username": f"guess{n}", "role": "clerk"}))
    assert "尝试太多" in text(keeper.post("/shop/people/", {"username": "guess", "role": "clerk"}))


@pytest.mark.parametrize("role", ["manager", "clerk"])
def test_only_owners_keep_people_and_leave(staffed, role, shop):
    seat = staffed(role)
    member = shop.memberships.first()
    for path in ("/shop/people/", "/shop/leave/"):
        assert seat.get(path).status_code == 403
    for path in (f"/shop/people/{member.pk}/remove/", f"/shop/people/{member.pk}/role/", "/shop/leave/"):
        assert seat.post(path, {"role": "owner", "sure": "on"}).status_code == 403
    assert "店员" not in text(seat.get("/shop/")).split("</nav>")[1]
    shop.refresh_from_db()
    assert shop.status == "open"


def test_another_shops_people_are_not_there(rival, merchant):
    member = ShopMember.objects.get(user=merchant)
    assert rival.post(f"/shop/people/{member.pk}/remove/").status_code == 404
    assert ShopMember.objects.filter(pk=member.pk).exists()


# --- the shop ---------------------------------------------------------------------------------------------------------


def test_figures_and_badge_say_what_is_missing(keeper, shop, buy, finance):
    assert "每小时统计一次" in text(keeper.get("/shop/figures/"))
    buy()
    figures.compute(at=clock.now())
    page = text(keeper.get("/shop/figures/"))
    assert "100%" in page
    assert "<svg" in page
    deposits.record(shop, amount_fen=12_345, voucher="凭证7", note="首缴", by=finance, at=clock.now())
    page = text(keeper.get("/shop/deposit/"))
    for words in ("¥123.45", "凭证7", "首缴", "需要 ¥1,000.00", "近 90 天没有被处罚"):
        assert words in page


def test_leaving_is_asked_twice_and_stops_the_sale(keeper, shop):
    assert "还不能提交" in text(keeper.post("/shop/leave/", {}))
    assert Shop.objects.get().status == "open"
    keeper.post("/shop/leave/", {"sure": "on", "reason": "转行"})
    assert Shop.objects.get().status == "leaving"
    assert "退出中" in text(keeper.get("/shop/"))


def test_a_review_is_answered_once(keeper, rival, buyer, buy, reveal):
    order = buy()
    reveal(order)
    order.refresh_from_db()
    review = reviews.write(order, stars=2, text="客服太慢", by=buyer, at=clock.now(), about_refund=False)
    assert "客服太慢" in text(keeper.get("/shop/reviews/"))
    path = f"/shop/reviews/{review.pk}/reply/"
    assert rival.post(path, {"text": "假的"}).status_code == 404
    keeper.post(path, {"text": "抱歉，已改进"})
    keeper.post(path, {"text": "再说一次"})
    review.refresh_from_db()
    assert review.reply == "抱歉，已改进"
