"""事后抽查: a person looks at some of what the automatic lanes decided. It moves no money: it tells how often they err.

Drawn by the pre-check, by the case's number, which nobody can choose (``lanes.is_drawn``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q

from accounts.models import User
from accounts.roles import Role
from refunds import lifecycle
from refunds.models import AuditSample, Lane, Refund

WINDOW = timedelta(days=30)
CHECKERS = frozenset({Role.REVIEWER, Role.SENIOR})


class CannotCheck(Exception):
    """The message is for whoever tried."""


@dataclass(frozen=True)
class Figures:
    """Of one lane: samples looked at within 30 days, those of them judged wrong, and all that still wait."""

    checked: int = 0
    wrong: int = 0
    waiting: int = 0

    @property
    def wrong_percent(self) -> float | None:
        """Empty while nothing was looked at."""
        return round(100 * self.wrong / self.checked, 1) if self.checked else None


def check(sample: AuditSample, *, verdict: str, note: str, by: User, at: datetime) -> None:
    """记下结论, once. Raises CannotCheck."""
    if verdict not in AuditSample.Verdict.values:
        raise CannotCheck("请选择结论。")
    note = note.strip()
    if verdict == AuditSample.Verdict.WRONG and not note:
        raise CannotCheck("判断有误的，请写明错在哪里。")
    with transaction.atomic():
        rows = AuditSample.objects.select_for_update(no_key=True, of=("self",)).select_related("refund__order")
        sample = rows.get(pk=sample.pk)
        if why := why_not(sample, by):
            raise CannotCheck(why)
        sample.verdict, sample.note, sample.checked_by, sample.checked_at = verdict, note, by, at
        sample.save(update_fields=["verdict", "note", "checked_by", "checked_at"])


def why_not(sample: AuditSample, by: User) -> str:
    """Why this person cannot judge it; empty if they can."""
    if sample.verdict:
        who = sample.checked_by.username if sample.checked_by else ""
        return f"{who}已抽查：{sample.get_verdict_display()}。"
    if not may_check(sample.refund, by):
        return "这张退款单与您本人或您的店铺有关，或您没有审核权限，须由其他同事抽查。"
    return ""


def may_check(refund: Refund, by: User) -> bool:
    """Nobody judges an own case, or one of an own shop, whatever their job (I10, P7)."""
    return bool(lifecycle.roles_on(refund, by) & CHECKERS)


def figures(*, at: datetime) -> dict[Lane, Figures]:
    """Of every automatic lane."""
    lately = Q(checked_at__gt=at - WINDOW)
    rows = AuditSample.objects.filter(lately | Q(verdict="")).order_by().values("lane")
    counted = rows.annotate(
        checked=Count("pk", filter=lately),
        wrong=Count("pk", filter=lately & Q(verdict=AuditSample.Verdict.WRONG)),
        waiting=Count("pk", filter=Q(verdict="")),
    )
    found = {row["lane"]: Figures(row["checked"], row["wrong"], row["waiting"]) for row in counted}
    return {Lane(lane): found.get(lane, Figures()) for lane in Lane.automatic()}
