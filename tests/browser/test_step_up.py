"""A dear code in a browser: the house asks who looks, by password or by authenticator, on a phone, without scripts."""

from __future__ import annotations

import re

import pytest
from allauth.mfa.totp.internal import auth as totp

from shops.models import CardCode
from tests.browser.conftest import PHONE
from tests.browser.test_pages import LOOKS, _context, _look_at, _watched
from tests.cast import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DEAR = 50000


@pytest.fixture
def dear(live_server, buy):
    """Where a dear code is viewed."""
    return lambda: f"{live_server.url}/orders/{buy(price_fen=DEAR).order_no}/lines/1/reveal/"


def code_of(secret: str) -> str:
    return totp.format_hotp_value(totp.hotp_value(secret, next(iter(totp.yield_hotp_counters_from_time()))))


def test_a_password_opens_it_on_a_phone_without_scripts(chromium, enter, buyer, dear):
    context = chromium.new_context(viewport=PHONE, locale="zh-CN", java_script_enabled=False)
    enter(context, buyer)
    page = context.new_page()
    page.goto(dear())
    page.get_by_role("link", name="去确认").click()
    page.get_by_role("heading", name="确认是您本人").wait_for()
    page.get_by_label("密码").fill("not the password")
    page.get_by_role("button", name="确认").click()
    page.get_by_text("密码不对，请重新输入。").first.wait_for()
    page.get_by_label("密码").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="确认查看").click()
    page.locator("#code").wait_for()
    context.close()
    assert CardCode.objects.filter(state="revealed").count() == 1


def test_where_a_second_factor_is_on_only_the_authenticator_is_asked(chromium, enter, buyer, dear):
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(buyer, secret)
    context = chromium.new_context(viewport=PHONE, locale="zh-CN")
    enter(context, buyer)
    page = context.new_page()
    page.goto(dear())
    page.get_by_role("link", name="去确认").click()
    assert page.get_by_role("link", name="密码").count() == 0  # it would lead in a circle
    page.get_by_label("动态验证码").fill("000000")
    page.get_by_role("button", name="确认").click()
    page.get_by_role("alert").get_by_text("验证码不对，请重新输入。").wait_for()
    page.get_by_label("动态验证码").fill(code_of(secret))
    page.get_by_role("button", name="确认").click()
    page.get_by_role("button", name="确认查看").click()
    page.locator("#code").wait_for()
    context.close()
    assert CardCode.objects.filter(state="revealed").count() == 1


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_both_pages_are_accessible_in_both_languages(language, chromium, enter, live_server, buyer, keep):
    faults: list[str] = []
    totp.TOTP.activate(buyer, totp.generate_totp_secret())
    for scheme, size in LOOKS:
        look = f"{language}-{scheme}-{size['width']}"
        context = _context(chromium, scheme, size)
        enter(context, buyer)
        context.add_cookies([{"name": "cardshop_language", "value": language, "url": live_server.url}])
        page = _watched(context, live_server.url, faults)
        for name, path in (("password", "/accounts/reauthenticate/"), ("mfa", "/accounts/2fa/reauthenticate/")):
            page.goto(f"{live_server.url}{path}?next=/orders/")
            faults += _look_at(page, f"{name}-{look}", keep)
            page.locator("main form input:not([type=hidden]):visible").fill("000000")
            page.locator("main form button").click()
            page.locator("#errors").wait_for()
            assert page.locator("main input[name=next]").input_value() == "/orders/"
            faults += _look_at(page, f"{name}-wrong-{look}", keep)
            if language == "en":
                faults += re.findall(r".*[\u4e00-\u9fff].*", page.inner_text("main"))
        context.close()
    assert faults == []
