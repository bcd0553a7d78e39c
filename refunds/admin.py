"""客服台: the queue of cases, the review page, and the steps that staff take, each behind a dialog.

The page shows what ``casefile`` gathers; the buttons are what ``lifecycle.allowed_steps`` allows. Every step is decided
again in the domain, under its lock: two colleagues at once make one step, and the second is told who was first (P2).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import DateTimeField, QuerySet, Value
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts import rights
from accounts.desk import (
    Desk,
    DialogForm,
    badge,
    called,
    chosen_keys,
    deadline,
    link,
    list_url,
    money,
    note_field,
    page_url,
    staff_act,
    yuan,
)
from accounts.models import User
from accounts.roles import Role
from notices import wording
from orders.models import Delivery
from payments import refunding
from refunds import casefile, disbursement, lifecycle, worklist
from refunds.casefile import step_words
from refunds.disbursement import Released
from refunds.lifecycle import STEPS, StepRefused
from refunds.models import Disbursement, Queue, Refund, RefundEvent
from refunds.models import Status as S
from refunds.reasons import REASONS
from refunds.stages import TONE_OF
from shops import checking
from shops.suppliers.base import SupplierError

# The order of the buttons: what decides first, what asks or holds back last.
DESK_STEPS = ["approve", "reject", "request_evidence", "disburse", "reissue", "halt"]


# --- dialogs ------------------------------------------------------------------------------------------------------


class StepForm(DialogForm):
    """A step on one case. Where it cannot be taken (any more), the dialog says why, and offers nothing."""

    template = "admin/refunds/refund/dialog_case.html"
    step = ""

    @cached_property
    def case(self) -> Refund | None:
        rows = Refund.objects.select_related("order__policy", "order__shop", "payment__account", "buyer")
        return rows.filter(pk=_key(self.object_id)).first()

    @cached_property
    def refusal(self) -> str:
        user = cast(User, self.request.user)
        if self.case is None:
            return "没有这张退款单。"
        if S(self.case.status) not in STEPS[self.step].sources:
            return told_who_was_first(self.case)
        if self.step not in lifecycle.allowed_steps(self.case, user):
            return "您不能对这张退款单做这一步：它是您自己的申请，或属于您的店铺。"
        return self.also_refused(self.case, user)

    def also_refused(self, case: Refund, user: User) -> str:
        return ""

    def facts(self) -> dict[str, Any]:
        return {"case": self.case, "reason": _reason(self.case) if self.case else "", "told": self.told()}

    def told(self) -> dict[str, str] | None:
        """What the buyer will read, cut where the note goes."""
        if self.case is None or "note" not in self.fields:
            return None
        params = {"refund_no": self.case.refund_no, "amount": yuan(self.case.amount_fen), "note": "\0"}
        before, cut, after = wording.text(f"refund_{self.step}", params).partition("\0")
        return {"before": before, "after": after, "quotes_note": cut}


class ApproveForm(StepForm):
    step = "approve"
    note = note_field(required=False, label="审核说明（选填）", help_text="显示在买家的退款进度页。")

    def also_refused(self, case: Refund, user: User) -> str:
        return "" if may_approve(case, user) else above_limit_words(case)


class RejectForm(StepForm):
    step = "reject"
    note = note_field(
        required=True,
        label="驳回理由",
        placeholder="写明依据的事实与规则，例如：卡密已于 11-20 20:03 在您的设备上查看，兑换记录显示已使用。",
    )


class EvidenceForm(StepForm):
    step = "request_evidence"
    note = note_field(
        required=True, label="需要补充什么", placeholder="例如：请上传兑换页面的报错截图，需能看清时间与卡号后四位。"
    )


class HaltForm(StepForm):
    step = "halt"
    note = note_field(required=True, label="拦截理由", help_text="同事可见；买家只会看到“正在复核，暂缓放款”。")


class DisburseForm(StepForm):
    step = "disburse"
    template = "admin/refunds/refund/dialog_release.html"

    def facts(self) -> dict[str, Any]:
        obstacle = ""
        if self.case:
            obstacle = refunding.why_not(self.case.payment, self.case.amount_fen, at=clock.now())
        return super().facts() | {"obstacle": obstacle}


class ReissueForm(StepForm):
    step = "reissue"


class CheckForm(DialogForm):
    """核验: what the issuer knows of the codes of this case."""

    @cached_property
    def code_ids(self) -> list[UUID]:
        delivered = Delivery.objects.filter(line__refund_lines__refund=_key(self.object_id), code__isnull=False)
        return [pk for pk in delivered.order_by("line__position").values_list("code_id", flat=True) if pk]

    @cached_property
    def refusal(self) -> str:
        case = Refund.objects.select_related("order").filter(pk=_key(self.object_id)).first()
        if case is None or not may_check(case, cast(User, self.request.user)):
            return "这张退款单与您本人或您的店铺有关，须由其他同事核验。"
        return "" if checking.can_look_up(self.code_ids) else "没有可核验的卡密：未发货，或商品没有登记发卡方。"


class ReleaseChosenForm(DialogForm):
    """放款 of the ticked cases: how many, how much in total, which of them are left out and why (N1)."""

    template = "admin/refunds/refund/dialog_release_chosen.html"

    @cached_property
    def cases(self) -> list[Refund]:
        rows = Refund.objects.select_related("order__shop", "payment", "buyer")
        return list(rows.filter(pk__in=chosen_keys(self.request)).order_by("promised_by", "pk"))

    @cached_property
    def ready(self) -> list[Refund]:
        return [case for case in self.cases if case.status == S.APPROVED]

    @cached_property
    def refusal(self) -> str:
        if not self.cases:
            return "请先在列表中勾选要放款的退款单。"
        return "" if self.ready else "勾选的退款单都不在“审核通过”状态，没有可放款的。请刷新列表。"

    def facts(self) -> dict[str, Any]:
        at = clock.now()
        obstacles = {case.pk: refunding.why_not(case.payment, case.amount_fen, at=at) for case in self.ready}
        return {
            "ready": [(case, obstacles[case.pk]) for case in self.ready],
            "left_out": [case for case in self.cases if case.status != S.APPROVED],
            "total_fen": sum(case.amount_fen for case in self.ready),
        }


def told_who_was_first(refund: Refund) -> str:
    """The second of two colleagues reads who was first, when, and what stands now (P2)."""
    last = RefundEvent.objects.filter(refund=refund).select_related("actor").order_by("-sequence").first()
    now = S(refund.status).label
    if last is None:
        return f"退款单现为“{now}”。"
    who = f"{called(last.actor)}（{last.get_role_display()}）" if last.actor else "系统"
    when = timezone.localtime(last.at)
    return f"{who}已于 {when:%m-%d %H:%M:%S} 处理：{step_words(last.step)}。退款单现为“{now}”，您的操作没有执行。"


def explain(refusal: Exception, object_id: str | None) -> str:
    """What the domain refused, with the name of whoever was first where that is the reason."""
    refund = Refund.objects.filter(pk=_key(object_id)).first()
    if refund and isinstance(refusal, StepRefused) and refusal.code == "wrong_status":
        return told_who_was_first(refund)
    return str(refusal)


# --- the queue and the review page --------------------------------------------------------------------------------


class QueueFilter(admin.SimpleListFilter):
    """Which tab. What lies with one's own role is where everybody starts (K1)."""

    title = "队列"
    parameter_name = "queue"
    template = "admin/desk/nothing.html"  # shown as tabs instead

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        self.name = worklist.queue_of(request.GET, request.user)
        self.worklist = worklist.worklist(self.name, request.user)
        return [(name, queue.title) for name, queue in worklist.QUEUES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Refund]) -> QuerySet[Refund]:
        return queryset.filter(self.worklist.rows)


