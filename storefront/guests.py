"""访客: buying without an account, finding the order again by its number and query password, claiming it (PM17)."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

import clock
from accounts import guests
from accounts.guests import AnotherPassword
from accounts.models import User
from orders.models import Order
from orders.placing import CannotPlace, Wish
from payments import charging
from payments.models import Payment
from refunds import claiming
from shops import vault
from shops.models import Product
from storefront.forms import FindForm, QueryPasswordForm

SIGNED_IN_FOR = timedelta(hours=24)
PROOF = "guest_proof"  # in the session: whose query password was given here, and until when that counts
PROOF_LASTS = timedelta(minutes=30)
SLIP = "query_password_slip"  # in the session: the query password of the order just placed, sealed
ONLY_FOR_ACCOUNTS = ("account_", "mfa_", "portal:", "storefront:express", "storefront:real_name", "storefront:notice_")
GUESTS_MAY = {"account_logout"}


# --- buying -----------------------------------------------------------------------------------------------------------


def checkout(
    request: HttpRequest, product: Product, wish: Wish, *, query_password: str, checkout_key: uuid.UUID, at: datetime
) -> Payment:
    """下单 as whoever is signed in, else as a guest, whose session begins with the order.

    Raises what ``charging.checkout`` raises; nothing of the guest is left then.
    """
    if isinstance(request.user, User) and not request.user.is_guest:
        return charging.checkout(product, wish, buyer=request.user, checkout_key=checkout_key, at=at)
    wish = replace(wish, guest_origin=guests.origin_of(get_adapter().get_client_ip(request)))
    if isinstance(request.user, User):
        return charging.checkout(product, wish, buyer=request.user, checkout_key=checkout_key, at=at)
    if not ratelimit.consume(request, action="guest_buy"):
        raise CannotPlace("too_fast", _("下单太频繁，请几分钟后再试，或登录后购买。"))
    with transaction.atomic():
        try:
            guest = guests.open_for(checkout_key, query_password)
        except AnotherPassword as refusal:
            raise CannotPlace("checkout_key", str(refusal)) from None
        payment = charging.checkout(product, wish, buyer=guest, checkout_key=checkout_key, at=at)
    sign_in(request, guest)
    _keep_slip(request, payment.order, query_password)
    return payment


def sign_in(request: HttpRequest, guest: User) -> None:
    """A session of its own, under a new key, for a day."""
    login(request, guest, backend=guests.BACKEND)
    request.session.set_expiry(SIGNED_IN_FOR)


# --- writing the query password down ----------------------------------------------------------------------------------


def _keep_slip(request: HttpRequest, order: Order, query_password: str) -> None:
    """For the pay page alone: sealed for this order, in the session that began with it; never in clear (I15)."""
    sealed = vault.keyring(settings.CARD_KEYS_FILE).seal(query_password, bound_to=_slip_of(order))
    text = base64.b64encode(sealed.ciphertext).decode()
    request.session[SLIP] = {"order_no": order.order_no, "key": sealed.key_id, "sealed": text}


def slip(request: HttpRequest, order: Order) -> str:
    """The query password, to be written down while the order waits for its money; empty in any other session."""
    kept = request.session.get(SLIP, {})
    if kept.get("order_no") != order.order_no:
        return ""
    sealed = vault.Sealed(base64.b64decode(kept["sealed"]), kept["key"])
    try:
        return vault.keyring(settings.CARD_KEYS_FILE).open(sealed, bound_to=_slip_of(order))
    except vault.VaultError:  # its key is gone
        return ""


def forget_slip(request: HttpRequest) -> None:
    """Once there is something to look at, the password proves who looks: whoever holds the phone must know it."""
    request.session.pop(SLIP, None)


def _slip_of(order: Order) -> str:
    return f"session|{SLIP}|{order.order_no}|{order.buyer_id}"


# --- finding it again -------------------------------------------------------------------------------------------------


@never_cache
def find(request: HttpRequest) -> HttpResponse:
    """查询订单 by number and query password. Unknown and wrong get one answer, after the same work (X8)."""
    form = FindForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        if not ratelimit.consume(request, action="find_order", key=said["order_no"]):
            return ratelimit.respond_429(request)
        guest = proved(request, said["order_no"], said["query_password"])
        if guest is not None:
            return _found(request, guest, said["order_no"])
        form.add_error(None, _("订单号或查询密码不对。若订单是登录后下的，或已被认领，请登录后在“我的订单”查看。"))
    return render(request, "storefront/find.html", {"form": form})


def proved(request: HttpRequest, order_no: str, query_password: str) -> User | None:
    """The guest whose order this is, if the password is theirs."""
    order = Order.objects.filter(order_no=order_no, buyer__is_guest=True).select_related("buyer").first()
    guest = order.buyer if order else None
    return guests.QueryPassword().authenticate(request, guest=guest, query_password=query_password)


def _found(request: HttpRequest, guest: User, order_no: str) -> HttpResponse:
    if isinstance(request.user, User) and not request.user.is_guest:
        _keep_proof(request, guest)
        return redirect("storefront:claim")
    sign_in(request, guest)
    return redirect("storefront:order", order_no)


# --- claiming it ------------------------------------------------------------------------------------------------------


@never_cache
def claim(request: HttpRequest) -> HttpResponse:
    """认领: a guest leaves towards an account, keeping the proof; the account then takes the orders over."""
    if isinstance(request.user, User) and request.user.is_guest:
        return _leave(request, request.user)
    guest = _proof(request)
    if guest is None:
        return redirect("storefront:find")
    if isinstance(request.user, User) and (refusal := claiming.why_not(request.user, guest)):
        messages.error(request, refusal)
        return redirect("storefront:orders")
    if request.method != "POST":
        orders = Order.objects.filter(buyer=guest).select_related("shop").order_by("-placed_at", "-pk")[:20]
        return render(request, "storefront/claim.html", {"orders": orders})
    if not isinstance(request.user, User):
        request.session.pop(PROOF)
        sign_in(request, guest)
        return redirect("storefront:orders")
    return _claim(request, guest, request.user)


def _leave(request: HttpRequest, guest: User) -> HttpResponse:
    """Out of the guest's session, with the query password alone: an open one shows who holds the phone, not who bought.

    Without it a thief would claim into an account of their own, and *its* password would open the dear codes.
    """
    form = QueryPasswordForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if not ratelimit.consume(request, action="find_order", key=_guessed_by(guest)):
            return ratelimit.respond_429(request)
        said = form.cleaned_data["query_password"]
        if guests.QueryPassword().authenticate(request, guest=guest, query_password=said):
            logout(request)
            _keep_proof(request, guest)
            return redirect("storefront:claim")
        form.add_error("query_password", _("查询密码不对。"))
    return render(request, "storefront/claim.html", {"form": form})


def _guessed_by(guest: User) -> str:
    """The number that whoever guesses elsewhere has to name: one allowance of guesses for all pages."""
    return Order.objects.filter(buyer=guest).order_by("pk").values_list("order_no", flat=True)[0]


def is_waited_for(request: HttpRequest) -> bool:
    """Whether a guest's orders wait here to be claimed by the account that is signed in."""
    user = request.user
    return isinstance(user, User) and PROOF in request.session and _may_claim(user, _proof(request))


