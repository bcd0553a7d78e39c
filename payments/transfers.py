"""转账: money that leaves by hand: a shop's withdrawal, a buyer's cash-out, a refund to another account.

Who asks, who approves and who pays are three people (constraints). The money is taken from the shop or the buyer as it
is asked for, and lies on ``transfer:platform`` until it is paid; what is refused, or given back by the bank, goes back
by reversal. A redirected refund's money stays held of its shop's until it is paid. The only writer of transfers.
docs/decisions/0024-transfers-and-balance.md, 0027-money-that-comes-back.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

import reason_given
import workqueue
from accounts import realname
from accounts import rights as staff_rights
from accounts.models import User
from accounts.rights import Act
from identifiers import voucher_number
from ledger import posting
from money import yuan
from orders import parties
from payments import balance, found, hearing, outgoing, payees, refunding, telling
from payments.models import Payment, PaymentStatus, RefundAttempt
from payments.transfer_models import Payee, Purpose, Transfer, TransferEvent
from payments.transfer_models import TransferStatus as S
from shops import money
from shops import rights as shop_rights
from shops.models import Shop

APPROVE_HOURS = 24
APPROVE_WITHIN = timedelta(hours=APPROVE_HOURS)
PAY_WITHIN = timedelta(hours=24)
MOST_WAITING = 3  # of one purse: two people decide on each and pay it by hand
LEAST_FEN = 100  # unless it is all that there is
MODEL = "payments.transfer"
LONGEST_VOUCHER = 60
IN_DOUBT = (
    "数据库恢复过，这笔可能已经付过：请先查银行流水（附言是转账单号）。已付的，填流水上的付款时间和凭证登记；"
    "没有付的，先办“已核对银行流水，未付”。"
)
IN_DOUBT_UNAPPROVED = "恢复前的审批可能丢失：已付的也要先“通过”，再由另一位财务登记。"
MOST_SHOWN = 20
#: What happens next, for who asked.
NEXT: dict[str, object] = {
    S.REQUESTED: gettext_lazy("财务审批，之后另一位财务转账。"),
    S.APPROVED: gettext_lazy("财务转账，之后银行入账。"),
    S.PAID: gettext_lazy("已转出；到账以银行为准，通常当天，最迟 2 个工作日。"),
    S.REFUSED: gettext_lazy("钱已退回原处；可以重新申请。"),
    S.FAILED: gettext_lazy("银行退回，钱已回到原处。请核对收款账户后重新申请。"),
}


class CannotTransfer(Exception):
    """``code`` for programs; the message is for whoever asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TransferChannel(Protocol):
    """How an approved transfer leaves. Its number never changes: asked twice, a bank can tell that it is the same."""

    def begin(self, transfer: Transfer) -> str:
        """Hand it over; returns what finance does next, empty if nothing."""


class ByHand:
    """A person transfers it at the bank, and records the voucher."""

    def begin(self, transfer: Transfer) -> str:
        return (
            f"请在网银或商户平台向{transfer.payee}转账 {yuan(transfer.amount_fen)}，附言填 {transfer.transfer_no}，"
            "完成后登记凭证号。审批人不能登记付款。"
        )


CHANNEL: TransferChannel = ByHand()


# --- asking -----------------------------------------------------------------------------------------------------------


def withdraw(
    shop: Shop, *, amount_fen: int, by: User, at: datetime, verified_by: str, request_key: uuid.UUID | None = None
) -> Transfer:
    """店铺提现, by its owner: no more than what may be withdrawn. ``verified_by``: how they have just proved who they
    are. The same ``request_key`` again is the same withdrawal. Raises CannotTransfer, shops.rights.NotAllowed."""
    with transaction.atomic():
        shop_rights.demand(by, shop, "withdraw")
        payee = _payee(payees.newest(shop=shop), verified_by, at)
        available_fen = money.hold([shop.pk])[shop.pk].available_fen
        asked = Transfer(purpose=Purpose.SHOP_WITHDRAWAL, shop=shop, payee=payee, amount_fen=amount_fen)
        if known := _asked_before(request_key, asked):
            return known
        _demand_enough(amount_fen, available_fen)
        _demand_few(asked)
        return _request(asked, posting.available_account(shop.pk), by=by, at=at, request_key=request_key)


