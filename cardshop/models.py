"""Signs of life of the processes that have no address to be asked at; and what is done after a restore."""

from __future__ import annotations

from datetime import timedelta

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

PASSED_OVER = "passed over"  # RecoveryFinding.what: a number that left us, and that its channel does not know


class Heartbeat(models.Model):
    """心跳: when a kind of process was last seen at work. One row each, in the database's own time."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"

    @staticmethod
    def record(name: str) -> None:
        """`name` is at work now."""
        beat = Heartbeat(name=name, at=Now())
        Heartbeat.objects.bulk_create([beat], update_conflicts=True, unique_fields=["name"], update_fields=["at"])

    @staticmethod
    def age(name: str) -> timedelta | None:
        """How long ago `name` was last seen; None if it never was."""
        return Heartbeat.objects.filter(name=name).values_list(Now() - F("at"), flat=True).first()


class DatabaseMark(models.Model):
    """水位: a number that only grows, here and in a file outside. Where the file's is higher, this database has gone
    back in time (F6, F7): ``watching.py``."""

    serial = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(name="there_is_one_mark", condition=Q(pk=1))]

    def __str__(self) -> str:
        return str(self.serial)


class RecoveryRun(models.Model):
    """恢复核对: one restore or failover, from the moment it was noticed until the channels were asked about everything.

    While a row is open, outgoing money stays stopped: a trigger on the switch says so. ``recovery.py`` writes it.
    """

    reason = models.CharField("原因", max_length=200)
    noticed_at = models.DateTimeField("发现")
    since = models.DateTimeField("自", null=True)
    until = models.DateTimeField("至", null=True)
    paid_days = models.PositiveSmallIntegerField("付款天数", default=30)
    begun_at = models.DateTimeField("开始", null=True)
    database = models.CharField("数据库", max_length=80, blank=True)  # as it began: another one begins anew
    last_payment = models.BigIntegerField("做到", default=0)  # resumed behind it
    payments_done = models.PositiveIntegerField("收款", default=0)
    open_count = models.PositiveIntegerField("未决", default=0)
    finished_at = models.DateTimeField("做完一遍", null=True)
    closed_at = models.DateTimeField("结束", null=True)

    class Meta:
        verbose_name = "恢复核对"
        verbose_name_plural = "恢复核对"
        constraints = [
            models.CheckConstraint(
                name="closed_recovery_left_nothing_open",
                condition=Q(closed_at=None) | Q(finished_at__isnull=False, begun_at__isnull=False, open_count=0),
            ),
            models.UniqueConstraint(
                name="one_recovery_at_a_time", fields=["closed_at"], condition=Q(closed_at=None), nulls_distinct=False
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="recovery_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(
                name="recovery_closes_with_its_findings",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                condition=pgtrigger.Condition("NEW.closed_at IS NOT NULL"),
                func="""
                IF EXISTS (SELECT FROM cardshop_recoveryfinding WHERE run_id = NEW.id AND is_open) THEN
                    RAISE EXCEPTION 'recovery_closes_with_its_findings: some are open'
                        USING ERRCODE = 'check_violation';
                END IF;
                RETURN NEW;
                """,
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} #{self.pk}"


class RecoveryFinding(models.Model):
    """核对结果: one number that the channel and this database did not agree on, and what was done."""

    run = models.ForeignKey(RecoveryRun, models.PROTECT, related_name="findings")
    number = models.CharField("单号", max_length=40)  # of a payment or of a refund
    what = models.CharField("结果", max_length=60)
    amount_fen = models.PositiveIntegerField("金额（分）", default=0)
    note = models.CharField("说明", max_length=200, blank=True)
    is_open = models.BooleanField("未决", default=False)
    at = models.DateTimeField("时间")

    class Meta:
        verbose_name = "核对结果"
        verbose_name_plural = "核对结果"
        constraints = [
            models.UniqueConstraint(name="finding_is_told_once", fields=["run", "number", "what"]),
        ]
        indexes = [models.Index(name="finding_by_number", fields=["number"])]

    def __str__(self) -> str:
        return f"{self.number}: {self.what}"
