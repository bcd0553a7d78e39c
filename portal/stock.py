"""库存: how many codes there are in each state, which ones, and what each has lived through. Never a text."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

import clock
import paging
from accounts.visitors import SignedIn
from portal.door import Here, for_members, show
from shops import checking, quarantine, stock
from shops.models import CardCode, CodeState, Fulfilment, Product
from shops.quarantine import CannotRelease

COUNTED_TO = 1000
TONES: dict[str, str] = {
    CodeState.IN_STOCK: "good",
    CodeState.RESERVED: "progress",
    CodeState.DELIVERED: "progress",
    CodeState.REVEALED: "quiet",
    CodeState.FROZEN: "attention",
    CodeState.QUARANTINED: "attention",
    CodeState.VOID: "quiet",
}


@for_members("stock")
@never_cache
def stock_list(request: SignedIn, here: Here) -> HttpResponse:
    """Every product that is sold as codes, with what is left of it."""
    products = Product.objects.filter(shop=here.shop, fulfilment=Fulfilment.CODES)
    page = paging.newest_first(products, by="created_at", after=request.GET.get("after", ""))
    shown = [CodeState.IN_STOCK, CodeState.QUARANTINED]
    found = stock.counts([product.pk for product in page.rows], shown, up_to=COUNTED_TO + 1)
    rows = [(product, *(_count(found[product.pk, state]) for state in shown)) for product in page.rows]
    return show(request, here, "stock.html", {"page": page, "rows": rows})


@for_members("stock")
@never_cache
def product_stock(request: SignedIn, here: Here, product_id: int) -> HttpResponse:
    """库存 of one product: a state at a time."""
    product = product_of(here, product_id)
    asked = request.GET.get("state", "")
    state = CodeState(asked) if asked in CodeState.values else CodeState.IN_STOCK
    found = stock.counts([product.pk], CodeState.values, up_to=COUNTED_TO + 1)
    codes = product.codes.filter(state=state).defer("sealed", "key_id", "fingerprint")
    if state == CodeState.QUARANTINED:
        codes = codes.filter(restocked_as=None)
    facts = {
        "product": product,
        "state": state,
        "states": [(each, _count(found[product.pk, each])) for each in CodeState],
        "page": paging.newest_first(codes, by="created_at", after=request.GET.get("after", "")),
        "keep": f"state={state.value}&",
        "tone": TONES[state],
        "may_take_out": state == CodeState.IN_STOCK,
    }
    return show(request, here, "stock_product.html", facts)


@for_members("stock")
@require_POST
def take_out(request: SignedIn, here: Here, product_id: int) -> HttpResponse:
    """下架 of the ticked codes."""
    product = product_of(here, product_id)
    done = quarantine.take_out(product, _ticked(request), by=request.user, at=clock.now())
    if done:
        messages.success(request, taken_out(done))
    else:
        messages.info(request, _("没有可下架的卡密：请先勾选，已售出的不能下架。"))
    return redirect("portal:product_stock", product_id)


@for_members("stock")
@never_cache
def code_page(request: SignedIn, here: Here, code_id: UUID) -> HttpResponse:
    """One code: where it stands and its record."""
    code = _code(here, code_id)
    is_releasable = code.state == CodeState.QUARANTINED and code.revealed_at is None and code.restocked_as_id is None
    facts = {
        "code": code,
        "tone": TONES[code.state],
        "events": code.events.select_related("actor").order_by("-sequence")[:100],
        "answer": checking.latest([code.pk]).get(code.pk),
        "is_releasable": is_releasable,
        "asks_issuer": is_releasable and checking.can_look_up([code.pk]),
    }
    return show(request, here, "stock_code.html", facts)


@for_members("stock")
@require_POST
def release(request: SignedIn, here: Here, code_id: UUID) -> HttpResponse:
    """解除隔离."""
    code = _code(here, code_id)
    try:
        new = quarantine.release(code, is_checked=request.POST.get("checked") == "on", by=request.user, at=clock.now())
    except CannotRelease as refusal:
        messages.error(request, str(refusal))
        return redirect("portal:stock_code", code_id)
    messages.success(request, _("已重新入库，可以出售。"))
    return redirect("portal:stock_code", new.pk)


def product_of(here: Here, product_id: int) -> Product:
    """Another shop's product is not there (X8), nor one that has no stock."""
    products = Product.objects.select_related("shop", "supplier")
    return get_object_or_404(products, pk=product_id, shop=here.shop, fulfilment=Fulfilment.CODES)


def taken_out(count: int) -> str:
    return _("已下架 %(n)d 张，在隔离中。") % {"n": count}


def _code(here: Here, code_id: UUID) -> CardCode:
    codes = CardCode.objects.select_related("product__shop", "product__supplier", "stock_import")
    return get_object_or_404(codes.defer("sealed", "key_id", "fingerprint"), pk=code_id, product__shop=here.shop)


def _count(counted: int) -> str:
    return f"{COUNTED_TO}+" if counted > COUNTED_TO else str(counted)


def _ticked(request: SignedIn) -> list[UUID]:
    try:
        return [UUID(text) for text in request.POST.getlist("code")[: paging.PAGE_SIZE]]
    except ValueError:
        raise Http404 from None
