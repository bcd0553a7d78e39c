"""保障标识条件 on the desk: what the badge demands, version by version."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

import clock
from accounts.desk import Desk, money
from shops import guarantee
from shops.models import GuaranteeTerms


@admin.register(GuaranteeTerms)
class GuaranteeTermsDesk(Desk):
    """保障标识条件: a published version never changes; a new one is published beside it."""

    list_display = ("version", "deposit", "open_days", "in_time_percent", "least_deliveries", "published_at")
    ordering = ("-version",)
    fields = (
        "version", "deposit_fen", "open_days", "in_time_percent", "least_deliveries", "most_canceled_percent",
        "unsuspended_days", "published_at",
    )  # fmt: skip
    readonly_fields = ("version", "published_at")

    deposit = money("deposit_fen", "保证金不少于")

    def save_model(self, request: HttpRequest, obj: GuaranteeTerms, form: Any, change: bool) -> None:
        obj.version, obj.published_at = guarantee.terms().version + 1, clock.now()
        super().save_model(request, obj, form, change)
