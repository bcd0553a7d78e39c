"""沟通: an order, looked at for what was said on it."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from orders.models import Order


class Talk(Order):
    """沟通. The desk's page of an order's talk; its messages are ``orders.OrderMessage``."""

    class Meta:
        proxy = True
        verbose_name = _("沟通")
        verbose_name_plural = _("沟通")
