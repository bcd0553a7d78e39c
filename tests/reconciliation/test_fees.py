"""手续费: taken with a payment, given back with its refund; one that does not come back is found, for either channel.

The texts are the channels' own form; the simulator's Alipay takes no fee.
"""

from __future__ import annotations

import io
from typing import Any

import pytest

import clock
from payments import channels
from payments.gateways.base import BillKind
from payments.models import Payment
from reconciliation import matching, statements
from reconciliation.models import Discrepancy, Statement
from tests.gateways import test_alipay_bills as alipay_texts
from tests.gateways import test_wechat_bills as wechat_texts
from tests.reconciliation.days import Day
from tests.reconciliation.test_matching import CHANNELS

pytestmark = pytest.mark.django_db
FEE = "0.18"  # of ¥30.00


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_fee_that_does_not_come_back_with_its_refund_is_found_and_nothing_else(day: Day, channel: str):
    attempt = day.refund(channel)
    payment = attempt.payment
    day.over()
    for gives_back, differs in (
        (True, []),
        (False, [("fee", attempt.channel_refund_id if channel == "wechat" else payment.channel_transaction_id)]),
        (True, []),  # once the channel has mended it
    ):
        bills = BILLS[channel](payment, attempt, day, gives_back)
        for kind in (BillKind.TRADES, BillKind.FUNDS):
            compare(payment, day, kind, bills[kind])
        open_rows = Discrepancy.objects.filter(status="open")
        assert [(row.kind, row.channel_no) for row in open_rows] == differs
        assert [row.theirs_fen - row.ours_fen for row in open_rows] == [-18] * len(differs)


def compare(payment: Payment, day: Day, kind: BillKind, text: str) -> None:
    """The bill is fetched (its text is ours to say), read, staged and compared."""
    at = clock.now()
    row, _ = Statement.objects.get_or_create(
        account=payment.account, kind=kind.value, day=day.day, defaults={"created_at": at, "next_due_at": at}
    )
    statements.stage(row, channels.gateway(payment.account), kind, io.BytesIO(text.encode()))
    row.status, row.downloaded_at, row.next_due_at = "downloaded", at, at
    row.save()
    matching.compare(row, at=at)
    assert (row.flaws, row.totals_fit) == (0, True)


def wechat(payment: Payment, attempt: Any, day: Day, gives_back: bool) -> dict[BillKind, str]:
    at, texts = f"{day.day} 12:00:00", wechat_texts
    paid = f"{at},wx1,1,0,,{payment.channel_transaction_id},{payment.payment_no},o,NATIVE,SUCCESS,OTHERS,CNY,30.00,"
    gone = f"{at},wx1,1,0,,{payment.channel_transaction_id},{payment.payment_no},o,NATIVE,REFUND,OTHERS,CNY,0.00,"
    trades = [
        texts.TRADE_COLUMNS,
        texts.ticked(f"{paid}0.00,0,0,0.00,0.00,,,点卡,,{FEE}000,0.60%,30.00,0.00,"),
        texts.ticked(
            f"{gone}0.00,{attempt.channel_refund_id},{attempt.request_no},30.00,0.00,ORIGINAL,SUCCESS,点卡,,"
            f"-{FEE}000,0.60%,0.00,30.00,"
        ),
        texts.TRADE_TOTALS,
        "`2,`30.00,`30.00,`0.00,`0.00000,`30.00,`30.00",
    ]
    moves = [
        f"{at},{payment.channel_transaction_id},1,交易,交易,收入,30.00,0,s,,{payment.payment_no}",
        f"{at},{payment.channel_transaction_id},2,扣除交易手续费,扣除交易手续费,支出,{FEE},0,s,,{payment.payment_no}",
        f"{at},{attempt.channel_refund_id},3,退款,退款,支出,30.00,0,s,,{attempt.request_no}",
    ]
    if gives_back:
        moves.append(f"{at},{attempt.channel_refund_id},4,退款,退还交易手续费,收入,{FEE},0,s,,{attempt.request_no}")
    came = "`4,`2,`30.18" if gives_back else "`3,`1,`30.00"
    funds = [texts.FUNDS_COLUMNS, *map(texts.ticked, moves), texts.FUNDS_TOTALS, f"{came},`2,`30.18"]
    return {BillKind.TRADES: "\r\n".join([*trades, ""]), BillKind.FUNDS: "\r\n".join([*funds, ""])}


def alipay(payment: Payment, attempt: Any, day: Day, gives_back: bool) -> dict[BillKind, str]:
    at, texts, trade = f"{day.day} 12:00:00", alipay_texts, f"{payment.channel_transaction_id},{payment.payment_no}"
    paid = f"{trade},交易,点卡,{at},{at},,,,,,30.00,30.00,0,0,0,0,0,,0,0,,-{FEE},0,"
    gone = f"{trade},退款,点卡,{at},{at},,,,,,-30.00,-30.00,0,0,0,0,0,,0,0,{attempt.request_no},{FEE},0,"
    moves = [
        f"1,{trade},点卡,{at},x,30.00,,0,支付宝,在线支付,",
        f"2,{trade},点卡,{at},x,,-{FEE},0,支付宝,收费,",
        f"3,{trade},点卡,{at},x,,-30.00,0,支付宝,交易退款,",
    ]
    if gives_back:
        moves.append(f"4,{trade},点卡,{at},x,{FEE},,0,支付宝,退费,")
    end = f"{texts.RULE}列表结束------------------------------------"
    trades = ["#支付宝业务明细查询", texts.TRADE_COLUMNS, paid, gone, end]
    funds = ["#支付宝账务明细查询", texts.FUND_COLUMNS, *moves, end]
    return {BillKind.TRADES: "\r\n".join([*trades, ""]), BillKind.FUNDS: "\r\n".join([*funds, ""])}


BILLS = {"wechat": wechat, "alipay": alipay}
