"""What the gateway answers: the envelope, the codes and a refusal (网关返回码).

The signature covers the text of the inner object exactly as it stands in the answer, `\\/` escapes included.
"""

from __future__ import annotations

import json
from typing import Any

from simulator.alipay.signing import AlipayKeys
from simulator.wire import Answer

MESSAGES = {
    "10000": "Success",
    "20000": "Service Currently Unavailable",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40003": "Insufficient Conditions",
    "40004": "Business Failed",
    "40005": "Call Limited",
    "40006": "Insufficient Permissions",
}
BUSINESS_TEXTS = {
    "ACQ.SYSTEM_ERROR": "系统错误",
    "ACQ.INVALID_PARAMETER": "参数无效",
    "ACQ.TRADE_NOT_EXIST": "交易不存在",
    "ACQ.TRADE_STATUS_ERROR": "交易状态不合法",
    "ACQ.TRADE_HAS_SUCCESS": "交易已被支付",
    "ACQ.TRADE_HAS_CLOSE": "交易已经关闭",
    "ACQ.TRADE_HAS_FINISHED": "交易已完结",
    "ACQ.CONTEXT_INCONSISTENT": "交易信息被篡改",
    "ACQ.TOTAL_FEE_EXCEED": "订单总金额不在允许范围内",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "卖家余额不足",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": "退款金额超限",
    "ACQ.REASON_TRADE_BEEN_FREEZEN": "请求退款的交易被冻结",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": "退款金额无效",
    "ACQ.DISCORDANT_REPEAT_REQUEST": "请求信息不一致",
}


class Refusal(Exception):
    """An answer other than 10000. Built by its sub_code: `ACQ.…` and `isp.…` are 40004 unless told otherwise."""

    def __init__(self, sub_code: str, sub_msg: str = "", *, code: str = "40004") -> None:
        self.code, self.sub_code = code, sub_code
        self.sub_msg = sub_msg or BUSINESS_TEXTS.get(sub_code, sub_code)
        super().__init__(f"{sub_code}: {self.sub_msg}")

    def body(self) -> dict[str, Any]:
        return {"code": self.code, "msg": MESSAGES[self.code], "sub_code": self.sub_code, "sub_msg": self.sub_msg}


def success(**fields: Any) -> dict[str, Any]:
    """A 10000; fields that are None are left out, as Alipay does."""
    return {"code": "10000", "msg": MESSAGES["10000"]} | {k: v for k, v in fields.items() if v is not None}


def node_of(method: str) -> str:
    return method.replace(".", "_") + "_response" if method else "error_response"


def envelope(
    keys: AlipayKeys, node: str, body: dict[str, Any], *, how: str = "genuine", charset: str = "utf-8"
) -> Answer:
    """Always HTTP 200 and text/html; how: genuine, forged (another key's signature) or unsigned."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    encoding = "gb18030" if charset == "gbk" else charset
    sign = "" if how == "unsigned" else f',"sign":"{keys.sign(text, how=how, encoding=encoding)}"'
    return Answer(
        200,
        f'{{"{node}":{text}{sign}}}'.encode(encoding),
        {"Content-Type": f"text/html;charset={charset}"},
    )
