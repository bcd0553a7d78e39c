"""付款: the ways to pay that fit the browser, one of them open, and what the channel says of it.

A channel's till opens on POST alone. Coming back from it proves nothing: every way back only makes us ask the channel.
Buyers leave by a link, never by a form's redirect, which the content policy forbids (``form-action 'self'``).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import parse_qs, urlsplit

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRedirect

import clock
from accounts.proofs import proof_page, proved_by
from accounts.visitors import SignedIn, address_of
from ledger import balances
from orders.models import Order, OrderStatus
from payments import channels, charging, spending
from payments.gateways.base import GatewayError, GatewayMisconfigured, OutcomeUnknown, PayMethod
from payments.models import BALANCE, Payment
from shops.models import Fulfilment
from storefront import guests, reading, trust
from storefront.tills import Place, Till, place_of, tills

CHECK_EVERY_SECONDS = 2  # how often one payment may make us ask the channel
#: How many open pages may wait for a channel at once: were it slow, they would hold every thread that serves a buyer.
PAGES_THAT_ASK = BoundedSemaphore(2)
NOWHERE = "127.0.0.1"  # the address of a buyer who came through a socket that has none
LOGIN = "wechat_login"  # in the session: which order asked WeChat who pays, and the state that its answer must bear
PAYER = "wechat_payer"  # in the session: who that was, under which channel account; kept nowhere else
TITLES = {
    "wechat.scan": gettext_lazy("微信扫码付款"),
    "wechat.in_app": gettext_lazy("微信支付"),
    "wechat.phone": gettext_lazy("微信支付"),
    "alipay.scan": gettext_lazy("支付宝扫码付款"),
    "alipay.phone": gettext_lazy("支付宝付款"),
    "alipay.computer": gettext_lazy("支付宝网页付款"),
}


@login_required
@never_cache
def pay(request: SignedIn, order_no: str) -> HttpResponse:
    """The till that is open, and the other ways. POST opens one: the ``way`` that was chosen, else the one shown."""
    order = reading.order_of(request.user, order_no)
    at = clock.now()
    offered = _offered(request, order)
    if request.method == "POST" and request.POST.get("way") == BALANCE:
        return _pay_from_balance(request, order, at)
    if request.method == "POST":
        return _open(request, order, _chosen(request, order, offered), at)
    if not is_payable(order, at):
        guests.forget_slip(request)
        return redirect("storefront:order", order_no)
    payment = _usable(request, order, offered)
    till = _till_of(payment, offered) if payment else next(iter(offered), None)
    has_closed = payment is not None and charging.till_has_closed(payment, at)  # POST opens another
    facts: dict[str, Any] = {
        "order": order,
        "is_asked": payment is not None,
        "has_closed": has_closed,
        "till": till,
        "title": TITLES.get(till.kind, "") if till else "",
        "knows_payer": till is not None and not _needs_login(request, till),
        "others": [(other, TITLES[other.kind]) for other in offered if other != till],
        "is_in_wechat": _place(request) is Place.WECHAT_APP,
        "handing_over": _handing_over(order),
        "slip": guests.slip(request, order),
        "now": at,
        "balance": _from_balance(request, order),
    }
    if payment and payment.till and not has_closed:
        facts |= {"payment": payment, "phone": _simulated_phone(payment)} | _what_the_till_needs(payment)
    return render(request, "storefront/pay.html", facts)


def _from_balance(request: SignedIn, order: Order) -> dict[str, Any] | None:
    """余额, where it pays for the whole order; ``proof_page`` where one proves first who one is."""
    if not spending.suffices(order, request.user):
        return None
    asks_again = spending.needs_step_up(order) and not proved_by(request)
    here = reverse("storefront:pay", args=[order.order_no])
    return {
        "held_fen": balances.of_buyer(request.user.pk),
        "proof_page": proof_page(request, here) if asks_again else "",
    }


def _pay_from_balance(request: SignedIn, order: Order, at: datetime) -> HttpResponse:
    try:
        spending.pay(order, by=request.user, at=at, verified_by=proved_by(request))
    except spending.CannotSpend as refusal:
        messages.error(request, str(refusal))
    except charging.OrderIsNotPayable:
        messages.info(request, _("这张订单已不能付款，请看订单状态。"))
    except charging.StillOpenElsewhere:
        messages.warning(request, _("上一种付款方式还没有关闭，为免重复扣款，请稍候再换一种方式。"))
    else:
        messages.success(request, _("已用余额付清。"))
        return redirect("storefront:order", order.order_no)
    return redirect("storefront:pay", order.order_no)


def _handing_over(order: Order) -> str:
    """What comes once it is paid for, and by when. An order has one product, as its page was on that day."""
    fulfilment, promised = order.lines.values_list("fulfilment", "product_page__delivery_promise_minutes")[0]
    promise = {"promise": trust.minutes(promised)}
    if fulfilment == Fulfilment.TOP_UP:
        return _("自动提交充值，承诺 %(promise)s内到账，进度在订单页；没有卡密。") % promise
    if fulfilment == Fulfilment.SERVICE:
        return _("商家人工完成，承诺 %(promise)s内交付，进度和凭证在订单页；没有卡密。") % promise
    return _("卡密发到订单页，通常几秒内。")


@login_required
def check(request: SignedIn, order_no: str) -> HttpResponse:
    """我已支付，刷新: ask the channel. The button works by itself; with htmx the page asks every few seconds."""
    before = _open_payment(reading.order_of(request.user, order_no))
    if request.method != "POST":
        return redirect("storefront:pay", order_no)
    order = _asked(request, order_no)
    place = "storefront:pay" if is_payable(order, clock.now()) else "storefront:order"
    if not request.htmx:  # type: ignore[attr-defined]
        if place == "storefront:pay":
            messages.info(request, _("还没有收到付款。付款后通常几秒内更新，请稍等再刷新。"))
        return redirect(place, order_no)
    if place == "storefront:pay" and _is_same(before, _open_payment(order)):
        return HttpResponse(status=204)
    return HttpResponseClientRedirect(redirect(place, order_no).url)


@login_required
@never_cache
def back(request: SignedIn, order_no: str) -> HttpResponse:
    """Back from the channel's till. What the address says is not read: we ask the channel, and show what stands."""
    order = _asked(request, order_no)
    if not is_payable(order, clock.now()):
        return redirect("storefront:order", order_no)
    messages.info(request, _("还没有收到付款。若您已付款，通常几秒内更新；若还没有付，可以继续。"))
    return redirect("storefront:pay", order_no)


