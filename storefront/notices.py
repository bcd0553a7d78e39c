"""通知: what one was told, on which channels one wants to be told, and whether a message was ours (P14)."""

from __future__ import annotations

from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.models import EmailAddress
from allauth.core import ratelimit
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
import paging
from accounts.visitors import SignedIn
from notices import channels, phones, preferences, reading, wording
from notices.models import Channel, DeliveryStatus, Group, NoticeDelivery, NoticeSettings, choice
from notices.safety import LINK
from storefront import connecting, noticed


class SettingsForm(forms.ModelForm):
    """Which channels for what, when not, in which language, and the reader's own word."""

    class Meta:
        model = NoticeSettings
        fields = ("chosen", "quiet_from", "quiet_until", "urgent_anyway", "language", "anti_phishing_word")
        labels = {
            "quiet_from": gettext_lazy("从几点起不打扰"),
            "quiet_until": gettext_lazy("到几点恢复"),
            "urgent_anyway": gettext_lazy("等我答复、有期限的消息照常发"),
            "language": gettext_lazy("消息用的语言"),
            "anti_phishing_word": gettext_lazy("防钓鱼暗语"),
        }
        help_texts = {
            "quiet_from": gettext_lazy("北京时间；两项都留空则随时发送。"),
            "anti_phishing_word": gettext_lazy("2–20 个字，只有您和本站知道。不要用密码。"),
        }
        widgets = {
            "quiet_from": forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
            "quiet_until": forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        }

    chosen = forms.MultipleChoiceField(
        choices=[(choice(group, channel), "") for group in Group.values for channel in Channel.values], required=False
    )

    def clean_anti_phishing_word(self) -> str:
        word = " ".join(self.cleaned_data["anti_phishing_word"].split())
        if not word:
            return ""
        if len(word) < 2 or LINK.search(word):
            raise forms.ValidationError(_("暗语至少 2 个字，不能是网址。"), code="word")
        if self.instance.user.check_password(word):
            raise forms.ValidationError(_("这是您的登录密码。请换一个，密码不要写在任何别的地方。"), code="password")
        return word

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.errors.keys() & {"quiet_from", "quiet_until"}:
            return cleaned
        begins, ends = cleaned.get("quiet_from"), cleaned.get("quiet_until")
        if (begins is None) != (ends is None):
            self.add_error("quiet_until", _("开始和结束请都填，或都留空。"))
        elif begins is not None and begins == ends:
            self.add_error("quiet_until", _("开始和结束不能相同。"))
        return cleaned


@login_required
def notice_list(request: SignedIn) -> HttpResponse:
    page = paging.newest_first(reading.of(request.user), by="created_at", after=request.GET.get("after", ""))
    known = noticed.about(page.rows, request.user, at=clock.now())
    rows = [
        (notice, wording.text(notice.kind, notice.params), about)
        for notice, about in zip(page.rows, known, strict=True)
    ]
    facts = {"page": page, "rows": rows, "word": preferences.of(request.user).anti_phishing_word}
    return render(request, "storefront/notices.html", facts)


@login_required
def open_notice(request: SignedIn, notice_id: int) -> HttpResponse:
    """Read it, and go where it points: always a page of our own."""
    notice = get_object_or_404(reading.of(request.user), pk=notice_id)
    if request.method == "POST":
        reading.mark_read(reading.of(request.user).filter(pk=notice.pk), at=clock.now())
    return redirect(notice.path or "storefront:notices")


@login_required
def read_all(request: SignedIn) -> HttpResponse:
    if request.method == "POST":
        reading.mark_read(reading.of(request.user), at=clock.now())
    return redirect("storefront:notices")


@login_required
@never_cache
def sent(request: SignedIn) -> HttpResponse:
    """这是我们发的吗: everything that we told this reader, on which channel and when; in three queries."""
    rows = reading.of(request.user).prefetch_related("deliveries")
    page = paging.newest_first(rows, by="created_at", after=request.GET.get("after", ""))
    told = [(notice, wording.text(notice.kind, notice.params), _known(notice.deliveries.all())) for notice in page.rows]
    facts = {"page": page, "rows": told, "word": preferences.of(request.user).anti_phishing_word}
    return render(request, "storefront/notices_sent.html", facts | {"sender": settings.DEFAULT_FROM_EMAIL})


@login_required
@never_cache
def choose(request: SignedIn) -> HttpResponse:
    known = preferences.of(request.user)
    known.user = request.user
    if request.method == "POST":
        form = SettingsForm(request.POST, instance=known)
        if form.is_valid():
            form.save()
            messages.success(request, _("通知设置已保存。"))
            return redirect("storefront:notice_settings")
    else:
        began = {"language": get_language()} if known._state.adding else {}
        form = SettingsForm(instance=known, initial=began)
    return render(request, "storefront/notice_settings.html", _facts(request, form, known))


@login_required
@never_cache
@reauthentication_required
def phone(request: SignedIn) -> HttpResponse:
    """A number, then the digits that went there. A session left behind somewhere sets none (it is asked who it is)."""
    at = clock.now()
    if request.method == "POST":
        return _phone_done(request)
    facts = {
        "known": preferences.of(request.user),
        "waits": phones.waits_for_code(request.user, at=at),
        "is_offered": channels.is_offered(Channel.SMS),
        "is_console": settings.SMS_PROVIDER == "console",
    }
    return render(request, "storefront/notice_phone.html", facts)


def _phone_done(request: SignedIn) -> HttpResponse:
    at = clock.now()
    try:
        if "forget" in request.POST:
            phones.forget(request.user)
            messages.success(request, _("手机号已移除，不再发短信。"))
            return redirect("storefront:notice_settings")
        if "code" in request.POST:
            phones.verify(request.user, request.POST["code"], at=at)
            messages.success(request, _("手机号已核对。"))
            return redirect("storefront:notice_settings")
        if not ratelimit.consume(request, action="phone_code"):
            return ratelimit.respond_429(request)
        phones.send_code(request.user, request.POST.get("phone", ""), at=at)
        messages.success(request, _("短信已发出，请填写其中的 6 位数字。"))
    except phones.CannotVerify as refusal:
        messages.error(request, str(refusal))
    return redirect("storefront:notice_phone")


def _facts(request: SignedIn, form: SettingsForm, known: NoticeSettings) -> dict[str, Any]:
    addresses = list(EmailAddress.objects.filter(user=request.user).order_by("-primary", "pk"))
    reaches = {
        Channel.EMAIL: any(row.verified for row in addresses),
        Channel.SMS: bool(known.phone),
        Channel.WECHAT: bool(known.wechat_openid),
    }
    offered = [channel for channel in Channel if channels.is_offered(channel)]
    ticked = set(form["chosen"].value() or [])
    groups = [
        (group.label, [(choice(group, row), row.label, choice(group, row) in ticked, reaches[row]) for row in offered])
        for group in Group
    ]
    return {
        "form": form,
        "groups": groups,
        "addresses": addresses,
        "known": known,
        "offers_sms": Channel.SMS in offered,
        "offers_wechat": Channel.WECHAT in offered,
        "wants_payers_openid": channels.wants_payers_openid(),
        "connects_wechat": connecting.is_offered(request),
    }


def _known(deliveries: Any) -> list[NoticeDelivery]:
    """What went out, waits, or did not get through; what was dropped was never sent."""
    return [row for row in deliveries if row.status != DeliveryStatus.DROPPED]
