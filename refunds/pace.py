"""时效: every hour, how long each stage of a refund took over 30 days, and how often our promises were kept (S2-30).

The time is told apart by whose it is: ours, the buyer's while material is awaited, the channel's once it has accepted.
Counted is what ended a stage in the window; a promise that a case still open has broken counts as broken too. The
number of queries is fixed. Any number of workers may run this: one of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from payments.models import Channel
from refunds.models import StageFigures

WINDOW = timedelta(days=30)
EVERY = timedelta(hours=1)
LOCK = "refunds_stagefigures"  # names this lock among the database's advisory ones

BY_MACHINE = ["auto_approve", "turn_down"]
BY_PEOPLE = ["approve", "reject", "approve_canceled"]  # the last: after it had waited for people


@dataclass(frozen=True)
class Stage:
    """A row of the public table. ``whose`` time it is: us, buyer, channel, or whole, which is all of them."""

    title: object
    whose: str


STAGES: dict[str, Stage] = {
    "decision_automatic": Stage(_("申请 → 系统作出决定"), "us"),
    "decision_person": Stage(_("申请 → 人工作出决定"), "us"),
    "release_automatic": Stage(_("通过 → 系统放款"), "us"),
    "release_person": Stage(_("通过 → 财务放款"), "us"),
    "handover": Stage(_("放款 → 交给支付渠道"), "us"),
    "evidence": Stage(_("等买家补充材料"), "buyer"),
    f"channel_{Channel.WECHAT}": Stage(_("微信支付：收到 → 退出"), "channel"),
    f"channel_{Channel.ALIPAY}": Stage(_("支付宝：收到 → 退出"), "channel"),
    "whole_automatic": Stage(_("系统放款的：申请 → 渠道退出"), "whole"),
    "whole_person": Stage(_("财务放款的：申请 → 渠道退出"), "whole"),
}


#: What we promise of a stage (S3-10, S2-11); None: the case's own policy says it.
PROMISES: dict[str, timedelta | None] = {
    "decision_automatic": timedelta(hours=2),
    "decision_person": None,
    "release_automatic": timedelta(hours=2),
    "release_person": timedelta(hours=24),
}
COUNTED = ["case_count", "median_minutes", "p90_minutes", "kept_count", "overdue_count", "since", "computed_at"]


def compute(*, at: datetime) -> int:
    """Count every stage anew if the figures are an hour old and nobody else is counting. Returns how many stages."""
    with transaction.atomic():
        if not _is_mine() or StageFigures.objects.filter(computed_at__gt=at - EVERY).exists():
            return 0
        ended, overdue = _ask(ENDED, at), _ask(OVERDUE, at)
        rows = [_row(stage, ended.get(stage), overdue.get(stage), at) for stage in STAGES]
        StageFigures.objects.bulk_create(rows, update_conflicts=True, unique_fields=["stage"], update_fields=COUNTED)
    return len(rows)


def latest() -> dict[str, StageFigures]:
    """What was counted last, by stage; empty before the first hour."""
    return {row.stage: row for row in StageFigures.objects.filter(stage__in=STAGES)}


def _is_mine() -> bool:
    """Until the transaction ends; whoever comes meanwhile leaves it to us."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [LOCK])
        return bool(cursor.fetchone()[0])


def _row(stage: str, ended: tuple[Any, ...] | None, overdue: tuple[Any, ...] | None, at: datetime) -> StageFigures:
    count, median, p90, kept = ended or (0, None, None, 0)
    return StageFigures(
        stage=stage,
        case_count=count,
        median_minutes=median,
        p90_minutes=p90,
        kept_count=kept if stage in PROMISES else None,
        overdue_count=overdue[0] if overdue else 0,
        since=at - WINDOW,
        computed_at=at,
    )


def _ask(sql: str, at: datetime) -> dict[str, tuple[Any, ...]]:
    """{stage: the other columns}."""
    with connection.cursor() as cursor:
        cursor.execute(sql, asked(at))
        return {stage: tuple(values) for stage, *values in cursor.fetchall()}


def asked(at: datetime) -> dict[str, Any]:
    """What the two statements below are given."""
    return {
        "since": at - WINDOW,
        "at": at,
        "by_machine": BY_MACHINE,
        "decisions": [*BY_MACHINE, *BY_PEOPLE],
        "pre_check": PROMISES["decision_automatic"],
        "release_automatic": PROMISES["release_automatic"],
        "release_person": PROMISES["release_person"],
    }


