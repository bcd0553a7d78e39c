"""到账时间: when money that a channel has paid out should be there, and how right we were (S0-15, S1-13, S3-12, S4-14).

The channel's own word about a card comes first (Alipay's 银行卡冲退); then what was measured, once enough was; else the
range that channels publish, in working days. Measured is what a bank or a channel proves: a buyer presses 已收到 when
he happens to look, so his word counts in the report and moves no window.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import connection

from clock import SHANGHAI
from payments.gateways.base import ReceivedAccountKind
from payments.models import RefundAttempt
from refunds import workdays
from refunds.models import ArrivalFigures, Refund
from refunds.workdays import ArrivalWindow

WINDOW = timedelta(days=30)
EVERY = timedelta(hours=1)
ENOUGH = 50  # proofs: fewer say little of the slowest tenth
MOST_WORKDAYS = 30  # whatever took longer is counted as so long

#: What ``expect`` writes.
WRITTEN = ["arrival_expected_from", "arrival_expected_until", "arrival_is_estimate"]

Way = tuple[str, str]  # (channel, kind of the account that it went to)


def expect(refunds: Sequence[Refund], attempts: Sequence[RefundAttempt], *, at: datetime) -> None:
    """Write on each case when its attempt's money should be there. One query."""
    figures = latest()
    for refund, attempt in zip(refunds, attempts, strict=True):
        way = (str(attempt.payment.account.channel), str(attempt.received_account_kind))
        window = window_of(attempt, figures.get(way), at=at)
        refund.arrival_expected_from = window.earliest.astimezone(SHANGHAI).date()
        refund.arrival_expected_until = window.latest.astimezone(SHANGHAI).date()
        refund.arrival_is_estimate = not window.official


TRANSFER_WORKDAYS = 2  # after the day on which the bank was told


def expect_transfers(refunds: Sequence[Refund], *, at: datetime) -> None:
    """Write on each case when a transfer should be there that a person has made at the bank."""
    for refund in refunds:
        paid_on = (refund.paid_out_at or at).astimezone(SHANGHAI).date()
        last = workdays.add_workdays(paid_on, TRANSFER_WORKDAYS)
        refund.arrival_expected_from, refund.arrival_expected_until = paid_on, last.day
        refund.arrival_is_estimate = not last.official


def window_of(attempt: RefundAttempt, measured: ArrivalFigures | None, *, at: datetime) -> ArrivalWindow:
    """预计到账 of one attempt that its channel calls a success."""
    paid_out_at = attempt.finished_at or at
    usual = workdays.arrival_window(paid_out_at, attempt.received_account_kind)
    if attempt.received_account_kind == ReceivedAccountKind.WALLET.value:
        return usual
    if attempt.arrival_expected_at:  # the bank's own estimate
        latest = _end_of(attempt.arrival_expected_at.astimezone(SHANGHAI).date())
        return ArrivalWindow(min(usual.earliest, latest), max(latest, paid_out_at), official=True)
    if measured and measured.p90_workdays is not None and measured.proven_count >= ENOUGH:
        last = workdays.add_workdays(paid_out_at.astimezone(SHANGHAI).date(), measured.p90_workdays)
        return ArrivalWindow(min(usual.earliest, _end_of(last.day)), _end_of(last.day), last.official)
    return usual


def latest() -> dict[Way, ArrivalFigures]:
    """What was measured last, by way; empty before the first hour."""
    return {(row.channel, row.account_kind): row for row in ArrivalFigures.objects.all()}


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), SHANGHAI)


# --- 校准: how right we were ------------------------------------------------------------------------------------------


@dataclass
class _Measured:
    """Of one way: numbers of cases, and of those with a proof how many took so many working days."""

    paid_out: int = 0
    proven: int = 0
    confirmed: int = 0
    within: int = 0
    missing: int = 0
    by_workdays: dict[int, int] = field(default_factory=lambda: defaultdict(int))


