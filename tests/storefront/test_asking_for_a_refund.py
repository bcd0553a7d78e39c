"""Applying and following: the answer before the question is sent, nothing typed is lost, nobody else's business."""

from __future__ import annotations

import pytest
from django.utils.html import escape

import clock
from refunds import lifecycle
from refunds.models import Evidence, Refund, Status
from tests.storefront.conftest import words

pytestmark = pytest.mark.django_db

ASKED = {"reason": "invalid_code", "amount": "30.00", "description": "11月20日兑换，提示已使用"}


def test_asking_leads_to_the_progress_page(shopper, buy, picture):
    order = buy(price_fen=3000)
    answer = shopper.post(f"/orders/{order.order_no}/refund/", ASKED | {"contact": "13800000000", "images": picture()})
    refund = Refund.objects.get()
    assert answer.headers["Location"] == f"/refunds/{refund.refund_no}/"
    assert (refund.amount_fen, refund.contact, refund.reason) == (3000, "13800000000", "invalid_code")
    page = words(shopper.get(f"/refunds/{refund.refund_no}/"))
    for said in [refund.refund_no, "¥30.00", "现在由谁处理", "最迟", "已提交", "系统初审"]:
        assert said in page


def test_the_answer_stands_there_before_submitting(shopper, buy, reveal):
    """B5: the same rules as the pre-check's, live and without JavaScript."""
    small = buy(price_fen=3000)
    assert "可自动退款" in words(shopper.get(f"/orders/{small.order_no}/refund/"))
    dear = buy(price_fen=8800)
    reveal(dear)
    page = words(shopper.get(f"/orders/{dear.order_no}/refund/"))
    assert "将由人工审核" in page
    strict = buy(price_fen=3000, window_days=0)
    assert "按规则不能退" in words(shopper.get(f"/orders/{strict.order_no}/refund/"))
    partial = shopper.post(
        f"/orders/{small.order_no}/refund/", {"check": "1", "amount": "999"}, headers={"HX-Request": "true"}
    )
    assert "申请金额超过剩余可退金额" in words(partial)
    assert "<html" not in words(partial)
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    "amount", ["abc", "1.234", "-5", "0", "1e3", "30.01", "9999999999999", "１２．３４５", "٣", "1\x00"]
)
def test_a_wrong_amount_is_said_and_nothing_is_lost(shopper, buy, amount):
    order = buy(price_fen=3000)
    answer = shopper.post(f"/orders/{order.order_no}/refund/", ASKED | {"amount": amount})
    assert answer.status_code == 200
    page = words(answer)
    assert 'id="errors"' in page
    assert "11月20日兑换，提示已使用" in page
    assert 'value="invalid_code" required checked' in page
    assert not Refund.objects.exists()


@pytest.mark.parametrize(
    ("typed", "fen"), [("12.5", 1250), ("¥12.50", 1250), ("１２．５０", 1250), ("12 元", 1200), ("0.01", 1), ("", 3000)]
)
def test_an_amount_is_read_exactly(shopper, buy, typed, fen):
    order = buy(price_fen=3000)
    shopper.post(f"/orders/{order.order_no}/refund/", ASKED | {"amount": typed})
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
    ],
)
def test_bad_words_get_an_error_beside_the_field(shopper, buy, fields):
    order = buy(price_fen=3000)
    answer = shopper.post(f"/orders/{order.order_no}/refund/", ASKED | fields)
    assert answer.status_code == 200
    assert 'id="errors"' in words(answer)
    assert not Refund.objects.exists()


def test_an_image_that_is_none_is_said_beside_the_field(shopper, buy, picture):
    order = buy(price_fen=3000)
    place = f"/orders/{order.order_no}/refund/"
    page = words(shopper.post(place, ASKED | {"images": picture(b"just text", "evidence.jpg")}))
    assert "只能上传 JPG、PNG 或 WebP 图片" in page
    assert "11月20日兑换" in page
    page = words(shopper.post(place, ASKED | {"images": [picture() for _ in range(7)]}))
    assert "最多 6 张图片" in page
    assert not Refund.objects.exists()


def test_lines_are_chosen(shopper, buy):
    order = buy(price_fen=3000, quantity=3)
    place = f"/orders/{order.order_no}/refund/"
    first, second, _ = order.lines.order_by("position")
    assert "请至少选择一件商品" in words(shopper.post(place, ASKED | {"amount": ""}))
    foreign = buy(price_fen=3000).lines.get()
    assert 'id="errors"' in words(shopper.post(place, ASKED | {"amount": "", "lines": [foreign.pk]}))
    shopper.post(place, ASKED | {"amount": "", "lines": [first.pk, second.pk]})
    refund = Refund.objects.get()
    assert refund.amount_fen == 6000
    assert {line.order_line_id for line in refund.lines.all()} == {first.pk, second.pk}


def test_a_second_application_leads_to_the_first(shopper, buy, apply):
    """S0-27."""
    order = buy(price_fen=8800)
    refund = apply(order)
    for answer in [
        shopper.get(f"/orders/{order.order_no}/refund/"),
        shopper.post(f"/orders/{order.order_no}/refund/", ASKED),
    ]:
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
    lifecycle.reject([refund], by=reviewer, at=clock.now(), note="已兑换")
    news = shopper.get(poll, headers={"HX-Request": "true"})
    assert "退款未通过" in words(news)
    assert "已兑换" in words(news)
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


def test_a_step_that_is_not_due_is_refused_in_words(shopper, buy, apply):
    refund = apply(buy(price_fen=8800))
    page = words(shopper.post(f"/refunds/{refund.refund_no}/confirm/", follow=True))
    assert "不能再做这一步" in page


def test_an_image_is_for_those_of_the_case(shopper, other, client, buy, merchant, reviewer, picture):
    """X7."""
    order = buy(price_fen=8800)
    shopper.post(f"/orders/{order.order_no}/refund/", ASKED | {"images": picture(name="../../etc.png")})
    place = f"/evidence/{Evidence.objects.get().pk}/"
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
        answer = client.get(place)
        assert answer.status_code == 200
        assert b"".join(answer.streaming_content)
        client.logout()
