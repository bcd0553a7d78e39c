"""Every address of the house. A new one needs a row in tests/access/: a test fails until it has one."""

from django.urls import path

from cardshop import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
