"""What stands in a bill: one row a payment, a refund or a movement of money, all amounts in yuan, and the totals.

The fee is 0.6 % of a payment, rounded to the fen, and goes back with each refund in its share, rounded down, so that no
number of parts gives back more than was taken.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from simulator.store import BEIJING
from simulator.wechat.objects import FUNDINGS, TRADE_TYPES
from simulator.world import World

RATE = "0.60%"
FEE_SQL = "((p.amount_fen * 6 + 500) / 1000)"  # of the payment `p`, fen
SHARE_SQL = f"({FEE_SQL} * m.amount_fen / p.amount_fen)"  # of it that belongs to the movement `m` of a refund

PAYMENT_HEAD = (
    "交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识", "交易类型",
    "交易状态", "付款银行", "货币种类", "应结订单金额", "代金券金额",
)  # fmt: skip
REFUND_PART = ("微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态")
TEXTS = ("商品名称", "商户数据包", "手续费", "费率", "订单金额")
TRADE_COLUMNS = {
    "ALL": (*PAYMENT_HEAD, *REFUND_PART, *TEXTS, "申请退款金额", "费率备注"),
    "SUCCESS": (*PAYMENT_HEAD, *TEXTS, "费率备注"),
    "REFUND": (*PAYMENT_HEAD, "退款申请时间", "退款成功时间", *REFUND_PART, *TEXTS, "申请退款金额", "费率备注"),
}
TRADE_TOTALS = (
    "总交易单数", "应结订单总金额", "退款总金额", "充值券退款总金额", "手续费总金额", "订单总金额", "申请退款总金额",
)  # fmt: skip
TRADE_AMOUNTS = ("应结订单金额", "退款金额", "订单金额", "申请退款金额")
FUND_COLUMNS = (
    "记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)", "账户结余(元)",
    "资金变更提交申请人", "备注", "业务凭证号",
)  # fmt: skip
FUND_TOTALS = ("资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额")
TO_MERCHANTS_CARD = "MERCHANT_BANK_CARD"  # money that goes back to his bank, not to his account with WeChat
REFUND_STATES = {"PROCESSING": "PROCESSING", "SUCCESS": "SUCCESS", "CLOSED": "FAIL", "ABNORMAL": "CHANGE"}


@dataclass
class Table:
    """A bill to be written: once all `rows` are taken, `count` and `totals()` are true."""

    columns: tuple[str, ...]
    total_columns: tuple[str, ...]
    amounts: tuple[int, ...]  # columns that hold the amount of a row
    rows: Iterator[list[str]] = field(default_factory=lambda: iter(()))
    sums: dict[str, int] = field(default_factory=dict)
    count: int = 0

    def add(self, name: str, value: int) -> None:
        self.sums[name] = self.sums.get(name, 0) + value

    def totals(self) -> list[str]:
        """The last line: counts and fen become counts and yuan."""
        return [self._total(name) for name in self.total_columns]

    def _total(self, name: str) -> str:
        value = self.sums.get(name, 0)
        if name.endswith(("笔数", "单数")):
            return str(value)
        return f"{yuan(value)}000" if name.startswith("手续费") else yuan(value)


def table(
    world: World, db: sqlite3.Connection, kind: str, sort: str, since: float, until: float, cut_at: float
) -> Table:
    """The rows of one bill: kind trade or fundflow, sort as the merchant named it, from `since` up to `until`."""
    if kind == "trade":
        columns = TRADE_COLUMNS[sort]
        amounts = tuple(columns.index(name) for name in TRADE_AMOUNTS if name in columns)
        result = Table(columns, TRADE_TOTALS, amounts)
        result.rows = _trade_rows(world, db, result, sort, since, until, cut_at)
        return result
    result = Table(FUND_COLUMNS, FUND_TOTALS, (FUND_COLUMNS.index("收支金额(元)"),))
    if sort == "BASIC":  # all money of this merchant lies there
        result.rows = _fund_rows(world, db, result, since, until)
    return result


def yuan(fen: int) -> str:
    """12345 -> 123.45"""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


# --- the trade bill --------------------------------------------------------------------------------------------------


def _trade_rows(
    world: World, db: sqlite3.Connection, bill: Table, sort: str, since: float, until: float, cut_at: float
) -> Iterator[list[str]]:
    wanted = {"ALL": (1, 1), "SUCCESS": (1, 0), "REFUND": (0, 1)}[sort]
    found = db.execute(
        f"""SELECT p.paid_at AS at, p.out_trade_no AS number, p.*, {FEE_SQL} AS fee_fen, NULL AS out_refund_no,
                   NULL AS refund_id, 0 AS refund_fen, NULL AS status, NULL AS asked_at, NULL AS succeeded_at,
                   NULL AS abnormal_type
              FROM payment p WHERE p.paid_at >= :since AND p.paid_at < :until AND :payments
            UNION ALL
            SELECT m.created_at, m.out_refund_no, p.*, -{SHARE_SQL}, m.out_refund_no, m.refund_id, m.amount_fen,
                   m.status, m.created_at, m.succeeded_at, m.abnormal_type
              FROM refund m JOIN payment p USING (out_trade_no)
             WHERE m.created_at >= :since AND m.created_at < :until AND :refunds
            ORDER BY 1, 2""",  # noqa: S608 - the parts are ours
        {"since": since, "until": until, "payments": wanted[0], "refunds": wanted[1]},
    )
    for row in found:
        cells = _trade_cells(world, db, row, cut_at)
        _count_trade(bill, row)
        yield [cells[name] for name in bill.columns]


def _trade_cells(world: World, db: sqlite3.Connection, row: sqlite3.Row, cut_at: float) -> dict[str, str]:
    refunded = row["out_refund_no"] is not None
    price = "0.00" if refunded else yuan(row["amount_fen"])
    state = _state_when_cut(db, row, cut_at) if refunded else ""
    succeeded_at = row["succeeded_at"] if state == "SUCCESS" else None
    return {
        "交易时间": _time(row["at"]),
        "公众账号ID": world.keys.appid,
        "商户号": world.keys.mchid,
        "特约商户号": "0",
        "设备号": "",
        "微信订单号": row["transaction_id"],
        "商户订单号": row["out_trade_no"],
        "用户标识": row["openid"] or world.keys.openid,
        "交易类型": TRADE_TYPES.get(row["trade_type"], row["trade_type"]),
        "交易状态": "REFUND" if refunded else "SUCCESS",
        "付款银行": FUNDINGS[row["funding"]][0],
        "货币种类": "CNY",
        "应结订单金额": price,
        "代金券金额": "0.00",
        "退款申请时间": _time(row["asked_at"]),
        "退款成功时间": _time(succeeded_at),
        "微信退款单号": row["refund_id"] or "0",
        "商户退款单号": row["out_refund_no"] or "0",
        "退款金额": yuan(row["refund_fen"]),
        "充值券退款金额": "0.00",
        "退款类型": "ORIGINAL" if refunded else "",
        "退款状态": REFUND_STATES.get(state, ""),
        "商品名称": _plain(row["description"]),
        "商户数据包": _plain(row["attach"] or ""),
        "手续费": f"{yuan(row['fee_fen'])}000",
        "费率": RATE,
        "订单金额": price,
        "申请退款金额": yuan(row["refund_fen"]),
        "费率备注": "",
    }


def _count_trade(bill: Table, row: sqlite3.Row) -> None:
    bill.count += 1
    price = 0 if row["out_refund_no"] is not None else row["amount_fen"]
    bill.add("总交易单数", 1)
    bill.add("应结订单总金额", price)
    bill.add("退款总金额", row["refund_fen"])
    bill.add("手续费总金额", row["fee_fen"])
    bill.add("订单总金额", price)
    bill.add("申请退款总金额", row["refund_fen"])


def _state_when_cut(db: sqlite3.Connection, row: sqlite3.Row, cut_at: float) -> str:
    """The refund's state as it was when the bill was cut; what came later is not written into it any more."""
    found = db.execute(
        "SELECT kind, max(moved_at) FROM movement WHERE number = ? AND moved_at <= ? GROUP BY kind",
        (row["out_refund_no"], cut_at),
    )
    moved = {kind: float(at) for kind, at in found.fetchall()}
    if "merchant_returned" in moved:
        return "SUCCESS" if row["abnormal_type"] == TO_MERCHANTS_CARD else "CLOSED"
    if "buyer_credited" in moved:
        return "ABNORMAL" if moved.get("buyer_bounced", 0.0) >= moved["buyer_credited"] else "SUCCESS"
    return "ABNORMAL" if row["status"] == "ABNORMAL" else "PROCESSING"