def cash_out_is_offered() -> bool:
    """Whether a balance can be cashed out here at all: else nobody could prove whose an account is."""
    return realname.is_offered()


def cash_out(
    user: User, *, amount_fen: int, at: datetime, verified_by: str, request_key: uuid.UUID | None = None
) -> Transfer:
    """余额提现 by the buyer, as ``withdraw``. Raises CannotTransfer."""
    if user.is_guest or not user.is_active:
        raise CannotTransfer("no_account", _("访客没有余额，请先注册或认领订单。"))
    with transaction.atomic():
        payee = _payee(payees.newest(user=user), verified_by, at)
        available_fen = balance.hold(user.pk)
        asked = Transfer(purpose=Purpose.CASH_OUT, user=user, payee=payee, amount_fen=amount_fen)
        if known := _asked_before(request_key, asked):
            return known
        _demand_enough(amount_fen, available_fen)
        _demand_few(asked)
        return _request(asked, posting.balance_account(user.pk), by=user, at=at, request_key=request_key)


def redirect(
    payment: Payment, *, payee: Payee, amount_fen: int, instead_of: RefundAttempt | None, at: datetime
) -> Transfer:
    """退款改付 (I13): what the original route could not give back goes to the account that the buyer signed for.

    From here on it is promised of its payment (I1); posted as it is paid. The buyer has asked for it, by signature.
    In the caller's transaction. Raises CannotTransfer.
    """
    (owed,) = refunding.locked_payments([payment.pk])
    if obstacle := why_not_redirect(owed, amount_fen):
        raise CannotTransfer("exceeds_payment", obstacle)
    asked = Transfer(purpose=Purpose.REDIRECT, user=payee.user, payee=payee, payment=owed, amount_fen=amount_fen)
    asked.instead_of = RefundAttempt.objects.get(pk=instead_of.pk) if instead_of else None
    _demand_closed(asked)
    owed.transferred_fen += amount_fen
    owed.save(update_fields=["transferred_fen"])
    assert payee.user  # noqa: S101 - for the type checker: a redirect is a buyer's, says the database
    return _keep(asked, by=payee.user, at=at)


def why_not_redirect(payment: Payment, amount_fen: int) -> str:
    """Why so much of this payment cannot be transferred; empty if it can. However old it is: no channel is asked."""
    if payment.status != PaymentStatus.PAID or payment.is_surplus:
        return "这笔收款不是订单的有效收款，不能转账改付"
    if payment.account.shop_id:  # we would give what we never got
        return "这笔款由店铺自己的商户号收取，平台不能代付，只能原路退回"
    if found.fits(payment, amount_fen):
        return "渠道已按遗忘的单号退过同样的金额：请原路认领它，或由两人确认由谁承担，再转账改付"
    return "退款金额超过该笔支付的剩余可退金额" if amount_fen > payment.refundable_fen else ""


def in_place_of(attempt: RefundAttempt, *, status: Sequence[str]) -> Transfer | None:
    """The transfer that stands for this refund, if it is here. Its payment is locked: nobody decides meanwhile."""
    return Transfer.objects.filter(instead_of=attempt, status__in=status).first()


def tell_paid_after_all(transfer: Transfer, *, at: datetime, by: User | None) -> None:
    """The channel says that it has paid what this stands for: nobody approves it any more, and whoever is about to
    transfer it reads so."""
    attempt = transfer.instead_of
    if attempt and transfer.paid_there_at is None:
        transfer.paid_there_at = at
        transfer.save(update_fields=["paid_there_at"])
        refunding.noted(attempt, "渠道账单显示已退，渠道确认；改付的转账在办", by=by, at=at).save()


def warning_before_paying(transfer: Transfer) -> str:
    """What whoever is to pay it must know first; empty if nothing."""
    if transfer.status not in S.waiting() or transfer.paid_there_at is None:
        return ""
    return "渠道称已退这笔款。还没有在银行转出的，请按“不通过”结束；已经转出的，照实登记，重复的部分在差错里处理。"


