"""恢复核对 after a restore or a failover: ask the channels about everything that could have moved, then let money go.

Outgoing money is stopped first. A run goes through the payments in the order of their keys, a batch at a time, and
writes down how far it is: stopped anywhere, it goes on there. It is over when nothing is open; only then does the
database let the switch be turned on again (a trigger on it). docs/decisions/0028-recovery.md.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from django.db.models import Exists, OuterRef, Q, QuerySet

import clock
from cardshop import watching
from cardshop.models import PASSED_OVER, RecoveryFinding, RecoveryRun
from payments import channels, numbering, outgoing, relearning
from payments.asking import BATCH
from payments.models import BALANCE, Payment, PaymentStatus, RefundAttempt, Transfer
from payments.relearning import Learned
from payments.sent import Sent
from payments.transfer_models import TransferStatus
from refunds.models import Refund, Status

BEFORE = timedelta(hours=1)  # what was under way then may have ended since
SETTLES_WITHIN = timedelta(minutes=10)  # a number that was sent and is not heard of for so long never was
NOT_OVER = [*Status.active(), Status.PROCESSING, Status.PAID_OUT, Status.RETURNED, Status.REDIRECT_SIGNED]
UNANSWERED, STRANGE = "unanswered", "payment unknown"


class NotRecovering(Exception):
    """There is nothing to recover from, or no time was named. The message says what to do."""


@dataclass
class Lost:
    """Numbers that were sent and the database has not: the highest index of each payment, and when it was."""

    highest: dict[str, int] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)


def run(
    *,
    since: datetime | None,
    until: datetime | None,
    paid_days: int = 30,
    say: Callable[[str], None],
    pace: float = 0.5,
) -> RecoveryRun:
    """Begin or go on, to the end; returns the run, closed if nothing is open. Raises NotRecovering."""
    row = _begin(since, until, paid_days)
    lost = _lost()
    say(f"自 {row.since:%Y-%m-%d %H:%M} 起；发出记录中有 {len(lost.sent)} 个单号不在库里 / sent, not in the database")
    while batch := list(touched(row, lost)[:BATCH]):
        began = monotonic()
        _learn(row, relearning.recover(batch, sent=lost.highest, now=clock.now), lost)
        row.last_payment, row.payments_done = batch[-1].pk, row.payments_done + len(batch)
        row.save(update_fields=["last_payment", "payments_done"])
        say(f"… {row.payments_done} 笔收款 / payments, {batch[-1].payment_no}")
        _keep_pace(batch, monotonic() - began, pace)
    _ask_again(row, lost)
    _tell_of_strangers(row, lost)
    return _end(row)


def touched(row: RecoveryRun, lost: Lost) -> QuerySet[Payment]:
    """Payments that could have moved in what was lost, beyond the last one that is done.

    What was open; what was paid lately, or has a refund under way or asked for; and whatever the record of sent numbers
    names. A refund of an older payment, asked for and sent within the lost time, is in that record alone.
    """
    assert row.since is not None
    since = row.since - BEFORE
    under_way = RefundAttempt.objects.filter(payment=OuterRef("pk")).filter(
        Q(next_due_at__isnull=False) | Q(created_at__gte=since) | Q(finished_at__gte=since) | Q(status="held")
    )
    asked_for = Refund.objects.filter(payment=OuterRef("pk"), status__in=NOT_OVER)
    could_move = (
        Q(status__in=[PaymentStatus.PREPARED, PaymentStatus.OPEN])
        | Q(status=PaymentStatus.CLOSED, expires_at__gte=since)
        | Q(paid_at__gte=since - timedelta(days=row.paid_days))
        | Exists(under_way)
        | Exists(asked_for)
        | Q(payment_no__in=list(lost.highest))
    )
    rows = Payment.objects.filter(could_move, pk__gt=row.last_payment).exclude(account__channel=BALANCE)
    if row.until:
        rows = rows.filter(created_at__lte=row.until)
    return rows.select_related("account").order_by("pk")


def report(row: RecoveryRun) -> list[str]:
    """What the run found, in lines; the ones that need somebody first."""
    findings = list(row.findings.order_by("-is_open", "pk"))
    counts = Counter(each.what for each in findings)
    in_doubt = Transfer.objects.filter(status__in=TransferStatus.waiting(), in_doubt_at__isnull=False).count()
    lines = [f"{'✗ 未决 / open: ' if each.is_open else ''}{each.number} {each.what}"
             f"{f' {each.amount_fen} fen' if each.amount_fen else ''}{f' — {each.note}' if each.note else ''}"
             for each in findings]  # fmt: skip
    lines.append(f"{row.payments_done} 笔收款已核对 / payments asked about; {dict(counts) or '无差异 / nothing new'}")
    lines.append(
        f"! {in_doubt} 笔转账存疑：在客服台“转账”逐笔对银行流水，已付的登记，未付的办“已核对银行流水，未付”；"
        "附言是 T 开头的单号而这里没有的，是丢失的申请，同一笔再申请时不要再付；待付款的保证金退还已撤下"
        " / transfers in doubt: ask the bank's statement about each; a number there that is not here was lost"
    )
    if row.closed_at:
        lines.append("✓ 核对完成，可由另一位同事在“出款开关”恢复 / done: somebody may turn outgoing money on again")
    else:
        lines.append(f"✗ {row.open_count} 项未决，稍后再运行 / open, run it again")
    return lines


# --- how --------------------------------------------------------------------------------------------------------------


def _begin(since: datetime | None, until: datetime | None, paid_days: int) -> RecoveryRun:
    at = clock.now()
    row = RecoveryRun.objects.filter(closed_at=None).first()
    if row is None:
        if since is None:
            raise NotRecovering("没有发现恢复或切换；要核对请写明 --since / nothing was noticed: say --since")
        row = watching.notice("人工发起的恢复核对", at=at)
    outgoing.stop_by_itself(reason=f"恢复核对进行中：{row.reason}", at=at)
    here = watching.here()
    if row.begun_at is None or (since and since != row.since) or row.database != here:
        row.since = since or row.since or watching.last_seen() or at - timedelta(days=1)
        row.until, row.paid_days, row.database = until, paid_days, here
        row.begun_at, row.last_payment, row.payments_done = at, 0, 0
        watching.hold_what_goes_by_hand(before=row.noticed_at, at=at)
    row.finished_at = None
    row.save()
    return row


def _lost() -> Lost:
    lost = Lost()
    for each in watching.unexplained():
        lost.sent[each.request_no] = each
        lost.highest[each.payment_no] = max(lost.highest.get(each.payment_no, 0), each.index)
    return lost


def _learn(row: RecoveryRun, learned: list[Learned], lost: Lost) -> None:
    for each in learned:
        at, number = clock.now(), each.payment.payment_no
        if each.error:
            _tell(row, number, UNANSWERED, note=each.error, is_open=True, at=at)
        else:
            row.findings.filter(number=number, what=UNANSWERED).update(is_open=False, note="")
        for request_no, what, fen in each.changes:
            _tell(row, request_no, what, amount_fen=fen, at=at)
        for request_no in each.passed_over:
            known = lost.sent.get(request_no)
            is_young = known is not None and at - known.at < SETTLES_WITHIN
            note = "已发出，渠道尚未收到" if is_young else "渠道不认识这个号，不再使用"
            _tell(row, request_no, PASSED_OVER, amount_fen=known.amount_fen if known else 0, note=note,
                  is_open=is_young, at=at)  # fmt: skip


def _tell(
    row: RecoveryRun,
    number: str,
    what: str,
    *,
    at: datetime,
    amount_fen: int = 0,
    note: str = "",
    is_open: bool = False,
) -> None:
    """Each finding once; told again it may be open no longer."""
    told = RecoveryFinding.objects.filter(run=row, number=number, what=what)
    if told.exists():
        told.update(is_open=is_open, note=note)
    else:
        RecoveryFinding.objects.create(
            run=row, number=number, what=what, amount_fen=amount_fen, note=note, is_open=is_open, at=at
        )


def _ask_again(row: RecoveryRun, lost: Lost) -> None:
    """What is open, once more before the end: no answer, or sent too lately to be given up."""
    found = row.findings.filter(is_open=True).order_by("pk").values_list("number", "what")
    numbers = sorted({no if what == UNANSWERED else numbering.payment_no_of(no) for no, what in found})
    for first in range(0, len(numbers), BATCH):
        some = list(Payment.objects.filter(payment_no__in=numbers[first : first + BATCH]).order_by("pk"))
        _learn(row, relearning.recover(some, sent=lost.highest, now=clock.now), lost)


def _tell_of_strangers(row: RecoveryRun, lost: Lost) -> None:
    """Numbers of payments that are not here at all: nothing here can pay them again; the bills will show them."""
    known = set(Payment.objects.filter(payment_no__in=list(lost.highest)).values_list("payment_no", flat=True))
    for each in lost.sent.values():
        if each.payment_no not in known:
            note = "收款本身也丢失：对账后由人处理"
            _tell(row, each.request_no, STRANGE, amount_fen=each.amount_fen, note=note, at=clock.now())


def _end(row: RecoveryRun) -> RecoveryRun:
    at = clock.now()
    row.open_count, row.finished_at = row.findings.filter(is_open=True).count(), at
    if not row.open_count and row.database == watching.here():
        row.closed_at = at
    row.save()
    if row.closed_at:
        watching.accept(at=at)
    return row


def _keep_pace(batch: list[Payment], took_seconds: float, share: float) -> None:
    """No more than a share of what the slowest of these accounts may be asked: the shop is open meanwhile."""
    questions = Counter(payment.account_id for payment in batch)
    accounts = {payment.account_id: payment.account for payment in batch}
    needed = max(
        (relearning.PROBE + 1) * count / (share * channels.limits(accounts[pk]).calls_per_second)
        for pk, count in questions.items()
    )
    if needed > took_seconds:
        threading.Event().wait(needed - took_seconds)


__all__ = ["NotRecovering", "report", "run", "touched"]
