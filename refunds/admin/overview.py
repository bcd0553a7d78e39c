"""运营总览 on the start page: how long things take, what share goes which way, and what will be late, by role.

Three statements whatever there is: the hour's figures (``pace.py``), and the forecast's two.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.timezone import localtime

from accounts.desk import how_long
from accounts.models import User
from accounts.roles import Role
from refunds import forecast, pace
from refunds.models import StageFigures
from shops.badge import percent

#: Whose outlook each role sees.
OUTLOOKS: dict[str, tuple[str, ...]] = {
    Role.REVIEWER: ("reviewer",),
    Role.SENIOR: ("reviewer", "senior"),
    Role.FINANCE: ("finance",),
    Role.OPERATOR: forecast.QUEUES,
}
SEES_FIGURES = {Role.SENIOR, Role.OPERATOR}
DUE, LATE = "#0b5cad", "#b3261e"
# As a whole: options of ours replace Unfold's. Without maintainAspectRatio=false a chart fills two screens.
OPTIONS = json.dumps(
    {
        "animation": False,
        "maintainAspectRatio": False,
        "plugins": {"legend": {"display": True, "position": "bottom"}},
        "scales": {"x": {"grid": {"display": False}}, "y": {"beginAtZero": True, "ticks": {"precision": 0}}},
    }
)


@dataclass(frozen=True)
class Bar:
    """A chart, and the same in a table: heads, and rows of a label and its numbers."""

    title: str
    hint: str
    data: str
    heads: Sequence[str]
    rows: Sequence[tuple[str, Sequence[object]]]

    @property
    def options(self) -> str:
        return OPTIONS


@dataclass(frozen=True)
class Share:
    title: str
    said: str
    hint: str


def of(user: object, *, at: datetime) -> dict[str, object]:
    """What the start page adds for this person."""
    if not isinstance(user, User) or user.role not in OUTLOOKS:
        return {}
    found: dict[str, object] = {"outlooks": _outlooks(OUTLOOKS[user.role], at)}
    if user.role in SEES_FIGURES:
        figures = pace.latest(with_shares=True)
        counted = next(iter(figures.values()), None)
        found |= {
            "stages": _stages(figures),
            "shares": [_share(title, figures.get(share)) for share, title in pace.SHARES.items()],
            "counted_at": counted.computed_at if counted else None,
        }
    return found


def _outlooks(queues: Sequence[str], at: datetime) -> list[Bar]:
    """What falls due per hour, and what will be late if it goes on like this, of each of these queues."""
    ahead = forecast.forecast(at)
    hours = [f"{localtime(moment - forecast.HOUR):%m-%d %H}时" for moment in ahead.moments]
    return [_outlook(outlook, hours) for outlook in ahead.outlooks if outlook.queue in queues]


def _outlook(outlook: forecast.Outlook, hours: Sequence[str]) -> Bar:
    due, late = [outlook.overdue + outlook.due[0], *outlook.due[1:]], list(outlook.open_late)
    sets = [("当时到期", DUE, due), ("届时超时", LATE, late)]
    told = [f"已超时 {outlook.overdue} 件", f"近 7 天每小时处理 {outlook.per_hour:.1f} 件"]
    told.append(f"照此最多同时超时 {outlook.most_late} 件" if outlook.most_late else "照此不会有超时")
    return Bar(
        outlook.title,
        "，".join(told),
        _data(hours, sets),
        ["时段", "当时到期", "届时超时"],
        [(hour, numbers) for hour, *numbers in zip(hours, due, late, strict=True) if any(numbers)],
    )


def _stages(figures: dict[str, StageFigures]) -> Bar | None:
    """Half and nine in ten of every stage that anything went through, in hours."""
    shown = [(str(pace.STAGES[code].title), figures[code]) for code in pace.STAGES if code in figures]
    shown = [(title, row) for title, row in shown if row.case_count or row.overdue_count]
    if not shown:
        return None
    titles = [title for title, _row in shown]
    half, most = ([_hours(getattr(row, name)) for _, row in shown] for name in ("median_minutes", "p90_minutes"))
    return Bar(
        "各环节用时",
        "近 30 天，小时；一半在此之内，九成在此之内",
        _data(titles, [("一半", DUE, half), ("九成", "#94530a", most)]),
        ["环节", "件数", "一半", "九成", "按时", "超时未结"],
        [(title, _row(row)) for title, row in shown],
    )


def _row(row: StageFigures) -> list[object]:
    kept = "—" if row.kept_count is None else percent(row.kept_count, row.case_count + row.overdue_count)
    return [row.case_count, _time(row.median_minutes), _time(row.p90_minutes), kept, row.overdue_count]


def _share(title: str, row: StageFigures | None) -> Share:
    if row is None or not row.case_count:
        return Share(title, "—", "近 30 天没有")
    return Share(title, percent(row.kept_count or 0, row.case_count), f"{row.case_count} 件中的 {row.kept_count} 件")


def _time(minutes: int | None) -> str:
    return "—" if minutes is None else how_long(timedelta(minutes=minutes))


def _hours(minutes: int | None) -> float:
    return round((minutes or 0) / 60, 1)


def _data(labels: Sequence[str], sets: Sequence[tuple[str, str, Sequence[float]]]) -> str:
    return json.dumps(
        {
            "labels": list(labels),
            "datasets": [
                {"label": label, "backgroundColor": color, "data": list(numbers)} for label, color, numbers in sets
            ],
        },
        ensure_ascii=False,
    )
