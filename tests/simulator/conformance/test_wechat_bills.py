"""Bills through the stock client: the trade bill and the fund-flow bill of a day, right, and wrong when told to be."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

DAY = "2026-01-10"


def now_of(gateway: Any) -> datetime:
    return datetime.fromisoformat(gateway.ledger()["now"])


def to_hour(gateway: Any, hour: int) -> date:
    """Advance to the next time that clocks in Beijing show this hour; the day before it."""
    now = now_of(gateway)
    target = now.replace(hour=hour, minute=1, second=0)
    target += timedelta(days=1) if target <= now else timedelta()
    gateway.control("clock", {"advance_seconds": (target - now).total_seconds()})
    return target.date() - timedelta(days=1)


def at(day: date, time: str) -> str:
    return f"{day.isoformat()}T{time}+08:00"


def a_day(gateway: Any, *, refunds: bool = True) -> tuple[date, str]:
    """Yesterday gets two payments, and refunds in each state; it is past ten now: (the day, its first number)."""
    day = to_hour(gateway, 12)
    number = gateway.new_number()
    gateway.control(
        "history",
        {
            "payments": [
                payment(f"{number}A", 10000, at(day, "09:00:00"), "点卡,100元"),
                payment(f"{number}B", 333, at(day, "23:59:59")),
            ],
            "refunds": [
                {
                    "out_refund_no": f"{number}R{status}", "out_trade_no": f"{number}A", "amount_fen": 1000,
                    "status": status, "created_at": at(day, "10:00:00"),
                }
                for status in ("SUCCESS", "CLOSED", "ABNORMAL", "PROCESSING")
            ] if refunds else [],
        },
    )  # fmt: skip
    return day, number


def payment(number: str, amount_fen: int, paid_at: str, description: str = "点卡") -> dict[str, Any]:
    return {"out_trade_no": number, "amount_fen": amount_fen, "description": description, "paid_at": paid_at}


def fetch(
    gateway: Any, kind: str, day: date, sort: str = "", tar_type: str = "GZIP"
) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Ask, download, check the hash, read: (the rows, the totals) by their column names."""
    text = download(gateway, kind, day, sort, tar_type)
    assert text.endswith("\r\n")
    lines = list(csv.reader(text.splitlines()))
    head, rows, total_head, totals = lines[0], lines[1:-2], lines[-2], lines[-1]
    assert all(cell.startswith("`") for row in [*rows, totals] for cell in row)
    assert not any(cell.startswith("`") for cell in head + total_head)
    plain = [[cell[1:] for cell in row] for row in [*rows, totals]]
    return [dict(zip(head, row, strict=True)) for row in plain[:-1]], dict(zip(total_head, plain[-1], strict=True))


def download(gateway: Any, kind: str, day: date, sort: str = "", tar_type: str = "GZIP") -> str:
    link = ask(gateway, kind, day, sort, tar_type)
    assert link["download_url"].startswith(gateway.keys["gateway"] + "/")
    status, data = gateway.client.download_bill(link["download_url"])
    assert (status, type(data)) == (200, bytes)
    unpacked = gzip.decompress(data) if tar_type else data
    assert (link["hash_type"], link["hash_value"]) == ("SHA1", hashlib.sha1(unpacked).hexdigest())
    return unpacked.decode()


def ask(
    gateway: Any, kind: str, day: date, sort: str = "", tar_type: str = "GZIP", *, expect: int = 200
) -> dict[str, Any]:
    if not tar_type:  # the stock client always names one
        call = "tradebill" if kind == "trade" else "fundflowbill"
        status, answer = gateway.call("GET", f"/v3/bill/{call}?bill_date={day.isoformat()}")
    elif kind == "trade":
        status, answer = gateway.client.trade_bill(day.isoformat(), sort or "ALL", tar_type)
        answer = json.loads(answer)
    else:
        status, answer = gateway.client.fundflow_bill(day.isoformat(), sort or "BASIC", tar_type)
        answer = json.loads(answer)
    assert status == expect, answer
    return answer


def fen(yuan: str) -> int:
    return round(float(yuan) * 100)


