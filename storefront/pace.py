"""How long refunds take, in words and bars, and the days on which nobody works: for the pages that everybody reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.utils.timezone import localdate
from django.utils.translation import gettext as _

from payments.gateways.base import ReceivedAccountKind
from refunds import days_off, pace
from refunds.models import StageFigures
from refunds.workdays import arrival_window
from shops.badge import percent
from storefront.templatetags import words
from storefront.trust import minutes

FEWEST_CASES = 20  # below, a median says nothing, and might tell of one buyer's case
STALE_AFTER = timedelta(hours=3)


@dataclass(frozen=True)
class Row:
    """A stage: shares of the longest in its table, in percent; words empty where there is nothing to say."""

    title: str
    count: int
    median: str
    p90: str
    median_share: int
    p90_share: int
    promise: str
    kept: str
    overdue: int


@dataclass(frozen=True)
class Table:
    """The stages of one owner."""

    title: str
    note: str
    rows: list[Row]


def tables() -> dict[str, Any]:
    """The figures counted last, by whose time it is (S2-30); ``computed_at`` None: none yet."""
    figures = pace.latest()
    counted = next(iter(figures.values()), None)
    return {
        "tables": [_table(whose, title, note, figures) for whose, title, note in _owners()] if counted else [],
        "computed_at": counted.computed_at if counted else None,
        "since": counted.since if counted else None,
    }


def is_stale(computed_at: datetime | None, *, at: datetime) -> bool:
    """The hourly count has not come: what stands there is old, and the page says so."""
    return computed_at is not None and at - computed_at > STALE_AFTER


def _owners() -> list[tuple[str, str, str]]:
    return [
        ("us", _("我们的时间"), _("从申请到把钱交给支付渠道；商家的时间算在内，等补充材料、等买家答复方案的不算。")),
        ("shop", _("商家的时间"), _("商家在审核时限之内先答复；逾期不答复，视为商家责任，不算按时。")),
        ("channel", _("支付渠道的时间"), _("渠道收到后退出。零钱、余额随即入账，银行卡另需 1–3 个工作日由银行清算。")),
        ("buyer", _("等对方的时间"), _("等买家或商家补充材料，等买家答复方案；有了答复，审核接着走。")),
        ("whole", _("全程"), _("从申请到渠道退出，三段时间都在内。")),
    ]  # fmt: skip


def _table(whose: str, title: str, note: str, figures: dict[str, StageFigures]) -> Table:
    shown = {code: figures[code] for code, stage in pace.STAGES.items() if stage.whose == whose and code in figures}
    longest = max((_p90(row) for row in shown.values()), default=0)
    return Table(title, note, [_row(code, row, longest) for code, row in shown.items()])


def _row(code: str, row: StageFigures, longest: int) -> Row:
    is_enough = row.case_count >= FEWEST_CASES
    promised = code in pace.PROMISES
    return Row(
        title=str(pace.STAGES[code].title),
        count=row.case_count,
        median=_within(row.median_minutes) if is_enough else "",
        p90=_within(row.p90_minutes) if is_enough else "",
        median_share=_share(row.median_minutes, longest) if is_enough else 0,
        p90_share=_share(row.p90_minutes, longest) if is_enough else 0,
        promise=_promise(code) if promised else "",
        kept=percent(row.kept_count or 0, row.case_count + row.overdue_count) if promised and is_enough else "",
        overdue=row.overdue_count,
    )


def _p90(row: StageFigures) -> int:
    return row.p90_minutes or 0 if row.case_count >= FEWEST_CASES else 0


def _share(count: int | None, longest: int) -> int:
    """At least a sliver, so that a minute beside a day is seen."""
    return max(1, (count or 0) * 100 // longest) if longest else 1


def _within(count: int | None) -> str:
    """A time that passed is never told shorter than it was."""
    whole = count or 0
    if whole <= 1:
        return _("1 分钟内")
    return minutes(whole if whole < 2880 else -(-whole // 60) * 60)


def _promise(code: str) -> str:
    promise = pace.PROMISES[code]
    if promise is None:
        return {
            "decision_person": _("承诺：按退款政策写明的审核时限"),
            "release_person": _("承诺：按退款政策写明的放款时限"),
            "merchant": _("时限：按退款政策写明的商家处理时限"),
        }[code]
    return _("承诺 %(time)s内") % {"time": minutes(int(promise.total_seconds()) // 60)}


# --- days off ---------------------------------------------------------------------------------------------------------


def holiday_notice(*, at: datetime) -> dict[str, Any] | None:
    """放假提示 for the next ten days: who does not work when, and what it means for arrival. None: nothing to say."""
    ahead = days_off.ahead(localdate(at))
    if not ahead.breaks and ahead.is_official:
        return None
    window = arrival_window(at, ReceivedAccountKind.BANK_CARD)
    return {
        "breaks": [_break(each) for each in ahead.breaks],
        "worked": _("、").join(_day(day) for day in ahead.worked) if ahead.breaks else "",
        "arrives_by": _day(localdate(window.latest)),
        "is_official": ahead.is_official and window.official,
    }


def _break(each: days_off.Break) -> str:
    days = {"first": _day(each.first), "last": _day(each.last), "back_on": _day(each.back_on)}
    if each.first == each.last:
        return _("%(first)s放假，银行和审核人员不上班，%(back_on)s恢复。") % days
    return _("%(first)s至%(last)s放假，银行和审核人员不上班，%(back_on)s恢复。") % days


def _day(when: date) -> str:
    """10月1日（周四）."""
    weekdays = [_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日")]
    return _("%(day)s（%(weekday)s）") % {"day": words.day(when), "weekday": weekdays[when.weekday()]}
