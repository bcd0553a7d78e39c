"""What the desk's pages of support share: whose row it is, and what follows an act."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.desk import ActsDesk, link, log, page_url

Row = TypeVar("Row", bound=Model)


class SupportDesk(ActsDesk):
    """A page about an order, perhaps a case of it, and its buyer; its acts end where they began."""

    @admin.display(description="订单")
    def order_link(self, row: Any) -> SafeString | str:
        return link(row.order)

    @admin.display(description="退款单")
    def refund_link(self, row: Any) -> SafeString | str:
        return link(row.refund)

    @admin.display(description="买家")
    def who(self, row: Any) -> str:
        return str(row.buyer.shown_name)

    def done(self, request: HttpRequest, row: Model, logged: str, told: str) -> str:
        """On the log, told, and back to the row."""
        log(request, [row], logged)
        messages.success(request, told)
        return page_url(row)


def found(row: Row | None) -> Row:
    """The row of a dialog that was sent."""
    assert row is not None  # noqa: S101 - a form without its row has refused already
    return row
