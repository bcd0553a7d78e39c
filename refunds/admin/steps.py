"""The steps that staff take, each by its dialog; what the domain says to them is told on the page that follows."""

from __future__ import annotations

from typing import cast

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts.desk import link, list_url, page_url, staff_act, yuan
from accounts.desk_acts import me
from refunds import disbursement, lifecycle
from refunds.admin.dialogs import (
    ApproveForm,
    CheckForm,
    CreditForm,
    DisburseForm,
    EvidenceForm,
    HaltForm,
    ReissueForm,
    RejectForm,
    ReleaseChosenForm,
    StepForm,
    explain,
)
from refunds.admin.review import DESK_STEPS, CasePage
from refunds.disbursement import Released
from refunds.lifecycle import StepRefused
from refunds.models import Destination, Refund
from shops import checking
from shops.suppliers.base import SupplierError


@admin.register(Refund)
class RefundDesk(CasePage):
    """The whole of it: queue, page, steps."""

    chosen_acts = ("release_chosen",)
    actions_detail = (*DESK_STEPS, "check_codes")

    @staff_act(
        ApproveForm, title="通过退款申请", submit="确认通过", icon="check", refused_by=(StepRefused,), explain=explain
    )
    def approve(self, request: HttpRequest, form: ApproveForm, object_id: str) -> str:
        case = _case(form)
        lifecycle.approve([case], by=me(request), at=clock.now(), note=form.cleaned_data["note"])
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
        lifecycle.reject([case], by=me(request), at=clock.now(), note=form.cleaned_data["note"])
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
        lifecycle.request_evidence([case], by=me(request), at=clock.now(), note=form.cleaned_data["note"])
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
        lifecycle.halt([case], by=me(request), at=clock.now(), note=form.cleaned_data["note"])
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
        return _release(request, form)

    @staff_act(
        CreditForm,
        title="放款，退至买家余额",
        submit="确认放款",
        icon="account_balance_wallet",
        refused_by=(StepRefused,),
        explain=explain,
    )
    def credit_balance(self, request: HttpRequest, form: CreditForm, object_id: str) -> str:
        return _release(request, form)

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
        lifecycle.reissue([case], by=me(request), at=clock.now())
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
        answers = checking.look_up_each(form.code_ids, by=me(request), at=clock.now())
        failed = [answer for answer in answers.values() if isinstance(answer, SupplierError)]
        if len(failed) < len(answers):
            messages.success(request, f"发卡方已答复 {len(answers) - len(failed)} 个卡密，结果在卡密记录中。")
        for error in failed:
            messages.warning(request, f"有卡密没有核验成，可稍后再试：{error}")
        return ""

    @staff_act(
        ReleaseChosenForm,
        title="放款",
        submit="确认放款",
        icon="payments",
        refused_by=(StepRefused,),
        explain=explain,
    )
    def release_chosen(self, request: HttpRequest, form: ReleaseChosenForm) -> str:
        tell(request, disbursement.release_each(form.ready, by=me(request), at=clock.now()))
        return list_url(Refund)

    def _done(self, request: HttpRequest, case: Refund, words: str) -> str:
        """Told on the queue, where the next case waits."""
        messages.success(request, _with_link(case, words))
        return list_url(Refund)


def tell(request: HttpRequest, released: Released) -> None:
    """What became of every line of a release (PM7)."""
    if released.sent:
        total = yuan(sum(refund.amount_fen for refund in released.sent))
        credited = sum(refund.destination == Destination.BALANCE for refund in released.sent)
        where = "已退至买家余额" if credited == len(released.sent) else "正在发往支付渠道"
        where += f"，其中 {credited} 笔已退至买家余额" if 0 < credited < len(released.sent) else ""
        messages.success(request, f"已放款 {len(released.sent)} 笔，共 {total}，{where}。")
    for refund, why in released.set_aside:
        messages.warning(request, _with_link(refund, f"没有放款，转为退款异常：{why}"))
    for refund, refusal in released.refused:
        refund.refresh_from_db()
        messages.error(request, _with_link(refund, f"没有放款：{explain(refusal, str(refund.pk))}"))


def _release(request: HttpRequest, form: StepForm) -> str:
    """放款, wherever the case's money goes; back to the queue once it went."""
    released = disbursement.release([_case(form)], by=me(request), at=clock.now())
    tell(request, released)
    return list_url(Refund) if released.sent else ""


def _case(form: StepForm) -> Refund:
    return cast(Refund, form.case)  # a form without a case has refused already


def _with_link(refund: Refund, words: str) -> SafeString:
    return format_html("{} {} {}", link(refund, refund.refund_no), yuan(refund.amount_fen), words)
