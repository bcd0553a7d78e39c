"""分批发款: a batch that one of finance puts together and another checks, its lines, and what was done with it."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from append_only import append_only
from identifiers import public_number
from payments.models import ChannelAccount
from refunds.models.balance import BalanceCredit
from refunds.models.case import Disbursement, Refund
from workqueue import WorkItem


def new_batch_no() -> str:
    return public_number("F")


class BatchStatus(models.TextChoices):
    """``payouts/`` says what leads where; so does a trigger."""

    DRAFT = "draft", "待提交"  # whoever made it looks at it; nobody else's yet
    PROPOSED = "proposed", "待复核"
    APPROVED = "approved", "待发款"  # checked; the sweeper has not begun
    SENDING = "sending", "发款中"
    STOPPED = "stopped", "已暂停"
    DONE = "done", "已完成"  # every line has its result
    CALLED_OFF = "called_off", "已撤下"  # what was not sent is free for another batch


class LineStatus(models.TextChoices):
    WAITING = "waiting", "待发"
    SENT = "sent", "已放款"
    SET_ASIDE = "set_aside", "转退款异常"  # its money cannot go where it should: the case says why
    FAILED = "failed", "未放款"  # the case stayed where it was
    DROPPED = "dropped", "已撤下"


class PayoutBatch(WorkItem):
    """发款批次: which cases are paid together, and that two people said so. Its lines and its total are fixed once it
    was proposed; money leaves it only after somebody else than its maker has checked it (I11)."""

    batch_no = models.CharField("批次号", max_length=20, unique=True, default=new_batch_no, editable=False)
    status = models.CharField("状态", max_length=12, choices=BatchStatus.choices, default=BatchStatus.DRAFT)
    account = models.ForeignKey(
        ChannelAccount, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="渠道账户"
    )  # empty: of all accounts
    most_lines = models.PositiveIntegerField("最多笔数")  # what was asked for
    most_fen = models.PositiveBigIntegerField("最多金额（分）")
    line_count = models.PositiveIntegerField("笔数")
    total_fen = models.PositiveBigIntegerField("合计（分）")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name="制单人")
    made_at = models.DateTimeField("制单时间")
    proposed_at = models.DateTimeField("提交复核", null=True, blank=True)
    checked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name="复核人"
    )  # in whose name the lines are released
    checked_at = models.DateTimeField("复核时间", null=True, blank=True)
    stop_reason = models.CharField("暂停原因", max_length=200, blank=True)
    ended_at = models.DateTimeField("结束时间", null=True, blank=True)

    class Meta:
        verbose_name = "发款批次"
        verbose_name_plural = "发款批次"
        constraints = [
            models.CheckConstraint(name="payout_status_is_listed", condition=Q(status__in=BatchStatus.values)),
            models.CheckConstraint(name="payout_pays_something", condition=Q(line_count__gt=0, total_fen__gt=0)),
            models.CheckConstraint(  # four eyes, whoever asks
                name="payout_is_checked_by_another_person",
                condition=Q(checked_by__isnull=True) | ~Q(checked_by=F("made_by")),
            ),
            models.CheckConstraint(
                name="payout_is_checked_before_money_leaves",
                condition=Q(status__in=["draft", "proposed", "called_off"])
                | Q(checked_by__isnull=False, checked_at__isnull=False),
            ),
            models.CheckConstraint(name="stopped_payout_says_why", condition=~Q(status="stopped") | ~Q(stop_reason="")),
            models.CheckConstraint(  # I4; a stopped one waits for a person
                name="moving_payout_is_due",
                condition=Q(status__in=["stopped", "done", "called_off"]) | Q(next_due_at__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="payout_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(  # what somebody has to see to: the desk's list of what stands still
                name="payout_open",
                fields=["id"],
                condition=Q(status__in=["draft", "proposed", "approved", "sending", "stopped"]),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="payout_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="payout_moves_by_its_steps",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("status"),
                declare=[("lines", "bigint"), ("fen", "bigint")],
                func="""
                IF TG_OP = 'INSERT' THEN
                    IF NEW.status <> 'draft' OR NEW.checked_by_id IS NOT NULL THEN
                        RAISE EXCEPTION 'a payout begins as a draft' USING ERRCODE = 'check_violation';
                    END IF;
                    RETURN NEW;
                END IF;
                IF NEW.status = OLD.status THEN
                    RETURN NEW;
                END IF;
                IF (OLD.status, NEW.status) NOT IN (
                    ('draft', 'proposed'), ('draft', 'called_off'), ('proposed', 'approved'),
                    ('proposed', 'called_off'), ('approved', 'sending'), ('approved', 'stopped'),
                    ('sending', 'stopped'), ('sending', 'done'), ('stopped', 'sending'), ('stopped', 'called_off'),
                    ('done', 'sending')
                ) THEN
                    RAISE EXCEPTION 'payout %: no step leads from % to %', OLD.id, OLD.status, NEW.status
                        USING ERRCODE = 'check_violation';
                END IF;
                IF NEW.status = 'proposed' THEN
                    SELECT count(*), sum(amount_fen) INTO lines, fen FROM refunds_payoutline WHERE batch_id = NEW.id;
                    IF (lines, fen) IS DISTINCT FROM (NEW.line_count::bigint, NEW.total_fen) THEN
                        RAISE EXCEPTION 'payout % is not the sum of its lines', NEW.id
                            USING ERRCODE = 'check_violation';
                    END IF;
                END IF;
                IF NEW.status IN ('done', 'called_off') AND EXISTS (
                    SELECT FROM refunds_payoutline WHERE batch_id = NEW.id AND status = 'waiting'
                ) THEN
                    RAISE EXCEPTION 'payout % still has lines that wait', NEW.id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Protect(
                name="payout_terms_never_change",
                operation=pgtrigger.UpdateOf(
                    "batch_no", "account_id", "most_lines", "most_fen", "line_count", "total_fen", "made_by_id",
                    "made_at",
                ),
                condition=pgtrigger.AnyChange(
                    "batch_no", "account", "most_lines", "most_fen", "line_count", "total_fen", "made_by", "made_at"
                ),
            ),
            pgtrigger.Protect(
                name="checked_payout_keeps_its_checker",
                operation=pgtrigger.UpdateOf("checked_by_id", "checked_at"),
                condition=pgtrigger.Condition(
                    "NOT (OLD.checked_by_id IS NULL AND OLD.status = 'proposed') AND"
                    " (OLD.checked_by_id, OLD.checked_at) IS DISTINCT FROM (NEW.checked_by_id, NEW.checked_at)"
                ),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return self.batch_no


class PayoutLine(models.Model):
    """发款行: one case of a batch. A case waits in one batch at a time; a sent line names what paid it, and nothing
    pays two lines (I11)."""

    batch = models.ForeignKey(PayoutBatch, models.PROTECT, related_name="lines", verbose_name="批次")
    refund = models.ForeignKey(Refund, models.PROTECT, related_name="payout_lines", verbose_name="退款单")
    position = models.PositiveIntegerField("次序")
    amount_fen = models.PositiveIntegerField("金额（分）")
    status = models.CharField("状态", max_length=12, choices=LineStatus.choices, default=LineStatus.WAITING)
    reason = models.CharField("原因", max_length=200, blank=True)
    disbursement = models.OneToOneField(
        Disbursement, models.PROTECT, null=True, blank=True, related_name="payout_line", verbose_name="发款"
    )
    credit = models.OneToOneField(
        BalanceCredit, models.PROTECT, null=True, blank=True, related_name="payout_line", verbose_name="入余额"
    )
    handled_at = models.DateTimeField("处理时间", null=True, blank=True)

    class Meta:
        verbose_name = "发款行"
        verbose_name_plural = "发款行"
        constraints = [
            models.CheckConstraint(name="payout_line_status_is_listed", condition=Q(status__in=LineStatus.values)),
            models.UniqueConstraint(name="payout_line_is_once_in_its_batch", fields=["batch", "refund"]),
            models.UniqueConstraint(name="payout_lines_are_numbered", fields=["batch", "position"]),
            models.UniqueConstraint(
                name="refund_waits_in_one_payout", fields=["refund"], condition=Q(status="waiting")
            ),
            models.CheckConstraint(
                name="sent_payout_line_names_what_paid_it",
                condition=Q(status="sent", disbursement__isnull=False, credit__isnull=True)
                | Q(status="sent", disbursement__isnull=True, credit__isnull=False)
                | ~Q(status="sent") & Q(disbursement__isnull=True, credit__isnull=True),
            ),
            models.CheckConstraint(
                name="unpaid_payout_line_says_why",
                condition=~Q(status__in=["set_aside", "failed"]) | ~Q(reason=""),
            ),
        ]
        indexes = [
            models.Index(name="payout_line_by_status", fields=["batch", "status", "position"]),
            models.Index(name="payout_line_failed", fields=["refund"], condition=Q(status="failed")),
        ]
        triggers = [
            pgtrigger.Protect(name="payout_line_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="payout_line_is_about_one_case",
                operation=pgtrigger.UpdateOf("batch_id", "refund_id", "position", "amount_fen"),
                condition=pgtrigger.AnyChange("batch", "refund", "position", "amount_fen"),
            ),
            pgtrigger.Trigger(  # whoever proposes it waits for this transaction, and the other way round
                name="payout_lines_come_with_the_draft",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                declare=[("batch_status", "text")],
                func="""
                SELECT status INTO batch_status FROM refunds_payoutbatch WHERE id = NEW.batch_id FOR SHARE;
                IF batch_status <> 'draft' OR NEW.status <> 'waiting' OR NOT EXISTS (
                    SELECT FROM refunds_refund
                    WHERE id = NEW.refund_id AND status = 'approved' AND amount_fen = NEW.amount_fen
                ) THEN
                    RAISE EXCEPTION 'payout %: only a draft takes lines, and only of what waits to be paid',
                        NEW.batch_id USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
            pgtrigger.Trigger(
                name="payout_line_moves_with_its_batch",
                when=pgtrigger.Before,
                operation=pgtrigger.UpdateOf("status"),
                declare=[("batch_status", "text"), ("checker", "bigint"), ("checked", "timestamptz")],
                func="""
                IF NEW.status = OLD.status THEN
                    RETURN NEW;
                END IF;
                SELECT status, checked_by_id, checked_at INTO batch_status, checker, checked FROM refunds_payoutbatch
                WHERE id = NEW.batch_id;
                IF NOT (
                    (OLD.status = 'waiting' AND NEW.status IN ('sent', 'set_aside', 'failed')
                     AND batch_status = 'sending')
                    OR (OLD.status = 'waiting' AND NEW.status = 'dropped'
                        AND batch_status IN ('draft', 'proposed', 'stopped'))
                    OR (OLD.status = 'failed' AND NEW.status = 'waiting' AND batch_status = 'sending')
                ) THEN
                    RAISE EXCEPTION 'line of payout %, which is %: no step leads from % to %',
                        NEW.batch_id, batch_status, OLD.status, NEW.status USING ERRCODE = 'check_violation';
                END IF;
                -- I11: what paid it is about this case, for so much, in the checker's name, after the check; the last
                -- that was sent for it, and not what came back before its buyer signed for an account
                IF NEW.status = 'sent' AND NOT EXISTS (
                    SELECT FROM refunds_disbursement d JOIN payments_refundattempt a ON a.id = d.attempt_id
                      JOIN refunds_refund r ON r.id = d.refund_id
                    WHERE d.id = NEW.disbursement_id AND d.refund_id = NEW.refund_id
                      AND a.amount_fen = NEW.amount_fen AND d.released_by_id = checker
                      AND d.created_at >= checked AND r.destination <> 'account'
                      AND NOT EXISTS (SELECT FROM refunds_disbursement l WHERE l.refund_id = r.id AND l.id > d.id)
                    UNION ALL
                    SELECT FROM refunds_balancecredit c
                    WHERE c.id = NEW.credit_id AND c.refund_id = NEW.refund_id
                      AND c.amount_fen = NEW.amount_fen AND c.released_by_id = checker
                ) THEN
                    RAISE EXCEPTION 'line of payout %: what paid it is about something else', NEW.batch_id
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.batch_id}-{self.position}"


class PayoutEvent(models.Model):
    """批次记录: who did what with a batch, and when."""

    batch = models.ForeignKey(PayoutBatch, models.PROTECT, related_name="events", verbose_name="批次")
    step = models.CharField("步骤", max_length=16)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+", verbose_name="操作人"
    )  # empty: the machine
    note = models.CharField("说明", max_length=200, blank=True)
    at = models.DateTimeField("时间")

    class Meta:
        verbose_name = "批次记录"
        verbose_name_plural = "批次记录"
        indexes = [models.Index(name="payout_event_of_batch", fields=["batch", "id"])]
        triggers = append_only("payout_events_are_append_only")

    def __str__(self) -> str:
        return f"{self.batch_id} {self.step}"
