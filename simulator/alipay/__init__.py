"""Alipay's OpenAPI (支付宝开放平台) and the buyer's Alipay: one app, one seller, one buyer. Start in `gateway.py`."""
