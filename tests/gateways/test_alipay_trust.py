"""Which answers of Alipay's are believed, and with which keys."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from payments.gateways.alipay import AlipayCredentials, AlipayGateway
from payments.gateways.base import (
    GatewayMisconfigured,
    OutcomeUnknown,
    PayMethod,
    RefundState,
)
from tests.gateways.alipay_channel import (
    ALIPAY_KEY,
    APP_KEY,
    ORDER,
    QUERIED,
    REFUND,
    REFUNDED,
    STRANGERS_KEY,
    AlipayChannel,
    Script,
    bare,
    ok,
    private_pem,
    public_pem,
    sign,
)

NODE = "alipay_trade_refund_response"
GOOD = json.dumps({"code": "10000", **REFUNDED})
UNTRUSTED = {
    "a stranger's signature": Script({"code": "10000", **REFUNDED}, key=STRANGERS_KEY),
    "no signature": Script({"code": "10000", **REFUNDED}, signed=False),
    "an empty signature": Script(raw=f'{{"{NODE}":{GOOD},"sign":""}}'),
    "a number for a signature": Script(raw=f'{{"{NODE}":{GOOD},"sign":1}}'),
    "no Base64": Script(raw=f'{{"{NODE}":{GOOD},"sign":"§§"}}'),
    "another text": Script(raw=f'{{"{NODE}":{GOOD.replace("10.00", "19.99")},"sign":"{sign(GOOD)}"}}'),
    "an unsigned refusal": Script({"code": "40004", "sub_code": "ACQ.TRADE_HAS_FINISHED"}, signed=False),
    "an unsigned attack": Script({"code": "40002", "sub_code": "isv.suspected-attack"}, signed=False),
    "not JSON": Script(raw="<html>502</html>"),
    "a list": Script(raw="[]"),
    "another method's answer": Script(raw=f'{{"alipay_trade_query_response":{GOOD},"sign":"{sign(GOOD)}"}}'),
    "deep JSON": Script(raw="[" * 100_000),
    "GBK": Script(raw="{\"x\": \"支付宝\"}".encode("gbk")),
    "a server error": Script({"code": "10000", **REFUNDED}, status=502),
    "a redirect": Script({"code": "10000", **REFUNDED}, status=302),
    "silence": Script(drop=True),
}  # fmt: skip


@pytest.mark.parametrize("answer", UNTRUSTED.values(), ids=UNTRUSTED.keys())
def test_an_answer_that_cannot_be_trusted_is_no_answer(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, answer: Script
) -> None:
    """G2, G3, G19: it may have happened."""
    alipay.answers["alipay.trade.refund"] = answer
    with pytest.raises(OutcomeUnknown) as raised:
        alipay_gateway.refund(REFUND)
    assert REFUND.request_no not in str(raised.value)


def test_no_connection_is_unknown_too(alipay_credentials: AlipayCredentials) -> None:
    """G1. The code tells staff that nothing can have happened."""
    channel = AlipayChannel()
    channel.close()
    with pytest.raises(OutcomeUnknown) as raised:
        AlipayGateway(replace(alipay_credentials, gateway=channel.gateway)).refund(REFUND)
    assert raised.value.code == "not_sent"


@pytest.mark.parametrize(
    "dump",
    [
        lambda body: json.dumps(body, ensure_ascii=False, indent=2),
        lambda body: json.dumps(body).replace("/", "\\/"),
        lambda body: json.dumps(body, separators=(",", ":"), sort_keys=True),
    ],
)
def test_the_signature_covers_the_text_as_received(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, dump: Callable[[Any], str]
) -> None:
    """A brace in an echoed reason makes the SDK's search cut the text short: no refund could be confirmed."""
    poison = {"refund_reason": 'a } lone brace, a { and "quotes" \\ 卡密', "url": "https://a/b", "alipay_x": NODE}
    alipay.answers["alipay.trade.fastpay.refund.query"] = Script({"code": "10000", **QUERIED, **poison}, dump=dump)
    assert alipay_gateway.query_refund(REFUND).state is RefundState.SUCCEEDED


