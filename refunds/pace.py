"""时效: every hour, how long each stage of a refund took over 30 days, and how often our promises were kept (S2-30).

The time is told apart by whose it is: ours, the shop's while it is asked, the buyer's while material or an answer is
awaited, the channel's once it has accepted. The shop's time runs inside the review's, so it counts in both. Counted is
what ended a stage in the window; a promise that a case still open has broken counts as broken too. The number of
queries is fixed. Any number of workers may run this: one of them counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from payments.models import Channel
from refunds import clocking
from refunds.models import StageFigures
from workcalendar import current

WINDOW = timedelta(days=30)
EVERY = timedelta(hours=1)
LONGEST = timedelta(days=90)  # whatever waits longer for its release is late, days off or not
LOCK = "refunds_stagefigures"  # names this lock among the database's advisory ones

BY_MACHINE = ["auto_approve", "turn_down"]
#: Decided by people or with them, or because one side kept silent.
BY_PEOPLE = [
    "agree", "accept_offer", "accept_replacement", "approve", "reject", "approve_second", "reject_second",
    "grant_appeal", "dismiss_appeal", "close", "approve_canceled",
]  # fmt: skip
SHOP_ANSWERS = ["agree", "agree_above_limit", "contest", "offer"]  # by the machine: the shop kept silent
BUYER_ANSWERS = ["accept_offer", "accept_replacement", "decline_offer", "lapse_offer"]
#: Where nothing is left to decide: an appeal, a correction, a halt start the count anew.
DECIDED = ["rejected", "approved", "returned"]


@dataclass(frozen=True)
class Stage:
    """A row of the public table. ``whose`` time it is: us, shop, buyer, channel, or whole, which is all of them."""

    title: object
    whose: str


STAGES: dict[str, Stage] = {
    "decision_automatic": Stage(_("申请 → 系统作出决定"), "us"),
    "decision_person": Stage(_("申请 → 人工作出决定"), "us"),
    "release_automatic": Stage(_("通过 → 系统放款"), "us"),
    "release_person": Stage(_("通过 → 财务放款"), "us"),
    "handover": Stage(_("放款 → 交给支付渠道"), "us"),
    "merchant": Stage(_("等商家答复"), "shop"),
    "evidence": Stage(_("等补充材料"), "buyer"),
    "offer": Stage(_("等买家答复方案"), "buyer"),
    f"channel_{Channel.WECHAT}": Stage(_("微信支付：收到 → 退出"), "channel"),
    f"channel_{Channel.ALIPAY}": Stage(_("支付宝：收到 → 退出"), "channel"),
    "whole_automatic": Stage(_("系统放款的：申请 → 渠道退出"), "whole"),
    "whole_person": Stage(_("财务放款的：申请 → 渠道退出"), "whole"),
}


#: What we promise of a stage (S3-10, S2-11); None: the case's own policy says it.
PROMISES: dict[str, timedelta | None] = {
    "decision_automatic": timedelta(hours=clocking.PRE_CHECK_HOURS),
    "decision_person": None,
    "release_automatic": timedelta(hours=clocking.AUTOMATIC_HOURS),
    "release_person": None,
    "merchant": None,
}
#: Shares of what happened in the window, for the desk: ``kept_count`` of ``case_count``.
SHARES: dict[str, str] = {
    "share_automatic": "系统自动作出的决定",
    "share_appeals_upheld": "申诉成立",
    "share_reopened": "驳回后由高级审核员纠正",
    "share_silent_shops": "商家逾期未答",
}
COUNTED = ["case_count", "median_minutes", "p90_minutes", "kept_count", "overdue_count", "since", "computed_at"]


def compute(*, at: datetime) -> int:
    """Count every stage anew if the figures are an hour old and nobody else is counting. Returns how many stages."""
    with transaction.atomic():
        if not _is_mine() or StageFigures.objects.filter(computed_at__gt=at - EVERY).exists():
            return 0
        ended, overdue, shares = count(at)
        rows = [_row(stage, ended.get(stage), overdue.get(stage), at) for stage in STAGES]
        rows += [_share(share, of, this, at) for share, (of, this) in shares.items()]
        StageFigures.objects.bulk_create(rows, update_conflicts=True, unique_fields=["stage"], update_fields=COUNTED)
    return len(STAGES)


def count(at: datetime) -> tuple[dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]], dict[str, tuple[Any, ...]]]:
    """What ended, what is overdue, and the shares: three statements, whatever there is."""
    return _ask(ENDED, at), _ask(OVERDUE, at), _ask(SHARED, at)


def latest(*, with_shares: bool = False) -> dict[str, StageFigures]:
    """What was counted last, by stage, or by share; empty before the first hour."""
    wanted = [*STAGES, *SHARES] if with_shares else STAGES
    return {row.stage: row for row in StageFigures.objects.filter(stage__in=wanted)}


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


def _share(share: str, of: int, count: int, at: datetime) -> StageFigures:
    return StageFigures(stage=share, case_count=of, kept_count=count, since=at - WINDOW, computed_at=at)


def _ask(sql: str, at: datetime) -> dict[str, tuple[Any, ...]]:
    """{stage: the other columns}."""
    with connection.cursor() as cursor:
        cursor.execute(sql, asked(at))
        return {stage: tuple(values) for stage, *values in cursor.fetchall()}


def asked(at: datetime) -> dict[str, Any]:
    """What the statements below are given."""
    return {
        "since": at - WINDOW,
        "at": at,
        "by_machine": BY_MACHINE,
        "decisions": [*BY_MACHINE, *BY_PEOPLE],
        "decided": DECIDED,
        "shop_answers": SHOP_ANSWERS,
        "buyer_answers": BUYER_ANSWERS,
        "pre_check": PROMISES["decision_automatic"],
        "release_automatic": PROMISES["release_automatic"],
        "days_off": _days_off(localdate(at - WINDOW - LONGEST), localdate(at)),
    }


def _days_off(first: date, last: date) -> list[date]:
    calendar = current.calendar()
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if not calendar.is_working(day)]


# An event is read with the one before it in its case: between them lies the time spent in ``from_status``. The window
# is of the shop's clock; the index knows when rows were written, which is never long before what they say: a day is
# allowed. A review behind its promise is escalated by the machine, whatever that promise was: the case's events tell.
# A release is promised by the order's policy, as a rule in working time: the hours of days off are taken from it.
# Handed over is what the channel has accepted; where it says nothing before it is done, what was sent. What had to wait
# for money in our account was ours until the end.
ENDED = """
WITH recent AS MATERIALIZED (
    SELECT id, refund_id, sequence, step, from_status, role, at
    FROM refunds_refundevent
    WHERE recorded_at >= now() - interval '31 days' AND at >= %(since)s AND at <= %(at)s
), visited AS (
    SELECT d.id, d.step AS decision, e.step, e.from_status, e.sequence,
           e.at - lag(e.at) OVER (PARTITION BY d.id ORDER BY e.sequence) AS lasted,
           max(e.sequence) FILTER (WHERE e.from_status = ANY(%(decided)s)) OVER (PARTITION BY d.id) AS again
    FROM recent d
    CROSS JOIN LATERAL (SELECT step, from_status, sequence, at FROM refunds_refundevent
                        WHERE refund_id = d.refund_id AND sequence <= d.sequence
                        OFFSET 0) e  -- case by case: joined as a whole, the planner reads the events of all years
    WHERE d.step = ANY(%(decisions)s)
), decided AS (
    SELECT CASE WHEN decision = ANY(%(by_machine)s) THEN 'decision_automatic' ELSE 'decision_person' END AS stage,
           coalesce(sum(lasted) FILTER (WHERE from_status NOT IN ('awaiting_evidence', 'offered')), interval '0')
               AS lasted,
           bool_and(step <> 'escalate' AND (from_status <> 'submitted' OR lasted <= %(pre_check)s)) AS kept
    FROM visited
    WHERE sequence > coalesce(again, 0)
    GROUP BY id, decision
), left_behind AS (
    SELECT e.refund_id, e.step, e.role, entered.at AS since, e.at AS until, e.at - entered.at AS lasted
    FROM recent e
    CROSS JOIN LATERAL (SELECT at FROM refunds_refundevent
                        WHERE refund_id = e.refund_id AND sequence < e.sequence AND to_status <> from_status
                        ORDER BY sequence DESC LIMIT 1) entered
    WHERE e.step IN ('disburse', 'credit_balance', 'request_transfer', 'provide_evidence', 'lapse_evidence')
          OR e.step = ANY(%(shop_answers)s) OR e.step = ANY(%(buyer_answers)s)
), waited AS (
    SELECT CASE WHEN step = ANY(%(shop_answers)s) THEN 'merchant'
                WHEN step = ANY(%(buyer_answers)s) THEN 'offer' ELSE 'evidence' END AS stage,
           lasted, CASE WHEN step = ANY(%(shop_answers)s) THEN role = 'merchant' END AS kept
    FROM left_behind WHERE step NOT IN ('disburse', 'credit_balance', 'request_transfer')
), released AS (
    SELECT CASE WHEN done.role = 'system' THEN 'release_automatic' ELSE 'release_person' END AS stage, done.lasted,
           CASE WHEN done.role = 'system' THEN done.lasted <= %(release_automatic)s
                ELSE done.lasted - CASE WHEN terms.working_time ? 'approved' THEN off.lasted ELSE interval '0' END
                     <= terms.release_hours * interval '1 hour' END AS kept
    FROM left_behind done
    JOIN refunds_refund refund ON refund.id = done.refund_id
    JOIN orders_order placed ON placed.id = refund.order_id
    JOIN shops_refundpolicy terms ON terms.id = placed.policy_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(greatest(least(done.until, midnight + interval '24 hours') - greatest(done.since, midnight),
                                     interval '0')), interval '0') AS lasted
        FROM unnest(%(days_off)s::date[]) AS day,
             LATERAL (SELECT day::timestamp AT TIME ZONE 'Asia/Shanghai' AS midnight) AS its
        WHERE midnight < done.until AND midnight + interval '24 hours' > done.since
    ) off
    WHERE done.step IN ('disburse', 'credit_balance', 'request_transfer')
), paid AS (
    SELECT account.channel, refund.submitted_at, sent.released_by_id, sent.released_at,
           CASE WHEN sent.accepted_at < sent.finished_at OR EXISTS (
                    SELECT FROM payments_attemptevent
                    WHERE attempt_id = sent.attempt_id AND to_status = 'waiting_funds')
                THEN least(sent.accepted_at, sent.finished_at)
                ELSE coalesce(sent.first_sent_at, sent.finished_at) END AS handed_over_at,
           sent.finished_at
    FROM recent e
    JOIN refunds_refund refund ON refund.id = e.refund_id
    JOIN LATERAL (SELECT disbursement.released_by_id, disbursement.created_at AS released_at, attempt.id AS attempt_id,
                         attempt.payment_id, attempt.first_sent_at, attempt.accepted_at, attempt.finished_at
                  FROM refunds_disbursement disbursement
                  LEFT JOIN payments_refundattempt attempt ON attempt.id = disbursement.attempt_id
                  WHERE disbursement.refund_id = e.refund_id ORDER BY disbursement.id DESC LIMIT 1) sent ON true
    JOIN payments_payment payment ON payment.id = sent.payment_id
    JOIN payments_channelaccount account ON account.id = payment.account_id
    WHERE e.step = 'mark_paid_out' AND sent.finished_at IS NOT NULL
), ended AS (
    SELECT stage, lasted, kept FROM decided
    UNION ALL SELECT stage, lasted, kept FROM waited
    UNION ALL SELECT stage, lasted, kept FROM released
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

# Of what was decided, appealed, refused and asked of shops in the window: how much went which way.
SHARED = """
WITH recent AS MATERIALIZED (
    SELECT step, role FROM refunds_refundevent
    WHERE recorded_at >= now() - interval '31 days' AND at >= %(since)s AND at <= %(at)s AND to_status <> from_status
), counted AS (
    SELECT count(*) FILTER (WHERE step = ANY(%(decisions)s)) AS decided,
           count(*) FILTER (WHERE step = ANY(%(by_machine)s)) AS by_machine,
           count(*) FILTER (WHERE step IN ('grant_appeal', 'uphold_appeal', 'dismiss_appeal')) AS appeals,
           count(*) FILTER (WHERE step IN ('grant_appeal', 'uphold_appeal')) AS upheld,
           count(*) FILTER (WHERE step IN ('reject', 'reject_second', 'dismiss_appeal', 'turn_down')) AS refused,
           count(*) FILTER (WHERE step = 'reopen') AS reopened,
           count(*) FILTER (WHERE step = ANY(%(shop_answers)s)) AS asked,
           count(*) FILTER (WHERE step = ANY(%(shop_answers)s) AND role = 'system') AS silent
    FROM recent
)
SELECT 'share_automatic', decided, by_machine FROM counted
UNION ALL SELECT 'share_appeals_upheld', appeals, upheld FROM counted
UNION ALL SELECT 'share_reopened', refused, reopened FROM counted
UNION ALL SELECT 'share_silent_shops', asked, silent FROM counted
"""

# Whoever moves is due, so the partial index ``refund_due`` holds them all. A review that went up has a new promise; the
# first one is broken.
OVERDUE = """
SELECT CASE WHEN status = 'submitted' THEN 'decision_automatic'
            WHEN status = 'merchant_review' THEN 'merchant'
            WHEN status <> 'approved' THEN 'decision_person'
            WHEN queue = 'machine' THEN 'release_automatic' ELSE 'release_person' END AS stage,
       count(*)
FROM refunds_refund
WHERE next_due_at IS NOT NULL
      AND status IN ('submitted', 'merchant_review', 'first_review', 'second_review', 'appeal_review', 'approved')
      AND (promised_by <= %(at)s OR (status = 'first_review' AND queue IN ('senior', 'operator'))
           OR (status IN ('second_review', 'appeal_review') AND queue = 'operator'))
GROUP BY 1
"""
