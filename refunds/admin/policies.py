"""退款政策 on the desk (K6): versions in words, the draft of the next one, what it changes, its trial, publishing.

A published version never changes (PM19). A draft is published by an operator, once its very terms were tried out on
past cases.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldBooleanWidget

import clock
from accounts.desk import (
    ActsDesk,
    DialogForm,
    ProgressDesk,
    badge,
    called,
    choice_field,
    key,
    link,
    log,
    me,
    money,
    note_field,
    page_url,
    staff_act,
    tone_badge,
    when,
)
from accounts.rights import Act
from money import yuan
from refunds import policy_words, simulation
from refunds.admin.policy_form import TermsForm
from refunds.models import Lane, PolicySimulation, SimulatedChange
from refunds.models import SimulationStatus as S
from shops import policies
from shops.models import Product, RefundPolicy
from shops.policies import CannotChange
from shops.policy_terms import KINDS

PAGE = 50
SHOWN_RUNS = 10
COMES_TO = {
    "auto_approve": "自动通过", "ask_merchant": "转商家处理", "send_to_review": "转人工审核", "turn_down": "初审拒绝",
}  # fmt: skip
TONES: dict[str, str] = {S.RUNNING: "progress", S.DONE: "good", S.STOPPED: "quiet"}


# --- dialogs ----------------------------------------------------------------------------------------------------------


class PolicyDialog(DialogForm):
    """About one version."""

    @cached_property
    def row(self) -> RefundPolicy | None:
        return RefundPolicy.objects.filter(pk=key(self.object_id)).first()


class DraftDialog(PolicyDialog):
    """About a draft."""

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "这份草稿已经删除。"
        return "已发布的版本不能修改，请新建草稿。" if self.row.published_at else ""


class NewDraftForm(PolicyDialog):
    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这份政策。"
        return "这份政策已有草稿，请先发布或删除它。" if policies.draft_of(self.row.code) else ""


class SimulateForm(DraftDialog):
    wanted = choice_field(
        choices=[(str(size), f"最近 {size:,} 件") for size in simulation.SIZES],
        label="试算多少件",
        help_text="从最近一件初审往前，只算同一政策下的订单。试算不改动任何退款单。",
    )


class PublishForm(DraftDialog):
    template = "admin/shops/refundpolicy/dialog_publish.html"
    reason = note_field(required=True, label="为什么发布", help_text="写入版本记录，不超过 200 字。")
    no_cases = forms.BooleanField(
        label="我知道：没有历史退款可供试算",
        widget=UnfoldBooleanWidget(),
        error_messages={"required": "请确认这一点。"},
    )
    seen = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.row is not None:
            self.fields["seen"].initial = policies.digest(self.row)
            if simulation.is_tried(self.row) or simulation.has_cases(self.row.code):
                del self.fields["no_cases"]

    @cached_property
    def refusal(self) -> str:
        if gone := super().refusal:
            return gone
        assert self.row
        if simulation.is_tried(self.row) or not simulation.has_cases(self.row.code):
            return ""
        return "这些条款还没有试算过：请先试算，并等它完成。"

    def facts(self) -> dict[str, Any]:
        if self.row is None or self.refusal:
            return {}
        before = policies.before(self.row)
        return {
            "row": self.row,
            "before": before,
            "changes": len(policy_words.differences(before, self.row)) if before else 0,
            "products": Product.objects.filter(policy__code=self.row.code).count(),
            "tried": _tried(self.row),
        }


class DiscardForm(DraftDialog):
    pass


# --- versions ---------------------------------------------------------------------------------------------------------


@admin.register(RefundPolicy)
class RefundPolicyDesk(ActsDesk):
    change_form_template = "admin/shops/refundpolicy/page.html"
    list_display = ("label", "code", "state", "window_days", "one_click", "senior_limit", "review_hours", "published")
    list_display_links = ("label",)
    exact_search = ("code",)
    search_help_text = "政策代号"
    ordering = ("code", "-version")
    fields = ("code",)
    readonly_fields = ("code",)
    actions_detail = ("new_draft", "simulate", "publish", "discard")

    one_click = money("one_click_below_fen", "一键退款上限（不含）")
    senior_limit = money("senior_above_fen", "两人审批线")
    published = when("published_at", "发布时间")

    @admin.display(description="版本")
    def label(self, row: RefundPolicy) -> str:
        return f"{row.name} v{row.version}"

    @admin.display(description="状态")
    def state(self, row: RefundPolicy) -> SafeString:
        return badge("已发布", "good") if row.published_at else badge("草稿", "attention")

    def advice(self, row: RefundPolicy) -> list[tuple[str, str]]:
        if row.published_at:
            return []
        if simulation.is_tried(row):
            return [("good", "这些条款已试算过，可以发布。发布后不能再改。")]
        return [("attention", "这是草稿，还没有生效。改好后先试算，再发布。")]

    def acts_of(self, row: RefundPolicy) -> list[str]:
        if row.published_at is None:
            return ["simulate", "publish", "discard"]
        return [] if policies.draft_of(row.code) else ["new_draft"]

    def about(self, row: RefundPolicy) -> dict[str, Any]:
        before = policies.before(row)
        return {
            "row": row,
            "title": str(row),
            "subtitle": None,
            "words": _in_words(row),
            "before": before,
            "differences": policy_words.differences(before, row) if before else [],
            "others": policies.versions(row.code),
            "runs": [(run, TONES[run.status], _sentence(run)) for run in _runs(row)],
            "product_count": Product.objects.filter(policy=row).count(),
            "publisher": called(row.published_by) if row.published_by else "",
        }

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"may_edit": self.may_act(request, Act.EDIT_TERMS)}
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def get_urls(self) -> list[Any]:
        mine: list[URLPattern] = [
            path(
                "<int:object_id>/terms/", self.admin_site.admin_view(self.terms_view), name="shops_refundpolicy_terms"
            ),
            path("<int:object_id>/diff/", self.admin_site.admin_view(self.diff_view), name="shops_refundpolicy_diff"),
        ]
        return [*mine, *super().get_urls()]

    # --- editing a draft

    def terms_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The form, filled in; saving leads back to the draft."""
        if not self.may_act(request, Act.EDIT_TERMS):
            raise PermissionDenied
        draft = get_object_or_404(RefundPolicy, pk=object_id)
        if draft.published_at:
            return HttpResponseRedirect(page_url(draft))
        form = TermsForm(draft, request.POST if request.method == "POST" else None)
        if form.is_valid() and (answer := self._save(request, draft, form)):
            return answer
        context = self.admin_site.each_context(request) | {
            "form": form,
            "row": draft,
            "opts": self.opts,
            "title": f"编辑 {draft}",
        }
        return TemplateResponse(request, "admin/shops/refundpolicy/terms.html", context)

    def _save(self, request: HttpRequest, draft: RefundPolicy, form: TermsForm) -> HttpResponse | None:
        try:
            policies.edit(draft, form.changes(), by=me(request))
        except CannotChange as refusal:
            messages.error(request, str(refusal))
            return HttpResponseRedirect(reverse("admin:shops_refundpolicy_changelist"))
        except ValidationError as wrong:
            form.refuse(wrong)
            return None
        log(request, [draft], "编辑草稿")
        messages.success(request, "草稿已保存。")
        return HttpResponseRedirect(page_url(draft))

    # --- any two versions

    def diff_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What this version says otherwise than ``?with=`` the other, or than the one before it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(RefundPolicy, pk=object_id)
        others = [other for other in policies.versions(row.code) if other.pk != row.pk]
        wanted = key(request.GET.get("with", ""))
        before = next((other for other in others if other.pk == wanted), policies.before(row))
        context = self.admin_site.each_context(request) | {
            "row": row,
            "before": before,
            "others": others,
            "differences": policy_words.differences(before, row) if before else [],
            "opts": self.opts,
            "title": f"{before} → {row}" if before else str(row),
        }
        return TemplateResponse(request, "admin/shops/refundpolicy/diff.html", context)

    # --- acts

    @staff_act(NewDraftForm, title="新草稿", submit="新建", icon="edit_note", refused_by=(CannotChange,),
               description="复制现行版本的全部条款。草稿可以随意修改，发布前不影响任何订单。")  # fmt: skip
    def new_draft(self, request: HttpRequest, form: NewDraftForm, object_id: str) -> str:
        draft = policies.new_draft(_row(form).code, by=me(request))
        log(request, [draft], "新建草稿")
        return reverse("admin:shops_refundpolicy_terms", args=[draft.pk])

    @staff_act(SimulateForm, title="试算", submit="开始试算", icon="science", refused_by=(CannotChange,),
               description="用草稿的条款重新判断过去的初审，看哪些结论会变。")  # fmt: skip
    def simulate(self, request: HttpRequest, form: SimulateForm, object_id: str) -> str:
        row = _row(form)
        run = simulation.start(row, wanted=int(form.cleaned_data["wanted"]), by=me(request), at=clock.now())
        log(request, [row], f"试算最近 {run.wanted} 件")
        return page_url(run)

    @staff_act(
        PublishForm, title="发布", submit="发布这个版本", icon="publish", danger=True, refused_by=(CannotChange,)
    )
    def publish(self, request: HttpRequest, form: PublishForm, object_id: str) -> str:
        row, said = _row(form), form.cleaned_data
        moved = simulation.publish(row, by=me(request), at=clock.now(), reason=said["reason"], seen=said["seen"])
        log(request, [row], f"发布：{said['reason']}")
        messages.success(request, f"已发布。{moved} 件商品从现在起按新版本出售，已有订单不变。")
        return page_url(row)

    @staff_act(DiscardForm, title="删除草稿", submit="删除", icon="delete", danger=True, refused_by=(CannotChange,),
               description="草稿和它的试算结果一起删除，不能恢复。已发布的版本不受影响。")  # fmt: skip
    def discard(self, request: HttpRequest, form: DiscardForm, object_id: str) -> str:
        row = _row(form)
        simulation.discard(row, by=me(request))
        messages.success(request, f"{row} 已删除。")
        return reverse("admin:shops_refundpolicy_changelist")


