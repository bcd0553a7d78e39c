"""Which supplier is which: a row's code names its keys in the settings (``SUPPLIERS``), never in the database."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from django.conf import settings

from shops import models
from shops.suppliers.base import Answer, NeverSent, Signed, Supplier
from shops.suppliers.issuer import Issuer


def of(row: models.Supplier) -> Supplier:
    """Who can be asked for this supplier. Raises NeverSent where no keys are set."""
    keys = settings.SUPPLIERS.get(row.code)
    if keys is None:
        raise NeverSent("no_keys", f"the settings name no supplier {row.code!r}")
    return _issuer(**keys)


def is_set(row: models.Supplier) -> bool:
    """Whether it can be asked at all."""
    return row.code in settings.SUPPLIERS


def keep(row: models.Supplier, answer: Answer, *, about: str, at: datetime) -> models.SupplierAnswer:
    """Keep an answer word for word: proof."""
    signed = answer.signed
    return models.SupplierAnswer.objects.create(
        supplier=row,
        about=about,
        state=answer.state.value,
        effective_at=answer.effective_at,
        body=signed.body,
        timestamp=signed.timestamp,
        nonce=signed.nonce,
        signature=signed.signature,
        public_key_digest=signed.public_key_digest,
        at=at,
    )


def is_genuine(row: models.SupplierAnswer) -> bool:
    """Whether a kept answer is still, letter for letter, what the supplier signed (with the key set today)."""
    signed = Signed(row.body, row.timestamp, row.nonce, row.signature, row.public_key_digest)
    return of(row.supplier).is_genuine(signed)


@cache
def _issuer(gateway: str, supplier_id: str, supplier_key: str, public_key: str) -> Issuer:
    return Issuer(gateway, supplier_id, supplier_key, public_key)
