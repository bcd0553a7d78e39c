"""What went wrong with a call, in words for the shop: keys are ``calling.CallFailed.code``."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

TROUBLE: dict[str, object] = {
    "address": _("地址写法有误：只用 https://域名/路径，不带用户名、空格或 # 号。"),
    "https_only": _("只支持 https 地址。"),
    "port": _("端口只能是 443 或 8443。"),
    "not_public": _("域名指向内网或保留地址，没有发送。"),
    "name": _("域名解析不到。"),
    "tls": _("证书无效或与域名不符。"),
    "timeout": _("10 秒内没有回答完。"),
    "connection": _("连接不上，或中途断开。"),
    "too_large": _("回答太大。"),
    "status": _("对方没有回答 2xx。"),
    "unexpected": _("发送时出错，我们会重试。"),
    "switched_off": _("地址已停用，未发送。"),
}


def trouble(code: str) -> str:
    return str(TROUBLE.get(code, code))
