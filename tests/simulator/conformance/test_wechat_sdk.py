"""The stock `wechatpayv3` client, unchanged but for its gateway address, in both key modes, against the simulator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from wechatpayv3 import WeChatPay, WeChatPayType

# In certificate mode the client reads a certificate's days in a way that `cryptography` warns of.
pytestmark = pytest.mark.filterwarnings("ignore:Properties that return a na")

CARD = {"bank_type": "CMB_DEBIT", "bank_account": "6214830100000403", "real_name": "张三"}


def stock_client(gateway: Any, mode: str, folder: Path) -> WeChatPay:
    """A client of one key mode. In certificate mode the certificate lies in `folder`, as the README says."""
    keys = gateway.keys
    more: dict[str, Any] = {"public_key": keys["public_key"], "public_key_id": keys["public_key_id"]}
    if mode == "certificate":
        (folder / f"{keys['platform_serial_no']}.pem").write_text(keys["platform_certificate"])
        more = {"cert_dir": str(folder)}
    client = WeChatPay(
        WeChatPayType.NATIVE,
        mchid=keys["mchid"],
        private_key=keys["private_key"],
        cert_serial_no=keys["cert_serial_no"],
        appid=keys["appid"],
        apiv3_key=keys["apiv3_key"],
        timeout=(3, 10),
        **more,
    )
    client._core._gate_way = keys["gateway"]
    return client


@pytest.fixture(params=["public_key", "certificate"])
def client(request: pytest.FixtureRequest, gateway: Any, tmp_path: Path) -> WeChatPay:
    return stock_client(gateway, request.param, tmp_path)


@pytest.fixture
def certificate_client(gateway: Any, tmp_path: Path) -> WeChatPay:
    return stock_client(gateway, "certificate", tmp_path)


def yuan(fen: int, total: int | None = None) -> dict[str, Any]:
    return {"total": fen, "currency": "CNY"} if total is None else {"refund": fen, "total": total, "currency": "CNY"}


def read(answer: tuple[int, Any], status: int = 200) -> Any:
    assert answer[0] == status, answer
    return json.loads(answer[1])


# --- orders ----------------------------------------------------------------------------------------------------------


def test_a_native_order_is_placed_queried_paid_and_queried_by_both_numbers(
    client: WeChatPay, gateway: Any, deaf_url: str
) -> None:
    number = gateway.new_number()
    placed = read(client.pay("点卡", number, yuan(1000), notify_url=deaf_url))
    assert placed["code_url"].startswith("weixin://wxpay/bizpayurl?pr=")
    assert read(client.query(out_trade_no=number))["trade_state"] == "NOTPAY"
    gateway.control("pay", {"out_trade_no": number})
    paid = read(client.query(out_trade_no=number))
    assert (paid["trade_state"], paid["trade_type"]) == ("SUCCESS", "NATIVE")
    assert read(client.query(transaction_id=paid["transaction_id"])) == paid


@pytest.mark.parametrize("kind", [WeChatPayType.JSAPI, WeChatPayType.MINIPROG])
def test_a_jsapi_order_names_its_buyer_and_its_page_can_be_signed(
    client: WeChatPay, gateway: Any, deaf_url: str, kind: WeChatPayType
) -> None:
    number, openid = gateway.new_number(), gateway.keys["openid"]
    order = {"payer": {"openid": openid}, "notify_url": deaf_url, "pay_type": kind}
    prepay_id = read(client.pay("点卡", number, yuan(1000), **order))["prepay_id"]
    assert read(client.pay("点卡", number, yuan(1000), **order))["prepay_id"] == prepay_id

    parameters = {"appId": gateway.keys["appid"], "timeStamp": "1700000000", "nonceStr": "N0nce"}
    parameters["package"] = f"prepay_id={prepay_id}"
    sign = client.sign(list(parameters.values()))
    status, headers, _ = gateway.till(parameters | {"signType": "RSA", "paySign": sign})
    assert (status, headers["Location"]) == (302, f"/phone/{prepay_id}")

    gateway.control("pay", {"out_trade_no": number})
    paid = read(client.query(out_trade_no=number))
    assert (paid["trade_type"], paid["payer"]) == ("JSAPI", {"openid": openid})


def test_an_h5_order_answers_a_page_and_an_app_order_a_prepay_id(
    client: WeChatPay, gateway: Any, deaf_url: str
) -> None:
    scene = {"payer_client_ip": "203.0.113.7", "h5_info": {"type": "Wap"}}
    h5 = client.pay(
        "点卡", gateway.new_number(), yuan(1000), scene_info=scene, notify_url=deaf_url, pay_type=WeChatPayType.H5
    )
    assert read(h5)["h5_url"].startswith(f"{gateway.keys['gateway']}/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx")
    app = client.pay("点卡", gateway.new_number(), yuan(1000), notify_url=deaf_url, pay_type=WeChatPayType.APP)
    assert re.fullmatch(r"wx[0-9]{14}[0-9a-f]{16}0000", read(app)["prepay_id"])


def test_a_number_belongs_to_one_way_of_paying(client: WeChatPay, gateway: Any, deaf_url: str) -> None:
    number = gateway.order(deaf_url)
    again = client.pay("点卡 100 元", number, yuan(1000), notify_url=deaf_url, pay_type=WeChatPayType.APP)
    assert read(again, 403)["code"] == "OUT_TRADE_NO_USED"


def test_an_order_is_closed_with_an_empty_answer(client: WeChatPay, gateway: Any, deaf_url: str) -> None:
    number = gateway.order(deaf_url)
    assert client.close(number) == (204, b"")
    assert read(client.query(out_trade_no=number))["trade_state"] == "CLOSED"


# --- refunds ---------------------------------------------------------------------------------------------------------


def test_a_refund_is_accepted_once_and_queried(client: WeChatPay, gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    order = {"out_trade_no": number, "reason": "不想要了", "notify_url": deaf_url}
    first = read(client.refund(f"{number}R", yuan(400, 1000), **order))
    again = read(client.refund(f"{number}R", yuan(400, 1000), **order))
    assert first == again == read(client.query_refund(f"{number}R"))
    assert (first["status"], first["channel"]) == ("PROCESSING", "ORIGINAL")
    other = client.refund(f"{number}R", yuan(300, 1000), **order)
    assert read(other, 400)["code"] == "INVALID_REQUEST"
    assert gateway.in_ledger("refunds", f"{number}R")["effects"] == 1


def test_a_refund_that_was_never_asked_for_is_not_found(client: WeChatPay, gateway: Any) -> None:
    assert read(client.query_refund(gateway.new_number()), 404)["code"] == "RESOURCE_NOT_EXISTS"


def test_eight_threads_share_one_client(client: WeChatPay, gateway: Any, deaf_url: str) -> None:
    numbers = [gateway.paid_order(deaf_url) for _ in range(24)]

    def refund(number: str) -> dict[str, Any]:
        return read(client.refund(f"{number}R", yuan(1000, 1000), out_trade_no=number, notify_url=deaf_url))

    with ThreadPoolExecutor(8) as crowd:
        answers = list(crowd.map(refund, numbers * 2))
    assert len({answer["refund_id"] for answer in answers}) == 24


# --- abnormal refunds ------------------------------------------------------------------------------------------------


@pytest.fixture
def abnormal(gateway: Any, ear: Any, deaf_url: str) -> tuple[str, str]:
    """A refund that is ABNORMAL: (its out_refund_no, its refund_id). Its notifications go to `ear`."""
    number = gateway.paid_order(deaf_url)
    status, body = gateway.refund(number, f"{number}R", notify_url=ear.url)
    assert status == 200
    gateway.control("settle", {"request_no": f"{number}R", "status": "ABNORMAL"})
    assert ear.next_event(gateway)["event_type"] == "REFUND.ABNORMAL"
    return f"{number}R", body["refund_id"]


def test_an_abnormal_refund_goes_to_the_buyers_card_in_encrypted_fields(
    client: WeChatPay, gateway: Any, ear: Any, abnormal: tuple[str, str]
) -> None:
    out_refund_no, refund_id = abnormal
    asked = read(client.abnormal_refund(refund_id, out_refund_no, "USER_BANK_CARD", **CARD))
    assert (asked["status"], asked["user_received_account"]) == ("PROCESSING", "招商银行借记卡0403")
    assert asked["channel"] == "OTHER_BANKCARD"
    assert read(client.abnormal_refund(refund_id, out_refund_no, "USER_BANK_CARD", **CARD)) == asked
    gateway.control("settle", {"request_no": out_refund_no, "status": "SUCCESS"})
    told = ear.next_event(gateway)["resource"]
    assert (told["refund_status"], told["user_received_account"]) == ("SUCCESS", "招商银行借记卡0403")
    row = gateway.in_ledger("refunds", out_refund_no)
    assert (row["status"], row["effects"], row["returns"]) == ("SUCCESS", 1, 0)


def test_an_abnormal_refund_can_go_to_the_merchants_account(
    client: WeChatPay, gateway: Any, abnormal: tuple[str, str]
) -> None:
    out_refund_no, refund_id = abnormal
    asked = read(client.abnormal_refund(refund_id, out_refund_no, "MERCHANT_BANK_CARD"))
    assert asked["user_received_account"] == "商户结算银行账户"
    gateway.control("settle", {"request_no": out_refund_no, "status": "SUCCESS"})
    row = gateway.in_ledger("refunds", out_refund_no)
    assert (row["status"], row["returns"]) == ("SUCCESS", 1)


def test_an_abnormal_refund_is_possible_only_from_abnormal(client: WeChatPay, gateway: Any, deaf_url: str) -> None:
    number = gateway.paid_order(deaf_url)
    _, body = gateway.refund(number, f"{number}R")
    asked = client.abnormal_refund(body["refund_id"], f"{number}R", "MERCHANT_BANK_CARD")
    assert read(asked, 400)["code"] == "INVALID_REQUEST"
    unknown = client.abnormal_refund("50300000000000000000", f"{number}R", "MERCHANT_BANK_CARD")
    assert read(unknown, 404)["code"] == "RESOURCE_NOT_EXISTS"


def test_an_abnormal_refund_that_is_asked_for_again_with_another_card_is_refused(
    client: WeChatPay, abnormal: tuple[str, str]
) -> None:
    out_refund_no, refund_id = abnormal
    read(client.abnormal_refund(refund_id, out_refund_no, "USER_BANK_CARD", **CARD))
    other = client.abnormal_refund(
        refund_id, out_refund_no, "USER_BANK_CARD", **CARD | {"bank_account": "6214830100000404"}
    )
    assert read(other, 400)["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bank_type": "CMB_CREDIT"}, "/bank_type"),
        ({"bank_account": "0403"}, "/bank_account"),
        ({"type": "BUYER"}, "/type"),
    ],
)
def test_an_abnormal_refund_wants_a_debit_card_of_fifteen_banks(
    client: WeChatPay, abnormal: tuple[str, str], changes: dict[str, str], field: str
) -> None:
    out_refund_no, refund_id = abnormal
    order = {"type": "USER_BANK_CARD", **CARD} | changes
    refused = read(client.abnormal_refund(refund_id, out_refund_no, **order), 400)
    assert (refused["code"], refused["detail"]["field"]) == ("PARAM_ERROR", field)


def test_plain_text_where_a_cipher_belongs_is_refused(gateway: Any, abnormal: tuple[str, str]) -> None:
    out_refund_no, refund_id = abnormal
    path = f"/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund"
    body = json.dumps({"out_refund_no": out_refund_no, "type": "USER_BANK_CARD", **CARD}).encode()
    headers = gateway.signed("POST", path, body)
    for more in ({}, {"Wechatpay-Serial": gateway.keys["public_key_id"]}, {"Wechatpay-Serial": "ABCDEF"}):
        status, _, answer = gateway.http("POST", path, body, headers | more)
        assert (status, json.loads(answer)["code"]) == (400, "PARAM_ERROR")


# --- signatures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["bad_signature", "signtest_signature"])
def test_an_answer_with_a_wrong_signature_is_refused_by_the_client(
    client: WeChatPay, gateway: Any, deaf_url: str, fault: str
) -> None:
    number = gateway.paid_order(deaf_url)
    gateway.fault(fault, request_no=f"{number}R")
    with pytest.raises(Exception, match="failed to verify the signature"):
        client.refund(f"{number}R", yuan(1000, 1000), out_trade_no=number, notify_url=deaf_url)
    assert read(client.query_refund(f"{number}R"))["status"] == "PROCESSING"


def test_answers_are_signed_by_the_key_that_the_request_names(gateway: Any) -> None:
    path = f"/v3/refund/domestic/refunds/{gateway.new_number()}"
    for asked, serial in (
        ({}, gateway.keys["platform_serial_no"]),
        ({"Wechatpay-Serial": gateway.keys["platform_serial_no"]}, gateway.keys["platform_serial_no"]),
        ({"Wechatpay-Serial": gateway.keys["public_key_id"]}, gateway.keys["public_key_id"]),
    ):
        _, headers, _ = gateway.http("GET", path, headers=gateway.signed("GET", path) | asked)
        assert headers["Wechatpay-Serial"] == serial


def test_the_client_downloads_the_certificate_that_it_does_not_have(
    gateway: Any, certificate_client: WeChatPay, tmp_path: Path
) -> None:
    certificate_client._core._certificates.clear()
    next(tmp_path.glob("*.pem")).unlink()
    assert read(certificate_client.query_refund("NOSUCHREFUND"), 404)  # not signed for: nothing to verify
    certificate_client._core._update_certificates()
    (found,) = certificate_client._core._certificates
    assert f"{found.serial_number:X}" == gateway.keys["platform_serial_no"]
    assert next(tmp_path.glob("*.pem")).read_text() == gateway.keys["platform_certificate"]


def test_a_client_with_another_key_is_refused(gateway: Any, tmp_path: Path, start_gateway: Callable[..., Any]) -> None:
    stranger = start_gateway()
    client = stock_client(gateway, "public_key", tmp_path)
    client._core._private_key = stranger.private_key
    assert read(client.query_refund("NOSUCHREFUND"), 401)["code"] == "SIGN_ERROR"


# --- notifications ---------------------------------------------------------------------------------------------------


def test_a_notification_is_verified_and_decrypted_by_the_client(gateway: Any, ear: Any) -> None:
    number = gateway.paid_order(ear.url)
    event = ear.next_event(gateway)
    assert (event["event_type"], event["resource"]["out_trade_no"]) == ("TRANSACTION.SUCCESS", number)


def test_a_changed_notification_is_refused_by_the_client(gateway: Any, ear: Any) -> None:
    gateway.paid_order(ear.url)
    headers, body = ear.next()
    assert gateway.client.callback(headers, body.replace(b"TRANSACTION", b"TRANSFORMED")) is None
    assert gateway.client.callback(headers | {"Wechatpay-Timestamp": "1700000000"}, body) is None


def test_during_the_migration_notifications_come_with_either_signature(
    start_gateway: Callable[..., Any], ear: Any, tmp_path: Path
) -> None:
    gateway = start_gateway()
    certificate_client = stock_client(gateway, "certificate", tmp_path)
    for share, serial in ((1, "platform_serial_no"), (0, "public_key_id")):
        gateway.control("signing", {"certificate_share": share})
        gateway.paid_order(ear.url)
        headers, body = ear.next()
        assert headers["Wechatpay-Serial"] == gateway.keys[serial]
        client = certificate_client if share else gateway.client
        assert client.callback(headers, body)["event_type"] == "TRANSACTION.SUCCESS"

    gateway.control("signing", {"certificate_share": 0.5})
    for _ in range(40):
        gateway.paid_order(ear.url)
    serials = {ear.next()[0]["Wechatpay-Serial"] for _ in range(40)}
    assert serials == {gateway.keys["platform_serial_no"], gateway.keys["public_key_id"]}
