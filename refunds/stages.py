"""进度: what a buyer sees of a case, like a parcel's track. One map from every status to a public stage.

The page, the API and the staff desk all show this; each says who acts now, what comes next and by when.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.utils.formats import date_format
from django.utils.timezone import localdate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import transfers
from payments.models import BALANCE, Channel
from refunds.lifecycle.redirect import choosing
from refunds.models import Destination, Lane, Queue, Refund, RefundEvent
from refunds.models import Status as S

STAGES: dict[str, object] = {
    "submitted": gettext_lazy("已提交"),
    "pre_check": gettext_lazy("系统初审"),
    "merchant": gettext_lazy("商家处理"),
    "review": gettext_lazy("人工审核"),
    "approved": gettext_lazy("审核通过"),
    "processing": gettext_lazy("退款处理中"),
    "arrived": gettext_lazy("已到账"),
}

STAGE_OF: dict[S, str] = {
    S.SUBMITTED: "pre_check",
    S.MERCHANT_REVIEW: "merchant",
    S.OFFERED: "review",
    S.FIRST_REVIEW: "review",
    S.AWAITING_EVIDENCE: "review",
    S.SECOND_REVIEW: "review",
    S.APPEAL_REVIEW: "review",
    S.APPROVED: "approved",
    S.PROCESSING: "processing",
    S.PAID_OUT: "processing",
    S.RETURNED: "processing",
    S.REDIRECT_SIGNED: "processing",
    S.ARRIVED: "arrived",
    S.REPLACED: "review",
    S.CLOSED: "review",
    S.REJECTED: "review",
    S.WITHDRAWN: "submitted",
}

#: Ends with a row of its own, after the stages it went through.
ENDINGS = (S.REJECTED, S.WITHDRAWN, S.CLOSED, S.REPLACED)

#: Branches: the stage that they leave stands still, and they stand beside it while they last.
BRANCHES: dict[S, object] = {
    S.OFFERED: gettext_lazy("协商中"),
    S.AWAITING_EVIDENCE: gettext_lazy("待补充材料"),
    S.APPEAL_REVIEW: gettext_lazy("申诉中"),
}

TONE_OF: dict[S, str] = {
    S.OFFERED: "attention",
    S.AWAITING_EVIDENCE: "attention",
    S.RETURNED: "attention",
    S.REDIRECT_SIGNED: "attention",
    S.REPLACED: "good",
    S.CLOSED: "quiet",
    S.REJECTED: "bad",
    S.WITHDRAWN: "quiet",
    S.PAID_OUT: "good",
    S.ARRIVED: "good",
}


BACK_TO: dict[str, object] = {
    BALANCE: gettext_lazy("订单是用余额付的：退回您的余额，通常几秒到账，不经过支付渠道。"),
    Channel.WECHAT: gettext_lazy("微信支付退出后到账：零钱通常几分钟，银行卡另需 1–3 个工作日。"),
    Channel.ALIPAY: gettext_lazy("支付宝退出后到账：余额、余额宝、花呗通常几分钟，银行卡另需 1–3 个工作日。"),
}


# 退至余额: no channel, no bank, nothing to wait for. What stands here differs from the original route.
TO_BALANCE_NEXT: dict[S, object] = {
    S.APPROVED: gettext_lazy("财务放款后，款项立即退至您的余额。"),
    S.ARRIVED: gettext_lazy("款项已在您的余额中，可以付款，也可以提现。"),
    S.RETURNED: gettext_lazy("财务正在核对；有结果会在本页更新并发站内通知，款项不会丢失。"),
}
TO_BALANCE_MONEY: dict[S, object] = {
    **dict.fromkeys(map(S, S.undecided()), gettext_lazy("在平台，未退出；通过后退至余额")),
    S.ARRIVED: gettext_lazy("已退至买家余额"),
    S.RETURNED: gettext_lazy("在平台，财务正在核对，不会丢失"),
}


# 退至本人账户: a transfer by people of the platform, to the account that the buyer signed for.
TO_ACCOUNT_HEADLINES: dict[S, object] = {
    S.PROCESSING: gettext_lazy("已放款，平台转账中"),
    S.PAID_OUT: gettext_lazy("已转账，等待银行入账"),
}
TO_ACCOUNT_NEXT: dict[S, object] = {
    S.APPROVED: gettext_lazy("财务放款后，平台转账至您签署的账户。"),
    S.PROCESSING: gettext_lazy("另两位工作人员审批并转账，转出后通知您。"),
    S.PAID_OUT: gettext_lazy("已转至您签署的账户，通常 2 个工作日内到账；以银行入账为准。"),
}
TO_ACCOUNT_MONEY: dict[S, object] = {
    S.PROCESSING: gettext_lazy("在平台，等待转账"),
    S.PAID_OUT: gettext_lazy("平台已转账，收款账户入账中"),
    S.ARRIVED: gettext_lazy("已转至买家签署的账户"),
}


# 自带商户号: the money never was the platform's.
IN_THE_SHOPS_ACCOUNT: dict[S, object] = {
    **dict.fromkeys(map(S, S.undecided()), gettext_lazy("在店铺自己的商户号，未退出；通过后原路退回")),
    S.APPROVED: gettext_lazy("在店铺自己的商户号，等待放款"),
    S.PROCESSING: gettext_lazy("已从店铺自己的商户号退出，渠道处理中"),
}


@dataclass(frozen=True)
class Stage:
    """One row of the timeline. ``state`` is done, current, paused (its clock stands, while a branch is current), todo
    or failed; ``reached_at`` when it was reached. ``code`` of a branch: its status."""

    code: str
    title: str
    state: str
    reached_at: datetime | None
    note: str


@dataclass(frozen=True)
class Track:
    """Where the case stands. ``tone`` is progress, attention, good, bad or quiet; ``by`` the promised time, and
    ``by_label`` what is promised for then, ``on_silence`` what happens if nothing has by then; ``money`` says where the
    money is now."""

    stages: Sequence[Stage]
    headline: str
    who: str
    next_step: str
    on_silence: str
    by: datetime | None
    by_label: str
    is_late: bool
    money: str
    tone: str
    arrival_from: date | None
    arrival_until: date | None
    arrival_is_estimate: bool
    is_moving: bool


@dataclass(frozen=True)
class Due:
    """A case in one row of a list: how it stands, whose turn it is, and what is promised by when."""

    status: str
    by_label: str
    is_late: bool
    is_buyers_turn: bool


def due(refund: Refund, *, at: datetime) -> Due:
    """From the row alone: a list asks nothing more of the database."""
    is_late = _is_late(refund, at)
    return Due(short(refund), by_label(refund, is_late=is_late), is_late, refund.queue == Queue.BUYER)


def short(refund: Refund) -> str:
    """The status in the buyer's words: what a channel calls success is not money in hand yet."""
    status = S(refund.status)
    own = {S.PAID_OUT: _("已退出，等待入账"), S.REDIRECT_SIGNED: _("等平台确认新去向")}
    return str(own.get(status, status.label))