def open_first(request: SignedIn, order: Order, *, at: datetime) -> HttpResponse:
    """Right after buying: open the first way that fits the browser, unless WeChat must be asked first who pays."""
    till = next(iter(_offered(request, order)), None)
    return _open(request, order, till, at) if till else redirect("storefront:pay", order.order_no)


def is_payable(order: Order, at: datetime) -> bool:
    return order.status == OrderStatus.PLACED and order.expires_at > at


# --- inside WeChat: who pays ------------------------------------------------------------------------------------------


@login_required
@never_cache
def wechat_login(request: SignedIn, order_no: str) -> HttpResponse:
    """Ask WeChat who pays. ``state`` ties its answer to this session and this order, for one use."""
    order = reading.order_of(request.user, order_no)
    till = _in_app(_offered(request, order))
    if till is None or not is_payable(order, clock.now()):
        return redirect("storefront:pay", order_no)
    state = secrets.token_hex(24)
    try:
        gateway = channels.gateway(channels.account(till.account_code))
        address = gateway.login_address(_address("storefront:wechat_return", order), state)
    except GatewayMisconfigured:
        messages.error(request, _("微信内支付暂时不可用。请点右上角“…”，选“在浏览器打开”，换一种方式付款。"))
        return redirect("storefront:pay", order_no)
    request.session[LOGIN] = {"order_no": order.order_no, "state": state}
    return redirect(address)


