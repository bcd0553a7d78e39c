"""停止出款: one switch that stops all outgoing money, and one for each merchant account.

A row for each time that it was turned; the newest says how it stands. While it is off nothing is sent for the first
time, nothing is sent again, nothing goes to a balance, no transfer is paid: all stays where it is, with its due time.
Asking goes on, under the numbers that the channel knows already. Who turns it on again is another person than who
turned it off (a trigger of the database).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet, prefetch_related_objects

import reason_given
import workqueue
from accounts import rights
from accounts.models import User
from accounts.rights import Act
from payments.asking import SWEEP
from payments.models import AttemptStatus as A
from payments.models import ChannelAccount, OutgoingSwitch, RefundAttempt
from payments.pacing import NotSentYet

PAUSE_SECONDS = 60  # after that what was stopped is looked at again
MACHINE = "(system)"  # no visitor can have such a name
RECOVERY_FIRST = "recovery_comes_first"  # the trigger of cardshop's RecoveryRun
MODEL = "payments.outgoingswitch"
NOT_YET_SENT = Q(first_sent_at=None) | Q(status=A.WAITING_FUNDS)  # to send it is to spend


class CannotTurn(Exception):
    """The switch stays as it is. The message says why, for staff."""


class IsStopped(Exception):
    """全部出款已停止: tried again once it goes on. The message names nobody."""

    def __init__(self) -> None:
        super().__init__("全部出款已暂停，恢复后再办理，款项不会丢失。")


class NotWhileStopped(NotSentYet):
    """The channel was asked and has not heard of it; it would be sent again now, were money let out."""


@dataclass(frozen=True)
class Stopped:
    """What is stopped now: everything, by this row, and these accounts by theirs."""

    everything: OutgoingSwitch | None = None
    accounts: dict[int, OutgoingSwitch] = field(default_factory=dict)

    def of(self, account_id: int) -> OutgoingSwitch | None:
        """What stops the money of this account; None while it may leave."""
        return self.everything or self.accounts.get(account_id)


def now() -> Stopped:
    """How all switches stand. One query, by an index, whatever the number of rows that wait; asked before each sweep,
    so that who stopped what is read only where something is stopped."""
    newest = OutgoingSwitch.objects.order_by("account", "-pk").distinct("account")
    rows = [row for row in newest if row.is_stopped]
    prefetch_related_objects(rows, "by", "account")
    everything = next((row for row in rows if row.account_id is None), None)
    return Stopped(everything, {row.account_id: row for row in rows if row.account_id is not None})


def stopped() -> OutgoingSwitch | None:
    """The row that stops all outgoing money, with who, why and when; None while money may leave."""
    return now().everything


def demand_open() -> None:
    """Raises IsStopped."""
    if stopped():
        raise IsStopped


def stop(*, by: User, reason: str, at: datetime, account: ChannelAccount | None = None) -> OutgoingSwitch:
    """停止出款, all of it or that of one account. What is under way at a channel is under way. Raises CannotTurn."""
    return _turn(Act.STOP, is_stopped=True, by=by, reason=reason, at=at, account=account)


def resume(*, by: User, reason: str, at: datetime, account: ChannelAccount | None = None) -> OutgoingSwitch:
    """恢复出款, by another person than who stopped it: what is due goes on at once. Raises CannotTurn."""
    row = _turn(Act.RESUME, is_stopped=False, by=by, reason=reason, at=at, account=account)
    workqueue.ring(SWEEP)
    workqueue.ring("refunds.sweep")
    return row


def stop_by_itself(*, reason: str, at: datetime) -> OutgoingSwitch | None:
    """停止全部出款 by the machine, in an account of its own that nobody can enter; None if it was stopped already."""
    by = machine()
    try:
        with transaction.atomic():
            return OutgoingSwitch.objects.create(is_stopped=True, by=by, reason=reason[: reason_given.LONGEST], at=at)
    except DatabaseError as error:
        if OutgoingSwitch.TURNED not in str(error):
            raise
        return None


def machine() -> User:
    """系统, where somebody has to be named."""
    user, _ = User.objects.get_or_create(
        username=MACHINE, defaults={"first_name": "系统", "is_active": False, "password": "!"}
    )
    return user


def may_be_sent(attempts: QuerySet[RefundAttempt], found: Stopped) -> QuerySet[RefundAttempt]:
    """Leave out what would be sent, and may not: it stays due, and the first sweep after that takes it."""
    if found.everything:
        return attempts.exclude(NOT_YET_SENT)
    if found.accounts:
        return attempts.exclude(NOT_YET_SENT, payment__account__in=list(found.accounts))
    return attempts


def waiting_count(*, most: int) -> int:
    """How many refunds at channels wait to be sent, counted to ``most``."""
    return RefundAttempt.objects.filter(NOT_YET_SENT, next_due_at__isnull=False).order_by()[:most].count()


def _turn(
    act: Act, *, is_stopped: bool, by: User, reason: str, at: datetime, account: ChannelAccount | None
) -> OutgoingSwitch:
    if not rights.may(by, act, MODEL):
        raise CannotTurn("您的岗位不能停止或恢复出款。")
    if missing := reason_given.why_not(reason):
        raise CannotTurn(missing)
    found = now()
    known = found.accounts.get(account.pk) if account else found.everything
    if (known is not None) == is_stopped:
        raise CannotTurn("出款已经停止，没有改动。" if is_stopped else "出款没有停止，没有改动。")
    if known is not None and known.by_id == by.pk:
        raise CannotTurn("停止出款的人不能自己恢复，请由另一位同事核对后恢复。")
    try:
        with transaction.atomic():
            return OutgoingSwitch.objects.create(
                is_stopped=is_stopped, account=account, by=by, reason=reason.strip(), at=at
            )
    except DatabaseError as error:
        if RECOVERY_FIRST in str(error):
            raise CannotTurn(
                "数据库恢复过，须先运行恢复核对（manage.py recover）且没有未决项，才能恢复出款。"
            ) from None
        if OutgoingSwitch.TURNED not in str(error):
            raise
        raise CannotTurn("同事刚刚改动过，请刷新后再看。") from None


__all__ = [
    "CannotTurn", "IsStopped", "NotWhileStopped", "Stopped", "demand_open", "machine", "may_be_sent", "now", "resume",
    "stop", "stop_by_itself", "stopped", "waiting_count",
]  # fmt: skip
