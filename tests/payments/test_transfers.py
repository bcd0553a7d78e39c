"""转账: asked for by its owner, approved by a second person, paid by a third; its money is taken once."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import translation

import clock
from cardshop.invariants.shops import nobody_is_below_nothing
from cardshop.invariants.transfers import balances_are_what_moved_them, transfers_agree_with_the_ledger
from ledger import balances, posting
from notices import wording
from notices.models import Notice
from payments import outgoing, payees, transfers
from payments.models import Payee, PayeeLook, TransferEvent
from payments.payees import Account
from payments.transfer_models import PayeeKind
from payments.transfer_models import TransferStatus as S
from payments.transfers import CannotTransfer
from shops import deposits, money
from shops.models import Shop, ShopMember, ShopRole
from shops.money import Move
from shops.rights import NotAllowed
from tests.cast import person
from tests.refunds.test_races import while_open

pytestmark = pytest.mark.django_db
CARD = Account(PayeeKind.BANK, "李雷", "6222 0212 3456 7890", "招商银行上海分行")
DAY = timedelta(hours=25)


@pytest.fixture
def owner(merchant, shop):
    ShopMember.objects.filter(shop=shop, user=merchant).update(role=ShopRole.OWNER)
    return merchant


@pytest.fixture
def payer(db):
    """A third person of finance."""
    return person("payer", "finance")


@pytest.fixture
def approver(finance):
    return finance


@pytest.fixture
def rich(shop, owner):
    """A shop with ¥100 that it may withdraw, and where that goes to."""
    earned = money.pay_in([Move("settle:a", shop.pk, 10_000, posting.shop_account(shop.pk))])
    posting.post([posting.Transfer("paid:a", "channel:wechat", posting.shop_account(shop.pk), 10_000), *earned],
                 at=clock.now())  # fmt: skip
    payees.lay_down(CARD, by=owner, at=clock.now() - DAY, shop=shop)
    return shop


def withdraw(shop, by, fen=6000, **more):
    more = {"verified_by": "password", "at": clock.now()} | more
    return transfers.withdraw(shop, amount_fen=fen, by=by, **more)


def accounts(shop):
    codes = [posting.available_account(shop.pk), posting.TRANSFERS, posting.BANK]
    return [balances.owed(codes)[code] for code in codes]


def paid(transfer, approver, payer, voucher="V1"):
    transfer = transfers.approve(transfer, by=approver, at=clock.now())
    at = clock.now()
    return transfers.mark_paid(transfer, by=payer, at=at, paid_at=at, voucher=voucher)


def said(notice):
    return wording.text(notice.kind, notice.params)


def sound():
    return nobody_is_below_nothing() + transfers_agree_with_the_ledger() + balances_are_what_moved_them()


def test_a_withdrawal_is_taken_at_once_and_goes_through_three_hands(rich, owner, approver, payer):
    """The shop reads what is next, finance what to do; the ledger says where the money is at each step."""
    asked = withdraw(rich, owner)
    assert accounts(rich) == [4000, 6000, 0]
    assert asked.due_at == asked.requested_at + transfers.APPROVE_WITHIN
    done = paid(asked, approver, payer)
    assert accounts(rich) == [4000, 0, 6000]
    assert (done.status, done.due_at, done.voucher) == (S.PAID, None, "V1")
    steps = TransferEvent.objects.order_by("pk").values_list("to_status", "by__username")
    assert list(steps) == [("requested", "merchant"), ("approved", "finance"), ("paid", "payer")]

    failed = transfers.mark_failed(done, by=approver, at=clock.now(), reason="户名不符")
    assert (failed.status, accounts(rich)) == (S.FAILED, [10_000, 0, 0])
    refused = transfers.refuse(withdraw(rich, owner), by=approver, at=clock.now(), reason="材料不齐")
    assert (refused.status, accounts(rich)) == (S.REFUSED, [10_000, 0, 0])
    assert sound() == []


def test_what_the_bank_did_once_is_booked_once(rich, owner, approver, payer):
    """However it is typed, for whichever shop, and be it a transfer or a deposit that is paid back."""
    at = clock.now()
    other = Shop.objects.create(name="另一家店", created_at=at)
    deposits.record(rich, amount_fen=500, voucher="D-1", note="", by=approver, at=at)
    for shop, spelling in [(rich, "d-1"), (rich, "Ｄ-1"), (rich, "D-1\u200b"), (rich, "D -1"), (other, "D-1")]:
        with pytest.raises(deposits.CannotRecord, match="登记过"):
            deposits.record(shop, amount_fen=500, voucher=spelling, note="", by=approver, at=at)
    with pytest.raises(deposits.CannotRecord, match="凭证号"):
        deposits.record(rich, amount_fen=500, voucher="\u200b", note="", by=approver, at=at)
    back = deposits.ask_back(rich, amount_fen=100, note="多缴", by=approver, at=at)
    assert paid(withdraw(rich, owner, 1000), approver, payer, voucher="t 1").voucher == "T1"
    with pytest.raises(deposits.CannotRecord, match="登记过"):
        deposits.pay_back(back, voucher="T1", by=payer, at=at)
    deposits.pay_back(back, voucher="B1", by=payer, at=at)
    with pytest.raises(CannotTransfer, match="登记过"):
        paid(withdraw(rich, owner, 1000), approver, payer, voucher="b1")
    assert sound() == []


@pytest.mark.parametrize("ends", ["refused", "given back by the bank"])
def test_what_a_shop_owes_by_then_is_paid_of_what_comes_back(ends, rich, owner, approver, payer):
    """Its buyers were refunded while its money was on the way: it does not withdraw what the platform advanced."""
    asked = withdraw(rich, owner, 10_000)
    buyers = posting.balance_account(owner.pk)
    posting.post(money.draw([Move("penalty:a", rich.pk, 3000, buyers)]), at=clock.now())
    assert money.purses([rich.pk])[rich.pk].owes_fen == 3000
    if ends == "refused":
        transfers.refuse(asked, by=approver, at=clock.now(), reason="材料不齐")
    else:
        transfers.mark_failed(paid(asked, approver, payer), by=approver, at=clock.now(), reason="户名不符")
    purse = money.purses([rich.pk])[rich.pk]
    assert (purse.available_fen, purse.owes_fen) == (7000, 0)
    with pytest.raises(CannotTransfer, match="可用金额"):
        withdraw(rich, owner, 7001)
    assert sound() == []


@pytest.mark.django_db(transaction=True)
def test_one_voucher_of_a_deposit_and_of_a_transfer_that_comes_back_is_no_deadlock(rich, owner, approver, payer):
    """Whoever books it takes the voucher before the shop's purse; what comes back takes no voucher."""
    done, results = paid(withdraw(rich, owner), approver, payer, voucher="D-1"), []
    booked = while_open(
        lambda: money.hold([rich.pk]),  # what comes back pays debts first
        lambda: deposits.record(rich, amount_fen=500, voucher="D-1", note="", by=approver, at=clock.now()),
        then=lambda: results.append(transfers.mark_failed(done, by=approver, at=clock.now(), reason="户名不符")),
    )
    assert ([row.status for row in results], booked.amount_fen) == ([S.FAILED], 500)
    assert sound() == []


