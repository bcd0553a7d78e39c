"""工单: what a buyer asks of support, what was said about it, and every step that it took."""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import public_number
from orders.models import Order
from refunds.models import Refund
from workqueue import WorkItem


def new_ticket_no() -> str:
    return public_number("G")


class Topic(models.TextChoices):
    REFUND = "refund", _("退款进度")
    EVIDENCE = "evidence", _("举证复杂")
    ACCOUNT = "account", _("账号")
    SHOP = "shop", _("投诉商家")
    OTHER = "other", _("其他")


class TicketStatus(models.TextChoices):
    """``tickets.STEPS`` leads from one to the next."""

    WAITING = "waiting", _("等待客服答复")
    ANSWERED = "answered", _("客服已答复")
    CLOSED = "closed", _("已关闭")


class Tier(models.TextChoices):
    """With whom a ticket lies; what is late goes one up."""

    AGENT = "agent", _("客服")
    SENIOR = "senior", _("高级审核员")
    OPERATOR = "operator", _("运营管理员")


class Voice(models.TextChoices):
    """Who speaks in a ticket."""

    BUYER = "buyer", _("买家")
    AGENT = "agent", _("客服")
    ASSISTANT = "assistant", _("助手")


class Ticket(WorkItem):
    """工单. It decides nothing about money: whoever wants a refund is led to the case or to the application (S3-21).

    ``promised_by``: by when support answers; empty once it has.
    """

    ticket_no = models.CharField(_("工单号"), max_length=20, unique=True, default=new_ticket_no, editable=False)
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="tickets", verbose_name=_("买家"))
    topic = models.CharField(_("主题"), max_length=12, choices=Topic.choices)
    order = models.ForeignKey(
        Order, models.PROTECT, null=True, blank=True, related_name="tickets", verbose_name=_("订单")
    )
    refund = models.ForeignKey(
        Refund, models.PROTECT, null=True, blank=True, related_name="tickets", verbose_name=_("退款单")
    )
    status = models.CharField(_("状态"), max_length=10, choices=TicketStatus.choices, default=TicketStatus.WAITING)
    tier = models.CharField(_("等谁处理"), max_length=10, choices=Tier.choices, default=Tier.AGENT)
    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("经手客服")
    )
    opened_at = models.DateTimeField(_("提交时间"))
    promised_by = models.DateTimeField(_("答复期限"), null=True, blank=True)
    first_answered_at = models.DateTimeField(_("首次答复"), null=True, blank=True)
    closed_at = models.DateTimeField(_("关闭时间"), null=True, blank=True)
    closing_words = models.CharField(_("结语"), max_length=500, blank=True)
    reopened_at = models.DateTimeField(_("重开时间"), null=True, blank=True)  # once

    class Meta:
        verbose_name = _("工单")
        verbose_name_plural = _("工单")
        constraints = [
            models.CheckConstraint(name="ticket_status_is_listed", condition=Q(status__in=TicketStatus.values)),
            models.CheckConstraint(name="ticket_topic_is_listed", condition=Q(topic__in=Topic.values)),
            models.CheckConstraint(name="ticket_tier_is_listed", condition=Q(tier__in=Tier.values)),
            models.CheckConstraint(  # I4: no open ticket lies with nobody
                name="open_ticket_is_due",
                condition=Q(status="closed", next_due_at__isnull=True)
                | (~Q(status="closed") & Q(next_due_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="waiting_ticket_has_a_promise",
                condition=Q(status="waiting", promised_by__isnull=False)
                | (~Q(status="waiting") & Q(promised_by__isnull=True)),
            ),
            models.CheckConstraint(
                name="closed_ticket_says_when_and_why",
                condition=(Q(status="closed", closed_at__isnull=False) & ~Q(closing_words="")) | ~Q(status="closed"),
            ),
            models.CheckConstraint(  # I10
                name="nobody_is_agent_of_their_own_ticket", condition=Q(agent__isnull=True) | ~Q(agent=F("buyer"))
            ),
        ]
        indexes = [
            models.Index(name="ticket_of_buyer", fields=["buyer", "-opened_at", "-id"]),
            models.Index(name="ticket_in_order", fields=["promised_by", "-id"]),  # the desk's list
            models.Index(name="ticket_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(
                name="ticket_waiting", fields=["tier", "promised_by", "id"], condition=Q(promised_by__isnull=False)
            ),
            models.Index(name="ticket_of_agent", fields=["agent", "status", "-id"], condition=Q(agent__isnull=False)),
        ]
        triggers = [
            pgtrigger.Protect(name="ticket_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="ticket_stays_about_the_same",
                operation=pgtrigger.UpdateOf("ticket_no", "buyer_id", "order_id", "refund_id", "opened_at"),
                condition=pgtrigger.AnyChange("ticket_no", "buyer", "order", "refund", "opened_at"),
            ),
            pgtrigger.Protect(
                name="ticket_is_reopened_once",
                operation=pgtrigger.UpdateOf("reopened_at"),
                condition=pgtrigger.Condition(
                    "OLD.reopened_at IS NOT NULL AND OLD.reopened_at IS DISTINCT FROM NEW.reopened_at"
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.ticket_no


class TicketMessage(models.Model):
    """工单消息: immutable, codes masked before it is written (PM16). The assistant's have no author."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="messages")
    voice = models.CharField(_("身份"), max_length=10, choices=Voice.choices)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    text = models.CharField(_("内容"), max_length=2000)
    warnings = models.JSONField(_("提醒"), default=list)  # keys of orders/talk.py's WARNINGS
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("工单消息")
        verbose_name_plural = _("工单消息")
        constraints = [
            models.CheckConstraint(name="ticket_message_says_something", condition=~Q(text="")),
            models.CheckConstraint(
                name="only_the_assistant_has_no_author",
                condition=Q(voice="assistant", author__isnull=True)
                | Q(voice__in=["buyer", "agent"], author__isnull=False),
            ),
        ]
        indexes = [
            models.Index(name="message_of_ticket", fields=["ticket", "id"]),
            models.Index(name="ticket_message_of_author", fields=["author", "at"]),
        ]
        triggers = append_only("ticket_messages_are_append_only")


class TicketEvent(models.Model):
    """工单记录: one step: who took it, when, and what was said about it among colleagues."""

    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="events")
    step = models.CharField(_("步骤"), max_length=12)  # a key of tickets.STEPS
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    note = models.CharField(_("说明"), max_length=500, blank=True)  # for staff
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("工单记录")
        verbose_name_plural = _("工单记录")
        indexes = [models.Index(name="event_of_ticket", fields=["ticket", "id"])]
        triggers = append_only("ticket_events_are_append_only")
