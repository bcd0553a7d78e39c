"""Notifications of the channel, as the shop's gateway reads them or as they come over the wire."""

from __future__ import annotations

import uuid

from payments.gateways.base import Notification, NotificationKind


def a_notification(request_no: str, payment_no: str) -> Notification:
    """A checked notification about a refund, as ``read_notification`` returns it."""
    return Notification(NotificationKind.REFUND, str(uuid.uuid4()), payment_no, request_no, {"status": "SUCCESS"})
