"""财务的一天: what finance reads first, in the order of the day, each line leading to where it is worked off (N5)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

import clock
from ledger import daily, posting
from payments import channels, outgoing, transfers
from reconciliation.models import Discrepancy, Statement
from shops import deposits
from tests.cases import House
from tests.desk.conftest import text
from tests.desk.test_channels import short  # noqa: F401
from tests.desk.test_transfers import asked  # noqa: F401

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def lines(seat: Any) -> dict[str, Any]:
    return {line.title: line for part in seat.get("/admin/").context["day"] for line in part.lines}


def test_finance_reads_its_day_in_order_and_every_line_leads_somewhere(sits: Any, staff: Any, approved: Any) -> None:
    case = approved()
    clock.advance(timedelta(hours=49))
    seat = sits(staff["finance"])
    answer = seat.get("/admin/")
    assert [part.title for part in answer.context["day"]] == [
        "出款开关", "今天要放的", "等充值", "退回来的", "转账", "渠道账单的差错",
    ]  # fmt: skip
    found = lines(seat)
    release = found["待放款"]
    assert (release.count, release.total_fen, release.late) == (1, case.amount_fen, 1)
    assert case.refund_no in text(seat.get(release.url))
    for line in found.values():
        assert seat.get(line.url).status_code == 200, line.title
    assert "还没有统计过" in text(answer)
    for role in ("reviewer", "senior", "operator"):
        assert "day" not in sits(staff[role]).get("/admin/").context


def test_a_stop_and_what_waits_for_funds_stand_there_with_whose_and_how_much(
    sits: Any,
    finance: Any,
    short: Any,  # noqa: F811
) -> None:
    account = short(1500, 2300)[0].payment.account
    outgoing.stop(by=finance, reason="核对账目", at=clock.now(), account=account)
    outgoing.stop(by=finance, reason="先停再查。", at=clock.now())
    found = lines(sits(finance))
    assert found["出款已停止"].said == f"全部出款：先停再查；{account.name}：核对账目。由停止人以外的同事恢复"
    assert (found[account.name].count, found[account.name].total_fen) == (2, 3800)
    assert found[account.name].url == f"/admin/payments/channelaccount/{account.pk}/change/"


def test_what_leaves_by_hand_stands_there_with_who_has_to_act(
    sits: Any,
    finance: Any,
    cashier: Any,
    shop: Any,
    asked: Any,  # noqa: F811
) -> None:
    at = clock.now()
    deposits.record(shop, amount_fen=5000, voucher="V1", note="", by=cashier, at=at)
    assert lines(sits(finance))["退还保证金"].counted == "0"
    deposits.ask_back(shop, amount_fen=900, note="退出", by=cashier, at=at)
    mine, others = lines(sits(cashier))["退还保证金"], lines(sits(finance))["退还保证金"]
    assert (others.count, others.total_fen, others.late) == (1, 900, 0)
    assert "由您申请" in mine.said
    assert "由您申请" not in others.said
    assert "存疑的转账" not in lines(sits(finance))
    clock.advance(timedelta(minutes=1))
    transfers.hold_after_a_restore(before=clock.now(), at=clock.now())
    doubtful = lines(sits(finance))["存疑的转账"]
    assert (doubtful.count, doubtful.total_fen, doubtful.is_bad) == (1, asked.amount_fen, True)
    assert doubtful.url == "/admin/payments/transfer/?in_doubt=1"
    noticed_at = clock.now()
    clock.advance(timedelta(minutes=1))
    transfers.confirm_unpaid(asked, by=cashier, at=clock.now())
    assert transfers.hold_after_a_restore(before=noticed_at, at=clock.now()) == 0  # the run begins: it was asked about
    assert transfers.hold_after_a_restore(before=clock.now() + DAY, at=clock.now() + DAY) == 1  # a later restore


def test_differences_stand_by_kind_the_urgent_first_and_more_of_them_cost_no_more_queries(
    sits: Any, finance: Any
) -> None:
    at, seat = clock.now(), sits(finance)
    account = channels.platform_accounts()[0]
    bill = Statement.objects.create(account=account, kind="trades", day=at.date(), created_at=at, next_due_at=at)

    def differ(kind: str, key: str, hours: int, *, urgent: bool = False) -> None:
        due = at + timedelta(hours=hours)
        Discrepancy.objects.create(
            statement=bill, kind=kind, key=key, found_at=at, due_at=due, next_due_at=due, is_urgent=urgent
        )

    differ("garbled", "1", 5)
    lines(seat)
    with CaptureQueriesContext(connection) as few:
        seat.get("/admin/")
    differ("garbled", "2", -1)
    differ("closed_paid", "3", 4, urgent=True)
    with CaptureQueriesContext(connection) as many:
        answer = seat.get("/admin/")
    assert len(many) == len(few)
    rows = answer.context["day"][-1].lines
    assert [(row.title, row.count, row.late) for row in rows] == [
        ("我方已关闭，渠道已退", 1, 0), ("账单行残缺", 2, 1),
    ]  # fmt: skip
    assert [row.pk for row in seat.get(rows[0].url).context["cl"].result_list] == [
        Discrepancy.objects.get(kind="closed_paid").pk
    ]


def test_the_chart_counts_what_left_and_what_came_back(sits: Any, finance: Any) -> None:
    at = clock.now()
    wechat = posting.channel_account("wechat")
    posting.post([posting.Transfer("payment:P1", wechat, "shop:1", 9000)], at=at - 3 * DAY)
    posting.post([posting.Transfer("refund:P1R01", "held:1", wechat, 5000)], at=at - 2 * DAY)
    daily.count(at=at)
    posting.reverse({"refund:P1R01": "refund_returned:P1R01"}, at=at)
    posting.post([posting.Transfer("transfer_paid:T1", "transfer:platform", posting.BANK, 700)], at=at)
    daily.count(at=at)
    days = daily.latest(at=at)
    assert len(days) == daily.DAYS
    assert [(day.left_fen, day.back_fen) for day in days if day.left_fen or day.back_fen] == [(5000, 0), (700, 5000)]
    bar = sits(finance).get("/admin/").context["moved"]
    assert [sum(each["data"]) for each in json.loads(bar.data)["datasets"]] == [57.0, 50.0]
    assert [row[1] for row in bar.rows] == [["¥7.00", "¥50.00"], ["¥50.00", "¥0.00"]]


def test_what_a_bank_gave_back_of_a_refund_is_in_the_chart(house: House) -> None:
    """Its posting is one of its own, and reverses none: the channel may pay it once more."""
    refund = house.on(house.case(price_fen=8800), "reviewer approve")
    house.ends_as(house.sent(refund), "SUCCESS")
    assert house.ends_as(refund, "ABNORMAL").status == "returned"
    daily.count(at=clock.now())
    today = daily.latest(at=clock.now())[-1]
    assert (today.left_fen, today.back_fen) == (8800, 8800)
