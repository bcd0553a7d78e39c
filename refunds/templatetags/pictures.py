"""{% picture_address item as address %}: where the reader of this page may look at a picture of a refund (X4)."""

from __future__ import annotations

from django import template

import private_pictures
from refunds.models import DraftImage, Evidence

register = template.Library()


@register.simple_tag(takes_context=True)
def picture_address(context: template.Context, row: Evidence | DraftImage) -> str:
    """Signed for whoever is logged in."""
    name = "storefront:apply_picture" if isinstance(row, DraftImage) else "storefront:evidence"
    return private_pictures.address(name, row, context["request"].user)
