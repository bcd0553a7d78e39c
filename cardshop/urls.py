"""Every address of the house. A new one needs a row in tests/access/: a test fails until it has one."""

from django.contrib import admin
from django.urls import include, path, re_path

from cardshop import health, month_end
from payments import webhooks

urlpatterns = [
    # First what a program asks for: the pages of the shop have no common beginning, so that all of them are tried.
    re_path(
        r"^notify/(?P<account_code>[a-z0-9-]{1,40})/(?:payment|refund|complaint)$", webhooks.notified, name="notify"
    ),
    path("api/", include("api.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("", include("storefront.urls")),
    path("", include("portal.urls")),
    path("accounts/", include("allauth.urls")),
    path("admin/month-end/<int:shop_id>/", admin.site.admin_view(month_end.page), name="month_end"),
    path("admin/", admin.site.urls),
]
