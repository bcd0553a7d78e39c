"""连接微信: a reader's own openid, by the same 网页授权 that says who pays (``storefront/paying.py``).

It begins with a POST in this session and ends with WeChat's answer to it: ``state`` ties the two together, for one use
and for one account. So nobody's WeChat comes to an account by an address that he was sent.
"""

from __future__ import annotations

import secrets

from allauth.account.decorators import reauthentication_required
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts.visitors import SignedIn
from notices import wechat
from notices.channels import wants_payers_openid
from payments import channels
from payments.gateways.base import Gateway, GatewayError, GatewayMisconfigured, OutcomeUnknown, PayMethod
from payments.models import Channel
from storefront.tills import Place, place_of

#: In the session: which account asked WeChat who it is, and the state that its answer must bear.
ASKED = "wechat_connect"
SETTINGS = "storefront:notice_settings"


def is_offered(request: SignedIn) -> bool:
    """Here, to this reader: WeChat's page opens nowhere but in its own browser."""
    is_in_wechat = place_of(request.headers.get("User-Agent", "")) is Place.WECHAT_APP
    return is_in_wechat and not request.user.is_guest and _gateway() is not None


@login_required
@never_cache
@reauthentication_required
def begin(request: SignedIn) -> HttpResponse:
    """POST begins; the page then leads to WeChat by a link, as a form must not leave this site. A session left behind
    somewhere connects nobody else's WeChat: it is asked who it is."""
    gateway = _gateway()
    if gateway is None or not is_offered(request):
        messages.error(request, _("这里不能连接微信。请在微信里打开本站，登录后再试。"))
        return redirect(SETTINGS)
    if request.method == "POST":
        request.session[ASKED] = {"user": request.user.pk, "state": secrets.token_hex(24)}
        return redirect("storefront:notice_wechat")
    asked = request.session.get(ASKED, {})
    if asked.get("user") != request.user.pk:
        return redirect(SETTINGS)
    try:
        link = gateway.login_address(settings.SITE_URL + reverse("storefront:notice_wechat_back"), asked["state"])
    except GatewayMisconfigured as error:
        messages.error(request, _why(error))
        return redirect(SETTINGS)
    return render(request, "storefront/notice_wechat.html", {"link": link})


@login_required
@never_cache
def back(request: SignedIn) -> HttpResponse:
    """Back from WeChat with a code. Whose it is, is asked from server to server."""
    asked, gateway = request.session.pop(ASKED, {}), _gateway()
    code, state = request.GET.get("code", ""), request.GET.get("state", "")
    is_ours = asked.get("user") == request.user.pk and constant_time_compare(asked["state"], state)
    if gateway is None or not is_ours:
        messages.error(request, _("这次微信确认已失效，没有连接。请再点一次“连接微信”。"))
        return redirect(SETTINGS)
    try:
        wechat.connect(request.user, gateway.payer_of(code))
    except GatewayError as error:
        messages.error(request, _why(error))
    except wechat.CannotConnect:
        messages.error(request, _("请先注册或登录账号。"))
    else:
        messages.success(request, _("已连接微信。"))
    return redirect(SETTINGS)


@login_required
def forget(request: SignedIn) -> HttpResponse:
    if request.method == "POST":
        wechat.disconnect(request.user)
        messages.success(request, _("微信已断开，不再往微信发消息。"))
    return redirect(SETTINGS)


def _gateway() -> Gateway | None:
    """The platform's own app, which is the one that messages leave by; None where it knows nobody's WeChat."""
    if not wants_payers_openid():
        return None
    account = next((row for row in channels.platform_accounts() if row.channel == Channel.WECHAT), None)
    if account is None:
        return None
    try:
        gateway = channels.gateway(account)
    except GatewayMisconfigured:
        return None
    return gateway if PayMethod.IN_APP in gateway.methods else None


def _why(error: GatewayError) -> str:
    if isinstance(error, OutcomeUnknown):
        return _("微信暂时没有回应，没有连接。请稍候再试。")
    if isinstance(error, GatewayMisconfigured):
        return _("现在不能连接微信，请稍后再来。邮件和站内通知照常。")
    return _("这次微信确认已失效，没有连接。请再点一次“连接微信”。")
