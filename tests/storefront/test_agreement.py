"""《用户协议》: to read, to keep, and to agree to by its version."""

from __future__ import annotations

import html
import re

import pytest
from django.utils import translation

from orders.agreement import VERSION
from orders.models import Order
from storefront import agreement
from tests.storefront.conftest import words

LAW = re.compile(r"第\s*[\d一二三四五六七八九十百]+\s*条|《.{2,12}法》|\b[Aa]rticle \d")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_and_the_file_say_the_same(client, settings, language, db):
    """S1-6, S4-17: both are there for everybody, before ordering."""
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    page = html.unescape(re.sub(r"<[^>]+>", "", words(client.get("/agreement/"))))
    answer = client.get("/agreement.txt")
    assert f"user-agreement-v{VERSION}.txt" in answer.headers["Content-Disposition"]
    text = words(answer)
    with translation.override(language):
        sections = agreement.sections()
    for section in sections:
        assert all(said in page and said in text for said in [section.title, *section.points])
    assert len(sections) == 10
    assert not LAW.search(text)  # no article of law is cited to users


def test_it_names_the_ways_out_of_a_dispute_and_what_is_kept(client, db):
    """Our review, then the channel, 12315, arbitration or a court."""
    page = words(client.get("/agreement/"))
    for said in ["先由平台审核", "12315", "仲裁", "微信、支付宝的账单里反馈", "长期保存", "96110"]:
        assert said in page


def test_it_is_linked_where_it_is_agreed_to(client, make_product):
    """B2: checkout and sign-up name it, every page's foot leads to it."""
    product = make_product()
    page = words(client.get(f"/p/{product.pk}/"))
    assert f"我已阅读并同意退款政策“标准 v{product.policy.version}”和《用户协议》v{VERSION}" in page
    assert page.count('href="/agreement/"') == 3  # above, beside the tick, in the foot
    assert '同意<a href="/agreement/">《用户协议》</a>' in words(client.get("/accounts/signup/"))
    assert 'href="/agreement/"' in words(client.get("/help/"))


def test_an_order_keeps_the_version_that_was_agreed_to(shopper, purchase, make_product):
    """S4-17, PM19: in its product page, and in the text that its buyer keeps."""
    purchase(make_product())
    order = Order.objects.get()
    line = order.lines.get()
    assert line.product_page["agreement"] == VERSION
    assert f"同时适用《用户协议》v{VERSION}。" in words(shopper.get(f"/orders/{order.order_no}/policy.txt"))
