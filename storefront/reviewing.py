"""评价: the buyer's own word on a completed order (S1-21)."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

import clock
from accounts.visitors import SignedIn
from orders import reviews
from orders.models import Review
from storefront import reading

STARS = [
    (5, gettext_lazy("5 星 · 很满意")),
    (4, gettext_lazy("4 星 · 满意")),
    (3, gettext_lazy("3 星 · 一般")),
    (2, gettext_lazy("2 星 · 不满意")),
    (1, gettext_lazy("1 星 · 很不满意")),
]


class ReviewForm(forms.Form):
    stars = forms.TypedChoiceField(
        label=gettext_lazy("评分"),
        coerce=int,
        choices=STARS,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("请选择 1 到 5 星。")},
    )
    text = forms.CharField(
        label=gettext_lazy("评价（选填）"),
        required=False,
        max_length=reviews.LONGEST,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=gettext_lazy("交付快不快、能不能用、退款顺不顺利。公开显示，提交后不能修改；卡密会被遮盖。"),
    )


@login_required
@never_cache
def write(request: SignedIn, order_no: str) -> HttpResponse:
    """写评价, once; afterwards the page shows what was written."""
    order = reading.order_of(request.user, order_no)
    form = ReviewForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            reviews.write(
                order, stars=said["stars"], text=said["text"], by=request.user, at=clock.now(),
                about_refund=bool(order.refunds.all()),
            )  # fmt: skip
        except reviews.CannotReview as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("谢谢，评价已发布。"))
            return redirect("storefront:review", order_no)
    facts = {"order": order, "form": form, "review": Review.objects.filter(order=order).first()}
    return render(request, "storefront/review.html", facts | {"may_write": order.completed_at is not None})
