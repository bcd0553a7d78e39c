"""工作日: Chinese working days with their make-up days, and by when a refund should have arrived (P10).

The State Council publishes a year's plan late in the year before; which days are worked, and how we know, is
``workcalendar``. Every answer says whether it rests on plans that are published, or that an operator entered
(``official``); where it does not, the page adds 以国务院公布的放假安排为准.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from clock import SHANGHAI, midnight
from payments.gateways.base import ReceivedAccountKind
from workcalendar import current

#: 零钱 as a rule within 5 minutes, at busy times 20.
WALLET_ARRIVES_WITHIN = timedelta(minutes=20)
#: Working days after the day of the payout: what WeChat Pay says of bank cards, and the widest range of all channels.
BANK_CARD_WORKDAYS = (1, 3)
UNKNOWN_ACCOUNT_WORKDAYS = (0, 5)


@dataclass(frozen=True)
class ArrivalWindow:
    """预计到账: from ``earliest`` until ``latest``, both timezone-aware; days end at 23:59:59 in Shanghai."""

    earliest: datetime
    latest: datetime
    official: bool


@dataclass(frozen=True)
class CountedDay:
    """The day that a count ended on; ``official`` if the plans of all days counted over are known."""

    day: date
    official: bool


def arrival_window(paid_out_at: datetime, account_kind: ReceivedAccountKind | str) -> ArrivalWindow:
    """Return when money that the channel paid out at ``paid_out_at`` should be in the buyer's account."""
    if paid_out_at.tzinfo is None:
        raise ValueError("arrival_window: paid_out_at must be timezone-aware")
    kind = ReceivedAccountKind(account_kind)
    if kind is ReceivedAccountKind.WALLET:
        return ArrivalWindow(paid_out_at, paid_out_at + WALLET_ARRIVES_WITHIN, official=True)
    fewest, most = BANK_CARD_WORKDAYS if kind is ReceivedAccountKind.BANK_CARD else UNKNOWN_ACCOUNT_WORKDAYS
    paid_out_on = paid_out_at.astimezone(SHANGHAI).date()
    first, last = add_workdays(paid_out_on, fewest), add_workdays(paid_out_on, most)
    earliest = midnight(first.day) if fewest else paid_out_at
    return ArrivalWindow(earliest, datetime.combine(last.day, time(23, 59, 59), SHANGHAI), last.official)


def add_workdays(day: date, count: int) -> CountedDay:
    """Return the ``count``-th working day after ``day``; ``day`` itself, working or not, counts as none."""
    if count < 0:
        raise ValueError("add_workdays: counts forward only")
    official = True
    while count:
        day += timedelta(days=1)
        official = official and is_official(day)
        count -= is_workday(day)
    return CountedDay(day, official)


def is_workday(day: date) -> bool:
    """Whether people work on ``day`` in mainland China: by its plan, else as estimated (``is_official``)."""
    return current.calendar().is_working(day)


def is_official(day: date) -> bool:
    """Whether that day's plan is published, or an operator entered it."""
    return current.calendar().is_official(day, day)
