"""客服台 as a site: who enters, by which door, and which tables may stand in it at all."""

from __future__ import annotations

from functools import partial
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, reverse
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

from accounts import rights
from accounts.desk.tables import Desk
from accounts.way_back import is_here


class StaffDesk(UnfoldAdminSite):
    """The admin site. Staff roles enter, whatever else an account is marked as; only our own tables stand in it."""

    index_title = "工作台"
    enable_nav_sidebar = True

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """What libraries would register (groups, e-mail addresses, second factors) stays out of the desk."""
        if admin_class is not None and issubclass(admin_class, Desk):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        return rights.is_staff(request.user)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """By allauth, which knows about second factors and counts failures; back to where one wanted to go."""
        return secure_admin_login(self._enter)(request)

    def _enter(self, request: HttpRequest) -> HttpResponse:
        if not self.has_permission(request):
            raise PermissionDenied
        target = request.GET.get("next", "")
        return HttpResponseRedirect(target if is_here(request, target) else reverse("admin:index"))

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> Any:
        """Looked up where a page shows it, which none of ours does: the menu is ``cardshop/desk.py:SIDEBAR``."""
        return SimpleLazyObject(partial(super().get_app_list, request, app_label))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Without Unfold's search: it would keep results in the cache on a GET."""
        return [url for url in super().get_urls() if getattr(url, "name", "") != "search"]
