"""Alipay's bills: a zip of GB18030 lists behind an address that a signed answer names."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, date, datetime

import pytest

from payments.gateways.alipay import AlipayGateway
from payments.gateways.alipay import bills as alipay_bills
from payments.gateways.base import (
    BillIsGarbled,
    BillKind,
    BillLine,
    BillLineKind,
    BillState,
    GatewayMisconfigured,
    OutcomeUnknown,
)
from tests.gateways.alipay_channel import AlipayChannel, Script, error, ok

DAY = date(2026, 11, 20)
BILL = "alipay.data.dataservice.bill.downloadurl.query"
RULE = "#-----------------------------------------"
TRADE_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,"
    "订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,"
    "商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
PAYMENT_ROW = (
    "2026112022001400000000000001\t,P2026112000000001\t,交易\t,游戏点卡,2026-11-20 20:00:00,2026-11-20 20:00:01,"
    "\t,\t,\t,\t,*三(ali***@example.com)\t,19.99,18.99,0.00,0.00,0.00,1.00,0.00,,0.00\t,0.00,\t,-0.12,0.00,"
)
REFUND_ROW = (
    "2026112022001400000000000001\t,P2026112000000001\t,退款\t,游戏点卡,2026-11-20 20:00:00,2026-11-20 21:00:00,"
    "\t,\t,\t,\t,*三(ali***@example.com)\t,-10.00,-9.50,0.00,0.00,0.00,-0.50,0.00,,0.00\t,0.00,P2026112000000001R1\t,0.06,0.00,"
)
TRADES = f"""#支付宝业务明细查询
#账号：[20880000000000010156]
#起始日期：[2026年11月20日 00:00:00]   终止日期：[2026年11月21日 00:00:00]
{RULE}业务明细列表----------------------------------------
{TRADE_COLUMNS}
{PAYMENT_ROW}
{REFUND_ROW}
{RULE}业务明细列表结束------------------------------------
#交易合计：1笔，商家实收共18.99元，商家优惠共1.00元
#退款合计：1笔，商家实收退款共-9.50元，商家优惠退款共-0.50元
#导出时间：[2026年11月21日 05:46:49]
"""
FUND_COLUMNS = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,账户余额（元）,"
    "交易渠道,业务类型,备注"
)
TRADE = "2026112022001400000000000001\t,P2026112000000001\t,点卡"
FUNDS = f"""#支付宝账务明细查询
#账号：[20880000000000010156]
{RULE}账务明细列表----------------------------------------
{FUND_COLUMNS}
1001\t,{TRADE},2026-11-20 20:00:01,*三\t,19.99,,119.99,支付宝\t,在线支付\t,
1002\t,{TRADE},2026-11-20 20:00:01,支付宝\t,,-0.12,119.87,支付宝\t,收费\t,
1003\t,{TRADE},2026-11-20 21:00:00,*三\t,0.00,-10.00,109.87,支付宝\t,交易退款\t,
1004\t,2026112000001\t,\t,,2026-11-20 22:00:00,\t,,-100.00,9.87,支付宝\t,提现\t,
{RULE}账务明细列表结束------------------------------------
#支出合计：3笔，共-110.12元
#收入合计：1笔，共19.99元
#导出时间：[2026年11月21日 05:46:49]
"""


def packed(members: dict[str, str], encoding: str = "gbk") -> bytes:
    """A zip whose member names are GBK without saying so, as Alipay's are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            info = GbkName("x", date_time=(2026, 11, 21, 6, 0, 0))
            info.filename = name
            archive.writestr(info, text.replace("\n", "\r\n").encode(encoding), zipfile.ZIP_DEFLATED)
    return file.getvalue()


class GbkName(zipfile.ZipInfo):
    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode("gbk"), self.flag_bits


NAME = "20880000000000010156_20261120_"
ZIP = packed({f"{NAME}业务明细(汇总).csv": "#汇总", f"{NAME}业务明细.csv": TRADES})


