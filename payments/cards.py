"""收款银行卡 of a redirected refund: sealed to its attempt, opened only to be sent to the channel (I15)."""

from __future__ import annotations

import json

from django.conf import settings

from payments.gateways.base import BankCard, NeverSent
from payments.models import Redirect, RefundAttempt
from shops import vault
from shops.rotation import SealedColumn


def seal(card: BankCard, attempt: RefundAttempt) -> vault.Sealed:
    """Encrypt the card for this attempt alone."""
    text = json.dumps([card.bank_code, card.card_no, card.holder])
    return vault.keyring(settings.CARD_KEYS_FILE).seal(text, bound_to=_place(attempt.request_no))


def of(attempt: RefundAttempt) -> BankCard | None:
    """The card that this attempt goes to, None for the merchant's account. Raises NeverSent if it cannot be opened."""
    if attempt.redirect_to != Redirect.BUYER_CARD:
        return None
    sealed = vault.Sealed(bytes(attempt.redirect_card), attempt.redirect_key_id)
    try:
        text = vault.keyring(settings.CARD_KEYS_FILE).open(sealed, bound_to=_place(attempt.request_no))
    except vault.VaultError as error:
        raise NeverSent("card_unreadable", str(error)) from None
    return BankCard(*json.loads(text))


def _place(request_no: str) -> str:
    return f"payments_refundattempt|redirect_card|{request_no}"


SEALED = SealedColumn("收款银行卡", RefundAttempt, "redirect_card", "redirect_key_id", ("request_no",), _place)