@admin.register(Refund)
class RefundDesk(Desk):
    list_display = ("number", "buyer", "shop", "amount", "why", "state", "waits_for", "due")
    list_display_links = ("number",)
    list_filter = (QueueFilter, "status", "lane")
    sortable_by = ("amount", "due")
    exact_search = (
        "refund_no",
        "order__order_no",
        "payment__payment_no",
        "disbursements__attempt__request_no",
        "buyer__username",
    )
    search_help_text = "退款单号 / 订单号 / 收款单号 / 商户退款单号 / 买家账号"
    list_before_template = "admin/refunds/refund/tabs.html"
    change_form_template = "admin/refunds/refund/review.html"
    fields = ("refund_no",)
    chosen_acts = ("release_chosen",)
    actions_detail = (*DESK_STEPS, "check_codes")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Refund]:
        rows = Refund.objects.select_related(
            "shop", "order__shop", "order__policy", "payment__account", "buyer", "asked_by"
        )
        return rows.annotate(looked_at=Value(clock.now(), output_field=DateTimeField()))

    def get_ordering(self, request: HttpRequest) -> list[str]:
        queue = worklist.worklist(worklist.queue_of(request.GET, request.user), request.user)
        return ["promised_by", "pk"] if queue.by_deadline else ["-pk"]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"tabs": _tabs(request)} | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        refund = cast("Refund | None", self.get_object(request, unquote(object_id)))
        context: dict[str, Any] = {}
        if refund and self.has_view_permission(request):
            at = clock.now()
            context = {
                "file": casefile.open_file(refund, at=at),
                "at": at,
                "title": f"退款单 {refund.refund_no}",
                "subtitle": None,
                "steps": self._steps(refund, cast(User, request.user)),
                "hint": _hint(refund, cast(User, request.user)),
                "check": self._check_button(request, refund),
            }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    # --- columns

    @admin.display(description="单号", ordering="pk")
    def number(self, refund: Refund) -> str:
        return refund.refund_no

    @admin.display(description="买家")
    def buyer(self, refund: Refund) -> str:
        return refund.buyer.username

    amount = money("amount_fen", "金额")

    @admin.display(description="原因")
    def why(self, refund: Refund) -> SafeString:
        return format_html('<span class="desk-clip" title="{0}">{0}</span>', _reason(refund))

    @admin.display(description="状态")
    def state(self, refund: Refund) -> SafeString:
        return badge(S(refund.status).label, TONE_OF.get(S(refund.status), "progress"))

    @admin.display(description="等谁处理")
    def waits_for(self, refund: Refund) -> str:
        return "–" if refund.queue == Queue.NOBODY else str(Queue(refund.queue).label)

    @admin.display(description="期限", ordering="promised_by")
    def due(self, refund: Refund) -> SafeString | str:
        return deadline(refund.promised_by, refund.looked_at)  # type: ignore[attr-defined]

    # --- steps, each by its dialog

    def may_act(self, request: HttpRequest, act: str) -> bool:
        """By the table of steps: whose job this step is; what is no step stands in the table of rights."""
        if act == "check_codes":
            return rights.may(request.user, act, "refunds.refund")
        step = STEPS["disburse" if act == "release_chosen" else act]
        return self.has_view_permission(request) and cast(User, request.user).role in step.who

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """They stand in the page's own bar, not at its head."""
        return []

    def _steps(self, refund: Refund, user: User) -> list[dict[str, Any]]:
        allowed = set(lifecycle.allowed_steps(refund, user))
        if "approve" in allowed and not may_approve(refund, user):
            allowed.remove("approve")  # the hint beside the buttons says whose it is
        return [self._button(name, refund) for name in DESK_STEPS if name in allowed]

    def _check_button(self, request: HttpRequest, refund: Refund) -> dict[str, Any] | None:
        if not self.may_act(request, "check_codes") or not may_check(refund, _me(request)):
            return None
        act = self.get_unfold_action("check_codes")
        address = reverse(f"admin:{act.action_name}", args=[refund.pk])
        return {"title": act.description, "icon": act.icon, "url": address, "look": "plain"}

    def _button(self, name: str, refund: Refund) -> dict[str, Any]:
        act = self.get_unfold_action(name)
        address = reverse(f"admin:{act.action_name}", args=[refund.pk])
        look = "danger" if name in {"reject", "halt"} else "primary" if name in {"approve", "disburse"} else "plain"
        return {"title": STEPS[name].title, "icon": act.icon, "url": address, "look": look}

    @staff_act(
        ApproveForm, title="通过退款申请", submit="确认通过", icon="check", refused_by=(StepRefused,), explain=explain
    )
    def approve(self, request: HttpRequest, form: ApproveForm, object_id: str) -> str:
        case = _case(form)
        lifecycle.approve([case], by=_me(request), at=clock.now(), note=form.cleaned_data["note"])
        return self._done(request, case, "已通过，等待财务放款")

    @staff_act(
        RejectForm,
        title="驳回退款申请",
        submit="确认驳回",
        icon="close",
        danger=True,
        refused_by=(StepRefused,),
        explain=explain,
    )
    def reject(self, request: HttpRequest, form: RejectForm, object_id: str) -> str:
        case = _case(form)
        lifecycle.reject([case], by=_me(request), at=clock.now(), note=form.cleaned_data["note"])
        return self._done(request, case, "已驳回，理由已告知买家")

    @staff_act(
        EvidenceForm,
        title="要求买家补充材料",
        description="审核计时暂停；到期未补充，按现有材料继续审核。",
        submit="发给买家",
        icon="add_photo_alternate",
        refused_by=(StepRefused,),
        explain=explain,
    )
    def request_evidence(self, request: HttpRequest, form: EvidenceForm, object_id: str) -> str:
        case = _case(form)
        lifecycle.request_evidence([case], by=_me(request), at=clock.now(), note=form.cleaned_data["note"])
        return self._done(request, case, "已请买家补充材料")

    @staff_act(
        HaltForm,
        title="拦截，退回审核",
        submit="确认拦截",
        icon="front_hand",
        danger=True,
        refused_by=(StepRefused,),
        explain=explain,
    )
    def halt(self, request: HttpRequest, form: HaltForm, object_id: str) -> str:
        case = _case(form)
        lifecycle.halt([case], by=_me(request), at=clock.now(), note=form.cleaned_data["note"])
        return self._done(request, case, "已拦截，退回人工审核")

    @staff_act(
        DisburseForm,
        title="放款，原路退回",
        submit="确认放款",
        icon="payments",
        refused_by=(StepRefused,),
        explain=explain,
    )
    def disburse(self, request: HttpRequest, form: DisburseForm, object_id: str) -> str:
        released = disbursement.release([_case(form)], by=_me(request), at=clock.now())
        tell(request, released)
        return list_url(Refund) if released.sent else ""

    @staff_act(
        ReissueForm,
        title="重新原路退款",
        description="渠道已关闭上一笔退款。退款单回到“审核通过”，放款时使用新的商户退款单号。",
        submit="确认",
        icon="replay",
        refused_by=(StepRefused,),
        explain=explain,
    )
    def reissue(self, request: HttpRequest, form: ReissueForm, object_id: str) -> str:
        case = _case(form)
        lifecycle.reissue([case], by=_me(request), at=clock.now())
        messages.success(request, _with_link(case, "已回到“审核通过”，可再次放款"))
        return page_url(case)

    @staff_act(
        CheckForm,
        title="向发卡方核验",
        description="系统打开卡密（留有记录），向发卡方询问是否已兑换；带签名的答复存为证据。",
        submit="核验",
        icon="fact_check",
    )
    def check_codes(self, request: HttpRequest, form: CheckForm, object_id: str) -> str:
        answers = checking.look_up_each(form.code_ids, by=_me(request), at=clock.now())
        failed = [answer for answer in answers.values() if isinstance(answer, SupplierError)]
        if len(failed) < len(answers):
            messages.success(request, f"发卡方已答复 {len(answers) - len(failed)} 个卡密，结果在卡密记录中。")
        for error in failed:
            messages.warning(request, f"有卡密没有核验成，可稍后再试：{error}")
        return ""

    @staff_act(
        ReleaseChosenForm,
        title="放款，原路退回",
        submit="确认放款",
        icon="payments",
        refused_by=(StepRefused,),
        explain=explain,
    )
    def release_chosen(self, request: HttpRequest, form: ReleaseChosenForm) -> str:
        tell(request, disbursement.release_each(form.ready, by=_me(request), at=clock.now()))
        return list_url(Refund)

    def _done(self, request: HttpRequest, case: Refund, words: str) -> str:
        """Told on the queue, where the next case waits."""
        messages.success(request, _with_link(case, words))
        return list_url(Refund)


