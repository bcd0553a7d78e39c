"""订单存证: the chains of an order, of its codes and of its cases, as buyer and shop read them, and as a file to keep.

Whoever has the file can check it without us (``records/check_record.py``). What is personal stands in it only for whom
it concerns; for others its digest does, and proves the chain as well.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from orders.models import Order, OrderEvent
from records import chain, checking, merkle, roots, signing
from records.models import DailyRoot, Link
from refunds import reading
from refunds.models import Refund, RefundEvent
from shops.models import CodeEvent

FORMAT = "cardshop-record-1"
SHOWN_EVENTS = 200  # the newest; the file has all


@dataclass(frozen=True)
class Place:
    """Where a chain stands in a published root: its event ``sequence`` is leaf ``index`` of that day's tree."""

    sequence: int
    index: int
    root: DailyRoot


@dataclass(frozen=True)
class Chain:
    """One chain, the oldest event first. ``problems``: what was changed, in words; ``place``: None until a day is over,
    or where no root holds it."""

    title: str
    events: Sequence[Link]
    problems: Sequence[str]
    place: Place | None


@dataclass(frozen=True)
class Moment:
    """One event as people read it. ``day``: whose root holds it; None as long as that day is not over."""

    at: datetime
    about: str
    words: str
    who: str
    digest: str
    day: date | None
    is_sound: bool


@dataclass(frozen=True)
class OrderRecord:
    order: Order
    chains: Sequence[Chain]
    moments: Sequence[Moment]  # the newest first
    hidden_count: int

    @property
    def problems(self) -> list[str]:
        return [f"{each.title}: {problem}" for each in self.chains for problem in each.problems]

    @property
    def last_day(self) -> date | None:
        """The latest published root that holds any of it."""
        return max((each.place.root.day for each in self.chains if each.place), default=None)


def of(order: Order) -> OrderRecord:
    """Everything recorded about an order, checked as it is read. ``order`` comes with its shop."""
    chains = _chains(order)
    who = _Who(order, [event for each in chains for event in each.events])
    refunds = {refund.pk: refund for refund in order.refunds.all()}
    moments = [_moment(event, each, who, refunds) for each in chains for event in each.events]
    moments.sort(key=lambda moment: moment.at)  # of one moment, as each chain has them
    moments.reverse()
    return OrderRecord(order, chains, moments[:SHOWN_EVENTS], max(0, len(moments) - SHOWN_EVENTS))


def as_file(record: OrderRecord, *, reader: User) -> dict[str, Any]:
    """All that an offline check needs: public contents, digests, salts of what ``reader`` may see, paths and roots."""
    published = {each.place.root.day: each.place.root for each in record.chains if each.place}
    return {
        "format": FORMAT,
        "order_no": record.order.order_no,
        "chains": _chains_in_file(record, reader),
        "roots": {day.isoformat(): root_in_file(root) for day, root in sorted(published.items())},
        "keys": keys_in_file()["keys"],
    }


def root_in_file(root: DailyRoot) -> dict[str, Any]:
    """A signed root as it is published."""
    return {"statement": roots.statement(root), "signature": base64.b64encode(bytes(root.signature)).decode()}


def keys_in_file() -> dict[str, Any]:
    """The public keys as they are published: which one signs now, and all that still prove older roots."""
    signer = signing.signer()
    keys = [
        {"key_id": key_id, "algorithm": "Ed25519", "public_key": base64.b64encode(signing.raw(key)).decode()}
        for key_id, key in signer.public_keys.items()
    ]
    return {"active": signer.key_id, "keys": keys}


# --- the chains -------------------------------------------------------------------------------------------------------


def _chains(order: Order) -> list[Chain]:
    """The order's own, then those of its codes and cases: three queries, and one for each day's root."""
    codes = CodeEvent.objects.filter(code__delivery__line__order=order).select_related("actor", "code")
    codes = codes.defer("code__sealed").order_by("code__delivery__line__position", "sequence")
    groups: list[list[Link]] = [
        list(OrderEvent.objects.filter(order=order).select_related("actor", "order").order_by("sequence")),
        *_apart(codes),
        *_apart(
            RefundEvent.objects.filter(refund__order=order)
            .select_related("actor", "refund")
            .order_by("refund_id", "sequence")
        ),
    ]
    events = [group for group in groups if group]
    held = _Held([event for group in events for event in group])
    positions = dict(order.lines.filter(delivery__code__isnull=False).values_list("delivery__code_id", "position"))
    return [_chain(group, held, positions) for group in events]


def _apart(rows: Any) -> list[list[Link]]:
    """The events of each subject by themselves."""
    found: dict[Any, list[Link]] = {}
    for row in rows:
        found.setdefault(getattr(row, f"{row.SUBJECT}_id"), []).append(row)
    return list(found.values())


def _chain(events: Sequence[Link], held: _Held, positions: Mapping[Any, int]) -> Chain:
    last = events[-1]
    subject = getattr(last, last.SUBJECT)
    problems = [_("第 %(n)d 条记录与写入时不符") % {"n": event.sequence} for event, _problem in chain.broken(events)]
    if getattr(subject, last.STATE) != getattr(last, last.TO):
        problems.append(_("当前状态与最后一条记录不符"))
    problems += held.missing(events)
    return Chain(_title(last, positions), events, problems, held.place(events))


