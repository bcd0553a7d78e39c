"""Suppliers' answers at the desk: what proves a top-up is read by all who see top-ups, what tells of a code is not."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.urls import reverse

import clock
from orders import placing, topups
from orders.models import TopUp
from orders.placing import Wish
from orders.recipients import Recipient
from shops import checking
from shops.admin.suppliers import STATES
from shops.models import SupplierAnswer
from shops.suppliers.base import CodeFact, TopUpState
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db
ACCOUNT = "13812345678"
LIST = "/admin/shops/supplieranswer/"


@pytest.fixture
def arrived(buyer, supplier, make_product, pay, simulator) -> TopUp:
    """A top-up that its supplier has carried out."""
    product = make_product(
        kind="top_up", fulfilment="top_up", recipient_kind="phone", supplier=supplier, supplier_sku="phone-50"
    )
    wish = Wish(recipient=Recipient("phone", ACCOUNT))
    order = pay(placing.place(product, wish, buyer=buyer, checkout_key=uuid.uuid4(), at=clock.now()))
    topup = TopUp.objects.get(line__order=order)
    simulator.post("topup", reference=topup.topup_no, state="DONE", account=ACCOUNT)
    topups.sweep(at=clock.now())
    topups.sweep(at=clock.now() + timedelta(hours=1))
    topup.refresh_from_db()
    assert topup.status == "succeeded"
    return topup


@pytest.mark.parametrize("who", ["reviewer", "senior", "finance", "operator"])
def test_whoever_sees_a_top_up_follows_it_to_the_answer(who, sits, staff, arrived):
    seat = sits(staff[who])
    answer = reverse("admin:shops_supplieranswer_change", args=[arrived.answer_id])
    assert answer in text(seat.get(reverse("admin:orders_topup_change", args=[arrived.pk])))
    page = text(seat.get(answer))
    assert f"topup:{arrived.topup_no}" in page
    assert "138****5678" in page
    assert ACCOUNT not in page
    assert seat.client.post(answer, {"state": "failed"}).status_code == 403


def test_the_signature_is_checked_whenever_somebody_looks(sits, finance, arrived, settings, supplier):
    page = reverse("admin:shops_supplieranswer_change", args=[arrived.answer_id])
    seat = sits(finance)
    assert all(word in text(seat.get(page)) for word in ("已到账", "签名有效", arrived.answer.signature[:40]))
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    settings.SUPPLIERS = {supplier.code: settings.SUPPLIERS[supplier.code] | {"public_key": pem}}
    assert "与现用公钥不符" in text(seat.get(page))
    settings.SUPPLIERS = {}
    assert "无法核对" in text(seat.get(page))


@pytest.mark.parametrize("state", [*CodeFact, *TopUpState])
def test_every_answer_has_its_word_at_the_desk(state):
    assert re.search(r"[\u4e00-\u9fff]", STATES[state][0])


def test_finance_reads_of_top_ups_and_not_of_codes(sits, finance, reviewer, arrived, reviewed, supplier):
    code = reviewed(supplier=supplier).order.lines.get().delivery.code_id
    told = checking.look_up(code, by=reviewer, at=clock.now())
    page = reverse("admin:shops_supplieranswer_change", args=[told.pk])
    assert text(sits(reviewer).get(page))
    assert f"code:{code}" in text(sits(reviewer).get(LIST))

    seat = sits(finance)
    assert seat.get(page).status_code == 302  # as if it were not there
    assert [row.pk for row in seat.get(LIST).context["cl"].result_list] == [arrived.answer_id]
    assert not list(seat.get(LIST, query_params={"q": told.about}).context["cl"].result_list)
    assert SupplierAnswer.objects.count() == 2
