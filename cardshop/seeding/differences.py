"""演示对账: orders of one day, and that day's bills with every kind of difference, found as the shop finds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

import clock
from cardshop.seeding import books
from cardshop.seeding.stories import Story
from clock import SHANGHAI
from payments.models import Payment
from reconciliation import resolving, statements

DAYS = 3
#: What WeChat's bill of trades says wrongly of one line each; ``unmoved``: that of movements leaves it out.
OF_TRADES = ("duplicate_line", "wrong_amount", "drop_line", "garbled_line", "other_state")
FIRST_FEE = "扣除交易手续费"  # as the bill of movements calls it


def stories(at: datetime) -> list[Story]:
    """The orders that the bills are wrong about, at noon of the last day whose bills are out."""
    noon = datetime.combine(_last_bill(at), time(12), SHANGHAI)
    told = [
        Story(0, 2, fault="duplicate_line"),
        Story(0, 3, buyer="buyer2", fault="wrong_amount"),
        Story(0, 1, fault="drop_line"),
        Story(0, 0, buyer="buyer2", fault="garbled_line"),
        Story(0, 5, fault="unmoved"),
        Story(0, 8, channel="alipay", fault="console"),
        Story(0, 1, "auto", reason="changed_mind", words="", hours=1, fault="other_state"),
        Story(0, 3, "closed_card", buyer="buyer2", seen=True, hours=1, funding="招商银行借记卡0403",
              fault="other_state"),
    ]  # fmt: skip
    for number, story in enumerate(told):
        story.days_ago = (at - noon - timedelta(minutes=number)) / timedelta(days=1)
    return told


def plant(told: Sequence[Story], control: str, at: datetime) -> None:
    """Spoil the bills, tell the channels of business that is not ours, and reconcile."""
    day = _last_bill(at)
    for story in told:
        if story.fault in OF_TRADES:
            _spoil(control, day, story.fault, _number_of(story))
        elif story.fault == "unmoved":
            payment = Payment.objects.get(pk=story.payment.pk)
            _spoil(control, day, "drop_line", payment.channel_transaction_id, kind="fundflow")
        elif story.fault == "console":
            books.tell(control, "alipay", refunds=[_by_hand(story)])
    _spoil(control, day, "wrong_amount", FIRST_FEE, kind="fundflow")
    _spoil(control, day - timedelta(days=1), "missing", None, kind="account", channel="alipay")
    noon = datetime.combine(day, time(12), SHANGHAI).isoformat()
    stray = {"out_trade_no": f"OFFLINE{day:%Y%m%d}", "amount_fen": 6600, "description": "线下收款", "paid_at": noon}
    books.tell(control, "wechat", payments=[stray])
    for back in range(DAYS):
        statements.want(day - timedelta(days=back), at=at)
    while statements.sweep(at=clock.now()):
        pass
    resolving.sweep(at=clock.now())


def _last_bill(at: datetime) -> date:
    yesterday = at.astimezone(SHANGHAI).date() - timedelta(days=1)
    return yesterday if at >= statements.ready_from(yesterday) else yesterday - timedelta(days=1)


def _number_of(story: Story) -> str:
    """Of the line that is wrong: its refund's, if it has one, else its payment's."""
    if story.refund is None:
        return story.payment.payment_no
    return story.refund.disbursements.select_related("attempt").get().attempt.request_no


def _by_hand(story: Story) -> dict[str, object]:
    """A part that somebody gave back in the channel's console, ten minutes after it was paid."""
    moment = (story.at + timedelta(minutes=12)).isoformat(timespec="seconds")
    return {
        "out_refund_no": f"CONSOLE{story.payment.payment_no}",
        "out_trade_no": story.payment.payment_no,
        "amount_fen": 500,
        "status": "SUCCESS",
        "created_at": moment,
        "succeeded_at": moment,
        "reason": "手工退款",
    }


def _spoil(
    control: str, day: date, fault: str, number: str | None, *, kind: str = "trade", channel: str = "wechat"
) -> None:
    books.act(control, "bill", channel=channel, kind=kind, day=str(day), fault=fault, number=number)
