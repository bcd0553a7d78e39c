"""The steps that staff take, each by its dialog; what the domain says to them is told on the page that follows."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

import clock
from accounts.desk import link, list_url, log, me, page_url, staff_act, yuan
from refunds import lifecycle, objections
from refunds.admin import leaving
from refunds.admin.desk_steps import DESK, DESK_STEPS, DeskStep
from refunds.admin.dialogs import CheckForm, ObjectionForm, ReleaseChosenForm, StepForm
from refunds.admin.refusals import explain
from refunds.admin.review import CasePage
from refunds.disbursement import Released
from refunds.lifecycle import StepRefused
from refunds.models import Refund
from refunds.payouts import releasing
from shops import checking
from shops.suppliers.base import SupplierError


class RefundDesk(CasePage):
    """The whole of it: queue, page, steps. The steps of the table are added below."""

    chosen_acts = ("release_chosen",)
    actions_detail = (*DESK_STEPS, "check_codes", "judge_objection")

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
        ObjectionForm,
        title="答复商家异议",
        description="不动款项，也不重开退款单；成立的，记下由平台承担的金额。",
        submit="发给商家",
        icon="balance",
        refused_by=(StepRefused,),
    )
    def judge_objection(self, request: HttpRequest, form: ObjectionForm, object_id: str) -> str:
        objection = form.objection
        if objection is not None:  # a form without one has refused already
            said = form.cleaned_data
            objections.judge(objection, by=me(request), at=clock.now(), verdict=said["verdict"], note=said["note"])
            log(request, [objection.refund], "答复商家异议")
            messages.success(request, "已答复商家异议，商家会收到通知。")
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
        tell(request, releasing.release_chosen(form.ready, by=me(request), at=clock.now()))
        return list_url(Refund)


def _act(name: str, about: DeskStep) -> Callable[..., HttpResponse]:
    """The act of one row of the table."""

    def run(desk: RefundDesk, request: HttpRequest, form: StepForm, object_id: str) -> str:
        case = cast(Refund, form.case)  # a form without a case has refused already
        if name in leaving.RELEASES:  # through ``release``, which sets aside what cannot be sent
            return _release(request, case)
        take(name, case, request=request, **form.arguments())
        messages.success(request, _with_link(case, about.done))
        return page_url(case) if about.stays else list_url(Refund)  # the queue: where the next case waits

    run.__name__ = name
    return staff_act(
        type(f"{name}_form", (about.form,), {"step": name}),
        title=about.title,
        description=about.description,
        submit=about.submit,
        icon=about.icon,
        danger=about.is_dangerous,
        refused_by=(StepRefused,),
        explain=explain,
    )(run)


def take(name: str, case: Refund, *, request: HttpRequest, **arguments: Any) -> None:
    """The step's own function, which takes one case or several. Raises StepRefused."""
    function = getattr(lifecycle, name)
    several = next(iter(inspect.signature(function).parameters)) == "refunds"
    function([case] if several else case, by=me(request), at=clock.now(), **arguments)


for _name, _about in DESK.items():
    setattr(RefundDesk, _name, _act(_name, _about))
admin.site.register(Refund, RefundDesk)


def tell(request: HttpRequest, released: Released) -> None:
    """What became of every line of a release (PM7)."""
    if released.sent:
        total = yuan(sum(refund.amount_fen for refund in released.sent))
        became = leaving.told(released.sent)
        each = "；".join(f"{count} 笔{words}" for words, count in became)
        where = f"，{became[0][0]}" if len(became) == 1 else f"：{each}"
        messages.success(request, f"已放款 {len(released.sent)} 笔，共 {total}{where}。")
    for refund, why in released.set_aside:
        messages.warning(request, _with_link(refund, f"没有放款，转为退款异常：{why}"))
    for refund, refusal in released.refused:
        refund.refresh_from_db()
        messages.error(request, _with_link(refund, f"没有放款：{explain(refusal, str(refund.pk))}"))


def _release(request: HttpRequest, case: Refund) -> str:
    """放款, wherever the case's money goes; back to the queue once it went."""
    released = releasing.release_alone(case, by=me(request), at=clock.now())
    tell(request, released)
    return list_url(Refund) if released.sent else ""


def _with_link(refund: Refund, words: str) -> SafeString:
    return format_html("{} {} {}", link(refund, refund.refund_no), yuan(refund.amount_fen), words)
