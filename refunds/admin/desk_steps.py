"""The steps on the desk: for each one that staff take, its dialog and what is told afterwards. The only list of them:
buttons, dialogs and acts are made from it, and a step of ``STEPS`` that staff may take and that is not here fails a
test.
"""

from __future__ import annotations

from dataclasses import dataclass

from refunds.admin.dialogs import (
    AnswerForm,
    ApproveForm,
    AskForm,
    ColleagueForm,
    ConfirmOfferForm,
    ConsultForm,
    HaltForm,
    HandOverForm,
    NotedForm,
    OfferForm,
    RedirectForm,
    RefuseForm,
    ReleaseForm,
    StepForm,
    WordsForm,
)

PRIMARY, PLAIN, DANGER, MORE = "primary", "plain", "danger", "more"  # MORE: behind "更多"


@dataclass(frozen=True)
class DeskStep:
    """``title`` heads the dialog, ``submit`` is its button, ``done`` is told afterwards; ``look`` of the button on the
    page. ``stays``: one goes on with the same case, else back to the queue."""

    title: str
    submit: str
    icon: str
    done: str
    form: type[StepForm]
    look: str = PLAIN
    description: str = ""
    stays: bool = False

    @property
    def is_dangerous(self) -> bool:
        return self.look == DANGER


# In the order of the buttons: what decides first, then what asks, what holds back last.
DESK: dict[str, DeskStep] = {
    # 初审
    "approve": DeskStep("通过退款申请", "确认通过", "check", "已通过，等待财务放款", ApproveForm, PRIMARY),
    "uphold": DeskStep(
        "通过，提交复核", "提交复核", "done_all", "已提交复核，由另一位同事决定", ApproveForm, PRIMARY,
        "两位同事先后通过才放款；复核由高级审核员进行。",
    ),
    # 复核
    "approve_second": DeskStep("复核通过", "确认通过", "check", "复核已通过，等待财务放款", ApproveForm, PRIMARY),
    "confirm_offer": DeskStep(
        "确认方案，发给买家", "确认并发出", "handshake", "方案已发给买家，等其答复", ConfirmOfferForm, PRIMARY
    ),
    # 申诉
    "grant_appeal": DeskStep("申诉成立，退款", "确认成立", "check", "申诉成立，等待财务放款", ApproveForm, PRIMARY),
    "uphold_appeal": DeskStep(
        "申诉成立，提交复核", "提交复核", "done_all", "已提交复核，由另一位同事决定", ApproveForm, PRIMARY
    ),
    # 放款与退款异常
    "disburse": DeskStep("放款，原路退回", "确认放款", "payments", "", ReleaseForm, PRIMARY),
    "credit_balance": DeskStep("放款，退至买家余额", "确认放款", "account_balance_wallet", "", ReleaseForm, PRIMARY),
    "request_transfer": DeskStep(
        "放款，转账至买家账户", "确认放款", "account_balance", "", ReleaseForm, PRIMARY,
        "列入转账，由另两位同事审批、付款并登记凭证；付款前货款仍冻结。",
    ),
    "confirm_redirect": DeskStep(
        "确认新去向", "确认", "swap_horiz", "新去向已确认，可以放款", RedirectForm, PRIMARY,
        "请核对协议由买家本人签署、身份已复核。确认后退款单回到“审核通过”，由另一位同事放款。",
    ),
    "send_to_card": DeskStep(
        "退至签署的银行卡", "确认退至这张卡", "credit_card", "正在告知渠道，结果会自动更新", RedirectForm, PRIMARY,
        "钱还在微信支付：由渠道以原单号退至买家签署的银行卡，不会另开新单。须由没有放过这笔款的同事办理。",
    ),
    "reissue": DeskStep(
        "重新原路退款", "确认", "replay", "已回到“审核通过”，可再次放款", StepForm, PRIMARY,
        "渠道已关闭上一笔退款。退款单回到“审核通过”，放款时使用新的商户退款单号。", stays=True,
    ),
    "reissue_above_limit": DeskStep(
        "重新退款，提交复核", "提交复核", "replay", "已提交复核", StepForm, PRIMARY,
        "金额超过审批线，且此前没有两位同事通过：先由高级审核员复核，再放款。",
    ),
    "explain_missing": DeskStep("答复未到账", "发给买家", "forum", "已答复买家", WordsForm, PRIMARY),
    # 驳回
    "reject": DeskStep("驳回退款申请", "确认驳回", "close", "已驳回，理由已告知买家", RefuseForm, DANGER),
    "reject_second": DeskStep("复核驳回", "确认驳回", "close", "已驳回，理由已告知买家", RefuseForm, DANGER),
    "dismiss_appeal": DeskStep(
        "维持原结论", "确认维持", "gavel", "已维持原结论，理由与平台外的途径已告知买家", RefuseForm, DANGER,
        "申诉只有一次，结论是最终的。",
    ),
    # 问
    "request_evidence": DeskStep(
        "要求补充材料", "发出", "add_photo_alternate", "已请对方补充材料", AskForm, PLAIN,
        "审核计时暂停；到期未补充，按现有材料继续审核。每轮最多两次。",
    ),
    "request_more": DeskStep(
        "要求补充材料", "发出", "add_photo_alternate", "已请对方补充材料", AskForm, PLAIN,
        "审核计时暂停；到期未补充，按现有材料继续审核。每轮最多两次。",
    ),
    "make_offer": DeskStep(
        "提出方案", "发给买家", "handshake", "方案已发给买家，等其答复", OfferForm, PLAIN,
        "买家接受才生效；不接受或逾期未答，退款单回到审核。",
    ),
    "propose_offer": DeskStep(
        "拟定方案，提交复核", "提交复核", "handshake", "方案已提交复核，确认后才发给买家", OfferForm, PLAIN
    ),
    "record_answer": DeskStep("记录核实结果", "记下", "edit_note", "核实结果已记下", AnswerForm, PLAIN, stays=True),
    # 台面
    "claim": DeskStep(
        "认领", "认领", "front_hand", "已认领，半小时内同事不会处理它", StepForm, PLAIN, stays=True
    ),
    "consult": DeskStep(
        "向第三方核实", "记下并开始计时", "contact_support", "已记下，核实期间承诺时间顺延", ConsultForm, MORE,
        "对外询问仍由您进行；这里记下问了什么、问了谁，得到答复后请记录结果。", stays=True,
    ),
    "hand_over": DeskStep("转交", "转交", "forward", "已转交", HandOverForm, MORE),
    # 退回与关闭
    "send_back": DeskStep(
        "退回初审", "退回", "undo", "已退回初审", ColleagueForm, MORE, "之前的通过不再算数，由客服重新审核。"
    ),
    "reopen": DeskStep(
        "纠正，重新复核", "确认", "restart_alt", "已重新打开，请复核", ColleagueForm, PLAIN,
        "原结论有误时用。卡密重新冻结，由高级审核员复核。", stays=True,
    ),
    "halt": DeskStep("拦截，退回审核", "确认拦截", "front_hand", "已拦截，退回人工审核", HaltForm, DANGER),
    "close": DeskStep(
        "关闭，不退款", "确认关闭", "block", "已关闭，理由已告知买家", WordsForm, MORE,
        "只用于双方已另行解决或重复申请；不能代替驳回。",
    ),
}  # fmt: skip

DESK_STEPS = list(DESK)
NOTED = [name for name, step in DESK.items() if issubclass(step.form, NotedForm)]  # may have canned replies

__all__ = ["DANGER", "DESK", "DESK_STEPS", "MORE", "NOTED", "PLAIN", "PRIMARY", "DeskStep"]