def test_four_eyes_and_who_may(rich, owner, approver, payer, operator, stranger):
    for by in (stranger, approver):
        with pytest.raises(NotAllowed):
            withdraw(rich, by)
    asked = withdraw(rich, owner)
    with pytest.raises(CannotTransfer, match="岗位"):
        transfers.approve(asked, by=operator, at=clock.now())
    rich.members.add(payer)
    with pytest.raises(CannotTransfer, match="自己店铺"):
        transfers.approve(asked, by=payer, at=clock.now())
    rich.members.remove(payer)
    approved = transfers.approve(asked, by=approver, at=clock.now())
    at = clock.now()
    with pytest.raises(CannotTransfer, match="另一位财务"):
        transfers.mark_paid(approved, by=approver, at=at, paid_at=at, voucher="V1")
    with pytest.raises(CannotTransfer, match="付款时间"):
        transfers.mark_paid(approved, by=payer, at=at, paid_at=at + timedelta(hours=1), voucher="V1")
    with pytest.raises(CannotTransfer, match="待转账"):
        transfers.approve(asked, by=payer, at=clock.now())
    transfers.mark_paid(approved, by=payer, at=at, paid_at=at, voucher="V1")
    again = transfers.approve(withdraw(rich, owner, 1000), by=approver, at=clock.now())
    at = clock.now()
    with pytest.raises(CannotTransfer, match="已经登记过"):
        transfers.mark_paid(again, by=payer, at=at, paid_at=at, voucher="V1")


def test_what_is_asked_before_money_is_taken(rich, owner):
    """Proof of who asks, a day after the account was laid down, no more than there is, once for a form sent twice."""
    with pytest.raises(CannotTransfer, match="再次验证"):
        withdraw(rich, owner, verified_by="")
    for fen in (0, -1, 10_001):
        with pytest.raises(CannotTransfer) as refused:
            withdraw(rich, owner, fen)
        assert refused.value.code in {"amount", "not_enough"}
    key = uuid.uuid4()
    assert withdraw(rich, owner, request_key=key) == withdraw(rich, owner, request_key=key)
    with pytest.raises(CannotTransfer, match="已提交过一笔"):
        withdraw(rich, owner, 1000, request_key=key)
    assert accounts(rich) == [4000, 6000, 0]
    payees.lay_down(CARD, by=owner, at=clock.now(), shop=rich)  # the same one: no change, no wait
    withdraw(rich, owner, 1000)
    other = Account(PayeeKind.ALIPAY, "李雷", "lilei@example.com")
    payees.lay_down(other, by=owner, at=clock.now(), shop=rich)
    with pytest.raises(CannotTransfer, match="24 小时后"):
        withdraw(rich, owner, 1000)
    assert withdraw(rich, owner, 1000, at=clock.now() + DAY).payee.last_four == ".com"