# --- the fund-flow bill ----------------------------------------------------------------------------------------------

# (what moved, 业务名称, 业务类型 and sign of the amount, 业务类型 and sign of the fee)
FLOWS = {
    "paid": ("交易", ("交易", 1), ("扣除交易手续费", -1)),
    "merchant_debited": ("退款", ("退款", -1), ("退还交易手续费", 1)),
    "merchant_returned": ("退款", ("退款关闭", 1), ("扣除交易手续费", -1)),
}
MOVED_SQL = f"""
    SELECT m.id, m.kind, m.number, m.amount_fen, m.moved_at, p.transaction_id AS business_no, {FEE_SQL} AS fee_fen
      FROM movement m JOIN payment p ON p.out_trade_no = m.number WHERE m.kind = 'paid'
    UNION ALL
    SELECT m.id, m.kind, m.number, m.amount_fen, m.moved_at, r.refund_id, {SHARE_SQL}
      FROM movement m JOIN refund r ON r.out_refund_no = m.number JOIN payment p USING (out_trade_no)
     WHERE m.kind = 'merchant_debited'
        OR m.kind = 'merchant_returned' AND coalesce(r.abnormal_type, '') <> '{TO_MERCHANTS_CARD}'
"""  # noqa: S608 - the parts are ours


def _fund_rows(world: World, db: sqlite3.Connection, bill: Table, since: float, until: float) -> Iterator[list[str]]:
    balance = _balance_before(db, since)
    found = db.execute(
        f"SELECT * FROM ({MOVED_SQL}) WHERE moved_at >= ? AND moved_at < ? ORDER BY moved_at, id",  # noqa: S608
        (since, until),
    )
    for row in found:
        name, amount, fee = FLOWS[row["kind"]]
        remark = f"退款总金额{yuan(row['amount_fen'])}元;含手续费{yuan(row['fee_fen'])}元" if name == "退款" else ""
        for part, ((business, sign), fen) in enumerate(((amount, row["amount_fen"]), (fee, row["fee_fen"]))):
            if not fen:
                continue
            balance += sign * fen
            _count_fund(bill, sign, fen)
            yield [
                _time(row["moved_at"]), row["business_no"], _flow_number(row, part), name, business,
                "收入" if sign > 0 else "支出", yuan(fen), yuan(balance), f"{world.keys.mchid}API", remark,
                row["number"],
            ]  # fmt: skip


