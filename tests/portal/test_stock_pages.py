"""库存 pages: what a shop sees of its codes, and how a list comes in through the door (M5)."""

from __future__ import annotations

import io
import re
import tempfile
import uuid
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

import clock
from orders import delivery, placing
from orders.models import Reservation
from shops import importing, spreadsheets, stock
from shops.models import CardCode, CodeState, ImportStatus, Shop, ShopMember, ShopRole, StockImport
from shops.stock import Viewer
from storefront.templatetags.words import moment
from tests.cast import person

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(merchant) -> Client:
    """The merchant's browser."""
    client = Client()
    client.force_login(merchant)
    return client


@pytest.fixture
def product(make_product):
    return make_product(stock=0)


def a_file(data: bytes, name: str = "codes.csv") -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


def upload(desk: Client, product: Any, data: bytes) -> str:
    """Choose a file and press 上传并检查; the address of the import's page."""
    answer = desk.post(f"/shop/products/{product.pk}/imports/", {"file": a_file(data)})
    assert answer.status_code == 302, words(answer)
    return str(answer["Location"])


def work() -> None:
    while importing.sweep(at=clock.now()):
        pass


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


# --- importing --------------------------------------------------------------------------------------------------------


def test_a_list_comes_in_as_a_browser_without_scripts_sends_it(desk, product):
    page = upload(desk, product, "卡密\r\nGOOD-1\r\nGOOD-2\r\n".encode())
    assert "正在检查" in words(desk.get(page))
    work()
    checked = desk.get(page)
    assert "入库 2 张" in words(checked)
    assert desk.post(f"{page}confirm/", {"good": "2"})["Location"] == page
    assert "正在入库" in words(desk.get(page))
    work()
    assert "已入库" in words(desk.get(page))
    assert product.codes.filter(state=CodeState.IN_STOCK).count() == 2
    assert "在库 2" in words(desk.get("/shop/stock/"))


def test_problems_are_listed_by_line_and_never_with_the_text(desk, product):
    page = upload(desk, product, b"SECRET-GOOD\n=SECRET-BAD\nSECRET-GOOD\n")
    work()
    shown = words(desk.get(page))
    assert re.search(r"2 以 = \+ - @", shown)
    assert re.search(r"3 与本文件中前面的一行相同", shown)
    assert "SECRET" not in shown
    desk.post(f"{page}confirm/", {"good": "1"})
    assert StockImport.objects.get().status == ImportStatus.CHECKED  # not without the tick
    desk.post(f"{page}confirm/", {"good": "1", "part": "on"})
    work()
    assert product.codes.count() == 1


def test_only_the_first_hundred_problems_are_listed(desk, product):
    page = upload(desk, product, b"=1\n" * 130)
    work()
    answer = desk.get(page)
    assert answer.content.count(b"<tr><td") == importing.MOST_SHOWN
    assert "另有 30 行" in words(answer)
    assert 'id="confirm"' not in answer.content.decode()


def test_progress_is_polled_until_there_is_something_new(desk, product):
    page = upload(desk, product, b"GOOD-1\n")
    while_working = desk.get(f"{page}progress/", headers={"HX-Request": "true"})
    assert "正在检查" in words(while_working)
    assert "<html" not in while_working.content.decode()
    work()
    assert desk.get(f"{page}progress/", headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    assert desk.get(f"{page}progress/")["Location"] == page


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "文件是空的"),
        (b"\xd0\xcf\x11\xe0" + b"x" * 20, "旧版 Excel"),
        (b"x" * (spreadsheets.MAX_BYTES + 1), "文件过大"),
        (b"x" * (2 * spreadsheets.MAX_BYTES), "文件过大"),
    ],
    ids=["empty", "xls", "a byte too many", "twice as much"],
)
def test_what_cannot_be_a_list_is_refused_on_the_spot(desk, product, data, said):
    answer = desk.post(f"/shop/products/{product.pk}/imports/", {"file": a_file(data)})
    assert answer.status_code == 200
    assert said in words(answer)
    assert not StockImport.objects.exists()


