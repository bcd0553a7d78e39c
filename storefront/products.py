"""What is for sale: all of it, by category, by shop, by search; one product; what buyers said of it (B1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

import clock
import paging
from orders import reviews
from orders.models import Review
from shops import catalog, search
from shops.models import Category, Product, Shop, ShopStatus
from storefront import checkout, policies, trust

PAGE_SIZE = 24
REVIEWS_SHOWN = 3  # on a product's and on a shop's page; the rest has pages of its own


def product_list(request: HttpRequest) -> HttpResponse:
    """商品: newest first, within a category and a search if they are given."""
    query = request.GET.get("q", "").strip()[: search.LONGEST_QUERY]
    category = _category(request.GET.get("category", ""))
    goods, is_cut = catalog.for_sale(at=clock.now()), False
    if category:
        goods = goods.filter(category=category)
    if query:
        found = search.find(goods, query, category=category)
        goods, is_cut = found.products, found.is_cut
    facts = _page(request, goods, q=query, category=category.slug if category else "")
    categories = catalog.categories()
    facts |= {"query": query, "category": category, "categories": categories, "is_cut": is_cut}
    if query and not facts["goods"]:
        facts["near"] = _nearest_first(categories, query)
    return render(request, "storefront/products.html", facts)


def shop_page(request: HttpRequest, shop_id: int) -> HttpResponse:
    """店铺: its badge and what earned it, its figures, its goods. One that is not open shows no goods."""
    shop = get_object_or_404(Shop, pk=shop_id)
    facts = _page(request, catalog.for_sale(at=clock.now(), shop=shop)) | trust.of(shop)
    facts |= {
        "shop": shop,
        "is_open": shop.status == ShopStatus.OPEN,
        "reviews": _signed(reviews.of_shop(shop).order_by("-at", "-pk")[:REVIEWS_SHOWN]),
    }
    return render(request, "storefront/shop.html", facts)


@never_cache
def product_page(request: HttpRequest, product_id: int) -> HttpResponse:
    product = get_object_or_404(catalog.for_sale(at=clock.now()), pk=product_id)
    return checkout.show(request, product, checkout.empty_form(request, product))


def product_reviews(request: HttpRequest, product_id: int) -> HttpResponse:
    """评价 of one product, all or 退款相关 (S1-21)."""
    product = get_object_or_404(Product.objects.select_related("shop"), pk=product_id, is_listed=True)
    return _reviews(request, reviews.of_product(product), {"product": product, "shop": product.shop})


def shop_reviews(request: HttpRequest, shop_id: int) -> HttpResponse:
    shop = get_object_or_404(Shop, pk=shop_id)
    return _reviews(request, reviews.of_shop(shop), {"shop": shop})


def _reviews(request: HttpRequest, rows: Any, about: dict[str, Any]) -> HttpResponse:
    only_refunds = request.GET.get("about") == "refund"
    if only_refunds:
        rows = rows.filter(about_refund=True)
    page = paging.newest_first(rows, by="at", after=request.GET.get("after", ""))
    facts = {"page": page, "reviews": _signed(page.rows), "only_refunds": only_refunds}
    facts |= {"keep": _kept(about="refund" if only_refunds else "")}
    return render(request, "storefront/reviews.html", about | facts)


def _signed(rows: Any) -> list[tuple[Review, str]]:
    return [(review, reviews.shown_author(review)) for review in rows]


def _page(request: HttpRequest, goods: Any, **kept: str) -> dict[str, Any]:
    page = paging.newest_first(goods, by="created_at", after=request.GET.get("after", ""), size=PAGE_SIZE)
    goods = [(product, policies.refundability(product)) for product in page.rows]
    return {"page": page, "goods": goods, "keep": _kept(**kept)}


def _kept(**words: str) -> str:
    """What the links to other pages of the list carry on, ready to stand before ``after=``."""
    told = {name: word for name, word in words.items() if word}
    return f"{urlencode(told)}&" if told else ""


def _nearest_first(categories: list[Category], query: str) -> list[Category]:
    """What else to look at where nothing was found: for 充话费, 话费充值 stands before the rest."""
    wanted = search.wanted_terms(query)

    def shared(category: Category) -> int:
        name = f"{category.name} {category.name_en}".lower()
        return sum(term in name for term in wanted)

    return sorted(categories, key=shared, reverse=True)


def _category(slug: str) -> Category | None:
    return Category.objects.filter(slug=slug[:40]).first() if slug and "\0" not in slug else None
