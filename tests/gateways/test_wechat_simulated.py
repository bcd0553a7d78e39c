"""All of WeChat Pay over the simulator: what ``test_contract.py`` does not tell because Alipay has nothing like it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from payments.gateways.base import (
    BankCard,
    BillKind,
    BillLineKind,
    BillState,
    GatewayError,
    NotificationKind,
    PaymentState,
    PayMethod,
    RefundRequest,
    RefundState,
)
from payments.gateways.complaints import ComplaintState
from payments.gateways.wechat import WechatCredentials, WechatGateway
from tests.gateways.partners import Partner, partners

CHINA = timezone(timedelta(hours=8))
CARD = BankCard("CMB_DEBIT", "6225880137000000", "张三")


# --- 收款 ------------------------------------------------------------------------------------------------------------


def test_a_buyer_inside_wechat_is_known_and_pays(wechat: Wechat) -> None:
    gateway = wechat.gateway
    sent_on = requests.get(gateway.login_address("http://127.0.0.1:9/back", "S42"), allow_redirects=False, timeout=10)
    back = parse_qs(urlsplit(sent_on.headers["Location"]).query)
    assert back["state"] == ["S42"]
    openid = gateway.payer_of(back["code"][0])
    with pytest.raises(GatewayError):  # each code serves once
        gateway.payer_of(back["code"][0])
    order = replace(wechat.order(), method=PayMethod.IN_APP, payer_id=openid)
    till = gateway.open_payment(order)
    assert gateway.in_app_parameters(till)["package"] == f"prepay_id={till}"
    wechat.simulator.pay(order.payment_no)
    assert gateway.query_payment(order.payment_no).state is PaymentState.PAID


def test_a_buyer_on_a_phone_pays(wechat: Wechat) -> None:
    order = replace(
        wechat.order(), method=PayMethod.PHONE, payer_ip="192.0.2.7", return_url="http://127.0.0.1:9/orders/1"
    )
    till = wechat.gateway.open_payment(order)
    assert urlsplit(till).netloc == urlsplit(wechat.credentials.gateway).netloc
    wechat.simulator.pay(order.payment_no)
    assert wechat.gateway.query_payment(order.payment_no).state is PaymentState.PAID


# --- 异常退款 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("card", "end"), [(CARD, RefundState.SUCCEEDED), (None, RefundState.BACK_WITH_MERCHANT)], ids=["buyer", "merchant"]
)
def test_an_abnormal_refund_is_sent_on(wechat: Wechat, card: BankCard | None, end: RefundState) -> None:
    """G8."""
    request = wechat.paid()
    refund_id = wechat.gateway.refund(request).channel_refund_id
    wechat.simulator.settle(request.request_no, "ABNORMAL")
    assert wechat.gateway.query_refund(request).state is RefundState.RETURNED
    assert wechat.gateway.redirect_refund(request, refund_id, card).state is RefundState.ACCEPTED
    wechat.simulator.clock(2 * 86400)
    outcome = wechat.gateway.query_refund(request)
    assert outcome.state is end
    assert outcome.channel_refund_id == refund_id


def test_a_refund_that_is_not_abnormal_is_not_sent_on(wechat: Wechat) -> None:
    request = wechat.paid()
    refund_id = wechat.gateway.refund(request).channel_refund_id
    wechat.simulator.settle(request.request_no, "SUCCESS")
    stands = wechat.gateway.redirect_refund(request, refund_id, CARD)
    assert stands.state is RefundState.SUCCEEDED


# --- 对账 ------------------------------------------------------------------------------------------------------------


def test_a_days_bills_tell_what_was_traded_and_what_moved(wechat: Wechat) -> None:
    day = wechat.today() - timedelta(days=3)
    assert fetched(wechat, BillKind.TRADES, day)[0] is BillState.EMPTY
    at = datetime(day.year, day.month, day.day, 9, tzinfo=CHINA)
    payment_no = wechat.new_payment_no()
    wechat.simulator.post(
        "history",
        payments=[
            {"out_trade_no": payment_no, "amount_fen": 1999, "description": "点卡", "paid_at": at.isoformat()},
            {
                "out_trade_no": wechat.new_payment_no(),
                "amount_fen": 500,
                "description": "a,b",
                "paid_at": at.isoformat(),
            },
        ],
        refunds=[
            {
                "out_refund_no": f"{payment_no}R1",
                "out_trade_no": payment_no,
                "amount_fen": 1000,
                "status": "SUCCESS",
                "created_at": (at + timedelta(hours=1)).isoformat(),
            }
        ],
    )
    state, trades = fetched(wechat, BillKind.TRADES, day)
    assert state is BillState.READY
    mine = [line for line in trades if line.payment_no == payment_no]
    assert [(line.kind, line.amount_fen) for line in mine] == [
        (BillLineKind.PAYMENT, 1999),
        (BillLineKind.REFUND, -1000),
    ]
    assert mine[1].request_no == f"{payment_no}R1"
    assert mine[0].at == at
    state, movements = fetched(wechat, BillKind.FUNDS, day)
    assert state is BillState.READY
    refunds = [line for line in movements if line.kind is BillLineKind.REFUND]
    assert [line.channel_refund_id for line in refunds] == [mine[1].channel_refund_id]
    assert refunds[0].amount_fen < 0


def test_a_bill_of_today_is_never_there(wechat: Wechat) -> None:
    with pytest.raises(GatewayError):
        fetched(wechat, BillKind.TRADES, wechat.today())


# --- 密钥 ------------------------------------------------------------------------------------------------------------


def test_the_certificate_mode_downloads_pays_and_refunds(wechat: Wechat, tmp_path: Path) -> None:
    """G18."""
    certified = wechat.gateway_of(public_key="", public_key_id="", cert_dir=str(tmp_path))
    request = wechat.paid(certified)
    refund_id = certified.refund(request).channel_refund_id
    wechat.simulator.settle(request.request_no, "ABNORMAL")
    assert certified.redirect_refund(request, refund_id, CARD).state is RefundState.ACCEPTED


@pytest.mark.parametrize("certificate_share", [0, 1])
def test_while_a_merchant_migrates_both_signers_are_heard(
    wechat: Wechat, tmp_path: Path, certificate_share: int
) -> None:
    """G18."""
    (tmp_path / "platform.pem").write_text(wechat.given["platform_certificate"])
    both = wechat.gateway_of(cert_dir=str(tmp_path))
    wechat.simulator.post("signing", certificate_share=certificate_share)
    order = wechat.order()
    both.open_payment(order)
    wechat.simulator.pay(order.payment_no)
    for headers, body in wechat.letters():
        notice = both.read_notification(headers, body, real_time=datetime.now(UTC))
        if notice.payment_no == order.payment_no:
            signed_by_key = headers["Wechatpay-Serial"].startswith("PUB_KEY_ID")
            assert signed_by_key is (certificate_share == 0)
            break
    wechat.simulator.post("signing", certificate_share=0)


# --- 投诉 ------------------------------------------------------------------------------------------------------------


def test_a_complaint_is_heard_answered_refunded_and_settled(wechat: Wechat) -> None:
    desk = wechat.gateway.complaints
    desk.set_notify_url(f"{wechat.partner.mailbox.address}/complaint")
    assert desk.notify_url()
    request = wechat.paid()
    complaint_id = wechat.simulator.post(
        "complain", out_trade_no=request.payment_no, phone="13900000000", apply_refund_amount_fen=1000, images=1
    )["complaint_id"]
    notice = wechat.notice(NotificationKind.COMPLAINT)
    assert notice.complaint_id == complaint_id

    complaint = desk.complaint(complaint_id)
    assert complaint.state is ComplaintState.PENDING
    assert [payment.payment_no for payment in complaint.payments] == [request.payment_no]
    assert desk.phone_of(complaint) == "13900000000"
    assert desk.picture(complaint.pictures[0])[:4]
    today = wechat.today()
    listed = list(desk.complaints(today - timedelta(days=2), today + timedelta(days=1)))
    assert complaint_id in [one.complaint_id for one in listed]

    picture = desk.upload("answer.png", desk.picture(complaint.pictures[0]))
    desk.reply(complaint_id, "已为您退款", [picture])
    desk.approve_refund(complaint_id, 0)
    assert desk.complaint(complaint_id).state is ComplaintState.PROCESSING
    assert "已为您退款" in [entry.words for entry in desk.history(complaint_id)]
    wechat.gateway.refund(request)
    wechat.simulator.settle(request.request_no)
    desk.forget_notify_url()
    assert desk.notify_url() == ""
    with pytest.raises(LookupError):
        desk.complaint("200201820200101080076610009")


def test_a_complaint_is_rejected_and_another_completed(wechat: Wechat) -> None:
    desk = wechat.gateway.complaints
    first, second = (
        wechat.simulator.post("complain", out_trade_no=wechat.paid().payment_no)["complaint_id"] for _ in range(2)
    )
    desk.reply(first, "卡密已被充值，附上记录")
    desk.reject_refund(first, "卡密已被充值")
    assert desk.complaint(first).state is ComplaintState.PROCESSED
    desk.reply(second, "已补发卡密")
    desk.complete(second)
    assert desk.complaint(second).state is ComplaintState.PROCESSED


# --- The partners ---------------------------------------------------------------------------------------------------


@dataclass
class Wechat:
    """The simulator's WeChat Pay, and what it gave us to speak to it."""

    partner: Partner
    given: dict[str, Any]

    @property
    def gateway(self) -> WechatGateway:
        assert isinstance(self.partner.gateway, WechatGateway)
        return self.partner.gateway

    @property
    def simulator(self) -> Any:
        return self.partner.simulator

    @property
    def credentials(self) -> WechatCredentials:
        fields = WechatCredentials.__dataclass_fields__
        return WechatCredentials(**{name: value for name, value in self.given.items() if name in fields})

    def gateway_of(self, **changes: str) -> WechatGateway:
        return WechatGateway(replace(self.credentials, **changes))

    def new_payment_no(self) -> str:
        return self.partner.new_payment_no()

    def order(self) -> Any:
        return self.partner.order(self.new_payment_no())

    def paid(self, gateway: WechatGateway | None = None) -> RefundRequest:
        """A payment that was just paid, as the first refund of it that may be asked for."""
        order = self.order()
        gateway = gateway or self.gateway
        gateway.open_payment(order)
        self.simulator.pay(order.payment_no)
        transaction_id = gateway.query_payment(order.payment_no).channel_transaction_id
        return self.partner.refund(order.payment_no, transaction_id, 1, 1000)

    def today(self) -> date:
        return datetime.fromisoformat(self.simulator.clock(0)["now"]).astimezone(CHINA).date()

    def letters(self) -> Iterator[tuple[dict[str, str], bytes]]:
        while True:
            yield self.partner.mailbox.letters.get(timeout=20)

    def notice(self, kind: NotificationKind) -> Any:
        return self.partner.notification(lambda notice: notice.kind is kind)[0]


def fetched(wechat: Wechat, kind: BillKind, day: date) -> tuple[BillState, list[Any]]:
    bill = io.BytesIO()
    state = wechat.gateway.fetch_bill(kind, day, bill)
    bill.seek(0)
    return state, list(wechat.gateway.read_bill(kind, bill)) if state is BillState.READY else []


@pytest.fixture(scope="module")
def wechat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wechat]:
    folder = tmp_path_factory.mktemp("wechat")
    with partners(folder) as both:
        given = json.loads((folder / "data" / "credentials.json").read_text())["wechat"]
        yield Wechat(both["wechat"], given)
