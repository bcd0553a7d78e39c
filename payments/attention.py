"""待处理: which refunds at the channels wait for a person or for money, and which accounts need one. For the desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Q, Sum

from payments import hearing
from payments.models import AttemptStatus as A
from payments.models import ChannelAccount, RefundAttempt


@dataclass(frozen=True)
class Queue:
    """One tab over the attempts. ``rows`` begins with what an index is about."""

    title: str
    rows: Q
    hint: str


# What stands still is due all the same (I4), so that the index of due rows finds it.
QUEUES: dict[str, Queue] = {
    "held": Queue("待人工", Q(status=A.HELD), "渠道拒绝、金额不符，或一直没有可信的答复。请核对后决定。"),
    "funds": Queue("等待余额", Q(status=A.WAITING_FUNDS), "商户号余额不足，充值后以原单号继续。"),
    "follow": Queue(
        "请人工跟进",
        Q(next_due_at__isnull=False) & ~Q(attention=""),
        "系统仍在定时查询，但已经太久：请联系渠道或充值。",
    ),
    "returned": Queue(
        "退款异常", Q(next_due_at__isnull=False, status=A.RETURNED), "买家的收款账户没有收下，钱还在渠道。"
    ),
    "surplus": Queue(
        "多收未退",
        Q(payment__is_surplus=True, status__in=hearing.FINAL)
        & Q(
            payment__amount_fen__gt=F("payment__reserved_fen") + F("payment__refunded_fen") + F("payment__external_fen")
        ),
        "重复或超时付款没有退成，背后没有退款单。请再次退回。",
    ),
}

# Accounts that somebody should see to.
SHORT, IN_TROUBLE, CLOSED = Q(short_since__isnull=False), ~Q(trouble=""), Q(is_open=False)


@dataclass(frozen=True)
class Waiting:
    """Refunds that wait for money, and their sum."""

    count: int = 0
    total_fen: int = 0


def count(name: str, *, most: int) -> int:
    """How many attempts stand in a queue, counted no further than ``most``."""
    return RefundAttempt.objects.filter(QUEUES[name].rows).order_by()[:most].count()


def surplus(*, most: int) -> tuple[int, datetime | None]:
    """多收未退: how many attempts came to nothing, counted to ``most``, and when the oldest was paid by its buyer."""
    rows = RefundAttempt.objects.filter(QUEUES["surplus"].rows).order_by("pk")
    paid = list(rows.values_list("payment__paid_at", flat=True)[:most])
    return len(paid), min((at for at in paid if at), default=None)


def for_funds(account_ids: Sequence[int] | None = None) -> dict[int, Waiting]:
    """What waits for money, by account; all accounts, or these. One query."""
    rows = RefundAttempt.objects.filter(status=A.WAITING_FUNDS)
    if account_ids is not None:
        rows = rows.filter(payment__account__in=account_ids)
    sums = rows.order_by().values_list("payment__account").annotate(Count("pk"), Sum("amount_fen"))
    return {account: Waiting(count, total_fen) for account, count, total_fen in sums}


def accounts_to_see_to() -> list[ChannelAccount]:
    """Accounts that are short of money, in trouble, or closed for new payments."""
    return list(ChannelAccount.objects.filter(SHORT | IN_TROUBLE | CLOSED).order_by("pk"))
