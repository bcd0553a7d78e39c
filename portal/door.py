"""The door of a shop's pages: who is there, for which of their shops, and what they may do in it.

Nobody but members has a portal (403); what belongs to another shop is not there (404, X8). Somebody with several shops
looks at one at a time, and chooses which; the choice is kept in their session.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.decorators.http import require_POST

from accounts.visitors import SignedIn
from orders.models import Order
from refunds.models import Queue, Refund
from shops import rights
from shops.models import Shop, ShopMember

CHOSEN = "portal_shop"
MOST_COUNTED = 99  # of what waits; beyond, the tab says 99+

#: The tabs: address, what it is called, the right that it needs, and the addresses that lie below it.
TABS = [
    ("portal:orders", pgettext_lazy("标签", "店铺订单"), "orders", {"portal:order", "portal:cancel"}),
    ("portal:refunds", pgettext_lazy("标签", "店铺退款"), "orders", {"portal:refund", "portal:answer"}),
    ("portal:products", gettext_lazy("店铺商品"), "products", {"portal:product", "portal:new_product"}),
    ("portal:stock", gettext_lazy("库存"), "stock", {"portal:product_stock", "portal:stock_import"}),
    ("portal:coupons", gettext_lazy("优惠券"), "coupons", {"portal:coupon", "portal:new_coupon"}),
    ("portal:reviews", gettext_lazy("评价"), "orders", set()),
    ("portal:complaints", gettext_lazy("投诉"), "talk", {"portal:complaint"}),
    ("portal:money", gettext_lazy("货款"), "figures", {"portal:statement", "portal:withdraw", "portal:payee"}),
    ("portal:figures", gettext_lazy("数据"), "figures", set()),
    ("portal:deposit", gettext_lazy("保障"), "figures", set()),
    (
        "portal:shop_keys",
        pgettext_lazy("标签", "接口"),
        "integrations",
        {"portal:webhooks", "portal:webhook", "portal:shown_once"},
    ),
    ("portal:people", gettext_lazy("店员"), "members", {"portal:leave"}),
]


@dataclass(frozen=True)
class Here:
    """The shop that is looked at, as whom, and where else one could look."""

    shop: Shop
    role: str
    memberships: Sequence[ShopMember]

    @property
    def may(self) -> frozenset[str]:
        return rights.acts_of(self.role)


def for_members(act: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """A page of the shop's people that have this right: the view gets ``here`` after the request."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @login_required
        @wraps(view)
        def guarded(request: SignedIn, **address: Any) -> HttpResponse:
            try:
                return view(request, enter(request, act), **address)
            except rights.NotAllowed as refusal:  # taken away a moment ago: the domain asks again under its lock
                raise PermissionDenied(str(refusal)) from None

        return guarded

    return decorate


def enter(request: SignedIn, act: str) -> Here:
    """The chosen shop, or the first one where this may be done. Raises PermissionDenied."""
    rows = ShopMember.objects.filter(user=request.user).select_related("shop").order_by("shop_id")
    memberships = list(rows)
    if not memberships or not request.user.is_active:
        raise PermissionDenied(_("这里只对店铺成员开放。"))
    chosen = next((row for row in memberships if row.shop_id == request.session.get(CHOSEN)), None)
    able = [row for row in [chosen] if row] or [row for row in memberships if act in rights.acts_of(row.role)]
    if not able or act not in rights.acts_of(able[0].role):
        raise PermissionDenied(_("您在这家店没有这项权限，请联系店主。"))
    return Here(able[0].shop, able[0].role, memberships)


@login_required
@require_POST
def choose(request: SignedIn) -> HttpResponse:
    """换一家店."""
    mine = ShopMember.objects.filter(user=request.user, shop_id=_key(request.POST.get("shop", ""))).first()
    if mine is None:
        raise PermissionDenied(_("这里只对店铺成员开放。"))
    request.session[CHOSEN] = mine.shop_id
    return redirect("portal:orders")


def show(request: HttpRequest, here: Here, template: str, facts: dict[str, Any]) -> HttpResponse:
    """A page with the shop's tabs, and what waits for the shop's answer on theirs."""
    match = request.resolver_match
    at = match.view_name if match else ""
    waiting = {"portal:refunds": waiting_refunds(here.shop)[: MOST_COUNTED + 1].count()}
    tabs = [
        (name, title, at == name or at in below, waiting.get(name, 0))
        for name, title, act, below in TABS
        if act in here.may
    ]
    return render(request, f"portal/{template}", {"here": here, "tabs": tabs} | facts)


def waiting_refunds(shop: Shop) -> QuerySet[Refund]:
    """Claims, and questions of the platform, that wait for the shop: by the index ``refund_with_shop``."""
    return Refund.objects.filter(shop=shop, queue=Queue.MERCHANT)


def order_of(request: SignedIn, order_no: str) -> Order:
    """An order of a shop that this person works in, whichever they look at; any other is not there (X8)."""
    mine = Order.objects.filter(shop__in=rights.shops_of(request.user, "orders")).select_related("shop", "policy")
    return get_object_or_404(mine, order_no=order_no)


def posted(request: HttpRequest, *, files: bool = False) -> tuple[Any, ...]:
    """What a form is bound to: what was sent, be it nothing; a page that is only looked at has an empty form."""
    if request.method != "POST":
        return (None,)
    return (request.POST, request.FILES) if files else (request.POST,)


def _key(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
