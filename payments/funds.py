"""商户余额: an account that cannot pay its refunds waits, visibly, and stands in nobody else's way (PM15, G5).

The first refund that the channel answers with 余额不足 marks its account as short. From then on what is new waits as
WAITING_FUNDS without a call; one refund probes every ten minutes; the first that goes through, or a person who says
that the account was topped up, sets all going again, each under its own number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction

import workqueue
from accounts.models import User
from clock import scaled
from payments import channels
from payments.asking import SWEEP
from payments.models import AttemptEvent, AttemptStatus, ChannelAccount, RefundAttempt

PROBE_SECONDS = 600
PATIENCE = timedelta(days=3)  # then finance hears of each refund that waits


def hold_back(due: Sequence[RefundAttempt], *, at: datetime) -> tuple[list[RefundAttempt], list[RefundAttempt]]:
    """Split held rows into those that may go on and those that wait for money; one per short account may probe.

    The smallest one probes, for what it cannot have none of the others can; and it goes first, before the budget of
    calls is used up. What the channel knows already is asked about as ever: a question needs no funds. In the caller's
    transaction.
    """
    short = {row.pk: row for row in _short_accounts(due)}
    probes, go_on, wait = [], [], []
    for attempt in sorted(due, key=lambda each: each.amount_fen) if short else due:
        account = short.get(attempt.payment.account_id)
        if account is None or not _needs_money(attempt):
            go_on.append(attempt)
        elif account.probe_from is not None and account.probe_from <= at:
            account.probe_from = at + scaled(PROBE_SECONDS)
            account.save(update_fields=["probe_from"])
            probes.append(attempt)
        else:
            # The smallest first: with more waiting than a batch holds, the one that probes is still the smallest.
            smallest_first = timedelta(microseconds=min(attempt.amount_fen, 10**7))
            attempt.next_due_at = (account.probe_from or at) + smallest_first
            wait.append(attempt)
    return probes + go_on, wait


def probe_soon(unsent: Iterable[RefundAttempt], *, at: datetime) -> None:
    """The one that was to probe was not sent after all, for want of calls: the next one need not wait so long."""
    accounts = {attempt.payment.account_id for attempt in unsent if _needs_money(attempt)}
    ChannelAccount.objects.filter(pk__in=accounts, short_since__isnull=False).update(probe_from=at)


def ran_short(account_ids: Iterable[int], *, at: datetime) -> None:
    """余额不足: these accounts wait from now on, if they do not already."""
    accounts = ChannelAccount.objects.filter(pk__in=set(account_ids), short_since=None)
    accounts.update(short_since=at, probe_from=at + scaled(PROBE_SECONDS))


def resume(account_ids: Iterable[int], *, at: datetime) -> int:
    """A refund of these accounts went through: all that waited for money go on now. Returns how many."""
    short = ChannelAccount.objects.filter(pk__in=set(account_ids), short_since__isnull=False)
    ids = list(short.values_list("pk", flat=True))
    return _set_going(ids, at=at) if ids else 0


def _set_going(ids: Sequence[int], *, at: datetime) -> int:
    """Refunds of one payment keep their distance. Rows that a sweeper has just leased are left to it: it waits for
    these accounts' locks, and will find them with money."""
    ChannelAccount.objects.filter(pk__in=ids).update(short_since=None, probe_from=None)
    waiting = RefundAttempt.objects.filter(payment__account__in=ids, status=AttemptStatus.WAITING_FUNDS)
    rows = list(
        waiting.select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("payment__account")
        .order_by("pk")
    )
    turns: Counter[int] = Counter()
    for row in rows:
        gap = channels.limits(row.payment.account).between_refunds_seconds
        row.next_due_at = at + turns[row.payment_id] * scaled(gap)
        turns[row.payment_id] += 1
    RefundAttempt.objects.bulk_update(rows, ["next_due_at"], batch_size=500)
    return len(rows)


def topped_up(account: ChannelAccount, *, by: User, at: datetime) -> int:
    """已充值: a person says that there is money again. Returns how many refunds are on their way."""
    with transaction.atomic():
        waiting = list(
            RefundAttempt.objects.filter(payment__account=account, status=AttemptStatus.WAITING_FUNDS)
            .select_for_update(no_key=True, of=("self",))
            .order_by("pk")
        )
        AttemptEvent.objects.bulk_create(
            AttemptEvent(
                attempt=row, at=at, from_status=row.status, to_status=row.status, by=by, note="已充值，继续发送"
            )
            for row in waiting
        )
        _set_going([account.pk], at=at)
        workqueue.ring(SWEEP)
    return len(waiting)


def lock_accounts(ids: Iterable[int]) -> list[ChannelAccount]:
    """Lock accounts after all else, all that a transaction will write to at once, by key (F4).

    ``no_key``: a notification or payment that is being stored refers to its account, and need not wait for us.
    """
    return list(ChannelAccount.objects.select_for_update(no_key=True).filter(pk__in=set(ids)).order_by("pk"))


def _needs_money(attempt: RefundAttempt) -> bool:
    """Whether sending it takes money of the account; what the channel knows already is only asked about."""
    return attempt.first_sent_at is None or attempt.status == AttemptStatus.WAITING_FUNDS


def _short_accounts(due: Sequence[RefundAttempt]) -> list[ChannelAccount]:
    if all(attempt.payment.account.short_since is None for attempt in due):
        return []
    accounts = lock_accounts(attempt.payment.account_id for attempt in due)
    return [account for account in accounts if account.short_since is not None]
