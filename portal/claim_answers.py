"""商家答复 (M2, M3): what a shop can say to a claim, each on a page of its own that tells what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

import clock
from accounts.models import User
from accounts.visitors import SignedIn
from form_fields import PicturesField, YuanField
from portal.door import Here, for_members, posted, show
from refunds import goods, lifecycle, objections
from refunds.evidence import TooManyImages
from refunds.lifecycle import StepRefused
from refunds.models import Refund
from shops import rights

PICTURES = _("最多 6 张，每张 8 MB 以内，JPG、PNG 或 WebP。买家和客服都能看到。")


def _words(label: Any, *, required: bool = True, help_text: Any = "", most: int = 500) -> forms.CharField:
    return forms.CharField(
        label=label, max_length=most, required=required, help_text=help_text,
        widget=forms.Textarea(attrs={"rows": 4}), error_messages={"required": _("请填写，买家和客服会看到这段话。")},
    )  # fmt: skip


class AgreeForm(forms.Form):
    note = _words(_("给买家的话（选填）"), required=False)

    def take(self, case: Refund, by: User, at: datetime) -> None:
        step = lifecycle.agree if "agree" in lifecycle.allowed_steps(case, by) else lifecycle.agree_above_limit
        step([case], by=by, at=at, note=self.cleaned_data["note"])


class ContestForm(forms.Form):
    note = _words(
        _("不同意的理由"), help_text=_("写明事实与依据，例如：该卡密 11月20日 20:05 在兑换平台已使用，见截图。")
    )
    images = PicturesField(label=_("凭证图片"), required=False, help_text=PICTURES)

    def take(self, case: Refund, by: User, at: datetime) -> None:
        said = self.cleaned_data
        lifecycle.contest([case], by=by, at=at, note=said["note"], images=said["images"])


class OfferForm(forms.Form):
    kind = forms.ChoiceField(
        label=_("方案"), choices=[("part", _("部分退款")), ("replacement", _("补发一张新卡密"))],
        widget=forms.RadioSelect, initial="part",
    )  # fmt: skip
    amount_fen = YuanField(
        label=_("退款金额（元）"), required=False, help_text=_("选部分退款时填写，须小于买家申请的金额。"),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )  # fmt: skip
    note = _words(_("给买家的说明"))

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if said.get("kind") == "part" and said.get("amount_fen") is None and "amount_fen" not in self.errors:
            self.add_error("amount_fen", _("请填写金额。"))
        return said

    def take(self, case: Refund, by: User, at: datetime) -> None:
        said = self.cleaned_data
        amount_fen = said["amount_fen"] if said["kind"] == "part" else None
        lifecycle.offer(case, by=by, at=at, note=said["note"], amount_fen=amount_fen)


class EvidenceForm(forms.Form):
    note = _words(_("补充说明"), required=False)
    images = PicturesField(label=_("凭证图片"), required=False, help_text=PICTURES)

    def take(self, case: Refund, by: User, at: datetime) -> None:
        said = self.cleaned_data
        lifecycle.provide_evidence(case, by=by, at=at, note=said["note"], images=said["images"])


class ObjectionForm(forms.Form):
    note = _words(_("异议的理由"), most=1000, help_text=_("写明有什么新的凭证，或判定与哪些事实不符。"))
    images = PicturesField(label=_("凭证图片"), required=False, help_text=PICTURES)

    def take(self, case: Refund, by: User, at: datetime) -> None:
        said = self.cleaned_data
        objections.object(case, by=by, at=at, text=said["note"], images=said["images"])


@dataclass(frozen=True)
class Answer:
    """One way to answer: what its page says, and which steps it stands for."""

    title: object
    points: Sequence[object]
    link: object  # what leads here
    button: object
    done: Any
    form: Callable[..., Any]
    steps: frozenset[str]
    is_danger: bool = False


ANSWERS: dict[str, Answer] = {
    "agree": Answer(
        _("同意这笔退款？"),
        [
            _("款项从平台原路退回买家，不能撤回。"),
            _("金额超过审批线的，由平台两位同事复核后放款。"),
            _("未查看的卡密进入隔离，核对后可重新上架。"),
        ],
        _("同意退款"),
        _("同意退款"),
        _("已同意，买家会收到通知。"),
        AgreeForm,
        frozenset({"agree", "agree_above_limit"}),
    ),
    "contest": Answer(
        _("不同意，提交平台审核"),
        [
            _("平台客服按双方凭证作出决定。"),
            _("说明和图片买家都会看到；请勿写卡密、密码或联系方式。"),
            _("以“已使用”为由的，须有发卡方或供应商的记录。"),
        ],
        _("不同意，提交平台审核"),
        _("提交平台"),
        _("已提交平台审核。"),
        ContestForm,
        frozenset({"contest"}),
    ),
    "offer": Answer(
        _("提出方案"),
        [
            _("买家接受即按方案办理；不接受或逾期不答，转平台审核。"),
            _("每张退款单，店铺只能提出一次方案。"),
            _("补发须有库存，买家接受时从库存自动发出。"),
        ],
        _("提出方案：部分退款或补发"),
        _("发给买家"),
        _("方案已发给买家。"),
        OfferForm,
        frozenset({"offer"}),
    ),
    "evidence": Answer(
        _("补充材料"),
        [_("到期未补充，平台按现有材料审核。")],
        _("补充材料"),
        _("提交补充材料"),
        _("材料已收到，审核继续。"),
        EvidenceForm,
        frozenset({"provide_evidence"}),
    ),
    "object": Answer(
        _("提出异议"),
        [
            _("由没有审核过这张退款单的高级审核员处理，每张退款单一次。"),
            _("已退给买家的钱不会收回；异议成立的，记为店铺可追偿的款项。"),
        ],
        _("提出异议"),
        _("提交异议"),
        _("异议已提交，结论会通知店铺。"),
        ObjectionForm,
        frozenset({"object"}),
    ),
}


@for_members("refunds")
@never_cache
def answer(request: SignedIn, here: Here, refund_no: str, kind: str) -> HttpResponse:
    """The page says what comes of it, the button does it."""
    case = case_of(request, refund_no)
    if kind not in ANSWERS:
        raise Http404(kind)
    chosen = ANSWERS[kind]
    if not chosen.steps & open_steps(case, request.user):
        messages.info(request, _("这张退款单现在不需要您这样答复。"))
        return redirect("portal:refund", refund_no)
    form = chosen.form(*posted(request, files=True))
    if request.method == "POST" and form.is_valid():
        try:
            form.take(case, request.user, clock.now())
        except (StepRefused, TooManyImages) as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, chosen.done)
            return redirect("portal:refund", refund_no)
    facts = {
        "refund": case,
        "answer": chosen,
        "form": form,
        "pictures_lost": bool(request.FILES),
        "why_no_replacement": goods.why_not_replaceable(case) if kind == "offer" else "",
    }
    return show(request, here, "answer.html", facts)


def open_steps(case: Refund, user: User) -> set[str]:
    """What the shop may do on its case now, objections included."""
    steps = set(lifecycle.allowed_steps(case, user))
    may_object = lifecycle.is_in_charge(case, user) and not objections.why_not(case, at=clock.now())
    return steps | ({"object"} if may_object else set())


def case_of(request: SignedIn, refund_no: str) -> Refund:
    """Another shop's case is not there (X8)."""
    cases = Refund.objects.filter(order__shop__in=rights.shops_of(request.user, "orders"))
    cases = cases.select_related("order__shop", "order__policy", "payment", "buyer")
    return get_object_or_404(cases, refund_no=refund_no)