def track(refund: Refund, events: Sequence[RefundEvent], *, at: datetime) -> Track:
    """The case's track, from its row and its events (oldest first)."""
    status, is_late = S(refund.status), _is_late(refund, at)
    chooses = status == S.RETURNED and bool(choosing([refund]))
    return Track(
        stages=_stages(refund, events),
        headline=headline(refund),
        who=str(_who(refund, at, chooses=chooses)),
        next_step=next_step(refund, chooses=chooses),
        on_silence=on_silence(refund),
        by=refund.promised_by,
        by_label=by_label(refund, is_late=is_late),
        is_late=is_late,
        money=where_the_money_is(refund),
        tone=TONE_OF.get(status, "progress"),
        arrival_from=refund.arrival_expected_from,
        arrival_until=refund.arrival_expected_until,
        arrival_is_estimate=refund.arrival_is_estimate,
        is_moving=status not in S.at_rest(),
    )


def headline(refund: Refund) -> str:
    """One sentence: where it stands."""
    if is_reported_missing(refund):
        return _("客服正在向渠道核实这笔退款")
    if _goes_to_account(refund) and refund.status in TO_ACCOUNT_HEADLINES:
        return str(TO_ACCOUNT_HEADLINES[S(refund.status)])
    if _goes_to_balance(refund) and refund.status in {S.ARRIVED, S.RETURNED}:
        return _("已退至余额") if refund.status == S.ARRIVED else _("退款异常：未能退至余额")
    if _was_paid_from_balance(refund) and refund.status == S.ARRIVED:
        return _("已退至余额")
    return {
        S.SUBMITTED: _("已收到申请，系统正在初审"),
        S.MERCHANT_REVIEW: _("商家正在处理"),
        S.OFFERED: _("有一个方案等您答复"),
        S.FIRST_REVIEW: _("客服正在审核"),
        S.AWAITING_EVIDENCE: _("需要您补充材料") if refund.queue != Queue.MERCHANT else _("正在等商家补充材料"),
        S.SECOND_REVIEW: _("初审通过，另一位同事正在复核"),
        S.APPEAL_REVIEW: _("申诉正在审核"),
        S.REDIRECT_SIGNED: _("等待平台确认新的退款去向"),
        S.REPLACED: _("已补发新卡密"),
        S.CLOSED: _("退款已关闭，没有退款"),
        S.APPROVED: _("审核通过，等待放款"),
        S.PROCESSING: _("已放款，支付渠道处理中"),
        S.PAID_OUT: _("渠道已退款，等待入账"),
        S.ARRIVED: _("退款已到账"),
        S.REJECTED: _("退款未通过"),
        S.WITHDRAWN: _("申请已撤销"),
        S.RETURNED: _("退款异常：收款账户未能入账"),
    }[S(refund.status)]


