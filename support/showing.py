"""What pages show of a ticket or a complaint: for the buyer, the shop and the desk, page by page, in few queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import private_pictures
from accounts import agents
from accounts.models import User
from orders import talk
from support import verifying
from support.models import Picture, ShopCause, ShopComplaint, Ticket, TicketMessage, Voice

PAGE = 50  # messages at once


@dataclass(frozen=True)
class Line:
    """One message as everybody reads it."""

    message: TicketMessage
    name: str
    number: str
    warnings: Sequence[str]


@dataclass(frozen=True)
class Thread:
    """Some of what was said, the oldest first. ``earlier`` asks for what was said before; empty where nothing was."""

    lines: Sequence[Line]
    earlier: str
    is_latest: bool


def thread(ticket: Ticket, *, before: str = "", most: int = PAGE) -> Thread:
    """One query, however much was said."""
    rows = TicketMessage.objects.filter(ticket=ticket)
    mark = int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None
    if mark is not None:
        rows = rows.filter(pk__lt=mark)
    found = list(rows.order_by("-id")[: most + 1])
    shown = found[:most][::-1]
    earlier = str(shown[0].pk) if len(found) > most else ""
    return Thread([_line(message) for message in shown], earlier, is_latest=mark is None)


def _line(message: TicketMessage) -> Line:
    voice = Voice(message.voice)
    name = agents.title(message.author_id or 0) if voice == Voice.AGENT else str(voice.label)
    return Line(message, name, verifying.number_of(message), warnings(message.warnings))


def warnings(keys: Sequence[str]) -> list[str]:
    return [str(talk.WARNINGS[key]) for key in keys if key in talk.WARNINGS]


def pictures_of(subject: Ticket | ShopComplaint, reader: User) -> list[tuple[Picture, str]]:
    """Each with an address signed for this reader."""
    rows = subject.pictures.order_by("at", "pk")
    return [(row, private_pictures.address("storefront:support_picture", row, reader)) for row in rows]


@dataclass(frozen=True)
class Told:
    """A complaint in words."""

    causes: Sequence[str]
    warnings: Sequence[str]


def complaint(row: ShopComplaint) -> Told:
    return Told([str(ShopCause(cause).label) for cause in row.causes], warnings(row.warnings))
