"""Faults on order (故障注入): which call or notification goes wrong next, and how.

A fault is tied to one number (the next `times` calls or notifications that concern it) or to a rate (that share of all
refund calls or notifications, until `times` are used up; `None`: until cleared).
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Collection

CALL_FAULTS = {
    "request_lost": "连接断开，未产生任何效果 / the connection closes before any effect",
    "answer_lost": "已生效，连接断开 / done, then the connection closes without an answer",
    "http_500_before": "未生效，返回 500 / 500 before any effect",
    "http_500_after": "已生效，返回 500 / done, then 500",
    "http_429": "已受理，却返回 429 / done, yet 429 FREQUENCY_LIMITED",
    "bad_signature": "已生效，应答签名错误 / done, answered with a wrong signature",
    "signtest_signature": "已生效，应答为 WECHATPAY/SIGNTEST/ 探测签名 / done, answered with WeChat's own probe",
    "half_body": "已生效，答复发到一半连接被重置 / done, then half of the answer and a reset",
    "reset_after": "已生效，连接被重置 / done, then the connection is reset",
    "amount_off": "已生效，答复金额少一分（签名正确）/ done, the answer says one fen less, rightly signed",
    "date_skew": "已生效，应答头 Date 偏差十分钟 / done, the Date header is ten minutes off",
}
REFUND_FAULTS = {  # these strike when a new refund is applied for
    "not_enough": "商户余额不足，未产生任何效果 / the merchant's funds do not suffice, no effect",
    "processing": "退款停在处理中，7 天后关闭 / stays PROCESSING, CLOSED after 7 days",
    "abnormal": "退款将变为 ABNORMAL / will become ABNORMAL",
    "closed": "退款将变为 CLOSED / will become CLOSED",
}
NOTIFICATION_FAULTS = {
    "notification_lost": "通知丢失，不再重发 / never sent",
    "notification_twice": "同一通知发送两次 / sent twice",
    "notification_late": "通知迟到 / sent late (delay_seconds, default 600, divided by the speed)",
    "notification_forged": "先发一条签名错误、内容为 SUCCESS 的伪造通知 / a forged SUCCESS goes first",
    "notification_signtest": "先发一条 WECHATPAY/SIGNTEST/ 探测通知 / WeChat's own signature probe goes first",
}
ALIPAY_CALL_FAULTS = {
    name: CALL_FAULTS[name]
    for name in (
        "request_lost", "answer_lost", "http_500_before", "http_500_after", "bad_signature", "half_body",
        "reset_after", "amount_off", "date_skew",
    )
} | {
    "unsigned": "已生效，答复没有签名 / done, answered without a signature",
    "unknown_20000": "已生效，却答 20000 / done, yet 20000 isp.unknow-error",
    "unknown_20000_before": "未生效，答 20000 / 20000 before any effect",
    "system_error_after": "已生效，却答 ACQ.SYSTEM_ERROR / done, yet ACQ.SYSTEM_ERROR",
    "system_error_before": "未生效，答 ACQ.SYSTEM_ERROR / ACQ.SYSTEM_ERROR before any effect",
    "limited_40005": "未生效，限流 / before any effect, 40005 isv.app-call-limited",
    "permission_40006": "未生效，无权限 / before any effect, 40006",
}  # fmt: skip
ALIPAY_REFUND_FAULTS = {  # these strike when a refund is asked for
    "not_enough": REFUND_FAULTS["not_enough"],
    "frozen": "未生效，交易被冻结 / before any effect, REASON_TRADE_BEEN_FREEZEN",
    "fund_change_n": "已退款，却答 fund_change=N / refunded, yet fund_change=N",
    "done_later": "受理，稍后才退款 / taken on with N, refunded later (delay_seconds, divided by the speed)",
}
ALIPAY_NOTIFICATION_FAULTS = {
    name: NOTIFICATION_FAULTS[name]
    for name in ("notification_lost", "notification_twice", "notification_late", "notification_forged")
}
ISSUER_FAULTS = {
    "issuer_lost": "发卡方不答复，连接断开 / the issuer closes the connection without an answer",
    "issuer_lost_after": "已办理，连接断开 / the issuer does what was asked, then closes the connection",
    "issuer_500": "发卡方返回 500 / the issuer answers 500",
    "issuer_429": "未受理，发卡方限流 / before any effect, the issuer answers 429",
    "issuer_bad_signature": "发卡方的答复签名错误 / the issuer's answer is wrongly signed",
}
TOPUP_FAULTS = {"topup_fails": "新的充值将失败 / a top-up that is ordered now will have failed"}
FAULTS = (
    CALL_FAULTS
    | REFUND_FAULTS
    | ALIPAY_CALL_FAULTS
    | ALIPAY_REFUND_FAULTS
    | NOTIFICATION_FAULTS
    | ISSUER_FAULTS
    | TOPUP_FAULTS
)
LATE_SECONDS = 600.0

_dice = random.Random()  # noqa: S311 - not a secret


def order(
    db: sqlite3.Connection,
    fault: str,
    *,
    request_no: str | None,
    rate: float | None,
    times: int | None,
    delay_seconds: float = LATE_SECONDS,
    channel: str | None = None,
) -> None:
    """Let `fault` happen from now on."""
    db.execute(
        "INSERT INTO fault (fault, request_no, rate, times, delay_seconds, channel) VALUES (?, ?, ?, ?, ?, ?)",
        (fault, request_no, rate, times, delay_seconds, channel),
    )


def seed(number: int) -> None:
    """From now on rates strike in the order that this number stands for."""
    _dice.seed(number)


def remove(db: sqlite3.Connection, fault_id: int) -> None:
    """Forget one ordered fault."""
    db.execute("DELETE FROM fault WHERE id = ?", (fault_id,))


def clear(db: sqlite3.Connection) -> int:
    """Forget every ordered fault; answer how many there were."""
    return db.execute("DELETE FROM fault").rowcount


def draw(
    db: sqlite3.Connection, among: Collection[str], *, numbers: Collection[str], refund: bool, channel: str = "wechat"
) -> tuple[str, float] | None:
    """Use up the fault that strikes now: (its name, its delay), or None. Those tied to a number go first."""
    for row in db.execute("SELECT * FROM fault ORDER BY request_no IS NULL, id").fetchall():
        tied = row["request_no"] in numbers
        struck = refund and row["rate"] is not None and _dice.random() < row["rate"]
        if row["fault"] in among and (tied or struck) and row["channel"] in (None, channel):
            _use_up(db, row)
            return row["fault"], row["delay_seconds"]
    return None


def _use_up(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    if row["times"] == 1:
        db.execute("DELETE FROM fault WHERE id = ?", (row["id"],))
    elif row["times"] is not None:
        db.execute("UPDATE fault SET times = times - 1 WHERE id = ?", (row["id"],))
