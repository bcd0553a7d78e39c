"""Shops at the desk: opened by application, suspended with a reason, their deposits recorded; each by its own role."""

from __future__ import annotations

import io

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils.translation import override
from PIL import Image

import clock
import images
from cardshop import invariants
from ledger import posting
from ledger.models import Account
from orders.models import Order
from shops import deposits, life, money, people
from shops.life import Papers
from shops.models import DepositReturn, GuaranteeTerms, Shop, ShopApplication, ShopRole, ShopStatus
from tests import cast
from tests.desk.conftest import text

pytestmark = pytest.mark.django_db


@pytest.fixture
def application(buyer):
    drawn = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(drawn, "PNG")
    documents = [("营业执照", images.repaint(drawn.getvalue()))]
    return life.apply(Papers("新店", "点卡", "13800000000", documents=documents), by=buyer, at=clock.now())


def test_what_an_owner_did_in_english_reads_chinese_on_the_desk(sits, operator, shop, merchant, stranger):
    shop.guarantee_since = clock.now()
    shop.save()
    with override("en"):
        people.add(shop, "stranger", ShopRole.CLERK, by=merchant, at=clock.now())
        life.leave(shop, by=merchant, at=clock.now())
    assert [*shop.events.order_by("pk").values_list("step", "reason")] == [
        ("add_member", "stranger clerk"), ("leave", ""), ("lose_badge", "leaving"),
    ]  # fmt: skip
    life.record(
        shop, "add_member", from_status="open", by=merchant, at=clock.now(), reason="old-hand 店主"
    )  # from before
    page = text(sits(operator).get(reverse("admin:shops_shopevent_changelist")))
    for words in (f"stranger {ShopRole.CLERK.label}", str(ShopStatus.LEAVING.label), "old-hand 店主"):
        assert words in page
    assert "stranger clerk" not in page


def test_an_operator_looks_at_the_papers_and_opens_the_shop(sits, operator, application):
    seat = sits(operator)
    page = text(seat.get(reverse("admin:shops_shopapplication_change", args=[application.pk])))
    paper = application.documents.get()
    assert f"/shop/documents/{paper.pk}/" in page
    assert b"".join(seat.get(f"/shop/documents/{paper.pk}/").streaming_content).startswith(b"\xff\xd8\xff")
    assert "申请人成为店主" in text(seat.dialog("approve", application))
    assert "已开张" in seat.reads(seat.does("approve", application, note=""))
    assert Shop.objects.get(name="新店").members.get() == application.applicant
    assert "已处理" in seat.reads(seat.does("approve", application, note=""))


def test_a_rejection_needs_its_reason(sits, operator, application):
    seat = sits(operator)
    assert "请填写" in text(seat.does("reject", application, note=""))
    seat.does("reject", application, note="执照看不清")
    application.refresh_from_db()
    assert (application.status, application.decision_note) == ("rejected", "执照看不清")


def test_nobody_else_sees_applications(sits, staff, application):
    path = reverse("admin:shops_shopapplication_change", args=[application.pk])
    for role, person in staff.items():
        assert sits(person).get(path).status_code == (200 if role == "operator" else 403)
        if role != "operator":
            assert sits(person).does("approve", application, note="").status_code == 403
    assert ShopApplication.objects.get().status == "submitted"


def test_a_suspension_leads_on_to_the_open_orders(sits, operator, shop, buy):
    order = buy(stock=0)
    seat = sits(operator)
    assert "请填写" in text(seat.does("suspend", shop, reason=""))
    answer = seat.does("suspend", shop, reason="虚假商品")
    shop.refresh_from_db()
    assert shop.status == "suspended"
    assert "批量取消" in seat.reads(answer)
    assert Order.objects.get(pk=order.pk).status == "paid"  # canceled by a decision of its own
    assert "不能做这一步" in seat.reads(seat.does("suspend", shop, reason="再来"))
    seat.does("reinstate", shop, reason="查清")
    shop.refresh_from_db()
    assert shop.status == "open"


def test_a_shop_neither_is_added_by_hand_nor_given_a_badge(sits, operator, shop):
    seat = sits(operator)
    assert seat.get(reverse("admin:shops_shop_add")).status_code == 403
    fields = {"name": "改名", "about": "", "status": "closed", "guarantee_since_0": "2026-01-01"}
    fields |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    seat.client.post(reverse("admin:shops_shop_change", args=[shop.pk]), fields)
    shop.refresh_from_db()
    assert (shop.name, shop.status, shop.guarantee_since) == ("改名", "open", None)


