"""了结差错: what a person may do about a difference, and what the machine does while nobody has.

No act here moves money by itself but one, which two people decide: taking what was refunded outside us from somebody.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Model

import workqueue
from accounts.models import User
from accounts.roles import Role
from notices import telling
from notices.models import Notice
from orders import parties
from orders.models import Order
from payments import adopting, refunding, transfers
from payments.gateways.base import GatewayError, RefundOutcome
from payments.models import AttemptStatus, Payment, RefundAttempt
from payments.transfer_models import TransferStatus
from reconciliation import deadlines, matching, statements
from reconciliation.models import Bearer, Discrepancy, DiscrepancyEvent, DiscrepancyKind, DiscrepancyStatus
from refunds import settlement
from refunds.models import Disbursement, Refund

OPEN, EXPLAINED = DiscrepancyStatus.OPEN, DiscrepancyStatus.EXPLAINED
K = DiscrepancyKind
LATE_NOTICE = "discrepancies_late"
CAN_BE_ASKED = [K.ONLY_OURS, K.AMOUNT, K.STATE, K.CLOSED_PAID, K.GARBLED]
BATCH = 50
NOT_CLOSED = "我方记录已不是关闭"
IN_HAND = "渠道确认已退，而改付的转账还没有办完：没有转出的请按“不通过”结束，已经转出的照实登记，之后系统再认领或补记"


class CannotResolve(Exception):
    """The message is for staff."""


# --- what a person does -----------------------------------------------------------------------------------------------


def ask_again(row: Discrepancy, *, by: User, at: datetime) -> str:
    """再次询问渠道: asked under the numbers that we have; returns what came of it, as far as is known at once."""
    row = _opened(row)
    if row.kind == K.CLOSED_PAID:
        return look_into_closed(row, at=at, by=by)
    matching.ask_again(row, at=at, by=by)
    return "已安排再次询问，结果出来后重新对账"


def download_again(row: Discrepancy, *, by: User, at: datetime) -> int:
    """重新下载并对账 the bills of that account and day."""
    row = _opened(row)
    _note(row, "downloaded", at=at, by=by)
    return statements.want_again(row.statement.day, at=at, account=row.statement.account)


def adopt(row: Discrepancy, *, by: User, at: datetime) -> int:
    """补记为渠道侧退款. Raises CannotResolve."""
    row = _opened(row)
    count = matching.adopt(Discrepancy.objects.filter(pk=row.pk), at=at, by=by)
    if not count and not external(row):
        if RefundAttempt.objects.filter(request_no=row.request_no, payment__payment_no=row.payment_no).exists():
            raise CannotResolve("这笔退款已由我方的退款认领，无需补记；请核对后说明原因。")
        raise CannotResolve("这笔退款所属的收款不是我方的，无法补记；请联系渠道后说明原因。")
    return count


def explain(row: Discrepancy, *, by: User, at: datetime, reason: str) -> None:
    """说明原因: nothing moves; the reason stands there with who gave it. Raises CannotResolve."""
    with transaction.atomic():
        row = _opened(row)
        if external(row):  # somebody's loss, until two people have said whose
            raise CannotResolve("钱已从渠道账户退出，须由两人确认由谁承担，不能只说明原因。")
        row.borne_by, row.proposed_by = "", None
        _resolve(row, at=at, by=by, reason=reason)


def hand_over(row: Discrepancy, *, to: User, by: User, at: datetime, note: str = "") -> None:
    """转交 to another in finance; the deadline stays. Raises CannotResolve."""
    if to.role != Role.FINANCE or not to.is_active or not to.is_staff:
        raise CannotResolve("只能转交给在岗的财务。")
    with transaction.atomic():
        row = _opened(row)
        row.owner = to
        row.save(update_fields=["owner"])
        _note(row, "handed_over", at=at, by=by, note=f"转交给 {to.get_full_name() or to.username}。{note}".strip())


def propose_bearer(row: Discrepancy, *, bearer: Bearer, by: User, at: datetime, reason: str) -> None:
    """提出由谁承担, for a second person to confirm. Raises CannotResolve."""
    with transaction.atomic():
        row = _opened(row)
        attempt = external(row)
        if attempt is None:
            raise CannotResolve("这笔差错没有补记的渠道侧退款，没有要承担的金额。")
        _demand_no_part(attempt, by)
        row.borne_by, row.proposed_by, row.reason = bearer, by, reason[:500]
        row.save(update_fields=["borne_by", "proposed_by", "reason"])
        _note(row, "proposed", at=at, by=by, note=f"由{bearer.label}承担：{reason}")


def confirm_bearer(row: Discrepancy, *, by: User, at: datetime, proposal: int | None = None) -> None:
    """第二人确认: taken from the shop's money or from the platform's, once. Raises CannotResolve.

    ``proposal``: the one that was read (``proposal_of``); None: whichever stands.
    """
    with transaction.atomic():
        _hold_payment_and_order(row)
        row = _opened(row)
        attempt = external(row)
        if not row.borne_by or attempt is None:
            raise CannotResolve("还没有人提出由谁承担。")
        _demand_no_part(attempt, by)
        if proposal is not None and proposal != proposal_of(row):
            raise CannotResolve("提出的内容刚刚变了，没有记账。请看过新的再确认。")
        if row.proposed_by_id == by.pk:
            raise CannotResolve("提出的人不能自己确认，请另一位财务确认。")
        unsettled_fen = _unsettled_fen(attempt)
        adopting.bear(attempt, by_shop=row.borne_by == Bearer.SHOP, unsettled_fen=unsettled_fen, at=at)
        _resolve(row, at=at, by=by, reason=row.reason)


def proposal_of(row: Discrepancy) -> int:
    """The key of what was proposed last; 0: nothing was."""
    said = DiscrepancyEvent.objects.filter(discrepancy=row, what="proposed").order_by("-pk")
    return said.values_list("pk", flat=True).first() or 0


def external(row: Discrepancy) -> RefundAttempt | None:
    """The refund outside us that this difference was adopted as."""
    if not row.channel_no:
        return None
    rows = RefundAttempt.objects.filter(status=AttemptStatus.EXTERNAL, channel_refund_id=row.channel_no)
    return rows.filter(payment__payment_no=row.payment_no).select_related("payment__account", "payment__order").first()


def closed_paid(numbers: Sequence[str]) -> dict[str, Model]:
    """{商户退款单号: what is open about it as closed here and paid there}: nothing is sent anew meanwhile."""
    rows = Discrepancy.objects.filter(status=OPEN, kind=K.CLOSED_PAID, request_no__in=numbers)
    return {row.request_no: row for row in rows.order_by("due_at", "pk")}


# --- what the machine does --------------------------------------------------------------------------------------------


def sweep(*, at: datetime) -> int:
    """Ask about what is closed here and paid there; tell the operators of what is overdue. Returns how many."""
    with transaction.atomic():
        rows = Discrepancy.objects.filter(status=OPEN).select_related("statement__account")
        due = workqueue.claim(rows, at=at, limit=BATCH)
    late = []
    for row in due:
        if row.kind == K.CLOSED_PAID and at < row.due_at:
            look_into_closed(row, at=at)
        else:
            late.append(row)
    with transaction.atomic():
        for row in late:
            _note(row, "overdue", at=at)
        keys = workqueue.pks(late)
        Discrepancy.objects.filter(pk__in=keys).update(next_due_at=at + deadlines.ALARM_EVERY, leased_until=None)
        if late:
            _alarm(late[0], at)
    return len(due)


def look_into_closed(row: Discrepancy, *, at: datetime, by: User | None = None) -> str:
    """A refund that is closed here and paid there: taken up again where its case still holds the money, else noted as
    refunded outside us. Where a transfer in its place is in hand, that ends first, by what the bank has done. Nothing
    is sent; the difference stays open for a person."""
    attempts = RefundAttempt.objects.select_related("payment__account", "payment__order")
    attempt = attempts.filter(request_no=row.request_no).first()
    if attempt is None or attempt.status != AttemptStatus.CLOSED:
        return _looked(row, NOT_CLOSED, at, by)
    answer = adopting.ask_about_closed(attempt)
    if isinstance(answer, GatewayError):
        return _looked(row, f"渠道没有给出结果：{answer.code}", at, by, again=True)
    if answer.state not in adopting.PAID_THERE:
        return _looked(row, "渠道说没有退款", at, by)
    if said := _take_up(attempt, answer, at, by):
        return _looked(row, said, at, by, again=said == IN_HAND)
    adopting.adopt(attempt.payment.account, [matching.as_found(row)], at=at, by=by)
    return _looked(row, "渠道确认已退，这笔钱已另行处理：补记为渠道侧退款，请核对是否重复退款", at, by)


def _looked(row: Discrepancy, said: str, at: datetime, by: User | None, *, again: bool = False) -> str:
    with transaction.atomic():
        _note(row, "asked", at=at, by=by, note=said)
        due_at = min(row.due_at, at + statements.AGAIN_AFTER) if again else row.due_at
        Discrepancy.objects.filter(pk=row.pk).update(next_due_at=max(due_at, at), leased_until=None)
    return said


def _take_up(attempt: RefundAttempt, answer: RefundOutcome, at: datetime, by: User | None) -> str:
    """What became of it; empty: its money was given back otherwise. Its case and its payment are held, so that nobody
    releases it another way, or approves or pays a transfer in its place, meanwhile."""
    with transaction.atomic():
        mine = Refund.objects.select_for_update(no_key=True, of=("self",)).filter(disbursements__attempt=attempt)
        list(mine.values_list("pk"))
        refunding.lock_payments([attempt.payment_id])
        if not RefundAttempt.objects.filter(pk=attempt.pk, status=AttemptStatus.CLOSED).exists():
            return NOT_CLOSED  # a colleague, or the machine, was faster
        if in_hand := transfers.in_place_of(attempt, status=TransferStatus.waiting()):
            transfers.tell_paid_after_all(in_hand, at=at, by=by)
            return IN_HAND
        is_mine = _case_still_holds(attempt) and adopting.revive(attempt, answer, at=at, by=by)
        return "渠道确认已退，已重新认领这笔退款" if is_mine else ""


def _case_still_holds(attempt: RefundAttempt) -> bool:
    """Whether the case waits for just this refund: it holds the money, no later number was opened for it, and the bank
    has not paid it instead."""
    if transfers.in_place_of(attempt, status=[TransferStatus.PAID]):
        return False
    mine = Disbursement.objects.filter(attempt=attempt).select_related("refund").first()
    if mine is None:
        return attempt.payment.is_surplus
    later = Disbursement.objects.filter(refund=mine.refund_id, pk__gt=mine.pk).exists()
    return not later and mine.refund.held_fen >= attempt.amount_fen


def _alarm(first: Discrepancy, at: datetime) -> None:
    """One unread notice each, however many are late: the desk has the list of them."""
    people = User.objects.filter(role__in=[Role.OPERATOR, Role.FINANCE], is_staff=True, is_active=True)
    told = Notice.objects.filter(recipient__in=people, kind=LATE_NOTICE, read_at=None).values("recipient")
    path = "/admin/reconciliation/discrepancy/?status__exact=open"
    source = f"discrepancy-late:{first.pk}:{first.tries}:{at:%Y%m%d}"
    telling.tell(
        Notice(recipient=person, kind=LATE_NOTICE, path=path, source=source[:60], created_at=at)
        for person in people.exclude(pk__in=told)
    )


# --- helpers ----------------------------------------------------------------------------------------------------------


def _opened(row: Discrepancy) -> Discrepancy:
    """As it is now; locked, where there is a transaction to hold it in. Raises CannotResolve."""
    rows = Discrepancy.objects.select_related("statement__account")
    with transaction.atomic():
        found = rows.select_for_update(no_key=True, of=("self",)).get(pk=row.pk)
    if found.status != OPEN:
        raise CannotResolve(f"这条差错{found.get_status_display()}，无需再处理。")
    return found


def _demand_no_part(attempt: RefundAttempt, by: User) -> None:
    """Nobody says who bears what an own shop, or they themselves, would else bear or have (I10). Raises
    CannotResolve."""
    if parties.has_part(by, attempt.payment.order):
        raise CannotResolve("这是您自己或您店铺的订单，由谁承担须由别的财务决定。")


def _hold_payment_and_order(row: Discrepancy) -> None:
    """Whoever takes a found refund over holds it too (``found.take_over``): it is a case's, or somebody's loss. And its
    order, which whoever settles it or holds money for a case holds."""
    payments = Payment.objects.filter(payment_no=row.payment_no)
    refunding.lock_payments(list(payments.values_list("pk", flat=True)))
    list(
        Order.objects.select_for_update(no_key=True)
        .filter(pk__in=payments.values("order"))
        .order_by("pk")
        .values_list("pk")
    )


def _unsettled_fen(attempt: RefundAttempt) -> int:
    """What of its order is not settled. Nobody settles it meanwhile, and no case takes of it. Raises CannotResolve."""
    order = attempt.payment.order
    if attempt.payment.is_surplus:  # it was never the shop's
        return 0
    fen = settlement.unsettled_fen(order)
    if fen < attempt.amount_fen and order.settled_at is None and order.refunds.filter(held_fen__gt=0).exists():
        raise CannotResolve("这张订单的退款还冻结着货款，还不知道由哪笔钱承担。请等退款结束，或先结束它。")
    return fen


def _resolve(row: Discrepancy, *, at: datetime, by: User, reason: str) -> None:
    row.status, row.resolved_at, row.resolved_by, row.reason = EXPLAINED, at, by, reason[:500]
    row.next_due_at = row.leased_until = None
    row.save()
    _note(row, "explained", at=at, by=by, note=reason)


def _note(row: Discrepancy, what: str, *, at: datetime, by: User | None = None, note: str = "") -> None:
    DiscrepancyEvent.objects.create(discrepancy=row, at=at, what=what, by=by, note=note[:500])