# --- release, line by line ----------------------------------------------------------------------------------------


def tell(request: HttpRequest, released: Released) -> None:
    """What became of every line of a release (PM7)."""
    if released.sent:
        total = yuan(sum(refund.amount_fen for refund in released.sent))
        messages.success(request, f"已放款 {len(released.sent)} 笔，共 {total}，正在发往支付渠道。")
    for refund, why in released.set_aside:
        messages.warning(request, _with_link(refund, f"没有放款，转为退款异常：{why}"))
    for refund, refusal in released.refused:
        refund.refresh_from_db()
        messages.error(request, _with_link(refund, f"没有放款：{explain(refusal, str(refund.pk))}"))


# --- records ------------------------------------------------------------------------------------------------------


@admin.register(RefundEvent)
class RefundEventDesk(Desk):
    """退款记录: every step of every case, for looking up. They never change."""

    list_display = ("at", "case", "what", "became", "who", "role", "note")
    list_display_links = ("at",)
    list_filter = ("role", "to_status")
    exact_search = ("refund__refund_no", "actor__username")
    search_help_text = "退款单号 / 同事账号"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("refund", "actor")
    fields = ("case", "sequence", "what", "became", "who", "role", "note", "at")
    readonly_fields = ("case", "what", "became", "who")

    @admin.display(description="退款单")
    def case(self, event: RefundEvent) -> SafeString | str:
        return link(event.refund, event.refund.refund_no)

    @admin.display(description="步骤")
    def what(self, event: RefundEvent) -> str:
        return step_words(event.step)

    @admin.display(description="之后的状态")
    def became(self, event: RefundEvent) -> SafeString:
        status = S(event.to_status)
        return badge(status.label, TONE_OF.get(status, "progress"))

    @admin.display(description="处理人")
    def who(self, event: RefundEvent) -> str:
        return called(event.actor)


