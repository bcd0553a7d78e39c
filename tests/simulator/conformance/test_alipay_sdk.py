"""The stock python-alipay-sdk against the simulated Alipay; nothing of the client is changed but its gateway's address.

Every answer here has passed the client's own check of Alipay's signature.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from alipay import AliPay
from alipay.exceptions import AliPayException, AliPayValidationError
from Cryptodome.PublicKey import RSA

from tests.simulator.alipay_merchant import node

PRECREATE = "alipay.trade.precreate"
BILL = "alipay.data.dataservice.bill.downloadurl.query"


def test_a_scanned_order_exists_once_the_buyer_opens_it(alipay: Any) -> None:
    number, qr_path = alipay.order("10.00")
    assert alipay.client.api_alipay_trade_query(out_trade_no=number)["sub_code"] == "ACQ.TRADE_NOT_EXIST"

    assert alipay.open(qr_path)[0] == 200
    waiting = alipay.client.api_alipay_trade_query(out_trade_no=number)
    assert (waiting["trade_status"], waiting["total_amount"]) == ("WAIT_BUYER_PAY", "10.00")

    alipay.press_pay(qr_path)
    paid = alipay.client.api_alipay_trade_query(trade_no=waiting["trade_no"])
    assert (paid["trade_status"], paid["out_trade_no"]) == ("TRADE_SUCCESS", number)
    assert paid["fund_bill_list"] == [{"amount": "10.00", "fund_channel": "ALIPAYACCOUNT"}]


@pytest.mark.parametrize("product", ["page", "wap"])
def test_a_buyer_pays_on_the_cashier_page_and_comes_back(alipay: Any, product: str) -> None:
    number = alipay.new_number()
    target = alipay.page_url(product, number, return_url="http://shop.example/back?order=7")
    status, cashier, text = alipay.open(target)
    assert status == 200
    assert "¥10.00" in text
    assert alipay.client.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "WAIT_BUYER_PAY"

    back = urlsplit(alipay.press_pay(cashier))
    assert f"{back.scheme}://{back.netloc}{back.path}" == "http://shop.example/back"
    values = dict(parse_qsl(back.query))
    assert values.pop("order") == "7"
    sign = values.pop("sign")
    assert (values["out_trade_no"], values["total_amount"]) == (number, "10.00")
    assert values["seller_id"] == alipay.keys["seller_id"]
    assert alipay.client.verify(dict(values), sign)
    assert not alipay.client.verify(values | {"total_amount": "99.00"}, sign)


def test_an_unpaid_trade_is_closed(alipay: Any) -> None:
    number, qr_path = alipay.order()
    alipay.open(qr_path)
    closed = alipay.call("alipay.trade.close", out_trade_no=number)
    assert (closed["code"], closed["out_trade_no"]) == ("10000", number)
    assert alipay.client.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "TRADE_CLOSED"
    assert alipay.open(qr_path)[0] == 410


def test_cancel_closes_an_unpaid_trade_and_refunds_a_paid_one(alipay: Any) -> None:
    unpaid, qr_path = alipay.order()
    answer = alipay.client.api_alipay_trade_cancel(out_trade_no=unpaid)
    assert (answer["code"], answer["action"], answer["retry_flag"]) == ("10000", "close", "N")
    assert alipay.open(qr_path)[0] == 410
    paid = alipay.paid()
    assert alipay.client.api_alipay_trade_cancel(out_trade_no=paid)["action"] == "refund"
    assert alipay.in_ledger("payments", paid)["refunded_fen"] == 1000


def test_refunds_in_part_sum_up_until_the_trade_closes(alipay: Any) -> None:
    number = alipay.paid("10.00")
    first = alipay.refund(number, "R1", "3.00")
    assert (first["code"], first["fund_change"], first["refund_fee"]) == ("10000", "Y", "3.00")
    assert alipay.client.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "TRADE_SUCCESS"
    alipay.wait()
    second = alipay.refund(number, "R2", "7.00")
    assert (second["fund_change"], second["refund_fee"]) == ("Y", "10.00")
    assert alipay.client.api_alipay_trade_query(out_trade_no=number)["trade_status"] == "TRADE_CLOSED"

    one = alipay.client.api_alipay_trade_fastpay_refund_query("R1", out_trade_no=number)
    assert (one["refund_status"], one["refund_amount"], one["total_amount"]) == ("REFUND_SUCCESS", "3.00", "10.00")


def test_a_repeated_refund_changes_nothing_and_says_so(alipay: Any) -> None:
    number = alipay.paid("10.00")
    alipay.refund(number, f"{number}R", "10.00")
    for _ in range(3):
        again = alipay.refund(number, f"{number}R", "10.00")
        assert (again["code"], again["fund_change"], again["refund_fee"]) == ("10000", "N", "10.00")
    assert alipay.in_ledger("refunds", f"{number}R")["effects"] == 1


def test_a_refund_query_of_an_unknown_number_is_empty(alipay: Any) -> None:
    answer = alipay.client.api_alipay_trade_fastpay_refund_query("NEVER", out_trade_no=alipay.paid())
    assert answer == {"code": "10000", "msg": "Success"}


def test_optional_parts_of_a_refund_come_when_asked_for(alipay: Any) -> None:
    number = alipay.paid("10.00")
    plain = alipay.refund(number, "R1", "4.00")
    assert not {"refund_detail_item_list", "send_back_fee", "has_deposit_back"} & set(plain)
    alipay.wait()
    full = alipay.refund(number, "R2", "1.00", query_options=["refund_detail_item_list", "deposit_back_info"])
    assert full["refund_detail_item_list"] == [{"fund_channel": "ALIPAYACCOUNT", "amount": "1.00"}]
    assert (full["send_back_fee"], full["has_deposit_back"]) == ("1.00", "false")
    assert "gmt_refund_pay" not in alipay.refund_query(number, "R2")
    asked = alipay.refund_query(number, "R2", "gmt_refund_pay", "refund_detail_item_list", "deposit_back_info")
    assert asked["gmt_refund_pay"]
    assert asked["deposit_back_info"] == {"has_deposit_back": "false"}


def test_the_signature_covers_the_text_as_it_was_sent(alipay: Any) -> None:
    """Slashes are escaped in the text; who writes the object anew from its values has another text."""
    biz = {"out_trade_no": alipay.new_number(), "total_amount": "1.00", "subject": "点卡"}
    _, headers, body = alipay.gateway.http("GET", f"/gateway.do?{alipay.client.client_api(PRECREATE, biz)}")
    assert headers["Content-Type"] == "text/html;charset=utf-8"
    _, inner, sign = node(body)
    text = body.decode().partition(":")[2].rpartition(',"sign"')[0]
    assert r"\/qr.alipay.com\/" in text
    assert alipay.client._verify(text, sign)
    assert not alipay.client._verify(json.dumps(inner, separators=(",", ":"), ensure_ascii=False), sign)


def test_a_brace_in_the_reason_breaks_the_stock_client_alone(alipay: Any) -> None:
    """The answer is right; the client counts braces inside strings. The money is back all the same."""
    number = alipay.paid()
    alipay.refund(number, f"{number}R", "10.00", refund_reason="重复购买 {")
    with pytest.raises(AliPayValidationError):
        alipay.refund_query(number, f"{number}R")
    assert alipay.in_ledger("refunds", f"{number}R")["effects"] == 1


# --- bills -----------------------------------------------------------------------------------------------------------


def test_a_bill_is_a_zip_of_gbk_tables(alipay: Any) -> None:
    number = alipay.paid("10.00")
    trade_no = alipay.refund(number, "B1", "2.50", refund_reason="少发, 一张")["trade_no"]
    day = alipay.gateway.ledger()["now"][:10]
    assert alipay.sub_code(BILL, bill_type="trade", bill_date=day) == "isp.bill_not_exist"
    alipay.wait(86400)

    members = _bill(alipay, "trade", day)
    assert sorted(name[-7:] for name in members) == ["务明细.csv", "汇总).csv"]
    details = next(text for name, text in members.items() if name.endswith("_业务明细.csv"))
    rows = [row for row in _table(details) if row["商户订单号"] == number]
    assert [(row["业务类型"], row["订单金额（元）"], row["退款批次号/请求号"]) for row in rows] == [
        ("交易", "10.00", ""),
        ("退款", "-2.50", "B1"),
    ]
    assert {row["支付宝交易号"] for row in rows} == {trade_no}
    assert details.startswith("#支付宝业务明细查询")


def test_an_account_bill_keeps_the_balance(alipay: Any) -> None:
    number = alipay.paid("10.00")
    alipay.refund(number, "B1", "2.50")
    day = alipay.gateway.ledger()["now"][:10]
    alipay.wait(86400)
    members = _bill(alipay, "signcustomer", day)
    rows = _table(next(text for name, text in members.items() if name.endswith("_账务明细.csv")))
    for before, row in zip(rows, rows[1:], strict=False):
        change = Decimal(row["收入金额（+元）"] or 0) + Decimal(row["支出金额（-元）"] or 0)
        assert Decimal(row["账户余额（元）"]) == Decimal(before["账户余额（元）"]) + change
    assert [row["业务类型"] for row in rows if row["商户订单号"] == number] == ["在线支付", "交易退款"]


def test_a_day_without_business_has_an_empty_bill(alipay: Any) -> None:
    answer = alipay.call(BILL, bill_type="trade", bill_date="2025-03-05")
    assert answer["bill_file_code"] == "EMPTY_DATA_WITH_BILL_FILE"
    assert _table(next(iter(_bill(alipay, "trade", "2025-03-05").values()))) == []


def test_a_bill_address_lives_thirty_seconds(alipay: Any) -> None:
    url = alipay.call(BILL, bill_type="trade", bill_date="2025-03-05")["bill_download_url"]
    target = url.removeprefix(alipay.gateway.credentials["control"])
    assert alipay.gateway.http("GET", target)[0] == 200
    alipay.wait(31)
    assert alipay.gateway.http("GET", target)[0] == 403
    assert alipay.gateway.http("GET", "/alipay/bill/download?token=guessed")[0] == 403


def _bill(alipay: Any, bill_type: str, day: str) -> dict[str, str]:
    url = alipay.call(BILL, bill_type=bill_type, bill_date=day)["bill_download_url"]
    status, _, body = alipay.gateway.http("GET", url.removeprefix(alipay.gateway.credentials["control"]))
    assert status == 200
    with zipfile.ZipFile(io.BytesIO(body), metadata_encoding="gb18030") as file:
        assert file.testzip() is None
        return {name: file.read(name).decode("gb18030") for name in file.namelist()}


def _table(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return [{name: cell.strip() for name, cell in row.items()} for row in csv.DictReader(lines)]


# --- who may speak ---------------------------------------------------------------------------------------------------


def test_a_stranger_is_refused_and_changes_nothing(alipay: Any) -> None:
    number = alipay.paid()
    stranger = alipay.new_client(app_private_key=RSA.generate(2048).export_key().decode())
    with pytest.raises(AliPayException) as caught:
        stranger.api_alipay_trade_refund("10.00", out_trade_no=number, out_request_no=f"{number}R")
    assert "isv.invalid-signature" in str(caught.value)
    assert alipay.in_ledger("refunds", f"{number}R") is None


def test_an_unknown_app_is_named_before_its_signature(alipay: Any) -> None:
    stranger = alipay.new_client(app_id="2021000000000000", app_private_key=RSA.generate(2048).export_key().decode())
    with pytest.raises(AliPayException) as caught:
        stranger.api_alipay_trade_query(out_trade_no="X1")
    assert "isv.invalid-app-id" in str(caught.value)


def test_an_unknown_method_answers_in_error_response(alipay: Any) -> None:
    with pytest.raises(AliPayException) as caught:
        alipay.call("alipay.trade.unheard")
    assert '"error_response"' in str(caught.value)
    assert "isv.invalid-method" in str(caught.value)


def test_the_client_refuses_answers_of_another_alipay(alipay: Any) -> None:
    deceived = alipay.new_client(alipay_public_key=RSA.generate(2048).public_key().export_key().decode())
    with pytest.raises(AliPayValidationError):
        deceived.api_alipay_trade_query(out_trade_no=alipay.paid())


def test_the_old_signature_is_not_taken(alipay: Any) -> None:
    keys = alipay.keys
    old = AliPay(
        appid=keys["app_id"], app_private_key_string=keys["app_private_key"],
        alipay_public_key_string=keys["alipay_public_key"], sign_type="RSA",
    )  # fmt: skip
    old._gateway = keys["gateway"]
    with pytest.raises(AliPayException) as caught:
        old.api_alipay_trade_query(out_trade_no="X1")
    assert "isv.invalid-signature-type" in str(caught.value)


# --- threads ---------------------------------------------------------------------------------------------------------


def test_eight_threads_share_one_client(alipay: Any) -> None:
    numbers = [alipay.paid("1.00") for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: alipay.refund(number, f"{number}R", "1.00"), numbers))
    assert {answer["fund_change"] for answer in answers} == {"Y"}
    assert {alipay.in_ledger("refunds", f"{number}R")["effects"] for number in numbers} == {1}


def test_one_number_asked_for_by_eight_threads_is_one_refund(alipay: Any) -> None:
    number = alipay.paid("10.00")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: alipay.refund(number, f"{number}R", "4.00"), range(8)))
    assert sorted(answer["fund_change"] for answer in answers) == ["N"] * 7 + ["Y"]
    assert alipay.in_ledger("refunds", f"{number}R")["effects"] == 1
