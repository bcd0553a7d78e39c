"""金丝雀卡密: five thousand codes go through everything the shop does, and not one stands anywhere in clear (PM16, I15,
X16, X20).

They are imported, sold, looked at, pasted by their buyers into every box there is, disputed and refunded. Then
everything that outlives the run is searched: a dump of the database, all of Valkey, logs, e-mails, files, and every
page and file that anybody was given, but for the one answer that shows a buyer the code.
"""

from __future__ import annotations

import base64
import logging
import os
import secrets
import subprocess
import uuid
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from django.conf import settings
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse

import clock
from accounts.models import User
from cardshop import embedded
from orders import delivery, placing, reviews, talk
from orders.models import Order
from orders.placing import Wish
from records import roots
from refunds import lifecycle
from refunds.models import Refund, Status
from shops import importing, stock
from shops.models import CardCode, Product, RefundPolicy

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS = 12


def canary() -> str:
    return f"ZQ7CANARY-{secrets.token_hex(8).upper()}"


@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.nightly)])
def test_no_code_stands_anywhere_in_clear(count, run, request, caplog, capfd, tmp_path):
    caplog.set_level(logging.DEBUG)
    codes = [canary() for _ in range(count)]
    run.live_through(codes)
    with capfd.disabled():
        places = {
            "database": dump(tmp_path),
            "valkey": everything_in_valkey(),
            "logs": caplog.text.encode() + b"".join(map(str.encode, capfd.readouterr())),
            "log files": b"".join(path.read_bytes() for path in folder().rglob("*.log")),
            "uploads": b"".join(path.read_bytes() for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()),
            "e-mails": b"".join(letter.message().as_bytes() for letter in mail.outbox),
            "pages": b"\n".join(run.pages),
        }
    assert len(places["database"]) > 100 * count
    assert run.shown, "no buyer was shown a code: nothing was tried"
    for code, page in run.shown.items():
        assert code.encode() in page
    for place, content in places.items():
        assert found(codes, content) == [], place
    assert b"QUARANTINED".lower() in places["database"].lower()


def test_the_search_finds_what_it_looks_for(tmp_path, buyer):
    """Planted in clear, in base64 at every alignment, in hex: found, each time; and in a row of the database too."""
    code = canary()
    for before in ("", "a", "ab"):
        assert found([code], base64.b64encode(f"{before}{code}!".encode()))
        assert found([code], base64.urlsafe_b64encode(f"{before}{code}!".encode()))
    for content in (code, code.lower(), code.encode().hex(), code.encode().hex().upper(), f"x{code}x"):
        assert found([code], content.encode())
    assert not found([code], canary().encode())
    User.objects.filter(pk=buyer.pk).update(first_name=code)
    assert found([code], dump(tmp_path))
    client = redis.Redis.from_url(settings.REDIS_URL)
    client.set("canary", code)
    assert found([code], everything_in_valkey())
    client.delete("canary")


# --- the run ----------------------------------------------------------------------------------------------------------