@admin.register(Disbursement)
class DisbursementDesk(Desk):
    """发款: which request to a channel carried which case, and who released it."""

    list_display = ("created_at", "case", "number", "amount", "state", "who")
    list_display_links = ("created_at",)
    exact_search = ("refund__refund_no", "attempt__request_no", "released_by__username")
    search_help_text = "退款单号 / 商户退款单号 / 放款人账号"
    ordering = ("-pk",)
    sortable_by = ()
    list_select_related = ("refund", "attempt", "released_by")
    fields = ("case", "number", "amount", "state", "who", "created_at")
    readonly_fields = ("case", "number", "amount", "state", "who")

    @admin.display(description="退款单")
    def case(self, row: Disbursement) -> SafeString | str:
        return link(row.refund, row.refund.refund_no)

    @admin.display(description="商户退款单号")
    def number(self, row: Disbursement) -> SafeString | str:
        return link(row.attempt, row.attempt.request_no)

    amount = money("attempt__amount_fen", "金额")

    @admin.display(description="渠道状态")
    def state(self, row: Disbursement) -> str:
        return str(row.attempt.get_status_display())

    @admin.display(description="放款人")
    def who(self, row: Disbursement) -> str:
        return called(row.released_by) if row.released_by else "系统（自动通道）"


# --- small things -------------------------------------------------------------------------------------------------


