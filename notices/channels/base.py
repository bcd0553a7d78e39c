"""What a way out of the house has to keep to, whichever it is. Channels know no database: threads call them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


class SendFailed(Exception):
    """It did not go out, or nobody knows. ``code`` is a key of ``words.TROUBLE`` or the provider's own word.

    ``is_final``: asking again changes nothing, as for a number that is none.
    """

    def __init__(self, code: str, detail: str = "", *, is_final: bool = False) -> None:
        super().__init__(code, detail)
        self.code, self.is_final = code, is_final


@dataclass(frozen=True)
class Message:
    """One message, as its reader gets it.

    ``number`` is the same however often it is sent, so that a mail program or a provider can tell a second one.
    ``text`` is all of it in words. Providers that take only templates which they have approved get ``template``
    ("refund", "order", "code") with ``values``; ``language`` is "zh-hans" or "en".
    """

    number: str
    to: str
    text: str
    language: str
    subject: str = ""
    html: str = ""
    template: str = ""
    values: dict[str, str] = field(default_factory=dict)


class Sender(Protocol):
    """One provider on one channel."""

    def send(self, message: Message) -> str:
        """Hand it over; returns the provider's number of it, or "". Raises SendFailed. Within 20 seconds."""
