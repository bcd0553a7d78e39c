"""The outside world of a card shop: WeChat Pay, Alipay, card issuers and the buyer's phone, as a process of its own.

It shares no code with the shop, so that it cannot agree with the shop's mistakes. Start reading in `server.py`: it says
which part answers which address.
"""