def why_not_to_pay(transfer: Transfer) -> str:
    """Why its account is shown to nobody; empty if it is. What is in doubt may be paid: who looks asks the bank."""
    return "" if transfer.in_doubt_at else warning_before_paying(transfer)


def acknowledge(rows: Sequence[Transfer]) -> None:
    """The app above has acted on this news; it holds the rows locked, so that none is newer."""
    Transfer.objects.filter(pk__in=workqueue.pks(rows)).update(news_at=None)


def put_off_news(rows: QuerySet[Transfer], *, until: datetime) -> None:
    """The app above could not act on this news, and hears it again then."""
    rows.filter(news_at__isnull=False).update(news_at=until)


@dataclass(frozen=True)
class Standing:
    """What whoever may ask for a transfer looks at: the account it would go to and from when, and what was asked for
    lately with what happens next. ``is_not_own``: nobody proved that the buyer holds it: it gets nothing. ``hours``:
    until it is decided; no more wait at once, each of so much at least."""

    payee: Payee | None
    usable_from: datetime | None
    is_not_own: bool
    rows: list[tuple[Transfer, object]]
    hours: int = APPROVE_HOURS
    most_waiting: int = MOST_WAITING
    least_fen: int = LEAST_FEN


def standing(*, shop: Shop | None = None, user: User | None = None) -> Standing:
    """Of a shop's withdrawals, or of a buyer's cash-outs."""
    payee = payees.newest(shop=shop, user=user)
    asked = Transfer.objects.filter(shop=shop) if shop else Transfer.objects.filter(user=user, purpose=Purpose.CASH_OUT)
    rows = asked.select_related("payee").order_by("-pk")[:MOST_SHOWN]
    nexts = [(row, NEXT[row.status]) for row in rows]
    if payee is None:
        return Standing(None, None, is_not_own=False, rows=nexts)
    return Standing(payee, payees.usable_from(payee), _is_not_own(payee), nexts)


# --- deciding ---------------------------------------------------------------------------------------------------------


def approve(transfer: Transfer, *, by: User, at: datetime) -> Transfer:
    """通过, by another person than who asked; not while outgoing money is stopped. Raises CannotTransfer."""
    with transaction.atomic():
        row = _locked(transfer, Act.APPROVE, by, {S.REQUESTED})
        _demand_open(at)
        _demand_closed(row)
        if row.paid_there_at and not row.in_doubt_at:
            raise CannotTransfer("old_alive", "渠道确认已退这笔款，再转账会重复退款。请按“不通过”结束这笔转账。")
        if row.requested_by_id == by.pk:
            raise CannotTransfer("own", "申请人不能审批自己的转账。")
        row.approved_by, row.approved_at = by, at
        return _move(row, S.APPROVED, by, at, due_at=at + PAY_WITHIN)


def refuse(transfer: Transfer, *, by: User, at: datetime, reason: str) -> Transfer:
    """不通过, before it is paid: the money goes back at once. Raises CannotTransfer."""
    with transaction.atomic():
        row = _locked(transfer, Act.REFUSE, by, {S.REQUESTED, S.APPROVED})
        if row.in_doubt_at:
            raise CannotTransfer("in_doubt", IN_DOUBT)
        _end(row, by, at, reason)
        _give_back(row, at)
        return _move(row, S.REFUSED, by, at, note=row.reason)


def mark_paid(transfer: Transfer, *, by: User, at: datetime, paid_at: datetime, voucher: str) -> Transfer:
    """已转账, by a third person, with the bank's voucher and time. What the bank did before outgoing money was stopped,
    or whatever a channel says of the old refund by now, is recorded all the same. Raises CannotTransfer."""
    voucher = voucher_number(voucher)
    with transaction.atomic():
        row = _locked(transfer, Act.MARK_PAID, by, {S.APPROVED})
        _demand_another_payer(row, by)
        if not 0 < len(voucher) <= LONGEST_VOUCHER:
            raise CannotTransfer("voucher", f"请填写银行凭证号，不超过 {LONGEST_VOUCHER} 字。")
        _demand_payable_then(row, paid_at, at)
        _demand_open(paid_at)
        row.paid_by, row.paid_at, row.voucher = by, paid_at, voucher
        _post(f"transfer_paid:{row.transfer_no}", _lies_on(row), posting.BANK, row, at)
        try:
            with transaction.atomic():
                return _move(row, S.PAID, by, at, note=voucher)
        except IntegrityError as error:
            if "voucher_serves_once" not in str(error):
                raise
            raise CannotTransfer("voucher", "这张凭证已经登记过。") from None