def _on_the_way_to_the_balance(status: S) -> str:
    if status == S.ARRIVED and not transfers.cash_out_is_offered():
        return _("款项已在您的余额中，可以付款；本站暂不能提现。")
    return str(TO_BALANCE_NEXT[status])


def next_step(refund: Refund, *, chooses: bool = False) -> str:
    """One sentence: what happens next. ``chooses``: the buyer can say now where what came back goes."""
    if is_reported_missing(refund):
        return _("核实后给您渠道凭证，可拿给银行查询；款项不会丢失。")
    if _goes_to_account(refund) and refund.status in TO_ACCOUNT_NEXT:
        return str(TO_ACCOUNT_NEXT[S(refund.status)])
    if _goes_to_balance(refund) and refund.status in TO_BALANCE_NEXT:
        if refund.status == S.APPROVED and refund.lane != Lane.STANDARD:
            return _("系统将自动退至您的余额。")
        return _on_the_way_to_the_balance(S(refund.status))
    if _was_paid_from_balance(refund) and refund.status in {S.APPROVED, S.ARRIVED}:
        by_people = refund.lane == Lane.STANDARD or refund.status == S.ARRIVED
        return _on_the_way_to_the_balance(S(refund.status)) if by_people else _("系统将自动退至您的余额。")
    if refund.status == S.RETURNED:
        return _who_gives_it_again(refund, chooses=chooses)
    return {
        S.SUBMITTED: _("初审通常几秒完成，之后自动退款或转人工审核。"),
        S.MERCHANT_REVIEW: _("商家同意即退款；有异议由平台审核；逾期不答复，视为商家责任。"),
        S.OFFERED: _("接受即按方案办理；不接受或逾期不答，都由平台审核，不影响您的退款。"),
        S.FIRST_REVIEW: _("客服核对订单与交付记录后给出结果，届时会通知您。"),
        S.AWAITING_EVIDENCE: _("请按要求补充；到期未补充将按现有材料审核，不会因此直接拒绝。")
        if refund.queue != Queue.MERCHANT
        else _("审核计时暂停；商家到期未补充，按现有材料审核。"),
        S.SECOND_REVIEW: _("金额超过审批线的退款由两位同事先后通过，之后财务放款。"),
        S.APPEAL_REVIEW: _("由没有审核过这张退款单的高级审核员处理，结论是最终的。"),
        S.REDIRECT_SIGNED: _("另一位工作人员确认后，款项按您签署的去向退回；确认前可以撤回。"),
        S.REPLACED: _("请到订单页查看新的卡密；仍有问题可以再次申请。"),
        S.CLOSED: _("有疑问可在订单留言或联系客服。"),
        S.APPROVED: _("财务放款后，款项原路退回您的支付账户。")
        if refund.lane == Lane.STANDARD
        else _("系统将自动放款。"),
        S.PROCESSING: str(BACK_TO[refund.payment.account.channel]),
        S.PAID_OUT: _at_the_bank(refund),
        S.ARRIVED: _("已完成，无需操作。"),
        S.REJECTED: _("申诉期内可以申诉；也可以补充新的凭证后重新申请。")
        if refund.appeal_until
        else _("您可以补充新的凭证后重新申请，或走平台外的途径。"),
        S.WITHDRAWN: _("商品已恢复原状；仍在售后期内可重新申请。"),
    }[S(refund.status)]


