"""One client of the bench: refunds the payments named on stdin and prints its processor seconds.

python -m bench.client wechat_ours DATA THREADS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

AMOUNT_FEN = 1000
NOTIFY_URL = "https://shop.example/notify"


def main() -> None:
    name, data, threads = sys.argv[1:4]
    numbers = sys.stdin.read().split()
    credentials = json.loads((Path(data) / "credentials.json").read_text())
    refund = CLIENTS[name](credentials)
    with ThreadPoolExecutor(int(threads)) as pool:
        began = time.process_time()
        for done in pool.map(refund, numbers):
            if not done:
                raise SystemExit(f"{name}: a refund was not accepted")
        print(time.process_time() - began)


def wechat_stock(credentials: dict[str, Any]) -> Callable[[str], bool]:
    """As its README says, with only the address changed."""
    from wechatpayv3 import WeChatPay, WeChatPayType

    given = credentials["wechat"]
    client = WeChatPay(
        WeChatPayType.NATIVE, given["mchid"], given["private_key"], given["cert_serial_no"], given["appid"],
        given["apiv3_key"], timeout=(3, 10), public_key=given["public_key"], public_key_id=given["public_key_id"],
    )  # fmt: skip
    client._core._gate_way = given["gateway"]

    def refund(number: str) -> bool:
        amount = {"refund": AMOUNT_FEN, "total": AMOUNT_FEN, "currency": "CNY"}
        status, _ = client.refund(f"{number}R", amount, out_trade_no=number, reason="bench", notify_url=NOTIFY_URL)
        return bool(status == 200)

    return refund


def wechat_ours(credentials: dict[str, Any]) -> Callable[[str], bool]:
    from payments.gateways.wechat import WechatCredentials, WechatGateway

    return _ours(WechatGateway(WechatCredentials(**_fields(WechatCredentials, credentials["wechat"]))))


def alipay_stock(credentials: dict[str, Any]) -> Callable[[str], bool]:
    """As its README says, with only the address changed."""
    from alipay import AliPay

    given = credentials["alipay"]
    client = AliPay(
        appid=given["app_id"], app_notify_url=None, app_private_key_string=given["app_private_key"],
        alipay_public_key_string=given["alipay_public_key"], sign_type="RSA2",
    )  # fmt: skip
    client._gateway = given["gateway"]

    def refund(number: str) -> bool:
        answer = client.api_alipay_trade_refund(
            refund_amount=f"{AMOUNT_FEN / 100:.2f}", out_trade_no=number, out_request_no=f"{number}R"
        )
        return bool(answer.get("fund_change") == "Y")

    return refund


def alipay_ours(credentials: dict[str, Any]) -> Callable[[str], bool]:
    from payments.gateways.alipay import AlipayCredentials, AlipayGateway

    return _ours(AlipayGateway(AlipayCredentials(**_fields(AlipayCredentials, credentials["alipay"]))))


def _ours(gateway: Any) -> Callable[[str], bool]:
    from payments.gateways.base import RefundRequest, RefundState

    def refund(number: str) -> bool:
        request = RefundRequest(f"{number}R", number, "", AMOUNT_FEN, AMOUNT_FEN, "bench", NOTIFY_URL)
        return gateway.refund(request).state in {RefundState.ACCEPTED, RefundState.SUCCEEDED}

    return refund


def _fields(kind: Any, given: dict[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in kind.__dataclass_fields__ if name in given}


CLIENTS: dict[str, Callable[[dict[str, Any]], Callable[[str], bool]]] = {
    "wechat_stock": wechat_stock,
    "wechat_ours": wechat_ours,
    "alipay_stock": alipay_stock,
    "alipay_ours": alipay_ours,
}

if __name__ == "__main__":
    main()
