"""Who pays (付款人): a name a tester gives has one identity at each channel. Who is not named is somebody new."""

from __future__ import annotations

import base64
import hashlib
from typing import NamedTuple


class AlipayBuyer(NamedTuple):
    """How Alipay tells the merchant of a buyer: two numbers of his, and his login as it masks it."""

    user_id: str  # 2088…
    open_id: str
    logon_id: str


def openid(appid: str, name: str) -> str:
    """The openid of this person at this app: another app is told another one."""
    return "o" + base64.urlsafe_b64encode(_digest("wechat", appid, name)).decode()[:27]


def alipay_buyer(app_id: str, name: str) -> AlipayBuyer:
    """user_id is the person's wherever he pays, open_id belongs to the app."""
    person = int.from_bytes(_digest("alipay", name)[:16])
    open_id = base64.b64encode(_digest("alipay", app_id, name), altchars=b"Aa").decode()[:32]
    return AlipayBuyer(f"2088{person % 10**12:012d}", open_id, f"138******{person % 100:02d}")


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()