class Run:
    """The life of a shop with these codes. ``pages``: every answer that anybody got; ``shown``: code → the one answer
    that shows it."""

    def __init__(self, tools) -> None:
        self.tools = tools
        self.pages: list[bytes] = []
        self.shown: dict[str, bytes] = {}

    def live_through(self, codes: list[str]) -> None:
        product = self.stock_up(codes)
        orders = [self.sell(product, quantity=1 + number % 3) for number in range(ORDERS)]
        for number, order in enumerate(orders):
            if number % 2:
                self.look_at(order)
        for number, order in enumerate(orders[: ORDERS - 2]):
            self.ask_back(order, number)
        self.tools["drain"]()
        self.go_wrong(codes, orders)
        roots.publish(at=roots.now() + roots.ONE_DAY)
        for order in orders:
            self.read_everything(order, product)
        assert {"arrived", "rejected", "withdrawn"} <= set(Refund.objects.values_list("status", flat=True))

    def stock_up(self, codes: list[str]) -> Product:
        """A part by hand, the others from an uploaded list with a duplicate in it."""
        at, shop, merchant = clock.now(), self.tools["shop"], self.tools["merchant"]
        policy = RefundPolicy.objects.create(
            code="canary", version=1, name="标准", name_en="Standard", window_days=15, published_at=at,
            one_click_daily_cap_fen=10_000_000,
        )  # fmt: skip
        product = Product.objects.create(shop=shop, policy=policy, name="金丝雀", price_fen=3000, created_at=at)
        half = len(codes) // 2
        stock.add(product, codes[:half], at=at)
        lines = "\r\n".join([*codes[half:], codes[0]]).encode()
        batch = importing.upload(product, lines, file_name="codes.csv", by=merchant, at=at)
        self.work()
        batch.refresh_from_db()
        assert (batch.status, batch.problem_count) == ("checked", 1)
        self.visit(merchant, "/shop/stock/", f"/shop/imports/{batch.pk}/")
        importing.confirm(batch, good=len(codes) - half, is_part=True, by=merchant, at=clock.now())
        self.work()
        assert CardCode.objects.filter(product=product).count() == len(codes)
        return product

    def look_over_stock(self, order: Order) -> None:
        code = order.lines.first().delivery.code_id
        self.visit(
            self.tools["merchant"],
            f"/shop/products/{order.lines.first().product_id}/stock/",
            f"/shop/codes/{code}/",
        )

    def work(self) -> None:
        while importing.sweep(at=clock.now()):
            pass

    def sell(self, product: Product, quantity: int) -> Order:
        order = placing.place(
            product, Wish(quantity, again=True), buyer=self.tools["buyer"], checkout_key=uuid.uuid4(), at=clock.now()
        )
        return self.tools["pay"](order)

    def look_at(self, order: Order) -> None:
        """Through the front door: the only answers that may show a code. The buyer then tells everybody."""
        client = Client(raise_request_exception=False)
        client.force_login(order.buyer)
        for line in order.lines.order_by("position"):
            place = reverse("storefront:reveal", args=[order.order_no, line.position])
            self.pages.append(client.get(place).content)
            answer = client.post(place)
            demand_shown(answer)
            text = opened(line.delivery.code_id)
            self.shown[text] = answer.content
            self.pages.append(str(answer.headers).encode())
            words = (f"我的卡密 {text} 用不了", f"卡密：{text.lower()}", text.replace("-", " - "))
            talk.say(order, words[(order.pk + line.position) % 3], by=order.buyer, at=clock.now())
        order.refresh_from_db()
        reviews.write(order, stars=1, text=f"{text} 无效", by=order.buyer, at=clock.now(), about_refund=False)

    def ask_back(self, order: Order, number: int) -> None:
        """Unseen ones go back by themselves; seen ones are quarrelled about, with the code in every box."""
        text = self.text_of(order)
        case = self.tools["apply"](order, description=f"{text} 提示已使用", contact="13800000000")
        reviewer, finance = self.tools["reviewer"], self.tools["finance"]
        if case.status != Status.MERCHANT_REVIEW:
            return
        lifecycle.contest([case], by=self.tools["merchant"], at=clock.now(), note=f"{text} 在我们这里查不到问题")
        lifecycle.request_evidence([case], by=reviewer, at=clock.now(), note="请补充截图")
        lifecycle.provide_evidence(case, by=order.buyer, at=clock.now(), note=f"就是这个 {text}")
        if number % 3 == 0:
            lifecycle.reject([case], by=reviewer, at=clock.now(), note="与发卡方记录不符")
        elif number % 3 == 1:
            lifecycle.withdraw(case, by=order.buyer, at=clock.now())
        else:
            from refunds import disbursement

            lifecycle.approve([case], by=reviewer, at=clock.now())
            disbursement.release([case], by=finance, at=clock.now())

    def text_of(self, order: Order) -> str:
        """What the buyer has on the screen, if anything."""
        code = order.lines.first().delivery.code
        return opened(code.pk) if code.state == "revealed" else "ABCD-1234"

    def go_wrong(self, codes: list[str], orders: list[Order]) -> None:
        """What fails says why, in a log and to the database's own log, and names no code."""
        with suppress(IntegrityError), transaction.atomic():
            try:
                stock.add(CardCode.objects.first().product, [codes[0], codes[1]], at=clock.now())
            except IntegrityError:
                logging.getLogger("canary").exception("a code that is there already")
                raise
        frozen = CardCode.objects.filter(state="quarantined").first()
        line = frozen.delivery.line
        try:
            delivery.reveal(line, viewer=stock.Viewer(line.order.buyer, None, ""), at=clock.now())
        except stock.CodeIsFrozen:
            logging.getLogger("canary").exception("a look at what was refunded")
        moved = CardCode.objects.filter(state="in_stock").first()
        CardCode.objects.filter(pk=moved.pk).update(key_id="lost")
        with suppress(Exception), transaction.atomic():
            stock.open_to_check(moved.pk, at=clock.now())
        logging.getLogger("canary").error("%r %r %s", moved, moved.__dict__, orders[0].lines.first().delivery.code)

    def read_everything(self, order: Order, product: Product) -> None:
        """Every page about it that buyer, shop and staff can open, and every file that they can download."""
        refunds = [f"/refunds/{refund.refund_no}/" for refund in order.refunds.all()]
        here = f"/orders/{order.order_no}/"
        self.visit(order.buyer, here, f"{here}voucher/", f"{here}record/", f"{here}record/record.json", *refunds)
        self.visit(order.buyer, "/orders/", "/refunds/", "/notices/", f"/p/{product.pk}/", f"/p/{product.pk}/reviews/",
                   "/api/orders/", f"/api/orders/{order.order_no}/", "/api/refunds/")  # fmt: skip
        shop = f"/shop/orders/{order.order_no}/"
        self.visit(self.tools["merchant"], "/shop/", shop, f"{shop}record/", f"{shop}record/record.json")
        self.look_over_stock(order)
        desk = [f"/admin/refunds/refund/{refund.pk}/change/" for refund in order.refunds.all()]
        self.visit(self.tools["reviewer"], *desk)
        self.visit(
            self.tools["operator"], f"/admin/orders/order/{order.pk}/change/", "/admin/shops/cardcode/",
            f"/admin/shops/cardcode/{order.lines.first().delivery.code_id}/change/", "/admin/orders/order/",
        )  # fmt: skip

    def visit(self, user: User, *places: str) -> None:
        client = Client()
        client.force_login(user)
        for place in places:
            answer = client.get(place)
            assert answer.status_code == 200, (place, answer.status_code)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            self.pages.append(body + str(answer.headers).encode())


