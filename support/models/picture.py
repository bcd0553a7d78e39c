"""图片 of a ticket or a complaint: repainted (``images.py``), private, and never changed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from append_only import append_only
from identifiers import uuid7
from support.models.complaint import ShopComplaint
from support.models.ticket import Ticket


class Picture(models.Model):
    """图片. Of a ticket it is seen by its buyer and support; of a complaint by the shop's people too, once asked."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    ticket = models.ForeignKey(Ticket, models.PROTECT, null=True, related_name="pictures")
    complaint = models.ForeignKey(ShopComplaint, models.PROTECT, null=True, related_name="pictures")
    provided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    image = models.FileField(_("图片"), upload_to="support", max_length=200)
    content_type = models.CharField(_("格式"), max_length=20)
    width = models.PositiveIntegerField(_("宽"))
    height = models.PositiveIntegerField(_("高"))
    digest = models.CharField(_("摘要"), max_length=64)
    at = models.DateTimeField(_("时间"))

    class Meta:
        verbose_name = _("客服图片")
        verbose_name_plural = _("客服图片")
        constraints = [
            models.CheckConstraint(
                name="picture_is_of_a_ticket_or_a_complaint",
                condition=Q(ticket__isnull=False, complaint__isnull=True)
                | Q(ticket__isnull=True, complaint__isnull=False),
            ),
        ]
        triggers = append_only("support_pictures_are_append_only")
