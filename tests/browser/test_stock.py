"""库存 in a browser: a list comes in on a phone without scripts, progress moves with them, every page is accessible."""

from __future__ import annotations

from typing import Any

import pytest

import clock
from shops import importing, quarantine, stock
from tests.browser.conftest import PHONE
from tests.browser.test_pages import LOOKS, _context, _look_at, _watched

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LIST = "卡密,有效期至\n" + "".join(f"CARD-{number:04d},2999-12-31\n" for number in range(40)) + "=1+1,\nCARD-0001,\n"


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


def test_the_page_moves_on_by_itself_and_every_page_is_accessible(
    chromium, enter, live_server, merchant, make_product, keep
):
    faults: list[str] = []
    product = make_product(stock=3)
    for scheme, size in LOOKS:
        look = f"{scheme}-{size['width']}"
        context = _context(chromium, scheme, size)
        enter(context, merchant)
        page = _watched(context, live_server.url, faults)
        page.goto(f"{live_server.url}/shop/products/{product.pk}/imports/")
        choose(page)
        faults += _look_at(page, f"stock_checking-{look}", keep)
        work()
        page.get_by_role("heading", name="检查结果").wait_for()  # nobody pressed anything
        faults += _look_at(page, f"stock_checked-{look}", keep)
        for name, path in _pages(product, merchant).items():
            page.goto(live_server.url + path)
            faults += _look_at(page, f"{name}-{look}", keep)
        context.close()
    assert faults == []


def _pages(product: Any, merchant: Any) -> dict[str, str]:
    (code,) = stock.add(product, [f"CODE-{clock.now().isoformat()}"], at=clock.now())
    quarantine.take_out(product, [code.pk], by=merchant, at=clock.now())
    done = importing.upload(
        product, f"D-{clock.now().isoformat()}".encode(), file_name="a.csv", by=merchant, at=clock.now()
    )
    work()
    importing.confirm(done, good=1, is_part=False, by=merchant, at=clock.now())
    work()
    bad = importing.upload(product, b"PK\x03\x04 no", file_name="b.xlsx", by=merchant, at=clock.now())
    work()
    return {
        "stock": "/shop/stock/",
        "stock_product": f"/shop/products/{product.pk}/stock/",
        "stock_quarantine": f"/shop/products/{product.pk}/stock/?state=quarantined",
        "stock_void": f"/shop/products/{product.pk}/stock/?state=void",
        "stock_code": f"/shop/codes/{code.pk}/",
        "stock_imports": f"/shop/products/{product.pk}/imports/",
        "stock_imported": f"/shop/imports/{done.pk}/",
        "stock_bad_file": f"/shop/imports/{bad.pk}/",
    }
