"""回调地址: added, changed, switched, tried out by the owner; switched off by the machine when nobody answers.

Locks: shop → endpoint → delivery.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

import workqueue
from accounts.models import User
from integrations import calling, letters
from integrations.models import DeliveryStatus, SwitchedOff, WebhookDelivery, WebhookEndpoint
from integrations.words import trouble
from notices import telling
from notices.models import Notice
from shops import life, rights
from shops.models import Shop
from shops.rights import CannotChange

SWEEP = "integrations.sweep"
MOST_ENDPOINTS = 5
MOST_PINGS_WAITING = 3


def add(shop: Shop, url: str, events: Sequence[str], *, by: User, at: datetime) -> tuple[WebhookEndpoint, str]:
    """添加地址: the row, and its secret, to be shown once. Raises CannotChange, rights.NotAllowed."""
    url, chosen = _address(url), _events(events)
    with rights.locked(shop, by=by, act="integrations") as locked:
        if locked.webhooks.count() >= MOST_ENDPOINTS:
            raise CannotChange(_("一家店最多 %(most)d 个回调地址。") % {"most": MOST_ENDPOINTS})
        endpoint = WebhookEndpoint(shop=locked, url=url, events=chosen, created_by=by, created_at=at)
        secret = _new_secret(endpoint)
        _save(endpoint)
        _record(endpoint, "add_webhook", by, at)
    return endpoint, secret


def change(endpoint: WebhookEndpoint, url: str, events: Sequence[str], *, by: User, at: datetime) -> None:
    """更改地址与事件, from the next event on. Raises CannotChange, rights.NotAllowed."""
    url, chosen = _address(url), _events(events)
    with _one(endpoint, by) as locked:
        if (locked.url, locked.events) == (url, chosen):
            return
        locked.url, locked.events, locked.rests_until = url, chosen, None
        _save(locked)
        _record(locked, "change_webhook", by, at)


def switch(endpoint: WebhookEndpoint, *, is_on: bool, by: User, at: datetime) -> None:
    """启用、停用. What waits when it is switched off is given up, and can be sent again. Raises rights.NotAllowed."""
    with _one(endpoint, by) as locked:
        if locked.is_on == is_on:
            return
        _switch(locked, "" if is_on else SwitchedOff.BY_OWNER)
        _record(locked, "webhook_on" if is_on else "webhook_off", by, at)


def switch_off(endpoint: WebhookEndpoint, why: SwitchedOff, *, at: datetime) -> None:
    """By the machine: the owners are told."""
    with transaction.atomic():
        shop = Shop.objects.select_for_update(no_key=True).get(pk=endpoint.shop_id)
        locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        if not locked.is_on:
            return
        locked.shop = shop
        _switch(locked, why)
        _record(locked, "webhook_off", None, at)
        _tell_owners(locked, at)


def new_secret(endpoint: WebhookEndpoint, *, by: User, at: datetime) -> str:
    """更换密钥: all that is sent from now on is signed with it. Raises rights.NotAllowed."""
    with _one(endpoint, by) as locked:
        secret = _new_secret(locked)
        locked.save(update_fields=["secret", "secret_key_id"])
        _record(locked, "webhook_secret", by, at)
    return secret


def ping(endpoint: WebhookEndpoint, *, by: User, at: datetime) -> WebhookDelivery:
    """试发: a letter about nothing, at once, also while it is off. Raises CannotChange, rights.NotAllowed."""
    with _one(endpoint, by) as locked:
        if locked.deliveries.filter(event=None, status=DeliveryStatus.WAITING).count() >= MOST_PINGS_WAITING:
            raise CannotChange(_("还有试发在等待，请稍候再试。"))
        workqueue.ring(SWEEP)
        return WebhookDelivery.objects.create(endpoint=locked, kind=letters.PING, created_at=at, next_due_at=at)


def send_again(delivery: WebhookDelivery, *, by: User, at: datetime) -> None:
    """重新发送, under the same number: who has it already knows it by that. Raises CannotChange, rights.NotAllowed."""
    with _one(delivery.endpoint, by) as endpoint:
        if not endpoint.is_on and delivery.event_id is not None:
            raise CannotChange(_("地址已停用，请先启用。"))
        rows = WebhookDelivery.objects.filter(pk=delivery.pk)
        rows.exclude(leased_until__gt=at).update(
            status=DeliveryStatus.WAITING, next_due_at=at, leased_until=None, tries=0, delivered_at=None
        )
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(rests_until=None)
        workqueue.ring(SWEEP)


# --- what they share --------------------------------------------------------------------------------------------------


def _address(text: str) -> str:
    """As it is typed, but for the case of what has none. Raises CannotChange."""
    text = text.strip()
    try:
        parts = calling.checked(text)
    except calling.BadAddress as refused:
        raise CannotChange(trouble(refused.code)) from None
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), path=parts.path or "/").geturl()


def _events(chosen: Sequence[str]) -> list[str]:
    known = [kind for kind in letters.EVENTS if kind in chosen]
    if not known:
        raise CannotChange(_("请至少选一种事件。"))
    return known


def _new_secret(endpoint: WebhookEndpoint) -> str:
    secret = letters.fresh_secret()
    letters.keep_secret(endpoint, secret)
    return secret


def _save(endpoint: WebhookEndpoint) -> None:
    try:
        with transaction.atomic():
            endpoint.save()
    except IntegrityError:
        raise CannotChange(_("这个地址已经添加过。")) from None


def _switch(endpoint: WebhookEndpoint, why: str) -> None:
    endpoint.is_on, endpoint.switched_off = not why, why
    endpoint.failing_since = endpoint.rests_until = None
    endpoint.save(update_fields=["is_on", "switched_off", "failing_since", "rests_until"])
    if why:
        waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=DeliveryStatus.WAITING, event__isnull=False)
        waiting.update(status=DeliveryStatus.GIVEN_UP, next_due_at=None, leased_until=None, last_error="switched_off")


def _record(endpoint: WebhookEndpoint, step: str, by: User | None, at: datetime) -> None:
    """The host alone: what stands behind it is the owner's."""
    life.record(endpoint.shop, step, from_status=endpoint.shop.status, by=by, at=at, reason=endpoint.host)


def _tell_owners(endpoint: WebhookEndpoint, at: datetime) -> None:
    owners = rights.holders("integrations", [endpoint.shop_id])[endpoint.shop_id]
    source = f"shop-event:{endpoint.shop.events.latest('pk').pk}"
    telling.tell(
        [
            Notice(
                recipient_id=owner, kind="webhook_off", params={"shop": endpoint.shop.name, "host": endpoint.host},
                path=f"/shop/webhooks/{endpoint.pk}/", source=source, created_at=at,
            )
            for owner in owners
        ]
    )  # fmt: skip


@contextmanager
def _one(endpoint: WebhookEndpoint, by: User) -> Iterator[WebhookEndpoint]:
    with rights.locked(endpoint.shop, by=by, act="integrations") as shop:
        locked = WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
        locked.shop = shop
        yield locked
