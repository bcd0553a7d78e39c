"""试算: what a draft of a policy would have decided of past cases."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from refunds.models.case import Refund
from shops.models import RefundPolicy
from workqueue import WorkItem


class SimulationStatus(models.TextChoices):
    RUNNING = "running", _("试算中")
    DONE = "done", _("已完成")
    STOPPED = "stopped", _("已停止")


class PolicySimulation(WorkItem):
    """试算 of a draft over the newest pre-checks. ``terms`` is the draft as it was then: it may be edited meanwhile.

    ``next_below``: pre-checks from this key on are done; it counts downwards. ``done`` counts also what was
    ``skipped``: {why: how many}, by the keys of ``simulation.SKIPPED``.
    """

    draft = models.ForeignKey(RefundPolicy, models.CASCADE, related_name="simulations", verbose_name=_("政策草稿"))
    terms = models.JSONField(_("试算的条款"))
    status = models.CharField(
        _("状态"), max_length=8, choices=SimulationStatus.choices, default=SimulationStatus.RUNNING
    )
    wanted = models.PositiveIntegerField(_("试算件数"))
    done = models.PositiveIntegerField(_("已试算"), default=0)
    changed = models.PositiveIntegerField(_("结论改变"), default=0)
    skipped = models.JSONField(_("无法试算"), default=dict, blank=True)
    delta_fen = models.BigIntegerField(_("自动退款金额变化（分）"), default=0)
    fee_delta_fen = models.BigIntegerField(_("手续费变化（分）"), default=0)
    next_below = models.BigIntegerField(null=True, editable=False)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("发起人"))
    created_at = models.DateTimeField(_("发起时间"))
    finished_at = models.DateTimeField(_("完成时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("政策试算")
        verbose_name_plural = _("政策试算")
        constraints = [
            models.CheckConstraint(name="simulation_does_what_is_wanted", condition=Q(done__lte=F("wanted"))),
            models.CheckConstraint(
                name="running_simulation_is_due", condition=~Q(status="running") | Q(next_due_at__isnull=False)
            ),
        ]
        indexes = [
            models.Index(name="simulation_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False))
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class SimulatedChange(models.Model):
    """A past case that the draft would have decided otherwise."""

    simulation = models.ForeignKey(PolicySimulation, models.CASCADE, related_name="changes")
    refund = models.ForeignKey(Refund, models.PROTECT, related_name="+", verbose_name=_("退款单"))
    step_then = models.CharField(_("当时的结论"), max_length=32)
    lane_then = models.CharField(_("当时的通道"), max_length=16)
    step_now = models.CharField(_("试算的结论"), max_length=32)
    lane_now = models.CharField(_("试算的通道"), max_length=16)
    fee_then_fen = models.PositiveIntegerField(_("当时的手续费（分）"))
    fee_now_fen = models.PositiveIntegerField(_("试算的手续费（分）"))
    sentence = models.CharField(_("理由"), max_length=200)

    class Meta:
        verbose_name = _("试算改变的退款")
        verbose_name_plural = _("试算改变的退款")
        constraints = [models.UniqueConstraint(name="simulated_once", fields=["simulation", "refund"])]
