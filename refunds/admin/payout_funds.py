"""余额 on a batch's page: what an account's money means for this batch, as far as the batch is."""

from __future__ import annotations

from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.desk import badge, yuan
from refunds.models import BatchStatus as B
from refunds.models import PayoutBatch
from refunds.payouts.totals import OfAccount

OVER = (B.DONE, B.CALLED_OFF)
#: What becomes of the lines that are not released, where the account lacks money.
THE_REST: dict[str, str] = {
    B.DRAFT: "这一批会排在后面，充值后继续",
    B.PROPOSED: "这一批会排在后面，充值后继续",
    B.APPROVED: "这一批会排在后面，充值后继续",
    B.SENDING: "还没有发的会排在后面，充值后继续",
    B.STOPPED: "还没有发的已暂停",
}


def said(batch: PayoutBatch, of: OfAccount) -> SafeString | str:
    """Of a batch that is over, only what of it still waits: nothing of it comes after."""
    if batch.status in OVER:
        return _of_its_own(of) if of.own_waits else "这一批没有在等余额的"
    if of.stopped:
        return badge("已停止出款", "bad")
    if of.account.short_since:
        return format_html("{} {}", badge("余额不足", "bad"), _in_line(batch, of))
    return badge("渠道故障", "bad") if of.account.trouble else "没有不足的记录"


def _of_its_own(of: OfAccount) -> SafeString:
    if of.stopped:
        return format_html("{} 这一批有 {} 笔在等余额，充值并恢复出款后继续", badge("已停止出款", "bad"), of.own_waits)
    return format_html("{} 这一批有 {} 笔在等，充值后继续", badge("余额不足", "bad"), of.own_waits)


def _in_line(batch: PayoutBatch, of: OfAccount) -> str:
    own = f"，其中这一批 {of.own_waits} 笔" if of.own_waits else ""
    return f"已有 {of.waits.count} 笔 {yuan(of.waits.total_fen)} 在等{own}；{THE_REST[batch.status]}"