@login_required
@never_cache
def wechat_return(request: SignedIn, order_no: str) -> HttpResponse:
    """Back from WeChat with a code: who pays is asked from server to server, and the till opens for that payer."""
    order = reading.order_of(request.user, order_no)
    till = _in_app(_offered(request, order))
    asked = request.session.pop(LOGIN, {})
    code, state = request.GET.get("code", ""), request.GET.get("state", "")
    if till is None or asked.get("order_no") != order_no or not constant_time_compare(asked["state"], state):
        messages.error(request, _("这次微信确认已失效，没有扣款。请再点一次付款。"))
        return redirect("storefront:pay", order_no)
    try:
        payer_id = channels.gateway(channels.account(till.account_code)).payer_of(code)
    except GatewayError as error:
        messages.error(request, _why_nobody_is_known(error))
        return redirect("storefront:pay", order_no)
    request.session[PAYER] = {"account": till.account_code, "id": payer_id}
    return _open(request, order, till, clock.now())


def _why_nobody_is_known(error: GatewayError) -> str:
    if isinstance(error, OutcomeUnknown):
        return _("微信暂时没有回应，没有扣款。请稍候再点一次付款。")
    if isinstance(error, GatewayMisconfigured):
        return _("微信内支付暂时不可用。请点右上角“…”，选“在浏览器打开”，换一种方式付款。")
    return _("这次微信确认已失效，没有扣款。请再点一次付款。")


def _in_app(offered: Sequence[Till]) -> Till | None:
    return next((till for till in offered if till.method is PayMethod.IN_APP), None)


def _payer(request: SignedIn, till: Till) -> str:
    """The buyer's number at WeChat, as far as this session knows it."""
    known = request.session.get(PAYER, {})
    return str(known["id"]) if known.get("account") == till.account_code else ""


def _needs_login(request: SignedIn, till: Till) -> bool:
    return till.method is PayMethod.IN_APP and not _payer(request, till)


# --- opening a till ---------------------------------------------------------------------------------------------------


def _open(request: SignedIn, order: Order, till: Till | None, at: datetime) -> HttpResponse:
    """Open it and show the pay page, which says what stands."""
    if till is None:
        messages.info(request, _("请先选择付款方式。"))
    elif not _needs_login(request, till):
        try:
            charging.start(order, _way(request, order, till), at=at)
        except charging.OrderIsNotPayable:
            messages.info(request, _("这张订单已不能付款，请看订单状态。"))
        except charging.StillOpenElsewhere:
            messages.warning(request, _("上一种付款方式还没有关闭，为免重复扣款，请稍候再换一种方式。"))
    return redirect("storefront:pay", order.order_no)


def _way(request: SignedIn, order: Order, till: Till) -> charging.Way:
    address = address_of(request) or NOWHERE  # WeChat compares it with the phone's
    leaves = till.method in {PayMethod.PHONE, PayMethod.COMPUTER}
    return charging.Way(
        account_code=till.account_code,
        method=till.method,
        payer_id=_payer(request, till) if till.method is PayMethod.IN_APP else "",
        payer_ip=address if till.method is PayMethod.PHONE else "",
        return_url=_address("storefront:pay_back", order) if leaves else "",
    )


def _address(view: str, order: Order) -> str:
    """Channels return to registered addresses only: never what the browser says the host is."""
    return settings.SITE_URL + reverse(view, args=[order.order_no])


def _chosen(request: SignedIn, order: Order, offered: Sequence[Till]) -> Till | None:
    """The way that the form names; without a name the one that is open, else the first."""
    key = request.POST.get("way", "")
    if key:
        return next((till for till in offered if till.key == key), None)
    payment = _usable(request, order, offered)
    return _till_of(payment, offered) if payment else next(iter(offered), None)