def test_the_trade_bill_shows_what_the_books_hold(start_gateway: Any) -> None:
    gateway = start_gateway()
    day, number = a_day(gateway)
    rows, totals = fetch(gateway, "trade", day)
    first = rows[0]
    assert list(first)[:4] == ["交易时间", "公众账号ID", "商户号", "特约商户号"]
    assert len(first) == 27
    assert (first["交易时间"], first["商户订单号"]) == (f"{day} 09:00:00", f"{number}A")
    assert (first["订单金额"], first["应结订单金额"], first["手续费"], first["费率"]) == (
        "100.00",
        "100.00",
        "0.60000",
        "0.60%",
    )
    assert (first["特约商户号"], first["微信退款单号"], first["商户退款单号"]) == ("0", "0", "0")
    assert first["商品名称"] == "点卡\\ 100元"
    assert first["公众账号ID"] == gateway.keys["appid"]
    assert first["微信订单号"] == gateway.in_ledger("payments", f"{number}A")["transaction_id"]
    states = {row["商户退款单号"]: row["退款状态"] for row in rows if row["交易状态"] == "REFUND"}
    assert states == {
        f"{number}RSUCCESS": "SUCCESS", f"{number}RCLOSED": "FAIL", f"{number}RABNORMAL": "CHANGE",
        f"{number}RPROCESSING": "PROCESSING",
    }  # fmt: skip
    refund = next(row for row in rows if row["商户退款单号"] == f"{number}RSUCCESS")
    assert (refund["交易时间"], refund["申请退款金额"], refund["手续费"]) == (f"{day} 10:00:00", "10.00", "-0.06000")
    assert rows[-1]["商户订单号"] == f"{number}B"
    assert totals == {
        "总交易单数": "6", "应结订单总金额": "103.33", "退款总金额": "40.00", "充值券退款总金额": "0.00",
        "手续费总金额": "0.38000", "订单总金额": "103.33", "申请退款总金额": "40.00",
    }  # fmt: skip


def test_the_bill_may_be_of_one_kind_and_unpacked(start_gateway: Any) -> None:
    gateway = start_gateway()
    day, _ = a_day(gateway)
    assert fetch(gateway, "trade", day, tar_type="") == fetch(gateway, "trade", day)
    paid, totals = fetch(gateway, "trade", day, "SUCCESS")
    assert (len(paid), "商户退款单号" in paid[0], totals["总交易单数"]) == (2, False, "2")
    refunds, totals = fetch(gateway, "trade", day, "REFUND")
    assert (len(refunds), totals["申请退款总金额"]) == (4, "40.00")
    assert {row["退款申请时间"] for row in refunds} == {f"{day} 10:00:00"}
    assert [bool(row["退款成功时间"]) for row in refunds] == [row["退款状态"] == "SUCCESS" for row in refunds]


def test_the_fund_flow_adds_up_and_goes_on_from_day_to_day(start_gateway: Any) -> None:
    gateway = start_gateway()
    day, number = a_day(gateway)
    rows, totals = fetch(gateway, "fundflow", day)
    flows = [(row["业务类型"], row["收支类型"], row["收支金额(元)"]) for row in rows]
    assert flows[:2] == [("交易", "收入", "100.00"), ("扣除交易手续费", "支出", "0.60")]
    assert flows.count(("退款", "支出", "10.00")) == 4
    assert flows.count(("退还交易手续费", "收入", "0.06")) == 4
    assert flows.count(("退款关闭", "收入", "10.00")) == 1
    debit = next(row for row in rows if row["业务凭证号"] == f"{number}RSUCCESS")
    assert debit["微信支付业务单号"] == gateway.in_ledger("refunds", f"{number}RSUCCESS")["refund_id"]
    assert debit["备注"] == "退款总金额10.00元;含手续费0.06元"
    assert len({row["资金流水单号"] for row in rows}) == len(rows)
    signs = {"收入": 1, "支出": -1}
    balance = 0
    for row in rows:
        balance += signs[row["收支类型"]] * fen(row["收支金额(元)"])
        assert fen(row["账户结余(元)"]) == balance
    assert int(totals["资金流水总笔数"]) == int(totals["收入笔数"]) + int(totals["支出笔数"]) == len(rows)
    assert fen(totals["收入金额"]) - fen(totals["支出金额"]) == balance
    next_day, _ = a_day(gateway, refunds=False)
    assert next_day > day
    opening = fetch(gateway, "fundflow", next_day)[0][0]
    assert fen(opening["账户结余(元)"]) == balance + 10000


