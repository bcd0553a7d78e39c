"""充值对象: whom a top-up or a service is for. Kept sealed for its order alone; pages show a mask (I15)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings

from orders.models import Order
from shops import vault
from shops.models import RecipientKind
from shops.rotation import SealedColumn

PHONE = re.compile(r"1[3-9]\d{9}")


@dataclass(frozen=True)
class Recipient:
    """``account`` is a phone number or a game account; ``server`` (区服) only for games."""

    kind: RecipientKind
    account: str
    server: str = ""

    @property
    def masked(self) -> str:
        """138****0000, or the first and last two of a game account with its server."""
        if self.kind == RecipientKind.PHONE:
            return f"{self.account[:3]}****{self.account[-4:]}"
        shown = f"{self.account[:2]}****{self.account[-2:]}" if len(self.account) > 4 else "****"
        return f"{shown} · {self.server}" if self.server else shown

    @property
    def grouped(self) -> str:
        """138 0000 0000, to be read once more by whoever typed it."""
        whole = self.account
        return f"{whole[:3]} {whole[3:7]} {whole[7:]}" if self.kind == RecipientKind.PHONE else whole

    @property
    def text(self) -> str:
        return f"{self.kind}\n{self.account}\n{self.server}"


def keep(order: Order, recipient: Recipient | None) -> None:
    """Seal it into an order that is about to be saved."""
    if recipient is None:
        return
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    sealed = keyring.seal(recipient.text, bound_to=_binding(order.order_no, order.shop_id))
    order.recipient_sealed, order.recipient_key_id = sealed.ciphertext, sealed.key_id
    order.recipient_masked = recipient.masked
    order.recipient_digest = keyring.fingerprint(recipient.text)


def of(order: Order) -> Recipient | None:
    """Open it: for the supplier's call, and for the shop's people who carry out a service."""
    if not order.recipient_key_id:
        return None
    sealed = vault.Sealed(bytes(order.recipient_sealed or b""), order.recipient_key_id)
    text = vault.keyring(settings.CARD_KEYS_FILE).open(sealed, bound_to=_binding(order.order_no, order.shop_id))
    kind, account, server = text.split("\n")
    return Recipient(RecipientKind(kind), account, server)


def is_same(order: Order, recipient: Recipient | None) -> bool:
    """Whether the order is for this recipient; two orders for nobody are alike."""
    if recipient is None or order.recipient_digest is None:
        return recipient is None and order.recipient_digest is None
    return bytes(order.recipient_digest) == vault.keyring(settings.CARD_KEYS_FILE).fingerprint(recipient.text)


def _binding(order_no: str, shop_id: int) -> str:
    return f"orders_order|recipient_sealed|{order_no}|{shop_id}"


SEALED = SealedColumn("充值对象", Order, "recipient_sealed", "recipient_key_id", ("order_no", "shop_id"), _binding)
