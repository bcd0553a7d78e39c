"""放款之前与之后, in the desk's words: what keeps a case's money here, and what really happens once it is released."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.desk import link
from accounts.models import User
from payments import outgoing
from payments.admin.attempts import can_be_sent_back
from payments.admin.outgoing import said
from payments.models import RefundAttempt
from refunds import doubts, lifecycle
from refunds.models import Destination, PayoutLine, Refund
from refunds.payouts import releasing

RELEASES = {"disburse", "credit_balance", "request_transfer"}
REISSUES = {"reissue", "reissue_above_limit"}
SENDS = RELEASES | REISSUES | {"confirm_redirect"}  # towards money that leaves
AT_ONCE = {"credit_balance", "send_to_card"}  # does not wait in any queue while outgoing money is stopped


def why_not(case: Refund, step: str, user: User) -> str:
    """Why this step may not be taken towards this case's money just now, with where that is mended; empty: it may."""
    if step in SENDS and (doubt := in_doubt(case, user)):
        return doubt
    if step in RELEASES and (waits := in_batch(case, user)):
        return waits
    if step in AT_ONCE and (stopped := outgoing.stopped()):
        return f"{said(stopped)}。恢复以后再办，现在没有任何款项会变动。"
    if step in REISSUES and (attempt := lifecycle.unclosed([case]).get(case.pk)):
        return way_on(attempt, user)
    return ""


def in_doubt(case: Refund, user: User) -> SafeString | str:
    """存疑, with the difference that a person has to clear up."""
    rows = doubts.of([case]).get(case.pk, {})
    if not rows:
        return ""
    row = next(iter(rows.values()))
    return format_html("紧急差错“{}”：{}", link(row, seen_by=user), doubts.PAID_THERE)


def in_batch(case: Refund, user: User) -> SafeString | str:
    """It waits in a batch of payouts, which pays it in its turn."""
    line = releasing.waiting_in([case]).get(case.pk)
    return paid_by_batch(line, user) if line else ""


def paid_by_batch(line: PayoutLine, user: User) -> SafeString:
    batch, state = line.batch, line.batch.get_status_display()
    return format_html(
        "已列入发款批次 {}（{}，第 {} 笔），由批次放款。要单独放款，请先把这一批撤下。",
        link(batch, batch.batch_no, seen_by=user), state, line.position,
    )  # fmt: skip


def way_on(attempt: RefundAttempt, user: User) -> SafeString:
    """What becomes of a case whose channel has not closed what was sent, and by what button."""
    if attempt.redirect_to:
        words = "正在告知渠道{}，结果会自动更新。钱回到商户号后，这里会出现“重新原路退款”，买家也可另选去向。"
        words = format_html(words, attempt.get_redirect_to_display())
    elif can_be_sent_back(attempt):
        words = (
            "先等买家在退款单上选择去向；签署银行卡的，可由没有放过这笔款的同事“退至签署的银行卡”。不等了，或选了别的去向的，"
            "请打开这笔渠道退款，点“退回商户账户”；钱回到商户号后，这里会出现“重新原路退款”。"
        )
    else:
        words = "请打开这笔渠道退款，按那里的提示处理；渠道关闭后，这里会出现“重新原路退款”。"
    return format_html("渠道还没有关闭 {}，不能重新发放。{}", link(attempt, seen_by=user), words)


def what_next(case: Refund, stopped: outgoing.Stopped) -> str:
    """What becomes of its money once it is released."""
    account = case.payment.account
    if case.destination == Destination.BALANCE:
        return "已退至买家余额"
    if case.destination == Destination.OTHER_ACCOUNT:
        later = "；全部出款已停止，恢复以后才付款" if stopped.everything else ""
        return f"已列入转账，由另两位同事审批并付款{later}"
    return waits_for(case, stopped) or f"正在发往支付渠道（{account.name}）"


def waits_for(case: Refund, stopped: outgoing.Stopped) -> str:
    """What its channel's money waits for; empty where it goes at once."""
    account = case.payment.account
    if case.destination != Destination.ORIGINAL:
        return ""
    if stopped.everything:
        return "全部出款已停止，先排队，恢复出款后才发往支付渠道"
    if stopped.of(account.pk):
        return f"{account.name}的出款已停止，先排队，恢复后才发往支付渠道"
    if account.short_since:
        return f"{account.name}商户号余额不足，先排队，充值后以原单号发出"
    return ""


def told(sent: Sequence[Refund]) -> list[tuple[str, int]]:
    """[(what becomes of their money, how many)] of what was released."""
    stopped = outgoing.now()
    counts: dict[str, int] = {}
    for case in sent:
        words = what_next(case, stopped)
        counts[words] = counts.get(words, 0) + 1
    return list(counts.items())