def test_finance_records_deposits_and_nobody_changes_them(sits, finance, operator, shop):
    seat = sits(finance)
    words = seat.reads(seat.does("record_deposit", shop, amount="1000", voucher="V1", note="首缴"))
    assert "¥1,000.00" in words
    assert "登记过" in seat.reads(seat.does("record_deposit", shop, amount="5", voucher="V1"))
    assert "两位财务" in seat.reads(seat.does("record_deposit", shop, amount="-1", voucher="V2"))
    assert deposits.laid_down_fen(shop) == 100_000
    assert sits(operator).does("record_deposit", shop, amount="1", voucher="V3").status_code == 403
    entry = shop.deposits.get()
    path = reverse("admin:shops_depositentry_change", args=[entry.pk])
    assert seat.client.post(path, {"amount_fen": "1"}).status_code == 403
    assert "首缴" in text(seat.get(path))


def test_a_deposit_is_asked_back_by_one_of_finance_and_paid_by_another(sits, finance, operator, shop):
    first, second = sits(finance), sits(cast.person("cashier", "finance"))
    first.does("record_deposit", shop, amount="1000", voucher="V1")
    assert "不能超过" in first.reads(first.does("ask_deposit_back", shop, amount="1000.01", note="退出"))
    assert "由另一位财务" in first.reads(first.does("ask_deposit_back", shop, amount="400", note="退出"))
    asked = DepositReturn.objects.get()
    place = reverse("admin:shops_depositreturn_change", args=[asked.pk])
    assert ["登记已退还" in text(seat.get(place)) for seat in (first, second)] == [False, True]
    assert "退还由您提出" in text(first.get(place))
    assert "¥400.00" in text(second.dialog("pay_back", asked))  # what is to be paid, not only what is there
    assert "提出的人不能登记" in first.reads(first.does("pay_back", asked, voucher="V2"))
    assert sits(operator).does("pay_back", asked, voucher="V2").status_code == 403
    assert "¥600.00" in second.reads(second.does("pay_back", asked, voucher="V2"))
    assert "V2" in text(second.get(place))
    first.does("ask_deposit_back", shop, amount="1", note="再退")
    row = DepositReturn.objects.get(status="asked")
    assert "钱没有动" in first.reads(first.does("drop", row, note="写错"))
    assert deposits.laid_down_fen(shop) == 60_000
    assert invariants.broken() == []


def test_what_the_platform_advanced_stands_on_the_shops_page_with_how_it_comes_back(sits, finance, buyer, shop):
    seat, place = sits(finance), reverse("admin:shops_shop_change", args=[shop.pk])
    seat.does("record_deposit", shop, amount="1000", voucher="V1")
    assert "已替店铺垫付" not in text(seat.get(place))
    assert not seat.get("/admin/shops/shop/?owes=1").context["cl"].result_list
    with transaction.atomic():
        move = money.Move("penalty:0", shop.pk, 141_000, posting.balance_account(buyer.pk))
        posting.post(money.draw([move]), at=clock.now())
    page = text(seat.get(place))
    assert "平台已替店铺垫付 ¥410.00。之后结算的货款和登记的保证金先归还它" in page
    line = {line.title: line for part in seat.get("/admin/").context["day"] for line in part.lines}["平台垫付未还"]
    assert (line.count, line.total_fen) == (1, 41_000)
    assert [row.pk for row in seat.get(line.url).context["cl"].result_list] == [shop.pk]
    assert "¥410.00" in text(seat.get(line.url))
    account = Account.objects.get(code=posting.advance_account(shop.pk))
    assert reverse("admin:ledger_account_change", args=[account.pk]) in page
    asks = text(seat.dialog("ask_deposit_back", shop))
    assert "¥1,000.00" in asks
    assert "¥0.00" in asks  # what refunds have drawn cannot be paid back
    life.dismiss(shop, by=cast.person("boss", "operator"), at=clock.now(), reason="停业")
    life.close(shop, at=clock.now())
    assert "请财务向店主追偿" in text(seat.get(place))


def test_new_terms_of_the_badge_are_a_new_version(sits, operator):
    seat, path = sits(operator), reverse("admin:shops_guaranteeterms_add")
    fields = {
        "deposit_fen": "50000", "open_days": "7", "in_time_percent": "90", "least_deliveries": "5",
        "most_canceled_percent": "3", "unsuspended_days": "60",
    }  # fmt: skip
    for _ in range(2):
        assert seat.client.post(path, fields).status_code == 302
    assert list(GuaranteeTerms.objects.order_by("version").values_list("version", flat=True)) == [1, 2]
    assert seat.client.post(path, fields | {"in_time_percent": "101"}).status_code == 200
    change = reverse("admin:shops_guaranteeterms_change", args=[GuaranteeTerms.objects.first().pk])
    assert seat.client.post(change, fields).status_code == 403