def fetched(alipay: AlipayChannel, gateway: AlipayGateway, file: bytes, kind: BillKind = BillKind.TRADES) -> bytes:
    alipay.files["/bill.zip"] = file
    alipay.answers[BILL] = ok(bill_download_url=f"{alipay.address}/bill.zip?token=a&x=b")
    into = io.BytesIO()
    assert gateway.fetch_bill(kind, DAY, into) is BillState.READY
    return into.getvalue()


def lines(gateway: AlipayGateway, text: str, kind: BillKind = BillKind.TRADES) -> list[BillLine]:
    return list(gateway.read_bill(kind, io.BytesIO(text.encode())))


# --- Fetching --------------------------------------------------------------------------------------------------------


def test_the_detail_list_is_taken_and_nothing_in_it_changed(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway
) -> None:
    text = fetched(alipay, alipay_gateway, ZIP)
    assert text.decode() == TRADES.replace("\n", "\r\n")
    assert alipay.requests[0].biz == {"bill_type": "trade", "bill_date": "2026-11-20"}
    assert [line.kind for line in alipay_gateway.read_bill(BillKind.TRADES, io.BytesIO(text))] == [
        BillLineKind.PAYMENT,
        BillLineKind.REFUND,
    ]


def test_the_account_ledger(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    file = packed({f"{NAME}账务明细(汇总).csv": "#汇总", f"{NAME}账务明细.csv": FUNDS})
    assert fetched(alipay, alipay_gateway, file, BillKind.FUNDS).decode().splitlines() == FUNDS.splitlines()
    assert alipay.requests[0].biz["bill_type"] == "signcustomer"


def test_letters_beyond_gbk_arrive(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    text = TRADES.replace("游戏点卡", "点卡🎮" * 30_000, 1)  # a letter of four bytes, over the edges of the chunks
    file = packed({f"{NAME}业务明细.csv": text}, encoding="gb18030")
    assert fetched(alipay, alipay_gateway, file).decode() == text.replace("\n", "\r\n")


def test_no_business_that_day(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    alipay.answers[BILL] = ok(bill_file_code="EMPTY_DATA_WITH_BILL_FILE", bill_download_url=f"{alipay.address}/x.zip")
    assert alipay_gateway.fetch_bill(BillKind.TRADES, DAY, io.BytesIO()) is BillState.EMPTY


@pytest.mark.parametrize(
    ("sub_code", "outcome"),
    [
        ("isp.bill_not_exist", BillState.NOT_YET),
        ("BILL_NOT_EXIST", BillState.NOT_YET),
        ("NO_BILL_DATA", BillState.NOT_YET),
        ("BILL_DATE_BEFORE_REGISTRATION", BillState.EMPTY),
        ("INVAILID_ARGUMENTS", OutcomeUnknown),
        ("isp.invalid_arguments", OutcomeUnknown),
        ("UNKNOWN_ERROR", OutcomeUnknown),
        ("UNKNOW_ERROR", OutcomeUnknown),
        ("SYSTEM_RATE_LIMIT", OutcomeUnknown),
        ("user_rate_limit", OutcomeUnknown),
        ("SOMETHING_NEW", OutcomeUnknown),
        ("TYPE_NOT_SUPPORTED", GatewayMisconfigured),
    ],
)
def test_a_bill_that_does_not_come(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, sub_code: str, outcome: object
) -> None:
    """G22: late is not empty."""
    alipay.answers[BILL] = error("40004", sub_code)
    into = io.BytesIO()
    if isinstance(outcome, type):
        with pytest.raises(outcome):
            alipay_gateway.fetch_bill(BillKind.TRADES, DAY, into)
    else:
        assert alipay_gateway.fetch_bill(BillKind.TRADES, DAY, into) is outcome
    assert into.getvalue() == b""


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/",
        "file:///etc/passwd",
        "http://user@127.0.0.1/bill.zip",
        "//127.0.0.1/bill.zip",
        "http://127.0.0.1.example.com/bill.zip",
        "http://alipay.com/bill.zip",
        "gopher://127.0.0.1/",
        "http://[::1/",
    ],
)  # fmt: skip
def test_a_bill_is_fetched_from_nowhere_else(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, address: str
) -> None:
    alipay.answers[BILL] = ok(bill_download_url=address)
    with pytest.raises(OutcomeUnknown, match="bill_host"):
        alipay_gateway.fetch_bill(BillKind.TRADES, DAY, io.BytesIO())


@pytest.mark.parametrize(
    ("address", "goes_to"),
    [
        ("http://dwbillcenter.alipay.com/d?a=b", "https://dwbillcenter.alipay.com/d?a=b"),
        ("https://dwbillcenter.alipay.com/d", "https://dwbillcenter.alipay.com/d"),
        ("https://alipay.com.example.com/d", None),
        ("https://evilalipay.com/d", None),
        ("http://127.0.0.1/d", None),
    ],
)
def test_the_real_bills_lie_at_alipay(address: str, goes_to: str | None) -> None:
    gateway = "https://openapi.alipay.com/gateway.do"
    if goes_to:
        assert alipay_bills._allowed(address, gateway) == goes_to
    else:
        with pytest.raises(OutcomeUnknown, match="bill_host"):
            alipay_bills._allowed(address, gateway)


@pytest.mark.parametrize(
    "file",
    [
        b"", b"<html>expired</html>", ZIP[:-30], ZIP[:60] + b"\x00" * 40 + ZIP[100:], packed({"x.csv": TRADES}),
        packed({f"{NAME}业务明细.csv": TRADES, "b_业务明细.csv": TRADES}),
    ],
)  # fmt: skip
def test_a_broken_zip_is_no_bill(alipay: AlipayChannel, alipay_gateway: AlipayGateway, file: bytes) -> None:
    """G22: it is asked for again."""
    alipay.files["/bill.zip"] = file
    alipay.answers[BILL] = ok(bill_download_url=f"{alipay.address}/bill.zip")
    with pytest.raises(OutcomeUnknown, match="bill_zip"):
        alipay_gateway.fetch_bill(BillKind.TRADES, DAY, io.BytesIO())


def test_a_zip_bomb_is_cut_off(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alipay_bills, "MOST_TEXT_BYTES", 1_000_000)
    alipay.files["/bill.zip"] = packed({f"{NAME}业务明细.csv": "0" * 3_000_000})
    alipay.answers[BILL] = ok(bill_download_url=f"{alipay.address}/bill.zip")
    into = io.BytesIO()
    with pytest.raises(OutcomeUnknown, match="too large"):
        alipay_gateway.fetch_bill(BillKind.TRADES, DAY, into)
    assert len(into.getvalue()) <= 1_000_000


def test_an_expired_address(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    alipay.answers[BILL] = ok(bill_download_url=f"{alipay.address}/expired.zip")
    with pytest.raises(OutcomeUnknown, match="bill_http_404"):
        alipay_gateway.fetch_bill(BillKind.TRADES, DAY, io.BytesIO())


def test_an_unsigned_address_is_not_fetched(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    alipay.files["/bill.zip"] = ZIP
    body = {"code": "10000", "bill_download_url": f"{alipay.address}/bill.zip"}
    alipay.answers[BILL] = Script(body, signed=False)
    with pytest.raises(OutcomeUnknown, match="unsigned"):
        alipay_gateway.fetch_bill(BillKind.TRADES, DAY, io.BytesIO())


# --- Reading ---------------------------------------------------------------------------------------------------------


def test_trades(alipay_gateway: AlipayGateway) -> None:
    payment, refund = lines(alipay_gateway, TRADES)
    assert payment == BillLine(
        BillLineKind.PAYMENT,
        datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC),
        1999,  # what the order cost, whoever bore a part of it
        payment_no="P2026112000000001",
        channel_transaction_id="2026112022001400000000000001",
        fee_fen=12,
        move_no="2026112022001400000000000001",
        row=payment.row,
    )
    assert payment.row["商品名称"] == "游戏点卡"
    assert (refund.kind, refund.amount_fen, refund.fee_fen) == (BillLineKind.REFUND, -1000, -6)
    assert (refund.payment_no, refund.request_no) == ("P2026112000000001", "P2026112000000001R1")
    assert refund.channel_refund_id == "2026112022001400000000000001-P2026112000000001R1"
    assert refund.at == datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def test_funds(alipay_gateway: AlipayGateway) -> None:
    read = lines(alipay_gateway, FUNDS, BillKind.FUNDS)
    assert [(line.kind, line.amount_fen) for line in read] == [
        (BillLineKind.PAYMENT, 1999),
        (BillLineKind.FEE, -12),
        (BillLineKind.REFUND, -1000),
        (BillLineKind.OTHER, -10000),
    ]
    assert read[2].payment_no == "P2026112000000001"
    assert read[0].channel_transaction_id == "2026112022001400000000000001"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("（元）", "(元)"),
        ("#交易合计：1笔，商家实收共18.99元", "#交易合计：1笔，订单金额共19.99元"),
        ("#交易合计：1笔，商家实收共18.99元，商家优惠共1.00元\n", ""),
        (",-10.00,-9.50,", ",10.00,9.50,"),  # a refund of another sign is still money out
        (",游戏点卡,", ',"游戏点卡,'),  # nothing is quoted: a quote is a letter of a name
        (",游戏点卡,", ',"游戏"点卡,'),
        (",游戏点卡,", ',"游戏,点卡",'),  # and if it were
        ("退款批次号/请求号,服务费（元）", "新的列,退款批次号/请求号"),
    ],
)
def test_what_may_differ_between_bills(alipay_gateway: AlipayGateway, old: str, new: str) -> None:
    assert old in TRADES
    text = TRADES.replace(old, new)
    if "新的列" in new:
        text = text.replace("\t,-0.12,", ",\t,").replace("P2026112000000001R1\t,0.06,", ",P2026112000000001R1\t,")
    payment, refund = lines(alipay_gateway, text)
    assert (payment.amount_fen, refund.amount_fen, refund.request_no) == (1999, -1000, "P2026112000000001R1")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (",19.99,18.99,", ",19.9x,18.99,"),
        (",19.99,18.99,", ",,18.99,"),
        (",19.99,18.99,", ",-19.99,18.99,"),
        (",19.99,18.99,", ",19.98,17.99,"),  # the totals do not fit
        (",游戏点卡,", ",游戏,点卡,"),
        ("2026-11-20 20:00:01", "2026-13-20 20:00:01"),
        ("支付宝交易号", "交易号"),
        ("商户订单号", "支付宝交易号"),
        (REFUND_ROW + "\n", ""),
        (REFUND_ROW + "\n", f"{REFUND_ROW}\n{REFUND_ROW}\n"),  # a line twice
        ("#交易合计：1笔", "#交易合计：2笔"),
        ("#退款合计：1笔，商家实收退款共-9.50元", "#退款合计：1笔，商家实收退款共-9.51元"),
        (TRADES[TRADES.index(f"{RULE}业务明细列表结束") :], ""),  # cut off
        ("#导出时间", f"{REFUND_ROW}\n#导出时间"),
        (",游戏点卡,", f",{'长' * 30_000},"),
    ],
)
def test_a_garbled_bill_says_so(alipay_gateway: AlipayGateway, old: str, new: str) -> None:
    """G22: nothing of it is used."""
    assert old in TRADES
    with pytest.raises(BillIsGarbled, match="line"):
        lines(alipay_gateway, TRADES.replace(old, new, 1))


def test_a_bill_of_no_list_is_garbled(alipay_gateway: AlipayGateway) -> None:
    for text in ("", "#支付宝业务明细查询\n", "<html>\n"):
        with pytest.raises(BillIsGarbled):
            lines(alipay_gateway, text)
    with pytest.raises(BillIsGarbled):
        list(alipay_gateway.read_bill(BillKind.TRADES, io.BytesIO(TRADES.encode("gbk"))))


def test_an_empty_list_is_a_bill(alipay_gateway: AlipayGateway) -> None:
    text = TRADES.replace(f"{PAYMENT_ROW}\n{REFUND_ROW}\n", "").replace("1笔", "0笔")
    for amount in ("18.99", "1.00", "-9.50", "-0.50"):
        text = text.replace(f"{amount}元", "0.00元")
    assert lines(alipay_gateway, text) == []