# --- trials -----------------------------------------------------------------------------------------------------------


class StopForm(DialogForm):
    @cached_property
    def row(self) -> PolicySimulation | None:
        return PolicySimulation.objects.filter(pk=key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        if self.row is None:
            return "没有这次试算。"
        return "" if self.row.status == S.RUNNING else f"这次试算{self.row.get_status_display()}。"


@admin.register(PolicySimulation)
class PolicySimulationDesk(ProgressDesk, ActsDesk):
    """试算: its progress, what it comes to, and every case that would be decided otherwise."""

    change_form_template = "admin/refunds/policysimulation/page.html"
    list_display = ("moment", "about_what", "state", "wanted", "done", "changed", "delta", "who")
    list_display_links = ("moment",)
    ordering = ("-pk",)
    list_select_related = ("draft", "asked_by")
    fields = ("wanted",)
    readonly_fields = ("wanted",)
    actions_detail = ("stop",)

    moment = when("created_at", "发起时间")
    state = tone_badge("status", "状态", TONES)
    delta = money("delta_fen", "自动退款变化")

    @admin.display(description="政策")
    def about_what(self, row: PolicySimulation) -> SafeString | str:
        return link(row.draft)

    @admin.display(description="发起人")
    def who(self, row: PolicySimulation) -> str:
        return called(row.asked_by)

    def acts_of(self, row: PolicySimulation) -> list[str]:
        return ["stop"] if row.status == S.RUNNING else []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context: dict[str, Any] = {}
        row = self.get_object(request, unquote(object_id)) if self.has_view_permission(request) else None
        if isinstance(row, PolicySimulation):
            after = key(request.GET.get("after", ""))
            found = list(simulation.changes_of(row, after=after, size=PAGE))
            context = {
                "row": row,
                "title": f"试算 {row.draft}",
                "subtitle": None,
                "progress": _progress(row),
                "is_current": row.terms == policies.as_json(row.draft),
                "changes": [_case(change) for change in found[:PAGE]],
                "next_after": found[PAGE - 1].pk if len(found) > PAGE else 0,
                "is_first": after == 0,
                "who": called(row.asked_by),
            }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def progress_of(self, row: Any) -> SafeString:
        return _progress(row)

    def is_running(self, row: Any) -> bool:
        return bool(row.status == S.RUNNING)

    @staff_act(StopForm, title="停止试算", submit="停止", icon="stop", refused_by=(CannotChange,),
               description="已经算过的结果会保留，但不能凭它发布。")  # fmt: skip
    def stop(self, request: HttpRequest, form: StopForm, object_id: str) -> str:
        assert form.row  # a form without a row has refused already
        simulation.stop(form.row, by=me(request), at=clock.now())
        log(request, [form.row], "停止试算")
        return page_url(form.row)


# --- in words ---------------------------------------------------------------------------------------------------------


def _in_words(row: RefundPolicy) -> dict[str, list[tuple[str, list[policy_words.Term]]]]:
    """All terms, each group by itself: the numbers, what kinds have of their own, and the reasons."""
    found: dict[str, dict[str, list[policy_words.Term]]] = {"numbers": {}, "kinds": {}, "reasons": {}}
    for term in policy_words.terms(row):
        about = term.key.partition(".")[0]
        part = "numbers" if about == term.key else "kinds" if about in KINDS else "reasons"
        group = policy_words.reason_name(about) if part == "reasons" else term.of
        found[part].setdefault(group, []).append(term)
    return {part: list(groups.items()) for part, groups in found.items()}


def _runs(row: RefundPolicy) -> list[PolicySimulation]:
    return list(row.simulations.select_related("asked_by").order_by("-pk")[:SHOWN_RUNS])


def _tried(row: RefundPolicy) -> str:
    """What the last finished run of exactly these terms came to."""
    run = row.simulations.filter(status=S.DONE, terms=policies.as_json(row)).order_by("-pk").first()
    return _sentence(run) if run else ""


def _sentence(run: PolicySimulation) -> str:
    """会改变 1,000 件中的 12 件，自动退款 +¥300.00，手续费不变."""
    tried = run.done - sum(run.skipped.values())
    if not tried and run.status == S.DONE:
        return "没有可以试算的历史退款"
    said = f"会改变 {tried:,} 件中的 {run.changed:,} 件，自动退款{_change(run.delta_fen)}"
    return f"{said}，手续费{_change(run.fee_delta_fen)}"


def _change(fen: int) -> str:
    return "不变" if fen == 0 else f" {'+' if fen > 0 else '−'}{yuan(abs(fen))}"


def _progress(row: PolicySimulation) -> SafeString:
    facts = {
        "row": row,
        "is_running": row.status == S.RUNNING,
        "sentence": _sentence(row),
        "skipped": [(simulation.SKIPPED.get(why, why), count) for why, count in sorted(row.skipped.items())],
        "address": reverse("admin:refunds_policysimulation_progress", args=[row.pk]),
    }
    return render_to_string("admin/refunds/policysimulation/progress.html", facts)


def _case(row: SimulatedChange) -> dict[str, Any]:
    return {
        "refund": row.refund,
        "then": _decision(row.step_then, row.lane_then, row.fee_then_fen),
        "now": _decision(row.step_now, row.lane_now, row.fee_now_fen),
        "tone": {"auto_approve": "good", "turn_down": "bad"}.get(row.step_now, "attention"),
        "sentence": row.sentence,
    }


def _decision(step: str, lane: str, fee_fen: int) -> str:
    said = COMES_TO.get(step, step) + (f"（{Lane(lane).label}）" if step == "auto_approve" else "")
    return f"{said}，手续费 {yuan(fee_fen)}" if fee_fen else said


def _row(form: PolicyDialog) -> RefundPolicy:
    assert form.row  # a form without a row has refused already
    return form.row
