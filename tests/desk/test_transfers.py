"""转账与出款开关 at the desk: three people carry a withdrawal through, and the switch is turned by two."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

import clock
from ledger import posting
from payments import outgoing, payees, transfers
from payments.models import PayeeLook
from payments.payees import Account
from payments.transfer_models import PayeeKind
from shops import life, money
from shops.models import ShopMember, ShopRole
from shops.money import Move
from tests.cast import person
from tests.desk.conftest import HTMX, text

pytestmark = pytest.mark.django_db
SWITCH = "/admin/payments/outgoingswitch/"


@pytest.fixture
def asked(shop, merchant):
    ShopMember.objects.filter(shop=shop, user=merchant).update(role=ShopRole.OWNER)
    earned = money.pay_in([Move("settle:a", shop.pk, 10_000, posting.shop_account(shop.pk))])
    posting.post([posting.Transfer("paid:a", "channel:wechat", posting.shop_account(shop.pk), 10_000), *earned],
                 at=clock.now())  # fmt: skip
    card = Account(PayeeKind.BANK, "李雷", "6222021234567890", "招商银行")
    payees.lay_down(card, by=merchant, at=clock.now() - timedelta(hours=25), shop=shop)
    return transfers.withdraw(shop, amount_fen=6000, by=merchant, at=clock.now(), verified_by="password")


def test_three_people_carry_a_withdrawal_through(asked, sits, finance, operator):
    """The list by deadline, advice, dialogs; the payee in clear is asked for by POST alone, and recorded."""
    first, second = sits(finance), sits(person("payer", "finance"))
    page = text(first.get(f"/admin/payments/transfer/{asked.pk}/change/"))
    assert "6222021234567890" not in page
    assert "尾号 7890" in page
    assert asked.transfer_no in text(first.get("/admin/payments/transfer/"))
    assert "通过 ¥60.00" in first.reads(first.does("approve", asked))
    address = reverse("admin:payments_transfer_payee", args=[asked.pk])
    assert address in page
    assert first.get(address).status_code == 403
    seen = first.client.post(address)
    assert "6222021234567890" in text(seen)
    assert "no-store" in seen.headers["Cache-Control"]
    assert PayeeLook.objects.get().by == finance
    assert sits(operator).client.post(address).status_code == 403
    mine = text(first.get(f"/admin/payments/transfer/{asked.pk}/change/"))
    assert "转账由您审批，付款须由另一位财务登记" in mine
    assert "mark_paid" not in mine  # a button that can only refuse helps nobody
    assert "转账由您审批" in text(first.dialog("mark_paid", asked))
    with pytest.raises(transfers.CannotTransfer):
        transfers.mark_paid(asked, by=finance, at=clock.now(), paid_at=clock.now(), voucher="V1")
    said = second.reads(second.does("mark_paid", asked, voucher="V1"))
    assert "凭证 V1" in said
    page = text(second.get(f"/admin/payments/transfer/{asked.pk}/change/"))
    assert "退票须由另一位财务登记" in page
    assert "mark_failed" not in page
    assert "户名不符" in first.reads(first.does("mark_failed", asked, note="户名不符"))
    assert LogEntry.objects.filter(content_type__model="transfer").count() == 4


def test_who_decides_on_a_withdrawal_reads_what_has_become_of_the_shop(asked, sits, finance, operator):
    """Its buyers were refunded by the platform since, or it was suspended: it would be paid all the same."""
    seat = sits(finance)
    address = f"/admin/payments/transfer/{asked.pk}/change/"
    page = text(seat.get(address))
    assert ("现欠平台垫付" in page, "请先确认可以付款" in page) == (False, False)
    moved = Move("penalty:a", asked.shop_id, 7000, posting.balance_account(asked.requested_by_id))
    posting.post(money.draw([moved]), at=clock.now())
    life.suspend(asked.shop, by=operator, at=clock.now(), reason="涉嫌套现")
    page = text(seat.get(address))
    assert "现欠平台垫付 ¥30.00" in page
    assert "店铺暂停营业：请先确认可以付款" in page


def test_what_is_in_doubt_after_a_restore_says_so_and_is_checked_by_a_button(asked, sits, finance):
    seat = sits(finance)
    address = f"/admin/payments/transfer/{asked.pk}/change/"
    assert "已核对银行流水" not in text(seat.get(address))
    transfers.hold_after_a_restore(before=clock.now(), at=clock.now())
    for page in (address, "/admin/payments/transfer/"):
        assert "先查银行流水" in text(seat.get(page))
    assert asked.transfer_no in text(seat.get("/admin/payments/transfer/?in_doubt=1"))
    assert "恢复前的审批可能丢失" in text(seat.get(address))
    assert "通过后仍要先查银行流水" in text(seat.dialog("approve", asked))
    transfers.approve(asked, by=finance, at=clock.now())
    payer = sits(person("payer", "finance"))
    assert "留空为现在" not in text(payer.dialog("mark_paid", asked))
    assert "请照银行流水填写" in text(payer.does("mark_paid", asked, voucher="V1"))
    assert "未付" in seat.reads(seat.does("confirm_unpaid", asked))
    assert "留空为现在" in text(payer.dialog("mark_paid", asked))
    assert asked.transfer_no not in text(seat.get("/admin/payments/transfer/?in_doubt=1"))
    assert "先查银行流水" not in text(seat.get(address))


def test_the_switch_is_turned_by_two_and_stands_on_every_page(sits, finance, senior, released):
    released()
    one, other = sits(finance), sits(senior)
    stop, resume = (reverse(f"admin:payments_outgoingswitch_{name}") for name in ("stop", "resume"))
    said = {"_form_submitted": "True", "note": "对账不平"}
    assert "恢复须由另一位同事" in text(one.client.get(stop, headers=HTMX))
    assert "不能为空" in text(one.client.post(stop, said | {"note": ""}, headers=HTMX))
    one.client.post(stop, said, headers=HTMX)
    page = text(other.get(SWITCH))
    assert "对账不平" in page
    assert "1 笔渠道退款在排队" in page
    assert "全部出款已停止" in text(other.get("/admin/"))
    assert "不能自己恢复" in text(one.client.get(resume, headers=HTMX))
    mine = text(one.get(SWITCH))
    assert "不能自己恢复" in mine
    assert resume not in mine
    assert resume in page
    one.client.post(resume, said, headers=HTMX)
    assert outgoing.stopped()
    other.client.post(resume, said, headers=HTMX)
    assert outgoing.stopped() is None
    assert "全部出款已停止" not in text(other.get("/admin/"))


def test_one_account_is_stopped_on_its_page(sits, finance, operator, released):
    account = released().payment.account
    one, other = sits(finance), sits(operator)
    assert "已停止出款" in one.reads(one.does("stop_outgoing", account, note="渠道异常"))
    assert "渠道异常" in text(other.get(f"/admin/payments/channelaccount/{account.pk}/change/"))
    assert set(outgoing.now().accounts) == {account.pk}
    mine = text(one.get(f"/admin/payments/channelaccount/{account.pk}/change/"))
    assert "不能自己恢复" in mine
    assert "resume_outgoing" not in mine
    other.does("resume_outgoing", account, note="好了")
    assert outgoing.now().accounts == {}
