"""限速: how many calls an account may make now, shared by all workers through one time column.

``ChannelAccount.calls_from`` is when the budget is used up to: each admitted call moves it by ``1 / rate`` seconds,
each failing answer by as much more as the channel counts it for (WeChat: 150 good calls or 6 failing ones a second). An
account may run ahead by ``AHEAD_SECONDS``, then its rows wait where they are; those of other accounts go on.
Failures come in bursts, for a batch has several calls under way before the first has failed: half of the limit is for a
burst, the other half for the pace of bursts, so that no second sees more than the limit (``Breaker``).
Limits count real seconds, so nothing here is shortened by TIME_SCALE. See docs/decisions/0009-pacing.md.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from django.db.models import QuerySet

from payments import channels
from payments.asking import THREADS
from payments.funds import lock_accounts
from payments.gateways.base import GatewayError, GatewayMisconfigured, Limits, NeverSent, RefundOutcome, RefundState
from payments.models import ChannelAccount, RefundAttempt

AHEAD_SECONDS = 0.25
MISCONFIGURED_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(minutes=2)

Answer = RefundOutcome | GatewayError


class NotSentYet(GatewayError):
    """This account's budget is used up, or its calls have just failed: nothing was sent, the row waits its turn."""


def with_budget(attempts: QuerySet[RefundAttempt], *, at: datetime) -> QuerySet[RefundAttempt]:
    """Leave out what belongs to accounts that may not call now."""
    begin, end = at + timedelta(seconds=AHEAD_SECONDS), at + LONGEST_PAUSE
    return attempts.exclude(payment__account__calls_from__gt=begin, payment__account__calls_from__lte=end)


def admit(due: Sequence[RefundAttempt], *, at: datetime) -> tuple[list[RefundAttempt], list[RefundAttempt]]:
    """Split leased rows into those that may be asked about now and those that wait; takes the budget of the first.

    In the caller's transaction, after the rows themselves: accounts are locked last, and briefly.
    """
    wanted: dict[int, list[RefundAttempt]] = defaultdict(list)
    for attempt in due:
        wanted[attempt.payment.account_id].append(attempt)
    now, later = [], []
    for account in lock_accounts(wanted):
        rows = wanted[account.pk]
        rate = _rate(channels.limits(account))
        used_up_to = _used_up_to(account, at)
        room = (at + timedelta(seconds=AHEAD_SECONDS) - used_up_to).total_seconds()
        least = 1 if used_up_to <= at else 0  # a budget smaller than one call ahead is slow, and never stops
        count = min(len(rows), max(least, int(room * rate)))
        account.calls_from = used_up_to + timedelta(seconds=count / rate)
        account.save(update_fields=["calls_from"])
        now += rows[:count]
        later += rows[count:]
    return now, later


def charge_failures(answers: Iterable[tuple[RefundAttempt, Answer]], *, at: datetime) -> None:
    """Let each failing answer cost its account what the channel counts it for; a wrong key stops it for a minute."""
    failing: dict[int, list[Answer]] = defaultdict(list)
    for attempt, answer in answers:
        if _is_failure(answer):
            failing[attempt.payment.account_id].append(answer)
    for row in lock_accounts(failing):
        pk = row.pk
        cost = timedelta(seconds=AHEAD_SECONDS + len(failing[pk]) / most_failures_at_once(channels.limits(row)))
        row.calls_from = min(_used_up_to(row, at) + cost, at + LONGEST_PAUSE)
        broken = next((error for error in failing[pk] if isinstance(error, GatewayMisconfigured)), None)
        if broken:
            row.calls_from = max(row.calls_from, at + MISCONFIGURED_PAUSE)
            row.trouble, row.trouble_at = str(broken)[:200], at
        row.save(update_fields=["calls_from", "trouble", "trouble_at"])


def all_is_well(account_ids: Iterable[int]) -> None:
    """These accounts have answered: whatever was wrong with our keys is mended."""
    ChannelAccount.objects.filter(pk__in=set(account_ids)).exclude(trouble="").update(trouble="", trouble_at=None)


def next_turn(*, at: datetime) -> datetime | None:
    """When the first account that has used up its budget may call again, if one has work that is due."""
    waiting = RefundAttempt.objects.filter(next_due_at__lte=at, payment__account__calls_from__gt=at)
    turn = waiting.order_by("payment__account__calls_from").values_list("payment__account__calls_from", flat=True)
    return turn.first()


def _used_up_to(account: ChannelAccount, at: datetime) -> datetime:
    """A budget used up for longer than any pause lasts comes from a clock that was set back: it begins anew."""
    used_up_to = account.calls_from or at
    return used_up_to if at <= used_up_to <= at + LONGEST_PAUSE else at


def most_failures_at_once(limits: Limits) -> int:
    """How many calls may fail in one burst, and how many a second after it."""
    return max(1, limits.failures_per_second // 2)


class Breaker:
    """熔断: within one batch, an account whose calls fail is left alone after a few, instead of by all threads.

    As long as nothing has gone well, no more calls are under way than may fail at once; each answer lets one more
    begin. What this process has learned of an account outlives the batch, until a call fails. Safe to share between the
    threads of one batch.
    """

    _answered: ClassVar[dict[int, int]] = {}  # account → calls in a row that went well, as far as it matters

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._failures: dict[int, int] = defaultdict(int)
        self._under_way: dict[int, int] = defaultdict(int)

    def watch(self, account: ChannelAccount, ask: Callable[[], RefundOutcome]) -> RefundOutcome:
        """Ask, and remember how it ended. Raises NotSentYet once too much has failed, else what ``ask`` raises."""
        most = most_failures_at_once(channels.limits(account))
        self._begin(account.pk, most)
        answer: Answer = NeverSent("never_sent")  # until we know better: whatever else is raised has not left us
        try:
            answer = ask()
        except GatewayError as error:
            answer = error
            raise
        finally:
            self._end(account.pk, answer, most)
        return answer

    def _begin(self, pk: int, most: int) -> None:
        with self._changed:
            while self._failures[pk] < most and self._under_way[pk] >= self._room(pk, most):
                self._changed.wait()
            if self._failures[pk] >= most:
                raise NotSentYet("not_sent_yet", "this account's calls fail just now")
            self._under_way[pk] += 1

    def _room(self, pk: int, most: int) -> int:
        return max(1, most + self._answered.get(pk, 0) - self._failures[pk])

    def _end(self, pk: int, answer: Answer, most: int) -> None:
        """Count a failure; a wrong key or an empty account fails every further call alike."""
        with self._changed:
            self._under_way[pk] -= 1
            if isinstance(answer, GatewayMisconfigured) or _is_short(answer):
                self._failures[pk] = most
            elif _is_failure(answer):
                self._failures[pk] += 1
            if self._failures[pk]:
                self._answered.pop(pk, None)
            elif isinstance(answer, RefundOutcome):
                self._answered[pk] = min(self._answered.get(pk, 0) + 1, THREADS)
            self._changed.notify_all()


def _is_failure(answer: Answer) -> bool:
    """Whether the channel counts this as a failing call. What never left us is none."""
    if isinstance(answer, RefundOutcome):
        return answer.state in {RefundState.REFUSED, RefundState.NO_FUNDS}
    return not isinstance(answer, (NotSentYet, NeverSent))


def _is_short(answer: Answer) -> bool:
    return isinstance(answer, RefundOutcome) and answer.state is RefundState.NO_FUNDS


def _rate(limits: Limits) -> float:
    """Calls a second such that even a second that begins with a full run ahead stays within the limit."""
    return limits.calls_per_second / (1 + AHEAD_SECONDS)