@pytest.fixture
def run(shop, merchant, buyer, reviewer, finance, operator, pay, apply, drain):
    return Run(
        {"shop": shop, "merchant": merchant, "buyer": buyer, "reviewer": reviewer, "finance": finance, "pay": pay,
         "operator": operator, "apply": apply, "drain": drain}
    )  # fmt: skip


def opened(code_id: uuid.UUID) -> str:
    with transaction.atomic():
        return stock.open_to_check(code_id, at=clock.now())


def demand_shown(answer) -> None:
    assert answer.status_code == 200, answer
    assert "no-store" in answer.headers["Cache-Control"]


# --- what is left of it -----------------------------------------------------------------------------------------------


def dump(folder: Path) -> bytes:
    """Everything in the database, by pg_dump where there is one, else table by table."""
    program = embedded.wheel_programs() / "pg_dump"
    if not program.exists():
        return table_by_table()
    url = urlsplit(settings.DATABASE_URL)
    path = folder / "dump.sql"
    command = [program, "-h", url.hostname, "-p", str(url.port or 5432), "-U", url.username or "postgres",
               "-f", path, connection.settings_dict["NAME"]]  # fmt: skip
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PGPASSWORD": url.password or ""})
    return path.read_bytes() if done.returncode == 0 else table_by_table()  # a server newer than the program


def table_by_table() -> bytes:
    import io

    out = io.StringIO()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.copy_expert(f'COPY "{table}" TO STDOUT', out)
    return out.getvalue().encode()


def everything_in_valkey() -> bytes:
    client = redis.Redis.from_url(settings.REDIS_URL)
    return b"\n".join(key + b"=" + (client.dump(key) or b"") for key in client.scan_iter())


def folder() -> Path:
    """Where this run's own PostgreSQL, Valkey and simulator write."""
    return Path(settings.CARD_KEYS_FILE).parent.parent


def found(codes: list[str], content: bytes) -> list[str]:
    """Which codes stand there: as they are, in small letters, in base64 at any alignment, in hex."""
    small = content.lower()
    return [
        code
        for code in codes
        if code.lower().encode() in small
        or code.encode().hex().encode() in small
        or any(form in content for form in in_base64(code.encode()))
    ]


def in_base64(text: bytes) -> list[bytes]:
    """The part of each alignment's encoding that no neighbor changes."""
    cut = [(0, b""), (2, b"a"), (3, b"ab")]
    forms = []
    for skip, before in cut:
        encoded = base64.b64encode(before + text)
        forms.append(encoded[skip + (1 if before else 0) : len(encoded) - 4])
    return [form for plain in forms for form in {plain, plain.replace(b"+", b"-").replace(b"/", b"_")}]
