"""支付宝: the gateway of one Alipay app. Start at ``gateway.py``."""

from payments.gateways.alipay.gateway import AlipayCredentials, AlipayGateway

__all__ = ["AlipayCredentials", "AlipayGateway"]
