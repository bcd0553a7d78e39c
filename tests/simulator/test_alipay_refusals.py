"""What the simulated Alipay refuses, with Alipay's own codes, and that a refusal changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote_plus, urlencode

import pytest

from tests.simulator.alipay_merchant import Merchant, node

REFUND, QUERY, CLOSE = "alipay.trade.refund", "alipay.trade.query", "alipay.trade.close"
REFUND_QUERY, PRECREATE = "alipay.trade.fastpay.refund.query", "alipay.trade.precreate"
BILL = "alipay.data.dataservice.bill.downloadurl.query"
BEIJING = timezone(timedelta(hours=8))


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"out_trade_no": "A-1"}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": "x" * 65}, "ACQ.INVALID_PARAMETER"),
        ({"out_trade_no": ""}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "0"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "0.001"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "-1.00"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "1e2"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": "100000000.01"}, "ACQ.INVALID_PARAMETER"),
        ({"total_amount": True}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "点卡/月卡"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": "a=b"}, "ACQ.INVALID_PARAMETER"),
        ({"subject": None}, "ACQ.INVALID_PARAMETER"),
        ({"timeout_express": "16d"}, "ACQ.INVALID_PARAMETER"),
        ({"timeout_express": "1.5h"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "2020-01-01 00:00:00"}, "ACQ.INVALID_PARAMETER"),
        ({"time_expire": "2026-11-22T00:00:00+08:00"}, "ACQ.INVALID_PARAMETER"),
        ({"seller_id": "2088000000000000"}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_an_order_with_wrong_fields(alipay: Merchant, change: dict[str, Any], sub_code: str) -> None:
    order = {"out_trade_no": alipay.new_number(), "total_amount": "10.00", "subject": "点卡"} | change
    answer = alipay.call(PRECREATE, **order)
    assert (answer["code"], answer["sub_code"]) == ("40004", sub_code)
    assert alipay.in_ledger("payments", str(order["out_trade_no"])) is None


def test_an_order_number_is_one_order(alipay: Merchant) -> None:
    number, _ = alipay.order("10.00")
    order = {"out_trade_no": number, "subject": "点卡 100 元"}
    assert alipay.sub_code(PRECREATE, **order, total_amount="10.00") == ""
    assert alipay.sub_code(PRECREATE, **order, total_amount="11.00") == "ACQ.CONTEXT_INCONSISTENT"
    alipay.gateway.control("pay", {"out_trade_no": number})
    assert alipay.sub_code(PRECREATE, **order, total_amount="10.00") == "ACQ.TRADE_HAS_SUCCESS"


def test_only_a_trade_that_waits_can_be_closed(alipay: Merchant) -> None:
    prepared, qr_path = alipay.order()
    assert alipay.sub_code(CLOSE, out_trade_no=prepared) == "ACQ.TRADE_NOT_EXIST"
    assert alipay.open(qr_path)[0] == 200  # what was never opened can still be paid after such a close
    assert alipay.sub_code(CLOSE, out_trade_no=prepared) == ""
    assert alipay.sub_code(CLOSE, out_trade_no=prepared) == "ACQ.TRADE_STATUS_ERROR"
    assert alipay.sub_code(CLOSE, out_trade_no=alipay.paid()) == "ACQ.TRADE_STATUS_ERROR"


@pytest.mark.parametrize("method", [QUERY, CLOSE, REFUND_QUERY, REFUND])
def test_a_trade_must_be_named_and_there(alipay: Merchant, method: str) -> None:
    more = {"out_request_no": "R1", "refund_amount": "1.00"} if method == REFUND else {}
    more = {"out_request_no": "R1"} if method == REFUND_QUERY else more
    assert alipay.sub_code(method, **more) == "ACQ.INVALID_PARAMETER"
    assert alipay.sub_code(method, out_trade_no="NOBODYS", **more) == "ACQ.TRADE_NOT_EXIST"


# --- refunds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "sub_code"),
    [
        ({"refund_amount": "10.01"}, "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL"),
        ({"refund_amount": "0.00"}, "ACQ.INVALID_PARAMETER"),
        ({"refund_amount": None}, "ACQ.INVALID_PARAMETER"),
        ({"out_request_no": None, "refund_amount": "1.00"}, "ACQ.INVALID_PARAMETER"),
        ({"out_request_no": "R" * 65}, "ACQ.INVALID_PARAMETER"),
        ({"refund_reason": "x" * 257}, "ACQ.INVALID_PARAMETER"),
        ({"notify_url": "http://shop.example/"}, "ACQ.INVALID_PARAMETER"),  # not a documented field
        ({"query_options": "deposit_back_info"}, "ACQ.INVALID_PARAMETER"),
    ],
)
def test_a_refund_with_wrong_fields(alipay: Merchant, change: dict[str, Any], sub_code: str) -> None:
    number = alipay.paid("10.00")
    refund = {"out_trade_no": number, "refund_amount": "10.00", "out_request_no": "R1"} | change
    answer = alipay.call(REFUND, **refund)
    assert (answer["code"], answer["sub_code"]) == ("40004", sub_code)
    assert alipay.in_ledger("payments", number)["refunded_fen"] == 0


def test_a_refund_needs_a_paid_trade(alipay: Merchant) -> None:
    number, qr_path = alipay.order()
    assert alipay.refund(number, "R1")["sub_code"] == "ACQ.TRADE_NOT_EXIST"
    alipay.open(qr_path)
    assert alipay.refund(number, "R1")["sub_code"] == "ACQ.TRADE_STATUS_ERROR"
    alipay.call(CLOSE, out_trade_no=number)
    assert alipay.refund(number, "R1")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"


def test_the_same_number_with_another_amount(alipay: Merchant) -> None:
    number = alipay.paid("10.00")
    alipay.refund(number, "R1", "3.00")
    alipay.wait()
    assert alipay.refund(number, "R1", "3.01")["sub_code"] == "ACQ.DISCORDANT_REPEAT_REQUEST"
    assert alipay.in_ledger("payments", number)["refunded_fen"] == 300


def test_a_number_belongs_to_its_trade_alone(alipay: Merchant) -> None:
    first, second = alipay.paid("10.00"), alipay.paid("10.00")
    assert alipay.refund(first, "SHARED", "3.00")["fund_change"] == "Y"
    assert alipay.refund(second, "SHARED", "4.00")["fund_change"] == "Y"
    assert alipay.refund_query(second, "SHARED")["refund_amount"] == "4.00"


def test_the_trade_number_wins(alipay: Merchant) -> None:
    first, second = alipay.paid(), alipay.paid()
    trade_no = alipay.in_ledger("payments", first)["transaction_id"]
    answer = alipay.call(REFUND, trade_no=trade_no, out_trade_no=second, out_request_no="R1", refund_amount="1.00")
    assert answer["out_trade_no"] == first


def test_a_trade_refunded_whole_takes_no_more(alipay: Merchant) -> None:
    number = alipay.paid("10.00")
    alipay.refund(number, "R1", "10.00")
    alipay.wait()
    assert alipay.refund(number, "R2", "0.01")["sub_code"] == "ACQ.TRADE_HAS_CLOSE"
    assert alipay.refund(number, "R1", "10.00")["fund_change"] == "N"


def test_refunds_of_a_trade_keep_three_seconds_apart(start_gateway: Callable[..., Any]) -> None:
    alipay = Merchant(start_gateway(speed=0.001))  # three seconds take fifty minutes: no slow machine gets past them
    number = alipay.paid("10.00")
    assert alipay.refund(number, "R1", "1.00")["fund_change"] == "Y"
    answer = alipay.refund(number, "R2", "1.00")
    assert (answer["code"], answer["sub_code"]) == ("40004", "ACQ.SYSTEM_ERROR")
    assert alipay.refund_query(number, "R2") == {"code": "10000", "msg": "Success"}
    assert alipay.refund(number, "R1", "1.00")["fund_change"] == "N"  # a repeat is no second refund
    alipay.wait(3001)
    assert alipay.refund(number, "R2", "1.00")["fund_change"] == "Y"


def test_the_refund_window_ends_after_365_days(start_gateway: Callable[..., Any]) -> None:
    alipay = Merchant(start_gateway())
    number = alipay.paid("10.00")
    alipay.wait(364 * 86400)
    assert alipay.refund(number, "R1", "1.00")["fund_change"] == "Y"
    alipay.wait(86401)
    assert alipay.refund(number, "R2", "1.00")["sub_code"] == "ACQ.TRADE_HAS_FINISHED"
    assert alipay.refund(number, "R1", "1.00")["fund_change"] == "N"
    assert alipay.call(QUERY, out_trade_no=number)["trade_status"] == "TRADE_FINISHED"


def test_a_seller_without_money_waits_for_some(start_gateway: Callable[..., Any]) -> None:
    alipay = Merchant(start_gateway())
    number = alipay.paid("10.00")
    alipay.gateway.control("funds", {"channel": "alipay", "amount_fen": 500})
    assert alipay.refund(number, "R1", "6.00")["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"
    alipay.gateway.control("funds", {"channel": "alipay", "amount_fen": 600})
    assert alipay.refund(number, "R1", "6.00")["fund_change"] == "Y"
    alipay.wait()
    assert alipay.refund(number, "R2", "0.01")["sub_code"] == "ACQ.SELLER_BALANCE_NOT_ENOUGH"


# --- bills -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("biz", "sub_code"),
    [
        ({"bill_type": "trade", "bill_date": "2099-01-01"}, "isp.bill_not_exist"),
        ({"bill_type": "trade", "bill_date": "2015-01-01"}, "isp.bill_not_exist"),
        ({"bill_type": "trade", "bill_date": "2026-02-30"}, "isp.invalid_arguments"),
        ({"bill_type": "trade", "bill_date": "20260228"}, "isp.invalid_arguments"),
        ({"bill_type": "trade", "bill_date": "9999-12-31"}, "isp.invalid_arguments"),
        ({"bill_type": ["trade"], "bill_date": "2026-02-28"}, "isp.invalid_arguments"),
        ({"bill_type": "trade"}, "isp.invalid_arguments"),
        ({"bill_type": "all", "bill_date": "2026-02-28"}, "isp.invalid_arguments"),
    ],
)
def test_a_bill_that_is_not_there(alipay: Merchant, biz: dict[str, Any], sub_code: str) -> None:
    answer = alipay.call(BILL, **biz)
    assert (answer["code"], answer["sub_code"]) == ("40004", sub_code)


def test_a_month_has_a_bill(alipay: Merchant) -> None:
    assert alipay.call(BILL, bill_type="trade", bill_date="2025-03")["code"] == "10000"


# --- the envelope ----------------------------------------------------------------------------------------------------


def _params(alipay: Merchant, **change: str) -> dict[str, str]:
    """A query as the merchant would send it, changed before it is signed."""
    now = datetime.now(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
    values = {
        "app_id": alipay.keys["app_id"], "method": QUERY, "charset": "utf-8", "sign_type": "RSA2", "timestamp": now,
        "version": "1.0", "biz_content": json.dumps({"out_trade_no": "NOBODYS"}),
    } | change  # fmt: skip
    values = {name: value for name, value in values.items() if value}
    text = "&".join(f"{name}={value}" for name, value in sorted(values.items()))
    return values | {"sign": alipay.client._sign(text)}


def _send(alipay: Merchant, params: dict[str, str]) -> tuple[str, dict[str, Any], str | None]:
    status, headers, body = alipay.gateway.http("GET", f"/gateway.do?{urlencode(params)}")
    assert (status, headers["Content-Type"]) == (200, "text/html;charset=utf-8")
    return node(body)


@pytest.mark.parametrize(
    ("change", "code", "sub_code"),
    [
        ({"app_id": ""}, "40001", "isv.missing-app-id"),
        ({"timestamp": ""}, "40001", "isv.missing-timestamp"),
        ({"version": ""}, "40001", "isv.missing-version"),
        ({"sign_type": ""}, "40001", "isv.missing-signature-type"),
        ({"sign_type": "RSA"}, "40002", "isv.invalid-signature-type"),
        ({"charset": "klingon"}, "40002", "isv.invalid-charset"),
        ({"format": "XML"}, "40002", "isv.invalid-format"),
        ({"timestamp": "yesterday"}, "40002", "isv.invalid-timestamp"),
        ({"timestamp": "2020-01-01 00:00:00"}, "40002", "isv.invalid-timestamp"),
    ],
)
def test_an_envelope_that_is_wrong(alipay: Merchant, change: dict[str, str], code: str, sub_code: str) -> None:
    name, inner, sign = _send(alipay, _params(alipay, **change))
    assert (name, inner["code"], inner["sub_code"]) == ("alipay_trade_query_response", code, sub_code)
    assert sign is None


def test_without_a_method_there_is_only_an_error(alipay: Merchant) -> None:
    name, inner, sign = _send(alipay, _params(alipay, method=""))
    assert (name, inner["sub_code"], sign) == ("error_response", "isv.missing-method", None)


@pytest.mark.parametrize("name", ["biz_content", "method", "app_id", "timestamp", "charset", "sign"])
def test_every_value_is_signed(alipay: Merchant, name: str) -> None:
    params = _params(alipay)
    params[name] = {"biz_content": '{"out_trade_no":"OTHER"}', "method": CLOSE, "charset": "gbk"}.get(
        name, params[name][:-1] + ("1" if params[name][-1] == "0" else "0")
    )
    _, inner, sign = _send(alipay, params)
    assert inner["sub_code"] == ("isv.invalid-app-id" if name == "app_id" else "isv.invalid-signature")
    assert sign is None


@pytest.mark.parametrize("biz", ["[]", "{", '"x"', '{"out_trade_no": "\\ud800"}'])
def test_business_parameters_that_are_no_object(alipay: Merchant, biz: str) -> None:
    _, inner, sign = _send(alipay, _params(alipay, biz_content=biz))
    assert (inner["code"], inner["sub_code"]) == ("40002", "isv.invalid-parameter")
    assert sign


def test_parameters_may_stand_in_the_address_or_in_the_form(alipay: Merchant) -> None:
    number = alipay.paid()
    params = _params(alipay, biz_content=json.dumps({"out_trade_no": number, "备注": "a+b c%20"}, ensure_ascii=False))
    biz = {"biz_content": params.pop("biz_content")}
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    _, _, body = alipay.gateway.http("POST", f"/gateway.do?{urlencode(params)}", urlencode(biz).encode(), form)
    assert node(body)[1]["trade_status"] == "TRADE_SUCCESS"
    _, _, body = alipay.gateway.http("POST", "/gateway.do", urlencode(params | biz).encode(), form)
    assert node(body)[1]["trade_status"] == "TRADE_SUCCESS"


def test_a_merchant_may_write_gbk(alipay: Merchant) -> None:
    values = {name: value for name, value in _params(alipay).items() if name != "sign"}
    biz = {"out_trade_no": alipay.new_number(), "total_amount": "1.00", "subject": "点卡"}
    values |= {"charset": "gbk", "method": PRECREATE, "biz_content": json.dumps(biz, ensure_ascii=False)}
    text = "&".join(f"{name}={value}" for name, value in sorted(values.items()))
    values["sign"] = _sign_bytes(alipay, text.encode("gbk"))
    target = "&".join(f"{name}={quote_plus(value.encode('gbk'))}" for name, value in values.items())
    _, headers, body = alipay.gateway.http("GET", f"/gateway.do?{target}")
    assert headers["Content-Type"] == "text/html;charset=gbk"
    assert node(body)[1]["code"] == "10000"
    assert alipay.in_ledger("payments", biz["out_trade_no"])["description"] == "点卡"


def test_noise_is_no_error_of_ours(alipay: Merchant) -> None:
    for target in ("/gateway.do", "/gateway.do?%ff=%00", "/gateway.do?" + "a=b&" * 500, "/gateway.do?app_id=%zz"):
        status, _, body = alipay.gateway.http("GET", target)
        assert (status, node(body)[0]) == (200, "error_response")


@pytest.mark.parametrize("method", [PRECREATE, QUERY, CLOSE, REFUND, REFUND_QUERY, BILL, "alipay.trade.cancel"])
def test_values_of_any_kind_are_answered(alipay: Merchant, method: str) -> None:
    names = ("out_trade_no", "trade_no", "subject", "total_amount", "refund_amount", "out_request_no", "query_options",
             "timeout_express", "time_expire", "bill_type", "bill_date", "refund_reason", "body")  # fmt: skip
    usual = {
        "out_trade_no": "ANYBODYS", "subject": "点卡", "total_amount": "1.00", "refund_amount": "1.00",
        "out_request_no": "R1", "bill_type": "trade", "bill_date": "2099-01-01",
    }  # fmt: skip
    for name in names:
        for value in (None, 0, -1, 1e300, True, "", " ", "\u202e", "9" * 5000, [], [1], {}, {"a": []}):
            _, inner, sign = _send(
                alipay, _params(alipay, method=method, biz_content=json.dumps(usual | {name: value}))
            )
            assert inner["code"] in ("10000", "40004")
            assert sign


def _sign_bytes(alipay: Merchant, raw: bytes) -> str:
    from base64 import b64encode

    from Cryptodome.Hash import SHA256
    from Cryptodome.Signature import PKCS1_v1_5

    return b64encode(PKCS1_v1_5.new(alipay.client.app_private_key).sign(SHA256.new(raw))).decode()