def mark_failed(transfer: Transfer, *, by: User, at: datetime, reason: str) -> Transfer:
    """退票: the bank gave it back; it goes back to where it was taken from, and may be asked for again. So another
    person says so than who paid it. Raises CannotTransfer."""
    with transaction.atomic():
        row = _locked(transfer, Act.MARK_FAILED, by, {S.PAID})
        if row.paid_by_id == by.pk:
            raise CannotTransfer("own", "登记付款的人不能登记退票，请由另一位财务登记。")
        _end(row, by, at, reason)
        posting.reverse({f"transfer_paid:{row.transfer_no}": f"transfer_failed:{row.transfer_no}"}, at=at)
        _give_back(row, at)
        return _move(row, S.FAILED, by, at, note=row.reason)


def hold_after_a_restore(*, before: datetime, at: datetime) -> int:
    """存疑: the database has gone back in time (F6, F7), and what waits may be paid already; not what somebody has
    asked the bank about since ``before``. Returns how many."""
    with transaction.atomic():
        rows = Transfer.objects.select_for_update(no_key=True).filter(status__in=S.waiting(), in_doubt_at=None)
        rows = rows.filter(requested_at__lt=before).exclude(checked_at__gte=before)
        waiting = list(rows.order_by("pk"))
        Transfer.objects.filter(pk__in=workqueue.pks(waiting)).update(in_doubt_at=at, checked_by=None, checked_at=None)
        TransferEvent.objects.bulk_create(
            TransferEvent(transfer=row, from_status=row.status, to_status=row.status, by=outgoing.machine(), at=at,
                          note="数据库恢复过，先核对银行流水") for row in waiting
        )  # fmt: skip
    return len(waiting)


def confirm_unpaid(transfer: Transfer, *, by: User, at: datetime) -> Transfer:
    """已核对银行流水，未付: it goes on. Who says so does not record its payment. Raises CannotTransfer."""
    with transaction.atomic():
        row = _locked(transfer, Act.CONFIRM_UNPAID, by, {S.REQUESTED, S.APPROVED})
        if row.in_doubt_at is None:
            raise CannotTransfer("not_in_doubt", "这笔转账不用核对银行流水。")
        row.in_doubt_at, row.checked_by, row.checked_at = None, by, at
        row.save(update_fields=["in_doubt_at", "checked_by", "checked_at"])
        stands = {"from_status": row.status, "to_status": row.status}
        TransferEvent.objects.create(transfer=row, by=by, at=at, note="已核对银行流水，未付", **stands)
        return row


def look_at_payee(transfer: Transfer, *, by: User, at: datetime) -> payees.Account:
    """收款账户 in clear, for who may transfer it; recorded. Not once its channel has paid: who was transferring it by
    then knows the account. Raises CannotTransfer."""
    if not staff_rights.may(by, Act.PAYEE, MODEL):
        raise CannotTransfer("no_right", "您的岗位不能查看收款账户。")
    with transaction.atomic():
        row = Transfer.objects.select_related("payee", "payment__order").get(pk=transfer.pk)  # as it is now
        _demand_no_part(row, by)
        if words := why_not_to_pay(row):
            raise CannotTransfer("old_alive", words)
        return payees.look(row.payee, by=by, at=at)


# --- small things -----------------------------------------------------------------------------------------------------


def _payee(payee: Payee | None, verified_by: str, at: datetime) -> Payee:
    if not verified_by:
        raise CannotTransfer("step_up", _("请先再次验证身份。"))
    if payee is None:
        raise CannotTransfer("no_payee", _("请先登记收款账户。"))
    if _is_not_own(payee):
        raise CannotTransfer(
            "not_holder", _("余额只能提现到您本人的账户：请重新登记收款账户，核对户名与您的实名认证一致。")
        )
    if at < payees.usable_from(payee):
        raise CannotTransfer(
            "cooling",
            _("收款账户刚刚登记或更换，%(hours)d 小时后才能转账。不是您本人操作的，请立即修改密码并联系客服。")
            % {"hours": payees.COOLING_HOURS},
        )
    return payee


