"""Keys of a shop's programs, the addresses it wants to be told at, and each telling: a row is queue and log at once.

What stands here in clear opens nothing: of a key there is the digest, of a webhook's secret the sealed text (I15).
"""

from __future__ import annotations

import pgtrigger
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from identifiers import uuid7
from refunds.models import RefundEvent
from shops.models import Shop
from workqueue import WorkItem


class Scope(models.TextChoices):
    """What a program may read."""

    ORDERS_READ = "orders:read", _("读取订单")
    REFUNDS_READ = "refunds:read", _("读取退款")


class ShopKey(models.Model):
    """接口密钥 of one shop. Shown once, when it is made; ``keys.py`` makes, knows again and revokes."""

    shop = models.ForeignKey(Shop, models.PROTECT, related_name="keys", db_index=False, verbose_name=_("店铺"))
    name = models.CharField(_("用途"), max_length=40)
    prefix = models.CharField(_("开头"), max_length=16)  # by which people tell keys apart
    digest = models.BinaryField(max_length=32, unique=True, editable=False)  # SHA-256 of the whole key
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope.choices), verbose_name=_("权限"))
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("创建人"))
    created_at = models.DateTimeField(_("创建时间"))
    last_used_at = models.DateTimeField(_("最近使用"), null=True, blank=True)  # to the minute
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("吊销人")
    )
    revoked_at = models.DateTimeField(_("吊销时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("接口密钥")
        verbose_name_plural = _("接口密钥")
        constraints = [
            models.CheckConstraint(
                name="key_scopes_are_listed", condition=Q(scopes__contained_by=Scope.values) & Q(scopes__len__gt=0)
            ),
            models.CheckConstraint(
                name="revoked_key_says_by_whom",
                condition=Q(revoked_at__isnull=True, revoked_by__isnull=True)
                | Q(revoked_at__isnull=False, revoked_by__isnull=False),
            ),
        ]
        indexes = [models.Index(name="key_of_shop", fields=["shop", "-id"])]
        triggers = [
            pgtrigger.Protect(name="key_is_never_deleted", operation=pgtrigger.Delete),
            # What it opens is what its owner was told; and what was revoked stays so.
            pgtrigger.Protect(
                name="key_terms_never_change",
                operation=pgtrigger.UpdateOf("shop_id", "digest", "prefix", "scopes", "created_by_id", "created_at"),
                condition=pgtrigger.AnyChange("shop", "digest", "prefix", "scopes", "created_by", "created_at"),
            ),
            pgtrigger.Protect(
                name="revoked_key_stays_revoked",
                operation=pgtrigger.UpdateOf("revoked_at", "revoked_by_id"),
                condition=pgtrigger.Condition(
                    "OLD.revoked_at IS NOT NULL AND (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at"
                    " OR OLD.revoked_by_id IS DISTINCT FROM NEW.revoked_by_id)"
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.prefix}…"


class SwitchedOff(models.TextChoices):
    """Why an address is not called."""

    BY_OWNER = "owner", _("店主停用")
    FAILURES = "failures", _("连续失败，自动停用")
    GONE = "gone", _("对方回答 410，自动停用")


class WebhookEndpoint(models.Model):
    """回调地址: where a shop's program hears of its refunds, of which statuses, and signed with which secret."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)  # its secret is sealed to it
    shop = models.ForeignKey(Shop, models.PROTECT, related_name="webhooks", db_index=False, verbose_name=_("店铺"))
    url = models.CharField(_("地址"), max_length=500)
    events = ArrayField(models.CharField(max_length=40), verbose_name=_("事件"))  # letters.EVENTS
    secret = models.BinaryField(_("密钥（密文）"), editable=False)
    secret_key_id = models.CharField(max_length=40, editable=False)
    is_on = models.BooleanField(_("启用"), default=True)
    switched_off = models.CharField(_("停用原因"), max_length=16, choices=SwitchedOff.choices, blank=True)
    failing_since = models.DateTimeField(_("连续失败自"), null=True, blank=True)
    rests_until = models.DateTimeField(_("暂缓至"), null=True, blank=True)  # after a failure: others go first
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", verbose_name=_("创建人"))
    created_at = models.DateTimeField(_("创建时间"))

    class Meta:
        verbose_name = _("回调地址")
        verbose_name_plural = _("回调地址")
        constraints = [
            models.UniqueConstraint(name="one_webhook_per_shop_and_address", fields=["shop", "url"]),
            models.CheckConstraint(
                name="webhook_address_is_one",
                condition=Q(url__startswith="https://") | Q(url__startswith="http://127."),
            ),  # the second in rehearsals alone: calling.py
            models.CheckConstraint(name="webhook_has_events", condition=Q(events__len__gt=0)),
            models.CheckConstraint(name="webhook_secret_is_sealed", condition=~Q(secret_key_id="")),
            models.CheckConstraint(
                name="webhook_that_is_off_says_why",
                condition=Q(is_on=True, switched_off="") | Q(is_on=False, switched_off__in=SwitchedOff.values),
            ),
        ]
        triggers = [
            pgtrigger.Protect(name="webhook_is_never_deleted", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="webhook_stays_with_its_shop",
                operation=pgtrigger.UpdateOf("shop_id"),
                condition=pgtrigger.AnyChange("shop"),
            ),
        ]

    def __str__(self) -> str:
        return self.host

    @property
    def host(self) -> str:
        """All of the address that stands in lists and notices: its path may hold a secret of the shop's."""
        return self.url.split("/")[2]


class DeliveryStatus(models.TextChoices):
    WAITING = "waiting", _("等待发送")
    DELIVERED = "delivered", _("已送达")
    GIVEN_UP = "given_up", _("已放弃")


class WebhookDelivery(WorkItem):
    """一次回调: one event for one address. Its key is the ``webhook-id``, the same however often it is sent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    endpoint = models.ForeignKey(
        WebhookEndpoint, models.PROTECT, related_name="deliveries", db_index=False, verbose_name=_("回调地址")
    )
    event = models.ForeignKey(
        RefundEvent, models.PROTECT, null=True, blank=True, db_index=False, related_name="+", verbose_name=_("退款记录")
    )  # empty: a ping
    kind = models.CharField(_("事件"), max_length=40)  # what the letter says as its ``type``
    status = models.CharField(_("状态"), max_length=16, choices=DeliveryStatus.choices, default=DeliveryStatus.WAITING)
    created_at = models.DateTimeField(_("创建时间"))
    last_tried_at = models.DateTimeField(_("最近发送"), null=True, blank=True)
    last_status_code = models.PositiveSmallIntegerField(_("对方状态码"), null=True, blank=True)
    last_error = models.CharField(_("最近错误"), max_length=40, blank=True)  # a key of words.TROUBLE
    delivered_at = models.DateTimeField(_("送达时间"), null=True, blank=True)

    class Meta:
        verbose_name = _("回调记录")
        verbose_name_plural = _("回调记录")
        constraints = [
            models.UniqueConstraint(name="one_delivery_per_endpoint_and_event", fields=["endpoint", "event"]),
            models.CheckConstraint(name="delivery_status_is_listed", condition=Q(status__in=DeliveryStatus.values)),
            models.CheckConstraint(
                name="waiting_delivery_is_due",
                condition=Q(status="waiting", next_due_at__isnull=False)
                | (~Q(status="waiting") & Q(next_due_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="delivered_delivery_has_its_time",
                condition=Q(status="delivered", delivered_at__isnull=False)
                | (~Q(status="delivered") & Q(delivered_at__isnull=True)),
            ),
            models.CheckConstraint(
                name="only_pings_are_about_nothing",
                condition=Q(event__isnull=True, kind="ping") | (Q(event__isnull=False) & ~Q(kind="ping")),
            ),
        ]
        indexes = [
            models.Index(name="delivery_due", fields=["next_due_at", "id"], condition=Q(next_due_at__isnull=False)),
            models.Index(name="delivery_of_endpoint", fields=["endpoint", "-created_at", "-id"]),
        ]
        triggers = [
            pgtrigger.Protect(
                name="delivery_says_what_it_said",
                operation=pgtrigger.UpdateOf("endpoint_id", "event_id", "kind", "created_at"),
                condition=pgtrigger.AnyChange("endpoint", "event", "kind", "created_at"),
            ),
        ]

    def __str__(self) -> str:
        return f"msg_{self.pk.hex}"


class FeedMark(models.Model):
    """How far ``feed.py`` has read the refunds' events; one row.

    ``settled_id``: no event up to here can appear any more. ``seen_id`` was the last one there was when no transaction
    had a number above ``seen_xid``; once all those are over it is settled, too.
    """

    settled_id = models.BigIntegerField(default=0)
    seen_id = models.BigIntegerField(default=0)
    seen_xid = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = _("读取进度")
        verbose_name_plural = _("读取进度")
        constraints = [models.CheckConstraint(name="one_reading", condition=Q(pk=1))]
