"""The table: every step of a case, from where, to where, by whom. Nothing else is possible (PM4, I5).

                  ┌─ merchant_review ─┬─→ offered ─┬─→ replaced
                  │    (商家)         │   (协商)   │
submitted ─ 初审 ─┼───────────────────┴─→ first_review ⇄ awaiting_evidence
                  │                        │     │
                  ├─→ rejected ←───────────┤     └─→ second_review (above the limit: two people)
                  │      │ 申诉            │               │
                  │      └→ appeal_review ─┤               │
                  └─→ approved ←───────────┴───────────────┘
                         └─ 放款 → processing → paid_out → arrived
                                       └──→ returned ─→ (again, or with a signed redirect)
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from accounts.roles import Role as R
from refunds.models import Queue
from refunds.models import Status as S

BACK = "back"  # to where the case was before it waited for evidence
SAME = "same"  # the case stays where it is; who owns it, or what is known of it, changes


@dataclass(frozen=True)
class Step:
    """One row: from where, to where, by whom, and what its button says."""

    sources: frozenset[S]
    target: S | str
    who: frozenset[R]
    title: object = ""  # lazy text: the button; empty for steps that no person takes


def _row(sources: S | set[S], target: S | str, who: set[R], title: object = "") -> Step:
    return Step(frozenset({sources} if isinstance(sources, S) else sources), target, frozenset(who), title)


PLATFORM = {S.FIRST_REVIEW, S.SECOND_REVIEW, S.APPEAL_REVIEW}  # people of the platform decide
REVIEWS = {S.MERCHANT_REVIEW, *PLATFORM}
WAITING = {S.OFFERED, S.AWAITING_EVIDENCE}  # another side must answer: the review's clock stands
REVIEWERS = {R.REVIEWER, R.SENIOR}

STEPS: dict[str, Step] = {
    # 系统初审: the pre-check
    "auto_approve": _row(S.SUBMITTED, S.APPROVED, {R.SYSTEM}),
    "ask_merchant": _row(S.SUBMITTED, S.MERCHANT_REVIEW, {R.SYSTEM}),
    "send_to_review": _row(S.SUBMITTED, S.FIRST_REVIEW, {R.SYSTEM}),
    "turn_down": _row(S.SUBMITTED, S.REJECTED, {R.SYSTEM}),
    # 商家处理: the shop answers in time, or its silence does
    "agree": _row(S.MERCHANT_REVIEW, S.APPROVED, {R.MERCHANT, R.SYSTEM}, _("同意退款")),
    "agree_above_limit": _row(S.MERCHANT_REVIEW, S.FIRST_REVIEW, {R.MERCHANT, R.SYSTEM}, _("同意退款，由平台复核")),
    "contest": _row(S.MERCHANT_REVIEW, S.FIRST_REVIEW, {R.MERCHANT, R.SYSTEM}, _("不同意，提交平台")),
    "offer": _row(S.MERCHANT_REVIEW, S.OFFERED, {R.MERCHANT}, _("提出方案")),
    # 协商: the buyer answers an offer
    "accept_offer": _row(S.OFFERED, S.APPROVED, {R.BUYER}, _("接受方案")),
    "accept_replacement": _row(S.OFFERED, S.REPLACED, {R.BUYER}, _("接受补发")),
    "decline_offer": _row(S.OFFERED, S.FIRST_REVIEW, {R.BUYER}, _("不接受")),
    "lapse_offer": _row(S.OFFERED, S.FIRST_REVIEW, {R.SYSTEM}),
    # 人工审核, by people of the platform
    "claim": _row(PLATFORM, SAME, REVIEWERS, _("认领")),
    "hand_over": _row(PLATFORM, SAME, REVIEWERS, _("转交")),
    "request_evidence": _row(S.FIRST_REVIEW, S.AWAITING_EVIDENCE, REVIEWERS, _("要求补充材料")),
    "request_more": _row({S.SECOND_REVIEW, S.APPEAL_REVIEW}, S.AWAITING_EVIDENCE, {R.SENIOR}, _("要求补充材料")),
    "provide_evidence": _row(S.AWAITING_EVIDENCE, BACK, {R.BUYER, R.MERCHANT}, _("补充材料")),
    "lapse_evidence": _row(S.AWAITING_EVIDENCE, BACK, {R.SYSTEM}),
    "consult": _row(PLATFORM, SAME, REVIEWERS, _("向第三方核实")),
    "record_answer": _row(PLATFORM, SAME, REVIEWERS, _("记录核实结果")),
    "approve": _row(S.FIRST_REVIEW, S.APPROVED, REVIEWERS, _("通过")),
    "uphold": _row(S.FIRST_REVIEW, S.SECOND_REVIEW, REVIEWERS, _("通过，提交复核")),
    "reject": _row(S.FIRST_REVIEW, S.REJECTED, REVIEWERS, _("驳回")),
    "make_offer": _row(S.FIRST_REVIEW, S.OFFERED, REVIEWERS, _("提出方案")),
    "propose_offer": _row(S.FIRST_REVIEW, S.SECOND_REVIEW, REVIEWERS, _("拟定方案，提交复核")),
    # 复核: the second person
    "approve_second": _row(S.SECOND_REVIEW, S.APPROVED, {R.SENIOR}, _("复核通过")),
    "reject_second": _row(S.SECOND_REVIEW, S.REJECTED, {R.SENIOR}, _("复核驳回")),
    "confirm_offer": _row(S.SECOND_REVIEW, S.OFFERED, {R.SENIOR}, _("确认方案，发给买家")),
    "send_back": _row(S.SECOND_REVIEW, S.FIRST_REVIEW, {R.SENIOR}, _("退回初审")),
    # 申诉: once, before a senior who has not decided the case
    "appeal": _row(S.REJECTED, S.APPEAL_REVIEW, {R.BUYER}, _("申诉")),
    "grant_appeal": _row(S.APPEAL_REVIEW, S.APPROVED, {R.SENIOR}, _("申诉成立")),
    "uphold_appeal": _row(S.APPEAL_REVIEW, S.SECOND_REVIEW, {R.SENIOR}, _("申诉成立，提交复核")),
    "dismiss_appeal": _row(S.APPEAL_REVIEW, S.REJECTED, {R.SENIOR}, _("维持原结论")),
    "reopen": _row(S.REJECTED, S.SECOND_REVIEW, {R.SENIOR}, _("纠正，重新复核")),
    # 任何审核
    "escalate": _row(PLATFORM, SAME, {R.SYSTEM}),
    "extend": _row({*REVIEWS, *WAITING}, SAME, {R.SYSTEM}),
    "urge": _row({*REVIEWS, S.APPROVED, S.RETURNED, S.REDIRECT_SIGNED}, SAME, {R.BUYER}, _("催办")),
    "approve_canceled": _row({*REVIEWS, *WAITING}, S.APPROVED, {R.SYSTEM}),
    "withdraw": _row({S.SUBMITTED, *REVIEWS, *WAITING, S.APPROVED}, S.WITHDRAWN, {R.BUYER}, _("撤销申请")),
    "close": _row(REVIEWS, S.CLOSED, {R.SENIOR}, _("关闭，不退款")),
    # 放款: money leaves
    "halt": _row(S.APPROVED, S.FIRST_REVIEW, {R.SENIOR, R.FINANCE}, _("拦截")),
    "disburse": _row(S.APPROVED, S.PROCESSING, {R.FINANCE, R.SYSTEM}, _("放款")),
    "credit_balance": _row(S.APPROVED, S.ARRIVED, {R.FINANCE, R.SYSTEM}, _("退至余额")),
    "request_transfer": _row(S.APPROVED, S.PROCESSING, {R.FINANCE}, _("放款至买家账户")),
    "cannot_send": _row(S.APPROVED, S.RETURNED, {R.SYSTEM}),
    # 到账, by the channel's word
    "mark_paid_out": _row(S.PROCESSING, S.PAID_OUT, {R.SYSTEM}),
    "mark_transferred": _row(S.PROCESSING, S.PAID_OUT, {R.SYSTEM}),
    "confirm_arrival": _row(S.PAID_OUT, S.ARRIVED, {R.BUYER, R.SYSTEM}, _("确认到账")),
    "report_missing": _row(S.PAID_OUT, SAME, {R.BUYER}, _("没有收到")),
    "explain_missing": _row(S.PAID_OUT, SAME, {R.REVIEWER, R.SENIOR, R.FINANCE}, _("答复未到账")),
    "mark_returned": _row({S.PROCESSING, S.PAID_OUT, S.ARRIVED}, S.RETURNED, {R.SYSTEM}),
    # 退款异常: the original route failed
    "resume": _row(S.RETURNED, S.PROCESSING, {R.SYSTEM}),
    "reissue": _row(S.RETURNED, S.APPROVED, {R.FINANCE}, _("重新原路退款")),
    "reissue_above_limit": _row(S.RETURNED, S.SECOND_REVIEW, {R.FINANCE}, _("重新退款，提交复核")),
    "sign_redirect": _row(S.RETURNED, S.REDIRECT_SIGNED, {R.BUYER}, _("选择退款去向并签署")),
    "revoke_redirect": _row(S.REDIRECT_SIGNED, S.RETURNED, {R.BUYER}, _("撤回签署")),
    "lapse_redirect": _row(S.REDIRECT_SIGNED, S.RETURNED, {R.SYSTEM}),
    "confirm_redirect": _row(S.REDIRECT_SIGNED, S.APPROVED, {R.FINANCE}, _("确认新去向")),
    "send_to_card": _row(S.REDIRECT_SIGNED, S.PROCESSING, {R.FINANCE}, _("退至签署的银行卡")),
}

AT_REST = {S(status) for status in S.at_rest()}

# Whose turn it is in each status (I4). APPROVED depends on the lane, AWAITING_EVIDENCE on who was asked.
QUEUE_OF: dict[S, Queue] = {
    S.SUBMITTED: Queue.MACHINE,
    S.MERCHANT_REVIEW: Queue.MERCHANT,
    S.OFFERED: Queue.BUYER,
    S.FIRST_REVIEW: Queue.REVIEWER,
    S.AWAITING_EVIDENCE: Queue.BUYER,
    S.SECOND_REVIEW: Queue.SENIOR,
    S.APPEAL_REVIEW: Queue.SENIOR,
    S.APPROVED: Queue.FINANCE,
    S.PROCESSING: Queue.MACHINE,
    S.PAID_OUT: Queue.MACHINE,
    S.RETURNED: Queue.FINANCE,
    S.REDIRECT_SIGNED: Queue.FINANCE,
    **dict.fromkeys(AT_REST, Queue.NOBODY),
}