def measure(*, at: datetime) -> int:
    """Count every way anew if the figures are an hour old. Returns how many ways. One statement reads, one writes."""
    if ArrivalFigures.objects.filter(computed_at__gt=at - EVERY).exists():
        return 0
    found = _read(at)
    rows = [
        ArrivalFigures(
            channel=channel, account_kind=kind, paid_out_count=each.paid_out, proven_count=each.proven,
            confirmed_count=each.confirmed, within_count=each.within, missing_count=each.missing,
            median_workdays=_share_within(each.by_workdays, 50), p90_workdays=_share_within(each.by_workdays, 90),
            since=at - WINDOW, computed_at=at,
        )
        for (channel, kind), each in found.items()
    ]  # fmt: skip
    ArrivalFigures.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["channel", "account_kind"], update_fields=COUNTED
    )
    return len(rows)


COUNTED = [
    "paid_out_count", "proven_count", "confirmed_count", "within_count", "missing_count", "median_workdays",
    "p90_workdays", "since", "computed_at",
]  # fmt: skip

# What was paid out in the window, as it stands now, by the days that matter: a row for many cases. An event is written
# never long after what it says: a day is allowed, as in ``pace.py``.
_PAID_OUT = """
SELECT account.channel, attempt.received_account_kind,
       (attempt.finished_at AT TIME ZONE 'Asia/Shanghai')::date AS paid_out_on,
       (attempt.bank_acknowledged_at AT TIME ZONE 'Asia/Shanghai')::date AS proven_on,
       (confirmed.at AT TIME ZONE 'Asia/Shanghai')::date AS confirmed_on,
       refund.arrival_expected_until,
       missing.at IS NOT NULL AS was_missing,
       count(*)
FROM refunds_refundevent paid
JOIN refunds_refund refund ON refund.id = paid.refund_id
JOIN LATERAL (SELECT attempt.* FROM refunds_disbursement disbursement
              JOIN payments_refundattempt attempt ON attempt.id = disbursement.attempt_id
              WHERE disbursement.refund_id = refund.id ORDER BY disbursement.id DESC LIMIT 1) attempt ON true
JOIN payments_payment payment ON payment.id = attempt.payment_id
JOIN payments_channelaccount account ON account.id = payment.account_id
LEFT JOIN LATERAL (SELECT at FROM refunds_refundevent WHERE refund_id = refund.id AND step = 'confirm_arrival'
                   AND actor_id IS NOT NULL LIMIT 1) confirmed ON true
LEFT JOIN LATERAL (SELECT at FROM refunds_refundevent WHERE refund_id = refund.id AND step = 'report_missing'
                   LIMIT 1) missing ON true
WHERE paid.step = 'mark_paid_out' AND paid.recorded_at >= now() - interval '31 days'
      AND paid.at >= %(since)s AND paid.at <= %(at)s
      AND attempt.status = 'succeeded' AND attempt.received_account_kind <> 'wallet'
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""


def _read(at: datetime) -> Mapping[Way, _Measured]:
    with connection.cursor() as cursor:
        cursor.execute(_PAID_OUT, {"since": at - WINDOW, "at": at})
        return _counted(cursor.fetchall())


def _counted(rows: Iterable[tuple[Any, ...]]) -> Mapping[Way, _Measured]:
    found: defaultdict[Way, _Measured] = defaultdict(_Measured)
    for channel, kind, paid_out_on, proven_on, confirmed_on, expected_until, was_missing, count in rows:
        each, there_on = found[(channel, kind)], proven_on or confirmed_on
        each.paid_out += count
        each.proven += count if proven_on else 0
        each.confirmed += count if confirmed_on and not proven_on else 0
        each.within += count if there_on and expected_until and there_on <= expected_until else 0
        each.missing += count if was_missing else 0
        if proven_on:
            each.by_workdays[_workdays_between(paid_out_on, proven_on)] += count
    return found


def _workdays_between(first: date, last: date) -> int:
    """How many working days after ``first`` the one is that reaches ``last``; 0 on the same day."""
    count, day = 0, first
    while day < last and count < MOST_WORKDAYS:
        day = workdays.add_workdays(day, 1).day
        count += 1
    return count


def _share_within(by_workdays: Mapping[int, int], percent: int) -> int | None:
    """The fewest working days within which so many percent were there; None: nothing was."""
    left = sum(by_workdays.values()) * percent / 100
    for workdays_taken in sorted(by_workdays):
        left -= by_workdays[workdays_taken]
        if left <= 0:
            return workdays_taken
    return None