def tell_what_waits(sender: Any, request: HttpRequest, user: User, **more: Any) -> None:
    """Somebody has logged in, or signed up, by whichever way: the orders that wait for them are not lost (PM17)."""
    is_on_the_way = request.POST.get("next") == reverse("storefront:claim")
    if PROOF in request.session and not is_on_the_way and _may_claim(user, _proof(request)):
        messages.info(request, _("您的访客订单还没有认领，请到“我的订单”里认领。"))


def _may_claim(user: User, guest: User | None) -> bool:
    """Nobody is invited to what they would be refused."""
    return guest is not None and claiming.why_not(user, guest) is None


def _claim(request: HttpRequest, guest: User, by: User) -> HttpResponse:
    try:
        orders = claiming.claim(guest, by=by, at=clock.now())
    except claiming.CannotClaim as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("已认领 %(count)d 张订单，现在归入您的账号。") % {"count": len(orders)})
    request.session.pop(PROOF, None)
    return redirect("storefront:orders")


def _keep_proof(request: HttpRequest, guest: User) -> None:
    request.session[PROOF] = {"guest": guest.pk, "until": (clock.now() + PROOF_LASTS).timestamp()}


def _proof(request: HttpRequest) -> User | None:
    kept = request.session.get(PROOF, {})
    if not kept or kept["until"] < clock.now().timestamp():
        return None
    return guests.QueryPassword().get_user(kept["guest"])


# --- what guests have no business with --------------------------------------------------------------------------------


class GuestsStayInTheShop:
    """Middleware: pages about accounts and shops lead a guest to the page that tells how to get an account."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        place = request.resolver_match.view_name if request.resolver_match else ""
        if not place.startswith(ONLY_FOR_ACCOUNTS) or place in GUESTS_MAY:
            return None
        if not (isinstance(request.user, User) and request.user.is_guest):
            return None
        messages.info(request, _("您现在是访客。登录或注册后才能使用这一页。"))
        return redirect("storefront:claim")
