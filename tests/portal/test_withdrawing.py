"""店铺提现 on the owner's page: what may be withdrawn, proof of who asks, what is next; nobody else of the shop."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

import clock
from ledger import posting
from payments import payees
from payments.models import Payee, Transfer
from payments.payees import Account
from payments.transfer_models import PayeeKind
from shops import money
from shops.models import ShopMember, ShopRole
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client, shop, merchant):
    ShopMember.objects.filter(shop=shop, user=merchant).update(role=ShopRole.OWNER)
    settled = money.Move("settle:AAAAAAAA", shop.pk, 10_000, posting.shop_account(shop.pk))
    posting.post(money.pay_in([settled]), at=clock.now())
    client.force_login(merchant, backend="django.contrib.auth.backends.ModelBackend")
    return client


def words(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_owner_withdraws_what_is_the_shops_own(owner, shop, merchant):
    page = words(owner.get("/shop/withdraw/"))
    assert "¥100.00" in page
    assert "还没有登记收款账户" in page
    assert "/accounts/reauthenticate/" in owner.get("/shop/withdraw/payee/").headers["Location"]
    card = Account(PayeeKind.BANK, "李雷商贸", "6222021234567890", "招商银行")
    payees.lay_down(card, by=merchant, at=clock.now() - timedelta(hours=25), shop=shop)
    ask = {"amount": "60", "key": uuid.uuid4()}
    assert "/accounts/reauthenticate/" in owner.post("/shop/withdraw/", ask).headers["Location"]
    assert not Transfer.objects.exists()
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert owner.post("/shop/withdraw/", ask).status_code == 302
    page = words(owner.get("/shop/withdraw/"))
    assert "¥40.00" in page
    assert "财务审批" in page
    assert "最迟" in page
    said = {"kind": "alipay", "name": "李雷", "number": "lilei@example.com", "bank": ""}
    assert owner.post("/shop/withdraw/payee/", said).status_code == 302
    assert Payee.objects.filter(shop=shop).count() == 2
    assert "为防盗用" in words(owner.get("/shop/withdraw/"))


def test_only_the_owner_sees_it(owner, shop, merchant):
    assert "/shop/withdraw/" in words(owner.get("/shop/money/"))
    ShopMember.objects.filter(user=merchant).update(role=ShopRole.MANAGER)
    assert owner.get("/shop/withdraw/").status_code == 403
    assert owner.post("/shop/withdraw/payee/", {}).status_code == 403
    assert "/shop/withdraw/" not in words(owner.get("/shop/money/"))
