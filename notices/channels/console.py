"""For development and the demo alone: what would have gone out stands in the log. Refused when CHANNELS=live."""

from __future__ import annotations

import logging

from notices.channels.base import Message

log = logging.getLogger(__name__)


class ConsoleSender:
    def send(self, message: Message) -> str:
        log.info("to %s (nothing was sent): %s", message.to, message.text)
        return ""
