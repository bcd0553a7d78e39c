"""Why a step of a case is not taken just now, in the desk's words, with what to do instead.

Every step is decided again in the domain, under its lock: two colleagues at once make one step, and the second is told
who was first (P2).
"""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from accounts.desk import called, key, yuan
from accounts.models import User
from accounts.roles import Role
from refunds import lifecycle
from refunds.admin import leaving
from refunds.casefile import step_words
from refunds.lifecycle import STEPS, StepRefused, guards
from refunds.models import Refund, RefundEvent
from refunds.models import Status as S

BY_ANOTHER = {"grant_appeal", "uphold_appeal", "dismiss_appeal"}  # not by who decided the case


def why_not(refund: Refund, step: str, user: User, *, at: datetime) -> str:
    """Why this person does not take this step now, in one sentence; empty: they may. The domain decides again."""
    if S(refund.status) not in STEPS[step].sources:
        return told_who_was_first(refund)
    roles = lifecycle.roles_on(refund, user)
    if roles <= {Role.BUYER, Role.MERCHANT}:
        return "您不能对这张退款单做这一步：它是您自己的申请，或属于您的店铺。"
    if step in guards.BY_WHO_CLAIMED and (held := held_by(refund, user, at=at)):
        return held
    if step in BY_ANOTHER and decided_before(refund, user):
        return "您审核过这张退款单，申诉须由另一位高级审核员处理。"
    if kept := leaving.why_not(refund, step, user):
        return kept
    if step in lifecycle.allowed_steps(refund, user):
        return ""
    return {
        "approve": f"{above_limit_words(refund)}请用“通过，提交复核”。",
        "approve_second": f"{above_limit_words(refund)}您已经通过的，由另一位同事复核；有方案的，请用“确认方案”。",
        "confirm_offer": "没有待确认的方案，或方案是您拟定的，须由另一位同事确认。",
        "grant_appeal": f"{above_limit_words(refund)}请用“申诉成立，提交复核”。",
        "reissue": f"{above_limit_words(refund)}请用“重新退款，提交复核”。",
        "consult": "已有一项核实在进行，请先记录它的结果。",
        "record_answer": "没有等待结果的核实。",
        "reopen": "这张订单之后又申请过退款，请在那里继续。",
        "propose_offer": "金额没有超过审批线，请直接提出方案。",
        "disburse": "买家选择退至余额，请用“退至余额”。",
        "credit_balance": "这笔退款原路退回，请用“放款”。",
        "explain_missing": "买家没有说未到账，无需答复。",
        "confirm_redirect": "收款账户登记未满 24 小时，或渠道还没有关闭上一笔退款。钱还在微信支付的，"
        "可“退至签署的银行卡”，或先在渠道退款上“退回商户账户”。",
        "send_to_card": "收款账户登记未满 24 小时，或钱不在微信支付，或签署的不是银行卡：请用“确认新去向”。",
        "request_transfer": "新去向由您确认，须由另一位同事放款；不退至买家账户的，请用“放款”。",
    }.get(step, "现在不能做这一步，请刷新页面。")


def explain(refusal: Exception, object_id: str | None) -> str:
    """What the domain refused, with the name of whoever was first where that is the reason."""
    refund = Refund.objects.filter(pk=key(object_id)).first()
    if refund and isinstance(refusal, StepRefused) and refusal.code == "wrong_status":
        return told_who_was_first(refund)
    return str(refusal)


def told_who_was_first(refund: Refund) -> str:
    """The second of two colleagues reads who was first, when, and what stands now (P2)."""
    last = RefundEvent.objects.filter(refund=refund).select_related("actor").order_by("-sequence").first()
    now = S(refund.status).label
    if last is None:
        return f"退款单现为“{now}”。"
    who = f"{called(last.actor)}（{last.get_role_display()}）" if last.actor else "系统"
    when = timezone.localtime(last.at)
    return f"{who}已于 {when:%m-%d %H:%M:%S} 处理：{step_words(last.step)}。退款单现为“{now}”，您的操作没有执行。"


def held_by(refund: Refund, user: User, *, at: datetime) -> str:
    """认领: whoever has it on their desk decides, for half an hour; a senior is not held up."""
    if user.role == Role.SENIOR or not guards.is_claimed_by_another(refund, user.pk, at):
        return ""
    since = timezone.localtime(refund.claimed_at)
    return f"{called(refund.claimed_by)}于 {since:%H:%M} 认领了这张退款单，半小时内由其处理；请选别的，或请对方转交。"


def decided_before(refund: Refund, user: User) -> bool:
    """Before the appeal: what is appealed against is judged by somebody else."""
    events = list(RefundEvent.objects.filter(refund=refund).order_by("sequence"))
    return user.pk in guards.decided_before_appeal(events)


def may_check(refund: Refund, user: User) -> bool:
    """Nobody gathers evidence on an own case, or on one of an own shop (I10)."""
    return not lifecycle.roles_on(refund, user) <= {Role.BUYER, Role.MERCHANT}


def above_limit_words(refund: Refund) -> str:
    return f"该订单退款合计超过审批线 {yuan(refund.order.policy.senior_above_fen)}，须由两位同事先后通过。"
