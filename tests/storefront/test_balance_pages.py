"""余额 on a buyer's pages: what is there line by line, paying with it, cashing it out, proof of who asks."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

import clock
from ledger import balances
from orders import placing
from orders.placing import Wish
from payments import payees
from payments.models import Payee, Transfer
from payments.payees import Account
from payments.transfer_models import PayeeKind
from refunds import disbursement
from tests.accounts.id_numbers import id_number
from tests.cases import own_card
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def saved(approved, finance):
    refund = approved(price_fen=8800, destination="balance")
    disbursement.release([refund], by=finance, at=clock.now())
    return refund


@pytest.fixture
def shopper(client, saved):
    client.force_login(saved.buyer, backend="django.contrib.auth.backends.ModelBackend")
    return client


def prove(client):
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302


def words(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_balance_is_told_line_by_line(shopper, saved, make_product):
    """S1-14: what, when, which case or order, how much, and what was left after it."""
    for fen in (100, 200):
        order = placing.place(make_product(fen), Wish(again=True), buyer=saved.buyer, checkout_key=uuid.uuid4(),
                              at=clock.now())  # fmt: skip
        page = words(shopper.get(f"/orders/{order.order_no}/pay/"))
        assert "用余额付清" in page
        answer = shopper.post(f"/orders/{order.order_no}/pay/", {"way": "balance"})
        assert answer.headers["Location"] == f"/orders/{order.order_no}/"
    page = words(shopper.get("/me/balance/"))
    rows = shopper.get("/me/balance/").context["page"].rows
    assert [(row.what, row.amount_fen, row.after_fen) for row in rows] == [
        ("余额付款", -200, 8500), ("余额付款", -100, 8700), ("退款退至余额", 8800, 8800),
    ]  # fmt: skip
    assert f"/refunds/{saved.refund_no}/" in page
    assert f"/orders/{order.order_no}/" in page
    assert "不收手续费" in page
    second = shopper.get(f"/me/balance/?before={shopper.get('/me/balance/').context['page'].next_before or 'x'}")
    assert second.status_code == 200


def test_a_dear_order_asks_again_who_pays(shopper, saved, make_product):
    product = make_product(8000, step_up_from_fen=8000)
    order = placing.place(product, Wish(again=True), buyer=saved.buyer, checkout_key=uuid.uuid4(), at=clock.now())
    page = f"/orders/{order.order_no}/pay/"
    assert "先验证身份" in words(shopper.get(page))
    shopper.post(page, {"way": "balance"})
    assert balances.of_buyer(saved.buyer_id) == 8800
    prove(shopper)
    shopper.post(page, {"way": "balance"})
    assert balances.of_buyer(saved.buyer_id) == 800


def test_cashing_out_asks_who_and_waits_a_day_after_a_new_account(shopper, saved):
    assert "还没有登记收款账户" in words(shopper.get("/me/balance/cash-out/"))
    assert "/accounts/reauthenticate/" in shopper.get("/me/balance/payee/").headers["Location"]
    prove(shopper)
    asks = words(shopper.get("/me/balance/payee/"))
    assert '/me/real-name/?next=/me/balance/payee/"' in asks  # and back
    told = words(shopper.get("/me/real-name/?next=/me/balance/payee/"))
    assert "或您的余额转到您本人的账户" in told
    assert "选择退款去向" not in told  # it leads back to the account
    number = id_number()
    passed = shopper.post("/me/real-name/?next=/me/balance/payee/", {"name": "李雷", "number": number, "consent": "on"})
    assert passed.headers["Location"] == "/me/balance/payee/"
    said = {"kind": "bank", "name": "李雷", "number": "12", "bank": "招商银行", "id_number": id_number(order=2)}
    assert "须与您的实名认证一致" in words(shopper.post("/me/balance/payee/", said))
    said["id_number"] = number
    assert "8 到 30 位数字" in words(shopper.post("/me/balance/payee/", said))
    assert shopper.post("/me/balance/payee/", said | {"number": "6222021234567890"}).status_code == 302
    assert Payee.objects.get().last_four == "7890"
    ask = {"amount": "50", "key": uuid.uuid4()}
    assert "24 小时后" in words(shopper.post("/me/balance/cash-out/", ask))


def test_a_cash_out_is_followed_on_its_page(shopper, saved):
    unproved = Account(PayeeKind.BANK, "李雷", "6214830100001234", "招商银行")
    payees.lay_down(unproved, by=saved.buyer, user=saved.buyer, at=clock.now() - timedelta(hours=30))
    ask = {"amount": "50", "key": uuid.uuid4()}
    assert "/accounts/reauthenticate/" in shopper.post("/me/balance/cash-out/", ask).headers["Location"]
    prove(shopper)
    assert "只能提现到您本人的账户" in words(shopper.get("/me/balance/cash-out/"))
    assert "只能提现到您本人的账户" in words(shopper.post("/me/balance/cash-out/", ask))
    own_card(saved.buyer)  # the same one again, and this time proved to be his
    for _ in range(2):  # the form sent twice
        assert shopper.post("/me/balance/cash-out/", ask).status_code == 302
    assert Transfer.objects.get().amount_fen == 5000
    page = words(shopper.get("/me/balance/cash-out/"))
    assert "财务审批，之后另一位财务转账。" in page
    assert "尾号 1234" in page
    assert "可用金额只有 ¥38.00" in words(shopper.post("/me/balance/cash-out/", {"amount": "99", "key": uuid.uuid4()}))
