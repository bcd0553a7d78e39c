"""限速: how many calls an account may make now, shared by all workers through one time column.

``ChannelAccount.calls_from`` is when the budget is used up to: each admitted call moves it by ``1 / rate`` seconds,
each failing answer by as much more as the channel counts it for (WeChat: 150 good calls or 6 failing ones a second). An
account may run ahead by ``AHEAD_SECONDS``, then its rows wait where they are; those of other accounts go on.
Failures come in bursts, for a batch has several calls under way before the first has failed: half of the limit is for a
burst, the other half for the pace of bursts, so that no second sees more than the limit (``_Turns``).
Limits count real seconds, so nothing here is shortened by TIME_SCALE. See docs/decisions/0009-pacing.md.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, ClassVar, Generic, TypeVar

from django.db.models import Exists, OuterRef, QuerySet

from payments import channels
from payments.asking import THREADS, answer_of, in_threads
from payments.funds import lock_accounts
from payments.gateways.base import GatewayError, GatewayMisconfigured, Limits, NeverSent, RefundOutcome, RefundState
from payments.models import ChannelAccount, RefundAttempt
from workqueue import LEASE
from writing import write

AHEAD_SECONDS = 0.25
MISCONFIGURED_PAUSE = timedelta(seconds=60)
LONGEST_PAUSE = timedelta(minutes=2)

Answer = RefundOutcome | GatewayError
Row = TypeVar("Row")


class NotSentYet(GatewayError):
    """This account's budget is used up, or its calls have just failed: nothing was sent, the row waits its turn."""


def with_budget(attempts: QuerySet[RefundAttempt], *, at: datetime) -> QuerySet[RefundAttempt]:
    """Leave out what belongs to accounts that may not call now: whatever their backlog, those of others go on."""
    return attempts.exclude(payment__account__in=[account.pk for account in _spent(at)])


def admit(due: Sequence[RefundAttempt], *, at: datetime) -> tuple[list[RefundAttempt], list[RefundAttempt]]:
    """Split held rows into those that may be asked about now and those that wait; takes the budget of the first.

    In the caller's transaction, after the rows themselves: accounts are locked last, and briefly.
    """
    wanted: dict[int, list[RefundAttempt]] = defaultdict(list)
    for attempt in due:
        wanted[attempt.payment.account_id].append(attempt)
    now, later = [], []
    accounts = lock_accounts(wanted)
    for account in accounts:
        rows = wanted[account.pk]
        count = min(len(rows), _room(account, at))
        account.calls_from = _used_up_to(account, at) + timedelta(seconds=count / _rate(channels.limits(account)))
        now += rows[:count]
        later += rows[count:]
    write(accounts, ["calls_from"])
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


def in_trouble(errors: Mapping[int, GatewayMisconfigured], *, at: datetime) -> None:
    """These accounts cannot do what we ask of them, by what they answered: shown to people; nothing is stopped."""
    for row in lock_accounts(errors):
        row.trouble, row.trouble_at = str(errors[row.pk])[:200], at
        row.save(update_fields=["trouble", "trouble_at"])


def all_is_well(account_ids: Iterable[int]) -> None:
    """These accounts have answered: whatever was wrong with our keys is mended."""
    ChannelAccount.objects.filter(pk__in=set(account_ids)).exclude(trouble="").update(trouble="", trouble_at=None)


def next_turn(*, at: datetime) -> datetime | None:
    """When the first account that has used up its budget may call again, if one has work that is due."""
    spent = {account.pk: account for account in _spent(at)}
    due = RefundAttempt.objects.filter(payment__account=OuterRef("pk"), next_due_at__lte=at).exclude(
        leased_until__gt=at
    )
    waiting = ChannelAccount.objects.filter(Exists(due), pk__in=spent).values_list("pk", flat=True) if spent else ()
    return min((_has_room_from(spent[pk], at) for pk in waiting), default=None)


def _spent(at: datetime) -> list[ChannelAccount]:
    """Accounts that may not make a single call now."""
    busy = ChannelAccount.objects.filter(calls_from__gt=at, calls_from__lte=at + LONGEST_PAUSE)
    return [account for account in busy if not _room(account, at)]


def _room(account: ChannelAccount, at: datetime) -> int:
    """How many calls it may make now. A budget smaller than one call ahead is slow, and never stops."""
    ahead = (_used_up_to(account, at) - at).total_seconds()
    return max(0 if ahead else 1, int((AHEAD_SECONDS - ahead) * _rate(channels.limits(account))))


def _has_room_from(account: ChannelAccount, at: datetime) -> datetime:
    one_call = 1 / _rate(channels.limits(account))
    return _used_up_to(account, at) - timedelta(seconds=max(0.0, AHEAD_SECONDS - one_call))


def _used_up_to(account: ChannelAccount, at: datetime) -> datetime:
    """A budget used up for longer than any pause lasts comes from a clock that was set back: it begins anew."""
    used_up_to = account.calls_from or at
    return used_up_to if at <= used_up_to <= at + LONGEST_PAUSE else at


