"""微信: 订阅消息 of a mini program (``message/subscribe/send``), 订阅通知 of an official account (``…/bizsend``).

After the documents at developers.weixin.qq.com: 小程序 · 发送订阅消息, 服务号 · 发送订阅通知, 获取稳定版接口调用凭据.
Its reader agrees to the messages inside the app that sends them; without that WeChat answers 43101. An openid is good
in the app that learned it, and in no other. Never run against the real service.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import requests
from django.conf import settings

import wire
from notices.channels.base import Message, SendFailed

GATEWAY = "https://api.weixin.qq.com"
EARLY_SECONDS = 300  # before its end a new token is there, and the old one still good
LANGUAGES = {"zh-hans": "zh_CN", "en": "en_US"}
LONGEST_VALUE = {"thing": 20, "character_string": 32, "phrase": 5}  # by what a field's name begins with
NO_TOKEN = {40001, 40014, 42001}
FINAL = {40003, 43101}  # no such reader; does not want it, or does not want it any more


class SubscriptionMessages:
    """Of a mini program. One for a process: its threads share the token."""

    path = "/cgi-bin/message/subscribe/send"

    def __init__(self) -> None:
        self._token, self._until, self._lock = "", 0.0, threading.Lock()

    def send(self, message: Message) -> str:
        try:
            return self._send(message)
        except SendFailed as error:
            if error.code not in {f"wechat_{code}" for code in NO_TOKEN}:
                raise
        self._until = 0.0
        return self._send(message)

    def _send(self, message: Message) -> str:
        keys = settings.WECHAT_MESSAGES
        template = keys["templates"].get(message.template)
        if not template:
            raise SendFailed("no_template", message.template)
        body = {
            "touser": message.to,
            "template_id": template,
            "data": _data(message, keys["fields"]),
        }
        said = _ask(self.path, body | self._more(message), {"access_token": self._current()})
        return str(said.get("msgid", ""))

    def _more(self, message: Message) -> dict[str, str]:
        return {"miniprogram_state": "formal", "lang": LANGUAGES[message.language]}

    def _current(self) -> str:
        with self._lock:
            if time.monotonic() >= self._until:
                keys = settings.WECHAT_MESSAGES
                asked = {"grant_type": "client_credential", "appid": keys["appid"], "secret": keys["secret"]}
                said = _ask("/cgi-bin/stable_token", asked, {})
                try:
                    self._token = str(said["access_token"])
                    self._until = time.monotonic() + int(said["expires_in"]) - EARLY_SECONDS
                except (KeyError, TypeError, ValueError):
                    raise SendFailed("odd_answer") from None
            return self._token


class AccountNotices(SubscriptionMessages):
    """Of an official account: the app that buyers pay in, so that the openid it learned there is good here."""

    path = "/cgi-bin/message/subscribe/bizsend"

    def _more(self, message: Message) -> dict[str, str]:
        return {}


def _data(message: Message, fields: dict[str, str]) -> dict[str, dict[str, str]]:
    """``fields``: what WeChat calls each of our values, as "brief" → "thing2"."""
    data = {}
    for name, theirs in fields.items():
        value = message.values.get(name, "")
        longest = next((most for begin, most in LONGEST_VALUE.items() if theirs.startswith(begin)), 20)
        data[theirs] = {"value": value[:longest]}
    return data


def _ask(path: str, body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    """Errors say nothing of the address that was called: it holds our token."""
    gateway = settings.WECHAT_MESSAGES["gateway"] or GATEWAY
    try:
        answer = wire.session().post(f"{gateway}{path}", json=body, params=query)
        said = answer.json()
    except (requests.RequestException, ValueError):
        raise SendFailed("no_answer") from None
    if not isinstance(said, dict):
        raise SendFailed("odd_answer")
    code = said.get("errcode", 0)
    if code:
        raise SendFailed(f"wechat_{code}", is_final=code in FINAL)
    if answer.status_code != 200:
        raise SendFailed(f"http_{answer.status_code}")
    return said
