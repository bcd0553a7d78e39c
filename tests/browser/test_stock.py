"""库存 in a browser: a list comes in on a phone without scripts, and progress moves with them."""

from __future__ import annotations

from typing import Any

import pytest

import clock
from shops import importing
from tests.browser.conftest import PHONE
from tests.browser.stage import LIST

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def work() -> None:
    while importing.sweep(at=clock.now()):
        pass


def choose(page: Any) -> None:
    """Choose the file and press 上传并检查."""
    file = {"name": "九月的卡密.csv", "mimeType": "text/csv", "buffer": LIST.encode()}
    page.locator("input[type=file]").set_input_files(files=[file])
    page.get_by_role("button", name="上传并检查").click()
    page.get_by_role("heading", name="正在检查").wait_for()


def test_a_list_comes_in_on_a_phone_without_scripts(chromium, enter, live_server, merchant, make_product):
    product = make_product(stock=0)
    context = chromium.new_context(viewport=PHONE, locale="zh-CN", java_script_enabled=False)
    enter(context, merchant)
    page = context.new_page()
    page.goto(f"{live_server.url}/shop/stock/")
    page.get_by_role("link", name=product.name).click()
    page.get_by_role("link", name="批量入库").click()
    choose(page)
    work()
    page.get_by_role("link", name="刷新").click()
    assert page.locator("tbody tr").count() == 2
    page.get_by_label("只入库没有问题的 40 张").check()
    page.get_by_role("button", name="入库 40 张").click()
    page.get_by_role("heading", name="正在入库").wait_for()
    work()
    page.get_by_role("link", name="刷新").click()
    page.get_by_role("link", name="看库存").click()
    assert page.locator("input[name=code]").count() == 20
    context.close()
    assert product.codes.filter(state="in_stock").count() == 40


def test_the_page_moves_on_by_itself(chromium, enter, live_server, merchant, make_product):
    product = make_product(stock=3)
    context = chromium.new_context(viewport=PHONE, locale="zh-CN")
    enter(context, merchant)
    page = context.new_page()
    page.goto(f"{live_server.url}/shop/products/{product.pk}/imports/")
    choose(page)
    work()
    page.get_by_role("heading", name="检查结果").wait_for()  # nobody pressed anything
    context.close()