def test_a_bill_is_not_changed_by_what_comes_later(start_gateway: Any) -> None:
    gateway = start_gateway()
    day, number = a_day(gateway)
    gateway.control("settle", {"request_no": f"{number}RPROCESSING", "status": "CLOSED"})
    rows, _ = fetch(gateway, "trade", day)
    assert {row["退款状态"] for row in rows if row["商户退款单号"] == f"{number}RPROCESSING"} == {"PROCESSING"}
    today = now_of(gateway).date()
    to_hour(gateway, 11)
    flows, totals = fetch(gateway, "fundflow", today)
    assert [(row["业务类型"], row["收支类型"]) for row in flows] == [("退款关闭", "收入"), ("扣除交易手续费", "支出")]
    assert totals["收入金额"] == "10.00"


def test_what_was_paid_and_refunded_today_stands_in_tomorrows_bill(start_gateway: Any, deaf_url: str) -> None:
    gateway = start_gateway()
    number = gateway.paid_order(deaf_url)
    assert gateway.refund(number, f"{number}R1", 400)[0] == 200
    day = now_of(gateway).date()
    to_hour(gateway, 0)
    to_hour(gateway, 11)
    rows, _ = fetch(gateway, "trade", day)
    assert [row["交易状态"] for row in rows] == ["SUCCESS", "REFUND"]
    assert rows[1]["退款状态"] == "SUCCESS"


def test_when_a_bill_may_be_asked_for(start_gateway: Any) -> None:
    gateway = start_gateway()
    to_hour(gateway, 9)
    today = now_of(gateway).date()
    yesterday = today - timedelta(days=1)
    code = lambda day, kind="trade": ask(gateway, kind, day, expect=400)["code"]  # noqa: E731
    assert code(yesterday) == "STATEMENT_CREATING"
    assert code(today) == code(today + timedelta(days=1)) == "INVALID_REQUEST"
    assert code(today - timedelta(days=93)) == "INVALID_REQUEST"
    assert code(today - timedelta(days=80)) == "NO_STATEMENT_EXIST"
    assert code(today - timedelta(days=80), "fundflow") == "NO_STATEMENT_EXIST"
    to_hour(gateway, 10)
    assert code(yesterday) == "NO_STATEMENT_EXIST"
    day, _ = a_day(gateway)
    assert ask(gateway, "fundflow", day, "FEES", expect=400)["code"] == "NO_STATEMENT_EXIST"


