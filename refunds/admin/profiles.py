"""买家档案 and 店铺档案: what the record says of both sides, reached from the review page (K5)."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

import clock
from accounts.desk import key
from accounts.models import User
from refunds import profiles
from refunds.admin.queue import CaseList
from shops import figures
from shops.models import Shop


class Profiles(CaseList):
    """Two pages beside the case: one person's refunds, one shop's."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path("buyer/<path:object_id>/", self.admin_site.admin_view(self.buyer_view), name="refunds_refund_buyer"),
            path("shop/<path:object_id>/", self.admin_site.admin_view(self.shop_view), name="refunds_refund_shop"),
        ]
        return own + super().get_urls()

    def buyer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """买家档案."""
        buyer = get_object_or_404(User, pk=self._looked_for(request, object_id))
        record = profiles.of_buyer(buyer.pk, at=clock.now())
        context = {"title": f"买家档案：{buyer.shown_name}", "buyer": buyer, "record": record,
                   "cases": profiles.cases_of_buyer(buyer)}  # fmt: skip
        return self._page(request, "admin/refunds/refund/buyer.html", context)

    def shop_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """店铺档案."""
        shop = get_object_or_404(Shop, pk=self._looked_for(request, object_id))
        record = profiles.of_shop(shop.pk, at=clock.now())
        context = {"title": f"店铺档案：{shop.name}", "shop": shop, "record": record,
                   "figures": figures.of(shop), "cases": profiles.cases_of_shop(shop)}  # fmt: skip
        return self._page(request, "admin/refunds/refund/shop.html", context)

    def _looked_for(self, request: HttpRequest, object_id: str) -> int:
        if not self.has_view_permission(request) or request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        return key(object_id)

    def _page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        shared = self.admin_site.each_context(request) | {"opts": self.opts, "at": clock.now()}
        return TemplateResponse(request, template, shared | context)
