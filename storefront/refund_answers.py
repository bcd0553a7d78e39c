"""买家的答复 (B8, B10): to an offer, an appeal, an urge, money that did not come. Each page says what it means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

import clock
from accounts.models import User
from accounts.visitors import SignedIn
from form_fields import PicturesField
from refunds import lifecycle
from refunds.evidence import TooManyImages
from refunds.lifecycle import StepRefused
from refunds.models import Ground, Offer, Refund
from storefront import reading

PICTURES = _("最多 6 张，每张 8 MB 以内，JPG、PNG 或 WebP。")


class NothingToSay(forms.Form):
    """A button alone."""


class AcceptForm(forms.Form):
    """Which offer was read: another one may have come since."""

    offer_id = forms.IntegerField(widget=forms.HiddenInput)


class AppealForm(forms.Form):
    ground = forms.ChoiceField(
        label=_("申诉的理由"), choices=Ground.choices, widget=forms.RadioSelect, initial=Ground.OVERLOOKED
    )
    note = forms.CharField(
        label=_("具体说明"),
        max_length=1000,
        help_text=_("写明有什么新的凭证，或者审核遗漏了哪条记录，例如：发卡方答复未兑换，审核没有提到。"),
        widget=forms.Textarea(attrs={"rows": 5}),
        error_messages={"required": _("请写明申诉的理由。")},
    )
    images = PicturesField(label=_("新的凭证（选填）"), required=False, help_text=PICTURES)


@dataclass(frozen=True)
class Answer:
    """One thing a buyer can say: its page, its step, and what stands there once it is done."""

    title: object
    points: Sequence[object]
    button: object
    done: Any
    steps: frozenset[str]
    take: Callable[[Refund, User, datetime, dict[str, Any]], None]
    form: type[forms.Form] = NothingToSay
    is_danger: bool = False


def _accept(case: Refund, by: User, at: datetime, said: dict[str, Any]) -> None:
    steps = lifecycle.allowed_steps(case, by)
    take = lifecycle.accept_replacement if "accept_replacement" in steps else lifecycle.accept_offer
    take(case, by=by, at=at, offer_id=said["offer_id"])


def _decline(case: Refund, by: User, at: datetime, said: dict[str, Any]) -> None:
    lifecycle.decline_offer(case, by=by, at=at)


def _appeal(case: Refund, by: User, at: datetime, said: dict[str, Any]) -> None:
    lifecycle.appeal(case, by=by, at=at, note=said["note"], ground=said["ground"], images=said["images"])


def _urge(case: Refund, by: User, at: datetime, said: dict[str, Any]) -> None:
    lifecycle.urge(case, by=by, at=at)


def _report_missing(case: Refund, by: User, at: datetime, said: dict[str, Any]) -> None:
    lifecycle.report_missing(case, by=by, at=at)


def _revoke_redirect(case: Refund, by: User, at: datetime, said: dict[str, Any]) -> None:
    lifecycle.revoke_redirect(case, by=by, at=at)


ANSWERS: dict[str, Answer] = {
    "accept": Answer(
        _("接受这个方案？"),
        [
            _("接受后按方案办理，这张退款单就此了结，不能撤回。"),
        ],
        _("接受方案"),
        _("已接受，正在办理。"),
        frozenset({"accept_offer", "accept_replacement"}),
        _accept,
        AcceptForm,
    ),
    "decline": Answer(
        _("不接受这个方案？"),
        [_("转由平台客服审核，按原来申请的金额处理，不影响您的退款。")],
        _("不接受，由平台审核"),
        _("已转平台审核。"),
        frozenset({"decline_offer"}),
        _decline,
    ),
    "appeal": Answer(
        _("申诉"),
        [
            _("每张退款单可以申诉一次，由没有审核过它的高级审核员处理，结论是最终的。"),
            _("申诉期间未查看的卡密会再次冻结。"),
            _("重新申请退款会放弃申诉；驳回后查看过卡密的，不能申诉。"),
        ],
        _("提交申诉"),
        _("申诉已收到，结论会通知您。"),
        frozenset({"appeal"}),
        _appeal,
        AppealForm,
    ),
    "urge": Answer(
        _("催办这张退款单？"),
        [
            _("催办后它排到待办最前，处理人会看到催办时间。"),
            _("不会改变审核标准。"),
        ],
        _("催办"),
        _("已催办，已排到最前。"),
        frozenset({"urge"}),
        _urge,
    ),
    "missing": Answer(
        _("没有收到退款？"),
        [
            _("请先在付款账单的“退款记录”里查看；银行卡可能以“退货”或“贷记”入账。"),
            _("提交后客服向支付渠道核实，并给您渠道凭证，可拿给银行查询。"),
        ],
        _("没有收到，请核实"),
        _("已收到，客服正在向渠道核实。"),
        frozenset({"report_missing"}),
        _report_missing,
    ),
    "revoke": Answer(
        _("撤回签署？"),
        [
            _("撤回后协议作废，可以重新选择退款去向。"),
            _("不是您本人签署的，请撤回后立即修改密码并联系客服。"),
        ],
        _("撤回签署"),
        _("已撤回，可以重新选择退款去向。"),
        frozenset({"revoke_redirect"}),
        _revoke_redirect,
    ),
}


@login_required
@never_cache
def answer(request: SignedIn, refund_no: str, kind: str) -> HttpResponse:
    """The page says what it means, the button does it."""
    case = case_of(request, refund_no)
    if kind not in ANSWERS:
        raise Http404(kind)
    chosen = ANSWERS[kind]
    if not chosen.steps & set(lifecycle.allowed_steps(case, request.user)):
        messages.info(request, _("这张退款单现在不能这样做。"))
        return redirect("storefront:refund", refund_no)
    offer = Offer.objects.filter(refund=case, answer="").first() if kind in {"accept", "decline"} else None
    read = {"offer_id": offer.pk if offer else None}
    is_posted = request.method == "POST"
    form = chosen.form(request.POST, request.FILES) if is_posted else chosen.form(initial=read)
    if is_posted and form.is_valid():
        try:
            chosen.take(case, request.user, clock.now(), form.cleaned_data)
        except (StepRefused, TooManyImages) as refusal:
            if getattr(refusal, "code", "") == "offer_changed":  # the page anew, with what is offered now
                messages.error(request, str(refusal))
                return redirect("storefront:refund_answer", refund_no, kind)
            form.add_error(None, str(refusal))
        else:
            messages.success(request, chosen.done)
            return redirect("storefront:refund", refund_no)
    facts = {
        "refund": case,
        "answer": chosen,
        "kind": kind,
        "form": form,
        "offer": offer,
        "pictures_lost": bool(request.FILES),
        "urged_every": case.order.policy.urge_every_hours if kind == "urge" else None,
    }
    return render(request, "storefront/answer.html", facts)


def case_of(request: SignedIn, refund_no: str) -> Refund:
    """Somebody else's case is not there (X8)."""
    found = reading.refund_of(request.user, refund_no)
    if found is None:
        raise Http404(refund_no)
    return found
