"""保障标识条件: the terms that are in force, by which ``badge.py`` judges every hour (S0-30)."""

from __future__ import annotations

from shops.models import GuaranteeTerms


def terms() -> GuaranteeTerms:
    """The newest published version; before the first one what its columns say by default, as version 0, not saved."""
    return GuaranteeTerms.objects.order_by("-version").first() or GuaranteeTerms(version=0)
