"""接口: a shop's keys, and the addresses that hear of its refunds; the owner's pages.

A secret is shown once, on a page of its own. On the way there it lies in the session, sealed: not in clear (I15).
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

import clock
import paging
from accounts.visitors import SignedIn
from integrations import endpoints, keys, letters
from integrations.models import DeliveryStatus, Scope, ShopKey, WebhookDelivery, WebhookEndpoint
from integrations.words import trouble
from portal.door import Here, for_members, posted, show
from refunds.models import Status
from shops import rights, vault

KEPT = "shown_once"  # in the session: the secret that was just made, sealed
TONES = {DeliveryStatus.DELIVERED: "good", DeliveryStatus.GIVEN_UP: "bad", DeliveryStatus.WAITING: "attention"}


class KeyForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("用途"), max_length=40, help_text=gettext_lazy("例如“ERP 对账”。"))
    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("权限"),
        choices=Scope.choices,
        initial=Scope.values,
        widget=forms.CheckboxSelectMultiple,
    )


class WebhookForm(forms.Form):
    url = forms.CharField(
        label=gettext_lazy("地址"),
        max_length=500,
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "placeholder": "https://"}),
        help_text=gettext_lazy("公网 https 地址，端口 443 或 8443。"),
    )
    events = forms.MultipleChoiceField(
        label=gettext_lazy("事件"),
        choices=[(kind, Status(status).label) for kind, status in letters.EVENTS.items()],
        initial=list(letters.EVENTS),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("退款到达这些状态时通知。"),
    )


# --- keys -------------------------------------------------------------------------------------------------------------


@for_members("integrations")
def key_list(request: SignedIn, here: Here) -> HttpResponse:
    """密钥, and a form to make one."""
    form = KeyForm(*posted(request))
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            key, text = keys.make(here.shop, said["name"], said["scopes"], by=request.user, at=clock.now())
        except rights.CannotChange as refusal:
            form.add_error(None, str(refusal))
        else:
            return _show_once(request, here.shop.pk, text, _("接口密钥：%(name)s") % {"name": key.name}, "/shop/keys/")
    rows = list(here.shop.keys.select_related("created_by").order_by("-pk")[: keys.MOST_SHOWN])
    facts = {
        "form": form,
        "live": [row for row in rows if row.revoked_at is None],
        "revoked": [row for row in rows if row.revoked_at is not None],
        "most": keys.MOST_LIVE,
    }
    return show(request, here, "keys.html", facts)


@for_members("integrations")
@require_POST
def revoke_key(request: SignedIn, here: Here, shop_key_id: int) -> HttpResponse:
    """Another shop's key is not there (X8)."""
    key = get_object_or_404(ShopKey.objects.select_related("shop"), pk=shop_key_id, shop=here.shop)
    keys.revoke(key, by=request.user, at=clock.now())
    messages.success(request, _("密钥已吊销，用它的程序立即失效。"))
    return redirect("portal:shop_keys")


# --- webhooks ---------------------------------------------------------------------------------------------------------


@for_members("integrations")
def webhook_list(request: SignedIn, here: Here) -> HttpResponse:
    """回调地址, and a form to add one."""
    form = WebhookForm(*posted(request))
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            row, secret = endpoints.add(here.shop, said["url"], said["events"], by=request.user, at=clock.now())
        except rights.CannotChange as refusal:
            form.add_error("url", str(refusal))
        else:
            return _show_once(request, here.shop.pk, secret, _secret_of(row), _address(row))
    facts = {"form": form, "webhooks": here.shop.webhooks.order_by("created_at"), "most": endpoints.MOST_ENDPOINTS}
    return show(request, here, "webhooks.html", facts)


@for_members("integrations")
def webhook_page(request: SignedIn, here: Here, webhook_id: UUID) -> HttpResponse:
    """One address: what it hears, what it was told last, and how that went."""
    webhook = _webhook(here, webhook_id)
    (sent,) = posted(request)
    form = WebhookForm(sent, initial={"url": webhook.url, "events": webhook.events})
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            endpoints.change(webhook, said["url"], said["events"], by=request.user, at=clock.now())
        except rights.CannotChange as refusal:
            form.add_error("url", str(refusal))
        else:
            messages.success(request, _("已保存，下一个事件起生效。"))
            return redirect("portal:webhook", webhook_id)
    told = webhook.deliveries.select_related("event__refund")
    page = paging.newest_first(told, by="created_at", after=request.GET.get("after", ""))
    facts = {
        "form": form,
        "webhook": webhook,
        "page": page,
        "log": [(row, TONES[DeliveryStatus(row.status)], trouble(row.last_error)) for row in page.rows],
    }
    return show(request, here, "webhook.html", facts)