def most_failures_at_once(limits: Limits) -> int:
    """How many calls may fail in one burst, and how many a second after it."""
    return max(1, limits.failures_per_second // 2)


def ask_in_turn(
    rows: Sequence[Row], account_of: Callable[[Row], ChannelAccount], ask: Callable[[Row], Any], *, about: str
) -> list[tuple[Row, Any]]:
    """Ask about rows of many accounts at once; errors of a channel are answers too, NotSentYet among them.

    ``ask`` touches no database. No account keeps more threads than its calls may fail or hang in (``_Turns``). What
    goes well is learned for calls of the same kind: ``about`` refunds, or payments.
    """
    turns = _Turns(rows, account_of, about)
    answers = in_threads(lambda: turns.serve(ask), most=len(rows))
    return answers + [(row, NotSentYet("not_sent_yet", "this account's calls fail just now")) for row in turns.unsent]


class _Turns(Generic[Row]):
    """熔断: whose turn it is within one batch. An account whose calls fail is left alone after a few.

    As long as nothing has gone well, no more calls are under way than may fail at once; each answer lets one more
    begin. The others wait here, not in a thread. What has not begun after half of the lease is not begun: a call may
    take the other half, and after it somebody else may have asked. What this process has learned of an account outlives
    the batch, until a call fails.
    """

    _answered: ClassVar[dict[tuple[str, int], int]] = {}  # kind, account → calls in a row that went well, up to a few

    def __init__(self, rows: Sequence[Row], account_of: Callable[[Row], ChannelAccount], about: str) -> None:
        accounts = [account_of(row) for row in rows]
        limits = {account.pk: channels.limits(account) for account in {each.pk: each for each in accounts}.values()}
        self._most = {pk: most_failures_at_once(each) for pk, each in limits.items()}
        self._waiting = [(account.pk, row) for account, row in zip(accounts, rows, strict=True)]
        self._failures: dict[int, int] = defaultdict(int)
        self._under_way: dict[int, int] = defaultdict(int)
        self._about = about
        self._changed = threading.Condition()
        self._until = monotonic() + LEASE.total_seconds() / 2
        self.unsent: list[Row] = []

    def serve(self, ask: Callable[[Row], Any]) -> list[tuple[Row, Any]]:
        """Ask about one row after the other, as their turn comes, until none is left. For each thread."""
        answers = []
        while turn := self._next():
            pk, row = turn
            answer = answer_of(row, ask)
            self._over(pk, answer)
            answers.append((row, answer))
        return answers

    def _next(self) -> tuple[int, Row] | None:
        with self._changed:
            while self._waiting:
                if monotonic() >= self._until:
                    self._leave(set(self._most))
                may_begin = [turn for turn in self._waiting if self._under_way[turn[0]] < self._room(turn[0])]
                if may_begin:  # the account that holds the fewest threads: should one hang, others have theirs
                    turn = min(may_begin, key=lambda each: self._under_way[each[0]])
                    self._waiting.remove(turn)
                    self._under_way[turn[0]] += 1
                    return turn
                if self._waiting:
                    self._changed.wait()
            return None

    def _over(self, pk: int, answer: Any) -> None:
        """Count a failure; a wrong key or an empty account fails every further call alike."""
        with self._changed:
            self._under_way[pk] -= 1
            if isinstance(answer, GatewayMisconfigured) or _is_short(answer):
                self._failures[pk] = self._most[pk]
            elif _is_failure(answer):
                self._failures[pk] += 1
            if self._failures[pk]:
                self._answered.pop((self._about, pk), None)
            elif not isinstance(answer, GatewayError):
                self._answered[self._about, pk] = min(self._learned(pk) + 1, THREADS)
            if self._failures[pk] >= self._most[pk]:
                self._leave({pk})
            self._changed.notify_all()

    def _room(self, pk: int) -> int:
        return max(1, self._most[pk] + self._learned(pk) - self._failures[pk])

    def _learned(self, pk: int) -> int:
        return self._answered.get((self._about, pk), 0)

    def _leave(self, pks: set[int]) -> None:
        self.unsent += [row for pk, row in self._waiting if pk in pks]
        self._waiting = [turn for turn in self._waiting if turn[0] not in pks]


def _is_failure(answer: Any) -> bool:
    """Whether the channel counts this as a failing call. What never left us is none."""
    if isinstance(answer, GatewayError):
        return not isinstance(answer, (NotSentYet, NeverSent))
    return isinstance(answer, RefundOutcome) and answer.state in {RefundState.REFUSED, RefundState.NO_FUNDS}


def _is_short(answer: Any) -> bool:
    return isinstance(answer, RefundOutcome) and answer.state is RefundState.NO_FUNDS


def _rate(limits: Limits) -> float:
    """Calls a second such that even a second that begins with a full run ahead stays within the limit."""
    return limits.calls_per_second / (1 + AHEAD_SECONDS)
