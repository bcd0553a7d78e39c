"""How a buyer pays and is paid back by other ways: WeChat's own browser, a phone's, and the card after a dead one."""

# ruff: noqa: F401, F811 - fixtures
from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from payments.gateways.base import (
    BankCard,
    GatewayError,
    GatewayMisconfigured,
    NeverSent,
    OutcomeUnknown,
    PayMethod,
    RefundState,
)
from payments.gateways.wechat import Call, WechatCredentials, WechatGateway
from payments.gateways.wechat.refunds import REDIRECT_BANKS
from payments.gateways.wechat.tills import OAUTH_ANSWERS
from tests.gateways.wechat_channel import (
    APPID,
    MERCHANT_KEY,
    ORDER,
    PUBLIC_KEY_ID,
    REFUND,
    REFUND_BODY,
    WECHAT_KEY,
    Channel,
    Reply,
    channel,
    credentials,
    gateway,
    serving,
)

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"
SECRET = "d9a1f0c2b3e4958677a8b9c0d1e2f304"


# --- 收款 ------------------------------------------------------------------------------------------------------------


def test_a_phone_goes_to_wechat_and_comes_back_to_its_order(channel: Channel, gateway: WechatGateway) -> None:
    channel.answers[Call.OPEN] = Reply(200, {"h5_url": "https://wx.tenpay.com/checkmweb?prepay_id=wx20&package=1"})
    order = replace(
        ORDER, method=PayMethod.PHONE, payer_ip="2001:db8::1", return_url="https://shop.example/orders/1?from=wechat"
    )
    till = gateway.open_payment(order)
    assert till.startswith("https://wx.tenpay.com/checkmweb?prepay_id=wx20&package=1&redirect_url=")
    assert parse_qs(urlsplit(till).query)["redirect_url"] == [order.return_url]
    assert channel.requests[0].path == "/v3/pay/transactions/h5"
    assert json.loads(channel.requests[0].body)["scene_info"] == {
        "payer_client_ip": "2001:db8::1",
        "h5_info": {"type": "Wap"},
    }


def test_a_till_that_is_no_address_is_not_believed(channel: Channel, gateway: WechatGateway) -> None:
    channel.answers[Call.OPEN] = Reply(200, {"h5_url": "javascript:alert(1)"})
    with pytest.raises(OutcomeUnknown, match="h5_url"):
        gateway.open_payment(replace(ORDER, method=PayMethod.PHONE, payer_ip="192.0.2.1"))


@pytest.mark.parametrize(
    "change",
    [
        {"method": PayMethod.PHONE, "payer_ip": ""},
        {"method": PayMethod.PHONE, "payer_ip": "192.0.2.1, 192.0.2.2"},
        {"method": PayMethod.IN_APP, "payer_id": ""},
        {"method": PayMethod.IN_APP, "payer_id": "o\n1"},
    ],
)
def test_an_order_without_its_buyer_is_never_sent(
    channel: Channel, in_app: WechatGateway, change: dict[str, Any]
) -> None:
    with pytest.raises(NeverSent):
        in_app.open_payment(replace(ORDER, **change))
    assert channel.requests == []