def _who_gives_it_again(refund: Refund, *, chooses: bool) -> str:
    """Of what came back. A guest has no account yet, and nothing to choose before."""
    if not chooses and refund.payment.account.shop_id:
        return _("由收款的店铺商户号再退；财务正与店铺和渠道核对，有结果会在本页更新并通知您，款项不会丢失。")
    if not chooses:
        return _("财务正与渠道核对上一次退款；退不出去的再由您选择退款去向。有结果会在本页更新并通知您，款项不会丢失。")
    if refund.buyer.is_guest:
        return _("认领订单后可以选择退款去向；财务同时与渠道核对，有结果会在本页更新，款项不会丢失。")
    return _("您可以选择退款去向；财务同时与渠道核对，有结果会在本页更新并通知您，款项不会丢失。")


def _at_the_bank(refund: Refund) -> str:
    """S2-24: told before it is late, with its reason."""
    words = {"channel": _channel(refund)}
    if refund.arrival_expected_until is None:
        return _("%(channel)s已退款成功，银行清算中；到账以银行入账为准。") % words
    words["day"] = date_format(refund.arrival_expected_until, _("n月j日"))
    return _("%(channel)s已退款成功，银行清算中，预计最晚 %(day)s到账；以银行入账为准。") % words


def on_silence(refund: Refund) -> str:
    """What happens if the promise passes and nothing has: empty where ``next_step`` says it, or nothing is promised."""
    if refund.queue in {Queue.NOBODY, Queue.MACHINE} or refund.promised_by is None:
        return ""
    late = _("到时没有结论，自动升级给上一级处理，您也可以催办；不会因为超时被拒绝。")
    return {
        S.FIRST_REVIEW: late,
        S.SECOND_REVIEW: late,
        S.APPEAL_REVIEW: late,
        S.APPROVED: _("到时没有放款，这里会标为超时，您可以催办。"),
        S.RETURNED: _("到时没有答复，这里会标为超时，您可以催办。"),
    }.get(S(refund.status), "")


def is_reported_missing(refund: Refund) -> bool:
    """没有收到: the channel has paid it out, the buyer says that it is not there, and support looks."""
    return refund.status == S.PAID_OUT and refund.queue == Queue.REVIEWER