# An event is read with the one before it in its case: between them lies the time spent in ``from_status``. The window
# is of the shop's clock; the index knows when rows were written, which is never long before what they say: a day is
# allowed. A review behind its promise is escalated by the machine, whatever that promise was: the case's events tell.
# Handed over is what the channel has accepted; where it says nothing before it is done, what was sent. What had to wait
# for money in our account was ours until the end.
ENDED = """
WITH recent AS MATERIALIZED (
    SELECT id, refund_id, sequence, step, from_status, role, at
    FROM refunds_refundevent
    WHERE recorded_at >= now() - interval '31 days' AND at >= %(since)s AND at <= %(at)s
), visited AS (
    SELECT d.id, d.step AS decision, e.step, e.from_status,
           e.at - lag(e.at) OVER (PARTITION BY d.id ORDER BY e.sequence) AS lasted
    FROM recent d JOIN refunds_refundevent e ON e.refund_id = d.refund_id AND e.sequence <= d.sequence
    WHERE d.step = ANY(%(decisions)s)
), decided AS (
    SELECT CASE WHEN decision = ANY(%(by_machine)s) THEN 'decision_automatic' ELSE 'decision_person' END AS stage,
           sum(lasted) FILTER (WHERE from_status <> 'awaiting_evidence') AS lasted,
           bool_and(step <> 'escalate' AND (from_status <> 'submitted' OR lasted <= %(pre_check)s)) AS kept
    FROM visited
    GROUP BY id, decision
), waited AS (
    SELECT CASE WHEN e.step <> 'disburse' THEN 'evidence'
                WHEN e.role = 'system' THEN 'release_automatic' ELSE 'release_person' END AS stage,
           e.at - before.at AS lasted,
           e.at - before.at <= CASE WHEN e.role = 'system' THEN %(release_automatic)s ELSE %(release_person)s END
               AS kept
    FROM recent e
    JOIN refunds_refundevent before ON before.refund_id = e.refund_id AND before.sequence = e.sequence - 1
    WHERE e.step IN ('disburse', 'provide_evidence', 'lapse_evidence')
), paid AS (
    SELECT account.channel, refund.submitted_at, sent.released_by_id, sent.created_at AS released_at,
           CASE WHEN attempt.accepted_at < attempt.finished_at OR EXISTS (
                    SELECT FROM payments_attemptevent WHERE attempt_id = attempt.id AND to_status = 'waiting_funds')
                THEN least(attempt.accepted_at, attempt.finished_at)
                ELSE coalesce(attempt.first_sent_at, attempt.finished_at) END AS handed_over_at,
           attempt.finished_at
    FROM recent e
    JOIN refunds_refund refund ON refund.id = e.refund_id
    JOIN LATERAL (SELECT attempt_id, released_by_id, created_at FROM refunds_disbursement
                  WHERE refund_id = e.refund_id ORDER BY id DESC LIMIT 1) sent ON true
    JOIN payments_refundattempt attempt ON attempt.id = sent.attempt_id
    JOIN payments_payment payment ON payment.id = attempt.payment_id
    JOIN payments_channelaccount account ON account.id = payment.account_id
    WHERE e.step = 'mark_paid_out' AND attempt.finished_at IS NOT NULL
), ended AS (
    SELECT stage, lasted, kept FROM decided
    UNION ALL SELECT stage, lasted, kept FROM waited
    UNION ALL SELECT 'handover', handed_over_at - released_at, NULL FROM paid
    UNION ALL SELECT 'channel_' || channel, finished_at - handed_over_at, NULL FROM paid
    UNION ALL SELECT CASE WHEN released_by_id IS NULL THEN 'whole_automatic' ELSE 'whole_person' END,
                     finished_at - submitted_at, NULL FROM paid
), measured AS (  -- the channel's clock may be a moment behind ours
    SELECT stage, greatest(extract(epoch FROM lasted)::float8 / 60, 0) AS minutes, kept FROM ended
)
SELECT stage, count(*),
       ceil(percentile_cont(0.5) WITHIN GROUP (ORDER BY minutes))::int,
       ceil(percentile_cont(0.9) WITHIN GROUP (ORDER BY minutes))::int,
       count(*) FILTER (WHERE kept)
FROM measured
GROUP BY stage
"""

# Whoever moves is due, so the partial index ``refund_due`` holds them all. An escalated review has a new promise; the
# first one is broken.
OVERDUE = """
SELECT CASE status WHEN 'submitted' THEN 'decision_automatic'
                   WHEN 'first_review' THEN 'decision_person'
                   ELSE CASE queue WHEN 'machine' THEN 'release_automatic' ELSE 'release_person' END END AS stage,
       count(*)
FROM refunds_refund
WHERE next_due_at IS NOT NULL AND status IN ('submitted', 'first_review', 'approved')
      AND (promised_by < %(at)s OR (status = 'first_review' AND queue = 'senior'))
GROUP BY 1
"""
