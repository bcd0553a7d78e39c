"""A day's bills of both channels against our books, over HTTP: what differs is found, and nothing else."""

from __future__ import annotations

import pytest

import clock
from cardshop import invariants
from payments.models import AttemptStatus, Payment, RefundAttempt
from reconciliation.models import Discrepancy, DiscrepancyEvent, Statement, StatementLine
from tests.reconciliation.days import Day, stray_no

pytestmark = pytest.mark.django_db
CHANNELS = ["wechat", "alipay"]
FUNDS = {"wechat": "fundflow", "alipay": "account"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_day_of_honest_business_differs_in_nothing(day: Day, channel: str):
    """I2: paid and refunded, ours and theirs agree to the fen, and a second run writes nothing."""
    for _ in range(3):
        day.buy(channel)
    day.refund(channel)
    day.over()
    day.reconcile()
    assert found() == set()
    trades = Statement.objects.get(account__code=channel, kind="trades", day=day.day)
    assert (trades.status, trades.matched, trades.waiting) == ("matched", 5, 0)
    assert (trades.theirs_in_fen, trades.theirs_out_fen) == (trades.ours_in_fen, trades.ours_out_fen) == (12000, 3000)
    day.reconcile(again=True)
    assert found() == set()
    assert not DiscrepancyEvent.objects.exists()
    assert {row.status for row in Statement.objects.filter(day=day.day)} == {"matched"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_planted_difference_is_found_and_none_invented(day: Day, channel: str):
    """G21, G22, I2: a day with all kinds among honest business."""
    dropped, doubled, garbled, dear, unmoved = (day.buy(channel) for _ in range(5))
    gone = day.refund(channel)
    honest = [day.buy(channel), day.refund(channel).payment]
    outside = day.buy(channel)
    console = day.simulator.post("console_refund", out_trade_no=outside.payment_no, amount_fen=500)
    strange = stray_no()
    day.past(channel, [past_payment(strange, day)], [])
    for fault, number in (
        ("drop_line", dropped.payment_no), ("duplicate_line", doubled.payment_no),
        ("garbled_line", garbled.payment_no), ("wrong_amount", dear.payment_no), ("drop_line", gone.request_no),
    ):  # fmt: skip
        day.plant(channel, "trade", fault, number=number)
    day.plant(channel, FUNDS[channel], "drop_line", number=unmoved.channel_transaction_id)
    day.over()
    day.reconcile()
    assert found() - {("trades", "totals", "")} == {  # where a line cannot be read, Alipay's sums say nothing
        ("funds", "totals", ""),
        ("trades", "only_ours", dropped.payment_no),
        ("trades", "only_ours", gone.request_no),
        ("trades", "duplicate", doubled.payment_no),
        ("trades", "garbled", garbled.payment_no),
        ("trades", "amount", dear.payment_no),
        ("trades", "only_theirs", console["out_refund_no"]),
        ("trades", "unknown_payment", strange),
        ("funds", "funds", unmoved.payment_no),
    }
    assert {line.payment_no for line in StatementLine.objects.all()} >= {payment.payment_no for payment in honest}
    was_adopted(day, outside, console)
    day.simulator.post("bill", clear=True)
    day.reconcile(again=True)  # the channel has mended its bill: what was only the bill's is over by itself
    assert found() == {
        ("trades", "only_theirs", console["out_refund_no"]), ("trades", "unknown_payment", strange)
    }  # fmt: skip
    assert invariants.broken(day.simulator.ledger()) == []


def was_adopted(day: Day, outside: Payment, console: dict[str, str]) -> None:
    """Not from a bill with flaws: a person takes it over, once, however often."""
    from reconciliation import resolving

    row = Discrepancy.objects.get(kind="only_theirs")
    assert (row.theirs_fen, row.ours_state, Payment.objects.get(pk=outside.pk).external_fen) == (-500, "", 0)
    assert resolving.adopt(row, by=day.people.finance, at=clock.now()) == 1
    payment = Payment.objects.get(pk=outside.pk)
    assert (payment.external_fen, payment.refundable_fen) == (500, 2500)
    attempt = RefundAttempt.objects.get(status=AttemptStatus.EXTERNAL)
    assert (attempt.request_no, attempt.amount_fen) == (outside.payment_no + "X01", 500)
    assert resolving.adopt(row, by=day.people.finance, at=clock.now()) == 0
    assert console["out_refund_no"] in attempt.reason


def past_payment(number: str, day: Day) -> dict[str, object]:
    return {"out_trade_no": number, "amount_fen": 3000, "description": "手工收款", "paid_at": day.noon}


def found() -> set[tuple[str, str, str]]:
    rows = Discrepancy.objects.filter(status="open").select_related("statement")
    return {(row.statement.kind, row.kind, row.request_no or row.payment_no or row.channel_no) for row in rows}
