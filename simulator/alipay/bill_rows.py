"""The lines of Alipay's bills (业务明细、账务明细): `#` heads, the column names, rows with trailing tabs, `#` totals.

A line stands there for every time that money moved; refunds are negative.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from simulator import bill_faults
from simulator.alipay.fields import beijing, yuan
from simulator.world import World

TRADE_COLUMNS = (
    "支付宝交易号", "商户订单号", "业务类型", "商品名称", "创建时间", "完成时间", "门店编号", "门店名称",
    "操作员", "终端号", "对方账户", "订单金额（元）", "商家实收（元）", "支付宝红包（元）", "集分宝（元）",
    "支付宝优惠（元）", "商家优惠（元）", "券核销金额（元）", "券名称", "商家红包消费金额（元）",
    "卡消费金额（元）", "退款批次号/请求号", "服务费（元）", "分润（元）", "备注",
)  # fmt: skip
ACCOUNT_COLUMNS = (
    "账务流水号", "业务流水号", "商户订单号", "商品名称", "发生时间", "对方账号", "收入金额（+元）", "支出金额（-元）",
    "账户余额（元）", "交易渠道", "业务类型", "备注",
)  # fmt: skip
SUMMARY_COLUMNS = (
    "门店编号", "门店名称", "交易订单总笔数", "退款订单总笔数", "订单金额（元）", "商家实收（元）", "支付宝优惠（元）",
    "商家优惠（元）", "卡消费金额（元）", "服务费（元）", "分润（元）", "实收净额（元）",
)  # fmt: skip
MOVEMENTS = (
    "SELECT m.*, t.out_trade_no, t.subject, t.created_at, t.payer, r.refund_reason FROM alipay_movement AS m"
    " JOIN alipay_trade AS t USING (trade_no)"
    " LEFT JOIN alipay_refund AS r ON r.trade_no = m.trade_no AND r.out_request_no = m.out_request_no"
    " WHERE moved_at >= ? AND moved_at < ? ORDER BY moved_at, m.id"
)


def count(db: sqlite3.Connection, start: float, end: float) -> int:
    """How many lines the bill of this time has."""
    row = db.execute("SELECT count(*) FROM alipay_movement WHERE moved_at >= ? AND moved_at < ?", (start, end))
    return int(row.fetchone()[0])


def trade_bill(
    world: World, db: sqlite3.Connection, start: float, end: float, plants: Sequence[sqlite3.Row]
) -> tuple[str, str]:
    """业务明细 and its 汇总."""
    moved = db.execute(MOVEMENTS, (start, end)).fetchall()
    rows = [_trade_row(world, row) for row in moved]
    lines = bill_faults.spoil(rows, plants, (11, 12), _line)
    paid = [row["amount_fen"] for row in moved if row["kind"] == "paid"]
    refunded = [row["amount_fen"] for row in moved if row["kind"] == "refunded"]
    footer = (
        "#-----------------------------------------业务明细列表结束------------------------------------\r\n"
        f"#交易合计：{len(paid)}笔，商家实收共{yuan(sum(paid))}元，商家优惠共0.00元\r\n"
        f"#退款合计：{len(refunded)}笔，商家实收退款共{yuan(-sum(refunded))}元，商家优惠退款共0.00元\r\n"
        f"#导出时间：[{_day_time(world.store.now())}]\r\n"
    )
    details = _head(world, "业务明细查询", start, end, "业务明细列表") + ",".join(TRADE_COLUMNS) + "\r\n"
    net = yuan(sum(paid) - sum(refunded))
    total = ("合计", "", str(len(paid)), str(len(refunded)), net, net, "0.00", "0.00", "0.00", "0.00", "0.00", net)
    summary = _head(world, "业务汇总查询", start, end, "业务汇总列表") + ",".join(SUMMARY_COLUMNS) + "\r\n"
    ending = "#-----------------------------------------业务汇总列表结束------------------------------------\r\n"
    return details + "".join(lines) + footer, summary + _line(total) + ending


def account_bill(
    world: World, db: sqlite3.Connection, start: float, end: float, plants: Sequence[sqlite3.Row]
) -> tuple[str, str]:
    """账务明细 and its 汇总: what came into the seller's balance and what left it."""
    before = db.execute(
        "SELECT COALESCE(sum(CASE kind WHEN 'paid' THEN amount_fen ELSE -amount_fen END), 0) FROM alipay_movement"
        " WHERE moved_at < ?",
        (start,),
    ).fetchone()[0]
    balance_fen, rows, came, went = int(before), [], 0, 0
    for row in db.execute(MOVEMENTS, (start, end)).fetchall():
        income = row["kind"] == "paid"
        balance_fen += row["amount_fen"] if income else -row["amount_fen"]
        came += row["amount_fen"] if income else 0
        went += 0 if income else row["amount_fen"]
        rows.append(_account_row(world, row, balance_fen))
    count_in, count_out = sum(1 for row in rows if row[6]), sum(1 for row in rows if row[7])
    lines = bill_faults.spoil(rows, plants, (6, 7), _line)
    footer = (
        "#-----------------------------------------账务明细列表结束------------------------------------\r\n"
        f"#支出合计：{count_out}笔，共{yuan(-went)}元\r\n"
        f"#收入合计：{count_in}笔，共{yuan(came)}元\r\n"
        f"#导出时间：[{_day_time(world.store.now())}]\r\n"
    )
    details = _head(world, "账务明细查询", start, end, "账务明细列表") + ",".join(ACCOUNT_COLUMNS) + "\r\n"
    summary = _head(world, "账务汇总查询", start, end, "账务汇总列表") + "类型,笔数,金额（元）\r\n"
    totals = _line(("收入", str(count_in), yuan(came))) + _line(("支出", str(count_out), yuan(-went)))
    return details + "".join(lines) + footer, summary + totals


