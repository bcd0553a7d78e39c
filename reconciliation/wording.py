"""差错的话: what each kind means, what to do next, and reasons that are usual. For the desk, in Chinese."""

from __future__ import annotations

import re

from payments.models import AttemptStatus, PaymentStatus
from reconciliation.models import Discrepancy
from reconciliation.models import DiscrepancyKind as K

#: What it says of the money, and what to do first.
NEXT: dict[str, str] = {
    K.ONLY_OURS: "我方记为成功，渠道账单没有。请再次询问渠道；仍说成功的，重新下载账单。",
    K.ONLY_THEIRS: "有人在渠道后台退了款。系统已（或请点“补记”）从可退金额中扣除，再由两人确认由谁承担。",
    K.UNKNOWN_PAYMENT: "渠道收到一笔不属于我方订单的钱。请联系渠道或付款人，查清前不动这笔钱。",
    K.AMOUNT: "金额对不上。请再次询问渠道，以渠道的签名答复为准；账单有误的，重新下载。",
    K.STATE: "状态对不上。系统已再次询问渠道，答复后会自动重新对账。",
    K.CLOSED_PAID: "我方已关闭，渠道却退了款：可能重复退款。系统会询问渠道并认领，请立即核对；了结前退款单不能再放款。",
    K.DUPLICATE: "同一笔在账单里出现两次，系统只算一次。请重新下载；仍重复的，联系渠道后说明。",
    K.GARBLED: "这一行读不出来，系统不猜。请重新下载账单。",
    K.LATE: "账单迟到或缺失，系统每半小时再取。请到商户平台确认是否已出账。",
    K.TOTALS: "账单的汇总与明细不符：明细可能缺行。请重新下载；仍不符的，联系渠道。",
    K.FUNDS: "交易账单与资金账单对不上。请到商户平台核对这笔资金流水。",
    K.FEE: "手续费与交易账单不符（如退款未退还手续费）。请向渠道核对费率。",
}
#: In place of a side that names no amount.
LINKED = "账单的这一行没有单独的记录；它提到的是下面这一笔。"
NONE_OF_OURS: dict[str, str] = dict.fromkeys([K.TOTALS, K.LATE], "说的是整张账单，不是哪一笔。")
NONE_OF_THEIRS: dict[str, str] = {
    K.GARBLED: "这一行读不出金额。",
    K.TOTALS: "说的是整张账单，不是哪一笔。",
    K.LATE: "还没有这张账单。",
}
USUAL: dict[str, str] = {
    "console": "财务已在渠道后台核实，是本公司人员手工退款，工单号：",
    "bill_error": "已向渠道核实，属账单错误，实际资金无误。渠道工单号：",
    "fee": "已向渠道核实，手续费按合同另行结算。",
    "test": "渠道侧的测试交易，与订单无关。",
}
EVENTS: dict[str, str] = {
    "found": "对账发现",
    "found_again": "再次出现",
    "closed": "再次对账时已一致",
    "asked": "再次询问渠道",
    "adopted": "补记为渠道侧退款",
    "downloaded": "重新下载账单",
    "handed_over": "转交",
    "proposed": "提出由谁承担",
    "answered": "结果",
    "explained": "了结",
    "overdue": "超过期限，已提醒运营与财务",
}
#: 账单写的状态, as WeChat's bill words it; Alipay's words are Chinese.
THEIRS: dict[str, str] = {
    "SUCCESS": "成功",
    "PROCESSING": "处理中",
    "FAIL": "失败",
    "CHANGE": "退款异常",
    "REVOKED": "已撤销",
}
#: What the readers of bills say of a line, for programs; here for people.
FLAWS: list[tuple[str, str]] = [
    (r"(?:row: )?(\d+) (?:fields|cells) under (\d+) columns", r"有 \1 栏，应有 \2 栏"),
    (r"(?:row: a row|the line) is too long", "太长"),
    (r"(?:row: )?not UTF-8", "不是可读的文字"),
    (r"amount: (\S+) yuan is no whole fen", r"金额 \1 元不是整分"),
    (r"totals: (\d+) totals under (\d+) names", r"汇总有 \1 栏，应有 \2 栏"),
    (r"totals: (\S+) (\S+), rows (\S+)", r"汇总写“\1 \2”，明细合计 \3"),
    (r"(\d+) rows, (.+)", r"明细 \1 行，汇总写“\2”"),
    (r"(-?\d+) fen, (.+)", r"明细合计 \1 分，汇总写“\2”"),
    (r"([\u4e00-\u9fff][^:]*): (.+)", r"“\1”写着“\2”，读不懂"),
]
#: Why a bill as a whole could not be had or read: the last error of its statement, as of G22.
WHOLE: list[tuple[str, str]] = [
    (r"garbled_bill: line (\d+): columns are missing: (.+)", r"账单第 \1 行缺少栏目：\2"),
    (r"garbled_bill: line (\d+): two columns of one name", r"账单第 \1 行有两栏同名"),
    (r"garbled_bill: line (\d+): a row after the end", r"账单在第 \1 行已经结束，后面却还有内容"),
    (r"garbled_bill: line (\d+): the line is too long", r"账单第 \1 行之后有一行太长"),
    (r"garbled_bill: line (\d+): not UTF-8", r"账单第 \1 行之后不是可读的文字"),
    (r"cut_bill: line (\d+): .*", r"账单在第 \1 行中断，没有结尾：下载不完整"),
    (r"columns: missing: (.+)", r"账单缺少栏目：\1"),
    (r"rows: there is more after the totals", "账单在汇总之后还有内容"),
    (r"totals: the bill ends before its totals", "账单没有汇总就中断了：下载不完整"),
    (r"bill_zip(?:: .*)?", "下载的压缩包损坏，或里面没有这张账单"),
    (r"bill_broken(?:: .*)?", "下载的压缩包损坏"),
    (r"bill_hash(?:: .*)?", "下载的内容与渠道公布的校验值不符"),
    (r"bill_too_large", "账单超过允许的大小"),
    (r"bill_host(?:: .*)?", "渠道给出的下载地址不是官方地址，没有下载"),
    (r"bill_http_(\d+)(?:: .*)?", r"下载账单时渠道答复 HTTP \1"),
    (r"bill_download(?:: .*)?", "下载账单时连接中断"),
]


def detail(row: Discrepancy) -> str:
    """The flaw of a line, or why there is no bill, in Chinese where it is known."""
    for pattern, words in WHOLE:
        if found := re.fullmatch(pattern, row.detail):
            return found.expand(words)
    where, sign, flaw = row.detail.partition("：")
    for pattern, words in FLAWS:
        if found := re.fullmatch(pattern, flaw):
            return f"{where}{sign}{found.expand(words)}"
    return row.detail


def ours(row: Discrepancy, state: str = "") -> str:
    """Our status, or that one of ours, as the desk calls it elsewhere."""
    of_refund = row.request_no or row.kind == K.ONLY_THEIRS
    known = dict(AttemptStatus.choices if of_refund else PaymentStatus.choices)
    return str(known.get(state or row.ours_state, state or row.ours_state))


def theirs(row: Discrepancy) -> str:
    """What the bill says of it; a word that is not known stays as it is."""
    return THEIRS.get(row.theirs_state, row.theirs_state)


def still_differs(row: Discrepancy, state: str) -> str:
    """What came of asking, or of another download, where the bill goes on to differ. ``state``: ours by now."""
    sides = [f"我方“{ours(row, state)}”"] if state else []
    sides += [f"账单“{theirs(row)}”"] if row.theirs_state else []
    return "仍不一致" + (f"：{'，'.join(sides)}" if sides else "")