def test_inside_wechat_the_page_gets_parameters_that_wechat_can_verify(channel: Channel, in_app: WechatGateway) -> None:
    channel.answers[Call.OPEN] = Reply(200, {"prepay_id": "wx201410272009395522657a690389285100"})
    till = in_app.open_payment(replace(ORDER, method=PayMethod.IN_APP, payer_id=OPENID))
    assert channel.requests[0].path == "/v3/pay/transactions/jsapi"
    assert json.loads(channel.requests[0].body)["payer"] == {"openid": OPENID}
    given = in_app.in_app_parameters(till)
    assert set(given) == {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (given["appId"], given["signType"], given["package"]) == (APPID, "RSA", f"prepay_id={till}")
    signed = f"{given['appId']}\n{given['timeStamp']}\n{given['nonceStr']}\n{given['package']}\n".encode()
    signature = base64.b64decode(given["paySign"])
    MERCHANT_KEY.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    assert in_app.in_app_parameters(till)["nonceStr"] != given["nonceStr"]


def test_without_an_app_secret_nothing_is_offered_inside_wechat(channel: Channel, gateway: WechatGateway) -> None:
    assert gateway.methods == {PayMethod.SCAN, PayMethod.PHONE}
    asks = [
        lambda: gateway.open_payment(replace(ORDER, method=PayMethod.IN_APP, payer_id=OPENID)),
        lambda: gateway.open_payment(replace(ORDER, method=PayMethod.COMPUTER)),
        lambda: gateway.in_app_parameters("wx20"),
        lambda: gateway.login_address("https://shop.example/", "s"),
        lambda: gateway.payer_of("code"),
    ]
    for ask in asks:
        with pytest.raises(NeverSent):
            ask()
    assert channel.requests == []


# --- 网页授权 ---------------------------------------------------------------------------------------------------------


def test_the_buyer_is_sent_to_wechat_to_be_known(credentials: WechatCredentials) -> None:
    gateway = WechatGateway(replace(credentials, app_secret=SECRET))
    assert gateway.methods == {PayMethod.SCAN, PayMethod.PHONE, PayMethod.IN_APP}
    address = gateway.login_address("https://shop.example/pay?a=1&b=2", "State42")
    assert address.startswith("https://open.weixin.qq.com/connect/oauth2/authorize?appid=")
    assert address.endswith("#wechat_redirect")
    asked = parse_qs(urlsplit(address).query)
    assert asked["redirect_uri"] == ["https://shop.example/pay?a=1&b=2"]
    assert (asked["state"], asked["scope"], asked["response_type"]) == (["State42"], ["snsapi_base"], ["code"])
    assert SECRET not in address


def test_a_code_becomes_the_buyers_number(sns: Sns, in_app: WechatGateway) -> None:
    sns.answer = {"access_token": "t", "expires_in": 7200, "openid": OPENID, "scope": "snsapi_base"}
    assert in_app.payer_of("081Abc_-") == OPENID
    path, query = sns.asked[0].split("?")
    assert path == "/sns/oauth2/access_token"
    assert query == f"appid={APPID}&secret={SECRET}&code=081Abc_-&grant_type=authorization_code"


@pytest.mark.parametrize(("errcode", "meaning"), [*OAUTH_ANSWERS.items(), (99999, GatewayError)])
def test_every_errcode_has_a_meaning(
    sns: Sns, in_app: WechatGateway, errcode: int, meaning: type[GatewayError]
) -> None:
    sns.answer = {"errcode": errcode, "errmsg": "…"}
    with pytest.raises(GatewayError) as raised:
        in_app.payer_of("code")
    assert (raised.type, raised.value.code) == (meaning, str(errcode))


@pytest.mark.parametrize(
    ("status", "answer"), [(502, {}), (200, []), (200, {"openid": None}), (200, {"openid": "a b"})]
)
def test_an_answer_without_a_number_is_unknown(sns: Sns, in_app: WechatGateway, status: int, answer: Any) -> None:
    sns.status, sns.answer = status, answer
    with pytest.raises(OutcomeUnknown):
        in_app.payer_of("code")


@pytest.mark.parametrize("code", ["", "a&secret=b", "../x", "a\nb", "x" * 513])
def test_a_code_of_the_browsers_making_goes_nowhere(sns: Sns, in_app: WechatGateway, code: str) -> None:
    with pytest.raises(GatewayError, match="invalid_code"):
        in_app.payer_of(code)
    assert sns.asked == []


def test_the_app_secret_shows_in_no_error(credentials: WechatCredentials) -> None:
    """I15: it stands in the address that was called."""
    gateway = WechatGateway(replace(credentials, app_secret=SECRET, oauth_gateway="http://127.0.0.1:9"))
    assert SECRET not in repr(credentials)
    with pytest.raises(OutcomeUnknown) as raised:
        gateway.payer_of("code")
    assert SECRET not in f"{raised.value} {raised.value.__cause__}"
    assert raised.value.__suppress_context__


# --- 异常退款 ---------------------------------------------------------------------------------------------------------

CARD = BankCard("CMB_DEBIT", "6225880137000000", "张三")


def test_an_abnormal_refund_goes_on_to_the_buyers_card_which_only_wechat_can_read(
    channel: Channel, gateway: WechatGateway
) -> None:
    """G8."""
    channel.answers[Call.REDIRECT] = Reply(200, REFUND_BODY)
    assert gateway.redirect_refund(REFUND, REFUND_BODY["refund_id"], CARD).state is RefundState.ACCEPTED
    request = channel.requests[0]
    assert request.path == f"/v3/refund/domestic/refunds/{REFUND_BODY['refund_id']}/apply-abnormal-refund"
    assert request.headers["Wechatpay-Serial"] == PUBLIC_KEY_ID
    sent = json.loads(request.body)
    assert (sent["type"], sent["bank_type"], sent["out_refund_no"]) == (
        "USER_BANK_CARD",
        "CMB_DEBIT",
        REFUND.request_no,
    )
    assert opened(sent["bank_account"]) == CARD.card_no
    assert opened(sent["real_name"]) == CARD.holder
    assert CARD.card_no.encode() not in request.body


def test_back_to_the_merchant_it_is_no_refund_to_the_buyer(channel: Channel, gateway: WechatGateway) -> None:
    channel.answers[Call.REDIRECT] = Reply(200, REFUND_BODY)
    gateway.redirect_refund(REFUND, REFUND_BODY["refund_id"], None)
    assert json.loads(channel.requests[0].body) == {"out_refund_no": REFUND.request_no, "type": "MERCHANT_BANK_CARD"}
    to_us = {"status": "SUCCESS", "success_time": "2026-11-20T20:05:00+08:00", "user_received_account": "商户基本账户"}
    channel.answers[Call.QUERY_REFUND] = Reply(200, REFUND_BODY | to_us)
    assert gateway.query_refund(REFUND).state is RefundState.BACK_WITH_MERCHANT


def test_a_refused_redirect_is_settled_by_asking(channel: Channel, gateway: WechatGateway) -> None:
    channel.answers[Call.REDIRECT] = Reply(400, {"code": "INVALID_REQUEST", "message": "已发起"})
    channel.answers[Call.QUERY_REFUND] = Reply(200, REFUND_BODY)  # an earlier try got through after all
    assert gateway.redirect_refund(REFUND, REFUND_BODY["refund_id"], CARD).state is RefundState.ACCEPTED
    channel.answers[Call.QUERY_REFUND] = Reply(200, REFUND_BODY | {"status": "ABNORMAL"})
    refused = gateway.redirect_refund(REFUND, REFUND_BODY["refund_id"], CARD)
    assert (refused.state, refused.code) == (RefundState.REFUSED, "INVALID_REQUEST")
    channel.answers[Call.QUERY_REFUND] = Reply(500, None)
    with pytest.raises(OutcomeUnknown):
        gateway.redirect_refund(REFUND, REFUND_BODY["refund_id"], CARD)


@pytest.mark.parametrize(
    ("refund_id", "card"),
    [
        ("50/../1", CARD),
        ("", CARD),
        ("50", replace(CARD, bank_code="CMB_CREDIT")),
        ("50", replace(CARD, bank_code="HXB_DEBIT")),
        ("50", replace(CARD, card_no="6225 8801 3700 0000")),
        ("50", replace(CARD, holder=" ")),
    ],
)
def test_a_card_that_no_bank_takes_is_never_sent(
    channel: Channel, gateway: WechatGateway, refund_id: str, card: BankCard
) -> None:
    with pytest.raises(NeverSent) as refused:
        gateway.redirect_refund(REFUND, refund_id, card)
    assert channel.requests == []
    assert "6225" not in str(refused.value)


def test_fifteen_banks_take_a_redirected_refund() -> None:
    assert len(REDIRECT_BANKS) == len(set(REDIRECT_BANKS.values())) == 15
    assert all(code.endswith("_DEBIT") for code in REDIRECT_BANKS)


def opened(sealed: str) -> str:
    oaep = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    return WECHAT_KEY.decrypt(base64.b64decode(sealed), oaep).decode()


class Sns(ThreadingHTTPServer):
    """The server that knows who stands behind a code; it signs nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SnsConversation)
        self.asked: list[str] = []
        self.status: int = 200
        self.answer: Any = {}


class SnsConversation(BaseHTTPRequestHandler):
    server: Sns

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "text/plain")  # as the real one does
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def sns() -> Iterator[Sns]:
    with serving(Sns()) as running:
        yield running


@pytest.fixture
def in_app(credentials: WechatCredentials, sns: Sns) -> WechatGateway:
    """A gateway that may also be paid through inside WeChat."""
    oauth = f"http://127.0.0.1:{sns.server_port}"
    return WechatGateway(replace(credentials, app_secret=SECRET, oauth_gateway=oauth))