def _me(request: HttpRequest) -> User:
    return cast(User, request.user)


def _case(form: StepForm) -> Refund:
    return cast(Refund, form.case)  # a form without a case has refused already


def _key(object_id: object) -> int:
    """The row's key from an address; one that cannot be a key is nobody's."""
    text = unquote(str(object_id))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _reason(refund: Refund) -> str:
    reason = REASONS.get(refund.reason)
    return reason.title if reason else refund.reason


def _with_link(refund: Refund, words: str) -> SafeString:
    return format_html("{} {} {}", link(refund, refund.refund_no), yuan(refund.amount_fen), words)


def _tabs(request: HttpRequest) -> list[dict[str, Any]]:
    here = worklist.queue_of(request.GET, request.user)
    backlog = worklist.backlog_now(request)
    return [
        {
            "title": worklist.worklist(name, request.user).title,
            "url": list_url(Refund) if name == "mine" else list_url(Refund, queue=name),
            "here": name == here,
            "waiting": backlog.of(name) if name in worklist.COUNTED else None,
        }
        for name in [*worklist.TABS[:-1], *([here] if here not in worklist.TABS else []), "all"]
    ]


def may_approve(refund: Refund, user: User) -> bool:
    return user.role == Role.SENIOR or not lifecycle.above_limit([refund])


def may_check(refund: Refund, user: User) -> bool:
    """Nobody gathers evidence on an own case, or on one of an own shop (I10)."""
    return not lifecycle.roles_on(refund, user) <= {Role.BUYER, Role.MERCHANT}


def above_limit_words(refund: Refund) -> str:
    return f"该订单退款合计超过审批线 {yuan(refund.order.policy.senior_above_fen)}，须由高级审核员审批。"


def _hint(refund: Refund, user: User) -> str:
    """Why there may be no button, in one sentence."""
    roles = lifecycle.roles_on(refund, user)
    if roles <= {Role.BUYER, Role.MERCHANT}:
        return "这张退款单与您本人或您的店铺有关，须由其他同事处理。"
    if lifecycle.allowed_steps(refund, user):
        return above_limit_words(refund) if refund.status == S.FIRST_REVIEW and not may_approve(refund, user) else ""
    if refund.queue == Queue.NOBODY:
        return "已结束，无需处理。"
    return f"现在等{Queue(refund.queue).label}处理。"