def where_the_money_is(refund: Refund) -> str:
    """钱款去向, at every moment. Names no account: shops read this too."""
    if _goes_to_balance(refund) and refund.status in TO_BALANCE_MONEY:
        return str(TO_BALANCE_MONEY[S(refund.status)])
    if _goes_to_account(refund) and refund.status in TO_ACCOUNT_MONEY:
        return str(TO_ACCOUNT_MONEY[S(refund.status)])
    if _was_paid_from_balance(refund) and refund.status in TO_BALANCE_MONEY:
        return str(TO_BALANCE_MONEY[S(refund.status)])
    if refund.payment.account.shop_id and refund.status in IN_THE_SHOPS_ACCOUNT:
        return str(IN_THE_SHOPS_ACCOUNT[S(refund.status)])
    return {
        **dict.fromkeys(map(S, S.undecided()), _("在平台，未退出；通过后原路退回")),
        S.APPROVED: _("在平台，等待放款"),
        S.PROCESSING: _("已从平台退出，%(channel)s处理中") % {"channel": _channel(refund)},
        S.PAID_OUT: _("%(channel)s已退出，收款账户入账中") % {"channel": _channel(refund)},
        S.ARRIVED: _("已退回原支付账户"),
        S.REJECTED: _("未退款"),
        S.WITHDRAWN: _("未退款"),
        S.CLOSED: _("未退款"),
        S.REPLACED: _("未退款，已补发"),
        S.REDIRECT_SIGNED: _("未能入账，等待确认新的去向，不会丢失"),
        S.RETURNED: _("未能入账，财务正在追查，不会丢失"),
    }[S(refund.status)]


def by_label(refund: Refund, *, is_late: bool) -> str:
    """What is promised for ``Track.by``; once it has passed, nothing is."""
    if is_late:
        return _("原定时间（已过）")
    return {
        S.SUBMITTED: _("最迟完成初审"),
        S.MERCHANT_REVIEW: _("商家最迟答复"),
        S.OFFERED: _("请在此前答复"),
        S.FIRST_REVIEW: _("最迟给出结果"),
        S.AWAITING_EVIDENCE: _("请在此前补充") if refund.queue != Queue.MERCHANT else _("商家最迟补充"),
        S.SECOND_REVIEW: _("最迟复核完"),
        S.APPEAL_REVIEW: _("最迟给出结论"),
        S.REDIRECT_SIGNED: _("最迟确认"),
        S.APPROVED: _("最迟放款"),
        S.PROCESSING: _("渠道最迟退出"),
        S.PAID_OUT: _("最迟答复您") if is_reported_missing(refund) else "",
        S.RETURNED: _("最迟答复您"),
    }.get(S(refund.status), "")


def _who(refund: Refund, at: datetime, *, chooses: bool) -> object:
    if is_reported_missing(refund):
        return Queue(refund.queue).label
    if _is_at_the_bank(refund):
        return _("发卡银行")
    if refund.status in {S.PROCESSING, S.PAID_OUT}:
        return _channel(refund)
    if refund.status == S.REJECTED and refund.appeal_until and at < refund.appeal_until:
        return _("您：不同意可以申诉")
    if chooses and not (refund.buyer.is_guest or _goes_to_balance(refund)):
        return _("买家可选去向；财务核对")
    if refund.queue == Queue.NOBODY:
        return _("无人，已结束")
    return Queue(refund.queue).label


def _is_at_the_bank(refund: Refund) -> bool:
    """The channel has paid it out, to a card: it names the bank and the kind of card."""
    return refund.status == S.PAID_OUT and bool(re.search("银行|信用卡|储蓄卡|借记卡", refund.received_account))


def _channel(refund: Refund) -> str:
    """What it was paid through; the balance is named like a channel."""
    return str(refund.payment.account.get_channel_display())


def _was_paid_from_balance(refund: Refund) -> bool:
    return refund.payment.account.channel == BALANCE