# --- what is open -----------------------------------------------------------------------------------------------------


def _place(request: SignedIn) -> Place:
    return place_of(request.headers.get("User-Agent", ""))


def _offered(request: SignedIn, order: Order) -> Sequence[Till]:
    """The channel that this buyer paid through last comes first (S0-35)."""
    offered = tills(_place(request), channels.offered(order.shop))
    usual = charging.usual_channel(request.user)
    return sorted(offered, key=lambda till: till.channel != usual)


def _open_payment(order: Order) -> Payment | None:
    return next((payment for payment in order.payments.all() if payment.status in charging.OPEN), None)


def _usable(request: SignedIn, order: Order, offered: Sequence[Till]) -> Payment | None:
    """The open payment, if its till can be used here: in this browser, and inside WeChat by this very payer."""
    payment = _open_payment(order)
    till = _till_of(payment, offered) if payment else None
    if payment is None or till is None:
        return None
    is_anothers = till.method is PayMethod.IN_APP and payment.payer_id != _payer(request, till)
    return None if is_anothers else payment


def _till_of(payment: Payment, offered: Sequence[Till]) -> Till | None:
    here = (payment.account.code, payment.method)
    return next((till for till in offered if (till.account_code, till.method.value) == here), None)


def _asked(request: SignedIn, order_no: str) -> Order:
    """The order, after the channel was asked about its open payment, unless it was asked a moment ago.

    What open pages ask every few seconds never keeps whoever comes back, or presses, from an answer of that moment.
    While the channel hangs most pages only show what the sweeper finds, which asks as often.
    """
    order = reading.order_of(request.user, order_no)
    payment = _open_payment(order)
    is_page = request.htmx  # type: ignore[attr-defined]
    who = "page" if is_page else "buyer"
    if not payment or not cache.add(f"look:{who}:{payment.payment_no}", 1, timeout=CHECK_EVERY_SECONDS):
        return order
    if is_page and not PAGES_THAT_ASK.acquire(blocking=False):
        return order
    try:
        charging.look([payment], at=clock.now())
    finally:
        if is_page:
            PAGES_THAT_ASK.release()
    return reading.order_of(request.user, order_no)


def _is_same(before: Payment | None, after: Payment | None) -> bool:
    return before is not None and after is not None and (before.pk, before.till) == (after.pk, after.till)


# --- what the page hands on -------------------------------------------------------------------------------------------


def _what_the_till_needs(payment: Payment) -> dict[str, Any]:
    """``qr`` to scan, ``link`` to go to, or ``bridge`` for the app that the page is open in."""
    if payment.method == PayMethod.SCAN.value:
        return {"qr": _qr(payment.till)}
    if payment.method == PayMethod.IN_APP.value:
        return {"bridge": dict(channels.gateway(payment.account).in_app_parameters(payment.till))}
    return {"link": payment.till if urlsplit(payment.till).scheme in {"http", "https"} else ""}


def _qr(text: str) -> SafeString:
    """Inline SVG without a style attribute: the CSP allows none. Always dark on light, for every camera."""
    return mark_safe(segno.make(text, error="m").svg_inline(border=4, omitsize=True, light="#fff", svgclass="qr"))


def _simulated_phone(payment: Payment) -> str:
    """Where the simulator plays the buyer's phone; a till that is a link leads there itself. Empty with real money."""
    if settings.CHANNELS != "simulated" or payment.method in {PayMethod.PHONE.value, PayMethod.COMPUTER.value}:
        return ""
    if urlsplit(payment.till).scheme in {"http", "https"}:  # a code that is an address, as Alipay's are
        return payment.till
    code = parse_qs(urlsplit(payment.till).query).get("pr", [""])[0]
    return f"{settings.WECHAT['gateway']}/phone/{code}"
