"""核实客服 (B13): is this our agent, and did we send this? Answered from what was really sent, never guessed.

What we sent is sought among the reader's own things alone: notices to them, and what agents wrote on their orders and
tickets. So nobody learns what was said to others, and no more is read than the latest of each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from accounts import agents
from accounts.models import User
from notices import wording
from notices.models import Notice
from orders import talk
from orders.models import Order, OrderMessage, Side
from shops import rights
from support import people
from support.models import TicketMessage, Voice

MOST = 200  # of each kind, the latest
LEAST_LETTERS = 6  # a shorter piece of a sentence proves nothing
LANGUAGES = ("zh-hans", "en")
NUMBER = re.compile(r"[MW]([0-9]{1,18})")


@dataclass(frozen=True)
class Sent:
    """Something that we sent: when, where it stands, and who signed it."""

    at: datetime
    where: str
    path: str
    signed: str


def is_agent(text: str) -> bool | None:
    """Whether this number is at work here; None if no number was given."""
    number = agents.read(text)
    return None if number is None else agents.at_work(number) is not None


def number_of(message: TicketMessage) -> str:
    """消息编号 of a message in a ticket: W and its key."""
    return f"W{message.pk}"


def find(text: str, reader: User) -> list[Sent]:
    """What we sent to this reader in these words, or under this number of a message; the latest first."""
    wanted = _plain(text)
    number = NUMBER.fullmatch(wanted.upper())
    if number is None and len(wanted) < LEAST_LETTERS:
        return []
    found = [sent for written, sent in _sent_to(reader) if _is_it(wanted, written, number)]
    return sorted(found, key=lambda sent: sent.at, reverse=True)[:10]


def _is_it(wanted: str, written: tuple[str, list[str]], number: re.Match[str] | None) -> bool:
    own_number, texts = written
    return wanted.upper() == own_number if number else any(wanted in _plain(text) for text in texts)


def _sent_to(reader: User) -> Iterator[tuple[tuple[str, list[str]], Sent]]:
    """((number, the words), where): four queries."""
    accounts = people.accounts_of(reader)
    orders = Order.objects.filter(Q(buyer__in=accounts) | Q(shop__in=rights.shops_of(reader, "orders")))
    said = OrderMessage.objects.filter(side=Side.PLATFORM, order__in=orders).select_related("order")
    for message in said.order_by("-pk")[:MOST]:
        number, title = message.order.order_no, agents.title(message.author_id)
        path = "" if message.order.buyer_id == reader.pk else "/shop"
        where = _("订单 %(number)s 的沟通") % {"number": number}
        yield (talk.number_of(message), [message.text]), Sent(message.at, where, f"{path}/orders/{number}/#talk", title)
    answers = TicketMessage.objects.filter(voice=Voice.AGENT, ticket__buyer__in=accounts).select_related("ticket")
    for row in answers.order_by("-pk")[:MOST]:
        where = _("工单 %(number)s") % {"number": row.ticket.ticket_no}
        path = f"/support/tickets/{row.ticket.ticket_no}/"
        yield (number_of(row), [row.text]), Sent(row.at, where, path, agents.title(row.author_id or 0))
    for notice in Notice.objects.filter(recipient__in=accounts).order_by("-pk")[:MOST]:
        yield ("", _in_all_languages(notice)), Sent(notice.created_at, _("站内通知"), "/notices/", "")


def _in_all_languages(notice: Notice) -> list[str]:
    """A reader may have had it in either."""
    told = []
    for language in LANGUAGES:
        with translation.override(language):
            told.append(wording.text(notice.kind, notice.params))
    return told


def _plain(text: str) -> str:
    """As people copy it: without blanks, in half-width letters."""
    return "".join(unicodedata.normalize("NFKC", text).split()).casefold()
