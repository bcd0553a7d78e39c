"""付款账户: which of our payments came from one account at the channel, without keeping whose it is (P12)."""

from __future__ import annotations

from django.utils.crypto import salted_hmac

from payments.models import ChannelAccount


def payer_key(account: ChannelAccount, payer: str) -> bytes | None:
    """Who paid: 32 bytes, keyed, that tell two payers under one merchant account apart and name neither.

    ``payer`` is ``PaymentOutcome.payer``; None where the channel did not say.
    """
    if not payer:
        return None
    return salted_hmac("payer", f"{account.channel}|{account.code}|{payer}", algorithm="sha256").digest()
