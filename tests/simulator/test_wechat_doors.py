"""What browsers meet at the simulated WeChat: OAuth, the JSAPI bridge and its till, the H5 page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from wechatpayv3 import WeChatPayType

SHOP = "https://shop.example/orders/1?tab=pay"
AUTHORIZE = "/connect/oauth2/authorize"
PHONE_BROWSER = {"Referer": "https://shop.example/", "User-Agent": "Mozilla/5.0 (Linux; Android 14) Mobile"}


# --- OAuth -----------------------------------------------------------------------------------------------------------


def authorize(gateway: Any, **changes: str) -> tuple[int, Any]:
    query = {
        "appid": gateway.keys["appid"],
        "redirect_uri": SHOP,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "S&1",
    }
    status, headers, _ = gateway.http("GET", f"{AUTHORIZE}?{urlencode(query | changes)}")
    return status, headers


def exchange(gateway: Any, code: str, **changes: str) -> dict[str, Any]:
    query = {
        "appid": gateway.keys["appid"],
        "secret": gateway.keys["app_secret"],
        "code": code,
        "grant_type": "authorization_code",
    }
    status, headers, body = gateway.http("GET", f"/sns/oauth2/access_token?{urlencode(query | changes)}")
    assert (status, headers["Content-Type"]) == (200, "text/plain")
    return json.loads(body)


@pytest.fixture
def code(gateway: Any) -> str:
    status, headers = authorize(gateway)
    assert status == 302
    return parse_qs(urlsplit(headers["Location"]).query)["code"][0]


def test_the_buyer_comes_back_with_code_and_state(gateway: Any) -> None:
    status, headers = authorize(gateway)
    assert status == 302
    assert headers["Location"].startswith(f"{SHOP}&code=")
    assert parse_qs(urlsplit(headers["Location"]).query)["state"] == ["S&1"]


def test_a_code_gives_the_openid_once(gateway: Any, code: str) -> None:
    assert exchange(gateway, code)["openid"] == gateway.keys["openid"]
    assert exchange(gateway, code) == {"errcode": 40163, "errmsg": "code been used"}


@pytest.mark.parametrize(
    ("changes", "errcode"),
    [
        ({"code": "0NOSUCHCODE"}, 40029),
        ({"secret": "wrong"}, 40125),
        ({"appid": "wxother"}, 40013),
        ({"grant_type": "password"}, 40002),
    ],
)
def test_a_wrong_exchange_is_refused_and_uses_nothing_up(
    gateway: Any, code: str, changes: dict[str, str], errcode: int
) -> None:
    assert exchange(gateway, **{"code": code} | changes)["errcode"] == errcode
    assert "openid" in exchange(gateway, code)


def test_a_code_lives_five_minutes(start_gateway: Callable[..., Any]) -> None:
    gateway = start_gateway()
    codes = [parse_qs(urlsplit(authorize(gateway)[1]["Location"]).query)["code"][0] for _ in range(2)]
    gateway.control("clock", {"advance_seconds": 290})
    assert "openid" in exchange(gateway, codes[0])
    gateway.control("clock", {"advance_seconds": 11})
    assert exchange(gateway, codes[1])["errcode"] == 40029


@pytest.mark.parametrize(
    "changes",
    [{"appid": "wxother"}, {"response_type": "token"}, {"scope": "all"}, {"redirect_uri": "javascript:alert(1)"}],
)
def test_a_wrong_oauth_page_sends_nobody_anywhere(gateway: Any, changes: dict[str, str]) -> None:
    status, headers = authorize(gateway, **changes)
    assert (status, headers["Location"]) == (400, None)


# --- JSAPI -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def signed(gateway: Any, deaf_url: str) -> dict[str, str]:
    """What a shop's page hands to the bridge."""
    number = gateway.order(deaf_url, payer={"openid": gateway.keys["openid"]}, pay_type=WeChatPayType.JSAPI)
    body = gateway.client.pay(
        "点卡 100 元",
        number,
        {"total": 1000, "currency": "CNY"},
        notify_url=deaf_url,
        payer={"openid": gateway.keys["openid"]},
        pay_type=WeChatPayType.JSAPI,
    )[1]
    fields = {"appId": gateway.keys["appid"], "timeStamp": "1700000000", "nonceStr": "N0nce"}
    fields["package"] = f"prepay_id={json.loads(body)['prepay_id']}"
    return fields | {"signType": "RSA", "paySign": gateway.client.sign(list(fields.values())), "redirect_url": SHOP}


def test_the_till_takes_what_the_merchant_signed_and_brings_the_buyer_back(
    gateway: Any, signed: dict[str, str]
) -> None:
    status, headers, _ = gateway.till(signed)
    assert status == 302
    status, headers_of_page, page = gateway.http("GET", headers["Location"])
    assert (status, "确认支付" in page.decode()) == (200, True)
    assert "form-action 'self' https://shop.example" in headers_of_page["Content-Security-Policy"]
    assert f'<a href="{SHOP}">取消支付</a>' in page.decode()

    form = urlencode({"funding": "零钱", "redirect_url": SHOP}).encode()
    status, headers, _ = gateway.http("POST", urlsplit(headers["Location"]).path, form)
    assert (status, headers["Location"]) == (303, SHOP)
    prepay_id = signed["package"].removeprefix("prepay_id=")
    assert "支付成功" in gateway.http("GET", f"/phone/{prepay_id}")[2].decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"nonceStr": "Another"},
        {"timeStamp": "1700000001"},
        {"timeStamp": "soon"},
        {"signType": "MD5"},
        {"appId": "wxother"},
        {"package": "prepay_id=wx00000000000000000000000000000000"},
        {"paySign": ""},
        {"paySign": "c2lnbmF0dXJl"},
    ],
)
def test_the_till_shows_an_error_for_anything_else(
    gateway: Any, signed: dict[str, str], changes: dict[str, str]
) -> None:
    status, _, page = gateway.till(signed | changes)
    assert status == 400
    assert "确认支付" not in page.decode()
    assert f'<a href="{SHOP}">返回商家</a>' in page.decode()


