"""What a later version of a refund policy says otherwise than an earlier one, for everybody to read."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from refunds import policy_words
from shops.models import RefundPolicy


def policy_diff(request: HttpRequest, code: str, earlier: int, later: int) -> HttpResponse:
    """Only published versions, and the later one after the earlier."""
    if earlier >= later:
        raise Http404
    published = RefundPolicy.objects.filter(code=code, published_at__isnull=False)
    before, after = get_object_or_404(published, version=earlier), get_object_or_404(published, version=later)
    found = policy_words.differences(before, after)
    context = {"before": before, "after": after, "differences": found}
    return render(request, "storefront/policy_diff.html", context)
