"""WeChat Pay v3 as a merchant sees it (微信支付 v3): start with gateway.py, which answers every call below /v3/."""