def _is_not_own(payee: Payee) -> bool:
    """A buyer's, and nobody proved that he holds it (I13)."""
    return payee.user_id is not None and payee.real_name_id is None


def _asked_before(request_key: uuid.UUID | None, asked: Transfer) -> Transfer | None:
    """The same form sent twice; asked for under the purse's lock, so that the first has been committed. Sent again with
    another sum, or for another purse, it is no second request, and must not look like one."""
    known = Transfer.objects.filter(request_key=request_key).first() if request_key else None
    if known and any(getattr(known, name) != getattr(asked, name) for name in ("shop_id", "user_id", "amount_fen")):
        raise CannotTransfer("sent_before", _("这张表已提交过一笔提现。要再提一笔，请重新打开本页。"))
    return known


def _demand_enough(amount_fen: int, available_fen: int) -> None:
    if amount_fen <= 0:
        raise CannotTransfer("amount", _("金额须大于 0。"))
    if amount_fen > available_fen:
        raise CannotTransfer("not_enough", _("可用金额只有 %(fen)s。") % {"fen": yuan(max(0, available_fen))})
    if amount_fen < min(LEAST_FEN, available_fen):
        raise CannotTransfer("amount", _("每笔至少 %(fen)s；总共不足这个数的，须一次提完。") % {"fen": yuan(LEAST_FEN)})


def _demand_few(asked: Transfer) -> None:
    """Under the purse's lock, so that those asked for at once are counted."""
    of_the_purse = Transfer.objects.filter(purpose=asked.purpose, shop=asked.shop, user=asked.user)
    if of_the_purse.filter(status__in=S.waiting())[:MOST_WAITING].count() == MOST_WAITING:
        said = _("已有 %(most)d 笔提现在办，有一笔办完后才能再申请。") % {"most": MOST_WAITING}
        raise CannotTransfer("too_many", said)


def _request(asked: Transfer, source: str, *, by: User, at: datetime, request_key: uuid.UUID | None) -> Transfer:
    asked.request_key = request_key or asked.request_key
    _keep(asked, by=by, at=at)
    _post(_taken(asked), source, posting.TRANSFERS, asked, at)
    return asked


def _keep(asked: Transfer, *, by: User, at: datetime) -> Transfer:
    asked.requested_by, asked.requested_at, asked.due_at = by, at, at + APPROVE_WITHIN
    asked.save(force_insert=True)
    event = TransferEvent.objects.create(transfer=asked, to_status=S.REQUESTED, by=by, at=at)
    telling.of_transfer(asked, event, hours=APPROVE_HOURS)
    return asked


def _demand_closed(row: Transfer) -> None:
    """The refund that this stands for came alive after all: one of the two pays, and it is not this one (G7). Its
    payment is locked, so that nothing is heard of it meanwhile."""
    if row.instead_of and row.instead_of.status not in hearing.FINAL:
        raise CannotTransfer("old_alive", "上一笔渠道退款又有了结果，再转账可能重复退款。请按“不通过”结束这笔转账。")


def _lies_on(row: Transfer) -> str:
    """Where its money waits."""
    return posting.held_account(row.payment.order.shop_id) if row.payment else posting.TRANSFERS


def _give_back(row: Transfer, at: datetime) -> None:
    """What was taken goes back where it came from; of a redirect nothing was taken, and it is not promised any more.

    What a shop has come to owe meanwhile is paid of it first, or it could withdraw what it owes.
    """
    if row.payment is None:
        posting.reverse({_taken(row): f"transfer_back:{row.transfer_no}"}, at=at)
        if row.shop_id:
            posting.post(money.settle_debts(f"repay:{row.transfer_no}", row.shop_id, row.amount_fen), at=at)
        return
    row.payment.transferred_fen -= row.amount_fen
    row.payment.save(update_fields=["transferred_fen"])