def _trade_row(world: World, row: sqlite3.Row) -> tuple[str, ...]:
    paid = row["kind"] == "paid"
    amount = yuan(row["amount_fen"] if paid else -row["amount_fen"])
    logon_id = world.alipay.buyer(row["payer"]).logon_id
    return (
        row["trade_no"], row["out_trade_no"], "交易" if paid else "退款", _plain(row["subject"]),
        beijing(row["created_at"]), beijing(row["moved_at"]), "", "", "", "",
        f"*买家({logon_id})", amount, amount, "0.00", "0.00", "0.00", "0.00", "0.00", "", "0.00",
        "0.00", row["out_request_no"], "0.00", "0.00", _plain(row["refund_reason"] or ""),
    )  # fmt: skip


def _account_row(world: World, row: sqlite3.Row, balance_fen: int) -> tuple[str, ...]:
    paid, amount = row["kind"] == "paid", row["amount_fen"]
    return (
        f"{row['trade_no'][:8]}{row['id']:012d}", row["trade_no"], row["out_trade_no"], _plain(row["subject"]),
        beijing(row["moved_at"]), world.alipay.buyer(row["payer"]).logon_id, yuan(amount) if paid else "",
        "" if paid else yuan(-amount), yuan(balance_fen), "支付宝", "在线支付" if paid else "交易退款",
        row["out_request_no"],
    )  # fmt: skip


def _head(world: World, title: str, start: float, end: float, table: str) -> str:
    return (
        f"#支付宝{title}\r\n#账号：[{world.alipay.seller_id}0156]\r\n"
        f"#起始日期：[{_day_time(start)}]   终止日期：[{_day_time(end)}]\r\n"
        f"#-----------------------------------------{table}------------------------------------\r\n"
    )


def _line(cells: Sequence[str]) -> str:
    """Cells carry a trailing tab, so that spreadsheets leave long numbers alone."""
    return ",".join(f"{cell}\t" for cell in cells) + "\r\n"


def _plain(text: str) -> str:
    """Alipay's CSV knows no quotes."""
    return text.replace(",", "，").replace("\r", " ").replace("\n", " ").replace("\t", " ")


def _day_time(at: float) -> str:
    day, _, time = beijing(at).partition(" ")
    year, month, number = day.split("-")
    return f"{year}年{month}月{number}日 {time}"