def test_nobody_floods_those_who_pay_by_hand(rich, owner, approver, payer):
    """No fourth beside three that wait, be they approved; and none below ¥1 but the last of it."""
    first, _second, _third = (withdraw(rich, owner, fen) for fen in (9000, 750, 200))
    transfers.approve(first, by=approver, at=clock.now())
    with pytest.raises(CannotTransfer, match="已有 3 笔提现在办"):
        withdraw(rich, owner, 50)
    at = clock.now()
    transfers.mark_paid(first, by=payer, at=at, paid_at=at, voucher="V1")
    with pytest.raises(CannotTransfer, match="至少 ¥1.00"):
        withdraw(rich, owner, 49)
    assert withdraw(rich, owner, 50).status == S.REQUESTED


def test_while_outgoing_money_is_stopped_no_transfer_is_released(rich, owner, approver, payer, operator):
    asked = withdraw(rich, owner)
    before = transfers.approve(withdraw(rich, owner, 1000), by=approver, at=clock.now())
    done_at = clock.now()
    outgoing.stop(by=operator, reason="核对", at=clock.now())
    with pytest.raises(CannotTransfer, match="已停止"):
        transfers.approve(asked, by=approver, at=clock.now())
    at = clock.now()
    with pytest.raises(CannotTransfer, match="已停止"):
        transfers.mark_paid(before, by=payer, at=at, paid_at=at, voucher="V1")
    transfers.mark_paid(before, by=payer, at=clock.now(), paid_at=done_at, voucher="V1")  # the bank had done it
    outgoing.resume(by=approver, reason="好了", at=clock.now())
    assert transfers.approve(asked, by=approver, at=clock.now()).status == S.APPROVED


def test_the_account_is_sealed_and_each_look_is_kept(rich, owner, approver, operator):
    payee = Payee.objects.get()
    asked = withdraw(rich, owner)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM payments_payee")
        row = repr([bytes(value) if isinstance(value, memoryview) else value for value in cursor.fetchone()])
    assert "622202" not in row
    assert "李雷" not in row
    assert payee.last_four == "7890"
    with pytest.raises(CannotTransfer):
        transfers.look_at_payee(asked, by=operator, at=clock.now())
    seen = transfers.look_at_payee(asked, by=approver, at=clock.now())
    assert (seen.name, seen.number, seen.bank) == ("李雷", "6222021234567890", "招商银行上海分行")
    assert PayeeLook.objects.get().by == approver
    for wrong, field in (("12", "number"), ("62220212x4567890", "number")):
        with pytest.raises(payees.CannotSet) as refused:
            payees.lay_down(Account(PayeeKind.BANK, "李雷", wrong, "招商银行"), by=owner, at=clock.now(), shop=rich)
        assert refused.value.field == field


def test_whose_money_it_is_hears_of_each_step(rich, owner, approver, payer, buyer):
    """Nobody's account is changed, and nobody's money asked for, unseen; what came of it is told, with the reason."""
    staff = person("clerk", "merchant")
    rich.members.add(staff, through_defaults={"role": ShopRole.CLERK})
    done = paid(withdraw(rich, owner), approver, payer)
    transfers.mark_failed(done, by=approver, at=clock.now(), reason="户名不符")
    transfers.refuse(withdraw(rich, owner), by=approver, at=clock.now(), reason="材料不齐")
    told = Notice.objects.filter(recipient=owner, path="/shop/money/").order_by("pk")
    assert list(told.values_list("kind", flat=True)) == [
        "payee_laid_down", "transfer_requested", "transfer_paid", "transfer_failed", "transfer_requested",
        "transfer_refused",
    ]  # fmt: skip
    assert done.transfer_no in said(told[2])
    assert "银行卡（尾号 7890）" in said(told[2])
    assert "户名不符" in said(told[3])
    with translation.override("en"):
        assert "Bank card ending 7890" in said(told[2])
    assert not Notice.objects.filter(recipient=staff).exists()  # may not withdraw

    payees.lay_down(CARD, by=buyer, user=buyer, at=clock.now())
    payees.lay_down(CARD, by=buyer, user=buyer, at=clock.now())  # the same again is no news
    assert [notice.path for notice in Notice.objects.filter(recipient=buyer)] == ["/me/balance/"]