@for_members("integrations")
@require_POST
def switch_webhook(request: SignedIn, here: Here, webhook_id: UUID) -> HttpResponse:
    is_on = request.POST.get("on") == "on"
    endpoints.switch(_webhook(here, webhook_id), is_on=is_on, by=request.user, at=clock.now())
    messages.success(request, _("已启用。") if is_on else _("已停用，等待中的不再发送，启用后可以重发。"))
    return redirect("portal:webhook", webhook_id)


@for_members("integrations")
@require_POST
def ping_webhook(request: SignedIn, here: Here, webhook_id: UUID) -> HttpResponse:
    webhook = _webhook(here, webhook_id)
    said = _("试发已排队，几秒后刷新本页看结果。")
    return _tried(request, webhook, lambda: endpoints.ping(webhook, by=request.user, at=clock.now()), said)


@for_members("integrations")
@require_POST
def new_webhook_secret(request: SignedIn, here: Here, webhook_id: UUID) -> HttpResponse:
    webhook = _webhook(here, webhook_id)
    secret = endpoints.new_secret(webhook, by=request.user, at=clock.now())
    return _show_once(request, here.shop.pk, secret, _secret_of(webhook), _address(webhook))


@for_members("integrations")
@require_POST
def send_again(request: SignedIn, here: Here, delivery_id: UUID) -> HttpResponse:
    rows = WebhookDelivery.objects.select_related("endpoint__shop").filter(endpoint__shop=here.shop)
    delivery = get_object_or_404(rows, pk=delivery_id)
    said = _("已排队重新发送，编号不变。")
    return _tried(
        request, delivery.endpoint, lambda: endpoints.send_again(delivery, by=request.user, at=clock.now()), said
    )


@for_members("integrations")
@never_cache
def shown_once(request: SignedIn, here: Here) -> HttpResponse:
    """The secret that was just made. Loaded again, the page has none."""
    kept = request.session.pop(KEPT, None)
    if not kept or kept["shop"] != here.shop.pk:
        messages.info(request, _("密钥只显示一次。没有记下的话，请吊销或更换后重新生成。"))
        return redirect("portal:shop_keys")
    sealed = vault.Sealed(base64.b64decode(kept["sealed"]), kept["key"])
    text = vault.keyring(settings.CARD_KEYS_FILE).open(sealed, bound_to=_place(request))
    return show(request, here, "shown_once.html", {"secret": text, "about": kept["about"], "back": kept["back"]})


# --- what they share --------------------------------------------------------------------------------------------------


def _webhook(here: Here, webhook_id: UUID) -> WebhookEndpoint:
    """Another shop's is not there (X8)."""
    return get_object_or_404(WebhookEndpoint.objects.select_related("shop"), pk=webhook_id, shop=here.shop)


def _show_once(request: SignedIn, shop_id: int, text: str, about: str, back: str) -> HttpResponse:
    sealed = vault.keyring(settings.CARD_KEYS_FILE).seal(text, bound_to=_place(request))
    request.session[KEPT] = {
        "sealed": base64.b64encode(sealed.ciphertext).decode(), "key": sealed.key_id, "about": about, "back": back,
        "shop": shop_id,
    }  # fmt: skip
    return redirect("portal:shown_once")


def _place(request: SignedIn) -> str:
    return f"session|{KEPT}|{request.user.pk}"


def _tried(request: SignedIn, webhook: WebhookEndpoint, act: Callable[[], Any], said: str) -> HttpResponse:
    try:
        act()
    except rights.CannotChange as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, said)
    return redirect("portal:webhook", webhook.pk)


def _secret_of(webhook: WebhookEndpoint) -> str:
    return _("回调签名密钥：%(host)s") % {"host": webhook.host}


def _address(webhook: WebhookEndpoint) -> str:
    return f"/shop/webhooks/{webhook.pk}/"
