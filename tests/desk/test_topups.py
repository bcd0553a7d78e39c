"""直充单 at the desk and on the buyer's page: what waits for a person, by when, and how it is decided."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

import clock
from orders import placing, topups
from orders.models import OrderStatus, TopUp
from orders.placing import Wish
from orders.recipients import Recipient
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db
LIST = "/admin/orders/topup/?queue=person"


@pytest.fixture
def sent(buyer, supplier, make_product, pay, operator):
    """``sent()``: a top-up that the supplier has taken on."""

    def send():
        words = {"kind": "top_up", "fulfilment": "top_up", "recipient_kind": "phone", "supplier_sku": "phone-50"}
        product = make_product(5000, supplier=supplier, **words)
        wish = Wish(recipient=Recipient("phone", "13800009999"), again=True)
        order = pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))
        topups.sweep(at=clock.now())
        return TopUp.objects.get(line__order=order)

    return send


@pytest.fixture
def waiting(sent):
    topup = sent()
    clock.advance(timedelta(hours=2))
    topups.sweep(at=clock.now())
    topup.refresh_from_db()
    return topup


def test_the_desk_counts_and_lists_what_waits_and_what_is_late(sits, operator, waiting, sent):
    other, seat = sent(), sits(operator)
    assert ("待人工核实", 1, 0) in tiles(seat)
    page = text(seat.get(LIST))
    assert waiting.topup_no in page
    assert other.topup_no not in page
    clock.advance(topups.PERSON_WITHIN + timedelta(hours=1))
    assert ("待人工核实", 1, 1) in tiles(seat)
    assert "超时" in text(seat.get(LIST))


def tiles(seat):
    rows = seat.get("/admin/").context["tile_rows"]
    return [(tile.title, tile.count, tile.late) for _, _, tiles in rows for tile in tiles]


@pytest.mark.parametrize(
    ("act", "status", "said"),
    [
        ("decide_arrived", OrderStatus.DELIVERED, "已认定到账"),
        ("decide_failed", OrderStatus.CANCELED, "已认定失败"),
    ],
)
def test_an_operator_decides_with_proof(act, status, said, sits, operator, waiting):
    seat = sits(operator)
    assert "联系供应商核实" in text(seat.get(reverse("admin:orders_topup_change", args=[waiting.pk])))
    assert waiting.topup_no in text(seat.dialog(act, waiting))
    seat.does(act, waiting, proof=" ")
    waiting.refresh_from_db()
    assert waiting.decided_by is None
    page = seat.reads(seat.does(act, waiting, proof="工单 GD-1"))
    assert said in page
    assert "工单 GD-1" in page
    waiting.refresh_from_db()
    assert (waiting.decided_by, waiting.line.order.status) == (operator, status)
    assert "不需要或不能人工认定" in text(seat.dialog(act, waiting))


def test_it_is_asked_about_at_once(sits, operator, waiting):
    seat = sits(operator)
    assert "将以原单号再次询问供应商" in seat.reads(seat.does("ask_now", waiting))
    assert topups.sweep(at=clock.now()) == 1


@pytest.mark.parametrize("role", ["reviewer", "senior", "finance"])
def test_others_look_and_decide_nothing(role, sits, staff, waiting):
    seat = sits(staff[role])
    assert waiting.topup_no in text(seat.get(LIST))
    for act in ("ask_now", "decide_arrived", "decide_failed"):
        assert seat.does(act, waiting, proof="x").status_code == 403


def test_the_buyer_reads_who_acts_now_and_by_when(buyer, waiting):
    client = Client()
    client.force_login(buyer)
    place = f"/orders/{waiting.line.order.order_no}/"
    page = client.get(place).content.decode()
    assert "已转平台专人核实，最晚" in page
    clock.advance(topups.PERSON_WITHIN + timedelta(hours=1))
    assert "平台专人仍在核实，已过原定的" in client.get(place).content.decode()