def test_a_large_list_touches_no_disk_on_its_way_in(merchant, product, monkeypatch):
    """I15: past the size from which Django writes uploads to a temporary file, the form's token checked."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a temporary file")

    for name in ("NamedTemporaryFile", "TemporaryFile", "mkstemp", "SpooledTemporaryFile"):
        monkeypatch.setattr(tempfile, name, refuse)
    monkeypatch.setattr("django.core.files.uploadedfile.TemporaryUploadedFile.__init__", refuse)
    desk = Client(enforce_csrf_checks=True)
    desk.force_login(merchant)
    address = f"/shop/products/{product.pk}/imports/"
    token = re.search(r'csrfmiddlewaretoken" value="(\w+)"', desk.get(address).content.decode()).group(1)
    data = b"\n".join(b"LARGE-%07d-" % n + b"x" * 40 for n in range(90_000))
    assert len(data) > settings.FILE_UPLOAD_MAX_MEMORY_SIZE
    assert desk.post(address, {"file": a_file(data)}).status_code == 403
    assert desk.post(address, {"csrfmiddlewaretoken": token, "file": a_file(data)}).status_code == 302
    assert StockImport.objects.get().line_count == 90_000


def test_a_list_can_be_given_up(desk, product):
    page = upload(desk, product, b"GOOD-1\n")
    work()
    assert desk.post(f"{page}discard/").status_code == 302
    assert "已放弃" in words(desk.get(page))
    assert not product.codes.exists()


def test_a_list_that_turned_out_bad_is_taken_out_as_a_whole(desk, product, buyer):
    page = upload(desk, product, b"A-1\nA-2\nA-3\n")
    work()
    desk.post(f"{page}confirm/", {"good": "3"})
    work()
    placing.place(product, placing.Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    assert "已下架 2 张" in words(desk.post(f"{page}take-out/", follow=True))
    states = product.codes.values_list("state", flat=True)
    assert sorted(states) == [CodeState.QUARANTINED, CodeState.QUARANTINED, CodeState.RESERVED]


# --- codes ------------------------------------------------------------------------------------------------------------


def test_codes_are_listed_by_state_page_by_page_and_never_with_their_text(desk, product):
    stock.add(product, [f"SECRET-{number}" for number in range(25)], at=clock.now())
    first = desk.get(f"/shop/products/{product.pk}/stock/")
    following = re.search(r'href="\?state=in_stock&amp;after=([^"]+)"', first.content.decode()).group(1)
    second = desk.get(f"/shop/products/{product.pk}/stock/?state=in_stock&after={following}")
    keys = [re.findall(r'name="code" value="([^"]+)"', answer.content.decode()) for answer in (first, second)]
    assert (len(keys[0]), len(keys[1])) == (20, 5)
    assert {*keys[0], *keys[1]} == {str(pk) for pk in product.codes.values_list("pk", flat=True)}
    assert "SECRET" not in words(first) + words(second)
    assert "在库 25" in words(first)


def test_a_bad_mark_or_state_starts_anew(desk, product):
    stock.add(product, ["A-1"], at=clock.now())
    for query in ("state=nothing", "after=1-2", "after=x", f"after=1-{uuid.uuid4()}", "after=99999999999999999999-1"):
        assert desk.get(f"/shop/products/{product.pk}/stock/?{query}").status_code == 200


def test_the_ticked_codes_are_taken_out_of_sale(desk, product, buyer):
    first, second, third = stock.add(product, ["A-1", "A-2", "A-3"], at=clock.now())
    order = placing.place(product, placing.Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now())
    sold = Reservation.objects.get(line__order=order).code_id
    left = [code.pk for code in (first, second, third) if code.pk != sold]
    answer = desk.post(f"/shop/products/{product.pk}/stock/take-out/", {"code": [sold, left[0]]}, follow=True)
    assert "已下架 1 张" in words(answer)
    assert CardCode.objects.get(pk=sold).state == CodeState.RESERVED
    assert CardCode.objects.get(pk=left[0]).state == CodeState.QUARANTINED
    assert CardCode.objects.get(pk=left[1]).state == CodeState.IN_STOCK
    assert desk.post(f"/shop/products/{product.pk}/stock/take-out/", {"code": "x"}).status_code == 404


def test_from_quarantine_only_what_was_checked_is_sold_again(desk, product, merchant):
    (code,) = stock.add(product, ["A-1"], at=clock.now())
    stock.take_out(CardCode.objects.filter(pk=code.pk), by=merchant, at=clock.now())
    assert "请先核验" in words(desk.post(f"/shop/codes/{code.pk}/release/", follow=True))
    answer = desk.post(f"/shop/codes/{code.pk}/release/", {"checked": "on"}, follow=True)
    assert "已重新入库" in words(answer)
    assert product.codes.filter(state=CodeState.IN_STOCK).count() == 1
    again = desk.post(f"/shop/codes/{code.pk}/release/", {"checked": "on"}, follow=True)
    assert "已经重新入库" in words(again)
    assert product.codes.count() == 2


def test_what_was_seen_is_never_sold_again(desk, product, buyer, pay):
    stock.add(product, ["A-1"], at=clock.now())
    order = pay(placing.place(product, placing.Wish(), buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))
    delivery.reveal(order.lines.get(), viewer=Viewer(buyer, "203.0.113.7", "phone"), at=clock.now())
    code = product.codes.get()
    shown = desk.get(f"/shop/codes/{code.pk}/")
    assert "首次查看" in words(shown)
    assert "203.0.113.7" not in words(shown)
    assert "不在隔离中" in words(desk.post(f"/shop/codes/{code.pk}/release/", {"checked": "on"}, follow=True))
    assert product.codes.get().state == CodeState.REVEALED


# --- whose ------------------------------------------------------------------------------------------------------------


def test_a_clerk_serves_and_does_not_keep_stock(product, shop):
    clerk = person("clerk", "merchant")
    ShopMember.objects.create(shop=shop, user=clerk, role=ShopRole.CLERK)
    client = Client()
    client.force_login(clerk)
    for path in ("/shop/stock/", f"/shop/products/{product.pk}/stock/", f"/shop/products/{product.pk}/imports/"):
        assert client.get(path).status_code == 403
    assert client.post(f"/shop/products/{product.pk}/imports/", {"file": a_file(b"A-1")}).status_code == 403


def test_another_shops_stock_is_not_there(desk, make_product):
    """X8."""
    rival = Shop.objects.create(name="另一家店", created_at=clock.now())
    theirs = make_product(stock=1, shop=rival)
    owner = person("rival", "merchant")
    rival.members.add(owner)
    row = importing.upload(theirs, b"A-1", file_name="a.csv", by=owner, at=clock.now())
    for path in (
        f"/shop/products/{theirs.pk}/stock/", f"/shop/products/{theirs.pk}/imports/", f"/shop/imports/{row.pk}/",
        f"/shop/imports/{row.pk}/progress/", f"/shop/codes/{theirs.codes.get().pk}/",
    ):  # fmt: skip
        assert desk.get(path).status_code == 404, path
    for path in (f"/shop/imports/{row.pk}/confirm/", f"/shop/imports/{row.pk}/discard/"):
        assert desk.post(path).status_code == 404, path


def test_a_row_of_stock_begins_with_the_day_it_came_in(desk, make_product):
    product = make_product(stock=1)
    code = product.codes.get()
    page = words(desk.get(f"/shop/products/{product.pk}/stock/"))
    assert page.index("入库 " + moment(code.created_at)) < page.index("…" + str(code.pk)[-12:])