def _balance_before(db: sqlite3.Connection, since: float) -> int:
    cases = "CASE kind WHEN 'merchant_debited' THEN fee_fen - amount_fen ELSE amount_fen - fee_fen END"
    total: int | None = db.execute(
        f"SELECT sum({cases}) FROM ({MOVED_SQL}) WHERE moved_at < ?",  # noqa: S608 - the parts are ours
        (since,),
    ).fetchone()[0]
    return total or 0


def _count_fund(bill: Table, sign: int, fen: int) -> None:
    bill.count += 1
    side = "收入" if sign > 0 else "支出"
    bill.add("资金流水总笔数", 1)
    bill.add(f"{side}笔数", 1)
    bill.add(f"{side}金额", fen)


def _flow_number(row: sqlite3.Row, part: int) -> str:
    day = datetime.fromtimestamp(row["moved_at"], BEIJING).strftime("%Y%m%d")
    return f"4200{day}{row['id']:015d}{part}"


def _time(at: float | None) -> str:
    return datetime.fromtimestamp(at, BEIJING).strftime("%Y-%m-%d %H:%M:%S") if at is not None else ""


def _plain(text: str) -> str:
    """What a merchant wrote, fit for a line: a comma becomes a backslash and a space, a line break a space."""
    return " ".join(text.replace(",", "\\ ").splitlines())
