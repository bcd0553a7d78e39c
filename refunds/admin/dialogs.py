"""The dialogs of a case: what each asks, what it shows first, and why it may refuse.

Every step is decided again in the domain, under its lock: two colleagues at once make one step, and the second is told
who was first (P2).
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, cast
from uuid import UUID

from django.utils import timezone

import clock
from accounts.desk import DialogForm, called, chosen_keys, note_field, yuan
from accounts.desk_acts import key
from accounts.models import User
from accounts.roles import Role
from notices import wording
from orders.models import Delivery
from refunds import disbursement, followups, lifecycle
from refunds.casefile import step_words
from refunds.lifecycle import STEPS, StepRefused
from refunds.models import Refund, RefundEvent
from refunds.models import Status as S
from refunds.reasons import REASONS
from shops import checking

# --- steps on one case ----------------------------------------------------------------------------------------------


class StepForm(DialogForm):
    """A step on one case. Where it cannot be taken (any more), the dialog says why, and offers nothing."""

    template = "admin/refunds/refund/dialog_case.html"
    step = ""

    @cached_property
    def case(self) -> Refund | None:
        rows = Refund.objects.select_related("order__policy", "order__shop", "payment__account", "buyer")
        return rows.filter(pk=key(self.object_id)).first()

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
        return {"case": self.case, "reason": reason_of(self.case) if self.case else "", "told": self.told()}

    def told(self) -> dict[str, str] | None:
        """What the buyer will read, cut where the note goes."""
        if self.case is None or "note" not in self.fields:
            return None
        params = {"refund_no": self.case.refund_no, "amount": yuan(self.case.amount_fen), "note": "\0"}
        before, cut, after = wording.text(followups.kind_of(self.case, self.step), params).partition("\0")
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
            obstacle = disbursement.why_not(self.case, at=clock.now())
        return super().facts() | {"obstacle": obstacle}


class CreditForm(DisburseForm):
    step = "credit_balance"


class ReissueForm(StepForm):
    step = "reissue"


# --- others ------------------------------------------------------------------------------------------------------


class CheckForm(DialogForm):
    """核验: what the issuer knows of the codes of this case."""

    @cached_property
    def code_ids(self) -> list[UUID]:
        delivered = Delivery.objects.filter(line__refund_lines__refund=key(self.object_id), code__isnull=False)
        return [pk for pk in delivered.order_by("line__position").values_list("code_id", flat=True) if pk]

    @cached_property
    def refusal(self) -> str:
        case = Refund.objects.select_related("order").filter(pk=key(self.object_id)).first()
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
        obstacles = {case.pk: disbursement.why_not(case, at=at) for case in self.ready}
        return {
            "ready": [(case, obstacles[case.pk]) for case in self.ready],
            "left_out": [case for case in self.cases if case.status != S.APPROVED],
            "total_fen": sum(case.amount_fen for case in self.ready),
        }


# --- what they say --------------------------------------------------------------------------------------------------


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
    refund = Refund.objects.filter(pk=key(object_id)).first()
    if refund and isinstance(refusal, StepRefused) and refusal.code == "wrong_status":
        return told_who_was_first(refund)
    return str(refusal)


def may_approve(refund: Refund, user: User) -> bool:
    return "approve" in lifecycle.allowed_steps(refund, user)


def may_check(refund: Refund, user: User) -> bool:
    """Nobody gathers evidence on an own case, or on one of an own shop (I10)."""
    return not lifecycle.roles_on(refund, user) <= {Role.BUYER, Role.MERCHANT}


def above_limit_words(refund: Refund) -> str:
    return f"该订单退款合计超过审批线 {yuan(refund.order.policy.senior_above_fen)}，须由两位同事先后通过。"


def reason_of(refund: Refund) -> str:
    reason = REASONS.get(refund.reason)
    return reason.title if reason else refund.reason
