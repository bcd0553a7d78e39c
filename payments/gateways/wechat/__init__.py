"""微信支付 (APIv3) on the unmodified ``wechatpayv3`` SDK. Start at ``gateway.py``, then ``answers.py``."""

from payments.gateways.wechat.answers import Call
from payments.gateways.wechat.client import WechatCredentials
from payments.gateways.wechat.gateway import WechatGateway

__all__ = ["Call", "WechatCredentials", "WechatGateway"]
