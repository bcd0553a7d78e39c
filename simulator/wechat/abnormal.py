"""Abnormal refunds (异常退款): a refund that is ABNORMAL goes to another card of the buyer, or to the merchant's."""

from __future__ import annotations

import re
import sqlite3
from typing import Any

from simulator.wechat.books import accept_abnormal, find_refund_by_id, payment_of, refund_of
from simulator.wechat.calls import Call, Refusal, param_error, route
from simulator.wechat.fields import fingerprint, matching, text
from simulator.wechat.objects import refund_object
from simulator.wechat.refunds import OUT_REFUND_NO
from simulator.wire import Answer
from simulator.world import World

MERCHANT_ACCOUNT = "商户结算银行账户"
DEBIT_CARDS = {  # the only cards that can receive it
    "ICBC_DEBIT": "工商银行", "ABC_DEBIT": "农业银行", "CCB_DEBIT": "建设银行", "BOC_DEBIT": "中国银行",
    "COMM_DEBIT": "交通银行", "CMB_DEBIT": "招商银行", "PSBC_DEBIT": "邮储银行", "SPDB_DEBIT": "浦发银行",
    "CITIC_DEBIT": "中信银行", "CEB_DEBIT": "光大银行", "CMBC_DEBIT": "民生银行", "CIB_DEBIT": "兴业银行",
    "GDB_DEBIT": "广发银行", "PAB_DEBIT": "平安银行", "NBCB_DEBIT": "宁波银行",
}  # fmt: skip
CARD_NUMBER = re.compile(r"[0-9]{12,22}")


@route("POST", r"/v3/refund/domestic/refunds/([^/]+)/apply-abnormal-refund", refund=True, budget="abnormal")
def _abnormal_refund(world: World, call: Call) -> Answer:
    """发起异常退款: PROCESSING again, SUCCESS when the card has it; the same again changes nothing."""
    data = call.data
    out_refund_no = matching(data, "out_refund_no", OUT_REFUND_NO)
    kind = text(data, "type", 32)
    if kind not in ("USER_BANK_CARD", "MERCHANT_BANK_CARD"):
        raise param_error("type", kind, "枚举值无效")
    account, print_ = MERCHANT_ACCOUNT, fingerprint([kind])
    if kind == "USER_BANK_CARD":
        account, print_ = _card(world, call)
    with world.store.transaction() as db:
        refund = find_refund_by_id(db, call.number)
        if not refund or refund["out_refund_no"] != out_refund_no:
            raise Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
        if refund["status"] == "ABNORMAL":
            accept_abnormal(world, db, refund, kind=str(kind), account=account, fingerprint=print_)
        else:
            _repeated(refund, print_)
        return Answer.json(refund_object(refund_of(db, out_refund_no), payment_of(db, refund["out_trade_no"])))


def _card(world: World, call: Call) -> tuple[str, str]:
    """(what stands as the receiving account, the fingerprint): the same card is the same however it is encrypted."""
    bank_type = text(call.data, "bank_type", 16)
    if bank_type not in DEBIT_CARDS:
        raise param_error("bank_type", bank_type, "仅支持招行、交行、农行等15家银行的借记卡")
    serial = call.request.headers.get("Wechatpay-Serial", "")
    if not serial:
        raise Refusal(400, "PARAM_ERROR", "请求含有加密字段，Http头须提供Wechatpay-Serial")
    number = _open(world, serial, call.data, "bank_account")
    name = _open(world, serial, call.data, "real_name")
    if not CARD_NUMBER.fullmatch(number):
        raise param_error("bank_account", "", "银行卡号须为12至22位数字")
    return f"{DEBIT_CARDS[str(bank_type)]}借记卡{number[-4:]}", fingerprint(["USER_BANK_CARD", bank_type, number, name])


def _open(world: World, serial: str, data: dict[str, Any], name: str) -> str:
    opened = world.keys.open_field(serial, text(data, name, 1024) or "")
    if not opened or len(opened) > 64:
        raise param_error(name, "", "解密失败，请使用Wechatpay-Serial对应的微信支付公钥或平台证书，以RSA-OAEP-SHA1加密")
    return opened


def _repeated(refund: sqlite3.Row, print_: str) -> None:
    if refund["abnormal_fingerprint"] is None:
        raise Refusal(400, "INVALID_REQUEST", f"退款状态为{refund['status']}，仅ABNORMAL状态的退款单可发起异常退款")
    if refund["abnormal_fingerprint"] != print_:
        raise Refusal(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