def _title(event: Link, positions: Mapping[Any, int]) -> str:
    if isinstance(event, CodeEvent):
        return _("第 %(n)d 件的卡密") % {"n": positions[event.code_id]}
    if isinstance(event, RefundEvent):
        return _("退款 %(no)s") % {"no": event.refund.refund_no}
    return _("订单")


class _Held:
    """Which published roots hold these events, and where. Each root is asked once, one at a time."""

    def __init__(self, events: Sequence[Link]) -> None:
        self.heads: dict[date, dict[tuple[str, Any], Link]] = {}  # of each day and chain its last event
        for event in events:
            self.heads.setdefault(timezone.localdate(event.recorded_at), {})[_key(event)] = event
        self.places: dict[tuple[date, tuple[str, Any]], Place | None] = {}
        for root in DailyRoot.objects.filter(day__in=self.heads).order_by("day").iterator(1):
            leaves, root.leaves = bytes(root.leaves), b""  # a busy day's are megabytes
            for key, event in self.heads[root.day].items():
                index = merkle.index_of(checking.head_of(event).leaf, leaves)
                self.places[root.day, key] = None if index is None else Place(event.sequence, index, root)

    def place(self, events: Sequence[Link]) -> Place | None:
        """The latest root that holds this chain."""
        key = _key(events[0])
        return max(
            (place for (_day, whose), place in self.places.items() if whose == key and place),
            key=lambda place: place.root.day,
            default=None,
        )

    def missing(self, events: Sequence[Link]) -> list[str]:
        """Days whose root does not hold what we say of that day."""
        key = _key(events[0])
        days = sorted(day for (day, whose), place in self.places.items() if whose == key and place is None)
        return [_("%(day)s 公布的根中没有这份记录") % {"day": day} for day in days]


def _key(event: Link) -> tuple[str, Any]:
    return event.STREAM, getattr(event, f"{event.SUBJECT}_id")


# --- in words ---------------------------------------------------------------------------------------------------------


class _Who:
    """Whose act an event was, without a name."""

    def __init__(self, order: Order, events: Sequence[Link]) -> None:
        actors = {event.actor_id for event in events if event.actor_id}  # type: ignore[attr-defined]
        self.buyers = set(
            User.objects.filter(pk__in=actors).filter(Q(pk=order.buyer_id) | Q(claimed_by=order.buyer_id))
            .values_list("pk", flat=True)
        )  # fmt: skip
        self.shop = set(order.shop.memberships.filter(user__in=actors).values_list("user", flat=True))

    def __call__(self, event: Any) -> str:
        if event.actor_id is None:
            return _("系统")
        if event.actor_id in self.buyers:
            return _("买家")
        if event.actor_id in self.shop:
            return _("商家")
        return _("平台") if event.actor.is_staff else _("其他买家")


def _moment(event: Any, its_chain: Chain, who: _Who, refunds: Mapping[int, Refund]) -> Moment:
    place = its_chain.place
    covered = place is not None and event.sequence <= place.sequence
    return Moment(
        at=event.at,
        about=its_chain.title,
        words=_words(event, refunds),
        who=who(event),
        digest=bytes(event.hash).hex()[:12],
        day=timezone.localdate(event.recorded_at) if covered else None,
        is_sound=not its_chain.problems,
    )


def _words(event: Any, refunds: Mapping[int, Refund]) -> str:
    if isinstance(event, CodeEvent):
        return str(event.get_kind_display())
    if isinstance(event, RefundEvent):
        return reading.told(refunds[event.refund_id], event)
    return str(event.get_step_display())


# --- in a file --------------------------------------------------------------------------------------------------------


def _chains_in_file(record: OrderRecord, reader: User) -> list[dict[str, Any]]:
    paths = _paths([each.place for each in record.chains if each.place])
    return [
        {
            "stream": each.events[0].STREAM,
            "subject": str(_key(each.events[0])[1]),
            "events": [_event_in_file(event, record.order, reader) for event in each.events],
            "place": each.place
            and {
                "day": each.place.root.day.isoformat(),
                "sequence": each.place.sequence,
                "path": [[side, neighbor.hex()] for side, neighbor in paths[each.place.root.day, each.place.index]],
            },
        }
        for each in record.chains
    ]


def _paths(places: Sequence[Place]) -> dict[tuple[date, int], list[tuple[str, bytes]]]:
    """From each leaf to its root; the leaves of one day at a time."""
    paths = {}
    for root in DailyRoot.objects.filter(day__in={place.root.day for place in places}).iterator(1):
        leaves = bytes(root.leaves)
        for index in {place.index for place in places if place.root.day == root.day}:
            paths[root.day, index] = merkle.path_to(index, leaves)
    return paths


def _event_in_file(event: Any, order: Order, reader: User) -> dict[str, Any]:
    content = {
        "content": chain.public_content(event),
        "personal_digest": bytes(event.personal_digest).hex(),
        "previous_hash": bytes(event.previous_hash).hex(),
        "hash": bytes(event.hash).hex(),
    }
    if _may_see(event, order, reader):
        content |= {"salt": bytes(event.salt).hex(), "personal": chain.personal_content(event)}
    return content


def _may_see(event: Any, order: Order, reader: User) -> bool:
    """A note that both sides were told of; an address and a device only whoever used them."""
    if isinstance(event, CodeEvent):
        return event.actor_id == reader.pk or (event.ip is None and not event.device)
    if isinstance(event, RefundEvent):
        return not event.note or event.note in reading.told(event.refund, event)
    return event.step != "verify" or reader.pk == order.buyer_id