def test_a_signature_made_before_the_slashes_were_escaped(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    plain = json.dumps({"code": "10000", **QUERIED, "refund_reason": "a/b"})
    node = "alipay_trade_fastpay_refund_query_response"
    escaped = plain.replace("/", "\\/")
    alipay.answers["alipay.trade.fastpay.refund.query"] = Script(raw=f'{{"{node}":{escaped},"sign":"{sign(plain)}"}}')
    assert alipay_gateway.query_refund(REFUND).state is RefundState.SUCCEEDED


@pytest.mark.parametrize("code", ["20001", "40001", "40002", "40003", "40006"])
def test_an_unsigned_word_about_our_keys_stops_and_decides_nothing(
    alipay: AlipayChannel, alipay_gateway: AlipayGateway, code: str
) -> None:
    """An unknown app_id, or a signature that nobody can check, is answered without a signature."""
    alipay.answers["alipay.trade.refund"] = Script({"code": code, "sub_code": "isv.invalid-app-id"}, signed=False)
    with pytest.raises(GatewayMisconfigured, match="isv.invalid-app-id"):
        alipay_gateway.refund(REFUND)


def test_a_signed_error_for_any_method(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    alipay.answers["alipay.trade.refund"] = Script(
        {"code": "40006", "sub_code": "isv.insufficient-isv-permissions"}, node="error_response"
    )
    with pytest.raises(GatewayMisconfigured, match="isv.insufficient-isv-permissions"):
        alipay_gateway.refund(REFUND)


# --- Credentials and threads ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["PKCS1", "PKCS8"])
@pytest.mark.parametrize("as_pem", [True, False])
def test_keys_in_every_usual_form(
    alipay: AlipayChannel, alipay_credentials: AlipayCredentials, form: str, as_pem: bool
) -> None:
    private, public = private_pem(APP_KEY, form), public_pem(ALIPAY_KEY)
    if not as_pem:
        private, public = bare(private), bare(public)
    alipay.answers["alipay.trade.refund"] = ok(**REFUNDED)
    gateway = AlipayGateway(replace(alipay_credentials, app_private_key=private, alipay_public_key=public))
    assert gateway.refund(REFUND).state is RefundState.SUCCEEDED


@pytest.mark.parametrize(
    "change",
    [
        {"app_id": ""}, {"seller_id": ""}, {"app_private_key": ""}, {"app_private_key": "no key"},
        {"alipay_public_key": "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"},
        {"alipay_public_key": public_pem(APP_KEY)},  # the commonest mistake of all
        {"alipay_public_key": private_pem(ALIPAY_KEY)}, {"gateway": "ftp://x/"}, {"gateway": "gateway.do"},
        {"gateway": "https://x/gateway.do?a=b"},
    ],
)  # fmt: skip
def test_credentials_that_cannot_work_are_refused_at_once(
    alipay_credentials: AlipayCredentials, change: dict[str, str]
) -> None:
    with pytest.raises(GatewayMisconfigured) as raised:
        AlipayGateway(replace(alipay_credentials, **change))
    assert bare(private_pem(APP_KEY))[:40] not in str(raised.value)


def test_nothing_secret_shows(alipay_credentials: AlipayCredentials, alipay_gateway: AlipayGateway) -> None:
    """I15."""
    shown = repr(alipay_credentials) + repr(alipay_gateway)
    assert "PRIVATE" not in shown
    assert bare(private_pem(APP_KEY))[:40] not in shown


def test_the_real_gateway_is_the_default(alipay_credentials: AlipayCredentials) -> None:
    till = AlipayGateway(replace(alipay_credentials, gateway="")).open_payment(
        replace(ORDER, method=PayMethod.COMPUTER)
    )
    assert till.startswith("https://openapi.alipay.com/gateway.do?")


def test_threads_share_one_gateway(alipay: AlipayChannel, alipay_gateway: AlipayGateway) -> None:
    alipay.answers["alipay.trade.refund"] = ok(**REFUNDED)
    states: list[RefundState] = []
    threads = [
        threading.Thread(target=lambda: states.extend(alipay_gateway.refund(REFUND).state for _ in range(20)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == [RefundState.SUCCEEDED] * 160
