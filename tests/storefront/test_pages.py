"""Pages say what they must. That every page answers, in both languages, stands in tests/access/test_languages.py."""

from __future__ import annotations

import pytest
from django.urls import reverse

import clock
from refunds import lifecycle

pytestmark = pytest.mark.django_db


@pytest.fixture
def visit(client, buyer):
    """The buyer, logged in, opens a page: ``visit("/orders/")`` gives its text."""
    client.force_login(buyer)

    def open_page(path: str, status: int = 200) -> str:
        answer = client.get(path)
        assert answer.status_code == status, (path, answer.status_code, answer.headers.get("Location"))
        return answer.content.decode()

    return open_page


def test_what_is_asked_for_stands_on_the_refunds_page(visit, reviewed, reviewer):
    refund = reviewed()
    lifecycle.request_evidence([refund], by=reviewer, at=clock.now(), note="请补充兑换截图")
    assert "请补充兑换截图" in visit(f"/refunds/{refund.refund_no}/")


def test_support_can_be_reached_wherever_it_is_named(client, settings):
    """联系客服 leads to a place that says how; an address that nobody reads is not given."""
    settings.DEFAULT_FROM_EMAIL = "noreply@localhost"
    page = client.get("/help/").content.decode()
    assert 'id="contact"' in page
    assert "mailto:" not in page
    settings.DEFAULT_FROM_EMAIL = "卡盟客服 <kefu@shop.example>"
    assert 'href="mailto:kefu@shop.example"' in client.get("/help/").content.decode()


def test_every_page_names_the_zone_of_its_times(client, settings):
    assert "时间均为北京时间（UTC+8）。" in client.get("/").content.decode()
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "en"
    page = client.get("/help/").content.decode()
    assert "All times are Beijing time (UTC+8)." in page


def test_a_password_is_refused_in_the_readers_language(client):
    answer = client.post(
        reverse("account_signup"),
        {"username": "newcomer", "email": "newcomer@example.com", "password1": "a1b2c3", "password2": "a1b2c3"},
    )
    page = answer.content.decode()
    assert "密码太短，至少要有 12 个字符。" in page
    assert "too short" not in page


def test_a_page_that_is_not_there_keeps_the_way_on(client, visit, merchant):
    assert 'href="/orders/">我的订单' in visit("/orders/D0000000000000/", 404)
    client.force_login(merchant)
    page = client.get("/shop/refunds/R0000000000000/").content.decode()
    assert 'href="/shop/">回我的店铺' in page
    assert 'aria-label="主导航"' in page


@pytest.mark.parametrize(
    ("terms", "said", "not_said"),
    [
        ({"shop_cancel_penalty_percent": 5}, ["取消金额的 5% 作违约金", "系统自动取消并退款"], ["等多久由您决定"]),
        ({"shop_cancel_penalty_percent": 0}, ["买家取消不收取消费"], ["违约金，"]),
        ({"late_refund_is_automatic": False}, ["等多久由您决定"], ["系统自动取消并退款"]),
        ({"window_days": 0}, ["交付后不支持退款", "没有无理由退款期"], ["天内可申请退款"]),
    ],
)
def test_the_policy_page_and_its_text_say_the_versions_own_numbers(client, make_product, terms, said, not_said):
    """S4-28: the fixed sections, scam advice among them, of a page and a file that cannot differ."""
    policy = make_product(**terms).policy
    page = client.get(f"/policies/{policy.code}/{policy.version}/").content.decode()
    text = client.get(f"/policies/{policy.code}/{policy.version}.txt").content.decode()
    for title in ("售后期", "无理由退款", "费用与违约金", "审核与放款时间", "不可退款情形", "防骗提醒"):
        assert title in page
        assert title in text
    for words in (*said, "96110"):
        assert words in page
        assert words in text
    assert not [words for words in not_said if words in page or words in text]


def test_the_policy_page_leads_back_to_where_the_reader_came_from(client, make_product):
    product = make_product()
    place = f"/policies/{product.policy.code}/{product.policy.version}/"

    def back(referer: str) -> str:
        page = client.get(place, headers={"Referer": referer}).content.decode()
        return page.split('class="back" href="')[1].split('"')[0]

    assert back(f"http://testserver/p/{product.pk}/") == f"/p/{product.pk}/"
    for elsewhere in ["https://evil.example/p/1/", "javascript:alert(1)", "http://testserver//evil.example/", place]:
        assert back(elsewhere) == "/"
