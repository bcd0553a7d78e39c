"""How a buyer gets to WeChat's till: 扫码 (Native), 微信内 (JSAPI), 手机浏览器 (H5); and who the buyer is (OAuth)."""

from __future__ import annotations

import ipaddress
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests
from wechatpayv3 import WeChatPayType

import wire
from payments.gateways.base import (
    GatewayError,
    GatewayMisconfigured,
    NeverSent,
    OutcomeUnknown,
    PaymentOrder,
    PayMethod,
)
from payments.gateways.reading import Odd, text
from payments.gateways.wechat.answers import PAUSE_WHEN_LIMITED_SECONDS
from payments.gateways.wechat.client import WechatClient, WechatCredentials
from payments.gateways.wechat.fields import Body, json_object

OAUTH_PAGES = "https://open.weixin.qq.com"
OAUTH_CALLS = "https://api.weixin.qq.com"

#: errcode of the OAuth call → what it means. What is not listed refuses this one code: the buyer begins again.
OAUTH_ANSWERS: Mapping[int, type[GatewayError]] = {
    -1: OutcomeUnknown,  # 系统繁忙
    45009: OutcomeUnknown,  # 接口调用超过限制
    45011: OutcomeUnknown,  # 频率限制
    40001: GatewayMisconfigured,  # AppSecret 错误
    40013: GatewayMisconfigured,  # 不合法的 AppID
    40125: GatewayMisconfigured,  # 不合法的 AppSecret
    40164: GatewayMisconfigured,  # IP 不在白名单
    41002: GatewayMisconfigured,  # 缺少 appid
    41004: GatewayMisconfigured,  # 缺少 secret
    48001: GatewayMisconfigured,  # 接口未授权
    50002: GatewayMisconfigured,  # 账号受限
    40029: GatewayError,  # 不合法或已过期的 code
    40163: GatewayError,  # code 已被使用
    40226: GatewayError,  # 高风险用户
    41008: GatewayError,  # 缺少 code
    42003: GatewayError,  # code 超时
}
_LIMITED = (45009, 45011)


def order_options(order: PaymentOrder) -> dict[str, Any]:
    """What the SDK must be told beside the order itself."""
    if order.method is PayMethod.IN_APP:
        if not re.fullmatch(r"[!-~]{1,128}", order.payer_id):
            raise NeverSent("payer_id", "IN_APP needs the buyer's number at the channel")
        return {"pay_type": WeChatPayType.JSAPI, "payer": {"openid": order.payer_id}}
    if order.method is PayMethod.PHONE:
        address = _address_of(order.payer_ip)
        return {
            "pay_type": WeChatPayType.H5,
            "scene_info": {"payer_client_ip": address, "h5_info": {"type": "Wap"}},
        }
    return {"pay_type": WeChatPayType.NATIVE}


def _address_of(payer_ip: str) -> str:
    try:
        return str(ipaddress.ip_address(payer_ip))
    except ValueError:
        raise NeverSent("payer_ip", f"PHONE needs the buyer's address: {payer_ip!r}") from None


def till_of(order: PaymentOrder, body: Body) -> str:
    """The till in an answer: a code's text, a prepay handle, or an address that leads back to ``return_url``."""
    if order.method is PayMethod.IN_APP:
        return text(body, "prepay_id")
    if order.method is PayMethod.SCAN:
        return text(body, "code_url", 512)
    address = text(body, "h5_url", 1024)
    if urlsplit(address).scheme not in ("http", "https"):
        raise Odd("h5_url")
    if not order.return_url:
        return address
    return f"{address}{'&' if '?' in address else '?'}redirect_url={quote(order.return_url, safe='')}"


def in_app_parameters(client: WechatClient, till: str) -> dict[str, str]:
    """调起支付 parameters of ``WeixinJSBridge.invoke("getBrandWCPayRequest", …)``, signed with the real time."""
    appid, timestamp, nonce = client.credentials.appid, str(int(time.time())), uuid.uuid4().hex
    package = f"prepay_id={till}"
    return {
        "appId": appid,
        "timeStamp": timestamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": client.sdk.sign([appid, timestamp, nonce, package]),
    }


def login_address(credentials: WechatCredentials, return_url: str, state: str) -> str:
    """网页授权: silent (snsapi_base), as only the buyer's number is wanted."""
    if not re.fullmatch(r"[0-9A-Za-z]{1,128}", state):
        raise ValueError("login_address: state must be 1 to 128 letters and digits")
    asked = {
        "appid": credentials.appid,
        "redirect_uri": return_url,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": state,
    }
    pages = credentials.oauth_gateway.rstrip("/") or OAUTH_PAGES
    return f"{pages}/connect/oauth2/authorize?{urlencode(asked)}#wechat_redirect"


def payer_of(credentials: WechatCredentials, code: str) -> str:
    """The buyer's openid for a ``code``. Errors say nothing of the address that was called: it holds our secret."""
    if not re.fullmatch(r"[0-9A-Za-z_-]{1,512}", code):
        raise GatewayError("invalid_code")
    asked = {
        "appid": credentials.appid,
        "secret": credentials.app_secret,
        "code": code,
        "grant_type": "authorization_code",
    }
    calls = credentials.oauth_gateway.rstrip("/") or OAUTH_CALLS
    try:
        answer = wire.session().get(f"{calls}/sns/oauth2/access_token", params=asked)
    except requests.RequestException as error:
        raise OutcomeUnknown("no_trusted_answer", type(error).__name__) from None
    body = json_object(answer.content)
    errcode = body.get("errcode", 0)
    if type(errcode) is not int or (answer.status_code != 200 and not errcode):
        raise OutcomeUnknown(f"http_{answer.status_code}")
    if errcode:
        _raise(errcode)
    try:
        return text(body, "openid", 128)
    except Odd as odd:
        raise OutcomeUnknown("odd_answer", str(odd)) from None


def _raise(errcode: int) -> None:
    meaning = OAUTH_ANSWERS.get(errcode, GatewayError)
    if errcode in _LIMITED:
        raise OutcomeUnknown(str(errcode), retry_after_seconds=PAUSE_WHEN_LIMITED_SECONDS)
    raise meaning(str(errcode))
