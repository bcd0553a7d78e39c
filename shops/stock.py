"""库存: the only code that moves a card code, and the only place where one is opened.

in_stock → delivered → revealed; delivered ⇄ frozen while a refund is asked for; frozen → quarantined and
revealed → void once refunded. The constraints in ``models.py`` refuse everything else that would hurt (I9).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import User
from identifiers import uuid7
from shops import vault
from shops.models import CardCode, CodeEvent, CodeState, Product


class CodeIsFrozen(Exception):
    """The code cannot be revealed: a refund is asked for, or it was refunded."""


@dataclass(frozen=True)
class Viewer:
    """Who is looking, from where: what the record of a reveal keeps."""

    user: User
    ip: str | None
    device: str


def add(product: Product, texts: Iterable[str], *, at: datetime) -> list[CardCode]:
    """入库. Seals each text to its own row; a code already known anywhere is refused (IntegrityError)."""
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    rows = []
    for text in texts:
        row = CardCode(id=uuid7(), product=product, created_at=at)
        sealed = keyring.seal(text, bound_to=_binding(row))
        row.sealed, row.key_id = sealed.ciphertext, sealed.key_id
        row.fingerprint = keyring.fingerprint(text)
        rows.append(row)
    return CardCode.objects.bulk_create(rows)


def take(product_id: int, count: int, *, at: datetime) -> list[CardCode]:
    """Deliver up to ``count`` codes of a product, oldest first; fewer if the stock is short. In a transaction."""
    waiting = CardCode.objects.select_for_update(no_key=True, skip_locked=True).filter(
        product_id=product_id, state=CodeState.IN_STOCK
    )
    codes = list(waiting.order_by("id")[:count])
    _move(codes, CodeState.DELIVERED, delivered_at=at)
    return codes


def reveal(code_id: UUID, *, viewer: Viewer, at: datetime) -> str:
    """查看卡密. The record of the look is written before the code is opened. In a transaction.

    Raises CodeIsFrozen. Only ``orders.delivery.reveal``, which knows whose code it is, calls this.
    """
    code = CardCode.objects.select_for_update(no_key=True).select_related("product").get(pk=code_id)
    if code.state not in {CodeState.DELIVERED, CodeState.REVEALED}:
        raise CodeIsFrozen(f"reveal: the code is {code.state}")
    CodeEvent.objects.create(
        code=code, kind="reveal", actor=viewer.user, at=at, ip=viewer.ip, device=viewer.device[:200]
    )
    if code.state == CodeState.DELIVERED:
        _move([code], CodeState.REVEALED, revealed_at=at)
    keyring = vault.keyring(settings.CARD_KEYS_FILE)
    sealed = vault.Sealed(ciphertext=bytes(code.sealed), key_id=code.key_id)
    return keyring.open(sealed, bound_to=_binding(code))


def lock(codes: QuerySet[CardCode]) -> list[CardCode]:
    """Hold these codes still until the transaction ends, in the order in which everybody locks."""
    return list(codes.select_for_update(no_key=True).order_by("pk"))


def freeze(codes: Sequence[CardCode]) -> None:
    """冻结: a refund is asked for, so what is unseen stays unseen."""
    _move([code for code in codes if code.state == CodeState.DELIVERED], CodeState.FROZEN)


def give_back(codes: Sequence[CardCode]) -> None:
    """解冻: the refund came to nothing, so the buyer has the code again, unseen or seen as it was."""
    _move([code for code in codes if code.state in {CodeState.FROZEN, CodeState.QUARANTINED}], CodeState.DELIVERED)
    _move([code for code in codes if code.state == CodeState.VOID], CodeState.REVEALED)


def retire(codes: Sequence[CardCode]) -> None:
    """Refunded: unseen codes go to quarantine, never straight back to sale; seen ones are void."""
    _move([code for code in codes if code.state == CodeState.FROZEN], CodeState.QUARANTINED)
    _move([code for code in codes if code.state == CodeState.REVEALED], CodeState.VOID)


def available(product_id: int) -> int:
    return CardCode.objects.filter(product_id=product_id, state=CodeState.IN_STOCK).count()


def _move(codes: Sequence[CardCode], state: CodeState, **times: datetime) -> None:
    CardCode.objects.filter(pk__in=[code.pk for code in codes]).update(state=state, **times)
    for code in codes:
        code.state = state
        for name, value in times.items():
            setattr(code, name, value)


def _binding(code: CardCode) -> str:
    """What the ciphertext is bound to, so that it cannot be moved to another row or shop."""
    return f"shops_cardcode|sealed|{code.pk}|{code.product.shop_id}"