def _locked(transfer: Transfer, act: Act, by: User, sources: set[S]) -> Transfer:
    """The row as it is now, for somebody who may do this to it. Nobody of the shop that gets the money, or of the order
    that a refund is of, and no buyer of either (I10)."""
    if not staff_rights.may(by, act, MODEL):
        raise CannotTransfer("no_right", "您的岗位不能办理转账。")
    if transfer.payment_id:
        refunding.locked_payments([transfer.payment_id])  # before the row, as whoever opens one does
    rows = Transfer.objects.select_for_update(no_key=True, of=("self",))
    row = rows.select_related("payee", "payment__order", "instead_of").get(pk=transfer.pk)
    _demand_no_part(row, by)
    if row.status not in sources:
        raise CannotTransfer("wrong_status", f"这笔转账{S(row.status).label}，不能再这样办理。")
    return row


def _demand_no_part(row: Transfer, by: User) -> None:
    if row.user_id == by.pk or (row.shop and row.shop.memberships.filter(user=by).exists()):
        raise CannotTransfer("own", "不能办理自己或自己店铺的转账。")
    if row.payment and parties.has_part(by, row.payment.order):
        raise CannotTransfer("own", "这是您自己或您店铺的订单，转账须由别的财务办理。")


def _demand_another_payer(row: Transfer, by: User) -> None:
    if by.pk in {row.approved_by_id, row.requested_by_id}:
        raise CannotTransfer("own", "申请人和审批人不能登记付款，请由另一位财务登记。")
    if by.pk == row.checked_by_id:
        raise CannotTransfer("own", "核对银行流水、说未付的人不能再登记付款，请由另一位财务登记。")


def _demand_payable_then(row: Transfer, paid_at: datetime, at: datetime) -> None:
    """The bank can have paid it at that hour."""
    if row.in_doubt_at and paid_at > row.in_doubt_at:
        raise CannotTransfer("in_doubt", IN_DOUBT)
    if row.approved_at is None or not _could_be_paid_from(row) <= paid_at <= at:
        raise CannotTransfer("paid_at", "付款时间须在审批之后、现在之前。")


def _could_be_paid_from(row: Transfer) -> datetime:
    """Of what is in doubt, the approval that the bank's payment followed may be lost, and given anew."""
    approved_at = row.approved_at or row.requested_at
    return (row.requested_at if row.in_doubt_at else approved_at) - timedelta(minutes=1)


def _demand_open(at: datetime) -> None:
    row = outgoing.stopped()
    if row and at >= row.at:
        raise CannotTransfer("outgoing_stopped", "全部出款已停止，恢复后再办理。请不要转账。")


def _end(row: Transfer, by: User, at: datetime, reason: str) -> None:
    if missing := reason_given.why_not(reason):
        raise CannotTransfer("reason", f"{missing}申请人会看到。")
    row.reason, row.ended_by, row.ended_at = reason.strip(), by, at


def _move(row: Transfer, to: S, by: User, at: datetime, *, due_at: datetime | None = None, note: str = "") -> Transfer:
    before, row.status, row.due_at = row.status, to, due_at
    if row.payment_id and to != S.APPROVED:
        row.news_at = at
        workqueue.ring("refunds.sweep")
    # A voucher's lock comes before any purse, as where a deposit is booked: only what is paid takes it.
    row.save(update_fields=[*_WRITTEN, "voucher"] if to == S.PAID else _WRITTEN)
    event = TransferEvent.objects.create(transfer=row, from_status=before, to_status=to, by=by, at=at, note=note)
    telling.of_transfer(row, event, hours=APPROVE_HOURS)
    return row


def _taken(transfer: Transfer) -> str:
    """The posting that took the money."""
    return f"transfer:{transfer.transfer_no}"


def _post(ref: str, debit: str, credit: str, transfer: Transfer, at: datetime) -> None:
    posting.post([posting.Transfer(ref, debit=debit, credit=credit, amount_fen=transfer.amount_fen)], at=at)


_WRITTEN = [
    "status", "due_at", "approved_by", "approved_at", "paid_by", "paid_at", "ended_by", "ended_at", "reason",
    "news_at",
]  # fmt: skip
