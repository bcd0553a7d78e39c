"""交付: what became of each order line: a code, a top-up, or work with progress and proof."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import public_number, uuid7
from orders.models.order import OrderLine
from shops.models import CardCode, Supplier, SupplierAnswer
from workqueue import WorkItem


def new_topup_no() -> str:
    return public_number("T")


class Reservation(models.Model):
    """预留: this code is kept for this line until it is paid, or until the order ends unpaid (P16)."""

    line = models.OneToOneField(OrderLine, models.PROTECT, related_name="reservation")
    code = models.ForeignKey(CardCode, models.PROTECT, related_name="reservations")
    reserved_at = models.DateTimeField(_("预留时间"))
    released_at = models.DateTimeField(_("取消预留时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("预留")
        verbose_name_plural = _("预留")
        constraints = [
            models.UniqueConstraint(
                name="code_is_reserved_once", fields=["code"], condition=Q(released_at__isnull=True)
            ),
        ]
        triggers = [pgtrigger.Protect(name="reservation_is_never_deleted", operation=pgtrigger.Delete)]


class Delivery(models.Model):
    """交付: this line was handed over. A code once to one line (I9); a top-up or a service without a code."""

    line = models.OneToOneField(OrderLine, models.PROTECT, related_name="delivery")
    code = models.OneToOneField(CardCode, models.PROTECT, null=True, related_name="delivery")
    delivered_at = models.DateTimeField(_("交付时间"))

    class Meta:
        verbose_name = _("交付")
        verbose_name_plural = _("交付")
        triggers = [
            append_only("delivery_is_append_only")[1],
            pgtrigger.Protect(name="delivery_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Trigger(  # 补发: another code for the same line, with a row that says so
                name="delivery_changes_by_replacement",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                func="""
                IF (NEW.id, NEW.line_id) = (OLD.id, OLD.line_id) AND EXISTS (
                    SELECT FROM orders_replacement
                    WHERE line_id = OLD.line_id AND old_code_id = OLD.code_id AND new_code_id = NEW.code_id
                          AND at = NEW.delivered_at
                ) THEN
                    RETURN NEW;
                END IF;
                RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;
                """,
            ),
        ]


class Replacement(models.Model):
    """补发: a line's code was taken back, and another one handed over for it. Each code at most once either way."""

    line = models.ForeignKey(OrderLine, models.PROTECT, related_name="replacements")
    old_code = models.OneToOneField(CardCode, models.PROTECT, related_name="replaced")
    new_code = models.OneToOneField(CardCode, models.PROTECT, related_name="replaces")
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("补发")
        verbose_name_plural = _("补发")
        constraints = [
            models.CheckConstraint(name="replacement_is_another_code", condition=~Q(old_code=models.F("new_code"))),
        ]
        triggers = append_only("replacements_are_append_only")


class TopUpStatus(models.TextChoices):
    """What leads from one to the next is the table in ``orders/topups.py``."""

    PREPARED = "prepared", _("待提交")  # committed, nothing has left us: may still be stopped
    UNKNOWN = "unknown", _("等待答复")  # sent; asked about under the same number until the supplier says how it ended
    ACCEPTED = "accepted", _("充值中")
    SUCCEEDED = "succeeded", _("已到账")
    FAILED = "failed", _("充值失败")  # by the supplier's own word
    STOPPED = "stopped", _("已停止")  # never sent


class IfMissing(models.TextChoices):
    """What follows if the supplier says that a top-up whose first sending got lost never reached it."""

    SEND = "send", _("重新提交")
    HOLD = "hold", _("先停止")  # a refund is weighed
    END = "end", _("取消")  # its money went back: nothing may be carried out behind that, and its end is no delivery


