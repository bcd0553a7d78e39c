"""What a webhook says, and how it is signed: https://www.standardwebhooks.com (``v1``, HMAC-SHA256).

The body is made anew for each try, always the same bytes: ``type``, ``timestamp`` (when it happened), ``data``. No
code, no name, no contact, no word of a buyer stands in it: whoever wants more asks the API with a key.
"""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime

from django.conf import settings
from standardwebhooks import Webhook

from integrations.models import WebhookDelivery, WebhookEndpoint
from refunds.models import RefundEvent, Status
from refunds.stages import STAGE_OF
from shops import vault
from shops.rotation import SealedColumn

PING = "ping"
#: What a shop can choose: the statuses of a refund, each told when it is reached.
EVENTS: dict[str, str] = {f"refund.{status.value}": status.value for status in Status}
SECRET_BYTES = 32
USER_AGENT = "cardshop-webhooks/1"


def kind_of(event: RefundEvent) -> str:
    return f"refund.{event.to_status}"


def body_of(delivery: WebhookDelivery) -> bytes:
    """JSON in UTF-8. ``event__refund__order`` is at hand."""
    event = delivery.event
    happened_at = event.at if event else delivery.created_at
    letter = {"type": delivery.kind, "timestamp": happened_at.astimezone(UTC).isoformat(), "data": _data(event)}
    return json.dumps(letter, ensure_ascii=False, separators=(",", ":")).encode()


def headers_of(delivery: WebhookDelivery, body: bytes, *, secret: str, sent_at: datetime) -> dict[str, str]:
    """``sent_at`` is real time in UTC, not the shop's: receivers refuse what is five minutes off."""
    signature = Webhook(secret).sign(str(delivery), sent_at.astimezone(UTC), body.decode())
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": str(delivery),
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": signature,
    }


def fresh_secret() -> str:
    """``whsec_`` and 32 random bytes in base64: as libraries for Standard Webhooks take it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def keep_secret(endpoint: WebhookEndpoint, secret: str) -> None:
    """Seal it into a row that is about to be saved."""
    sealed = vault.keyring(settings.CARD_KEYS_FILE).seal(secret, bound_to=_place(endpoint.pk, endpoint.shop_id))
    endpoint.secret, endpoint.secret_key_id = sealed.ciphertext, sealed.key_id


def secret_of(endpoint: WebhookEndpoint) -> str:
    """Raises vault.VaultError."""
    sealed = vault.Sealed(bytes(endpoint.secret), endpoint.secret_key_id)
    return vault.keyring(settings.CARD_KEYS_FILE).open(sealed, bound_to=_place(endpoint.pk, endpoint.shop_id))


def _data(event: RefundEvent | None) -> dict[str, str | int]:
    if event is None:
        return {}
    return {
        "refund_no": event.refund.refund_no,
        "order_no": event.refund.order.order_no,
        "status": event.to_status,
        "stage": STAGE_OF[Status(event.to_status)],
        "amount_fen": event.refund.amount_fen,
    }


def _place(pk: object, shop_id: int) -> str:
    return f"integrations_webhookendpoint|secret|{pk}|{shop_id}"


SEALED = SealedColumn("回调密钥", WebhookEndpoint, "secret", "secret_key_id", ("pk", "shop_id"), _place)