def test_the_bridge_is_a_script_that_knows_its_home(gateway: Any) -> None:
    status, headers, script = gateway.http("GET", "/bridge.js")
    assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert gateway.keys["gateway"] in script.decode()
    assert "getBrandWCPayRequest" in script.decode()


@pytest.mark.parametrize("openid", ["", "o123", "x" * 28, None])
def test_a_jsapi_order_wants_a_real_openid(gateway: Any, deaf_url: str, openid: str | None) -> None:
    status, body = gateway.client.pay(
        "点卡",
        gateway.new_number(),
        {"total": 1000, "currency": "CNY"},
        notify_url=deaf_url,
        payer={"openid": openid},
        pay_type=WeChatPayType.JSAPI,
    )
    assert (status, json.loads(body)["code"]) == (400, "PARAM_ERROR")


# --- H5 --------------------------------------------------------------------------------------------------------------


def h5_path(gateway: Any, deaf_url: str) -> str:
    status, body = gateway.client.pay(
        "点卡",
        gateway.new_number(),
        {"total": 1000, "currency": "CNY"},
        notify_url=deaf_url,
        scene_info={"payer_client_ip": "2001:db8::7", "h5_info": {"type": "iOS"}},
        pay_type=WeChatPayType.H5,
    )
    assert status == 200, body
    return json.loads(body)["h5_url"].removeprefix(gateway.keys["gateway"])


def test_an_h5_page_opens_from_the_shop_and_leads_back(gateway: Any, deaf_url: str) -> None:
    path = h5_path(gateway, deaf_url) + "&" + urlencode({"redirect_url": SHOP})
    status, headers, _ = gateway.http("GET", path, headers=PHONE_BROWSER)
    assert status == 302
    _, _, page = gateway.http("GET", headers["Location"])
    assert re.search(r'name="redirect_url" value="https://shop\.example/', page.decode())
    form = urlencode({"funding": "零钱", "redirect_url": SHOP}).encode()
    status, headers, _ = gateway.http("POST", urlsplit(headers["Location"]).path, form)
    assert (status, headers["Location"]) == (303, SHOP)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({}, "商家参数格式有误"),
        (PHONE_BROWSER | {"User-Agent": "Mozilla/5.0 MicroMessenger/8.0"}, "请在微信外打开订单"),
    ],
)
def test_an_h5_page_refuses_who_does_not_come_from_the_shop_or_comes_inside_wechat(
    gateway: Any, deaf_url: str, headers: dict[str, str], says: str
) -> None:
    status, _, page = gateway.http("GET", h5_path(gateway, deaf_url), headers=headers)
    assert (status, says in page.decode()) == (400, True)


def test_an_h5_page_lives_five_minutes(start_gateway: Callable[..., Any], deaf_url: str) -> None:
    gateway = start_gateway()
    path = h5_path(gateway, deaf_url)
    gateway.control("clock", {"advance_seconds": 290})
    assert gateway.http("GET", path, headers=PHONE_BROWSER)[0] == 302
    gateway.control("clock", {"advance_seconds": 11})
    assert "支付请求已失效" in gateway.http("GET", path, headers=PHONE_BROWSER)[2].decode()


@pytest.mark.parametrize("scene", [None, {}, {"payer_client_ip": "here", "h5_info": {"type": "Wap"}}])
def test_an_h5_order_wants_the_buyers_address(gateway: Any, deaf_url: str, scene: dict[str, Any] | None) -> None:
    path = "/v3/pay/transactions/h5"
    order = {
        "appid": gateway.keys["appid"],
        "mchid": gateway.keys["mchid"],
        "description": "点卡",
        "out_trade_no": gateway.new_number(),
        "notify_url": deaf_url,
        "amount": {"total": 1000, "currency": "CNY"},
    }
    status, body = gateway.call("POST", path, order | ({"scene_info": scene} if scene is not None else {}))
    assert (status, body["code"]) == (400, "PARAM_ERROR")


@pytest.mark.parametrize("back", ["javascript:alert(1)", "//evil.example/", "https://a b/", 'https://x/"><b>'])
def test_nobody_is_led_to_what_is_not_an_address(gateway: Any, deaf_url: str, back: str) -> None:
    path = h5_path(gateway, deaf_url) + "&" + urlencode({"redirect_url": back})
    _, headers, _ = gateway.http("GET", path, headers=PHONE_BROWSER)
    page = gateway.http("GET", headers["Location"])[2].decode()
    assert ("取消支付" in page) == (back == 'https://x/"><b>')  # an odd path is still an address, and escaped
    assert '"><b>' not in page
