"""店铺的钱: what is drawn from first, and what is filled up first."""

from __future__ import annotations

import pytest
from django.db import transaction

import clock
from cardshop.invariants.shops import nobody_is_below_nothing
from ledger import balances, posting
from ledger.posting import Transfer
from payments.models import OutgoingSwitch
from shops import deposits, money
from shops.money import Move, Purse
from tests.attacks import damaged
from tests.cast import person

pytestmark = pytest.mark.django_db

HELD, SHOP = posting.held_account, posting.shop_account


def earn(shop, fen: int, ref: str) -> None:
    """A settled order: its money was paid at the channel, and is the shop's own now."""
    paid = Transfer(f"paid:{ref}", "channel:wechat", SHOP(shop.pk), fen)
    posting.post([paid, *money.pay_in([Move(f"settle:{ref}", shop.pk, fen, SHOP(shop.pk))])], at=clock.now())


def give_back(shop, fen: int, ref: str) -> None:
    posting.post(money.draw([Move(ref, shop.pk, fen, HELD(shop.pk))]), at=clock.now())


def purse(shop) -> Purse:
    return money.purses([shop.pk])[shop.pk]


def test_what_a_shop_must_give_comes_from_its_own_then_the_deposit_then_the_platform(shop, finance):
    deposits.record(shop, amount_fen=5000, voucher="V1", note="", by=finance, at=clock.now())
    earn(shop, 3000, "a")
    assert purse(shop) == Purse(available_fen=3000, reserve_fen=5000, owes_fen=0, deposit_fen=5000)
    give_back(shop, 2000, "one")
    give_back(shop, 2500, "two")
    assert purse(shop) == Purse(available_fen=0, reserve_fen=3500, owes_fen=0, deposit_fen=5000)
    give_back(shop, 4000, "three")
    assert purse(shop) == Purse(available_fen=0, reserve_fen=0, owes_fen=500, deposit_fen=5000)
    assert balances.owed([HELD(shop.pk)]) == {HELD(shop.pk): 8500}
    assert nobody_is_below_nothing() == []


@pytest.mark.parametrize("account", ["shop:1", "held:1"])
def test_less_than_nothing_is_noticed(account):
    posting.post([Transfer("oops", account, "channel:wechat", 100)], at=clock.now())
    assert nobody_is_below_nothing() == [f"{account}: -100 fen"]


def test_what_the_database_forbids_is_noticed_all_the_same():
    posting.post([Transfer("earned", "channel:wechat", "available:1", 100)], at=clock.now())
    with damaged(
        "INSERT INTO ledger_entry (posting_id, account_id, side, amount_fen)"
        " SELECT posting_id, account_id, 'debit', 200 FROM ledger_entry WHERE side = 'credit'"
    ):
        assert nobody_is_below_nothing() == ["available:1: -100 fen"]


def test_what_a_shop_earns_repays_the_advance_then_the_deposit(shop, finance):
    deposits.record(shop, amount_fen=1000, voucher="V1", note="", by=finance, at=clock.now())
    give_back(shop, 1700, "one")
    earn(shop, 500, "a")
    assert purse(shop) == Purse(available_fen=0, reserve_fen=0, owes_fen=200, deposit_fen=1000)
    earn(shop, 1500, "b")
    assert purse(shop) == Purse(available_fen=300, reserve_fen=1000, owes_fen=0, deposit_fen=1000)


def test_several_at_once_see_each_other(shop):
    earn(shop, 1000, "a")
    moves = [Move(f"m{number}", shop.pk, 400, HELD(shop.pk)) for number in range(3)]
    posting.post(money.draw(moves), at=clock.now())
    assert purse(shop) == Purse(available_fen=0, reserve_fen=0, owes_fen=200, deposit_fen=0)


def test_a_deposit_repays_the_advance_first(shop, finance):
    give_back(shop, 700, "one")
    deposits.record(shop, amount_fen=5000, voucher="V1", note="", by=finance, at=clock.now())
    assert purse(shop) == Purse(available_fen=0, reserve_fen=4300, owes_fen=0, deposit_fen=5000)
    with pytest.raises(deposits.CannotRecord, match="不能超过"):
        deposits.ask_back(shop, amount_fen=4301, note="退出", by=finance, at=clock.now())


def test_a_deposit_leaves_by_two_people_and_what_was_drawn_of_it_does_not(shop, finance):
    """Four eyes, as every transfer; what the bank has paid is booked even if refunds have drawn of it meanwhile."""
    cashier, at = person("cashier", "finance"), clock.now()
    deposits.record(shop, amount_fen=5000, voucher="V1", note="", by=finance, at=at)
    give_back(shop, 4000, "one")
    with refused("两位财务"):
        deposits.record(shop, amount_fen=-1000, voucher="V2", note="", by=finance, at=at)
    with refused("不能超过"):
        deposits.ask_back(shop, amount_fen=1001, note="退出", by=finance, at=at)
    dropped = deposits.ask_back(shop, amount_fen=900, note="退出", by=finance, at=at)
    with refused("待付款"):
        deposits.ask_back(shop, amount_fen=1, note="退出", by=cashier, at=at)
    deposits.drop(dropped, reason="金额不对", by=finance, at=at)
    asked = deposits.ask_back(shop, amount_fen=1000, note="退出", by=finance, at=at)
    assert (purse(shop).reserve_fen, asked.due_at) == (1000, at + deposits.PAY_BACK_WITHIN)
    with refused("提出的人"):
        deposits.pay_back(asked, voucher="V2", by=finance, at=at)
    with refused("登记过"):
        deposits.pay_back(asked, voucher="V1", by=cashier, at=at)
    switch = OutgoingSwitch.objects.create(is_stopped=True, by=finance, reason="查", at=at)
    with refused("已停止"):
        deposits.pay_back(asked, voucher="V2", by=cashier, at=at)
    OutgoingSwitch.objects.create(is_stopped=False, by=cashier, reason=switch.reason, at=at)
    give_back(shop, 400, "two")
    deposits.pay_back(asked, voucher="V2", by=cashier, at=at)
    with refused("已退还"):
        deposits.pay_back(asked, voucher="V3", by=cashier, at=at)
    assert purse(shop) == Purse(available_fen=0, reserve_fen=0, owes_fen=400, deposit_fen=4000)
    assert balances.owed([posting.BANK]) == {posting.BANK: -4000}
    assert nobody_is_below_nothing() == []


def refused(words):
    return pytest.raises(deposits.CannotRecord, match=words)


def test_many_moves_cost_as_many_queries_as_one(shop, django_assert_num_queries):
    with transaction.atomic(), django_assert_num_queries(3):  # the lock, what it has, what it laid down
        assert len(money.draw([Move(f"m{n}", shop.pk, 100, HELD(shop.pk)) for n in range(9)])) == 9