def _is_late(refund: Refund, at: datetime) -> bool:
    """Beyond the promised time, or paid out and beyond the last day on which it was expected."""
    if refund.status == S.PAID_OUT and refund.arrival_expected_until and not is_reported_missing(refund):
        return localdate(at) > refund.arrival_expected_until
    return bool(refund.promised_by and refund.promised_by < at)


def _stages(refund: Refund, events: Sequence[RefundEvent]) -> list[Stage]:
    """Stages up to the present one carry the time they were reached; automatic lanes have no review stage."""
    reached = _reached(events)
    status = S(refund.status)
    if status in ENDINGS:
        return _ended(refund, events, reached)
    codes = [code for code in STAGES if code not in _left_out(refund, reached)]
    position = codes.index(_stage_of(refund, events))
    stages = []
    for index, code in enumerate(codes):
        state = "done" if index < position or status == S.ARRIVED else "todo"
        if index == position and status != S.ARRIVED:
            state = _state_here(status)
        note = headline(refund) if index == position and status not in BRANCHES else ""
        reached_at = reached.get(code) if index <= position else None  # halted or sent again: what is ahead is ahead
        stages.append(Stage(code, str(STAGES[code]), state, reached_at, note))
        if index == position and status in BRANCHES:
            stages.append(
                Stage(status, str(BRANCHES[status]), "current", _entered(events, status).at, headline(refund))
            )
    return stages


def _state_here(status: S) -> str:
    if status == S.RETURNED:
        return "failed"
    if status == S.APPEAL_REVIEW:  # the review that it is about is over
        return "done"
    return "paused" if status in BRANCHES else "current"


def _stage_of(refund: Refund, events: Sequence[RefundEvent]) -> str:
    """Where it stands; an offer, where it was made."""
    status = S(refund.status)
    if status == S.OFFERED:
        return "merchant" if _entered(events, status).from_status == S.MERCHANT_REVIEW else "review"
    return STAGE_OF[status]


def _entered(events: Sequence[RefundEvent], status: S) -> RefundEvent:
    """The event that led into the present status, not what was done in it since."""
    return next(event for event in reversed(events) if event.to_status == status != event.from_status)


def _left_out(refund: Refund, reached: Mapping[str, datetime]) -> set[str]:
    """Stages that this case does not go through."""
    left_out = set() if "review" in reached or _will_be_reviewed(refund) else {"review"}
    left_out |= set() if "merchant" in reached else {"merchant"}
    return left_out | {"processing"} if _goes_to_balance(refund) and refund.status != S.RETURNED else left_out


def _goes_to_balance(refund: Refund) -> bool:
    return refund.destination == Destination.BALANCE


def _goes_to_account(refund: Refund) -> bool:
    return refund.destination == Destination.OTHER_ACCOUNT


def _ended(refund: Refund, events: Sequence[RefundEvent], reached: dict[str, datetime]) -> list[Stage]:
    """Not approved, or withdrawn: the stages it went through, and the end with its own time."""
    through = [Stage(code, str(STAGES[code]), "done", reached[code], "") for code in STAGES if code in reached]
    state = "done" if refund.status == S.REPLACED else "failed"
    end = Stage(refund.status, str(S(refund.status).label), state, events[-1].at, headline(refund))
    return [*through, end]


def _will_be_reviewed(refund: Refund) -> bool:
    """As long as nobody has decided. What the shop agreed to, or an offer settled, is not looked at again."""
    return refund.status in S.undecided()


def _reached(events: Sequence[RefundEvent]) -> dict[str, datetime]:
    """When each stage was first reached; a case that went back and forth shows the latest of its approvals."""
    reached: dict[str, datetime] = {}
    for event in events:
        code = "submitted" if event.step == "submit" else STAGE_OF[S(event.to_status)]
        if event.step == "submit":
            reached["pre_check"] = event.at
        if event.to_status == S.OFFERED or (event.to_status in S.at_rest() and event.to_status != S.ARRIVED):
            continue
        if code not in reached or code == "approved":
            reached[code] = event.at
    return reached