@pytest.mark.parametrize(
    "query",
    [
        "tradebill", "tradebill?bill_date=20260110", "tradebill?bill_date=2026-02-30", "tradebill?bill_date=2026-01-1",
        "tradebill?bill_date=2026-01-10&bill_type=X", "tradebill?bill_date=2026-01-10&tar_type=ZIP",
        "fundflowbill?bill_date=2026-01-10&account_type=ALL",
    ],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused(gateway: Any, query: str) -> None:
    status, answer = gateway.call("GET", f"/v3/bill/{query}")
    assert (status, answer["code"]) == (400, "PARAM_ERROR")


def test_a_link_is_for_the_merchant_alone_and_for_five_minutes(start_gateway: Any) -> None:
    gateway = start_gateway()
    day, _ = a_day(gateway)
    url = ask(gateway, "trade", day)["download_url"]
    path = url.removeprefix(gateway.keys["gateway"])
    assert gateway.http("GET", path)[0] == 401
    status, headers, _ = gateway.http("GET", path, headers=gateway.signed("GET", path))
    assert status == 200
    assert not [name for name in headers if name.lower().startswith("wechatpay")]
    gateway.control("clock", {"advance_seconds": 299})
    assert gateway.client.download_bill(url)[0] == 200
    gateway.control("clock", {"advance_seconds": 2})
    assert gateway.client.download_bill(url)[0] == 400
    ask(gateway, "trade", day)
    assert len(list((gateway.folder / "bills").iterdir())) == 1  # what nobody can fetch any more is gone


def test_the_link_names_the_address_that_the_client_used(start_gateway: Any) -> None:
    gateway = start_gateway()
    day, _ = a_day(gateway)
    path = f"/v3/bill/tradebill?bill_date={day.isoformat()}"
    headers = gateway.signed("GET", path)
    for host, expected in (("pay.example:8080", "http://pay.example:8080/v3/"), ("a/b", gateway.keys["gateway"])):
        _, _, answer = gateway.http("GET", path, headers=headers | {"Host": host})
        assert json.loads(answer)["download_url"].startswith(expected)


def plant(gateway: Any, day: date, fault: str, **more: Any) -> None:
    gateway.control("bill", {"channel": "wechat", "kind": "trade", "day": day.isoformat(), "fault": fault} | more)


@pytest.fixture
def spoiled(start_gateway: Any) -> Callable[..., tuple[Any, date, str]]:
    def start(fault: str, line: str = "", **more: Any) -> tuple[Any, date, str]:
        gateway = start_gateway()
        day, number = a_day(gateway)
        plant(gateway, day, fault, **({"number": number + line} if line else {}), **more)
        return gateway, day, number

    return start


def test_g22_a_bill_is_missing_until_the_fault_is_cleared(spoiled: Any) -> None:
    gateway, day, _ = spoiled("missing")
    assert ask(gateway, "trade", day, expect=400)["code"] == "NO_STATEMENT_EXIST"
    ask(gateway, "fundflow", day)
    gateway.control("bill", {"clear": True})
    ask(gateway, "trade", day)


def test_g22_a_bill_is_late(spoiled: Any) -> None:
    gateway, day, _ = spoiled("late", delay_seconds=3 * 3600)
    assert ask(gateway, "trade", day, expect=400)["code"] == "STATEMENT_CREATING"
    gateway.control("clock", {"advance_seconds": 3600})
    ask(gateway, "trade", day)


def test_g22_a_line_is_dropped_doubled_or_off_by_a_fen_while_the_totals_stay(spoiled: Any) -> None:
    for fault, count in (("drop_line", 0), ("duplicate_line", 2), ("wrong_amount", 1)):
        gateway, day, number = spoiled(fault, "RSUCCESS")
        rows, totals = fetch(gateway, "trade", day)
        struck = [row for row in rows if row["商户退款单号"] == f"{number}RSUCCESS"]
        assert (len(struck), len(rows), totals["总交易单数"]) == (count, 5 + count, "6")
        if fault == "wrong_amount":
            assert (struck[0]["申请退款金额"], totals["申请退款总金额"]) == ("10.01", "40.00")


def test_g22_a_line_is_garbled(spoiled: Any) -> None:
    gateway, day, number = spoiled("garbled_line")
    lines = download(gateway, "trade", day).splitlines()
    assert "\ufffd" in lines[1]
    assert len(lines[1].split(",")) < 27
    assert f"`{number}B" in lines[6]


def test_the_hash_is_wrong_when_told(spoiled: Any) -> None:
    gateway, day, _ = spoiled("wrong_hash")
    link = ask(gateway, "trade", day)
    data = gzip.decompress(gateway.client.download_bill(link["download_url"])[1])
    assert link["hash_value"] != hashlib.sha1(data).hexdigest()


def test_a_difference_that_makes_no_sense_is_refused(gateway: Any) -> None:
    good = {"channel": "wechat", "kind": "trade", "day": DAY, "fault": "missing"}
    for change in (
        {"channel": "bank"},
        {"kind": "account"},
        {"day": "x"},
        {"fault": "x"},
        {"more": 1},
        {"clear": True},
    ):
        gateway.control("bill", good | change, expect=400)


def test_a_bill_of_fifty_thousand_lines_needs_no_memory(start_gateway: Any) -> None:
    gateway = start_gateway()
    day = to_hour(gateway, 12)
    payments = [payment(f"BULK{index:06d}", 100 + index, at(day, "09:00:00")) for index in range(50_000)]
    gateway.control("history", {"payments": payments})
    Path(f"/proc/{gateway.process.pid}/clear_refs").write_text("5")  # forget the peak so far
    before = peak_kib(gateway)
    text = download(gateway, "trade", day)
    assert text.count("\r\n") == 50_003
    assert peak_kib(gateway) - before < 12_000  # the file has 9 MB, and its rows as objects ten times that


def peak_kib(gateway: Any) -> int:
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