class TopUp(WorkItem):
    """直充: one request to a supplier for one line. The supplier moves it; no answer is never a failure."""

    line = models.OneToOneField(OrderLine, models.PROTECT, related_name="topup")
    supplier = models.ForeignKey(Supplier, models.PROTECT, related_name="topups", verbose_name=_("供应商"))
    topup_no = models.CharField(_("直充单号"), max_length=20, unique=True, default=new_topup_no, editable=False)
    sku = models.CharField(_("供应商商品号"), max_length=60, blank=True)  # sent again, it is the same (PM1)
    status = models.CharField(_("状态"), max_length=16, choices=TopUpStatus.choices, default=TopUpStatus.PREPARED)
    created_at = models.DateTimeField(_("建立时间"))
    first_sent_at = models.DateTimeField(_("首次提交时间"), null=True, blank=True)  # S4-4: from now on it is 已发货
    # It may have been sent under this claim: until that has surely landed, "never heard of it" is not believed.
    last_sent_at = models.DateTimeField(_("最近提交时间"), null=True, blank=True)
    if_missing = models.CharField(_("若未收到"), max_length=4, choices=IfMissing.choices, default=IfMissing.SEND)
    finished_at = models.DateTimeField(_("结束时间"), null=True, blank=True)
    arrived_at = models.DateTimeField(_("到账时间"), null=True, blank=True)  # the supplier's time
    reason = models.CharField(_("供应商说明"), max_length=200, blank=True)
    last_error = models.CharField(_("上次错误"), max_length=200, blank=True)
    answer = models.ForeignKey(SupplierAnswer, models.PROTECT, null=True, blank=True, related_name="topups")
    # Set once patience is over: a person asks the supplier by other ways, and decides with what they are given there.
    person_due_at = models.DateTimeField(_("人工核实期限"), null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    proof = models.CharField(_("人工认定依据"), max_length=500, blank=True)

    class Meta:
        verbose_name = _("直充单")
        verbose_name_plural = _("直充单")
        constraints = [
            models.CheckConstraint(name="topup_status_is_listed", condition=Q(status__in=TopUpStatus.values)),
            models.CheckConstraint(name="topup_if_missing_is_listed", condition=Q(if_missing__in=IfMissing.values)),
            models.CheckConstraint(
                name="moving_topup_is_due",
                condition=~Q(status__in=["prepared", "unknown", "accepted"]) | Q(next_due_at__isnull=False),
            ),
            models.CheckConstraint(  # the supplier's signed one, or a person's, with what it rests on
                name="finished_topup_rests_on_an_answer",
                condition=~Q(status__in=["succeeded", "failed"])
                | Q(finished_at__isnull=False) & (Q(answer__isnull=False) | Q(decided_by__isnull=False)),
            ),
            models.CheckConstraint(
                name="decision_on_a_topup_names_its_proof", condition=Q(decided_by__isnull=True) | ~Q(proof="")
            ),
            models.CheckConstraint(
                name="topup_with_a_person_is_moving",
                condition=Q(person_due_at__isnull=True) | Q(status__in=["prepared", "unknown", "accepted"]),
            ),
            models.CheckConstraint(
                name="stopped_topup_was_never_sent", condition=~Q(status="stopped") | Q(first_sent_at__isnull=True)
            ),
        ]
        indexes = [
            models.Index(name="topup_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(
                name="topup_with_a_person", fields=["person_due_at", "id"], condition=Q(person_due_at__isnull=False)
            ),
        ]
        triggers = [pgtrigger.Protect(name="topup_is_never_deleted", operation=pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.topup_no


class ServiceStatus(models.TextChoices):
    """What leads from one to the next is the table in ``orders/service_jobs.py``."""

    WAITING = "waiting", _("待开始")
    WORKING = "working", _("进行中")
    HANDED_OVER = "handed_over", _("已交付，待确认")
    CONFIRMED = "confirmed", _("买家已确认")
    STOPPED = "stopped", _("已停止")  # never begun, or refunded in full


class ServiceJob(models.Model):
    """人工服务: boosting and custom work for one line; its progress and both sides' proof are ``ServiceReport``."""

    line = models.OneToOneField(OrderLine, models.PROTECT, related_name="service")
    status = models.CharField(_("状态"), max_length=16, choices=ServiceStatus.choices, default=ServiceStatus.WAITING)
    percent_done = models.PositiveSmallIntegerField(_("进度（%）"), default=0)
    created_at = models.DateTimeField(_("建立时间"))
    started_at = models.DateTimeField(_("开始时间"), null=True, blank=True)
    handed_over_at = models.DateTimeField(_("交付时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("人工服务")
        verbose_name_plural = _("人工服务")
        constraints = [
            models.CheckConstraint(name="service_status_is_listed", condition=Q(status__in=ServiceStatus.values)),
            models.CheckConstraint(name="service_percent_is_a_share", condition=Q(percent_done__lte=100)),
        ]
        triggers = [pgtrigger.Protect(name="service_is_never_deleted", operation=pgtrigger.Delete)]


class ServiceReport(models.Model):
    """进度与凭证 from the shop or from the buyer (S2-16). Never changes."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    job = models.ForeignKey(ServiceJob, models.PROTECT, related_name="reports")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    by_shop = models.BooleanField(_("商家提供"))
    percent_done = models.PositiveSmallIntegerField(_("进度（%）"), null=True)
    text = models.CharField(_("说明"), max_length=500, blank=True)
    image = models.FileField(_("图片"), upload_to="services", max_length=200, blank=True)
    content_type = models.CharField(_("格式"), max_length=20, blank=True)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("进度与凭证")
        verbose_name_plural = _("进度与凭证")
        constraints = [
            models.CheckConstraint(name="service_report_says_something", condition=~Q(text="") | ~Q(image="")),
        ]
        indexes = [models.Index(name="service_report_of_job", fields=["job", "at", "id"])]
        triggers = append_only("service_reports_are_append_only")
